/* The layout: a world_spec with its nodes, addresses, interfaces, routes and links worked out, as
 * pure data. The kernel world builds namespaces from it, the simulator builds models from it,
 * `graph` and `inspect` print it, and the floor of a call's setup time is computed from it. */
#ifndef LAB_TOPO_LAYOUT_H
#define LAB_TOPO_LAYOUT_H

#include "base/addr.h"
#include "base/nat64.h"
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
    struct ph_addr addr; /* port 0; family NONE: no IPv4 address */
    unsigned prefix;
    struct ph_addr addr6; /* the same of IPv6 */
    unsigned prefix6;
    size_t link; /* index into layout.links; SIZE_MAX: a bridge over this node's ports */
    bool port;   /* a port of the bridge that is the node's lan_if: no address of its own */
};

struct layout_route {
    struct ph_addr to; /* port 0 */
    unsigned prefix;   /* 0: default */
    struct ph_addr via;
    size_t iface; /* of this node */
};

struct layout_node {
    char name[TOPO_NAME_MAX]; /* a host's name as declared; "a.nat" of NAT a, "a.home" of the home
                               * NAT inside it; "internet.1" of a network's router, "a.access" of
                               * the router of a carrier's access network */
    enum layout_kind kind;
    enum topo_runs runs;
    struct layout_if ifs[LAYOUT_IFS_MAX];
    size_t if_count;
    struct ph_addr addrs[TOPO_ADDRESSES_MAX]; /* a host's own addresses (several for stun) */
    size_t addr_count;                        /* 0: it has no IPv4 */
    struct ph_addr addrs6[TOPO_ADDRESSES_MAX];
    size_t addr6_count; /* 0: it has no IPv6 */
    bool nat64; /* of a host: it reaches IPv4 by LAYOUT_NAT64; of a router: the translator stands in
                 * it, between its LAN's addresses and those of xlat_net that end alike */
    struct ph_addr xlat_net; /* of the router: a /24; the LAN's addresses as the NAT sees them */
    struct layout_route routes[40]; /* of both families */
    size_t route_count;
    /* Of NATs, and lan_if of routers that have a LAN. The lowest address of what lies inside is
     * lan_net, also what lies behind further routers there. SIZE_MAX: none. */
    size_t wan_if, lan_if;
    struct ph_addr lan_net;
    unsigned lan_net_prefix;
    size_t upstream; /* the node at the other end of the WAN, SIZE_MAX: none (core routers) */
    /* NATs alone */
    struct nat_profile profile;
    size_t nat; /* index into the topology's NATs (of a home: of the NAT that it is inside) */
    bool home;
    struct ph_addr wan[16]; /* outside addresses, the first is the router's own */
    size_t wan_count;
};

/* A point-to-point wire between two nodes' interfaces, or one port of a LAN. */
struct layout_link {
    char name[TOPO_NAME_MAX]; /* the topo_link that gave its parameters; empty: plain */
    size_t node[2], iface[2];
    struct link_params params; /* up: from node[0] to node[1] */
    bool shaped;               /* params are not all zero: goes through the shaper */
    /* Both ends are the same router's: what leaves by the first as IPv6 comes in by the other one
     * as IPv4. The simulator needs no such wire. */
    bool translates;
};

struct layout {
    struct layout_node nodes[LAYOUT_NODES_MAX];
    size_t node_count;
    struct layout_link links[LAYOUT_LINKS_MAX];
    size_t link_count;
    uint64_t seed;
};

/* 64:ff9b::/96, the well-known prefix (RFC 6052 section 2.1). */
extern const struct ph_nat64 layout_nat64;
/* What a host would learn of its translator from a name server; false: there is none. */
bool layout_nat64_of(const struct layout *l, size_t node, struct ph_nat64 *out);

/* Works it out. LAB_USAGE when the topology cannot be (a NAT outside of nothing, a loop, too many).
 */
int layout_compute(const struct world_spec *spec, struct layout *out, struct lab_error *err);

/* A node by its name; a NAT's declared name finds it too where no host bears it. SIZE_MAX: none. */
size_t layout_find(const struct layout *l, const char *name);
/* The first host that runs a thing, from node `from` on; SIZE_MAX: none does. */
size_t layout_find_host(const struct layout *l, enum topo_runs runs, size_t from);
/* The two that call each other: the caller, the callee. False: there are no two. */
bool layout_find_peers(const struct layout *l, size_t peers[2]);

/* The one-way delay from one node to another along the shortest way, without NATs' or routers' own
 * time; for two nodes with no way between them: UINT64_MAX. */
uint64_t layout_delay_ns(const struct layout *l, size_t from, size_t to);

/* The IPv4 address that a translator lends a host that has none; family NONE: it has a NAT64 before
 * it no more than others. */
struct ph_addr layout_translated(const struct layout *l, size_t node);
/* Whether there is IPv6 anywhere. */
bool layout_has_ipv6(const struct layout *l);

/* The number of NATs (and firewalls) between a host and the internet. */
unsigned layout_nats_above(const struct layout *l, size_t host);

#endif
