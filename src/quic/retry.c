/* What an endpoint answers without a connection: address validation with Retry (RFC 9000 section
 * 8.1.2), where the token carries all the state, and the stateless reset (section 10.3). */
#include "base/err.h"
#include "quic/conn.h"

#include <string.h>

#define TOKEN_LIFE (10 * PH_SEC)

bool ph_quic_parse_initial(const uint8_t *data, size_t len, ngtcp2_pkt_hd *out)
{
    /* RFC 9000 section 14.1: shorter packets must be discarded; section 7.2: a client's first
     * Destination Connection ID has 8 bytes or more (ngtcp2_accept takes less with a token). */
    return len >= PH_QUIC_PACKET_MAX && (data[0] & 0x40) != 0 &&
           ngtcp2_accept(out, data, len) == 0 && out->type == NGTCP2_PKT_INITIAL &&
           out->version == NGTCP2_PROTO_VER_V1 && out->dcid.datalen >= NGTCP2_MIN_INITIAL_DCIDLEN;
}

/* ngtcp2's tokens are bound to a socket address; returns its length. */
static ngtcp2_socklen socket_address(const struct ph_addr *a, ngtcp2_sockaddr_union *out)
{
    uint8_t port[2] = {(uint8_t)(a->port >> 8), (uint8_t)a->port};

    memset(out, 0, sizeof(*out));
    if (a->family == PH_AF_V4) {
        out->in.sin_family = NGTCP2_AF_INET;
        memcpy(&out->in.sin_port, port, sizeof(port));
        memcpy(&out->in.sin_addr, a->ip, 4);
        return sizeof(out->in);
    }
    out->in6.sin6_family = NGTCP2_AF_INET6;
    memcpy(&out->in6.sin6_port, port, sizeof(port));
    memcpy(&out->in6.sin6_addr, a->ip, 16);
    return sizeof(out->in6);
}

int ph_quic_token_verify(const struct ph_quic *q, ph_ns now, const ngtcp2_pkt_hd *initial,
                         const struct ph_addr *from, ngtcp2_cid *original_dcid)
{
    ngtcp2_sockaddr_union address;
    ngtcp2_socklen len = socket_address(from, &address);

    if (initial->tokenlen == 0 || ngtcp2_crypto_verify_retry_token2(
                                      original_dcid, initial->token, initial->tokenlen,
                                      q->token_secret, sizeof(q->token_secret), initial->version,
                                      &address.sa, len, &initial->dcid, TOKEN_LIFE, now) != 0)
        return PH_ERR_AUTH;
    return PH_OK;
}

enum ph_quic_token ph_quic_check_token(struct ph_quic *q, ph_ns now, const uint8_t *data,
                                       size_t len, const struct ph_addr *from)
{
    ngtcp2_pkt_hd initial;
    ngtcp2_cid original_dcid;
    const struct ph_draw *before;
    int rc;

    if (!ph_quic_parse_initial(data, len, &initial))
        return PH_QUIC_TOKEN_BAD;
    if (initial.tokenlen == 0)
        return PH_QUIC_TOKEN_NONE;
    before = ph_quic_enter(q);
    rc = ph_quic_token_verify(q, now, &initial, from, &original_dcid);
    ph_quic_leave(before);
    return rc == PH_OK ? PH_QUIC_TOKEN_VALID : PH_QUIC_TOKEN_BAD;
}

int ph_quic_retry(struct ph_quic *q, ph_ns now, const uint8_t *data, size_t len,
                  const struct ph_addr *from, uint8_t *out, size_t cap)
{
    uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
    ngtcp2_sockaddr_union address;
    ngtcp2_socklen address_len = socket_address(from, &address);
    ngtcp2_pkt_hd initial;
    ngtcp2_cid scid = {.datalen = PH_QUIC_CID_LEN};
    ngtcp2_ssize n;
    const struct ph_draw *before;

    if (!ph_quic_parse_initial(data, len, &initial))
        return PH_ERR_FORMAT;
    before = ph_quic_enter(q);
    /* Never the client's own: RFC 9000 section 17.2.5.1. A server that starts over with an old seed
     * would draw just that. */
    do
        q->draw.random(q->draw.user, scid.data, scid.datalen);
    while (ngtcp2_cid_eq(&scid, &initial.dcid));
    if (q->deterministic && !ph_draw_default(true)) {
        ph_quic_leave(before);
        return PH_ERR_CRYPTO;
    }
    n = ngtcp2_crypto_generate_retry_token2(token, q->token_secret, sizeof(q->token_secret),
                                            initial.version, &address.sa, address_len, &scid,
                                            &initial.dcid, now);
    if (q->deterministic)
        (void)ph_draw_default(false);
    if (n > 0)
        n = ngtcp2_crypto_write_retry(out, cap, initial.version, &initial.scid, &scid,
                                      &initial.dcid, token, (size_t)n);
    ph_quic_leave(before);
    if (n <= 0)
        return cap < len ? PH_ERR_SPACE : PH_ERR_CRYPTO;
    return (int)n;
}

size_t ph_quic_reset(struct ph_quic *q, const uint8_t *data, size_t len,
                     uint8_t out[PH_QUIC_RESET_MAX])
{
    ngtcp2_stateless_reset_token token;
    ngtcp2_cid cid = {.datalen = PH_QUIC_CID_LEN};
    uint8_t noise[PH_QUIC_RESET_MAX];
    size_t size = len <= PH_QUIC_RESET_MAX ? len - 1 : PH_QUIC_RESET_MAX;
    const struct ph_draw *before;
    ngtcp2_ssize n = 0;

    /* RFC 9000 section 10.3.3: smaller than what it answers, so that two endpoints that have both
     * forgotten do not go on for ever; and section 10.3: at least 21 bytes. */
    if (!q->resets || !ph_quic_is_short_header(data, len) ||
        len <= NGTCP2_STATELESS_RESET_TOKENLEN + NGTCP2_MIN_STATELESS_RESET_RANDLEN)
        return 0;
    memcpy(cid.data, data + 1, cid.datalen);
    q->draw.random(q->draw.user, noise, sizeof(noise));
    before = ph_quic_enter(q);
    if (ngtcp2_crypto_generate_stateless_reset_token(token.data, q->reset_secret,
                                                     sizeof(q->reset_secret), &cid) == 0)
        n = ngtcp2_pkt_write_stateless_reset2(out, size, &token, noise,
                                              size - NGTCP2_STATELESS_RESET_TOKENLEN);
    ph_quic_leave(before);
    return n > 0 ? (size_t)n : 0;
}
