#include "wire/stun.h"

#include "base/err.h"
#include "base/mac.h"
#include "wire/stun_private.h"

#include <string.h>

#define SHA256_MIN_LEN 16 /* RFC 8489 section 14.6 */

void ph_stun_address_mask(uint8_t mask[16], const uint8_t tid[PH_STUN_TID_LEN])
{
    struct ph_writer w = ph_writer_init(mask, 16);

    ph_write_u32(&w, PH_STUN_MAGIC);
    ph_write_bytes(&w, tid, PH_STUN_TID_LEN);
}

bool ph_stun_looks_like(const uint8_t *data, size_t len)
{
    struct ph_reader r = ph_reader_init(data, len);
    uint16_t type = ph_read_u16(&r);
    uint16_t length = ph_read_u16(&r);

    return ph_read_u32(&r) == PH_STUN_MAGIC && len >= PH_STUN_HEADER_LEN && type < 0x4000 &&
           length % 4 == 0;
}

/* MAPPED-ADDRESS and its kin; mask is NULL for those that are not XORed. */
static bool parse_address(struct ph_reader v, const uint8_t *mask, struct ph_addr *out)
{
    struct ph_addr a = {0};
    size_t ip_len;

    ph_read_skip(&v, 1);
    switch (ph_read_u8(&v)) {
    case 1:
        a.family = PH_AF_V4;
        ip_len = 4;
        break;
    case 2:
        a.family = PH_AF_V6;
        ip_len = 16;
        break;
    default:
        return false;
    }
    a.port = ph_read_u16(&v);
    ph_read_copy(&v, a.ip, ip_len);
    if (v.bad || ph_reader_left(&v) != 0)
        return false;
    if (mask != NULL) {
        a.port ^= (uint16_t)(PH_STUN_MAGIC >> 16);
        for (size_t i = 0; i < ip_len; i++)
            a.ip[i] ^= mask[i];
    }
    if (!ph_addr_is_set(out))
        *out = a;
    return true;
}

static bool parse_text(struct ph_reader v, size_t max, const uint8_t **out, size_t *out_len)
{
    size_t len = ph_reader_left(&v);

    if (len > max)
        return false;
    if (*out == NULL) {
        *out = v.p;
        *out_len = len;
    }
    return true;
}

static bool parse_u32(struct ph_reader v, uint32_t *out)
{
    uint32_t value = ph_read_u32(&v);

    if (v.bad || ph_reader_left(&v) != 0)
        return false;
    if (*out == 0)
        *out = value;
    return true;
}

/* RFC 5780 section 7.5 leaves open whether the length counts the padding: both are met. */
static bool parse_response_port(struct ph_reader v, uint16_t *out)
{
    size_t len = ph_reader_left(&v);
    uint16_t port = ph_read_u16(&v);

    if (port == 0 || (len != 2 && len != 4))
        return false;
    if (*out == 0)
        *out = port;
    return true;
}

static bool parse_error(struct ph_reader v, uint16_t *out)
{
    unsigned hundreds;
    unsigned number;

    ph_read_skip(&v, 2);
    hundreds = ph_read_u8(&v) & 7u;
    number = ph_read_u8(&v);
    if (v.bad || hundreds < 3 || hundreds > 6 || number > 99)
        return false;
    if (*out == 0)
        *out = (uint16_t)(hundreds * 100 + number);
    return true;
}

/* Who claims both roles claims none (RFC 8445 section 7.1.3 knows one or the other). */
static bool parse_role(struct ph_reader v, struct ph_stun *out, bool controlling)
{
    uint64_t tie_breaker = ph_read_u64(&v);

    if (v.bad || ph_reader_left(&v) != 0 || (controlling ? out->controlled : out->controlling))
        return false;
    if (!out->controlling && !out->controlled)
        out->tie_breaker = tie_breaker;
    out->controlling = controlling;
    out->controlled = !controlling;
    return true;
}

/* One of another length is somebody else's attribute. */
static void parse_voucher(struct ph_reader v, struct ph_stun *out)
{
    size_t len = ph_reader_left(&v);

    if (len == 0)
        out->asks_voucher = true;
    else if (len == 8 && out->voucher == 0)
        out->voucher = ph_read_u64(&v);
}

static void note_unknown(struct ph_stun *out, uint16_t type)
{
    if (type < 0x8000 && out->unknown_count < PH_STUN_UNKNOWN_MAX)
        out->unknown[out->unknown_count++] = type;
}

/* One attribute before MESSAGE-INTEGRITY. False: its value is not what its type says. */
static bool parse_attr(struct ph_stun *out, uint16_t type, struct ph_reader v,
                       struct ph_addr *plain_mapped, struct ph_addr *changed)
{
    uint8_t mask[16];

    switch (type) {
    case PH_STUN_MAPPED_ADDRESS:
        return parse_address(v, NULL, plain_mapped);
    case PH_STUN_XOR_MAPPED_ADDRESS:
        ph_stun_address_mask(mask, out->tid);
        return parse_address(v, mask, &out->mapped);
    case PH_STUN_CHANGED_ADDRESS:
        return parse_address(v, NULL, changed);
    case PH_STUN_OTHER_ADDRESS:
        return parse_address(v, NULL, &out->other);
    case PH_STUN_RESPONSE_ORIGIN:
        return parse_address(v, NULL, &out->origin);
    case PH_STUN_CHANGE_REQUEST:
        return parse_u32(v, &out->change_request);
    case PH_STUN_RESPONSE_PORT:
        return parse_response_port(v, &out->response_port);
    case PH_STUN_USERNAME:
        return parse_text(v, PH_STUN_USERNAME_MAX, &out->username, &out->username_len);
    case PH_STUN_SOFTWARE:
        return parse_text(v, SIZE_MAX, &out->software, &out->software_len);
    case PH_STUN_REALM:
        return parse_text(v, SIZE_MAX, &out->realm, &out->realm_len);
    case PH_STUN_NONCE:
        return parse_text(v, SIZE_MAX, &out->nonce, &out->nonce_len);
    case PH_STUN_VOUCHER:
        parse_voucher(v, out);
        return true;
    case PH_STUN_ERROR_CODE:
        return parse_error(v, &out->error_code);
    case PH_STUN_PRIORITY:
        return parse_u32(v, &out->priority);
    case PH_STUN_ICE_CONTROLLING:
        return parse_role(v, out, true);
    case PH_STUN_ICE_CONTROLLED:
        return parse_role(v, out, false);
    case PH_STUN_USE_CANDIDATE:
        out->use_candidate = true;
        return ph_reader_left(&v) == 0;
    case PH_STUN_SOURCE_ADDRESS:
    case PH_STUN_UNKNOWN_ATTRIBUTES:
    case PH_STUN_PADDING:
        return true;
    default:
        note_unknown(out, type);
        return true;
    }
}

static bool fingerprint_is_right(const uint8_t *data, size_t offset, struct ph_reader v)
{
    uint32_t got = ph_read_u32(&v);

    return !v.bad && ph_reader_left(&v) == 0 &&
           got == (ph_crc32(data, offset) ^ PH_STUN_FINGERPRINT_XOR);
}

int ph_stun_parse(const uint8_t *data, size_t len, struct ph_stun *out)
{
    struct ph_reader r = ph_reader_init(data, len);
    struct ph_addr plain_mapped = {0}, changed = {0};
    uint16_t length;

    *out = (struct ph_stun){0};
    if (len < PH_STUN_HEADER_LEN)
        return PH_ERR_SHORT;
    if (!ph_stun_looks_like(data, len))
        return PH_ERR_FORMAT;
    out->type = ph_read_u16(&r);
    length = ph_read_u16(&r);
    ph_read_skip(&r, 4);
    ph_read_copy(&r, out->tid, PH_STUN_TID_LEN);
    if (ph_reader_left(&r) != length)
        return ph_reader_left(&r) < length ? PH_ERR_SHORT : PH_ERR_FORMAT;

    while (ph_reader_left(&r) > 0) {
        size_t offset = len - ph_reader_left(&r);
        uint16_t type = ph_read_u16(&r);
        uint16_t value_len = ph_read_u16(&r);
        struct ph_reader v = ph_reader_init(ph_read_bytes(&r, value_len), value_len);

        ph_read_skip(&r, -(size_t)value_len % 4);
        if (r.bad || out->fingerprint) /* RFC 8489 section 14.7: FINGERPRINT is the last */
            return PH_ERR_FORMAT;
        if (type == PH_STUN_FINGERPRINT) {
            if (!fingerprint_is_right(data, offset, v))
                return PH_ERR_FORMAT;
            out->fingerprint = true;
        } else if (out->integrity256_offset != 0) {
            continue;
        } else if (type == PH_STUN_MESSAGE_INTEGRITY_SHA256) {
            if (value_len < SHA256_MIN_LEN || value_len > PH_SHA256_LEN || value_len % 4 != 0)
                return PH_ERR_FORMAT;
            out->integrity256_offset = offset;
        } else if (out->integrity_offset != 0) {
            continue;
        } else if (type == PH_STUN_MESSAGE_INTEGRITY) {
            if (value_len != PH_SHA1_LEN)
                return PH_ERR_FORMAT;
            out->integrity_offset = offset;
        } else if (!parse_attr(out, type, v, &plain_mapped, &changed)) {
            return PH_ERR_FORMAT;
        }
    }
    if (!ph_addr_is_set(&out->mapped))
        out->mapped = plain_mapped;
    if (!ph_addr_is_set(&out->other))
        out->other = changed;
    out->change_request &= PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT;
    return PH_OK;
}

void ph_stun_integrity(const uint8_t *data, size_t offset, uint16_t attr, size_t value_len,
                       const void *key, size_t key_len, uint8_t out[PH_SHA256_LEN])
{
    size_t length = offset - PH_STUN_HEADER_LEN + PH_STUN_ATTR_HEADER_LEN + value_len;
    const uint8_t *attrs = data + PH_STUN_HEADER_LEN;
    size_t attrs_len = offset - PH_STUN_HEADER_LEN;
    uint8_t header[PH_STUN_HEADER_LEN];

    memcpy(header, data, sizeof(header));
    header[PH_STUN_LENGTH_AT] = (uint8_t)(length >> 8);
    header[PH_STUN_LENGTH_AT + 1] = (uint8_t)length;
    if (attr == PH_STUN_MESSAGE_INTEGRITY)
        ph_hmac_sha1(key, key_len, header, sizeof(header), attrs, attrs_len, out);
    else
        ph_hmac_sha256(key, key_len, header, sizeof(header), attrs, attrs_len, out);
}

bool ph_stun_verify(const uint8_t *data, size_t len, const struct ph_stun *msg, const void *key,
                    size_t key_len)
{
    size_t offset =
        msg->integrity256_offset != 0 ? msg->integrity256_offset : msg->integrity_offset;
    struct ph_reader r = ph_reader_init(data, len);
    uint8_t mac[PH_SHA256_LEN];
    const uint8_t *value;
    uint16_t value_len;
    uint16_t attr;

    if (offset < PH_STUN_HEADER_LEN)
        return false;
    ph_read_skip(&r, offset);
    attr = ph_read_u16(&r);
    value_len = ph_read_u16(&r);
    value = ph_read_bytes(&r, value_len);
    if (value == NULL)
        return false;
    if (attr == PH_STUN_MESSAGE_INTEGRITY) {
        if (value_len != PH_SHA1_LEN)
            return false;
    } else if (attr != PH_STUN_MESSAGE_INTEGRITY_SHA256 || value_len < SHA256_MIN_LEN ||
               value_len > PH_SHA256_LEN) {
        return false;
    }
    ph_stun_integrity(data, offset, attr, value_len, key, key_len, mac);
    return ph_equal_ct(mac, value, value_len);
}
