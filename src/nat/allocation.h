/* How a NAT gives out ports, out of STUN samples of one socket. */
#ifndef PH_NAT_ALLOCATION_H
#define PH_NAT_ALLOCATION_H

#include "nat/nat.h"

enum ph_allocation_type {
    PH_ALLOCATION_UNKNOWN,
    PH_ALLOCATION_NONE,       /* no translation */
    PH_ALLOCATION_PRESERVING, /* the socket's own port */
    PH_ALLOCATION_ONE_PORT, /* endpoint-independent, and not the socket's own: what the next socket
                             * would get cannot be seen from this one, nor does it matter */
    PH_ALLOCATION_SEQUENTIAL,
    PH_ALLOCATION_RANDOM,
    PH_ALLOCATION_BLOCK, /* random within a range that is much smaller than all ports */
};

struct ph_allocation {
    enum ph_allocation_type type;
    double confidence; /* 0..1, of the type */
    size_t samples;    /* that it rests on: answers, and those of one mapping count once where
                        * mappings differ */
    int step;          /* SEQUENTIAL: signed, never 0; with wrap-around taken into account */
    uint16_t last;     /* the port of the newest sample */
    /* Other people's flows through the same counter, in flows a second; < 0: not known (samples too
     * close together in time, or not sequential). With its 95% interval. */
    double cross_rate, cross_low, cross_high;
    /* Estimated range of ports: of BLOCK the block (aligned: a power of two that fits), of RANDOM
     * what was seen and what that makes likely, of SEQUENTIAL where it wraps if it was seen to.
     * 0, 0: not known. */
    uint16_t low, high;
    bool aligned;
    size_t addresses; /* different mapped IPs: more than one is a pool */
};

/* samples: in any order; local_port: of the socket; mapping: as far as it is known. Fewer than 5
 * answers are UNKNOWN (NONE, PRESERVING and ONE_PORT need 2). */
void ph_nat_allocation(const struct ph_nat_sample *samples, size_t n, uint16_t local_port,
                       enum ph_mapping_behaviour mapping, struct ph_allocation *out);

/* How many further samples pay: a decision hangs on them (block or random, step under cross
 * traffic). 0: none. */
size_t ph_nat_allocation_wants(const struct ph_allocation *a);

/* "preserving", "sequential:2", "random", "block:512", "one-port", "none", "unknown": as in
 * HardNatProbe. Returns buf. */
#define PH_ALLOCATION_TEXT 32
char *ph_nat_allocation_text(const struct ph_allocation *a, char buf[PH_ALLOCATION_TEXT]);
/* Reads such a text, and "random:LOW-HIGH" and "block:LOW-HIGH": type, step, range and `aligned`;
 * the rest of `out` is left alone. What is not said is 0; a block of which only the size is said
 * lies at 0 to SIZE - 1. False when it is none: `out` is as it was. */
bool ph_nat_allocation_parse(const char *text, struct ph_allocation *out);
const char *ph_allocation_type_name(enum ph_allocation_type t);
/* By the first `len` bytes of `name`; false when it is the name of none. */
bool ph_allocation_type_parse(const char *name, size_t len, enum ph_allocation_type *out);

#endif
