/* The STUN parser: it stays inside its input, and what it takes can be written again and then reads
 * the same. */
#include "base/err.h"
#include "wire/stun.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_inside(const uint8_t *data, size_t size, const uint8_t *text, size_t len)
{
    check(text != NULL ? text >= data && len <= size && (size_t)(text - data) <= size - len
                       : len == 0);
}

static void check_parsed(const uint8_t *data, size_t size, const struct ph_stun *m)
{
    check(ph_stun_looks_like(data, size));
    check_inside(data, size, m->username, m->username_len);
    check_inside(data, size, m->software, m->software_len);
    check_inside(data, size, m->realm, m->realm_len);
    check_inside(data, size, m->nonce, m->nonce_len);
    check(m->username_len <= PH_STUN_USERNAME_MAX);
    check(m->integrity_offset < size && m->integrity256_offset < size);
    check(m->unknown_count <= PH_STUN_UNKNOWN_MAX);
    check(m->error_code == 0 || (m->error_code >= 300 && m->error_code <= 699));
    check(!(m->controlling && m->controlled));
    /* This key signed nothing: a message that passes would be a forged one. */
    check(!ph_stun_verify(data, size, m, "nobody's key", 12));
}

static size_t build(const struct ph_stun *m, uint8_t *out, size_t cap)
{
    struct ph_writer w = ph_writer_init(out, cap);
    int len;

    ph_stun_begin(&w, m->type, m->tid);
    if (ph_addr_is_set(&m->mapped))
        ph_stun_put_mapped(&w, &m->mapped);
    if (ph_addr_is_set(&m->other))
        ph_stun_put_other(&w, &m->other);
    if (ph_addr_is_set(&m->origin))
        ph_stun_put_origin(&w, &m->origin);
    if (m->username != NULL)
        ph_stun_put_username(&w, m->username, m->username_len);
    if (m->change_request != 0)
        ph_stun_put_change_request(&w, m->change_request);
    if (m->response_port != 0)
        ph_stun_put_response_port(&w, m->response_port);
    if (m->priority != 0)
        ph_stun_put_priority(&w, m->priority);
    if (m->controlling || m->controlled)
        ph_stun_put_role(&w, m->controlling, m->tie_breaker);
    if (m->use_candidate)
        ph_stun_put_use_candidate(&w);
    if (m->error_code != 0)
        ph_stun_put_error(&w, m->error_code, "");
    for (size_t i = 0; i < m->unknown_count; i++)
        ph_stun_put_attr(&w, m->unknown[i], NULL, 0);
    if (m->integrity_offset != 0)
        ph_stun_put_integrity(&w, "key", 3);
    if (m->integrity256_offset != 0)
        ph_stun_put_integrity256(&w, "key", 3);
    len = ph_stun_end(&w, m->fingerprint);
    check(len > 0);
    return (size_t)len;
}

static void check_same(const struct ph_stun *a, const struct ph_stun *b)
{
    check(a->type == b->type && memcmp(a->tid, b->tid, sizeof(a->tid)) == 0);
    check(ph_addr_eq(&a->mapped, &b->mapped) && ph_addr_eq(&a->other, &b->other) &&
          ph_addr_eq(&a->origin, &b->origin));
    check((a->username != NULL) == (b->username != NULL) && a->username_len == b->username_len);
    check(a->username_len == 0 || memcmp(a->username, b->username, a->username_len) == 0);
    check(a->change_request == b->change_request && a->response_port == b->response_port &&
          a->priority == b->priority && a->tie_breaker == b->tie_breaker &&
          a->controlling == b->controlling && a->controlled == b->controlled &&
          a->use_candidate == b->use_candidate && a->error_code == b->error_code &&
          a->fingerprint == b->fingerprint);
    check((a->integrity_offset != 0) == (b->integrity_offset != 0) &&
          (a->integrity256_offset != 0) == (b->integrity256_offset != 0));
    check(a->unknown_count == b->unknown_count &&
          memcmp(a->unknown, b->unknown, sizeof(a->unknown)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[1024];
    struct ph_stun m, again;
    size_t len;
    int err = ph_stun_parse(data, size, &m);

    if (err != PH_OK) {
        check(err == PH_ERR_SHORT || err == PH_ERR_FORMAT);
        return 0;
    }
    check_parsed(data, size, &m);
    len = build(&m, out, sizeof(out));
    check(ph_stun_parse(out, len, &again) == PH_OK);
    check_same(&m, &again);
    check(ph_stun_verify(out, len, &again, "key", 3) ==
          (m.integrity_offset != 0 || m.integrity256_offset != 0));
    return 0;
}
