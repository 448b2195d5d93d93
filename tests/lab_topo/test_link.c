/* Links' presets. */
#include "lab/topo/topology.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static void test_good(void **state)
{
    static const struct {
        const char *name;
        uint64_t delay_ns;
        double loss;
        bool zero;
    } rows[] = {
        {"0ms", 0, 0, true},
        {"20ms", 20000000, 0, false},
        {"80ms-1%", 80000000, 0.01, false},
        {"0.5ms", 500000, 0, false},
        {"0ms-0.25%", 0, 0.0025, false},
        {"0ms-100%", 0, 1, false},
        {"10000ms", 10000000000, 0, false},
        {"lan", 250000, 0, false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct link_params p;

        assert_int_equal(link_preset(rows[i].name, &p, NULL), 0);
        assert_int_equal(p.up.delay_ns, rows[i].delay_ns);
        assert_int_equal(p.down.delay_ns, rows[i].delay_ns);
        assert_true(near(p.up.loss, rows[i].loss));
        assert_true(near(p.down.loss, rows[i].loss));
        assert_int_equal(p.up.jitter_ns, 0);
        assert_int_equal(link_params_zero(&p), rows[i].zero);
    }
}

static void test_named(void **state)
{
    struct link_params p;
    (void)state;

    assert_int_equal(link_preset("lte", &p, NULL), 0);
    assert_true(p.up.jitter_ns > 0 && p.down.rate_bps > p.up.rate_bps);
    assert_int_equal(link_preset("satellite", &p, NULL), 0);
    /* Light takes 239 ms over a geostationary satellite. */
    assert_true(p.up.delay_ns > 239000000 && p.down.delay_ns > 239000000);
}

static void test_bad(void **state)
{
    static const char *const names[] = {"",         "ms",   "20",       "20s",       "20ms-",
                                        "20ms-1",   "-5ms", "20ms-1%x", "20ms 1%",   "10001ms",
                                        "1ms-101%", "1.ms", "1.2345ms", "9999999ms", "LAN"};
    (void)state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct link_params p;
        struct lab_error err;

        assert_int_equal(link_preset(names[i], &p, &err), -1);
        assert_int_equal(err.code, LAB_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
