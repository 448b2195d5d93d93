/* A NAT-PMP client of one gateway (RFC 6886), IPv4 alone: its external address, and one UDP port.
 * Answers bear nothing of the request but operation and internal port, so those and what is being
 * asked decide. */
#ifndef PH_PORTMAP_NATPMP_CLIENT_H
#define PH_PORTMAP_NATPMP_CLIENT_H

#include "portmap/client.h"
#include "portmap/epoch.h"
#include "portmap/retry.h"
#include "wire/natpmp.h"

enum ph_natpmp_question { /* bits: what has not been answered yet */
    PH_NATPMP_ASKS_ADDRESS = 1,
    PH_NATPMP_ASKS_MAP = 2,
    PH_NATPMP_ASKS_DELETE = 4,
};

struct ph_natpmp_client {
    struct ph_client base; /* first */
    unsigned questions;
    struct ph_retry retry;
    struct ph_addr address; /* external, port 0; family NONE: not known */
    ph_ns address_at;       /* since when */
    uint16_t port;          /* external, granted and waiting for the address; 0: none */
    uint32_t lifetime_s;
    bool hollow;    /* it granted one for no time at all, since it was asked */
    bool asked_map; /* since the last release: an answer may still come */
    struct ph_epoch epoch;
    ph_ns hinted; /* when it last told of a restart unasked */
};

void ph_natpmp_client_init(struct ph_natpmp_client *n, struct ph_outlet *outlet,
                           const struct ph_gateway *gateway, const struct ph_addr *local);
/* A datagram from the gateway's port 5351. False: it is no NAT-PMP. */
bool ph_natpmp_client_on_datagram(struct ph_natpmp_client *n, ph_ns now,
                                  const struct ph_datagram *in);

#endif
