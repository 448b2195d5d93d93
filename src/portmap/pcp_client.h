/* A PCP client of one server, the default gateway (RFC 6887): ANNOUNCE to see who is there, MAP for
 * one UDP port. The nonce is the mapping's: the same for its renewal and its deletion. */
#ifndef PH_PORTMAP_PCP_CLIENT_H
#define PH_PORTMAP_PCP_CLIENT_H

#include "portmap/asker.h"
#include "wire/pcp.h"

struct ph_pcp_client {
    struct ph_asker asker; /* first */
    bool own_socket;       /* it wants one */
    ph_sock own;           /* ... and has it; 0: the mapped one serves */
    uint32_t scope;        /* of a link-local server */
    bool has_nonce;
    uint8_t nonce[PH_PCP_NONCE_LEN];
};

/* local: the address of ours that the server sees, which the request names. The mapped socket may
 * be bound to any address; towards a link-local gateway its datagrams would then come from a
 * link-local address, so those have a socket of their own, bound to `local`. PCP's mapping is of
 * the port in the request, wherever that comes from. */
void ph_pcp_client_init(struct ph_pcp_client *p, struct ph_outlet *outlet,
                        const struct ph_gateway *gateway, const struct ph_addr *local,
                        bool own_socket);
/* Tells nobody anything; ops->forget does. */
void ph_pcp_client_fini(struct ph_pcp_client *p);
/* A datagram from the server's port 5351 to `sock`. False: it is no answer to PCP. */
bool ph_pcp_client_on_datagram(struct ph_pcp_client *p, ph_ns now, ph_sock sock,
                               const struct ph_datagram *in);

#endif
