/* What a NAT of a profile has to remember, beyond the flows themselves: for the rules of the
 * kernel's NATs and for the simulator's models, so that both keep the same. */
#ifndef LAB_NAT_MEMORY_H
#define LAB_NAT_MEMORY_H

#include "lab/nat/profile.h"

struct nat_memory {
    bool learned;   /* every mapping is looked up in what was learnt before one is made */
    bool contended; /* only hosts that want another's port are (exact preserving) */
    bool drawn;     /* ports are drawn as an index, which the connection mark keeps */
    bool owned;     /* who has which port: netfilter draws the learnt ones, and does not know */
    bool forwards;  /* what is let in from outside is found by a map of ports (@fc) */
};

struct nat_memory nat_memory_of(const struct nat_profile *p);

#endif
