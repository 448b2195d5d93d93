/* The birthday move's chances against figures that were measured on Linux NATs, and against sums
 * and draws made here. */
#include "nat/birthday.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>

static const struct ph_allocation netfilter = {
    .type = PH_ALLOCATION_RANDOM, .low = 1024, .high = 65535, .cross_rate = -1};
static const struct ph_allocation block_1024 = {
    .type = PH_ALLOCATION_BLOCK, .low = 2048, .high = 3071, .aligned = true};
/* Its mappings lie anywhere, each port alike. */
static const struct ph_allocation unknown = {.type = PH_ALLOCATION_UNKNOWN};

static void near(double got, double want, double within)
{
    if (fabs(got - want) > within)
        fail_msg("%g is not %g +- %g", got, want, within);
}

/* One probe after the other: the chance that none has hit is a product of plain fractions. */
static void test_success_is_the_product(void **state)
{
    (void)state;
    double miss = 1;
    for (uint32_t m = 0; m < 300; m++) {
        near(ph_birthday_success(1000, 20, m), 1 - miss, 1e-9);
        miss *= (double)(1000 - m - 20) / (1000 - m);
    }
    near(ph_birthday_success(10, 3, 7), 1 - 1.0 / 120, 1e-12);
    near(ph_birthday_success(10, 3, 8), 1, 0);
    near(ph_birthday_success(10, 0, 8), 0, 0);
    near(ph_birthday_success(10, 3, 0), 0, 0);
    near(ph_birthday_success(10, 30, 1), 1, 0);
    near(ph_birthday_success(0, 3, 1), 0, 0);
}

static void test_figures_of_uniform_ports(void **state)
{
    (void)state;
    assert_int_equal(ph_birthday_quantile(64512, 256, 0.99), 1148);
    /* 295 of 300 at 1,024 probes. */
    near(ph_birthday_success(64512, 256, 1024), 0.983, 0.001);
    /* A known block of 1,024: 200 of 200, median 20. */
    assert_true(ph_birthday_success(1024, 32, 128) > 0.985);
    near(ph_birthday_quantile(1024, 32, 0.5), 21, 1);
    /* Privileged, 424 ports: 99 of 100, median 8. */
    near(ph_birthday_success(424, 32, 64), 0.996, 0.003);
    near(ph_birthday_quantile(424, 32, 0.5), 9, 1);
    /* Without a mapping there is no such number of probes. */
    assert_int_equal(ph_birthday_quantile(100, 0, 0.5), 101);
    assert_int_equal(ph_birthday_quantile(100, 5, 0), 0);
    assert_int_equal(ph_birthday_quantile(100, 5, 1), 96);
}

static uint32_t median(const struct ph_allocation *a, const struct ph_port_order *o, uint32_t n)
{
    uint32_t m = 1;
    while (ph_birthday_order_success(a, o, n, m) < 0.5)
        m++;
    return m;
}

static void test_netfilter_doubled_ports_first(void **state)
{
    (void)state;
    struct ph_port_order first, uniform = {.seed = 3};
    struct ph_port_segment all = {.low = 1024, .high = 65535, .shuffled = true};
    ph_birthday_order(&netfilter, false, 3, &first);
    assert_true(ph_port_order_add(&uniform, &all));
    /* Measured medians: 86 and 179. */
    near(median(&netfilter, &first, 256), 86, 4);
    near(median(&netfilter, &uniform, 256), 179, 10);
    /* 256 sockets and 256 probes: 172 and 130 of 200. */
    near(ph_birthday_order_success(&netfilter, &first, 256, 256), 0.86, 0.01);
    near(ph_birthday_order_success(&netfilter, &uniform, 256, 256), 0.64, 0.02);
    near(ph_birthday_order_success(&netfilter, &first, 256, 64512), 1, 1e-12);
    near(ph_birthday_order_success(&netfilter, &first, 0, 64512), 0, 0);
    /* 1,024 probes: all of the doubled ports. */
    near(ph_birthday_share(&netfilter, &first, 1024), 2048.0 / 65536, 1e-12);
    near(ph_birthday_share(&netfilter, &first, 1026), 2050.0 / 65536, 1e-12);
}

/* The same numbers drawn as netfilter draws them. */
static void test_order_success_is_what_draws_give(void **state)
{
    (void)state;
    enum {
        TRIALS = 4000,
        SOCKETS = 64,
        PROBES = 700
    };
    struct ph_port_order o;
    static bool probed[65536];
    struct ph_rng rng;
    uint16_t port;
    unsigned hits = 0;
    ph_birthday_order(&netfilter, false, 11, &o);
    struct ph_port_walk w = {.order = &o};
    for (int i = 0; i < PROBES && ph_port_walk_next(&w, &port); i++)
        probed[port] = true;
    ph_rng_seed(&rng, 5);
    for (int t = 0; t < TRIALS; t++) {
        bool hit = false;
        for (int s = 0; s < SOCKETS; s++)
            hit |= probed[1024 + ph_rng_below(&rng, 65536) % 64512];
        hits += hit;
    }
    near((double)hits / TRIALS, ph_birthday_order_success(&netfilter, &o, SOCKETS, PROBES), 0.03);
}

static void first_ports(const struct ph_allocation *a, bool privileged, uint32_t skip,
                        uint32_t count, uint16_t low, uint16_t high)
{
    struct ph_port_order o;
    uint16_t port;
    ph_birthday_order(a, privileged, 1, &o);
    o.skip = skip;
    struct ph_port_walk w = {.order = &o};
    for (uint32_t i = 0; i < count; i++) {
        assert_true(ph_port_walk_next(&w, &port));
        if (port < low || port > high)
            fail_msg("port %u after %u is not in %u-%u", port, skip + i, low, high);
    }
}

static void test_likeliest_first(void **state)
{
    (void)state;
    struct ph_allocation high = {.type = PH_ALLOCATION_RANDOM, .low = 32768, .high = 65535};
    struct ph_allocation unaligned = {.type = PH_ALLOCATION_BLOCK, .low = 5000, .high = 5334};
    struct ph_allocation lowest = {
        .type = PH_ALLOCATION_BLOCK, .low = 1, .high = 63, .aligned = true};
    struct ph_port_order o;

    first_ports(&netfilter, false, 0, 1024, 1024, 2047);
    first_ports(&netfilter, false, 1024, 63488, 2048, 65535);
    first_ports(&netfilter, false, 64512, 1023, 1, 1023);
    first_ports(&netfilter, true, 0, 424, 600, 1023);
    first_ports(&netfilter, true, 424, 1024, 1024, 2047);
    first_ports(&unknown, false, 0, 1024, 1024, 2047);
    first_ports(&high, false, 0, 32768, 32768, 65535);
    /* 2048-3071 is half of the aligned 2048-4095. */
    first_ports(&block_1024, false, 0, 1024, 2048, 3071);
    first_ports(&block_1024, false, 1024, 1024, 3072, 4095);
    first_ports(&unaligned, false, 0, 335, 5000, 5334);
    first_ports(&unaligned, false, 335, 334, 4833, 5501);
    first_ports(&lowest, false, 63, 64, 64, 127);
    ph_birthday_order(&block_1024, true, 1, &o);
    assert_int_equal(ph_port_order_count(&o), 65535);
}

static void test_how_many_ports(void **state)
{
    (void)state;
    struct ph_allocation preserving = {.type = PH_ALLOCATION_PRESERVING, .low = 1, .high = 2};
    assert_int_equal(ph_birthday_ports(&netfilter), 64512);
    assert_int_equal(ph_birthday_ports(&unknown), 64512);
    assert_int_equal(ph_birthday_ports(&preserving), 64512);
    assert_int_equal(ph_birthday_ports(&block_1024), 1024);
    struct ph_port_order o;
    ph_birthday_order(&block_1024, false, 1, &o);
    near(ph_birthday_order_success(&block_1024, &o, 32, 128), ph_birthday_success(1024, 32, 128),
         1e-12);
    /* What is probed beside the block hits nothing. */
    near(ph_birthday_share(&block_1024, &o, 512), 0.5, 1e-12);
    near(ph_birthday_share(&block_1024, &o, 2000), 1, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success_is_the_product),
        cmocka_unit_test(test_figures_of_uniform_ports),
        cmocka_unit_test(test_netfilter_doubled_ports_first),
        cmocka_unit_test(test_order_success_is_what_draws_give),
        cmocka_unit_test(test_likeliest_first),
        cmocka_unit_test(test_how_many_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
