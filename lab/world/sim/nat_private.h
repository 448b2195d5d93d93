/* A NAT's state, for the files that make it up. */
#ifndef LAB_WORLD_SIM_NAT_PRIVATE_H
#define LAB_WORLD_SIM_NAT_PRIVATE_H

#include "base/rng.h"
#include "lab/nat/memory.h"
#include "lab/world/sim/conntrack.h"
#include "lab/world/sim/learned.h"
#include "lab/world/sim/nat.h"

/* Opened by a port-mapping server. */
struct sim_opened {
    struct sim_opened *next;
    uint16_t external; /* 0: all */
    sim_end inside;
    bool back;
};

struct sim_nat {
    struct nat_profile profile;
    /* Of the site. */
    uint32_t wan[NAT_POOL_MAX];
    size_t wan_count;
    uint32_t subscribers[NAT_SUBSCRIBERS_MAX];
    size_t subscriber_count;
    uint64_t site_seed;
    struct nat_memory keeps;
    unsigned blocked; /* sim_nat_block */
    bool stateful;    /* it tracks flows at all */
    bool trap;        /* a packet to the router itself becomes a flow of its */
    unsigned ports;   /* that are drawn: how many */
    struct sim_conntrack flows;
    /* Inside endpoint [, remote IP] -> port, or index of a drawn one; public port [, remote IP];
     * the same with its owner; public endpoint -> inside endpoint; public endpoint, remote IP;
     * index of a drawn port. */
    struct learned m, used, owner, fc, seen, busy;
    struct sim_opened *opened;
    struct ph_rng rng;
    uint32_t drawn_next;
    ph_ns tokens, tokens_at; /* of limits.new_per_second, in time */
};

/* allocate.c: the outside endpoint that a new flow (tuple: as it comes from inside) gets. It may be
 * one that another flow has: then confirming it fails, as the kernel's does. 0: none is left. */
sim_end sim_nat_allocate(struct sim_nat *n, ph_ns now, const struct sim_tuple *t, uint32_t *mark);
/* The same for one that goes back inside to `inside` (sim_nat_hairpin). */
sim_end sim_nat_allocate_hairpin(struct sim_nat *n, ph_ns now, const struct sim_tuple *t,
                                 sim_end inside);
/* What a flow from outside (tuple: as it goes on inside) comes from, as seen there: where it comes
 * from, unless its receiver has a flow to that already. Netfilter then gives it another port (the
 * null binding of postrouting). */
sim_end sim_nat_allocate_inside(struct sim_nat *n, ph_ns now, const struct sim_tuple *t);

#endif
