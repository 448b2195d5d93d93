/* What happens in one trial of a fault's plan, moment by moment: drawn from the trial's seed. Pure.
 */
#ifndef LAB_RUN_FAULT_SCHEDULE_H
#define LAB_RUN_FAULT_SCHEDULE_H

#include "lab/run/fault_plan.h"

struct fault_event {
    ph_ns when;   /* from the first media on */
    size_t fault; /* the number of the fault that it belongs to */
    struct incident what;
};

/* One time of one step. */
struct fault_item {
    enum incident_kind kind;
    enum fault_where where; /* AT_ANY has been drawn: it is A or B */
    enum incident_direction direction;
    ph_ns when;
    ph_ns lasts; /* 0: it is done at once; PH_NEVER: it stays */
};

struct fault_schedule {
    struct fault_item *faults; /* as the plan has them: step by step, each in time's order */
    size_t fault_count;
    struct fault_event *events; /* by their moments */
    size_t event_count;
    ph_ns over; /* the last event's moment */
};

/* -1: out of memory. */
int fault_schedule_make(const struct fault_plan *plan, uint64_t seed, struct fault_schedule *out);
void fault_schedule_free(struct fault_schedule *s);

#endif
