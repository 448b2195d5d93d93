/* The layout: a world_spec with its nodes, addresses, interfaces, routes and links worked out, as
 * pure data. The kernel world builds namespaces from it, the simulator builds models from it,
 * `graph` and `inspect` print it, and the floor of a call's setup time is computed from it. */
#ifndef LAB_TOPO_LAYOUT_H
#define LAB_TOPO_LAYOUT_H

#include "base/addr.h"
#include "lab/topo/topology.h"

#define LAYOUT_NODES_MAX 40
#define LAYOUT_LINKS_MAX 56
#define LAYOUT_IFS_MAX   16

enum layout_kind {
    LAYOUT_HOST,   /* a topo_host */
    LAYOUT_NAT,    /* a topo_nat, or the home NAT inside one */
    LAYOUT_ROUTER, /* a hop of a network */
};

struct layout_if {
    char name[16];
    struct ph_addr addr; /* port 0; family NONE: unnumbered */
    unsigned prefix;
    size_t link; /* index into layout.links */
};

struct layout_route {
    struct ph_addr to; /* port 0 */
    unsigned prefix;   /* 0: default */
    struct ph_addr via;
    size_t iface; /* of this node */
};

struct layout_node {
    char name[TOPO_NAME_MAX]; /* a host's or NAT's name as declared; "a.home", "internet.1" */
    enum layout_kind kind;
    enum topo_runs runs;
    struct layout_if ifs[LAYOUT_IFS_MAX];
    size_t if_count;
    struct ph_addr addrs[TOPO_ADDRESSES_MAX]; /* a host's own addresses (several for stun) */
    size_t addr_count;
    struct layout_route routes[24];
    size_t route_count;
    /* NATs alone */
    struct nat_profile profile;
    size_t wan_if, lan_if;
    struct ph_addr wan[16]; /* outside addresses, the first is the router's own */
    size_t wan_count;
};

/* A point-to-point wire between two nodes' interfaces, or one port of a LAN. */
struct layout_link {
    char name[TOPO_NAME_MAX]; /* the topo_link that gave its parameters; empty: plain */
    size_t node[2], iface[2];
    struct link_params params; /* up: from node[0] to node[1] */
    bool shaped;               /* params are not all zero: goes through the shaper */
};

struct layout {
    struct layout_node nodes[LAYOUT_NODES_MAX];
    size_t node_count;
    struct layout_link links[LAYOUT_LINKS_MAX];
    size_t link_count;
    uint64_t seed;
};

/* Works it out. LAB_USAGE when the topology cannot be (a NAT outside of nothing, a loop, too many).
 */
int layout_compute(const struct world_spec *spec, struct layout *out, struct lab_error *err);

/* PH_ERR_NOENT-like: SIZE_MAX when there is none. */
size_t layout_find(const struct layout *l, const char *name);

/* The one-way delay from one node to another along the routes, without NATs' or routers' own time;
 * for two nodes with no path: UINT64_MAX. */
uint64_t layout_delay_ns(const struct layout *l, size_t from, size_t to);

/* The number of NATs between a host and the internet. */
unsigned layout_nats_above(const struct layout *l, size_t host);

#endif
