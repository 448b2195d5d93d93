/* NAT Port Mapping Protocol (RFC 6886). All integers are big-endian on the wire.
 *
 *   address request   | version 0 | op 0 |
 *   address response  | 0 | 128 | result (16) | epoch (32) | external IPv4 (32) |
 *   map request       | 0 | 1 UDP, 2 TCP | reserved (16) | internal port (16) |
 *                     | suggested external port (16) | lifetime (32) |
 *   map response      | 0 | 128 + op | result (16) | epoch (32) | internal port (16) |
 *                     | external port (16) | lifetime (32) |
 */
#ifndef PH_WIRE_NATPMP_H
#define PH_WIRE_NATPMP_H

#include "base/addr.h"

#include <stddef.h>
#include <stdint.h>

#define PH_NATPMP_PORT        5351 /* section 3.1; PCP has the same one */
#define PH_NATPMP_REQUEST_MAX 12

enum ph_natpmp_op {
    PH_NATPMP_ADDRESS = 0,
    PH_NATPMP_MAP_UDP = 1,
    PH_NATPMP_MAP_TCP = 2,
};

/* Section 3.5. */
enum ph_natpmp_result {
    PH_NATPMP_SUCCESS = 0,
    PH_NATPMP_UNSUPPORTED_VERSION = 1,
    PH_NATPMP_NOT_AUTHORIZED = 2,
    PH_NATPMP_NETWORK_FAILURE = 3,
    PH_NATPMP_OUT_OF_RESOURCES = 4,
    PH_NATPMP_UNSUPPORTED_OPCODE = 5,
};

struct ph_natpmp_response {
    enum ph_natpmp_op op;
    uint16_t result; /* enum ph_natpmp_result; others may come */
    uint32_t epoch_s;
    struct ph_addr external; /* address response that succeeded: port 0; otherwise family NONE */
    uint16_t internal_port;  /* map responses; zero where an error response ends before it */
    uint16_t external_port;
    uint32_t lifetime_s;
};

/* Each returns the length, or PH_ERR_SPACE. */
int ph_natpmp_address_request(uint8_t *out, size_t cap);
/* A UDP mapping. lifetime_s 0 and external 0: delete (section 3.4). */
int ph_natpmp_map_request(uint8_t *out, size_t cap, uint16_t internal, uint16_t external,
                          uint32_t lifetime_s);

/* PH_ERR_FORMAT: not a NAT-PMP response (a PCP one among them); PH_ERR_SHORT: its head alone, or a
 * success that ends too early. Bytes behind the known part are ignored. */
int ph_natpmp_parse(const uint8_t *data, size_t len, struct ph_natpmp_response *out);

/* A short English text for people; unknown codes say so. */
const char *ph_natpmp_result_text(uint16_t result);

#endif
