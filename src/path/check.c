#include "path/check.h"

#include "base/buf.h"
#include "base/err.h"

#include <string.h>

/* ice-char of RFC 8445 section 5.3, 64 of them: six bits a character. */
static const char ice_chars[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void ph_checker_init(struct ph_checker *k, bool controlling, const uint8_t random[32])
{
    *k = (struct ph_checker){.controlling = controlling};
    for (size_t i = 0; i < PH_UFRAG_LEN; i++)
        k->own.ufrag[i] = (uint8_t)ice_chars[random[i] & 63];
    for (size_t i = 0; i < PH_PWD_LEN; i++)
        k->own.pwd[i] = random[8 + i];
    memcpy(&k->tie_breaker, random + 24, 8);
}

void ph_checker_set_peer(struct ph_checker *k, const struct ph_check_credentials *peer)
{
    k->peer = *peer;
    k->peer_known = true;
}

static size_t username(const struct ph_check_credentials *to,
                       const struct ph_check_credentials *from, uint8_t out[2 * PH_UFRAG_LEN + 1])
{
    memcpy(out, to->ufrag, PH_UFRAG_LEN);
    out[PH_UFRAG_LEN] = ':';
    memcpy(out + PH_UFRAG_LEN + 1, from->ufrag, PH_UFRAG_LEN);
    return 2 * PH_UFRAG_LEN + 1;
}

static void make_tid(const uint8_t random[8], uint32_t counter, uint8_t tid[PH_STUN_TID_LEN])
{
    memcpy(tid, random, 8);
    for (int i = 0; i < 4; i++)
        tid[8 + i] = (uint8_t)(counter >> (24 - 8 * i));
}

static int write_request(struct ph_checker *k, const uint8_t tid[PH_STUN_TID_LEN],
                         uint32_t priority, uint8_t *out, size_t cap)
{
    if (!k->peer_known)
        return PH_ERR_AGAIN;
    uint8_t name[2 * PH_UFRAG_LEN + 1];
    size_t name_len = username(&k->peer, &k->own, name);
    struct ph_writer w = ph_writer_init(out, cap);
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    ph_stun_put_username(&w, name, name_len);
    ph_stun_put_priority(&w, priority);
    ph_stun_put_role(&w, k->controlling, k->tie_breaker);
    ph_stun_put_integrity(&w, k->peer.pwd, PH_PWD_LEN);
    return ph_stun_end(&w, true);
}

int ph_check_request(struct ph_checker *k, const uint8_t random[8], uint32_t priority, uint8_t *out,
                     size_t cap, uint8_t tid[PH_STUN_TID_LEN])
{
    if (!k->peer_known)
        return PH_ERR_AGAIN;
    make_tid(random, ph_check_reserve(k, 1), tid);
    return write_request(k, tid, priority, out, cap);
}

uint32_t ph_check_reserve(struct ph_checker *k, uint32_t n)
{
    uint32_t first = k->next_counter;
    k->next_counter += n;
    return first;
}

int ph_check_request_at(struct ph_checker *k, const uint8_t random[8], uint32_t counter,
                        uint32_t priority, uint8_t *out, size_t cap)
{
    uint8_t tid[PH_STUN_TID_LEN];
    make_tid(random, counter, tid);
    return write_request(k, tid, priority, out, cap);
}

bool ph_check_is_for(const struct ph_checker *k, const struct ph_stun *msg)
{
    return msg->username && msg->username_len == 2 * PH_UFRAG_LEN + 1 &&
           memcmp(msg->username, k->own.ufrag, PH_UFRAG_LEN) == 0 &&
           msg->username[PH_UFRAG_LEN] == ':';
}

static uint32_t counter_of(const struct ph_stun *msg)
{
    uint32_t c = 0;
    for (int i = 0; i < 4; i++)
        c = (c << 8) | msg->tid[8 + i];
    return c;
}

static bool window_bit(const struct ph_checker *k, uint32_t age)
{
    return (k->seen[age / 64] >> (age % 64)) & 1;
}

/* Shifts the window so that bit 0 stands for a counter that is `by` higher. */
static void window_shift(struct ph_checker *k, uint32_t by)
{
    if (by >= PH_CHECK_WINDOW) {
        memset(k->seen, 0, sizeof(k->seen));
        return;
    }
    const size_t n = sizeof(k->seen) / sizeof(k->seen[0]);
    size_t words = by / 64;
    unsigned bits = by % 64;
    for (size_t i = n; i-- > 0;) {
        uint64_t v = 0;
        if (i >= words) {
            v = k->seen[i - words] << bits;
            if (bits && i >= words + 1)
                v |= k->seen[i - words - 1] >> (64 - bits);
        }
        k->seen[i] = v;
    }
}

static bool take_counter(struct ph_checker *k, uint32_t c)
{
    if (!k->seen_any) {
        k->seen_any = true;
        k->seen_highest = c;
        k->seen[0] = 1;
        return true;
    }
    if (c > k->seen_highest) {
        window_shift(k, c - k->seen_highest);
        k->seen_highest = c;
        k->seen[0] |= 1;
        return true;
    }
    uint32_t age = k->seen_highest - c;
    if (age >= PH_CHECK_WINDOW || window_bit(k, age))
        return false;
    k->seen[age / 64] |= (uint64_t)1 << (age % 64);
    return true;
}

int ph_check_accept(struct ph_checker *k, const uint8_t *data, size_t len,
                    const struct ph_stun *msg)
{
    if (msg->type != PH_STUN_BINDING_REQUEST || !ph_check_is_for(k, msg) || !msg->fingerprint)
        return PH_ERR_AUTH;
    /* Both ends know who called: a check of one's own, reflected, has the wrong role. */
    if (k->controlling ? !msg->controlled : !msg->controlling)
        return PH_ERR_AUTH;
    if (k->peer_known && memcmp(msg->username + PH_UFRAG_LEN + 1, k->peer.ufrag, PH_UFRAG_LEN) != 0)
        return PH_ERR_AUTH;
    if (!ph_stun_verify(data, len, msg, k->own.pwd, PH_PWD_LEN))
        return PH_ERR_AUTH;
    return take_counter(k, counter_of(msg)) ? PH_OK : PH_ERR_PROTO;
}

int ph_check_response(const struct ph_checker *k, const struct ph_stun *request,
                      const struct ph_addr *from, uint8_t *out, size_t cap)
{
    struct ph_writer w = ph_writer_init(out, cap);
    ph_stun_begin(&w, PH_STUN_BINDING_SUCCESS, request->tid);
    ph_stun_put_mapped(&w, from);
    ph_stun_put_integrity(&w, k->own.pwd, PH_PWD_LEN);
    return ph_stun_end(&w, true);
}

int ph_check_verify_response(const struct ph_checker *k, const uint8_t *data, size_t len,
                             const struct ph_stun *msg)
{
    if (!k->peer_known || msg->type != PH_STUN_BINDING_SUCCESS)
        return PH_ERR_AUTH;
    return ph_stun_verify(data, len, msg, k->peer.pwd, PH_PWD_LEN) ? PH_OK : PH_ERR_AUTH;
}
