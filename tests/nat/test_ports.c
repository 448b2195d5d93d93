/* Orders of ports: each port once, the same on every walk, and counts that agree with the walk. */
#include "nat/ports.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PORTS 65536u

/* Walks it to its end; each port must come once. */
static uint32_t walk(const struct ph_port_order *o, uint16_t out[PORTS])
{
    static bool seen[PORTS];
    struct ph_port_walk w = {.order = o};
    uint32_t n = 0;
    uint16_t port;
    memset(seen, 0, sizeof(seen));
    while (ph_port_walk_next(&w, &port)) {
        assert_true(n < PORTS);
        assert_int_not_equal(port, 0);
        assert_false(seen[port]);
        seen[port] = true;
        out[n++] = port;
    }
    assert_false(ph_port_walk_next(&w, &port));
    return n;
}

static void add(struct ph_port_order *o, uint16_t low, uint16_t high, uint16_t stride,
                bool shuffled, bool down)
{
    assert_true(ph_port_order_add(o, &(struct ph_port_segment){low, high, stride, shuffled, down}));
}

static void test_plain_segments(void **state)
{
    (void)state;
    static uint16_t got[PORTS];
    static const uint16_t want[] = {9, 7, 10, 12, 14, 22, 20, 18};
    struct ph_port_order o = {0};
    assert_true(ph_port_order_add_port(&o, 9));
    assert_true(ph_port_order_add_port(&o, 7));
    assert_true(ph_port_order_add_port(&o, 9));
    add(&o, 10, 15, 2, false, false);
    add(&o, 18, 23, 2, false, true);
    assert_int_equal(ph_port_order_count(&o), 8);
    assert_int_equal(walk(&o, got), 8);
    assert_memory_equal(got, want, sizeof(want));
}

static void test_what_is_refused(void **state)
{
    (void)state;
    struct ph_port_order o = {0};
    struct ph_port_segment s = {.low = 5, .high = 4};
    assert_false(ph_port_order_add(&o, &s));
    s = (struct ph_port_segment){.low = 0, .high = 0};
    assert_false(ph_port_order_add(&o, &s));
    assert_false(ph_port_order_add_port(&o, 0));
    for (uint16_t i = 0; i < PH_PORT_SEGMENTS_MAX; i++)
        add(&o, i, 10, 0, false, false);
    s = (struct ph_port_segment){.low = 1, .high = 2};
    assert_false(ph_port_order_add(&o, &s));
    assert_int_equal(ph_port_order_count(&o), 10); /* 0 is no port */
    for (uint16_t i = 1; i <= PH_PORT_LIST_MAX; i++)
        assert_true(ph_port_order_add_port(&o, i));
    assert_false(ph_port_order_add_port(&o, 1000));
    assert_true(ph_port_order_add_port(&o, 1));
    assert_int_equal(ph_port_order_count(&o), PH_PORT_LIST_MAX);
}

static void test_all_ports_shuffled(void **state)
{
    (void)state;
    static uint16_t got[PORTS], again[PORTS], other[PORTS];
    struct ph_port_order o = {.seed = 1}, p;
    add(&o, 1024, 65535, 1, true, false);
    p = o;
    p.seed = 2;
    assert_int_equal(walk(&o, got), 64512);
    assert_int_equal(walk(&o, again), 64512);
    assert_memory_equal(got, again, sizeof(got));
    assert_int_equal(walk(&p, other), 64512);
    unsigned same = 0, neighbours = 0, low = 0;
    for (size_t i = 0; i < 4096; i++) {
        same += got[i] == other[i];
        neighbours += got[i + 1] == got[i] + 1;
        low += got[i] < 33280;
    }
    /* What chance makes of a permutation: next to none at the same place, half below the middle
     * (4096 draws: +-5 deviations are 160). */
    assert_true(same < 8);
    assert_true(neighbours < 8);
    assert_in_range(low, 2048 - 160, 2048 + 160);
}

/* Any overlap of strides, lists and skipped ports: the count is what the walk gives, and each part
 * of it is counted where it is. */
static void test_counts_are_walks(void **state)
{
    (void)state;
    static uint16_t got[PORTS];
    struct ph_rng rng;
    ph_rng_seed(&rng, 7);
    for (int round = 0; round < 300; round++) {
        struct ph_port_order o = {.seed = ph_rng_u64(&rng)};
        size_t segments = (size_t)ph_rng_below(&rng, PH_PORT_SEGMENTS_MAX + 1);
        uint16_t top = round % 10 == 0 ? 65535 : 400;
        for (size_t i = 0; i < segments; i++) {
            struct ph_port_segment s = {.low = (uint16_t)ph_rng_below(&rng, top),
                                        .stride = (uint16_t)ph_rng_below(&rng, 9),
                                        .shuffled = ph_rng_below(&rng, 2),
                                        .down = ph_rng_below(&rng, 2)};
            uint64_t room = ph_rng_below(&rng, 150) + 1;
            s.high = (uint16_t)(s.low + room < 65535 ? s.low + room : 65535);
            assert_true(ph_port_order_add(&o, &s));
        }
        for (uint64_t i = ph_rng_below(&rng, 12); i > 0; i--)
            ph_port_order_add_port(&o, (uint16_t)ph_rng_below(&rng, top));
        uint32_t all = ph_port_order_count(&o);
        assert_int_equal(walk(&o, got), all);
        uint32_t first = (uint32_t)ph_rng_below(&rng, all + 2), want = 0;
        uint16_t low = (uint16_t)ph_rng_below(&rng, top), high = (uint16_t)(low + 60);
        for (uint32_t i = 0; i < first && i < all; i++)
            want += got[i] >= low && got[i] <= high;
        assert_int_equal(ph_port_order_within(&o, first, low, high), want);

        static uint16_t rest[PORTS];
        o.skip = first;
        uint32_t left = all > first ? all - first : 0;
        assert_int_equal(ph_port_order_count(&o), left);
        assert_int_equal(walk(&o, rest), left);
        assert_memory_equal(rest, got + (all - left), left * sizeof(got[0]));
    }
}

static void test_equal(void **state)
{
    (void)state;
    struct ph_port_order a = {.seed = 3}, b = {.seed = 3};
    struct ph_port_segment seg = {.low = 1024, .high = 2047, .shuffled = true};
    assert_true(ph_port_order_eq(&a, &b));
    assert_true(ph_port_order_add(&a, &seg));
    assert_false(ph_port_order_eq(&a, &b));
    assert_true(ph_port_order_add(&b, &seg));
    assert_true(ph_port_order_eq(&a, &b));
    assert_true(ph_port_order_add_port(&a, 9));
    assert_true(ph_port_order_add_port(&b, 10));
    assert_false(ph_port_order_eq(&a, &b));
    b.list[0] = 9;
    b.list[1] = 77; /* behind its end */
    assert_true(ph_port_order_eq(&a, &b));
    b.skip = 1;
    assert_false(ph_port_order_eq(&a, &b));
    b.skip = 0;
    b.segments[0].high = 2048;
    assert_false(ph_port_order_eq(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_plain_segments),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_all_ports_shuffled),
        cmocka_unit_test(test_counts_are_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
