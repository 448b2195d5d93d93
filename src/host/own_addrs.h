/* This machine's own addresses, as candidates and sources are made of them.
 *
 * Of IPv6 those that nobody may send from yet, or should no more (tentative and deprecated ones,
 * RFC 4862 section 5.5.4), are left out. Temporary ones (RFC 8981) stand first: where a system
 * makes any it sends from them, so that they are what a peer will see, and what a firewall lets
 * answers to. */
#ifndef PH_HOST_OWN_ADDRS_H
#define PH_HOST_OWN_ADDRS_H

#include "base/addr.h"

struct ph_own_addr {
    struct ph_addr addr; /* port 0 */
    unsigned flags;      /* IFA_F_x of linux/if_addr.h, the low eight bits; 0 where not known */
};

/* Of the interfaces that are up, in the caller's network namespace; without loopback and link-local
 * ones. Returns how many. */
size_t ph_own_addrs(struct ph_addr *out, size_t cap);

/* What of these is told, in which order. */
size_t ph_own_addrs_choose(const struct ph_own_addr *in, size_t n, struct ph_addr *out, size_t cap);
/* A line of /proc/net/if_inet6: address, interface, prefix, scope, flags, name. False: it is none.
 */
bool ph_own_addr_parse(const char *line, struct ph_own_addr *out);

#endif
