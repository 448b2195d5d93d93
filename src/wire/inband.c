#include "wire/inband.h"

#include "base/buf.h"
#include "base/err.h"

#include <string.h>

static size_t header_len(enum ph_inband_kind kind)
{
    switch (kind) {
    case PH_INBAND_MEDIA:
        return PH_INBAND_MEDIA_HEADER_LEN;
    case PH_INBAND_ECHO:
        return PH_INBAND_ECHO_LEN;
    case PH_INBAND_PROBE:
    case PH_INBAND_PUNCHING:
    case PH_INBAND_HEARD:
    case PH_INBAND_DEAF:
    case PH_INBAND_PAUSE:
        break;
    }
    return PH_INBAND_HEADER_LEN;
}

int ph_inband_encode(const struct ph_inband *m, size_t total, uint8_t *out, size_t cap)
{
    size_t head = header_len(m->kind);
    if (total < head)
        total = head;
    if (total > cap)
        return PH_ERR_SPACE;
    struct ph_writer w = ph_writer_init(out, cap);
    ph_write_u8(&w, (uint8_t)m->kind);
    ph_write_u8(&w, (uint8_t)m->lane);
    ph_write_u64(&w, m->number);
    if (m->kind == PH_INBAND_MEDIA) {
        ph_write_u64(&w, m->sent_us);
        ph_write_u32(&w, m->epoch);
    }
    if (m->kind == PH_INBAND_ECHO) {
        ph_write_u8(&w, m->seen.family);
        ph_write_u16(&w, m->seen.port);
        ph_write_bytes(&w, m->seen.ip, sizeof(m->seen.ip));
    }
    memset(out + head, 0, total - head);
    return (int)total;
}

static void read_seen(struct ph_reader *r, struct ph_addr *out)
{
    struct ph_addr a = {0};
    a.family = ph_read_u8(r);
    a.port = ph_read_u16(r);
    ph_read_copy(r, a.ip, sizeof(a.ip));
    if (a.family == PH_AF_V4)
        *out = ph_addr_v4(a.ip[0], a.ip[1], a.ip[2], a.ip[3], a.port);
    else if (a.family == PH_AF_V6)
        *out = a;
}

int ph_inband_decode(const uint8_t *data, size_t len, struct ph_inband *out)
{
    *out = (struct ph_inband){0};
    struct ph_reader r = ph_reader_init(data, len);
    uint8_t kind = ph_read_u8(&r);
    uint8_t lane = ph_read_u8(&r);
    out->number = ph_read_u64(&r);
    if (kind == PH_INBAND_MEDIA)
        out->sent_us = ph_read_u64(&r);
    if (kind == PH_INBAND_MEDIA && len >= PH_INBAND_MEDIA_HEADER_LEN)
        out->epoch = ph_read_u32(&r);
    if (kind == PH_INBAND_ECHO)
        read_seen(&r, &out->seen);
    if (r.bad)
        return PH_ERR_SHORT;
    if (lane > PH_LANE_DIRECT)
        return PH_ERR_FORMAT;
    out->lane = (enum ph_lane)lane;
    if (kind >= PH_INBAND_MEDIA && kind <= PH_INBAND_PAUSE)
        out->kind = (enum ph_inband_kind)kind;
    return PH_OK;
}
