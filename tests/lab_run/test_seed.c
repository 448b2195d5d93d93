#include "lab/run/seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Seeds are part of the results' format: a trial of an old run is found again by them. */
static void test_fixed(void **state)
{
    (void)state;
    assert_true(seed_trial(1, "quick", "a.nat=open", 0) == seed_trial(1, "quick", "a.nat=open", 0));
    assert_true(seed_cell(1, "quick", "a.nat=open") == seed_cell(1, "quick", "a.nat=open"));
}

static void test_all_differ(void **state)
{
    (void)state;
    const uint64_t seeds[] = {
        seed_trial(1, "quick", "a.nat=open", 0),
        seed_trial(2, "quick", "a.nat=open", 0),
        seed_trial(1, "quick", "a.nat=open", 1),
        seed_trial(1, "quick", "a.nat=opem", 0),
        seed_trial(1, "quic", "ka.nat=open", 0),
        seed_trial(1, "quick", "a.nat=open", 256),
        seed_trial(1, "quick", "", 0),
        seed_trial(0, "quick", "a.nat=open", 0),
        seed_cell(1, "quick", "a.nat=open"),
        seed_cell(2, "quick", "a.nat=open"),
        seed_trial(1ull << 63, "quick", "a.nat=open", 0),
    };
    for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
        for (size_t k = 0; k < i; k++)
            assert_true(seeds[i] != seeds[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_all_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
