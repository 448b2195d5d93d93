/* Port Control Protocol (RFC 6887): MAP and ANNOUNCE, for IPv4 and IPv6.
 *
 *   request   | version 2 | R 0, opcode (7) | reserved (16) | lifetime (32) |
 *             | client's IP address (128), IPv4 as ::ffff:a.b.c.d            |
 *   response  | version 2 | R 1, opcode (7) | reserved (8) | result (8) |
 *             | lifetime (32) | epoch (32) | reserved (96)                   |
 *   MAP       | nonce (96) | protocol (8) | reserved (24) |
 *             | internal port (16) | external port (16) | external IP (128)  |
 */
#ifndef PH_WIRE_PCP_H
#define PH_WIRE_PCP_H

#include "base/addr.h"

#include <stddef.h>
#include <stdint.h>

#define PH_PCP_PORT         5351
#define PH_PCP_VERSION      2
#define PH_PCP_NONCE_LEN    12
#define PH_PCP_MAP_LEN      60   /* a MAP request or response without options */
#define PH_PCP_MESSAGE_MAX  1100 /* section 7 */
#define PH_PCP_PROTOCOL_UDP 17

enum ph_pcp_opcode {
    PH_PCP_ANNOUNCE = 0,
    PH_PCP_MAP = 1,
    PH_PCP_PEER = 2,
};

/* Section 7.4. */
enum ph_pcp_result {
    PH_PCP_SUCCESS = 0,
    PH_PCP_UNSUPP_VERSION = 1,
    PH_PCP_NOT_AUTHORIZED = 2,
    PH_PCP_MALFORMED_REQUEST = 3,
    PH_PCP_UNSUPP_OPCODE = 4,
    PH_PCP_UNSUPP_OPTION = 5,
    PH_PCP_MALFORMED_OPTION = 6,
    PH_PCP_NETWORK_FAILURE = 7,
    PH_PCP_NO_RESOURCES = 8,
    PH_PCP_UNSUPP_PROTOCOL = 9,
    PH_PCP_USER_EX_QUOTA = 10,
    PH_PCP_CANNOT_PROVIDE_EXTERNAL = 11,
    PH_PCP_ADDRESS_MISMATCH = 12, /* there is a NAT between us and the server */
    PH_PCP_EXCESSIVE_REMOTE_PEERS = 13,
};

struct ph_pcp_map {
    uint8_t nonce[PH_PCP_NONCE_LEN];
    uint16_t internal_port;
    /* Suggested (any address and port 0: no wish; family NONE: the client's), or assigned. */
    struct ph_addr external;
};

struct ph_pcp_response {
    /* 2; 0 where a NAT-PMP server answers that it knows no other (section 9); another one where a
     * server of that version says UNSUPP_VERSION. */
    uint8_t version;
    uint8_t opcode;
    uint8_t result;      /* enum ph_pcp_result; others may come */
    uint32_t lifetime_s; /* of the mapping, or for how long the error will stand */
    uint32_t epoch_s;
    struct ph_pcp_map map; /* of MAP; zero where the response does not hold one */
};

/* Each returns the length, or PH_ERR_SPACE, PH_ERR_INVAL. client: the address that the request will
 * come from, port ignored. lifetime_s 0 deletes, with the nonce that made the mapping. */
int ph_pcp_map_request(uint8_t *out, size_t cap, const struct ph_addr *client,
                       const struct ph_pcp_map *map, uint32_t lifetime_s);
int ph_pcp_announce_request(uint8_t *out, size_t cap, const struct ph_addr *client);

/* PH_ERR_FORMAT: not a PCP response. PH_ERR_SHORT: a MAP success that ends too early, or no whole
 * head. The UNSUPP_VERSION of a NAT-PMP server (version 0, 8 bytes or more) is one: version 0,
 * result UNSUPP_VERSION. Options behind are skipped. Assigned IPv4 addresses are of family V4. */
int ph_pcp_parse(const uint8_t *data, size_t len, struct ph_pcp_response *out);

const char *ph_pcp_result_text(uint8_t result);

#endif
