/* The hypothesis that a NAT counts: each new mapping gets the port `step` after the last one's, and
 * other people's flows move the same counter. Inside the room. */
#ifndef PH_NAT_SEQUENCE_H
#define PH_NAT_SEQUENCE_H

#include "nat/draws.h"
#include "nat/drift.h"

struct ph_sequence {
    double evidence;    /* ln of the chance of the draws, all steps and wraps together */
    int step;           /* the likeliest; 0: no counter gives these draws */
    double step_share;  /* its share of that chance */
    uint16_t low, high; /* where it was seen to wrap, both 0: it was not */
    bool rated;
    struct ph_drift_rate rate; /* when rated */
};

void ph_sequence_fit(const struct ph_nat_draws *d, struct ph_sequence *out);

#endif
