/* The epoch checks, as tables: what the server said before and says now, and what our clock did. */
#include "portmap/epoch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct epoch_case {
    uint32_t before, after; /* the server's, in seconds */
    unsigned elapsed_ms;    /* ours */
    bool pcp, natpmp;       /* it kept its state */
};

static const struct epoch_case cases[] = {
    {1000, 1060, 60000, true, true},
    {1000, 1000, 0, true, true},
    /* It started again. */
    {1000, 0, 60000, false, false},
    {1000, 5, 5000, false, false},
    /* Answers that overtook each other. */
    {1000, 999, 0, true, true},
    {1000, 998, 0, false, true}, /* NAT-PMP allows two seconds */
    {1000, 997, 0, false, false},
    /* A clock that goes slower: by a sixteenth and two seconds, by an eighth and two. */
    {1000, 1000 + 1498, 1600000, true, true},
    {1000, 1000 + 1400, 1600000, false, true},
    {1000, 1000 + 1398, 1600000, false, true},
    {1000, 1000 + 1397, 1600000, false, false},
    /* One that goes faster; NAT-PMP has nothing against it. */
    {1000, 1000 + 1700, 1600000, true, true},
    {1000, 1000 + 1800, 1600000, false, true},
    /* It lost its state, but so long ago that its time is above what it was: PCP sees that. */
    {10, 500, 3600000, false, false},
    {0, 0, 2900, true, true},
    {0, 0, 4000, false, false}, /* stands still */
    /* Our clock is as long as it may get, its own wraps. */
    {UINT32_MAX, 0, 1000, false, false},
    {UINT32_MAX - 1, UINT32_MAX, 1000, true, true},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct epoch_case *c = &cases[i];
        struct ph_epoch p = {0}, n = {0};
        ph_ns start = 7 * PH_SEC, later = start + c->elapsed_ms * PH_MS;
        assert_true(ph_epoch_check_pcp(&p, start, c->before)); /* the first is never wrong */
        assert_true(ph_epoch_check_natpmp(&n, start, c->before));
        if (ph_epoch_check_pcp(&p, later, c->after) != c->pcp ||
            ph_epoch_check_natpmp(&n, later, c->after) != c->natpmp)
            fail_msg("case %zu", i);
        /* What was said last is what the next is held against. */
        assert_true(ph_epoch_check_pcp(&p, later, c->after));
        assert_true(ph_epoch_check_natpmp(&n, later, c->after));
    }
}

static void test_clock_back(void **state)
{
    (void)state;
    struct ph_epoch e = {0};
    assert_true(ph_epoch_check_pcp(&e, 9 * PH_SEC, 100));
    assert_true(ph_epoch_check_pcp(&e, 8 * PH_SEC, 100)); /* no wrap below zero */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_clock_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
