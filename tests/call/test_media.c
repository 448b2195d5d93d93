/* Media: pacing in virtual time, and what a receiver counts. */
#include "call/media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void frame(struct ph_media *m, ph_ns now, uint64_t number)
{
    struct ph_inband f = {.kind = PH_INBAND_MEDIA, .number = number, .sent_us = number * 20000};
    ph_media_on_frame(m, now, &f);
}

static void test_pacing(void **state)
{
    (void)state;
    struct ph_media m;
    struct ph_inband f;
    ph_media_init(&m);
    assert_false(ph_media_next(&m, 5 * PH_SEC, &f)); /* not started */
    ph_media_start(&m, PH_SEC);
    assert_true(ph_media_next(&m, PH_SEC, &f));
    assert_int_equal(f.number, 1);
    assert_false(ph_media_next(&m, PH_SEC + 20 * PH_MS - 1, &f));
    assert_true(ph_media_next(&m, PH_SEC + 20 * PH_MS, &f));
    /* Woken 45 ms late: two that were missed come at once, and the beat stays what it was. */
    assert_true(ph_media_next(&m, PH_SEC + 85 * PH_MS, &f));
    assert_true(ph_media_next(&m, PH_SEC + 85 * PH_MS, &f));
    assert_true(ph_media_next(&m, PH_SEC + 85 * PH_MS, &f));
    assert_false(ph_media_next(&m, PH_SEC + 85 * PH_MS, &f));
    assert_int_equal(m.next, PH_SEC + 100 * PH_MS);
    /* Ten seconds late: no burst of five hundred. */
    assert_true(ph_media_next(&m, 11 * PH_SEC, &f));
    assert_false(ph_media_next(&m, 11 * PH_SEC, &f));
    ph_media_stop(&m);
    assert_int_equal(m.next, PH_NEVER);
    assert_int_equal(m.report.sent, 6);
}

/* A frame that was sent both ways counts once, whichever way was faster. */
static void test_both_ways(void **state)
{
    (void)state;
    struct ph_media m;
    ph_media_init(&m);
    for (uint64_t i = 1; i <= 200; i++) {
        struct ph_inband f = {.kind = PH_INBAND_MEDIA, .number = i, .lane = i % 3 ? 0 : 1};
        ph_media_on_frame(&m, i * 20 * PH_MS, &f);
        f.lane = 1 - f.lane;
        if (i > 4) { /* four frames late */
            f.number = i - 4;
            f.lane = f.number % 3 ? 1 : 0;
            ph_media_on_frame(&m, i * 20 * PH_MS, &f);
        }
    }
    assert_int_equal(m.report.received, 200);
    assert_int_equal(m.report.copies, 196);
    assert_int_equal(m.report.duplicates, 0);
    assert_int_equal(m.report.max_gap, 20 * PH_MS);
    struct ph_inband again = {.kind = PH_INBAND_MEDIA, .number = 150, .lane = PH_LANE_DIRECT};
    ph_media_on_frame(&m, 5 * PH_SEC, &again);
    assert_int_equal(m.report.duplicates, 1);
}

static void test_counting(void **state)
{
    (void)state;
    struct ph_media m;
    ph_media_init(&m);
    frame(&m, 100 * PH_MS, 1);
    frame(&m, 120 * PH_MS, 2);
    frame(&m, 190 * PH_MS, 5); /* a gap of 70 ms */
    frame(&m, 191 * PH_MS, 4); /* overtaken */
    frame(&m, 192 * PH_MS, 4); /* twice */
    frame(&m, 193 * PH_MS, 1);
    frame(&m, 194 * PH_MS, 0); /* no such number */
    assert_int_equal(m.report.received, 4);
    assert_int_equal(m.report.duplicates, 2);
    assert_int_equal(m.report.max_gap, 70 * PH_MS);
    /* Far ahead: what lies beyond the window counts as seen. */
    frame(&m, 200 * PH_MS, 5000);
    frame(&m, 201 * PH_MS, 5000 - PH_MEDIA_WINDOW);
    frame(&m, 202 * PH_MS, 5000 - PH_MEDIA_WINDOW + 1);
    assert_int_equal(m.report.received, 6);
    assert_int_equal(m.report.duplicates, 3);
}

static void test_jitter(void **state)
{
    (void)state;
    struct ph_media m;
    ph_media_init(&m);
    for (uint64_t i = 1; i <= 50; i++)
        frame(&m, PH_SEC + i * 20 * PH_MS, i);
    assert_int_equal(m.report.jitter, 0);
    frame(&m, PH_SEC + 51 * 20 * PH_MS + 16 * PH_MS, 51);
    assert_int_equal(m.report.jitter, PH_MS); /* RFC 3550: a sixteenth of the change */
    /* A clock that jumps, or a peer that lies, overflows nothing. */
    struct ph_inband liar = {.kind = PH_INBAND_MEDIA, .number = 52, .sent_us = UINT64_MAX};
    ph_media_on_frame(&m, 3 * PH_SEC, &liar);
    liar.number = 53;
    liar.sent_us = 1;
    ph_media_on_frame(&m, 3 * PH_SEC, &liar);
    assert_true(m.report.jitter < 10 * PH_SEC);
}

/* Second by second: what is missed is counted by the numbers that come, and silence by the time. */
static void test_seconds(void **state)
{
    (void)state;
    struct ph_media m;
    struct ph_media_second s;
    ph_media_init(&m);
    s = ph_media_take_second(&m, PH_SEC);
    assert_true(s.silent);
    assert_int_equal(s.expected, 0); /* nothing has come yet: nothing is missed */
    /* Frames 11 to 30 of which every fifth is lost, and one comes twice: 1 to 10 were before. */
    ph_ns now = PH_SEC;
    for (uint64_t n = 11; n <= 30; n++) {
        now += 20 * PH_MS;
        if (n % 5 != 0 || n == 30)
            frame(&m, now, n);
    }
    frame(&m, now, 29);
    s = ph_media_take_second(&m, 2 * PH_SEC);
    assert_false(s.silent);
    assert_int_equal(s.received, 17);
    assert_int_equal(s.expected, 20);
    assert_int_equal(s.duplicates, 1);
    /* Two seconds of silence are a hundred frames ... */
    s = ph_media_take_second(&m, 3 * PH_SEC);
    assert_int_equal(s.received, 0);
    assert_int_equal(s.expected, 50);
    s = ph_media_take_second(&m, 4 * PH_SEC);
    assert_true(s.silent);
    assert_int_equal(s.expected, 50);
    /* ... which are not counted again when it is over: of 31 to 180, 131 to 160 are missed now. */
    for (uint64_t n = 161; n <= 180; n++)
        frame(&m, now += 20 * PH_MS, n);
    s = ph_media_take_second(&m, 5 * PH_SEC);
    assert_int_equal(s.received, 20);
    assert_int_equal(s.expected, 50);
    /* A frame that comes a second late makes up for the one that was missed. */
    frame(&m, now, 160);
    frame(&m, now + 20 * PH_MS, 181);
    s = ph_media_take_second(&m, 6 * PH_SEC);
    assert_int_equal(s.received, 2);
    assert_int_equal(s.expected, 1);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        enum ph_profile profile;
        size_t bits_per_second;
    } rows[] = {
        {PH_PROFILE_GOOD, 28800}, {PH_PROFILE_DEGRADED, 9000}, {PH_PROFILE_CATASTROPHIC, 2400}};
    for (size_t i = 0; i < 3; i++) {
        size_t bytes = 0;
        for (uint64_t n = 1; n <= 50; n++)
            bytes += ph_media_frame_bytes(rows[i].profile, n) - PH_INBAND_MEDIA_HEADER_LEN;
        assert_int_equal(8 * bytes, rows[i].bits_per_second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pacing),    cmocka_unit_test(test_counting),
        cmocka_unit_test(test_both_ways), cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_seconds),   cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
