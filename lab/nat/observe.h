/* What probing sees of a NAT, before anyone compares it with what the NAT declares. Private to
 * lab/nat. */
#ifndef LAB_NAT_OBSERVE_H
#define LAB_NAT_OBSERVE_H

#include "lab/nat/check.h"

#define OBSERVE_FLOWS 12

enum seen {
    SEEN_UNKNOWN, /* not tried, or it could not be told */
    SEEN_NO,
    SEEN_YES,
};

struct observation {
    enum seen udp;        /* UDP passes from inside to outside */
    enum seen translated; /* it comes out with another address */
    enum nat_mapping mapping;
    enum nat_filtering filtering;
    /* Fresh sockets, one after the other, to one outside endpoint. */
    struct ph_addr source[OBSERVE_FLOWS];
    struct ph_addr mapped[OBSERVE_FLOWS];
    size_t flow_count;
    size_t addresses; /* different outside addresses seen */
    enum nat_allocation_type allocation;
    int step;             /* sequential */
    uint16_t low, high;   /* lowest and highest port seen */
    enum seen repeats;    /* after all was forgotten, the same sockets got the same ports */
    enum seen contention; /* two hosts with one source port: both keep one port to everywhere */
    enum seen hairpin;
    bool hairpin_inside; /* it comes with the inside address of who sent it */
    enum seen answers;   /* the router itself answers a new datagram from outside */
    enum seen trap;      /* an early datagram from outside moves the mapping to another port */
    enum seen holds;     /* a mapping lives until just before the timeout */
    enum seen expires;   /* and is gone just after it */
    enum seen stream_holds, stream_expires;
};

/* Probes. `declared` says only where to look (a range of source ports, how long a timeout is, and
 * whether silence is expected). -1 with err when it could not. */
int nat_observe(const struct nat_profile *declared, const struct nat_check_site *site,
                unsigned flags, struct observation *out, struct lab_error *err);

/* Works out allocation, step, low and high from the flows. */
void nat_observe_allocation(struct observation *o);

struct probe;
/* Waits for the declared timeouts and sees whether mappings live so long and no longer. outside: a
 * socket of the prober's. */
int nat_observe_timeouts(struct probe *x, const struct nat_profile *declared, int outside,
                         const struct nat_check_site *site, struct observation *o);

#endif
