/* What results count for: which rates a trial has, which of them held, and which times it gives. */
#include "lab/run/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BIT(rate) (1u << (rate))

static void check(const struct trial_result *r, uint32_t asked, uint32_t good)
{
    uint32_t a, g;
    score(r, &a, &g);
    for (int i = 0; i < RATE_COUNT; i++)
        if (((a ^ asked) & BIT(i)) != 0 || ((g ^ good) & BIT(i)) != 0)
            fail_msg("%s: asked %d good %d", rate_name((enum rate)i), (a & BIT(i)) != 0,
                     (g & BIT(i)) != 0);
    /* What is scored is what the subject is said to have. */
    for (int i = 0; i < RATE_COUNT; i++)
        if ((a & BIT(i)) != 0)
            assert_true(subject_has_rate(r->subject, (enum rate)i));
}

static void test_call(void **state)
{
    (void)state;
    const uint32_t all = BIT(RATE_CONNECTED) | BIT(RATE_DIRECT) | BIT(RATE_BY_PORTMAP) |
                         BIT(RATE_BY_PUNCH) | BIT(RATE_BY_PREDICT) | BIT(RATE_BY_BIRTHDAY) |
                         BIT(RATE_PREDICT_SKIPPED) | BIT(RATE_BIRTHDAY_SKIPPED) | BIT(RATE_MAPPED) |
                         BIT(RATE_DOUBLE_NAT);
    struct trial_result r;
    ph_ns times[SUBJECT_TIME_COUNT];
    trial_result_init(&r, SUBJECT_PINHOLE);
    check(&r, all, 0);
    score_times(&r, times);
    for (int i = 0; i < SUBJECT_TIME_COUNT; i++)
        assert_true(times[i] == PH_NEVER);
    r.connected = r.direct = true;
    r.stage = PH_STAGE_PUNCH;
    r.setup_direct = 7;
    r.portmap_took = 0;
    check(&r, all, BIT(RATE_CONNECTED) | BIT(RATE_DIRECT) | BIT(RATE_BY_PUNCH));
    score_times(&r, times);
    assert_true(times[SUBJECT_TIME_DIRECT] == 7);
    assert_true(times[SUBJECT_TIME_PORTMAP] == 0);
    r.stage = PH_STAGE_PORTMAP;
    r.mapping.protocol = PH_PORTMAP_PCP; /* the first of its enum is none the less one */
    r.mapping.reach = PH_PORTMAP_REACH_DOUBLE;
    check(&r, all,
          BIT(RATE_CONNECTED) | BIT(RATE_DIRECT) | BIT(RATE_BY_PORTMAP) | BIT(RATE_MAPPED) |
              BIT(RATE_DOUBLE_NAT));
    /* By the peer's mapping, and the own router holds what it was not asked to give back. */
    r.mapping.protocol = PH_PORTMAP_NONE;
    r.router_mappings = 2;
    check(&r, all | BIT(RATE_RELEASED),
          BIT(RATE_CONNECTED) | BIT(RATE_DIRECT) | BIT(RATE_BY_PORTMAP));
    r.router_mappings = 0;
    check(&r, all | BIT(RATE_RELEASED),
          BIT(RATE_CONNECTED) | BIT(RATE_DIRECT) | BIT(RATE_BY_PORTMAP) | BIT(RATE_RELEASED));
    r.connected = r.direct = false; /* a stage is nothing without a path */
    check(&r, all | BIT(RATE_RELEASED), BIT(RATE_RELEASED));
}

static void test_netcheck(void **state)
{
    (void)state;
    const uint32_t base = BIT(RATE_MAPPING_RIGHT) | BIT(RATE_MAPPING_UNKNOWN) |
                          BIT(RATE_MAPPING_WRONG) | BIT(RATE_FILTERING_RIGHT) |
                          BIT(RATE_FILTERING_UNKNOWN) | BIT(RATE_FILTERING_WRONG) |
                          BIT(RATE_ALLOCATION_RIGHT) | BIT(RATE_ALLOCATION_UNKNOWN) |
                          BIT(RATE_ALLOCATION_WRONG) | BIT(RATE_DOUBLE_NAT) | BIT(RATE_MAPPED);
    struct trial_result r;
    ph_ns times[SUBJECT_TIME_COUNT];
    trial_result_init(&r, SUBJECT_NETCHECK);
    r.netcheck.verdict = (struct truth_verdict){
        .mapping = RIGHT_YES, .filtering = RIGHT_UNKNOWN, .allocation = RIGHT_WRONG};
    check(&r, base,
          BIT(RATE_MAPPING_RIGHT) | BIT(RATE_FILTERING_UNKNOWN) | BIT(RATE_ALLOCATION_WRONG));
    r.netcheck.verdict.step = RIGHT_YES;
    r.netcheck.verdict.drift = RIGHT_WRONG;
    r.netcheck.verdict.block = RIGHT_UNKNOWN;
    r.netcheck.double_nat = PH_YES;
    r.netcheck.mapped = true;
    r.netcheck.took = 5;
    check(&r, base | BIT(RATE_STEP_RIGHT) | BIT(RATE_DRIFT_RIGHT) | BIT(RATE_BLOCK_RIGHT),
          BIT(RATE_MAPPING_RIGHT) | BIT(RATE_FILTERING_UNKNOWN) | BIT(RATE_ALLOCATION_WRONG) |
              BIT(RATE_STEP_RIGHT) | BIT(RATE_DOUBLE_NAT) | BIT(RATE_MAPPED));
    score_times(&r, times);
    assert_true(times[SUBJECT_TIME_NETCHECK] == 5);
    assert_true(times[SUBJECT_TIME_MAP] == PH_NEVER);
}

static void test_map(void **state)
{
    (void)state;
    const uint32_t all = BIT(RATE_DOUBLE_NAT) | BIT(RATE_MAPPED) | BIT(RATE_AS_EXPECTED);
    struct trial_result r;
    ph_ns times[SUBJECT_TIME_COUNT];
    trial_result_init(&r, SUBJECT_MAP);
    check(&r, all, 0);
    /* The time to learn that there is none is no time of a mapping. */
    r.map.took = 9;
    r.map.as_expected = true;
    check(&r, all, BIT(RATE_AS_EXPECTED));
    score_times(&r, times);
    assert_true(times[SUBJECT_TIME_MAP] == PH_NEVER);
    r.map.mapped = true;
    r.map.reach = PH_PORTMAP_REACH_DOUBLE;
    r.router_mappings = 0;
    check(&r, all | BIT(RATE_RELEASED), all | BIT(RATE_RELEASED));
    score_times(&r, times);
    assert_true(times[SUBJECT_TIME_MAP] == 9);
}

static void test_stages_that_guess(void **state)
{
    (void)state;
    struct trial_result r;
    uint32_t asked, good, counts[SUBJECT_COUNT_COUNT];
    trial_result_init(&r, SUBJECT_PINHOLE);
    score(&r, &asked, &good);
    assert_int_equal(good, 0); /* skipped, but nobody says why */
    score_counts(&r, counts);
    assert_int_equal(counts[SUBJECT_COUNT_PROBES], 0);
    assert_true(counts[SUBJECT_COUNT_PROBES_TO_HIT] == SCORE_ABSENT);

    snprintf(r.stages[PH_STAGE_PREDICT].reason, sizeof(r.stages[0].reason), "nobody counts");
    r.connected = r.direct = true;
    r.stage = PH_STAGE_BIRTHDAY;
    r.stages[PH_STAGE_PUNCH] =
        (struct ph_stage_report){.state = PH_STAGE_LOST, .packets = 4, .probes = 3, .mappings = 1};
    r.stages[PH_STAGE_BIRTHDAY] = (struct ph_stage_report){.state = PH_STAGE_WON,
                                                           .packets = 346,
                                                           .sockets = 256,
                                                           .openers = 256,
                                                           .probes = 90,
                                                           .probes_to_hit = 87,
                                                           .mappings = 300};
    r.stages[PH_STAGE_RELAY].packets = 1000;
    score(&r, &asked, &good);
    assert_int_equal(good, BIT(RATE_CONNECTED) | BIT(RATE_DIRECT) | BIT(RATE_BY_BIRTHDAY) |
                               BIT(RATE_PREDICT_SKIPPED));
    score_counts(&r, counts);
    assert_int_equal(counts[SUBJECT_COUNT_PROBES], 90);
    assert_int_equal(counts[SUBJECT_COUNT_PUNCH_PROBES], 3);
    assert_int_equal(counts[SUBJECT_COUNT_PROBES_TO_HIT], 87);
    assert_int_equal(counts[SUBJECT_COUNT_OPENERS], 256);
    assert_int_equal(counts[SUBJECT_COUNT_SOCKETS], 256);
    assert_int_equal(counts[SUBJECT_COUNT_PEAK_MAPPINGS], 300);
    assert_int_equal(counts[SUBJECT_COUNT_PACKETS], 350); /* the relay's are no traversal */

    /* A flow of a bystander's that was not answered. */
    assert_true(counts[SUBJECT_COUNT_UNANSWERED] == SCORE_ABSENT);
    assert_int_equal(asked & BIT(RATE_BYSTANDER), 0);
    r.bystander = (struct bystander_count){.asked = 20, .answered = 19};
    score(&r, &asked, &good);
    assert_int_equal(asked & ~good & BIT(RATE_BYSTANDER), BIT(RATE_BYSTANDER));
    score_counts(&r, counts);
    assert_int_equal(counts[SUBJECT_COUNT_UNANSWERED], 1);
    r.bystander.answered = 20;
    score(&r, &asked, &good);
    assert_int_equal(good & BIT(RATE_BYSTANDER), BIT(RATE_BYSTANDER));
    r.bystander = (struct bystander_count){0};

    r.stage = PH_STAGE_PREDICT;
    r.stages[PH_STAGE_BIRTHDAY] = (struct ph_stage_report){.state = PH_STAGE_SKIPPED};
    r.stages[PH_STAGE_PREDICT] =
        (struct ph_stage_report){.state = PH_STAGE_WON, .probes = 12, .probes_to_hit = 5};
    score(&r, &asked, &good);
    assert_int_equal(good, BIT(RATE_CONNECTED) | BIT(RATE_DIRECT) | BIT(RATE_BY_PREDICT));
    score_counts(&r, counts);
    assert_int_equal(counts[SUBJECT_COUNT_PROBES], 12);
    assert_int_equal(counts[SUBJECT_COUNT_PROBES_TO_HIT], 5);

    trial_result_init(&r, SUBJECT_MAP);
    score_counts(&r, counts);
    for (int i = 0; i < SUBJECT_COUNT_COUNT; i++)
        assert_true(counts[i] == SCORE_ABSENT);
}

/* What the two directions heard, and what was laid to faults. */
static void test_flow(void **state)
{
    (void)state;
    struct trial_result r;
    uint32_t asked, good, counts[SUBJECT_COUNT_COUNT];
    ph_ns times[SUBJECT_TIME_COUNT];
    trial_result_init(&r, SUBJECT_PINHOLE);
    r.flow[0] = (struct flow_result){.sent = 100,
                                     .received = 90,
                                     .max_gap = 30,
                                     .switched = 500,
                                     .first_direct = 25,
                                     .switch_gap = 21};
    r.flow[1] = (struct flow_result){.sent = 110,
                                     .received = 107,
                                     .duplicates = 2,
                                     .max_gap = 40,
                                     .switched = PH_NEVER,
                                     .first_direct = PH_NEVER,
                                     .switch_gap = PH_NEVER};
    score_times(&r, times);
    assert_true(times[SUBJECT_TIME_GAP] == 40);
    assert_true(times[SUBJECT_TIME_SWITCH_GAP] == PH_NEVER); /* one of them never changed */
    assert_true(times[SUBJECT_TIME_FIRST_DIRECT] == PH_NEVER);
    r.flow[1].switched = 600;
    r.flow[1].switch_gap = 33;
    score_times(&r, times);
    assert_true(times[SUBJECT_TIME_SWITCH_GAP] == 33);
    assert_true(times[SUBJECT_TIME_FIRST_DIRECT] == PH_NEVER);
    r.flow[1].first_direct = 0;
    score_times(&r, times);
    assert_true(times[SUBJECT_TIME_FIRST_DIRECT] == 25);
    score_counts(&r, counts);
    assert_int_equal(counts[SUBJECT_COUNT_LOST], 13);
    assert_int_equal(counts[SUBJECT_COUNT_DUPLICATES], 2);
    /* Who does not know what the links lost explains nothing by it. */
    assert_true(counts[SUBJECT_COUNT_DROPPED] == SCORE_ABSENT);
    assert_true(counts[SUBJECT_COUNT_UNEXPLAINED] == SCORE_ABSENT);
    r.drops_known = true;
    r.drops = (struct link_drops){.packets = 50, .large = 9};
    score_counts(&r, counts);
    assert_int_equal(counts[SUBJECT_COUNT_DROPPED], 9);
    assert_int_equal(counts[SUBJECT_COUNT_UNEXPLAINED], 4);
    r.drops.large = 20;
    score_counts(&r, counts);
    assert_int_equal(counts[SUBJECT_COUNT_UNEXPLAINED], 0);
    score(&r, &asked, &good);
    assert_int_equal(asked & BIT(RATE_SURVIVED), 0);

    r.faults.count = 1;
    r.faults.gap = 1000;
    r.faults.recovery = 1200;
    score(&r, &asked, &good);
    assert_int_equal(asked & ~good & BIT(RATE_SURVIVED), BIT(RATE_SURVIVED));
    score_times(&r, times);
    assert_true(times[SUBJECT_TIME_GAP] == 1000 && times[SUBJECT_TIME_RECOVERY] == 1200);
    score_counts(&r, counts);
    assert_true(counts[SUBJECT_COUNT_UNEXPLAINED] == SCORE_ABSENT);
    r.faults.survived = true;
    score(&r, &asked, &good);
    assert_int_equal(good & BIT(RATE_SURVIVED), BIT(RATE_SURVIVED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_stages_that_guess),
        cmocka_unit_test(test_netcheck),
        cmocka_unit_test(test_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
