/* A NAT-PMP client of one gateway (RFC 6886), IPv4 alone: its external address, and one UDP port.
 * Answers bear nothing of the request but operation and internal port, so those and what is being
 * asked decide. */
#ifndef PH_PORTMAP_NATPMP_CLIENT_H
#define PH_PORTMAP_NATPMP_CLIENT_H

#include "portmap/asker.h"
#include "wire/natpmp.h"

struct ph_natpmp_client {
    struct ph_asker asker;  /* first */
    struct ph_addr address; /* external, port 0; family NONE: not known */
    ph_ns address_at;       /* since when */
    uint16_t port;          /* external, granted and waiting for the address; 0: none */
    uint32_t lifetime_s;
    bool asked_map; /* since the last release: an answer may still come */
};

void ph_natpmp_client_init(struct ph_natpmp_client *n, struct ph_outlet *outlet,
                           const struct ph_gateway *gateway, const struct ph_addr *local);
/* A datagram from the gateway's port 5351. False: it is no NAT-PMP. */
bool ph_natpmp_client_on_datagram(struct ph_natpmp_client *n, ph_ns now,
                                  const struct ph_datagram *in);

#endif
