/* IPv4 addresses written as IPv6 ones (RFC 6052), as they are reached from a host that has IPv6
 * alone through a translator. */
#ifndef PH_BASE_NAT64_H
#define PH_BASE_NAT64_H

#include "base/addr.h"

/* A translator's prefix: its first `bits` count, 32, 40, 48, 56, 64 or 96 of them (RFC 6052 section
 * 2.2), the rest is zero. bits 0: there is none. */
struct ph_nat64 {
    struct ph_addr prefix;
    unsigned bits;
};

/* The IPv6 address that stands for an IPv4 one, its port included. */
struct ph_addr ph_nat64_embed(const struct ph_nat64 *n, const struct ph_addr *v4);
/* The IPv4 address that an IPv6 one stands for. False: it does not begin with the prefix. */
bool ph_nat64_extract(const struct ph_nat64 *n, const struct ph_addr *v6, struct ph_addr *v4);
/* The prefix, from an IPv6 address that a network's name server gives for ipv4only.arpa, whose IPv4
 * addresses are known to everybody (RFC 7050 section 3). False: it is made of neither of them. */
bool ph_nat64_discover(const struct ph_addr *answer, struct ph_nat64 *out);

#endif
