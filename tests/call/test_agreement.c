/* Two sides agree on a profile: what each says, over links that lose and delay, in a fake time; and
 * what a peer of ill will gets. */
#include "call/agreement.h"

#include "base/rng.h"
#include "call/media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define QUEUE 256

struct letter {
    ph_ns at;
    int to;
    bool is_ack;
    struct ph_quality_propose propose;
    struct ph_quality_ack ack;
};

/* Two agreements, their frames, and what is on its way between them. */
struct pair {
    struct ph_agreement a[2];
    uint64_t frame[2]; /* last sent */
    enum ph_profile worst[2];
    ph_ns now, delay;
    unsigned loss[2];  /* percent of what this one sends */
    bool mute_acks[2]; /* this one's answers are all lost */
    struct ph_rng rng;
    struct letter queue[QUEUE];
    size_t queued;
    unsigned sent[2];
    uint64_t switched[2];
    ph_ns switched_at[2];
    unsigned switches[2];
};

static void init(struct pair *p, uint64_t seed)
{
    memset(p, 0, sizeof(*p));
    p->now = PH_SEC;
    p->delay = 40 * PH_MS;
    for (int i = 0; i < 2; i++) {
        ph_agreement_init(&p->a[i], i == 0);
        p->frame[i] = 100 + 3 * (uint64_t)i; /* the callee was ready a little earlier */
        p->worst[i] = PH_PROFILE_GOOD;
    }
    ph_rng_seed(&p->rng, seed);
}

static void post(struct pair *p, int from, struct letter l)
{
    p->sent[from]++;
    if (ph_rng_below(&p->rng, 100) < p->loss[from] || (l.is_ack && p->mute_acks[from]))
        return;
    assert_true(p->queued < QUEUE);
    l.at = p->now + p->delay;
    l.to = 1 - from;
    p->queue[p->queued++] = l;
}

static void deliver(struct pair *p, const struct letter *l)
{
    struct ph_agreement *a = &p->a[l->to];
    struct letter answer = {.is_ack = true};
    if (l->is_ack)
        ph_agreement_on_ack(a, p->now, &l->ack, p->frame[l->to] + 1);
    else if (ph_agreement_on_propose(a, p->now, &l->propose, p->frame[l->to] + 1, 2 * p->delay,
                                     p->worst[l->to], &answer.ack))
        post(p, l->to, answer);
}

/* Goes on in steps of a frame. */
static void run(struct pair *p, ph_ns time)
{
    for (ph_ns end = p->now + time; p->now < end; p->now += PH_MEDIA_INTERVAL) {
        for (size_t i = 0; i < p->queued;) {
            struct letter l = p->queue[i];
            if (l.at > p->now) {
                i++;
                continue;
            }
            p->queue[i] = p->queue[--p->queued];
            deliver(p, &l);
        }
        for (int i = 0; i < 2; i++) {
            struct letter l = {0};
            if (ph_agreement_pump(&p->a[i], p->now, &l.propose))
                post(p, i, l);
            if (ph_agreement_on_frame(&p->a[i], p->now, ++p->frame[i])) {
                p->switched[i] = p->frame[i];
                p->switched_at[i] = p->now;
                p->switches[i]++;
            }
        }
    }
}

static void want(struct pair *p, int side, enum ph_profile profile)
{
    ph_agreement_want(&p->a[side], p->now, profile, p->frame[side] + 1, 2 * p->delay);
}

static void assert_together(const struct pair *p, enum ph_profile profile)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p->a[i].profile, profile);
        assert_int_equal(p->a[i].state, PH_AGREEMENT_IDLE);
        assert_int_equal(p->a[i].since, p->a[1 - i].since);
    }
    assert_int_equal(p->switched[0], p->switched[1]);
}

static void test_both_switch_at_one_frame(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct pair p;
        init(&p, 1);
        want(&p, side, PH_PROFILE_DEGRADED);
        run(&p, 2 * PH_SEC);
        assert_together(&p, PH_PROFILE_DEGRADED);
        /* Two round trips of 80 ms and 400 ms ahead of the proposer's next frame. */
        assert_int_equal(p.switched[side], 101 + 3 * (uint64_t)side + 28);
        assert_true(p.switched_at[0] <= PH_SEC + 640 * PH_MS);
        /* The proposal twice, for its answer took 80 ms; and so the answer. */
        assert_int_equal(p.sent[side], 2);
        assert_int_equal(p.sent[1 - side], 2);
        run(&p, PH_AGREEMENT_PAUSE);
        want(&p, 1 - side, PH_PROFILE_GOOD);
        run(&p, 2 * PH_SEC);
        assert_together(&p, PH_PROFILE_GOOD);
    }
}

static void test_what_is_wanted_is_there_already(void **state)
{
    (void)state;
    struct pair p;
    init(&p, 1);
    want(&p, 0, PH_PROFILE_GOOD);
    run(&p, 5 * PH_SEC);
    assert_int_equal(p.sent[0] + p.sent[1], 0);
    assert_int_equal(ph_agreement_deadline(&p.a[0]), PH_NEVER);
}

static void test_two_at_once(void **state)
{
    (void)state;
    static const struct {
        enum ph_profile caller, callee, result;
    } rows[] = {
        {PH_PROFILE_DEGRADED, PH_PROFILE_CATASTROPHIC, PH_PROFILE_CATASTROPHIC},
        {PH_PROFILE_CATASTROPHIC, PH_PROFILE_DEGRADED, PH_PROFILE_CATASTROPHIC},
        {PH_PROFILE_DEGRADED, PH_PROFILE_DEGRADED, PH_PROFILE_DEGRADED},
        {PH_PROFILE_CATASTROPHIC, PH_PROFILE_CATASTROPHIC, PH_PROFILE_CATASTROPHIC},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (ph_ns apart = 0; apart <= 100 * PH_MS; apart += 20 * PH_MS) {
            struct pair p;
            init(&p, i);
            want(&p, 0, rows[i].caller);
            run(&p, apart);
            want(&p, 1, rows[i].callee);
            run(&p, 3 * PH_SEC);
            /* The callee's second thoughts come too late when it has answered already. */
            enum ph_profile result =
                apart >= 40 * PH_MS + 20 * PH_MS ? rows[i].caller : rows[i].result;
            assert_together(&p, result);
            assert_int_equal(p.switches[0], 1);
            assert_int_equal(p.switches[1], 1);
        }
    }
}

/* A third of all letters is lost, each way: the frame is the same all but always, and the profile
 * always. */
static void test_losses(void **state)
{
    (void)state;
    unsigned late = 0;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct pair p;
        init(&p, seed);
        p.loss[0] = p.loss[1] = 33;
        want(&p, (int)(seed % 2), PH_PROFILE_CATASTROPHIC);
        run(&p, 5 * PH_SEC);
        assert_int_equal(p.a[0].profile, PH_PROFILE_CATASTROPHIC);
        assert_int_equal(p.a[1].profile, PH_PROFILE_CATASTROPHIC);
        late += p.switched[0] != p.switched[1];
    }
    assert_in_range(late, 0, 10);
}

static void test_a_lost_answer_is_repeated(void **state)
{
    (void)state;
    struct pair p;
    init(&p, 1);
    p.mute_acks[1] = true;
    want(&p, 0, PH_PROFILE_DEGRADED);
    run(&p, PH_SEC);
    assert_int_equal(p.a[1].profile, PH_PROFILE_DEGRADED); /* it has promised */
    assert_int_equal(p.a[0].profile, PH_PROFILE_GOOD);
    p.mute_acks[1] = false;
    run(&p, PH_SEC);
    assert_int_equal(p.a[0].profile, PH_PROFILE_DEGRADED);
    assert_int_equal(p.switches[1], 1);
}

static void test_nobody_answers(void **state)
{
    (void)state;
    struct pair p;
    init(&p, 1);
    p.loss[0] = 100;
    want(&p, 0, PH_PROFILE_DEGRADED);
    run(&p, 10 * PH_SEC);
    assert_int_equal(p.sent[0], PH_AGREEMENT_TRIES);
    assert_int_equal(p.a[0].state, PH_AGREEMENT_IDLE);
    assert_int_equal(p.a[0].profile, PH_PROFILE_GOOD);
    assert_int_equal(p.a[1].profile, PH_PROFILE_GOOD);
    /* It says so again after a while, and what is left of the old proposal's number is no answer.
     */
    p.loss[0] = 0;
    ph_agreement_on_ack(&p.a[0], p.now, &(struct ph_quality_ack){1, PH_PROFILE_DEGRADED, 1}, 1);
    assert_int_equal(p.a[0].state, PH_AGREEMENT_IDLE);
    want(&p, 0, PH_PROFILE_DEGRADED);
    run(&p, 2 * PH_SEC);
    assert_together(&p, PH_PROFILE_DEGRADED);
}

/* Better than what the own numbers call for is not agreed to; worse always is. */
static void test_refusal(void **state)
{
    (void)state;
    struct pair p;
    init(&p, 1);
    want(&p, 0, PH_PROFILE_CATASTROPHIC);
    run(&p, 3 * PH_SEC);
    assert_together(&p, PH_PROFILE_CATASTROPHIC);
    p.worst[1] = PH_PROFILE_CATASTROPHIC;
    want(&p, 0, PH_PROFILE_DEGRADED);
    run(&p, PH_SEC);
    assert_int_equal(p.a[0].state, PH_AGREEMENT_IDLE);
    assert_together(&p, PH_PROFILE_CATASTROPHIC);
    /* And it is not asked again at once. */
    unsigned sent = p.sent[0];
    want(&p, 0, PH_PROFILE_DEGRADED);
    run(&p, PH_SEC);
    assert_int_equal(p.sent[0], sent);
    p.worst[1] = PH_PROFILE_DEGRADED;
    run(&p, PH_AGREEMENT_SULK);
    want(&p, 0, PH_PROFILE_DEGRADED);
    run(&p, 2 * PH_SEC);
    assert_together(&p, PH_PROFILE_DEGRADED);
}

/* One side has slept: its frames are far behind. Each switches by its own count, at once. */
static void test_counts_that_have_come_apart(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct pair p;
        init(&p, 1);
        p.frame[0] += 100000;
        want(&p, side, PH_PROFILE_DEGRADED);
        run(&p, 2 * PH_SEC);
        assert_int_equal(p.switches[0], 1);
        assert_int_equal(p.switches[1], 1);
        ph_ns first = ph_min_ns(p.switched_at[0], p.switched_at[1]);
        assert_true(ph_max_ns(p.switched_at[0], p.switched_at[1]) - first <= 100 * PH_MS);
    }
}

static void test_hostile_proposals(void **state)
{
    (void)state;
    static const struct {
        struct ph_quality_propose p;
        bool answered;
    } rows[] = {
        {{0, PH_PROFILE_DEGRADED, 200}, false},
        {{1, PH_PROFILE_COUNT, 200}, false},
        {{1, 255, 200}, false},
        {{UINT32_MAX, PH_PROFILE_DEGRADED, UINT64_MAX}, true},
        {{1, PH_PROFILE_DEGRADED, 0}, true},
        {{1, PH_PROFILE_GOOD, UINT64_MAX}, true}, /* it is that already */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pair p;
        struct ph_quality_ack ack;
        init(&p, 1);
        assert_int_equal(ph_agreement_on_propose(&p.a[0], p.now, &rows[i].p, p.frame[0] + 1,
                                                 UINT64_MAX, PH_PROFILE_GOOD, &ack),
                         rows[i].answered);
        /* Whatever frame it names: the change comes, and within seconds. */
        run(&p, 6 * PH_SEC);
        bool changes = rows[i].answered && rows[i].p.profile != PH_PROFILE_GOOD;
        assert_int_equal(p.a[0].profile, changes ? PH_PROFILE_DEGRADED : PH_PROFILE_GOOD);
        assert_int_equal(p.a[0].state, PH_AGREEMENT_IDLE);
    }
}

static void test_hostile_answers(void **state)
{
    (void)state;
    static const struct ph_quality_ack answers[] = {
        {1, PH_PROFILE_DEGRADED, UINT64_MAX}, {1, PH_PROFILE_DEGRADED, 0},
        {1, PH_PROFILE_CATASTROPHIC, 150},    {1, 200, 150},
        {2, PH_PROFILE_DEGRADED, 150},        {0, PH_PROFILE_DEGRADED, 150},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct pair p;
        init(&p, 1);
        p.loss[0] = 100;
        want(&p, 0, PH_PROFILE_DEGRADED);
        run(&p, 100 * PH_MS);
        ph_agreement_on_ack(&p.a[0], p.now, &answers[i], p.frame[0] + 1);
        run(&p, 6 * PH_SEC);
        assert_int_equal(p.a[0].profile, i < 2 ? PH_PROFILE_DEGRADED : PH_PROFILE_GOOD);
        assert_int_equal(p.a[0].state, PH_AGREEMENT_IDLE);
    }
}

/* A peer that proposes something else with each datagram, a thousand a second: one change a second
 * and 50 answers is all that it gets. */
static void test_a_flood_of_proposals(void **state)
{
    (void)state;
    struct pair p;
    unsigned answers = 0, seconds = 10;
    init(&p, 1);
    for (uint32_t i = 1; i <= seconds * 1000; i++) {
        struct ph_quality_propose other = {i, (uint8_t)(i % PH_PROFILE_COUNT), i};
        struct ph_quality_ack ack;
        answers += ph_agreement_on_propose(&p.a[0], p.now + i * PH_MS, &other, i / 20 + 1,
                                           20 * PH_MS, PH_PROFILE_GOOD, &ack);
        if (i % 20 == 0)
            p.switches[0] += ph_agreement_on_frame(&p.a[0], p.now + i * PH_MS, i / 20);
    }
    assert_in_range(p.switches[0], 1, seconds);
    assert_in_range(answers, 1, 50 * seconds + 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_switch_at_one_frame),
        cmocka_unit_test(test_what_is_wanted_is_there_already),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_a_lost_answer_is_repeated),
        cmocka_unit_test(test_nobody_answers),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_counts_that_have_come_apart),
        cmocka_unit_test(test_hostile_proposals),
        cmocka_unit_test(test_hostile_answers),
        cmocka_unit_test(test_a_flood_of_proposals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
