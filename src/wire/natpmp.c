#include "wire/natpmp.h"

#include "base/buf.h"
#include "base/err.h"

#define VERSION  0
#define RESPONSE 128 /* what a response adds to its request's op, section 3.5 */

static int written(const struct ph_writer *w)
{
    return w->bad ? PH_ERR_SPACE : (int)ph_writer_len(w);
}

int ph_natpmp_address_request(uint8_t *out, size_t cap)
{
    struct ph_writer w = ph_writer_init(out, cap);

    ph_write_u8(&w, VERSION);
    ph_write_u8(&w, PH_NATPMP_ADDRESS);
    return written(&w);
}

int ph_natpmp_map_request(uint8_t *out, size_t cap, uint16_t internal, uint16_t external,
                          uint32_t lifetime_s)
{
    struct ph_writer w = ph_writer_init(out, cap);

    ph_write_u8(&w, VERSION);
    ph_write_u8(&w, PH_NATPMP_MAP_UDP);
    ph_write_u16(&w, 0); /* reserved: "MUST be set to zero on transmission", section 3.3 */
    ph_write_u16(&w, internal);
    ph_write_u16(&w, external);
    ph_write_u32(&w, lifetime_s);
    return written(&w);
}

/* What follows the head. Of an error it means nothing but, at best, which request it answers
 * (section 3.5: the fields are copied or undefined), and some servers leave it out. */
static void parse_map(struct ph_reader *r, struct ph_natpmp_response *out)
{
    uint16_t internal = ph_read_u16(r);
    uint16_t external = ph_read_u16(r);
    uint32_t lifetime = ph_read_u32(r);

    if (r->bad)
        return;
    out->internal_port = internal;
    out->external_port = external;
    out->lifetime_s = lifetime;
}

int ph_natpmp_parse(const uint8_t *data, size_t len, struct ph_natpmp_response *out)
{
    struct ph_reader r = ph_reader_init(data, len);
    uint8_t version = ph_read_u8(&r);
    uint8_t op = ph_read_u8(&r);
    struct ph_natpmp_response m = {.op = PH_NATPMP_ADDRESS};

    *out = m;
    if (!r.bad && (version != VERSION || op < RESPONSE || op - RESPONSE > (int)PH_NATPMP_MAP_TCP))
        return PH_ERR_FORMAT;
    m.op = (enum ph_natpmp_op)(op & ~RESPONSE);
    m.result = ph_read_u16(&r);
    m.epoch_s = ph_read_u32(&r);
    if (r.bad)
        return PH_ERR_SHORT;
    if (m.op != PH_NATPMP_ADDRESS)
        parse_map(&r, &m);
    else if (m.result == PH_NATPMP_SUCCESS)
        m.external = ph_addr_v4_u32(ph_read_u32(&r), 0);
    if (r.bad && m.result == PH_NATPMP_SUCCESS)
        return PH_ERR_SHORT;
    *out = m;
    return PH_OK;
}

const char *ph_natpmp_result_text(uint16_t result)
{
    switch (result) {
    case PH_NATPMP_SUCCESS:
        return "success";
    case PH_NATPMP_UNSUPPORTED_VERSION:
        return "unsupported version";
    case PH_NATPMP_NOT_AUTHORIZED:
        return "not authorized: mapping is switched off";
    case PH_NATPMP_NETWORK_FAILURE:
        return "the router has no external address";
    case PH_NATPMP_OUT_OF_RESOURCES:
        return "out of resources";
    case PH_NATPMP_UNSUPPORTED_OPCODE:
        return "unsupported opcode";
    default:
        return "unknown result code";
    }
}
