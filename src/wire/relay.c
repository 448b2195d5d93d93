#include "wire/relay.h"

#include "base/buf.h"
#include "base/err.h"

bool ph_relay_frame_looks_like(const uint8_t *data, size_t len)
{
    /* Any version: one that is not ours is refused by the parser, and is no QUIC either. */
    return len > 0 && (data[0] & 0xf0) == (PH_RELAY_FRAME_FIRST & 0xf0);
}

static void write_tag(uint8_t *out, uint8_t first, uint64_t tag)
{
    struct ph_writer w = ph_writer_init(out, PH_RELAY_FRAME_OVERHEAD);

    ph_write_u8(&w, first);
    ph_write_u64(&w, tag);
}

void ph_relay_frame_header(uint8_t *out, uint64_t tag)
{
    write_tag(out, PH_RELAY_FRAME_FIRST, tag);
}

void ph_relay_notice_write(uint8_t *out, uint64_t tag)
{
    write_tag(out, PH_RELAY_NOTICE_FIRST, tag);
}

bool ph_relay_notice_parse(const uint8_t *data, size_t len, uint64_t *tag)
{
    struct ph_reader r = ph_reader_init(data, len);
    uint8_t first = ph_read_u8(&r);

    *tag = ph_read_u64(&r);
    return !r.bad && first == PH_RELAY_NOTICE_FIRST;
}

int ph_relay_frame_parse(const uint8_t *data, size_t len, uint64_t *tag, const uint8_t **payload,
                         size_t *payload_len)
{
    struct ph_reader r = ph_reader_init(data, len);
    uint8_t first = ph_read_u8(&r);

    *tag = 0;
    *payload = NULL;
    *payload_len = 0;
    if (!r.bad && first != PH_RELAY_FRAME_FIRST)
        return PH_ERR_FORMAT;
    *tag = ph_read_u64(&r);
    if (r.bad)
        return PH_ERR_SHORT;
    *payload_len = ph_reader_left(&r);
    *payload = r.p;
    return PH_OK;
}
