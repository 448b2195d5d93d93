/* What the files of the kernel world share. */
#ifndef LAB_WORLD_KERNEL_PRIVATE_H
#define LAB_WORLD_KERNEL_PRIVATE_H

#include "lab/nat/rules.h"
#include "lab/net/rtnl.h"
#include "lab/net/shaper.h"
#include "lab/router/router.h"
#include "lab/world/kernel.h"

struct kernel_lab {
    struct shaper *shaper;
    struct rtnl *rtnl; /* in the shaper's namespace; makes every wire */
    int home;          /* the builder's own namespace */
    int next_index;    /* of a device in the shaper's namespace: never used twice */
    uint32_t next_world;
    bool ipv6;       /* the kernel has it: it is to keep quiet */
    bool ipv6_off;   /* a new namespace starts with it switched off */
    bool rp_filter;  /* a new namespace starts with reverse path filters on */
    bool bridge_nft; /* a new namespace sends bridged frames through its rules */
};

#define KERNEL_TROUBLES_MAX 64 /* that go on at once */

/* What incidents have done to a world, so that it can be taken back (kernel_incident.c). */
struct kernel_trouble {
    unsigned turns[LAYOUT_NODES_MAX]; /* of addresses, lab/topo/renumber.h */
    unsigned down[2];                 /* sides whose host's wire is pulled; counted */
    /* Tables of rules that drop packets, by their numbers and where they stand. */
    struct {
        uint32_t number;
        size_t node;
        bool ingress; /* of family netdev */
    } tables[KERNEL_TROUBLES_MAX];
    size_t table_count;
};

struct kernel_world {
    struct kernel_lab *lab;
    struct layout layout;
    uint32_t id;
    bool shaped; /* the shaper knows it */
    int fds[LAYOUT_NODES_MAX];
    int inner[LAYOUT_LINKS_MAX]; /* a shaped wire's device in the shaper's namespace, towards
                                  * node[0]; the other one's number is the next */
    struct router *routers[LAYOUT_NODES_MAX]; /* port-mapping servers; NULL: none there */
    struct kernel_trouble trouble;
};

/* The number of a node's device. */
static inline int kernel_if_index(size_t iface)
{
    return (int)iface + 2; /* 1 is the loopback */
}

/* kernel_node.c: appends everything that makes a node's namespace what the layout says. */
void kernel_node_configure(const struct layout *l, size_t node, bool ipv6, struct rtnl *r);
/* The same of its interface towards the internet alone: takes its IPv4 addresses away, and with
 * them the routes; gives it the layout's, and the routes; gives it the neighbours and routes of
 * both families that it loses while it is down. */
void kernel_node_forget_uplink(const struct layout *l, size_t node, struct rtnl *r);
void kernel_node_address_uplink(const struct layout *l, size_t node, struct rtnl *r);
void kernel_node_route_uplink(const struct layout *l, size_t node, struct rtnl *r);
/* In its upstream node's namespace: the neighbour that it is there, and is not any more. */
void kernel_node_meet(const struct layout *l, size_t node, struct rtnl *r);
void kernel_node_part(const struct layout *l, size_t node, struct rtnl *r);
void kernel_mac(size_t node, size_t iface, uint8_t mac[6]);
/* kernel_check6.c: LAB_BROKEN where IPv6 behind NATs is not what they declare. */
int kernel_check_ipv6(const struct kernel_world *w, struct lab_error *err);
/* kernel_router.c: starts a port-mapping server on each NAT whose profile wants one. The NATs are
 * configured, and their devices carry packets. */
int kernel_routers_start(struct kernel_world *w, struct lab_error *err);
/* Starts the one of a node again, if there is one: with an empty table and the address of now. */
int kernel_router_restart(struct kernel_world *w, size_t node, struct lab_error *err);
int kernel_routers_flush(struct kernel_world *w, struct lab_error *err);
void kernel_routers_stop(struct kernel_world *w);
/* kernel_incident.c: nothing has befallen the world that was not taken back. */
bool kernel_world_is_calm(const struct kernel_world *w);
int kernel_world_calm(struct kernel_world *w, struct lab_error *err);

#endif
