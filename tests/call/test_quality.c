/* Which profile a call's numbers call for: by table, second by second. */
#include "call/quality.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct ph_quality_numbers numbers(uint32_t loss, ph_ns jitter_ms, ph_ns rtt_ms)
{
    return (struct ph_quality_numbers){true, rtt_ms * PH_MS, jitter_ms * PH_MS, loss};
}

/* Takes the same second n times on one side, while the other one is quiet, and what is wanted is
 * in force at once. Returns the profile in the end. */
static enum ph_profile pass(struct ph_quality *q, int dir, struct ph_quality_numbers s, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct ph_quality_numbers both[2] = {numbers(0, 1, 40), numbers(0, 1, 40)};
        both[dir] = s;
        ph_quality_set(q, ph_quality_take(q, both));
    }
    return q->profile;
}

static void test_steady_numbers(void **state)
{
    (void)state;
    static const struct {
        uint32_t loss;
        ph_ns jitter_ms, rtt_ms;
        enum ph_profile after_2; /* seconds */
    } rows[] = {
        {0, 0, 0, PH_PROFILE_GOOD},
        {20, 5, 320, PH_PROFILE_GOOD},
        {99, 59, 1499, PH_PROFILE_GOOD},
        {100, 5, 40, PH_PROFILE_DEGRADED},
        {299, 199, 2999, PH_PROFILE_DEGRADED},
        {0, 60, 40, PH_PROFILE_DEGRADED},
        {0, 5, 1500, PH_PROFILE_DEGRADED},
        {300, 5, 40, PH_PROFILE_CATASTROPHIC},
        {1000, 5, 40, PH_PROFILE_CATASTROPHIC},
        {0, 200, 40, PH_PROFILE_CATASTROPHIC},
        {0, 5, 3000, PH_PROFILE_CATASTROPHIC},
        {1000, 60000, 60000, PH_PROFILE_CATASTROPHIC}, /* as much as a peer may say */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int dir = 0; dir < 2; dir++) {
            struct ph_quality q;
            struct ph_quality_numbers s = numbers(rows[i].loss, rows[i].jitter_ms, rows[i].rtt_ms);
            ph_quality_init(&q);
            assert_int_equal(pass(&q, dir, s, 1), PH_PROFILE_GOOD); /* one second is none */
            if (pass(&q, dir, s, 1) != rows[i].after_2)
                fail_msg("row %zu, direction %d: %s", i, dir, ph_profile_name(q.profile));
            /* It stays so, and when the trouble is over it goes up step by step. */
            pass(&q, dir, s, 100);
            assert_int_equal(q.profile, rows[i].after_2);
            for (unsigned step = rows[i].after_2; step > 0; step--) {
                unsigned seconds = 0;
                while (q.profile == step && seconds < 100)
                    seconds += pass(&q, dir, numbers(0, 1, 40), 1) <= step;
                assert_int_equal(q.profile, step - 1);
                assert_in_range(seconds, 6, 10);
            }
        }
    }
}

/* What a path that dies costs, wherever it lies, and what a single bad second is: no reason. */
static void test_a_gap_is_no_reason(void **state)
{
    (void)state;
    for (uint32_t first = 0; first <= 240; first += 20) {
        struct ph_quality q;
        ph_quality_init(&q);
        pass(&q, 0, numbers(0, 1, 40), 10);
        assert_int_equal(pass(&q, 0, numbers(first, 1, 40), 1), PH_PROFILE_GOOD);
        assert_int_equal(pass(&q, 0, numbers(240 - first, 1, 40), 1), PH_PROFILE_GOOD);
        assert_int_equal(pass(&q, 0, numbers(0, 1, 40), 5), PH_PROFILE_GOOD);
    }
    struct ph_quality q;
    ph_quality_init(&q);
    pass(&q, 0, numbers(0, 1, 40), 10);
    assert_int_equal(pass(&q, 0, numbers(1000, 300, 9000), 1), PH_PROFILE_GOOD);
    assert_int_equal(pass(&q, 0, numbers(0, 1, 40), 20), PH_PROFILE_GOOD);
}

static void test_what_is_not_known_calls_for_nothing(void **state)
{
    (void)state;
    struct ph_quality q;
    ph_quality_init(&q);
    assert_int_equal(pass(&q, 1, (struct ph_quality_numbers){.loss = 1000}, 20), PH_PROFILE_GOOD);
}

/* A link that carries one profile and not the next better one: each step up that fails makes the
 * next one wait twice as long. */
static void test_a_relapse_makes_patient(void **state)
{
    (void)state;
    struct ph_quality q;
    unsigned waited[8], n = 0, seconds = 0;
    ph_quality_init(&q);
    while (n < 8) {
        enum ph_profile before = q.profile;
        pass(&q, 0, numbers(before == PH_PROFILE_GOOD ? 400 : 0, 1, 40), 1);
        seconds++;
        /* From GOOD it falls two steps at once, of which the first is soon made good. */
        if (before == PH_PROFILE_DEGRADED && q.profile == PH_PROFILE_GOOD) {
            waited[n++] = seconds;
            seconds = 0;
        }
        assert_true(seconds < 1000);
    }
    for (unsigned i = 1; i < 8; i++)
        assert_true(waited[i] >= waited[i - 1]);
    assert_in_range(waited[0], 20, 24);
    assert_in_range(waited[7], 160, 170);
    /* A step that lasts makes good again. */
    pass(&q, 0, numbers(0, 1, 40), 3 * PH_QUALITY_UP_MOST);
    assert_int_equal(q.profile, PH_PROFILE_GOOD);
    assert_int_equal(q.patience, PH_QUALITY_UP_SECONDS);
}

/* An hour of frames that are lost by chance, around each limit: how often the profile changes. */
static void test_no_flapping(void **state)
{
    (void)state;
    for (uint64_t permille = 0; permille <= 400; permille += 10) {
        struct ph_quality q;
        struct ph_rng rng;
        unsigned changes = 0;
        ph_quality_init(&q);
        ph_rng_seed(&rng, 1000 + permille);
        for (unsigned i = 0; i < 3600; i++) {
            struct ph_quality_numbers both[2] = {numbers(0, 1, 40), numbers(0, 1, 40)};
            enum ph_profile before = q.profile;
            for (int dir = 0; dir < 2; dir++) {
                for (int frame = 0; frame < 50; frame++)
                    both[dir].loss += ph_rng_below(&rng, 1000) < permille ? 20 : 0;
            }
            ph_quality_set(&q, ph_quality_take(&q, both));
            changes += q.profile != before;
        }
        /* 3.5 to 5% lies between both limits of DEGRADED: minutes in either. */
        if (changes > 24)
            fail_msg("loss of %u permille: %u changes in an hour", (unsigned)permille, changes);
        if (permille <= 20)
            assert_int_equal(changes, 0);
        if (permille >= 120 && permille <= 140)
            assert_int_equal(q.profile, PH_PROFILE_DEGRADED);
        if (permille >= 320)
            assert_int_equal(q.profile, PH_PROFILE_CATASTROPHIC);
    }
}

/* The same with jitter and round trips that waver by a quarter around each limit. */
static void test_no_flapping_of_times(void **state)
{
    (void)state;
    static const struct {
        ph_ns jitter_ms, rtt_ms;
    } rows[] = {{30, 0}, {60, 0}, {100, 0}, {200, 0}, {0, 1200}, {0, 1500}, {0, 2000}, {0, 3000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ph_quality q;
        struct ph_rng rng;
        unsigned changes = 0;
        ph_quality_init(&q);
        ph_rng_seed(&rng, i);
        for (unsigned s = 0; s < 3600; s++) {
            ph_ns of_100 = 75 + ph_rng_below(&rng, 51);
            struct ph_quality_numbers n =
                numbers(0, rows[i].jitter_ms * of_100 / 100, rows[i].rtt_ms * of_100 / 100);
            enum ph_profile before = q.profile;
            pass(&q, 0, n, 1);
            changes += q.profile != before;
        }
        if (changes > 24)
            fail_msg("row %zu: %u changes in an hour", i, changes);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ph_profile_name(PH_PROFILE_GOOD), "good");
    assert_string_equal(ph_profile_name(PH_PROFILE_CATASTROPHIC), "catastrophic");
    assert_string_equal(ph_profile_name(PH_PROFILE_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady_numbers),
        cmocka_unit_test(test_a_gap_is_no_reason),
        cmocka_unit_test(test_what_is_not_known_calls_for_nothing),
        cmocka_unit_test(test_a_relapse_makes_patient),
        cmocka_unit_test(test_no_flapping),
        cmocka_unit_test(test_no_flapping_of_times),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
