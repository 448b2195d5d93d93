/* Relay frames: sealed packets that a relay carries between the two peers of a call.
 *
 *  0                   1
 *  |0 0 1 0|version|  tag (64 bits)  |  payload: a QUIC packet of the peers' own connection ...
 *
 * The tag names one leg of one session. Each peer has its own, told to it over its authenticated
 * connection with the relay; the relay puts the other leg's tag in its place. No first byte of a
 * frame can be that of STUN (0-3) or of QUIC (bit 0x40 set), so all share one socket.
 *
 *  |0 0 1 0|0 0 1 0|  tag (64 bits)  |
 *
 * is a notice: the relay knows no leg of this tag, or not at the address that a frame came from. It
 * goes back there, is never longer than what it answers, and nothing answers it. It proves nothing:
 * whoever gets one asks over the authenticated connection. Older peers take it for no frame. */
#ifndef PH_WIRE_RELAY_H
#define PH_WIRE_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_RELAY_FRAME_FIRST    0x21 /* version 1 */
#define PH_RELAY_FRAME_OVERHEAD 9
#define PH_RELAY_NOTICE_FIRST   0x22
#define PH_RELAY_NOTICE_LEN     9

bool ph_relay_frame_looks_like(const uint8_t *data, size_t len);
/* Writes the header (PH_RELAY_FRAME_OVERHEAD bytes) into out. */
void ph_relay_frame_header(uint8_t *out, uint64_t tag);
/* PH_ERR_FORMAT, PH_ERR_SHORT. *payload points into data. */
int ph_relay_frame_parse(const uint8_t *data, size_t len, uint64_t *tag, const uint8_t **payload,
                         size_t *payload_len);
/* Writes a notice (PH_RELAY_NOTICE_LEN bytes) into out. */
void ph_relay_notice_write(uint8_t *out, uint64_t tag);
/* Whether it is a notice, and of which tag. What stands behind the tag is a newer relay's. */
bool ph_relay_notice_parse(const uint8_t *data, size_t len, uint64_t *tag);

#endif
