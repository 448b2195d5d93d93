/* A fan of fresh sockets, and a sounding from one, on a host that counts what is open. */
#include "base/buf.h"
#include "base/err.h"
#include "path/fan.h"
#include "path/sounding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct {
    size_t open, limit;
    ph_sock next;
    bool unprivileged;
    uint16_t bound[2048];
    uint8_t sent[PH_QUERY_MAX];
    size_t sent_len, sends;
    bool closed[2048];
} net;

static void fake_random(struct ph_host *h, void *out, size_t len)
{
    static uint8_t n;
    (void)h;
    memset(out, ++n, len);
}

static int fake_open(struct ph_host *h, const struct ph_addr *local, ph_sock *out)
{
    (void)h;
    if (net.open >= net.limit || (net.unprivileged && local->port != 0 && local->port < 1024))
        return PH_ERR_SYS;
    for (ph_sock s = 1; local->port != 0 && s <= net.next; s++) {
        if (!net.closed[s] && net.bound[s] == local->port)
            return PH_ERR_SYS;
    }
    net.open++;
    *out = ++net.next;
    net.closed[*out] = false;
    net.bound[*out] = local->port ? local->port : (uint16_t)(40000 + *out);
    return PH_OK;
}

static void fake_close(struct ph_host *h, ph_sock sock)
{
    (void)h;
    assert_false(net.closed[sock]);
    net.closed[sock] = true;
    net.open--;
}

static struct ph_addr fake_local(struct ph_host *h, ph_sock sock)
{
    (void)h;
    return ph_addr_v4(0, 0, 0, 0, net.bound[sock]);
}

static void fake_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n)
{
    (void)h;
    assert_false(net.closed[sock]);
    assert_int_equal(n, 1);
    memcpy(net.sent, out->data, out->len);
    net.sent_len = out->len;
    net.sends++;
}

static const struct ph_host_ops ops = {.random = fake_random,
                                       .udp_open = fake_open,
                                       .udp_close = fake_close,
                                       .udp_local = fake_local,
                                       .udp_send = fake_send};
static struct ph_host host = {.ops = &ops};
static const struct ph_addr any = {.family = PH_AF_V4, .port = 4000};

static int reset(void **state)
{
    (void)state;
    memset(&net, 0, sizeof(net));
    net.limit = 2000;
    return 0;
}

static void test_fan(void **state)
{
    (void)state;
    struct ph_fan f;
    ph_fan_init(&f, &host);
    assert_int_equal(ph_fan_find(&f, 1), SIZE_MAX);
    assert_int_equal(ph_fan_open(&f, &any, 256, 0, 0), 256);
    for (size_t i = 0; i < 256; i++) {
        assert_int_equal(ph_fan_find(&f, f.items[i].sock), i);
        assert_true(f.items[i].port != any.port); /* fresh, not the call's own */
    }
    assert_int_equal(ph_fan_find(&f, 999), SIZE_MAX);
    ph_sock winner = f.items[77].sock;
    assert_true(ph_fan_take(&f, winner));
    assert_false(ph_fan_take(&f, winner));
    assert_int_equal(ph_fan_find(&f, winner), SIZE_MAX);
    assert_int_equal(ph_fan_find(&f, f.items[78].sock), 78);
    ph_fan_close(&f);
    assert_int_equal(net.open, 1);
    assert_int_equal(f.open, 0);
    assert_int_equal(ph_fan_find(&f, 1), SIZE_MAX);
    ph_fan_fini(&f);
    assert_int_equal(net.open, 1);
    fake_close(&host, winner);
}

/* A system with too few sockets gives what it has; a peer cannot make it give more than the cap. */
static void test_limits(void **state)
{
    (void)state;
    struct ph_fan f;
    ph_fan_init(&f, &host);
    net.limit = 10;
    assert_int_equal(ph_fan_open(&f, &any, 256, 0, 0), 10);
    net.limit = 2000;
    assert_int_equal(ph_fan_open(&f, &any, 60000, 0, 0), PH_FAN_MAX); /* the others are closed */
    assert_int_equal(net.open, PH_FAN_MAX);
    ph_fan_fini(&f);
}

static void test_privileged(void **state)
{
    (void)state;
    struct ph_fan f;
    ph_fan_init(&f, &host);
    assert_int_equal(ph_fan_open(&f, &any, 32, 600, 1023), 32);
    for (size_t i = 0; i < 32; i++)
        assert_in_range(f.items[i].port, 600, 1023);
    net.unprivileged = true;
    assert_int_equal(ph_fan_open(&f, &any, 32, 600, 1023), 32);
    for (size_t i = 0; i < 32; i++)
        assert_true(f.items[i].port > 1023);
    ph_fan_fini(&f);
}

static void test_sounding(void **state)
{
    (void)state;
    struct ph_sounding s;
    struct ph_addr server = ph_addr_v4(11, 4, 0, 2, 3478), seen = ph_addr_v4(11, 0, 0, 9, 777);
    ph_sounding_init(&s, &host);
    assert_int_equal(ph_sounding_deadline(&s), PH_NEVER);
    assert_int_equal(ph_sounding_begin(&s, 1000, &any, &server, 40 * PH_MS), PH_OK);
    assert_int_equal(net.sends, 1);
    assert_false(ph_sounding_is_over(&s));
    struct ph_stun asked;
    assert_int_equal(ph_stun_parse(net.sent, net.sent_len, &asked), PH_OK);
    uint8_t answer[PH_QUERY_MAX * 2];
    struct ph_writer w = ph_writer_init(answer, sizeof(answer));
    ph_stun_begin(&w, PH_STUN_BINDING_SUCCESS, asked.tid);
    ph_stun_put_mapped(&w, &seen);
    int len = ph_stun_end(&w, true);
    assert_true(len > 0);
    struct ph_datagram d = {
        .peer = ph_addr_v4(6, 6, 6, 6, 3478), .data = answer, .len = (size_t)len};
    assert_false(ph_sounding_on_datagram(&s, 2000, s.sock + 1, &d));
    assert_true(
        ph_sounding_on_datagram(&s, 2000, s.sock, &d)); /* a stranger's: taken, and no answer */
    assert_false(ph_sounding_is_over(&s));
    d.peer = server;
    assert_true(ph_sounding_on_datagram(&s, 2000, s.sock, &d));
    assert_true(ph_sounding_is_over(&s));
    assert_true(ph_addr_eq(&s.seen, &seen));
    ph_sounding_fini(&s);
    assert_int_equal(net.open, 0);
}

/* Nobody answers: it is over after its tries, and so is one that gets no socket. */
static void test_silence(void **state)
{
    (void)state;
    struct ph_sounding s;
    struct ph_addr server = ph_addr_v4(11, 4, 0, 2, 3478);
    ph_sounding_init(&s, &host);
    ph_sounding_begin(&s, 0, &any, &server, 40 * PH_MS);
    while (!ph_sounding_is_over(&s)) {
        ph_ns t = ph_sounding_deadline(&s);
        assert_true(t < PH_SEC);
        ph_sounding_on_timer(&s, t);
    }
    assert_int_equal(net.sends, PH_QUERY_TRIES);
    assert_int_equal(s.query.state, PH_QUERY_SILENT);
    assert_false(ph_addr_is_set(&s.seen));
    net.limit = 0;
    assert_int_equal(ph_sounding_begin(&s, 0, &any, &server, 0), PH_ERR_SYS);
    assert_true(ph_sounding_is_over(&s));
    ph_sounding_fini(&s);
    assert_int_equal(net.open, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_fan, reset),
        cmocka_unit_test_setup(test_limits, reset),
        cmocka_unit_test_setup(test_privileged, reset),
        cmocka_unit_test_setup(test_sounding, reset),
        cmocka_unit_test_setup(test_silence, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
