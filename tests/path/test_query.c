/* One STUN question: its tries, its clock, its answers. */
#include "base/buf.h"
#include "base/err.h"
#include "path/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint8_t last[PH_QUERY_MAX];
static size_t last_len, sent;

static void fake_random(struct ph_host *h, void *out, size_t len)
{
    static uint8_t n;
    (void)h;
    memset(out, ++n, len);
}

static void fake_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n)
{
    (void)h;
    assert_int_equal(sock, 7);
    for (size_t i = 0; i < n; i++) {
        memcpy(last, out[i].data, out[i].len);
        last_len = out[i].len;
    }
    sent += n;
}

static const struct ph_host_ops ops = {.random = fake_random, .udp_send = fake_send};
static struct ph_host host = {.ops = &ops};
static const struct ph_addr server = {.family = PH_AF_V4, .port = 3478, .ip = {203, 0, 113, 1}};

static struct ph_query start(bool steady)
{
    struct ph_query q;

    sent = 0;
    ph_query_init(&q, &host, &server);
    q.steady = steady;
    assert_int_equal(q.next, PH_NEVER);
    ph_query_begin(&q, 1000);
    assert_int_equal(q.next, 1000);
    return q;
}

static void step(struct ph_query *q, ph_ns now, ph_ns rto)
{
    struct ph_batch batch = {.host = &host, .sock = 7};

    ph_query_step(q, now, rto, &batch);
    ph_batch_send(&batch);
}

static struct ph_stun answer_to(const uint8_t *bytes, size_t len, uint16_t type)
{
    struct ph_stun m;

    assert_int_equal(ph_stun_parse(bytes, len, &m), PH_OK);
    assert_int_equal(m.type, PH_STUN_BINDING_REQUEST);
    m.type = type;
    return m;
}

/* Four tries, each after a wait, and then silence; not one nanosecond early. */
static void test_clock(void **state)
{
    static const struct {
        bool steady;
        ph_ns rtt;
        ph_ns waits_ms[PH_QUERY_TRIES];
    } cases[] = {
        {false, 0, {250, 500, 1000, 2000}},        {false, 40 * PH_MS, {100, 200, 400, 800}},
        {true, 40 * PH_MS, {100, 100, 100, 100}},  {true, 10 * PH_MS, {40, 40, 40, 40}},
        {true, 300 * PH_MS, {100, 100, 100, 620}},
    };

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct ph_query q = start(cases[c].steady);
        ph_ns now = 1000, rto = ph_query_rto(cases[c].rtt);

        step(&q, now - 1, rto);
        assert_int_equal(sent, 0);
        for (unsigned i = 0; i < PH_QUERY_TRIES; i++) {
            step(&q, now, rto);
            assert_int_equal(sent, i + 1);
            now += cases[c].waits_ms[i] * PH_MS;
            assert_int_equal(q.next, now);
            step(&q, now - 1, rto);
            assert_int_equal(sent, i + 1);
            assert_int_equal(q.state, PH_QUERY_ASKING);
        }
        step(&q, now, rto);
        assert_int_equal(sent, PH_QUERY_TRIES);
        assert_int_equal(q.state, PH_QUERY_SILENT);
        assert_int_equal(q.next, PH_NEVER);
        assert_true(ph_query_is_over(&q));
    }
}

/* A round trip that becomes known shortens the wait that is under way. */
static void test_hurry(void **state)
{
    struct ph_query q = start(false);

    (void)state;
    step(&q, 1000, ph_query_rto(0));
    assert_int_equal(q.next, 1000 + 250 * PH_MS);
    ph_query_hurry(&q, ph_query_rto(40 * PH_MS));
    assert_int_equal(q.next, 1000 + 100 * PH_MS);
    ph_query_hurry(&q, ph_query_rto(200 * PH_MS)); /* never lengthens it */
    assert_int_equal(q.next, 1000 + 100 * PH_MS);
}

/* The round trip is that of the try that was answered; an answer after the end still counts, a
 * second one does not. */
static void test_answers(void **state)
{
    struct ph_query q = start(false);
    struct ph_stun first, second;

    (void)state;
    step(&q, 1000, PH_QUERY_RTO);
    first = answer_to(last, last_len, PH_STUN_BINDING_SUCCESS);
    assert_true(ph_query_owns(&q, &first));
    step(&q, q.next, PH_QUERY_RTO);
    second = answer_to(last, last_len, PH_STUN_BINDING_SUCCESS);
    assert_memory_not_equal(first.tid, second.tid, PH_STUN_TID_LEN);
    while (q.next != PH_NEVER)
        step(&q, q.next, PH_QUERY_RTO);
    assert_int_equal(q.state, PH_QUERY_SILENT);
    assert_true(ph_query_take(&q, q.sent[1] + 33 * PH_MS, &second, &server));
    assert_int_equal(q.state, PH_QUERY_ANSWERED);
    assert_int_equal(q.rtt, 33 * PH_MS);
    assert_true(ph_query_owns(&q, &first));
    assert_false(ph_query_take(&q, q.sent[1] + 40 * PH_MS, &first, &server));
    assert_int_equal(q.rtt, 33 * PH_MS);
}

static void test_whose_answer(void **state)
{
    struct ph_query q = start(false), other = start(false);
    struct ph_stun m;

    (void)state;
    step(&q, 1000, PH_QUERY_RTO);
    m = answer_to(last, last_len, PH_STUN_BINDING_SUCCESS);
    assert_false(ph_query_owns(&other, &m));
    m.tid[PH_STUN_TID_LEN - 1] ^= 1; /* of a try that was not made yet */
    assert_false(ph_query_owns(&q, &m));
    m.tid[PH_STUN_TID_LEN - 1] ^= 1;
    m.tid[0] ^= 1;
    assert_false(ph_query_owns(&q, &m));
    m.tid[0] ^= 1;
    m.type = PH_STUN_BINDING_REQUEST; /* our own, come back */
    assert_false(ph_query_owns(&q, &m));
    m.type = PH_STUN_BINDING_ERROR;
    m.error_code = 420;
    assert_true(ph_query_owns(&q, &m));
    assert_true(ph_query_take(&q, 2000, &m, &server));
    assert_int_equal(q.state, PH_QUERY_REFUSED);
    assert_int_equal(q.error, 420);
}

static void test_what_is_asked(void **state)
{
    struct ph_query q = start(false);
    struct ph_stun m;

    (void)state;
    q.change = PH_STUN_CHANGE_IP;
    q.response_port = 4000;
    step(&q, 1000, PH_QUERY_RTO);
    assert_int_equal(last_len, PH_QUERY_MAX);
    assert_int_equal(ph_stun_parse(last, last_len, &m), PH_OK);
    assert_int_equal(m.change_request, PH_STUN_CHANGE_IP);
    assert_int_equal(m.response_port, 4000);
    assert_true(m.fingerprint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),         cmocka_unit_test(test_hurry),
        cmocka_unit_test(test_answers),       cmocka_unit_test(test_whose_answer),
        cmocka_unit_test(test_what_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
