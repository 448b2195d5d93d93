/* Carries out the faults of one trial: at each event's moment it asks the world, or the trial where
 * the relay is meant, and keeps when it was done. */
#ifndef LAB_RUN_FAULT_RUN_H
#define LAB_RUN_FAULT_RUN_H

#include "lab/run/fault_schedule.h"
#include "lab/world/world.h"

struct fault_run;

struct fault_run_config {
    struct world *world;
    const struct fault_plan *plan;
    uint64_t seed;
    /* The relay is to go, or to come back. A PH_ERR_* fails the lab. */
    int (*relay)(void *user, bool comes_back);
    /* The lab could not do one; nothing more is done. */
    void (*failed)(void *user, const char *why);
    void *user;
    /* A fault has happened. */
    void (*happened)(void *user, ph_ns at);
    void *happened_user;
};

/* PH_ERR_NOMEM. It begins with fault_run_begin. */
int fault_run_new(const struct fault_run_config *config, struct fault_run **out);
/* NULL is allowed. The world may tell of nothing after this. */
void fault_run_free(struct fault_run *r);

/* The call has ended: what has not happened yet does not. */
void fault_run_stop(struct fault_run *r);

/* Moments count from `zero`. */
void fault_run_begin(struct fault_run *r, ph_ns zero);
/* Every event is done. */
bool fault_run_over(const struct fault_run *r);
/* The instant at which it is to be, PH_NEVER before it begins. */
ph_ns fault_run_end(const struct fault_run *r);

const struct fault_schedule *fault_run_schedule(const struct fault_run *r);
/* When the fault of this number happened; PH_NEVER: it has not. */
ph_ns fault_run_at(const struct fault_run *r, size_t fault);

#endif
