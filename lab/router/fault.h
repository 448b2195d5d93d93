/* The faults of port-mapping servers that the field has shown (a row each), by name. A scripted
 * router behaves like a good one but for those that it is given. */
#ifndef LAB_ROUTER_FAULT_H
#define LAB_ROUTER_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum fault_protocol {
    FAULT_PCP = 1,
    FAULT_NAT_PMP = 2,
    FAULT_UPNP = 4,
};

/* What a client that knows the field comes to, behind a router with this fault. */
enum fault_outcome {
    FAULT_MAPPED, /* it gets a mapping, keeps it while it wants it, and gives it back */
    FAULT_NONE,   /* there is none to be had, and it says so in time */
};

struct fault {
    const char *name;    /* "only-permanent" */
    const char *row;     /* what such routers do, a sentence for people */
    const char *seen_in; /* the field report */
    unsigned protocols;  /* that show it, and that the scripted router speaks for it: bits of enum
                          * fault_protocol */
    enum fault_outcome outcome;
    const char *by; /* FAULT_MAPPED: "pcp", "nat-pmp", "upnp"; NULL: any */
};

/* By name; NULL: there is no such. */
const struct fault *fault_find(const char *name);
/* All of them, sorted by name. */
const struct fault *fault_list(size_t *count);

#endif
