/* Building of STUN messages; reading them is stun.c. */
#include "base/err.h"
#include "base/mac.h"
#include "wire/stun.h"
#include "wire/stun_private.h"

#include <string.h>

void ph_stun_begin(struct ph_writer *w, uint16_t type, const uint8_t tid[PH_STUN_TID_LEN])
{
    ph_write_u16(w, type);
    ph_write_u16(w, 0); /* ph_stun_end knows */
    ph_write_u32(w, PH_STUN_MAGIC);
    ph_write_bytes(w, tid, PH_STUN_TID_LEN);
}

void ph_stun_put_attr(struct ph_writer *w, uint16_t type, const void *value, size_t len)
{
    static const uint8_t zeros[3];

    if (len > UINT16_MAX) {
        w->bad = true;
        return;
    }
    ph_write_u16(w, type);
    ph_write_u16(w, (uint16_t)len);
    ph_write_bytes(w, value, len);
    ph_write_bytes(w, zeros, -len % 4);
}

static void put_u32(struct ph_writer *w, uint16_t type, uint32_t v)
{
    ph_write_u16(w, type);
    ph_write_u16(w, 4);
    ph_write_u32(w, v);
}

static void put_address(struct ph_writer *w, uint16_t type, const struct ph_addr *a, bool masked)
{
    size_t ip_len = a->family == PH_AF_V6 ? 16 : 4;
    uint8_t mask[16] = {0};

    if (!ph_addr_is_set(a) || ph_writer_len(w) < PH_STUN_HEADER_LEN) {
        w->bad = true;
        return;
    }
    if (masked)
        ph_stun_address_mask(mask, w->start + PH_STUN_TID_AT);
    ph_write_u16(w, type);
    ph_write_u16(w, (uint16_t)(4 + ip_len));
    ph_write_u8(w, 0);
    ph_write_u8(w, a->family == PH_AF_V6 ? 2 : 1);
    ph_write_u16(w, (uint16_t)(a->port ^ (mask[0] << 8 | mask[1])));
    for (size_t i = 0; i < ip_len; i++)
        ph_write_u8(w, a->ip[i] ^ mask[i]);
}

void ph_stun_put_mapped(struct ph_writer *w, const struct ph_addr *a)
{
    put_address(w, PH_STUN_XOR_MAPPED_ADDRESS, a, true);
}

void ph_stun_put_other(struct ph_writer *w, const struct ph_addr *a)
{
    put_address(w, PH_STUN_OTHER_ADDRESS, a, false);
}

void ph_stun_put_origin(struct ph_writer *w, const struct ph_addr *a)
{
    put_address(w, PH_STUN_RESPONSE_ORIGIN, a, false);
}

void ph_stun_put_username(struct ph_writer *w, const void *name, size_t len)
{
    if (len > PH_STUN_USERNAME_MAX)
        w->bad = true;
    ph_stun_put_attr(w, PH_STUN_USERNAME, name, len);
}

void ph_stun_put_change_request(struct ph_writer *w, uint32_t flags)
{
    put_u32(w, PH_STUN_CHANGE_REQUEST, flags);
}

/* RFC 5780 section 7.5: the port and two bytes of padding, which the servers that there are count
 * in the attribute's length. */
void ph_stun_put_response_port(struct ph_writer *w, uint16_t port)
{
    if (port == 0)
        w->bad = true;
    put_u32(w, PH_STUN_RESPONSE_PORT, (uint32_t)port << 16);
}

void ph_stun_put_priority(struct ph_writer *w, uint32_t priority)
{
    put_u32(w, PH_STUN_PRIORITY, priority);
}

void ph_stun_put_role(struct ph_writer *w, bool controlling, uint64_t tie_breaker)
{
    ph_write_u16(w, controlling ? PH_STUN_ICE_CONTROLLING : PH_STUN_ICE_CONTROLLED);
    ph_write_u16(w, 8);
    ph_write_u64(w, tie_breaker);
}

void ph_stun_put_voucher(struct ph_writer *w, uint64_t voucher)
{
    uint8_t value[8];

    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)(voucher >> (56 - 8 * i));
    ph_stun_put_attr(w, PH_STUN_VOUCHER, value, voucher != 0 ? sizeof(value) : 0);
}

void ph_stun_put_use_candidate(struct ph_writer *w)
{
    ph_stun_put_attr(w, PH_STUN_USE_CANDIDATE, NULL, 0);
}

void ph_stun_put_padding(struct ph_writer *w, size_t len)
{
    if (len > UINT16_MAX) {
        w->bad = true;
        return;
    }
    ph_write_u16(w, PH_STUN_PADDING);
    ph_write_u16(w, (uint16_t)len);
    for (size_t i = 0; i < len + -len % 4 && !w->bad; i++)
        ph_write_u8(w, 0);
}

void ph_stun_put_error(struct ph_writer *w, uint16_t code, const char *reason)
{
    static const uint8_t zeros[3];
    size_t len = strlen(reason);

    /* RFC 8489 section 14.8: a reason of fewer than 128 characters. */
    if (code < 300 || code > 699 || len > 127) {
        w->bad = true;
        return;
    }
    ph_write_u16(w, PH_STUN_ERROR_CODE);
    ph_write_u16(w, (uint16_t)(4 + len));
    ph_write_u16(w, 0);
    ph_write_u8(w, (uint8_t)(code / 100));
    ph_write_u8(w, (uint8_t)(code % 100));
    ph_write_bytes(w, reason, len);
    ph_write_bytes(w, zeros, -len % 4);
}

void ph_stun_put_unknown(struct ph_writer *w, const uint16_t *types, size_t n)
{
    if (n > PH_STUN_UNKNOWN_MAX) {
        w->bad = true;
        return;
    }
    ph_write_u16(w, PH_STUN_UNKNOWN_ATTRIBUTES);
    ph_write_u16(w, (uint16_t)(2 * n));
    for (size_t i = 0; i < n; i++)
        ph_write_u16(w, types[i]);
    if (n % 2 != 0)
        ph_write_u16(w, 0);
}

static void put_integrity(struct ph_writer *w, uint16_t attr, size_t value_len, const void *key,
                          size_t key_len)
{
    uint8_t mac[PH_SHA256_LEN];

    if (w->bad || ph_writer_len(w) < PH_STUN_HEADER_LEN) {
        w->bad = true;
        return;
    }
    ph_stun_integrity(w->start, ph_writer_len(w), attr, value_len, key, key_len, mac);
    ph_stun_put_attr(w, attr, mac, value_len);
}

void ph_stun_put_integrity(struct ph_writer *w, const void *key, size_t key_len)
{
    put_integrity(w, PH_STUN_MESSAGE_INTEGRITY, PH_SHA1_LEN, key, key_len);
}

void ph_stun_put_integrity256(struct ph_writer *w, const void *key, size_t key_len)
{
    put_integrity(w, PH_STUN_MESSAGE_INTEGRITY_SHA256, PH_SHA256_LEN, key, key_len);
}

int ph_stun_end(struct ph_writer *w, bool fingerprint)
{
    size_t tail = fingerprint ? PH_STUN_ATTR_HEADER_LEN + 4 : 0;
    size_t len = ph_writer_len(w) + tail;

    if (w->bad || ph_writer_len(w) < PH_STUN_HEADER_LEN || len - PH_STUN_HEADER_LEN > UINT16_MAX) {
        w->bad = true;
        return PH_ERR_SPACE;
    }
    /* The CRC goes over the header with its final length. */
    ph_write_patch_u16(w, PH_STUN_LENGTH_AT, (uint16_t)(len - PH_STUN_HEADER_LEN));
    if (fingerprint)
        put_u32(w, PH_STUN_FINGERPRINT,
                ph_crc32(w->start, ph_writer_len(w)) ^ PH_STUN_FINGERPRINT_XOR);
    return w->bad ? PH_ERR_SPACE : (int)len;
}
