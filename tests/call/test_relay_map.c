/* The relays that an agent knows: who gets in, and in which order they are tried. */
#include "call/relay_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct ph_addr relay(uint8_t n)
{
    return ph_addr_v4(198, 51, 100, n, 3478);
}

/* Relays 1 to n of the config. */
static void init(struct ph_relay_map *m, uint8_t n)
{
    ph_relay_map_init(m, 1u << PH_AF_V4);
    for (uint8_t i = 1; i <= n; i++) {
        struct ph_addr a = relay(i);
        assert_true(ph_relay_map_add(m, &a));
    }
}

static void measured(struct ph_relay_map *m, uint8_t n, ph_ns rtt)
{
    struct ph_addr a = relay(n);
    ph_relay_map_measured(m, &a, rtt, 9 * PH_SEC);
}

static void failed(struct ph_relay_map *m, uint8_t n)
{
    struct ph_addr a = relay(n);
    ph_relay_map_failed(m, &a);
}

static bool learn(struct ph_relay_map *m, uint8_t n, const char *region)
{
    struct ph_addr from = relay(1), a = relay(n);
    return ph_relay_map_learn(m, &from, &a, region);
}

static void expect_order(const struct ph_relay_map *m, const char *want)
{
    size_t order[PH_RELAY_MAP_MAX], n = ph_relay_map_order(m, order);
    char got[PH_RELAY_MAP_MAX + 1] = {0};
    for (size_t i = 0; i < n; i++)
        got[i] = (char)('0' + m->items[order[i]].addr.ip[3]);
    assert_string_equal(got, want);
}

static void test_order(void **state)
{
    (void)state;
    struct ph_relay_map m;
    init(&m, 3);
    assert_true(learn(&m, 4, "eu"));
    expect_order(&m, "1234"); /* as they were given, the config's first */
    measured(&m, 4, 30 * PH_MS);
    expect_order(&m, "4123");
    measured(&m, 2, 20 * PH_MS);
    measured(&m, 3, 20 * PH_MS);
    expect_order(&m, "2341"); /* of equals the first; unmeasured behind */
    measured(&m, 2, 0);
    expect_order(&m, "3412"); /* silent last */
    failed(&m, 3);
    expect_order(&m, "4312");
    failed(&m, 4);
    failed(&m, 4);
    expect_order(&m, "3412");
    struct ph_addr a = relay(4);
    ph_relay_map_registered(&m, &a, "eu");
    expect_order(&m, "4312");
    ph_relay_map_forgive(&m);
    expect_order(&m, "3412");
    failed(&m, 2);
    ph_relay_map_forgive(&m); /* it is silent: that is no reason to try it again */
    assert_int_equal(m.items[1].failures, 1);
}

static void test_smoothing(void **state)
{
    (void)state;
    struct ph_relay_map m;
    init(&m, 1);
    measured(&m, 1, 40 * PH_MS);
    assert_int_equal(m.items[0].rtt, 40 * PH_MS);
    measured(&m, 1, 80 * PH_MS); /* a queue, perhaps */
    assert_int_equal(m.items[0].rtt, 60 * PH_MS);
    measured(&m, 1, 38 * PH_MS);
    assert_int_equal(m.items[0].rtt, 38 * PH_MS);
    assert_int_equal(m.items[0].answered, 9 * PH_SEC);
    measured(&m, 1, 0);
    assert_int_equal(m.items[0].rtt, 38 * PH_MS);
    assert_int_equal(m.items[0].standing, PH_RELAY_SILENT);
}

static void test_hysteresis(void **state)
{
    (void)state;
    static const struct {
        unsigned home, other; /* milliseconds; 0: silent */
        bool moves;
    } rows[] = {
        {100, 100, false}, {100, 80, false}, /* just 20% */
        {100, 79, true},   {20, 15, false},  /* just 5 ms */
        {20, 14, true},    {6, 2, false},    /* much nearer, and worth nothing */
        {30, 24, false},                     /* 6 ms, but just 20% */
        {50, 100, false},  {0, 300, true},   {0, 0, false}, {100, 0, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ph_relay_map m;
        struct ph_addr home = relay(1);
        init(&m, 2);
        measured(&m, 1, rows[i].home * PH_MS);
        measured(&m, 2, rows[i].other * PH_MS);
        if ((ph_relay_map_preferred(&m, &home) != &m.items[0]) != rows[i].moves)
            fail_msg("%u and %u ms", rows[i].home, rows[i].other);
    }
}

static void test_preferred(void **state)
{
    (void)state;
    struct ph_relay_map m;
    struct ph_addr home = relay(1), none = {0};
    ph_relay_map_init(&m, 1u << PH_AF_V4);
    assert_null(ph_relay_map_preferred(&m, &home));
    init(&m, 2);
    assert_ptr_equal(ph_relay_map_preferred(&m, &none), &m.items[0]);
    measured(&m, 2, 10 * PH_MS);
    assert_ptr_equal(ph_relay_map_preferred(&m, &none), &m.items[1]);
    /* Nobody knows how far home is: nobody says that the other is nearer. */
    assert_ptr_equal(ph_relay_map_preferred(&m, &home), &m.items[0]);
    measured(&m, 1, 100 * PH_MS);
    assert_ptr_equal(ph_relay_map_preferred(&m, &home), &m.items[1]);
    failed(&m, 2); /* nearer, but it did not take us */
    assert_ptr_equal(ph_relay_map_preferred(&m, &home), &m.items[0]);
}

static void test_who_gets_in(void **state)
{
    (void)state;
    static const struct {
        const char *from, *addr;
        bool in;
    } rows[] = {
        {"198.51.100.1:3478", "203.0.113.1:3478", true},
        {"198.51.100.1:3478", "198.51.100.1:3479", true},  /* another port is another relay */
        {"198.51.100.1:3478", "198.51.100.1:3478", false}, /* known */
        {"198.51.100.1:3478", "0.0.0.0:3478", false},
        {"198.51.100.1:3478", "224.0.0.1:3478", false},
        {"198.51.100.1:3478", "255.255.255.255:3478", false},
        {"198.51.100.1:3478", "169.254.1.1:3478", false},
        {"198.51.100.1:3478", "203.0.113.1:0", false},
        {"198.51.100.1:3478", "[2001:db8::1]:3478", false}, /* not by this socket */
        {"198.51.100.1:3478", "127.0.0.1:3478", false},
        {"198.51.100.1:3478", "192.168.0.1:3478", false},
        {"198.51.100.1:3478", "100.64.0.1:3478", false},
        {"10.0.0.1:3478", "192.168.0.1:3478", true}, /* a lab's relay names its like */
        {"10.0.0.1:3478", "127.0.0.1:3478", false},
        {"10.0.0.1:3478", "203.0.113.1:3478", true},
        {"127.0.0.1:3478", "127.0.0.1:3479", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ph_relay_map m;
        struct ph_addr from, addr;
        init(&m, 1);
        assert_int_equal(ph_addr_parse(rows[i].from, &from), 0);
        assert_int_equal(ph_addr_parse(rows[i].addr, &addr), 0);
        if (ph_relay_map_learn(&m, &from, &addr, "x") != rows[i].in)
            fail_msg("%s names %s", rows[i].from, rows[i].addr);
        assert_int_equal(m.count, rows[i].in ? 2 : 1);
    }
    struct ph_relay_map m;
    struct ph_addr v6 = {.family = PH_AF_V6, .port = 1, .ip = {0x20, 1}}, one = relay(1);
    init(&m, 1);
    assert_false(ph_relay_map_add(&m, &v6));
    assert_false(ph_relay_map_add(&m, &one));
}

static void test_cap(void **state)
{
    (void)state;
    struct ph_relay_map m;
    init(&m, 2);
    for (uint8_t n = 3; n <= PH_RELAY_MAP_MAX; n++)
        assert_true(learn(&m, n, ""));
    assert_false(learn(&m, 50, "")); /* full, and nobody is known to be silent */
    for (uint8_t n = 1; n <= PH_RELAY_MAP_MAX; n++)
        measured(&m, n, n == 2 || n == 7 || n == 9 ? 0 : n * PH_MS);
    assert_true(learn(&m, 50, ""));
    assert_true(learn(&m, 51, ""));
    assert_false(learn(&m, 52, "")); /* 2 is silent too, but of the config */
    assert_int_equal(m.count, PH_RELAY_MAP_MAX);
    for (uint8_t n = 1; n <= 51; n++) {
        struct ph_addr a = relay(n);
        bool want = (n <= PH_RELAY_MAP_MAX && n != 7 && n != 9) || n == 50 || n == 51;
        assert_int_equal(ph_relay_map_find(&m, &a) != NULL, want);
    }
}

/* What a relay says of itself counts more than what others say of it. */
static void test_regions(void **state)
{
    (void)state;
    struct ph_relay_map m;
    struct ph_addr one = relay(1), two = relay(2);
    init(&m, 1);
    assert_true(learn(&m, 2, "eu"));
    assert_false(learn(&m, 2, "us"));
    assert_string_equal(ph_relay_map_find(&m, &two)->region, "eu");
    ph_relay_map_registered(&m, &two, "ap");
    assert_false(learn(&m, 2, "us"));
    assert_string_equal(ph_relay_map_find(&m, &two)->region, "ap");
    assert_false(ph_relay_map_learn(&m, &two, &one, "named"));
    assert_string_equal(ph_relay_map_find(&m, &one)->region, "named");
    ph_relay_map_registered(&m, &one, "");
    assert_string_equal(ph_relay_map_find(&m, &one)->region, "");
    assert_false(ph_relay_map_learn(&m, &two, &one, "named"));
    assert_string_equal(ph_relay_map_find(&m, &one)->region, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_smoothing),
        cmocka_unit_test(test_hysteresis),  cmocka_unit_test(test_preferred),
        cmocka_unit_test(test_who_gets_in), cmocka_unit_test(test_cap),
        cmocka_unit_test(test_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
