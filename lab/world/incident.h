/* What befalls a world while a trial runs in it: a NAT forgets, an address changes, a path dies.
 * Scenario files call them faults (lab/run/fault_plan.h). A world does them (world_ops.disturb);
 * those of the relay are done where the relay lives, by the trial. */
#ifndef LAB_WORLD_INCIDENT_H
#define LAB_WORLD_INCIDENT_H

#include "lab/topo/layout.h"

enum incident_kind {
    INCIDENT_FLUSH_CONNTRACK,  /* the NAT forgets its flows, and what it has learnt of them */
    INCIDENT_REBOOT_NAT,       /* that, and counters of ports begin anew; its port-mapping server
                                * starts with an empty table */
    INCIDENT_RENUMBER_WAN,     /* the NAT's outside addresses change to others, and nothing of the
                                * old ones holds */
    INCIDENT_CHANGE_INTERFACE, /* the peer's host has another address, and is told */
    INCIDENT_LINK_DOWN,        /* its wire is pulled: it is told, and has no route */
    INCIDENT_BLOCK_UDP,        /* the NAT drops all UDP that goes through it */
    INCIDENT_BLACKHOLE,        /* nothing passes from one peer to the other but by the relay */
    INCIDENT_BLACKOUT,         /* nothing at all passes to and from the peer's host, in silence */
    INCIDENT_KILL_RELAY,       /* the relay is gone */
    INCIDENT_RESTART_RELAY,    /* and comes back: same seed, same address, no memory */
    INCIDENT_KINDS,
};

/* As seen from the caller. */
enum incident_direction {
    INCIDENT_BOTH_WAYS,
    INCIDENT_UP,   /* what the caller sends */
    INCIDENT_DOWN, /* what the callee sends */
};

struct incident {
    enum incident_kind kind;
    uint8_t side;                      /* whose NAT or host: 0 the caller's, 1 the callee's */
    enum incident_direction direction; /* BLACKHOLE */
    uint32_t number;                   /* the trial's own, so that its end is told from others' */
    bool over;                         /* it ends */
};

const char *incident_name(enum incident_kind kind); /* "flush-conntrack" */
const char *incident_direction_name(enum incident_direction d);
/* The trial's to do, not the world's. */
bool incident_is_of_relay(enum incident_kind kind);
/* It goes on until it is over; the others are done at once. */
bool incident_lasts(enum incident_kind kind);
/* Both peers are meant, so that there is no side to it. */
bool incident_has_side(enum incident_kind kind);

/* The host of a side; SIZE_MAX: none. */
size_t incident_host(const struct layout *l, uint8_t side);
/* The router in front of that host: the nearest NAT that translates, else the nearest that keeps
 * state; SIZE_MAX: none. */
size_t incident_nat(const struct layout *l, uint8_t side);
/* The node that has other addresses afterwards; SIZE_MAX: none has. */
size_t incident_renumbers(const struct layout *l, const struct incident *what);
/* Refuses what cannot happen in this world (a NAT that is none). LAB_USAGE. */
int incident_check(const struct layout *l, const struct incident *what, struct lab_error *err);

/* Every address that a packet of this side's host may come from, seen anywhere: its own, and those
 * of the NATs above it. Returns how many, at most cap. */
#define INCIDENT_ADDRESSES_MAX 64
size_t incident_addresses(const struct layout *l, uint8_t side, struct ph_addr *out, size_t cap);

#endif
