/* Gaps, outages and switches, from frames that were made up. */
#include "lab/run/media_meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS(n) ((ph_ns)(n)*PH_MS)

static struct meter_outage outages[4];
static struct media_meter m;

static void begin(void)
{
    media_meter_init(&m, outages, 4);
}

static void frame(uint64_t number, ph_ns at, bool direct)
{
    struct ph_media_frame f = {.number = number, .arrived = at, .direct = direct};
    media_meter_frame(&m, &f);
}

/* Frames from..to, each at 20 ms times its number, and so much later. */
static void flow(uint64_t from, uint64_t to, ph_ns later, bool direct)
{
    for (uint64_t i = from; i <= to; i++)
        frame(i, MS(20 * i) + later, direct);
}

static void test_frames(void **state)
{
    (void)state;
    begin();
    assert_true(m.first == PH_NEVER && m.last == PH_NEVER && m.max_gap == 0);
    assert_false(media_meter_flows(&m, MS(1)));
    flow(1, 10, 0, false);
    assert_int_equal(m.received, 10);
    assert_true(m.max_gap == MS(20));
    frame(12, MS(240), false); /* 11 comes late, and is none the less one */
    assert_true(m.max_gap == MS(40));
    frame(11, MS(245), true);
    assert_int_equal(m.received, 12);
    assert_int_equal(m.direct, 1);
    assert_true(m.max_gap == MS(40) && m.last == MS(245));
    assert_true(m.first_direct == MS(245));
    assert_true(media_meter_flows(&m, MS(744)));
    assert_false(media_meter_flows(&m, MS(745)));
}

/* The application is to have each frame once: that is not left to who is measured. */
static void test_duplicates(void **state)
{
    (void)state;
    begin();
    flow(1, 100, 0, false);
    frame(100, MS(2001), true);
    frame(1, MS(2002), true);
    assert_int_equal(m.received, 100);
    assert_int_equal(m.duplicates, 2);
    assert_int_equal(m.direct, 0);
    assert_true(m.last == MS(2000)); /* nothing new was heard */
    /* Numbers that were left out are new when they come, also beyond the window's size. */
    frame(10000, MS(3000), false);
    frame(9000, MS(3001), false);
    frame(9000, MS(3002), false);
    assert_int_equal(m.received, 102);
    assert_int_equal(m.duplicates, 3);
    frame(10000 - METER_WINDOW, MS(3003), false); /* too old to be told from one that was there */
    assert_int_equal(m.duplicates, 4);
}

static void test_outage(void **state)
{
    (void)state;
    begin();
    flow(1, 50, 0, true);
    media_meter_fault(&m, MS(1005));
    flow(61, 100, 0, false); /* 220 ms without */
    media_meter_end(&m, MS(2010));
    assert_true(outages[0].gap == MS(220) && outages[0].again == MS(1220));
    assert_true(m.max_gap == MS(220));
}

/* What was before the fault is not its doing; what comes after it is, if it is larger. */
static void test_gap_before_and_after(void **state)
{
    (void)state;
    begin();
    flow(1, 50, 0, true);
    flow(80, 100, 0, true); /* 600 ms, ended before */
    media_meter_fault(&m, MS(2001));
    flow(101, 120, 0, true);
    assert_true(outages[0].gap == MS(20) && outages[0].again == MS(2020));
    flow(130, 140, 0, true); /* 200 ms */
    flow(145, 160, 0, true); /* 100 ms */
    media_meter_end(&m, MS(3210));
    assert_true(outages[0].gap == MS(200) && outages[0].again == MS(2600));
    assert_true(m.max_gap == MS(600));
}

/* A frame that is lost later on is no outage: media flowed with the first one. */
static void test_usual_gap(void **state)
{
    (void)state;
    begin();
    flow(1, 50, 0, true);
    media_meter_fault(&m, MS(1001));
    flow(51, 60, 0, true);
    flow(62, 80, 0, true);
    assert_true(outages[0].gap == MS(40) && outages[0].again == MS(1020));
}

/* A builder's word comes after the fact: the gap may be over by then. */
static void test_told_late(void **state)
{
    (void)state;
    begin();
    flow(1, 50, 0, true);
    flow(60, 62, 0, true); /* arrives at 1200, after 200 ms */
    media_meter_fault(&m, MS(1010));
    assert_true(outages[0].gap == MS(200) && outages[0].again == MS(1200));
    begin();
    flow(1, 50, 0, true);
    media_meter_fault(&m, MS(500)); /* long before: of what is still known the largest */
    assert_true(outages[0].gap == MS(20));
}

static void test_never_again(void **state)
{
    (void)state;
    begin();
    flow(1, 50, 0, true);
    media_meter_fault(&m, MS(1005));
    media_meter_end(&m, MS(4000));
    assert_true(outages[0].gap == MS(3000) && outages[0].again == PH_NEVER);
    assert_true(m.max_gap == MS(3000));
    /* The silence is too short to say so, but nothing was heard since. */
    begin();
    flow(1, 50, 0, true);
    media_meter_fault(&m, MS(1005));
    media_meter_end(&m, MS(1100));
    assert_true(outages[0].gap == MS(100) && outages[0].again == PH_NEVER);
    assert_true(m.max_gap == MS(20));
    /* What was sent last is under way when sending ends: that is none of the fault's. */
    begin();
    flow(1, 50, 0, true);
    media_meter_fault(&m, MS(1005));
    flow(51, 60, 0, true);
    media_meter_end(&m, MS(1290));
    assert_true(outages[0].gap == MS(20) && outages[0].again == MS(1020));
}

/* Each gap is the doing of the fault before it, and of all that it spans. */
static void test_several(void **state)
{
    (void)state;
    begin();
    flow(1, 50, 0, true);
    media_meter_fault(&m, MS(1005));
    flow(58, 100, 0, true); /* 160 ms: of the first */
    media_meter_fault(&m, MS(2005));
    media_meter_fault(&m, MS(2100));
    flow(120, 150, 0, true); /* 400 ms: of the second and the third, not of the first */
    media_meter_fault(&m, MS(3001));
    flow(151, 160, 0, true);
    media_meter_fault(&m, MS(3500)); /* there is no room: nothing happens */
    media_meter_end(&m, MS(3210));
    assert_int_equal(m.outage_count, 4);
    assert_true(outages[0].gap == MS(160) && outages[0].again == MS(1160));
    assert_true(outages[1].gap == MS(400) && outages[1].again == MS(2400));
    assert_true(outages[2].gap == MS(400) && outages[2].again == MS(2400));
    assert_true(outages[3].gap == MS(20) && outages[3].again == MS(3020));
}

static void test_spanned_late(void **state)
{
    (void)state;
    begin();
    flow(1, 50, 0, true);
    media_meter_fault(&m, MS(1005));
    flow(51, 60, 0, true);           /* up to 1200 */
    media_meter_fault(&m, MS(1500)); /* into a silence that had begun before */
    flow(90, 95, 0, true);
    assert_true(outages[0].gap == MS(600) && outages[1].gap == MS(600));
}

/* From a relay 80 ms away to a peer 15 ms away: what is sent last by the one is overtaken. */
static void test_switch(void **state)
{
    (void)state;
    begin();
    flow(1, 47, MS(80), false); /* the last arrives at 1020 */
    media_meter_switched(&m, MS(950));
    frame(48, MS(975), true);
    assert_true(m.first_direct == MS(975));
    begin();
    for (uint64_t i = 1; i <= 40; i++)
        frame(i, MS(20 * i + 80), false); /* up to 880 */
    media_meter_switched(&m, MS(810));
    media_meter_switched(&m, MS(2000)); /* a later one counts for nothing */
    frame(41, MS(945), true);           /* 65 ms without */
    flow(48, 60, MS(15), true);
    assert_true(m.switched == MS(810));
    assert_true(m.switch_gap == MS(65));
    assert_true(m.first_direct == MS(945));
    flow(90, 100, MS(15), true); /* 600 ms, but not the switch's any more: it began at 1215 */
    flow(130, 140, MS(15), true);
    assert_true(m.switch_gap == MS(600));
    assert_true(m.max_gap == MS(600));
    begin();
    flow(1, 50, 0, false);
    media_meter_switched(&m, MS(1001));
    flow(51, 80, 0, true);
    flow(100, 110, 0, true); /* begins at 1600: more than half a second later */
    assert_true(m.switch_gap == MS(20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),       cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_outage),       cmocka_unit_test(test_gap_before_and_after),
        cmocka_unit_test(test_usual_gap),    cmocka_unit_test(test_told_late),
        cmocka_unit_test(test_never_again),  cmocka_unit_test(test_several),
        cmocka_unit_test(test_spanned_late), cmocka_unit_test(test_switch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
