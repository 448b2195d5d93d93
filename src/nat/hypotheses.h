/* How likely each way of giving out ports makes the draws that were seen. Inside the room. */
#ifndef PH_NAT_HYPOTHESES_H
#define PH_NAT_HYPOTHESES_H

#include "nat/port_range.h"
#include "nat/sequence.h"

struct ph_hypotheses {
    /* ln of prior and chance: the socket's own port unless it is taken, a counter, random among
     * all or many ports, random in a block. And of their sum. */
    double preserving, sequential, random, block, total;
    struct ph_sequence sequence;
    struct ph_port_range range;
};

/* local_port 0: not known. */
void ph_hypotheses(const struct ph_nat_draws *d, uint16_t local_port, struct ph_hypotheses *out);

#endif
