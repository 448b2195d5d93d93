/* A volley's order, its pace and its waves, by a fake clock. */
#include "path/volley.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static uint16_t *ports(uint16_t first, size_t n)
{
    uint16_t *p = malloc(n * sizeof(*p));
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint16_t)(first + i);
    return p;
}

static struct ph_volley_config config(uint32_t sockets, size_t n)
{
    return (struct ph_volley_config){.sockets = sockets,
                                     .ports = ports(5000, n),
                                     .port_count = (uint32_t)n,
                                     .passes = 1,
                                     .rate = 200,
                                     .burst = 64};
}

/* How many leave by a time. */
static size_t run(struct ph_volley *v, ph_ns from, ph_ns to)
{
    struct ph_volley_shot s;
    size_t n = 0;
    for (ph_ns now = from; now <= to;) {
        while (ph_volley_next(v, now, &s))
            n++;
        ph_ns t = ph_volley_deadline(v, now);
        if (t == PH_NEVER)
            break;
        assert_true(t > now); /* no loop that turns without doing anything */
        now = t;
    }
    return n;
}

static void test_order(void **state)
{
    (void)state;
    struct ph_volley v;
    struct ph_volley_config c = config(2, 3);
    ph_volley_init(&v);
    c.passes = 2;
    c.ttl = 5;
    c.ttl_up = 2;
    ph_volley_begin(&v, 0, &c);
    static const struct {
        uint32_t socket;
        uint16_t port;
        uint8_t ttl;
    } expected[] = {{0, 5000, 5}, {0, 5001, 5}, {0, 5002, 5}, {1, 5000, 5},
                    {1, 5001, 5}, {1, 5002, 5}, {0, 5000, 7}, {0, 5001, 7}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct ph_volley_shot s;
        assert_true(ph_volley_next(&v, 0, &s));
        assert_int_equal(s.socket, expected[i].socket);
        assert_int_equal(s.port, expected[i].port);
        assert_int_equal(s.ttl, expected[i].ttl);
        assert_int_equal(s.number, i);
        assert_int_equal(s.first_pass, i < 6);
        struct ph_volley_shot again = ph_volley_shot_at(&v, i);
        assert_int_equal(again.port, s.port);
        assert_int_equal(again.socket, s.socket);
    }
    ph_volley_fini(&v);
}

/* At no time have more left than the burst and what the rate has added since. */
static void test_pace(void **state)
{
    (void)state;
    struct ph_volley v;
    struct ph_volley_config c = config(1, 1200);
    struct ph_volley_shot s;
    size_t sent = 0;
    ph_volley_init(&v);
    ph_volley_begin(&v, 1000, &c);
    for (ph_ns now = 1000; !ph_volley_done(&v);) {
        while (ph_volley_next(&v, now, &s))
            sent++;
        assert_true(sent <= 64 + (now - 1000) * 200 / PH_SEC);
        if (!ph_volley_done(&v))
            now = ph_volley_deadline(&v, now);
        assert_true(now < 7 * PH_SEC);
    }
    assert_int_equal(sent, 1200);
    assert_int_equal(ph_volley_deadline(&v, 7 * PH_SEC), PH_NEVER);
    ph_volley_fini(&v);
}

static void test_first_burst(void **state)
{
    (void)state;
    struct ph_volley v;
    struct ph_volley_config c = config(1, 1200);
    ph_volley_init(&v);
    ph_volley_begin(&v, 0, &c);
    assert_int_equal(run(&v, 0, 0), 64);
    assert_int_equal(run(&v, PH_MS, 999 * PH_MS), 196); /* a few at a time */
    ph_volley_fini(&v);
}

static void test_waves(void **state)
{
    (void)state;
    struct ph_volley v;
    struct ph_volley_config c = config(1, 100);
    struct ph_volley_shot s;
    ph_volley_init(&v);
    c.waves = true;
    ph_volley_begin(&v, 0, &c);
    for (int i = 0; i < 64; i++)
        assert_true(ph_volley_next(&v, 0, &s));
    assert_true(ph_volley_waits(&v));
    assert_false(ph_volley_next(&v, 10 * PH_SEC, &s));
    assert_int_equal(ph_volley_deadline(&v, 10 * PH_SEC), PH_NEVER);
    ph_volley_go_on(&v);
    assert_false(ph_volley_waits(&v));
    assert_int_equal(run(&v, 10 * PH_SEC, 20 * PH_SEC), 36);
    assert_true(ph_volley_done(&v));
    assert_false(ph_volley_waits(&v));
    ph_volley_fini(&v);
}

static void test_pause(void **state)
{
    (void)state;
    struct ph_volley v;
    struct ph_volley_config c = config(1, 10);
    struct ph_volley_shot s;
    ph_volley_init(&v);
    ph_volley_begin(&v, 0, &c);
    assert_true(ph_volley_next(&v, 0, &s));
    ph_volley_pause(&v, 500);
    assert_false(ph_volley_next(&v, 499, &s));
    assert_true(ph_volley_next(&v, 500, &s));
    ph_volley_fini(&v);
}

/* A second pass does not begin before its time, and repeats the first. */
static void test_passes(void **state)
{
    (void)state;
    struct ph_volley v;
    struct ph_volley_config c = config(1, 3);
    struct ph_volley_shot s;
    ph_volley_init(&v);
    c.passes = 2;
    c.pass_every = 200 * PH_MS;
    ph_volley_begin(&v, 0, &c);
    for (int i = 0; i < 3; i++)
        assert_true(ph_volley_next(&v, 0, &s));
    assert_false(ph_volley_next(&v, 200 * PH_MS - 1, &s));
    assert_true(ph_volley_next(&v, 200 * PH_MS, &s));
    assert_int_equal(s.port, 5000);
    assert_false(s.first_pass);
    ph_volley_fini(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_pace),
        cmocka_unit_test(test_first_burst), cmocka_unit_test(test_waves),
        cmocka_unit_test(test_pause),       cmocka_unit_test(test_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
