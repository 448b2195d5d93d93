/* NATs by name, as sides of a plan; and what its tests share. */
#ifndef TESTS_NAT_PLAN_NATS_H
#define TESTS_NAT_PLAN_NATS_H

#include "nat/plan.h"

enum nat {
    OPEN,        /* no NAT, no filter */
    FULL_CONE,   /* EIM, EIF */
    RESTRICTED,  /* EIM, ADF */
    HOME,        /* EIM, APDF */
    HOME_FILTER, /* EIM, filter not known */
    KEEPS,       /* APDM that keeps ports, APDF */
    COUNTS,      /* APDM sequential */
    COUNTS_ADF,
    COUNTS_FAST, /* with a thousand flows of others a second */
    BLOCK,       /* APDM in 512 ports */
    BLOCK_2048,
    BLOCK_8192,
    RANDOM,
    RANDOM_ADF,
    RANDOM_EIF,
    HARD,    /* APDM, no more known */
    UNKNOWN, /* nothing known but that UDP works */
    BLOCKED,
    NATS
};

static inline struct ph_allocation drawn(enum ph_allocation_type type, uint16_t low, uint16_t high)
{
    return (struct ph_allocation){
        .type = type, .low = low, .high = high, .aligned = true, .cross_rate = -1};
}

static inline struct ph_allocation counted(int step, double rate, double high)
{
    return (struct ph_allocation){.type = PH_ALLOCATION_SEQUENTIAL,
                                  .confidence = 1,
                                  .step = step,
                                  .last = 40000,
                                  .cross_rate = rate,
                                  .cross_low = rate / 2,
                                  .cross_high = high};
}

static inline struct ph_plan_side side_of(enum nat n)
{
    const struct ph_allocation own = {.type = PH_ALLOCATION_PRESERVING, .cross_rate = -1};
    struct ph_plan_side s = {.udp = PH_YES,
                             .mapping = PH_MAPPING_APDM,
                             .filtering = PH_FILTERING_APDF,
                             .allocation = {.cross_rate = -1}};
    if (n <= HOME_FILTER) {
        static const enum ph_filtering_behaviour filters[] = {PH_FILTERING_EIF, PH_FILTERING_EIF,
                                                              PH_FILTERING_ADF, PH_FILTERING_APDF,
                                                              PH_FILTERING_UNKNOWN};
        s.mapping = n == OPEN ? PH_MAPPING_NONE : PH_MAPPING_EIM;
        s.filtering = filters[n];
        s.allocation = own;
    }
    switch (n) {
    case KEEPS:
        s.allocation = own;
        break;
    case COUNTS_ADF:
        s.filtering = PH_FILTERING_ADF;
        s.allocation = counted(2, 0, 5);
        break;
    case COUNTS:
        s.allocation = counted(2, 0, 5);
        break;
    case COUNTS_FAST:
        s.allocation = counted(1, 1000, 1500);
        break;
    case BLOCK:
        s.allocation = drawn(PH_ALLOCATION_BLOCK, 2048, 2559);
        break;
    case BLOCK_2048:
        s.allocation = drawn(PH_ALLOCATION_BLOCK, 2048, 4095);
        break;
    case BLOCK_8192:
        s.allocation = drawn(PH_ALLOCATION_BLOCK, 8192, 16383);
        break;
    case RANDOM:
        s.allocation = drawn(PH_ALLOCATION_RANDOM, 1024, 65535);
        break;
    case RANDOM_ADF:
    case RANDOM_EIF:
        s.filtering = n == RANDOM_ADF ? PH_FILTERING_ADF : PH_FILTERING_EIF;
        s.allocation = drawn(PH_ALLOCATION_RANDOM, 1024, 65535);
        break;
    case UNKNOWN:
        s.mapping = PH_MAPPING_UNKNOWN;
        s.filtering = PH_FILTERING_UNKNOWN;
        break;
    case BLOCKED:
        s = (struct ph_plan_side){.udp = PH_NO};
        break;
    default:
        break;
    }
    return s;
}

static inline struct ph_plan_input input(enum nat caller, enum nat callee)
{
    return (struct ph_plan_input){.side = {side_of(caller), side_of(callee)},
                                  .signalling = 40 * PH_MS,
                                  .stun = 40 * PH_MS,
                                  .direct = 80 * PH_MS};
}

/* As far as fifty ports show. */
static inline bool same_order(const struct ph_port_order *a, const struct ph_port_order *b)
{
    struct ph_port_walk v = {.order = a}, w = {.order = b};
    for (int i = 0; i < 50; i++) {
        uint16_t p = 0, q = 0;
        if (ph_port_walk_next(&v, &p) != ph_port_walk_next(&w, &q) || p != q)
            return false;
    }
    return true;
}

#endif
