/* What reading and building of STUN messages share. */
#ifndef PH_WIRE_STUN_PRIVATE_H
#define PH_WIRE_STUN_PRIVATE_H

#include "base/mac.h"
#include "wire/stun.h"

#define PH_STUN_LENGTH_AT       2
#define PH_STUN_TID_AT          8
#define PH_STUN_ATTR_HEADER_LEN 4
#define PH_STUN_FINGERPRINT_XOR 0x5354554eu /* RFC 8489 section 14.7 */

/* What XOR-MAPPED-ADDRESS is XORed with (RFC 8489 section 14.2): the cookie, then the id. */
void ph_stun_address_mask(uint8_t mask[16], const uint8_t tid[PH_STUN_TID_LEN]);

/* The HMAC for an integrity attribute `attr` that stands at `offset` and has value_len bytes. It
 * goes over the header, whose length field is set as if that attribute ended the message, and over
 * the attributes before it: RFC 8489 sections 14.5 and 14.6. */
void ph_stun_integrity(const uint8_t *data, size_t offset, uint16_t attr, size_t value_len,
                       const void *key, size_t key_len, uint8_t out[PH_SHA256_LEN]);

#endif
