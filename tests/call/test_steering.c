/* How a call moves between the relay and a direct path, and what its media loses by it: nothing. */
#include "call/call.h"
#include "tests/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Packets are lost in these directions, 1u << of the sender: those that no relay carries, or all.
 */
struct cut {
    struct sim_fixture *f;
    unsigned from;
    bool all;
    uint64_t lost;
};

static enum sim_verdict cut_direct(void *user, const struct sim_tap_packet *p)
{
    struct cut *c = user;
    const struct ph_addr *relay = &c->f->relay_addr;
    for (int k = 0; k < 2; k++) {
        if (!(c->from & (1u << k)) || !ph_addr_ip_eq(&p->src, &c->f->peer[k].reflexive) ||
            !(ph_addr_ip_eq(&p->dst, &c->f->peer[1 - k].reflexive) ||
              (c->all && ph_addr_ip_eq(&p->dst, relay))))
            continue;
        c->lost++;
        return SIM_DROP;
    }
    return SIM_PASS;
}

static struct sim_fixture *connected(struct cut *cut, const char *link, unsigned stages)
{
    struct sim_fixture_config c = {.link = link, .seed = 3, .stages = {stages, stages}};
    struct sim_fixture *f = sim_fixture_new(&c);
    *cut = (struct cut){.f = f};
    sim_fixture_register(f);
    sim_tap(f->world, cut_direct, cut);
    sim_fixture_call(f, 5 * PH_SEC);
    sim_fixture_run(f, PH_SEC);
    sim_fixture_report(f);
    return f;
}

static const struct ph_steering *steering(const struct sim_fixture *f, int k)
{
    return &f->peer[k].call->steering;
}

static void stop_media(struct sim_fixture *f)
{
    for (int k = 0; k < 2; k++)
        ph_call_media_stop(f->peer[k].call);
    sim_fixture_run(f, PH_SEC);
    sim_fixture_report(f);
}

/* The longest gap from now on. */
static void forget_gaps(struct sim_fixture *f)
{
    for (int k = 0; k < 2; k++)
        f->peer[k].call->media.report.max_gap = 0;
}

static ph_ns gap(const struct sim_fixture *f, int k)
{
    return f->peer[k].call->media.report.max_gap;
}

static void test_upgrade(void **state)
{
    (void)state;
    struct cut cut;
    struct sim_fixture *f = connected(&cut, NULL, 0);
    uint64_t by_relay[2];
    for (int k = 0; k < 2; k++) {
        assert_int_equal(steering(f, k)->state, PH_STEERING_DIRECT);
        assert_int_equal(steering(f, k)->upgrades, 1);
        assert_int_equal(steering(f, k)->fallbacks, 0);
        assert_true(f->peer[k].report.media.copies > 0);
        by_relay[k] = f->peer[k].report.stages[PH_STAGE_RELAY].packets;
    }
    sim_fixture_run(f, 5 * PH_SEC);
    stop_media(f);
    for (int k = 0; k < 2; k++) {
        const struct ph_media_report *m = &f->peer[k].report.media;
        assert_int_equal(m->received, f->peer[1 - k].report.media.sent);
        assert_int_equal(m->duplicates, 0);
        assert_in_range(m->max_gap, 0, 21 * PH_MS);
        assert_int_equal(steering(f, k)->fallbacks, 0);
        /* Nothing of the call's goes by the relay but the last word. */
        assert_in_range(f->peer[k].report.stages[PH_STAGE_RELAY].packets, by_relay[k],
                        by_relay[k] + 2);
    }
    sim_fixture_free(f);
}

/* The direct path dies, in one direction or in both, and is there again. */
static void test_death(void **state)
{
    (void)state;
    for (unsigned from = 1; from <= 3; from++) {
        struct cut cut;
        struct sim_fixture *f = connected(&cut, NULL, 0);
        forget_gaps(f);
        cut.from = from;
        sim_fixture_run(f, 3 * PH_SEC);
        sim_fixture_report(f);
        for (int k = 0; k < 2; k++) {
            const struct ph_call_report *r = &f->peer[k].report;
            assert_int_equal(r->state, PH_CALL_CONNECTED);
            assert_int_equal(steering(f, k)->state, PH_STEERING_RELAY);
            assert_int_equal(steering(f, k)->fallbacks, 1);
            assert_false(r->direct);
            assert_int_equal(r->stage, PH_STAGE_RELAY);
            assert_int_not_equal(r->stages[PH_STAGE_PUNCH].state, PH_STAGE_WON);
            /* Who is deaf by its own ears asks for nothing; who is told needs the word's time. */
            bool cut_off = from & (1u << (1 - k));
            assert_in_range(gap(f, k), 20 * PH_MS, cut_off ? 200 * PH_MS : 40 * PH_MS);
        }
        cut.from = 0;
        forget_gaps(f);
        sim_fixture_run(f, 5 * PH_SEC);
        sim_fixture_report(f);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(steering(f, k)->state, PH_STEERING_DIRECT);
            assert_int_equal(steering(f, k)->upgrades, 2);
            assert_int_equal(f->peer[k].report.stage, PH_STAGE_PUNCH);
            assert_in_range(gap(f, k), 20 * PH_MS, 40 * PH_MS);
            assert_int_equal(f->peer[k].report.media.duplicates, 0);
        }
        sim_fixture_free(f);
    }
}

/* A path that dies again and again is used the less. */
static void test_dies_all_the_time(void **state)
{
    (void)state;
    struct cut cut;
    struct sim_fixture *f = connected(&cut, NULL, 0);
    for (int i = 0; i < 60; i++) {
        cut.from = i % 2 == 0 ? 3 : 0;
        sim_fixture_run(f, PH_SEC);
    }
    sim_fixture_report(f);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(f->peer[k].report.state, PH_CALL_CONNECTED);
        assert_in_range(steering(f, k)->fallbacks, 1, 9);
    }
    sim_fixture_free(f);
}

/* Loss is no death. */
static void test_loss(void **state)
{
    (void)state;
    struct cut cut;
    struct sim_fixture *f = connected(&cut, "20ms-5%", 0);
    sim_fixture_run(f, 120 * PH_SEC);
    stop_media(f);
    for (int k = 0; k < 2; k++) {
        const struct ph_media_report *m = &f->peer[k].report.media;
        assert_int_equal(steering(f, k)->fallbacks, 0);
        assert_int_equal(steering(f, k)->state, PH_STEERING_DIRECT);
        assert_int_equal(m->duplicates, 0);
        /* In doubt, not always. */
        assert_in_range(m->copies, 1, m->received / 4);
    }
    sim_fixture_free(f);
}

/* Media that stops is not missed; a path that dies then is found out all the same. */
static void test_pause(void **state)
{
    (void)state;
    struct cut cut;
    struct sim_fixture *f = connected(&cut, NULL, 0);
    stop_media(f);
    sim_fixture_run(f, 60 * PH_SEC);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(steering(f, k)->state, PH_STEERING_DIRECT);
        assert_int_equal(steering(f, k)->peer.words, 0);
    }
    cut.from = 3;
    sim_fixture_run(f, 5 * PH_SEC);
    for (int k = 0; k < 2; k++)
        assert_int_equal(steering(f, k)->state, PH_STEERING_RELAY);
    cut.from = 0;
    sim_fixture_run(f, 10 * PH_SEC);
    for (int k = 0; k < 2; k++)
        assert_int_equal(steering(f, k)->state, PH_STEERING_DIRECT);
    sim_fixture_free(f);
}

/* The word that no more media comes is lost, and asked for. */
static void test_lost_pause(void **state)
{
    (void)state;
    struct cut cut;
    struct sim_fixture *f = connected(&cut, NULL, 0);
    cut.from = 2;
    cut.all = true;
    ph_call_media_stop(f->peer[1].call);
    sim_fixture_run(f, 150 * PH_MS);
    cut.from = 0;
    assert_true(cut.lost > 0);
    sim_fixture_run(f, 5 * PH_SEC);
    assert_true(steering(f, 0)->peer.paused);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(steering(f, k)->fallbacks, 0);
        assert_int_equal(steering(f, k)->state, PH_STEERING_DIRECT);
    }
    sim_fixture_free(f);
}

/* Words about an epoch that is over change nothing. */
static void test_stale_words(void **state)
{
    (void)state;
    struct cut cut;
    struct sim_fixture *f = connected(&cut, NULL, 0);
    struct ph_steering *s = &f->peer[0].call->steering;
    ph_ns now = f->world->ops->now(f->world);
    static const uint64_t numbers[] = {0, 2, 3, UINT32_MAX, UINT64_MAX};
    uint32_t epoch = s->epoch;
    assert_int_equal(epoch, 1);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct ph_inband m = {.kind = PH_INBAND_DEAF, .number = numbers[i]};
        ph_steering_on_word(s, now, &m);
        assert_int_equal(s->state, PH_STEERING_DIRECT);
        assert_true(s->confirmed);
    }
    struct ph_inband m = {.kind = PH_INBAND_DEAF, .number = epoch};
    ph_steering_on_word(s, now, &m);
    assert_int_equal(s->state, PH_STEERING_BOTH);
    /* It was wrong: the peer says so, since what came both ways came directly, too. */
    sim_fixture_run(f, PH_SEC);
    assert_int_equal(s->state, PH_STEERING_DIRECT);
    assert_int_equal(s->fallbacks, 0);
    sim_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_death),
        cmocka_unit_test(test_dies_all_the_time),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_lost_pause),
        cmocka_unit_test(test_stale_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
