/* What a world declares of the way from a host to the internet, in the terms in which a netcheck
 * from that host reports it; and how its report compares. Pure. */
#ifndef LAB_RUN_TRUTH_H
#define LAB_RUN_TRUTH_H

#include "lab/router/fault.h"
#include "lab/topo/layout.h"
#include "nat/facts.h"
#include "portmap/portmap.h"

enum right {
    RIGHT_UNASKED, /* the NAT has no such property */
    RIGHT_YES,
    RIGHT_UNKNOWN, /* the netcheck does not claim to know */
    RIGHT_WRONG,
};

const char *right_name(enum right r); /* "right"; NULL for UNASKED */

struct truth {
    bool udp_blocked; /* then nothing can be known, and unknown is right */
    enum ph_mapping_behaviour mapping;
    enum ph_filtering_behaviour filtering;
    unsigned allocations; /* 1u << PH_ALLOCATION_x: the types that say what is there */
    int step;             /* of a NAT that counts; 0: none does */
    unsigned block;       /* so many ports it draws from; 0: too many to call a block */
    double background;    /* other people's flows a second through the counter */
    bool hairpin;
    unsigned translations; /* NATs that translate, one behind the other */
    /* What a mapper behind the nearest NAT comes to. */
    bool maps;
    enum ph_portmap_protocol by; /* PH_PORTMAP_NONE: any */
    const struct fault *fault;   /* of its router; NULL: none */
};

void truth_of(const struct layout *l, size_t host, struct truth *out);

struct truth_verdict {
    enum right mapping, filtering, allocation, step, drift, block, hairpin;
};

/* local_port: of the surveyed socket. A NAT that maps endpoint-independently and gives it its own
 * port by chance cannot be told from one that always does. */
void truth_compare(const struct truth *t, const struct ph_nat_facts *f, uint16_t local_port,
                   struct truth_verdict *out);

#endif
