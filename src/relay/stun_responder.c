#include "relay/stun_responder.h"

#include "base/mac.h"
#include "wire/stun.h"

#include <string.h>

#define VOUCHER_SPAN   (600 * PH_SEC)
#define CHANGE_REQUEST 0x0003 /* RFC 5780 section 7.2 */

void ph_stun_responder_init(struct ph_stun_responder *r, const struct ph_addr *addrs, size_t count,
                            uint64_t secret)
{
    memset(r, 0, sizeof(*r));
    memcpy(r->addrs, addrs, count * sizeof(addrs[0]));
    r->count = count;
    r->secret = secret;
    ph_source_limit_init(&r->limit, secret, PH_STUN_RATE, PH_STUN_BURST);
}

static bool can_name(const struct ph_addr *a)
{
    return ph_addr_is_set(a) && !ph_addr_is_any(a);
}

/* The first address with the j-th's IP whose port is another than the i-th's, or the same; `count`
 * when there is none. */
static size_t at_ip(const struct ph_stun_responder *r, size_t i, size_t j, bool other_port)
{
    for (size_t step = 0; step < r->count; step++) {
        size_t k = (j + step) % r->count;

        if (ph_addr_ip_eq(&r->addrs[j], &r->addrs[k]) &&
            (r->addrs[i].port != r->addrs[k].port) == other_port) {
            return k;
        }
    }
    return r->count;
}

/* The address to answer from, of the next IP after the i-th's; `count` when there is none that the
 * request could mean. */
static size_t change(const struct ph_stun_responder *r, size_t i, uint32_t flags)
{
    bool ip = flags & PH_STUN_CHANGE_IP;
    bool port = flags & PH_STUN_CHANGE_PORT;
    size_t second_best = r->count;

    if (!ip) {
        return port ? at_ip(r, i, i, true) : i;
    }
    for (size_t step = 1; step < r->count; step++) {
        size_t j = (i + step) % r->count;
        size_t k;

        if (r->addrs[i].family != r->addrs[j].family || ph_addr_ip_eq(&r->addrs[i], &r->addrs[j])) {
            continue;
        }
        k = at_ip(r, i, j, port);
        if (k < r->count) {
            return k;
        }
        /* Where no address differs in just what was asked, another IP passes for it: it is what
         * the filters of RFC 4787 section 5 look at first. Another port on another IP does not
         * pass for another port. */
        if (second_best == r->count) {
            second_best = j;
        }
    }
    return second_best;
}

/* RFC 5780 section 7.4: another IP and another port, which is what CHANGE-REQUEST with both flags
 * answers from. */
static const struct ph_addr *other_address(const struct ph_stun_responder *r, size_t i)
{
    size_t j = change(r, i, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT);

    return j < r->count ? &r->addrs[j] : NULL;
}

static int build_unknown(const struct ph_stun *m, const uint16_t *unknown, size_t n, uint8_t *out)
{
    struct ph_writer w = ph_writer_init(out, PH_STUN_ANSWER_MAX);

    ph_stun_begin(&w, PH_STUN_BINDING_ERROR, m->tid);
    ph_stun_put_error(&w, 420, "Unknown Attribute");
    ph_stun_put_unknown(&w, unknown, n);
    return ph_stun_end(&w, m->fingerprint);
}

static int build_bad_request(const struct ph_stun *m, uint8_t *out)
{
    struct ph_writer w = ph_writer_init(out, PH_STUN_ANSWER_MAX);

    ph_stun_begin(&w, PH_STUN_BINDING_ERROR, m->tid);
    ph_stun_put_error(&w, 400, "Bad Request");
    return ph_stun_end(&w, m->fingerprint);
}

/* For an IP in one span of ten minutes; never 0. */
static uint64_t voucher_for(const struct ph_stun_responder *r, uint64_t span,
                            const struct ph_addr *addr)
{
    uint8_t mac[PH_SHA256_LEN];
    uint64_t voucher;

    ph_hmac_sha256(&r->secret, sizeof(r->secret), &span, sizeof(span), addr->ip, sizeof(addr->ip),
                   mac);
    memcpy(&voucher, mac, sizeof(voucher));
    return voucher | 1;
}

bool ph_stun_vouches(const struct ph_stun_responder *r, ph_ns now, const struct ph_addr *addr,
                     uint64_t voucher)
{
    uint64_t span = now / VOUCHER_SPAN;
    uint64_t good[2] = {voucher_for(r, span, addr), voucher_for(r, span - 1, addr)};
    bool is = ph_equal_ct(&good[0], &voucher, sizeof(voucher));

    return ph_equal_ct(&good[1], &voucher, sizeof(voucher)) || is;
}

static int build_success(const struct ph_stun_responder *r, const struct ph_stun *m, ph_ns now,
                         size_t i, size_t from, const struct ph_addr *source, uint8_t *out)
{
    struct ph_writer w = ph_writer_init(out, PH_STUN_ANSWER_MAX);
    const struct ph_addr *other = other_address(r, i);

    ph_stun_begin(&w, PH_STUN_BINDING_SUCCESS, m->tid);
    ph_stun_put_mapped(&w, source);
    if (other && can_name(other)) {
        /* Three IPv6 addresses would not fit; the socket's own is what the client sees anyway. */
        if (source->family == PH_AF_V4 && can_name(&r->addrs[from])) {
            ph_stun_put_origin(&w, &r->addrs[from]);
        }
        ph_stun_put_other(&w, other);
    }
    if (m->asks_voucher) {
        ph_stun_put_voucher(&w, voucher_for(r, now / VOUCHER_SPAN, source));
    }
    return ph_stun_end(&w, m->fingerprint);
}

size_t ph_stun_answer(struct ph_stun_responder *r, ph_ns now, size_t i,
                      const struct ph_addr *source, const uint8_t *data, size_t len,
                      uint8_t out[PH_STUN_ANSWER_MAX], size_t *from, struct ph_addr *to)
{
    static const uint16_t change_request = CHANGE_REQUEST;
    struct ph_stun m;
    int n;

    /* Responses and indications are never answered, so that two servers cannot be set to answer
     * each other. */
    if (ph_addr_is_unusable(source) || ph_stun_parse(data, len, &m) ||
        m.type != PH_STUN_BINDING_REQUEST || !ph_source_limit_take(&r->limit, now, source)) {
        return 0;
    }
    *from = change(r, i, m.change_request);
    *to = *source;
    if (m.unknown_count > 0) {
        *from = i;
        n = build_unknown(&m, m.unknown, m.unknown_count, out);
    } else if (m.response_port != 0 && m.change_request != 0) {
        /* An answer that nobody's filter waits for, by neither address nor port: no test wants it,
         * a scan would. */
        *from = i;
        n = build_bad_request(&m, out);
    } else if (*from == r->count) {
        /* RFC 5780 section 6.1: a server that cannot do it does not know the attribute. */
        *from = i;
        n = build_unknown(&m, &change_request, 1, out);
    } else {
        to->port = m.response_port != 0 ? m.response_port : source->port;
        n = build_success(r, &m, now, i, *from, source, out);
    }
    if (n <= 0) {
        return 0;
    }
    r->requests++;
    return (size_t)n;
}
