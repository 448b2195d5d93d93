/* A stateless translator between IPv6 and IPv4 (RFC 7915) for the frames of one link: UDP, TCP and
 * ICMP echo. With a NAT behind it, it is a NAT64 (RFC 6146).
 *
 * Pure: bytes in, bytes out. Addresses of hosts that have IPv6 alone stand for IPv4 ones that end
 * alike; all others are written with the prefix. The hop limit stays: the routers that lead to the
 * translator and away from it count. What is a fragment, has extension headers, or is of another
 * protocol is dropped; so are errors of ICMP, which nobody in the lab waits for. */
#ifndef LAB_NET_TRANSLATOR_H
#define LAB_NET_TRANSLATOR_H

#include "base/nat64.h"

#include <stddef.h>
#include <stdint.h>

struct translator {
    struct ph_nat64 nat64;
    struct ph_addr lan6; /* a /64: the hosts' IPv6 addresses, of which the last byte counts ... */
    struct ph_addr net4; /* ... and a /24: their IPv4 ones */
};

/* Translates an Ethernet frame in place; its addresses stay as they are. Returns its length then;
 * 0: it is dropped. cap: room at `frame`, of which a translated one may take 20 bytes more than it
 * had.
 */
size_t translator_frame(const struct translator *t, uint8_t *frame, size_t len, size_t cap);

#endif
