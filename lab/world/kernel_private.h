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

struct kernel_world {
    struct kernel_lab *lab;
    struct layout layout;
    uint32_t id;
    bool shaped; /* the shaper knows it */
    int fds[LAYOUT_NODES_MAX];
    int inner[LAYOUT_LINKS_MAX]; /* a shaped wire's device in the shaper's namespace, towards
                                  * node[0]; the other one's number is the next */
    struct router *routers[LAYOUT_NODES_MAX]; /* port-mapping servers; NULL: none there */
};

/* The number of a node's device. */
static inline int kernel_if_index(size_t iface)
{
    return (int)iface + 2; /* 1 is the loopback */
}

/* kernel_node.c: appends everything that makes a node's namespace what the layout says. */
void kernel_node_configure(const struct layout *l, size_t node, bool ipv6, struct rtnl *r);
void kernel_mac(size_t node, size_t iface, uint8_t mac[6]);
/* kernel_check6.c: LAB_BROKEN where IPv6 behind NATs is not what they declare. */
int kernel_check_ipv6(const struct kernel_world *w, struct lab_error *err);
/* kernel_router.c: starts a port-mapping server on each NAT whose profile wants one. The NATs are
 * configured, and their devices carry packets. */
int kernel_routers_start(struct kernel_world *w, struct lab_error *err);
int kernel_routers_flush(struct kernel_world *w, struct lab_error *err);
void kernel_routers_stop(struct kernel_world *w);

#endif
