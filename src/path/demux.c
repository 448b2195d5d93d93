#include "path/demux.h"

#include "wire/relay.h"
#include "wire/stun.h"

enum ph_packet_kind ph_demux(const uint8_t *data, size_t len)
{
    if (len == 0)
        return PH_PACKET_UNKNOWN;
    if (ph_stun_looks_like(data, len))
        return PH_PACKET_STUN;
    if (ph_relay_frame_looks_like(data, len))
        return PH_PACKET_RELAY_FRAME;
    if (data[0] & 0x40)
        return PH_PACKET_QUIC;
    return PH_PACKET_UNKNOWN;
}
