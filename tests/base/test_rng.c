#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The authors' generator, fed with the state {1, 2, 3, 4}, begins so. */
static void test_known_numbers(void **state)
{
    static const uint64_t want[] = {11520u, 0u, 1509978240u, 1215971899390074240u,
                                    1216172134540287360u};
    struct ph_rng r = {.s = {1, 2, 3, 4}};

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_true(ph_rng_u64(&r) == want[i]);
}

/* splitmix64 from seed 0 begins with these. */
static void test_seed(void **state)
{
    static const uint64_t want[4] = {0xe220a8397b1dcdafu, 0x6e789e6aa1b965f4u, 0x06c45d188009454fu,
                                     0xf88bb8a8724c81ecu};
    struct ph_rng r;

    (void)state;
    ph_rng_seed(&r, 0);
    assert_memory_equal(r.s, want, sizeof(want));
}

static void test_same_seed_same_numbers(void **state)
{
    struct ph_rng a, b, c;
    int same = 0;

    (void)state;
    ph_rng_seed(&a, 42);
    ph_rng_seed(&b, 42);
    ph_rng_seed(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t v = ph_rng_u64(&a);

        assert_true(v == ph_rng_u64(&b));
        same += v == ph_rng_u64(&c);
    }
    assert_int_equal(same, 0);
}

static void test_below(void **state)
{
    static const uint64_t limits[] = {
        1, 2, 3, 10, 64512, (uint64_t)1 << 63, ((uint64_t)1 << 63) + 1, UINT64_MAX};
    struct ph_rng r;
    unsigned count[6] = {0};

    (void)state;
    ph_rng_seed(&r, 7);
    assert_true(ph_rng_below(&r, 0) == 0);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        for (int n = 0; n < 200; n++)
            assert_true(ph_rng_below(&r, limits[i]) < limits[i]);
    }
    /* 10,000 of each are expected; the seed is fixed, so this is exact on every machine. The margin
     * is five standard deviations. */
    for (int i = 0; i < 60000; i++)
        count[ph_rng_below(&r, 6)]++;
    for (size_t i = 0; i < 6; i++)
        assert_in_range(count[i], 9544, 10456);
}

static void test_unit(void **state)
{
    struct ph_rng r;
    double sum = 0;

    (void)state;
    ph_rng_seed(&r, 1);
    for (int i = 0; i < 10000; i++) {
        double v = ph_rng_unit(&r);

        assert_true(v >= 0.0 && v < 1.0);
        sum += v;
    }
    assert_true(sum > 4850 && sum < 5150);
}

/* The bytes of a fill are those of the numbers, and nothing behind them is touched. */
static void test_fill(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 17; len++) {
        struct ph_rng a, b;
        uint8_t out[18];
        uint64_t word = 0;

        ph_rng_seed(&a, len);
        ph_rng_seed(&b, len);
        memset(out, 0xee, sizeof(out));
        ph_rng_fill(&a, out, len);
        for (size_t i = 0; i < len; i++) {
            if (i % 8 == 0)
                word = ph_rng_u64(&b);
            assert_int_equal(out[i], word >> (i % 8 * 8) & 0xff);
        }
        assert_int_equal(out[len], 0xee);
    }
}

static void test_hash(void **state)
{
    uint64_t ab_c = ph_hash64(ph_hash64(0, "ab", 2), "c", 1);
    uint64_t a_bc = ph_hash64(ph_hash64(0, "a", 1), "bc", 2);

    (void)state;
    /* Trials are named by such hashes: the numbers must not change between versions. */
    assert_true(ph_hash64(0, "", 0) == 0xe220a8397b1dcdafu);
    assert_true(ph_hash64(0, "pinhole", 7) == 0x47a924e422cda0e2u);
    assert_false(ab_c == a_bc);
    assert_false(ph_hash64(0, "a", 1) == ph_hash64(0, "a\0", 2));
    assert_false(ph_hash64(0, "a", 1) == ph_hash64(1, "a", 1));
    assert_false(ph_hash64(0, "12345678a", 9) == ph_hash64(0, "12345678b", 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_numbers),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_same_seed_same_numbers),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_unit),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
