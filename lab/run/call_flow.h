/* What both peers of a call hear of each other, and the faults that befall it meanwhile. */
#ifndef LAB_RUN_CALL_FLOW_H
#define LAB_RUN_CALL_FLOW_H

#include "lab/run/fault_run.h"
#include "lab/run/media_meter.h"
#include "lab/run/trial.h"

struct call_flow {
    struct media_meter hears[2]; /* the caller, the callee */
    struct fault_run *faults;    /* NULL: none */
    struct meter_outage *outages;
    ph_ns zero;  /* media flows both ways; PH_NEVER: not yet */
    ph_ns ended; /* PH_NEVER: it goes on */
    bool survived;
};

/* faults NULL: none. Its `happened` is filled in here. PH_ERR_NOMEM. */
int call_flow_init(struct call_flow *f, const struct fault_run_config *faults);
void call_flow_fini(struct call_flow *f);

/* Media flows in both directions since `zero`: the faults' moments count from here. Once. */
void call_flow_begin(struct call_flow *f, ph_ns zero);
/* Peer `side` has changed to a direct path. */
void call_flow_switched(struct call_flow *f, unsigned side, ph_ns at);
/* When the call has been held long enough, at the earliest: `media` from the first frame, or from
 * the last fault on. PH_NEVER: not known yet, or a fault is still under way. */
ph_ns call_flow_enough(const struct call_flow *f, ph_ns media);
/* Sending ends; alive: the call itself has not. */
void call_flow_end(struct call_flow *f, ph_ns now, bool alive);
/* sent: what the caller, the callee sent. dial: its instant. */
void call_flow_result(const struct call_flow *f, const uint64_t sent[2], ph_ns dial,
                      struct trial_result *out);

#endif
