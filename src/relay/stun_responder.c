#include "relay/stun_responder.h"

#include "base/rng.h"
#include "wire/stun.h"

#include <string.h>

#define CHANGE_REQUEST 0x0003 /* RFC 5780 section 7.2 */

void ph_stun_responder_init(struct ph_stun_responder *r, const struct ph_addr *addrs, size_t count,
                            uint64_t secret)
{
    memset(r, 0, sizeof(*r));
    memcpy(r->addrs, addrs, count * sizeof(addrs[0]));
    r->count = count;
    r->secret = secret;
}

/* One bucket for an IPv4 address or an IPv6 /64, which one customer has. */
static struct ph_bucket *source_bucket(struct ph_stun_responder *r, const struct ph_addr *source)
{
    size_t len = source->family == PH_AF_V6 ? 8 : 4;

    return &r->sources[ph_hash64(r->secret, source->ip, len) % PH_STUN_SOURCES];
}

static bool can_name(const struct ph_addr *a)
{
    return ph_addr_is_set(a) && !ph_addr_is_any(a);
}

/* The address to answer from, counted from the next one after i; `count` when there is none that
 * the request could mean. */
static size_t change(const struct ph_stun_responder *r, size_t i, uint32_t flags)
{
    bool ip = flags & PH_STUN_CHANGE_IP;
    bool port = flags & PH_STUN_CHANGE_PORT;
    size_t second_best = r->count;

    if (!ip && !port) {
        return i;
    }
    for (size_t step = 1; step < r->count; step++) {
        size_t j = (i + step) % r->count;
        bool other_ip = !ph_addr_ip_eq(&r->addrs[i], &r->addrs[j]);
        bool other_port = r->addrs[i].port != r->addrs[j].port;

        if (r->addrs[i].family != r->addrs[j].family) {
            continue;
        }
        if (other_ip == ip && other_port == port) {
            return j;
        }
        /* Where no address differs in just what was asked, another IP passes for it: it is what
         * the filters of RFC 4787 section 5 look at first. Another port on another IP does not
         * pass for another port. */
        if (ip && other_ip && second_best == r->count) {
            second_best = j;
        }
    }
    return second_best;
}

static const struct ph_addr *other_address(const struct ph_stun_responder *r, size_t i)
{
    for (size_t step = 1; step < r->count; step++) {
        const struct ph_addr *a = &r->addrs[(i + step) % r->count];

        if (a->family == r->addrs[i].family) {
            return a;
        }
    }
    return NULL;
}

static int build_error(const struct ph_stun *m, const uint16_t *unknown, size_t n, uint8_t *out)
{
    struct ph_writer w = ph_writer_init(out, PH_STUN_ANSWER_MAX);

    ph_stun_begin(&w, PH_STUN_BINDING_ERROR, m->tid);
    ph_stun_put_error(&w, 420, "Unknown Attribute");
    ph_stun_put_unknown(&w, unknown, n);
    return ph_stun_end(&w, m->fingerprint);
}

static int build_success(const struct ph_stun_responder *r, const struct ph_stun *m, size_t i,
                         size_t from, const struct ph_addr *source, uint8_t *out)
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
    return ph_stun_end(&w, m->fingerprint);
}

size_t ph_stun_answer(struct ph_stun_responder *r, ph_ns now, size_t i,
                      const struct ph_addr *source, const uint8_t *data, size_t len,
                      uint8_t out[PH_STUN_ANSWER_MAX], size_t *from)
{
    static const uint16_t change_request = CHANGE_REQUEST;
    struct ph_stun m;
    int n;

    /* Responses and indications are never answered, so that two servers cannot be set to answer
     * each other. */
    if (ph_addr_is_unusable(source) || ph_stun_parse(data, len, &m) ||
        m.type != PH_STUN_BINDING_REQUEST ||
        !ph_bucket_take(source_bucket(r, source), now, PH_STUN_RATE, PH_STUN_BURST)) {
        return 0;
    }
    *from = change(r, i, m.change_request);
    if (m.unknown_count > 0) {
        *from = i;
        n = build_error(&m, m.unknown, m.unknown_count, out);
    } else if (*from == r->count) {
        /* RFC 5780 section 6.1: a server that cannot do it does not know the attribute. */
        *from = i;
        n = build_error(&m, &change_request, 1, out);
    } else {
        n = build_success(r, &m, i, *from, source, out);
    }
    if (n <= 0) {
        return 0;
    }
    r->requests++;
    return (size_t)n;
}
