/* Devices, addresses, routes and neighbours by rtnetlink, in batches: each call appends a request,
 * rtnl_commit sends them all in one system call and waits for the verdict. A socket stays in the
 * namespace in which it was opened, so nothing here moves the thread. */
#ifndef LAB_NET_RTNL_H
#define LAB_NET_RTNL_H

#include "base/addr.h"
#include "lab/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtnl;

/* One end of a veth pair. The number of the device is the caller's choice, so that nobody has to
 * ask for it afterwards; it must be free in that namespace. */
struct rtnl_end {
    int netns_fd;
    int index;
    const char *name;
    uint8_t mac[6];
};

/* In the thread's namespace. */
int rtnl_open(struct rtnl **out, struct lab_error *err);
void rtnl_close(struct rtnl *r);

/* Both ends are made where they belong: a device that moves between namespaces costs a grace
 * period of RCU. Both are down. */
void rtnl_veth(struct rtnl *r, const struct rtnl_end *a, const struct rtnl_end *b);
/* A bridge without spanning tree and multicast snooping. */
void rtnl_bridge(struct rtnl *r, int index, const char *name, const uint8_t mac[6]);
void rtnl_enslave(struct rtnl *r, int index, int bridge);
/* Up; with or without IPv4 forwarding of what comes in there; no reverse path filter. */
void rtnl_up(struct rtnl *r, int index, bool forward);
/* Before it is up: no IPv6 address of its own, hence no duplicate address detection and no router
 * solicitations on a wire whose packets are counted. Only where the kernel has IPv6. */
void rtnl_quiet_ipv6(struct rtnl *r, int index);
void rtnl_down(struct rtnl *r, int index);
void rtnl_addr_add(struct rtnl *r, int index, const struct ph_addr *addr, unsigned prefix);
void rtnl_addr_del(struct rtnl *r, int index, const struct ph_addr *addr, unsigned prefix);
/* via of family NONE: on the link. prefix 0: the default route. */
void rtnl_route(struct rtnl *r, int index, const struct ph_addr *to, unsigned prefix,
                const struct ph_addr *via);
/* A permanent neighbour. */
void rtnl_neighbour(struct rtnl *r, int index, const struct ph_addr *addr, const uint8_t mac[6]);
void rtnl_neighbour_del(struct rtnl *r, int index, const struct ph_addr *addr);

/* 0 when all was done. On the first failure -1, LAB_BROKEN (LAB_CANNOT where the kernel lacks the
 * kind of device); err names the request. */
int rtnl_commit(struct rtnl *r, struct lab_error *err);

/* Waits until these devices carry packets; to be asked once both ends of their wires are up. A veth
 * whose peer came up after it stays without a queue, and loses what is sent, until a worker of the
 * kernel has seen to it. The ports of a bridge must stand before the bridge. */
int rtnl_wait_ready(struct rtnl *r, const int *indexes, size_t n, struct lab_error *err);

/* Waits until what comes to this IPv6 address is taken in. It is there at once, and so is the route
 * to its network; a worker of the kernel makes the route that leads to the host itself. */
int rtnl_wait_address(struct rtnl *r, const struct ph_addr *addr, struct lab_error *err);

/* Transmit checksums, and with them segmentation, are done by the sender itself and not left to a
 * device: frames that a program carries must be complete. */
int rtnl_offloads_off(struct rtnl *r, const char *name, struct lab_error *err);

#endif
