#include "lab/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void near(double a, double b, double by)
{
    if (fabs(a - b) > by)
        fail_msg("%.6f is not %.6f", a, b);
}

/* Agresti and Coull (1998), and by hand: all good is n / (n + z^2). */
static void test_wilson(void **state)
{
    (void)state;
    static const struct {
        uint64_t k, n;
        double low, high;
    } cases[] = {
        {0, 0, 0.0, 1.0},          {0, 10, 0.0, 0.2775},  {10, 10, 0.7225, 1.0},
        {5, 10, 0.2366, 0.7634},   {3, 3, 0.4385, 1.0},   {95, 100, 0.8882, 0.9785},
        {1, 2, 0.0945, 0.9055},    {73, 73, 0.9500, 1.0}, {2040, 2040, 0.9981, 1.0},
        {81, 263, 0.2553, 0.3662},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double low, high;
        stats_wilson(cases[i].k, cases[i].n, &low, &high);
        near(low, cases[i].low, 0.00006);
        near(high, cases[i].high, 0.00006);
    }
}

static void test_wilson_trials(void **state)
{
    (void)state;
    static const double lows[] = {0.001, 0.3, 0.5, 0.9, 0.95, 0.97, 0.99, 0.999};
    for (size_t i = 0; i < sizeof(lows) / sizeof(lows[0]); i++) {
        uint64_t n = stats_wilson_trials(lows[i]);
        double low, high;
        stats_wilson(n, n, &low, &high);
        assert_true(low >= lows[i] - 1e-9);
        if (n > 1) {
            stats_wilson(n - 1, n - 1, &low, &high);
            assert_true(low < lows[i]);
        }
    }
    assert_int_equal(stats_wilson_trials(0.95), 73);
    assert_int_equal(stats_wilson_trials(0.99), 381);
}

static void test_percentiles(void **state)
{
    (void)state;
    /* The worked example of the nearest-rank method. */
    double v[] = {50, 15, 40, 20, 35};
    stats_sort(v, 5);
    near(v[0], 15, 0);
    near(v[4], 50, 0);
    near(stats_percentile(v, 5, 5), 15, 0);
    near(stats_percentile(v, 5, 30), 20, 0);
    near(stats_percentile(v, 5, 40), 20, 0);
    near(stats_percentile(v, 5, 50), 35, 0);
    near(stats_percentile(v, 5, 100), 50, 0);
    near(stats_percentile(v, 5, 0), 15, 0);
    double hundred[100];
    for (int i = 0; i < 100; i++)
        hundred[i] = i + 1;
    near(stats_percentile(hundred, 100, 50), 50, 0);
    near(stats_percentile(hundred, 100, 95), 95, 0);
    near(stats_percentile(hundred, 100, 99), 99, 0);
    near(stats_percentile(v, 1, 99), 15, 0);
}

/* Fisher's lady tasting tea (1935), and tables by R 4's fisher.test. */
static void test_fisher(void **state)
{
    (void)state;
    near(stats_fisher(3, 4, 1, 4), 0.4857142857, 1e-9);
    near(stats_fisher(4, 4, 0, 4), 0.0285714286, 1e-9);
    near(stats_fisher(1, 10, 11, 14), 0.0027594562, 1e-9);
    near(stats_fisher(0, 0, 5, 9), 1, 1e-9);
    near(stats_fisher(7, 10, 14, 20), 1, 1e-9);
    near(stats_fisher(0, 10, 0, 10), 1, 1e-9);
    near(stats_fisher(1500, 3000, 1500, 3000), 1, 1e-6);
    assert_true(stats_fisher(1600, 3000, 1400, 3000) < 1e-6);
}

/* By hand: a of {1..5}, b of {6..10}: U is 0, z is (12.5 - 0.5) / sqrt(25 * 11 / 12). */
static void test_rank_sum(void **state)
{
    (void)state;
    double a[5] = {5, 4, 3, 2, 1}, b[5] = {6, 7, 8, 9, 10}, c[5] = {3, 3, 3, 3, 3};
    double d[4] = {1, 2, 2, 3}, e[4] = {2, 3, 3, 4};
    near(stats_rank_sum(a, 5, b, 5), 0.0121858, 1e-6);
    near(stats_rank_sum(b, 5, a, 5), 0.0121858, 1e-6);
    near(stats_rank_sum(a, 5, a, 5), 1, 1e-9);
    near(stats_rank_sum(c, 5, c, 5), 1, 1e-9);
    near(stats_rank_sum(a, 0, b, 5), 1, 1e-9);
    /* Ties: ranks of d are 1, 3, 3, 6, so U is 3; the groups of three take 48 of 8 * 63. */
    near(stats_rank_sum(d, 4, e, 4), 0.1720337, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson),      cmocka_unit_test(test_wilson_trials),
        cmocka_unit_test(test_percentiles), cmocka_unit_test(test_fisher),
        cmocka_unit_test(test_rank_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
