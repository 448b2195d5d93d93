#include "wire/pcp.h"

#include "base/buf.h"
#include "base/err.h"

#include <string.h>

#define RESPONSE        0x80 /* the R bit, section 7 */
#define NATPMP_HEAD_LEN 8

/* ::ffff:0:0/96, as which every IPv4 address travels: section 5. */
static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

static void write_ip(struct ph_writer *w, const struct ph_addr *a)
{
    if (a->family == PH_AF_V4) {
        ph_write_bytes(w, v4_mapped, sizeof(v4_mapped));
        ph_write_bytes(w, a->ip, 4);
    } else {
        ph_write_bytes(w, a->ip, sizeof(a->ip));
    }
}

static void read_ip(struct ph_reader *r, struct ph_addr *out)
{
    uint8_t ip[16];

    ph_read_copy(r, ip, sizeof(ip));
    if (memcmp(ip, v4_mapped, sizeof(v4_mapped)) == 0) {
        *out = ph_addr_v4(ip[12], ip[13], ip[14], ip[15], 0);
        return;
    }
    *out = (struct ph_addr){.family = PH_AF_V6};
    memcpy(out->ip, ip, sizeof(ip));
}

static int written(const struct ph_writer *w)
{
    return w->bad ? PH_ERR_SPACE : (int)ph_writer_len(w);
}

static void write_head(struct ph_writer *w, enum ph_pcp_opcode opcode, uint32_t lifetime_s,
                       const struct ph_addr *client)
{
    ph_write_u8(w, PH_PCP_VERSION);
    ph_write_u8(w, (uint8_t)opcode);
    ph_write_u16(w, 0); /* reserved */
    ph_write_u32(w, lifetime_s);
    write_ip(w, client);
}

int ph_pcp_map_request(uint8_t *out, size_t cap, const struct ph_addr *client,
                       const struct ph_pcp_map *map, uint32_t lifetime_s)
{
    struct ph_writer w = ph_writer_init(out, cap);
    struct ph_addr external = map->external;

    /* Internal port 0 is all ports (section 11.1): to delete it would delete what is not ours. */
    if (!ph_addr_is_set(client) || map->internal_port == 0)
        return PH_ERR_INVAL;
    /* No wish, and still the family that is wanted: section 11.1 has ::ffff:0.0.0.0 and ::. */
    if (!ph_addr_is_set(&external))
        external.family = client->family;
    write_head(&w, PH_PCP_MAP, lifetime_s, client);
    ph_write_bytes(&w, map->nonce, sizeof(map->nonce));
    ph_write_u8(&w, PH_PCP_PROTOCOL_UDP);
    ph_write_u8(&w, 0); /* reserved, 24 bits */
    ph_write_u16(&w, 0);
    ph_write_u16(&w, map->internal_port);
    ph_write_u16(&w, external.port);
    write_ip(&w, &external);
    return written(&w);
}

int ph_pcp_announce_request(uint8_t *out, size_t cap, const struct ph_addr *client)
{
    struct ph_writer w = ph_writer_init(out, cap);

    if (!ph_addr_is_set(client))
        return PH_ERR_INVAL;
    write_head(&w, PH_PCP_ANNOUNCE, 0, client); /* section 14.1.1: the lifetime is zero */
    return written(&w);
}

/* A NAT-PMP server's word on a version that it does not know: its own 8 bytes (RFC 6886 section
 * 3.5), where the result has 16 bits. The RFC draws an op of 0, its erratum 3618 one of 128, and
 * servers send 128 + ours too. */
static int parse_natpmp(const uint8_t *data, size_t len, struct ph_pcp_response *out)
{
    struct ph_reader r = ph_reader_init(data, len);
    struct ph_pcp_response m = {.result = PH_PCP_UNSUPP_VERSION};
    uint8_t op;

    if (len < NATPMP_HEAD_LEN)
        return PH_ERR_SHORT;
    ph_read_skip(&r, 1);
    op = ph_read_u8(&r);
    if ((op != 0 && (op & RESPONSE) == 0) || ph_read_u16(&r) != PH_PCP_UNSUPP_VERSION)
        return PH_ERR_FORMAT;
    m.opcode = op & 0x7f;
    m.epoch_s = ph_read_u32(&r);
    *out = m;
    return PH_OK;
}

/* True where the response holds a mapping: an error's may be left out. */
static bool parse_map(struct ph_reader *r, struct ph_pcp_map *out, uint8_t *protocol)
{
    struct ph_pcp_map map = {0};
    uint16_t external_port;

    ph_read_copy(r, map.nonce, sizeof(map.nonce));
    *protocol = ph_read_u8(r);
    ph_read_skip(r, 3);
    map.internal_port = ph_read_u16(r);
    external_port = ph_read_u16(r);
    read_ip(r, &map.external);
    map.external.port = external_port;
    if (r->bad)
        return false;
    *out = map;
    return true;
}

int ph_pcp_parse(const uint8_t *data, size_t len, struct ph_pcp_response *out)
{
    struct ph_reader r = ph_reader_init(data, len);
    struct ph_pcp_response m = {.version = ph_read_u8(&r)};
    uint8_t opcode = ph_read_u8(&r);
    uint8_t protocol;

    *out = (struct ph_pcp_response){0};
    if (len > 0 && m.version == 0)
        return parse_natpmp(data, len, out);
    if (!r.bad && (opcode & RESPONSE) == 0)
        return PH_ERR_FORMAT;
    m.opcode = opcode & 0x7f;
    ph_read_skip(&r, 1);
    m.result = ph_read_u8(&r);
    m.lifetime_s = ph_read_u32(&r);
    m.epoch_s = ph_read_u32(&r);
    ph_read_skip(&r, 12);
    if (r.bad)
        return PH_ERR_SHORT;
    /* Another version's layout is not ours to read, but for its saying so (section 9). */
    if (m.version != PH_PCP_VERSION && m.result != PH_PCP_UNSUPP_VERSION)
        return PH_ERR_FORMAT;
    if (m.version == PH_PCP_VERSION && m.opcode == PH_PCP_MAP) {
        if (!parse_map(&r, &m.map, &protocol)) {
            if (m.result == PH_PCP_SUCCESS)
                return PH_ERR_SHORT;
        } else if (protocol != PH_PCP_PROTOCOL_UDP) {
            return PH_ERR_FORMAT; /* a mapping that we did not ask for */
        }
    }
    /* Sizes that section 8.3 has us ignore. */
    if (len > PH_PCP_MESSAGE_MAX || len % 4 != 0)
        return PH_ERR_FORMAT;
    *out = m;
    return PH_OK;
}

const char *ph_pcp_result_text(uint8_t result)
{
    switch (result) {
    case PH_PCP_SUCCESS:
        return "success";
    case PH_PCP_UNSUPP_VERSION:
        return "unsupported version";
    case PH_PCP_NOT_AUTHORIZED:
        return "not authorized: mapping is switched off, or not for us";
    case PH_PCP_MALFORMED_REQUEST:
        return "malformed request";
    case PH_PCP_UNSUPP_OPCODE:
        return "unsupported opcode";
    case PH_PCP_UNSUPP_OPTION:
        return "unsupported option";
    case PH_PCP_MALFORMED_OPTION:
        return "malformed option";
    case PH_PCP_NETWORK_FAILURE:
        return "the router has no connection";
    case PH_PCP_NO_RESOURCES:
        return "out of resources";
    case PH_PCP_UNSUPP_PROTOCOL:
        return "unsupported protocol";
    case PH_PCP_USER_EX_QUOTA:
        return "quota exceeded";
    case PH_PCP_CANNOT_PROVIDE_EXTERNAL:
        return "the suggested external port or address is not to be had";
    case PH_PCP_ADDRESS_MISMATCH:
        return "address mismatch: there is a NAT before the server";
    case PH_PCP_EXCESSIVE_REMOTE_PEERS:
        return "too many remote peers";
    default:
        return "unknown result code";
    }
}
