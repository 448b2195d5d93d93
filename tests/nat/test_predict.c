/* Where a counter will be: sums against draws, and the figures by which windows are chosen. */
#include "nat/predict.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>

static void near(double got, double want, double within)
{
    if (fabs(got - want) > within)
        fail_msg("%g is not %g +- %g", got, want, within);
}

static struct ph_allocation counter(int step, double rate, double low, double high)
{
    return (struct ph_allocation){.type = PH_ALLOCATION_SEQUENTIAL,
                                  .step = step,
                                  .cross_rate = rate,
                                  .cross_low = low,
                                  .cross_high = high};
}

static void test_drift(void **state)
{
    (void)state;
    struct ph_allocation a = counter(1, 20, 10, 40);
    struct ph_drift d = ph_predict_drift(&a, 500 * PH_MS);
    near(d.mean, 10, 0.01);
    /* Three times the mean for bunches, and the rate's own deviation, 30 / 3.92, times the time. */
    near(d.variance, 30 + pow(30 / 3.92 * 0.5, 2), 0.05);
    /* A rate that is surely nought leaves the counter alone. */
    a = counter(1, 0, 0, 0);
    d = ph_predict_drift(&a, PH_SEC);
    near(ph_predict_between(&d, 0, 0), 1, 1e-12);
    assert_int_equal(ph_predict_quantile(&d, 0.999), 0);
    /* One that was seen to be nought within some bound: mostly quiet, and a little is left. */
    a = counter(1, 0, 0, 10);
    d = ph_predict_drift(&a, PH_SEC);
    double quiet = ph_predict_between(&d, 0, 0);
    assert_true(quiet > 0.4 && quiet < 0.8);
    /* Not known: a few a second. */
    a = counter(1, -1, -1, -1);
    d = ph_predict_drift(&a, PH_SEC);
    near(d.mean, 3, 0.01);
    assert_true(d.variance > 9);
    /* Longer is worse. */
    a = counter(1, 5, 2, 9);
    struct ph_drift soon = ph_predict_drift(&a, 100 * PH_MS),
                    late = ph_predict_drift(&a, 3 * PH_SEC);
    assert_true(ph_predict_covers(&soon, 25, 25) > ph_predict_covers(&late, 25, 25));
}

/* A negative-binomial of size 2 is two geometric ones: bunches can be drawn by hand. */
static void test_sums_are_what_draws_give(void **state)
{
    (void)state;
    enum {
        TRIALS = 20000,
        BINS = 12
    };
    struct ph_rng rng;
    unsigned count[BINS] = {0};
    double p = 0.4; /* of another flow */
    struct ph_drift d = {.mean = 2 * p / (1 - p), .variance = 2 * p / ((1 - p) * (1 - p))};
    ph_rng_seed(&rng, 9);
    for (int t = 0; t < TRIALS; t++) {
        unsigned flows = 0;
        for (int g = 0; g < 2; g++) {
            while (ph_rng_unit(&rng) < p)
                flows++;
        }
        count[flows < BINS ? flows : BINS - 1]++;
    }
    for (uint32_t k = 0; k + 1 < BINS; k++)
        near(ph_predict_between(&d, k, k), (double)count[k] / TRIALS, 0.02);
    near(ph_predict_between(&d, 0, UINT32_MAX), 1, 1e-9);
    near(ph_predict_between(&d, 0, 4) + ph_predict_between(&d, 5, 10000), 1, 1e-9);
    near(ph_predict_between(&d, 5, 4), 0, 0);
    assert_int_equal(ph_predict_quantile(&d, 0.5), 1);
    assert_true(ph_predict_between(&d, 0, ph_predict_quantile(&d, 0.99)) >= 0.99);
    assert_true(ph_predict_between(&d, 0, ph_predict_quantile(&d, 0.99) - 1) < 0.99);
}

/* Many flows: the chance of none is smaller than any number. */
static void test_many_flows(void **state)
{
    (void)state;
    struct ph_drift d = {.mean = 20000, .variance = 60000};
    near(ph_predict_between(&d, 0, UINT32_MAX), 1, 1e-6);
    near(ph_predict_quantile(&d, 0.5), 20000, 10);
    struct ph_allocation a = counter(1, 1e9, 0, 1e12);
    d = ph_predict_drift(&a, 100 * PH_SEC);
    for (uint32_t ahead = 64; ahead < 2000000; ahead += 50021)
        assert_true(ph_predict_covers(&d, 64, ahead) < 0.01);
}

/* The usual windows, with flows that do not come in bunches. */
static void test_figures_of_windows(void **state)
{
    (void)state;
    struct ph_drift five = {5, 5}, ten = {10, 10}, twenty = {20, 20}, thirty = {30, 30};
    /* One socket and +-10: only what lies ahead counts. */
    near(ph_predict_window(&five, 1, 1, 10, 1), 0.97, 0.005);
    near(ph_predict_window(&twenty, 1, 1, 10, 1), 0.005, 0.001);
    /* Both sides +-20. */
    near(pow(ph_predict_window(&ten, 1, 1, 20, 1), 2), 0.99, 0.005);
    near(pow(ph_predict_window(&twenty, 1, 1, 20, 1), 2), 0.22, 0.005);
    /* 64 sockets, aimed 56 to 68 ahead. */
    for (uint32_t ahead = 56; ahead <= 68; ahead++)
        assert_true(ph_predict_covers(&thirty, 64, ahead) > 0.999);
}

/* The port that lies as many moves ahead as there are openers is met by fewer flows than those, be
 * it by none; by more it is passed by. */
static void test_covers_all_below(void **state)
{
    (void)state;
    struct ph_drift cases[] = {{0, 0}, {0.3, 1}, {6, 18}, {40, 200}, {100, 100}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint32_t sockets = 1; sockets < 70; sockets += 13) {
            double below = ph_predict_between(&cases[i], 0, sockets - 1);
            near(ph_predict_covers(&cases[i], sockets, sockets), below, 1e-12);
            near(ph_predict_covers(&cases[i], sockets, 1), ph_predict_between(&cases[i], 0, 0),
                 1e-12);
        }
    }
    near(ph_predict_covers(&cases[0], 0, 1), 0, 0);
}

/* A window is the sum of what each number of other flows makes of it. */
static void test_window_is_the_sum(void **state)
{
    (void)state;
    struct ph_drift d = {12, 40};
    for (uint32_t sockets = 1; sockets < 20; sockets += 6) {
        for (uint32_t stride = 1; stride < 26; stride += 5) {
            for (uint32_t first = 0; first < 12; first += 4) {
                double want = 0;
                for (uint32_t k = 0; k < 400; k++) {
                    bool hit = false;
                    for (uint32_t i = 0; i < 6; i++) {
                        uint32_t at = first + i * stride;
                        hit |= at >= 1 + k && at <= sockets + k;
                    }
                    want += hit ? ph_predict_between(&d, k, k) : 0;
                }
                near(ph_predict_window(&d, sockets, first, 6, stride), want, 1e-9);
            }
        }
    }
    /* A stride as wide as the row of openers misses nothing. */
    near(ph_predict_window(&d, 16, 16, 64, 16), 1, 1e-6);
    near(ph_predict_window(&d, 0, 1, 5, 1), 0, 0);
}

static void test_ports_and_moves(void **state)
{
    (void)state;
    static const struct {
        int step;
        uint16_t low, high, from;
        int32_t moves;
        uint16_t to;
    } rows[] = {
        {1, 0, 0, 40000, 0, 40000},     {1, 0, 0, 40000, 25, 40025},
        {2, 0, 0, 40000, 3, 40006},     {-1, 0, 0, 40000, 3, 39997},
        {1, 0, 0, 65534, 3, 1025},  /* past the end, from 1024 on */
        {-1, 0, 0, 1025, 3, 65534}, /* and back */
        {4, 5000, 5099, 5096, 2, 5004}, {1, 5000, 5099, 5099, 1, 5000},
        {1, 5000, 5099, 5101, 1, 5000}, /* its range was an estimate: now 5000-5101 */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ph_allocation a = counter(rows[i].step, -1, -1, -1);
        a.low = rows[i].low;
        a.high = rows[i].high;
        assert_int_equal(ph_predict_port(&a, rows[i].from, rows[i].moves), rows[i].to);
        assert_int_equal(ph_predict_moves(&a, rows[i].from, rows[i].to), rows[i].moves);
    }
    struct ph_allocation a = counter(2, -1, -1, -1);
    assert_int_equal(ph_predict_moves(&a, 40000, 40001), -1);
    assert_int_equal(ph_predict_moves(&a, 40000, 500), -1);
    assert_int_equal(ph_predict_moves(&a, 40000, 39998), 32255);
    a = counter(5, -1, -1, -1);
    a.low = 2000;
    a.high = 2011;
    for (int32_t m = 0; m < 12; m++)
        assert_int_equal(ph_predict_moves(&a, 2003, ph_predict_port(&a, 2003, m)), m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drift),
        cmocka_unit_test(test_sums_are_what_draws_give),
        cmocka_unit_test(test_many_flows),
        cmocka_unit_test(test_figures_of_windows),
        cmocka_unit_test(test_covers_all_below),
        cmocka_unit_test(test_window_is_the_sum),
        cmocka_unit_test(test_ports_and_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
