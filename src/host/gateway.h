/* Default gateways, from what rtnetlink says of routes, links and addresses.
 *
 * Taking messages and choosing gateways is pure; ph_network_ask alone talks to the kernel. */
#ifndef PH_HOST_GATEWAY_H
#define PH_HOST_GATEWAY_H

#include "host/host.h"

struct nlmsghdr;

/* Of default routes (each next hop of a multipath route counts), of their interfaces, and of
 * addresses on these. Beyond them is nothing that a host would ask. */
#define PH_NETWORK_ROUTES_MAX 32
#define PH_NETWORK_ADDRS_MAX  256

struct ph_network_route {
    struct ph_addr gateway; /* port 0 */
    struct ph_addr source;  /* the route's preferred source; family NONE: none */
    uint32_t index;         /* of the interface */
    uint32_t metric;
    char name[16]; /* of the interface, once its link was taken */
    bool up;       /* the same */
};

struct ph_network_addr {
    struct ph_addr addr; /* port 0 */
    uint32_t index;
    uint8_t prefix;
    uint8_t rank; /* the lower, the rather to be used */
};

struct ph_network {
    struct ph_network_route routes[PH_NETWORK_ROUTES_MAX];
    size_t route_count;
    struct ph_network_addr addrs[PH_NETWORK_ADDRS_MAX];
    size_t addr_count;
    /* A sum over everything that counts of links, addresses and default routes, also of what found
     * no place above: two equal ones are the same network. */
    uint64_t digest;
};

/* One message of a dump: RTM_NEWROUTE first, then RTM_NEWLINK, then RTM_NEWADDR, in an empty
 * `net`. What is no such message, or malformed, changes nothing. */
void ph_network_take(struct ph_network *net, struct nlmsghdr *message);

/* The gateways by metric, of equal ones IPv4 first, then in the kernel's order; returns how many.
 */
size_t ph_network_gateways(const struct ph_network *net, struct ph_gateway *out, size_t cap);

/* Asks the kernel, in the caller's network namespace. PH_ERR_SYS, PH_ERR_NOMEM. */
int ph_network_ask(struct ph_network *net);

#endif
