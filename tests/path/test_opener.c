/* Learning the openers' TTL: what counts as having been let in. */
#include "base/buf.h"
#include "base/err.h"
#include "path/opener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static ph_sock next_sock;
static size_t open_socks, sent;

static void fake_random(struct ph_host *h, void *out, size_t len)
{
    static uint8_t n;
    (void)h;
    memset(out, ++n, len);
}

static int fake_open(struct ph_host *h, const struct ph_addr *local, ph_sock *out)
{
    (void)h;
    assert_int_equal(local->port, 0);
    *out = ++next_sock;
    open_socks++;
    return PH_OK;
}

static void fake_close(struct ph_host *h, ph_sock sock)
{
    (void)h;
    (void)sock;
    open_socks--;
}

static void fake_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n)
{
    (void)h;
    (void)sock;
    (void)out;
    sent += n;
}

static const struct ph_host_ops ops = {
    .random = fake_random, .udp_open = fake_open, .udp_close = fake_close, .udp_send = fake_send};

static void answer(struct ph_opener *o, ph_ns now, size_t probe, uint16_t type,
                   const struct ph_addr *from)
{
    uint8_t buf[64];
    struct ph_addr seen = ph_addr_v4(11, 0, 0, 9, 5);
    struct ph_writer w = ph_writer_init(buf, sizeof(buf));
    ph_stun_begin(&w, type, o->probe[probe].tid);
    ph_stun_put_mapped(&w, &seen);
    int len = ph_stun_end(&w, true);
    assert_true(len > 0);
    struct ph_datagram in = {.peer = *from, .data = buf, .len = (size_t)len};
    assert_true(ph_opener_on_datagram(o, now, o->probe[probe].sock, &in));
}

static const struct ph_addr any = {.family = PH_AF_V4};

static void start(struct ph_opener *o, struct ph_host *host, const struct ph_addr *server,
                  const struct ph_addr *other)
{
    *host = (struct ph_host){.ops = &ops};
    open_socks = sent = 0;
    ph_opener_init(o, host);
    assert_int_equal(o->ttl, PH_OPENER_TTL_DEFAULT);
    ph_opener_start(o, 0, &any, server, other, 20 * PH_MS);
    assert_int_equal(open_socks, PH_OPENER_SOCKETS);
    assert_int_equal(sent, 2 * PH_OPENER_SOCKETS);
}

static void test_smallest_wins(void **state)
{
    (void)state;
    struct ph_opener o;
    struct ph_host host;
    struct ph_addr a = ph_addr_v4(11, 0, 0, 1, 3478), b = ph_addr_v4(11, 0, 0, 2, 3478);
    start(&o, &host, &a, &b);
    answer(&o, PH_MS, 2, PH_STUN_BINDING_SUCCESS, &b);
    assert_int_equal(o.state, PH_OPENER_LEARNING); /* 2 and 3 may come yet */
    answer(&o, 2 * PH_MS, 1, PH_STUN_BINDING_SUCCESS, &b);
    while (o.state == PH_OPENER_LEARNING)
        ph_opener_on_timer(&o, ph_opener_deadline(&o));
    assert_int_equal(o.state, PH_OPENER_LEARNT);
    assert_int_equal(o.ttl, 3);
    assert_int_equal(open_socks, 0);
    assert_int_equal(ph_opener_deadline(&o), PH_NEVER);
}

static void test_first_is_enough(void **state)
{
    (void)state;
    struct ph_opener o;
    struct ph_host host;
    struct ph_addr a = ph_addr_v4(11, 0, 0, 1, 3478), b = ph_addr_v4(11, 0, 0, 2, 3478);
    start(&o, &host, &a, &b);
    answer(&o, PH_MS, 0, PH_STUN_BINDING_SUCCESS, &b);
    assert_int_equal(o.state, PH_OPENER_LEARNT);
    assert_int_equal(o.ttl, 2);
    assert_int_equal(open_socks, 0);
}

static void test_nothing_comes(void **state)
{
    (void)state;
    struct ph_opener o;
    struct ph_host host;
    struct ph_addr a = ph_addr_v4(11, 0, 0, 1, 3478), b = ph_addr_v4(11, 0, 0, 2, 3478);
    start(&o, &host, &a, &b);
    ph_ns last = 0;
    while (o.state == PH_OPENER_LEARNING) {
        assert_true(ph_opener_deadline(&o) > last && ph_opener_deadline(&o) < PH_SEC);
        last = ph_opener_deadline(&o);
        ph_opener_on_timer(&o, last);
    }
    assert_int_equal(o.state, PH_OPENER_UNKNOWN);
    assert_int_equal(o.ttl, PH_OPENER_TTL_DEFAULT);
    assert_int_equal(open_socks, 0);
}

/* What the server itself answers has come through the hole that the request made. */
static void test_server_is_no_stranger(void **state)
{
    (void)state;
    struct ph_opener o;
    struct ph_host host;
    struct ph_addr a = ph_addr_v4(11, 0, 0, 1, 3478), b = ph_addr_v4(11, 0, 0, 2, 3478);
    struct ph_addr same_ip = ph_addr_v4(11, 0, 0, 1, 3479);
    start(&o, &host, &a, &b);
    answer(&o, PH_MS, 0, PH_STUN_BINDING_SUCCESS, &a);
    assert_int_equal(o.state, PH_OPENER_LEARNING);
    answer(&o, PH_MS, 0, PH_STUN_BINDING_ERROR, &b);
    assert_int_equal(o.state, PH_OPENER_LEARNING);
    ph_opener_fini(&o);
    start(&o, &host, &a, &same_ip); /* a second address that is none */
    answer(&o, PH_MS, 0, PH_STUN_BINDING_SUCCESS, &same_ip);
    answer(&o, PH_MS, 0, PH_STUN_BINDING_ERROR, &a);
    assert_int_equal(o.state, PH_OPENER_LEARNING);
    ph_opener_fini(&o);
    assert_int_equal(open_socks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_wins),
        cmocka_unit_test(test_first_is_enough),
        cmocka_unit_test(test_nothing_comes),
        cmocka_unit_test(test_server_is_no_stranger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
