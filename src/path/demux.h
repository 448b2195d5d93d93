/* First-byte demultiplexing of the one socket (after RFC 7983 and RFC 9443): STUN, relay frames and
 * QUIC have first bytes that cannot be taken for one another. */
#ifndef PH_PATH_DEMUX_H
#define PH_PATH_DEMUX_H

#include <stddef.h>
#include <stdint.h>

enum ph_packet_kind {
    PH_PACKET_UNKNOWN,
    PH_PACKET_STUN,        /* first two bits zero, magic cookie right */
    PH_PACKET_RELAY_FRAME, /* only the relay's address may send these */
    PH_PACKET_QUIC,        /* bit 0x40 is set (RFC 9000 section 17; never greased here) */
};

enum ph_packet_kind ph_demux(const uint8_t *data, size_t len);

#endif
