/* The stages predict and birthday in whole calls, in virtual time: who is joined by which, what it
 * costs, and what a hostile peer or relay can make of it. */
#include "call/agent.h"
#include "call/call.h"

#include "tests/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PREDICT  PH_STAGE_PREDICT
#define BIRTHDAY PH_STAGE_BIRTHDAY

static const struct ph_stage_report *stage(const struct sim_fixture *f, int peer, enum ph_stage s)
{
    return &f->peer[peer].report.stages[s];
}

/* Registered, and with the whole survey behind them, as peers are that dial a while later. */
static struct sim_fixture *ready(const struct sim_fixture_config *c)
{
    struct sim_fixture *f = sim_fixture_new(c);
    sim_fixture_register(f);
    sim_fixture_run(f, 3 * PH_SEC);
    return f;
}

static void test_joins(void **state)
{
    (void)state;
    static const struct {
        const char *nat[2];
        enum ph_stage by;
        double ms;       /* to the direct path, at most */
        uint32_t probes; /* of the stage, at most: both sides' */
    } rows[] = {
        {{"port-restricted", "sequential"}, PREDICT, 500, 70},
        {{"sequential", "port-restricted"}, PREDICT, 500, 70},
        {{"sequential-down", "port-restricted"}, PREDICT, 500, 70},
        {{"sequential-2", "sequential"}, PREDICT, 900, 260},
        {{"sequential-down", "sequential"}, PREDICT, 900, 260},
        {{"port-restricted", "random"}, BIRTHDAY, 10000, 1200},
        {{"random", "port-restricted"}, BIRTHDAY, 10000, 1200},
        {{"port-restricted", "block-512"}, BIRTHDAY, 800, 300},
        {{"cgnat", "port-restricted"}, BIRTHDAY, 1200, 600},
        {{"block-512", "block-512"}, BIRTHDAY, 10000, 2400},
        {{"full-cone", "random"}, PH_STAGE_PUNCH, 250, 0},
        {{"random", "address-restricted"}, PH_STAGE_PUNCH, 250, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_fixture_config c = {.nat = {rows[i].nat[0], rows[i].nat[1]}, .seed = 40 + i};
        struct sim_fixture *f = ready(&c);
        sim_fixture_call(f, 15 * PH_SEC);
        uint32_t probes = 0;
        for (int k = 0; k < 2; k++) {
            const struct ph_call_report *r = &f->peer[k].report;
            if (!r->direct || r->stage != rows[i].by)
                fail_msg("%s x %s, peer %d: direct %d by %s", rows[i].nat[0], rows[i].nat[1], k,
                         r->direct, ph_stage_name(r->stage));
            for (int s = PREDICT; s <= BIRTHDAY; s++)
                probes += stage(f, k, (enum ph_stage)s)->probes;
            assert_true(r->settled);
        }
        const struct ph_call_report *a = &f->peer[0].report;
        if (ph_ns_to_ms(a->direct_at - a->started) > rows[i].ms)
            fail_msg("%s x %s: direct after %.0f ms", rows[i].nat[0], rows[i].nat[1],
                     ph_ns_to_ms(a->direct_at - a->started));
        if (probes > rows[i].probes)
            fail_msg("%s x %s: %u probes", rows[i].nat[0], rows[i].nat[1], probes);
        sim_fixture_free(f);
    }
}

/* Media goes on by the path that was found, and the sockets that found nothing are closed. */
static void test_winner_stays(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"port-restricted", "block-512"}, .seed = 7};
    struct sim_fixture *f = ready(&c);
    sim_fixture_call(f, 15 * PH_SEC);
    assert_true(f->peer[1].report.direct);
    const struct ph_call *call = f->peer[1].call;
    assert_int_equal(call->hard.run.fan.open, 0);
    assert_in_range(call->hard.warm_count, 1, 1 + PH_PATHS_WARM);
    sim_fixture_run(f, 500 * PH_MS); /* until the relay's copies are not wanted any more */
    sim_fixture_report(f);
    uint64_t before = f->peer[0].report.media.received;
    uint64_t by_relay = stage(f, 1, PH_STAGE_RELAY)->packets;
    sim_fixture_run(f, 2 * PH_SEC);
    sim_fixture_report(f);
    assert_true(f->peer[0].report.media.received >= before + 95);
    assert_int_equal(f->peer[0].report.media.duplicates, 0);
    assert_true(stage(f, 1, PH_STAGE_RELAY)->packets <= by_relay + 5);
    ph_call_hangup(f->peer[0].call);
    sim_fixture_run(f, PH_SEC);
    assert_int_equal(call->hard.warm_count, 0);
    sim_fixture_free(f);
}

/* Where packets are lost each side may prove another of the paths that were found first, and uses
 * that one: the other side's socket must still be there. */
static void test_each_its_own(void **state)
{
    (void)state;
    static const char *const nats[] = {"block-512", "sequential"};
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct sim_fixture_config c = {.nat = {"port-restricted", nats[seed % 2]},
                                       .link = "20ms-10%",
                                       .jitter = 15 * PH_MS,
                                       .seed = seed};
        struct sim_fixture *f = ready(&c);
        sim_fixture_call(f, 16 * PH_SEC);
        assert_true(f->peer[0].report.direct && f->peer[1].report.direct);
        sim_fixture_run(f, PH_SEC);
        uint64_t before[2] = {f->peer[0].report.media.received, f->peer[1].report.media.received};
        sim_fixture_run(f, 2 * PH_SEC);
        for (int k = 0; k < 2; k++) {
            if (f->peer[k].report.media.received < before[k] + 30)
                fail_msg("seed %u: peer %d hears nothing", (unsigned)seed, k);
        }
        sim_fixture_free(f);
    }
}

/* Two random NATs: the relay, and nothing is sprayed. */
static void test_hopeless(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"random", "random"}, {"random", "cgnat"}};
    for (size_t i = 0; i < 2; i++) {
        struct sim_fixture_config c = {.nat = {pairs[i][0], pairs[i][1]}, .seed = 5};
        struct sim_fixture *f = ready(&c);
        sim_fixture_call(f, 6 * PH_SEC);
        for (int k = 0; k < 2; k++) {
            assert_false(f->peer[k].report.direct);
            assert_true(f->peer[k].report.settled);
            for (int s = PREDICT; s <= BIRTHDAY; s++) {
                const struct ph_stage_report *r = stage(f, k, (enum ph_stage)s);
                assert_int_equal(r->state, PH_STAGE_SKIPPED);
                assert_int_equal(r->packets, 0);
                assert_true(r->reason[0] != '\0');
            }
        }
        sim_fixture_free(f);
    }
}

/* A cone pair pays nothing for the stages that it does not need. */
static void test_cone_pair(void **state)
{
    (void)state;
    ph_ns took[2];
    for (unsigned i = 0; i < 2; i++) {
        unsigned stages = i == 0 ? 0 : 1u << PH_STAGE_PUNCH | 1u << PH_STAGE_RELAY;
        struct sim_fixture_config c = {
            .nat = {"port-restricted", "port-restricted"}, .seed = 9, .stages = {stages, stages}};
        struct sim_fixture *f = ready(&c);
        sim_fixture_call(f, 6 * PH_SEC);
        assert_true(f->peer[0].report.direct && f->peer[1].report.direct);
        took[i] = ph_max_ns(f->peer[0].report.direct_at, f->peer[1].report.direct_at) -
                  f->peer[0].report.started;
        assert_int_equal(stage(f, 0, PREDICT)->state, PH_STAGE_SKIPPED);
        assert_int_equal(stage(f, 0, BIRTHDAY)->packets, 0);
        sim_fixture_free(f);
    }
    assert_int_equal(took[0], took[1]);
}

static void test_switched_off(void **state)
{
    (void)state;
    unsigned stages = 1u << PH_STAGE_PUNCH | 1u << PREDICT | 1u << PH_STAGE_RELAY;
    struct sim_fixture_config c = {
        .nat = {"port-restricted", "random"}, .seed = 3, .stages = {stages, stages}};
    struct sim_fixture *f = ready(&c);
    sim_fixture_call(f, 6 * PH_SEC);
    assert_false(f->peer[0].report.direct);
    assert_string_equal(stage(f, 0, BIRTHDAY)->reason, "switched off");
    assert_int_equal(stage(f, 0, BIRTHDAY)->packets, 0);
    sim_fixture_free(f);
}

static void test_privacy(void **state)
{
    (void)state;
    struct sim_fixture_config c = {
        .nat = {"port-restricted", "sequential"}, .seed = 3, .answer = PH_ANSWER_PRIVACY};
    struct sim_fixture *f = ready(&c);
    sim_fixture_call(f, 4 * PH_SEC);
    for (int k = 0; k < 2; k++) {
        assert_false(f->peer[k].report.direct);
        for (int s = PREDICT; s <= BIRTHDAY; s++)
            assert_string_equal(stage(f, k, (enum ph_stage)s)->reason, "privacy answer");
    }
    assert_false(f->peer[1].call->hard.told);
    sim_fixture_free(f);
}

struct counted {
    struct ph_addr at; /* an IP */
    size_t from;       /* the node whose packets are counted as they leave it */
    size_t packets;    /* to that IP */
    size_t deaf;       /* a node whose packets to `deaf_to` are lost */
    struct ph_addr deaf_to;
};

/* A NAT that draws from a block keeps its checks to itself: they could not pass the peer's filter,
 * and where the peer's router accepts they spoil a port of the block for its guesses. */
static enum sim_verdict count_full(void *user, const struct sim_tap_packet *p);

static void test_block_keeps_quiet(void **state)
{
    (void)state;
    static const struct {
        const char *peer;
        bool quiet;
    } rows[] = {{"port-restricted", true}, {"full-cone", false}};
    for (size_t i = 0; i < 2; i++) {
        struct sim_fixture_config c = {.nat = {rows[i].peer, "block-512"}, .seed = 17};
        struct sim_fixture *f = ready(&c);
        struct ph_addr wan = f->layout.nodes[f->layout.nodes[f->peer[0].node].upstream].wan[0];
        struct counted n = {.at = wan, .from = f->peer[1].node, .deaf = f->peer[0].node};
        n.deaf_to = f->layout.nodes[f->layout.nodes[f->peer[1].node].upstream].wan[0];
        sim_tap(f->world, count_full, &n);
        sim_fixture_call(f, PH_SEC);
        assert_int_equal(n.packets == 0, rows[i].quiet);
        sim_fixture_free(f);
    }
}

/* ---- Hostility */

static enum sim_verdict count(void *user, const struct sim_tap_packet *p)
{
    struct counted *n = user;
    if (p->node != n->from || !ph_addr_ip_eq(&p->dst, &n->at))
        return SIM_PASS;
    n->packets++;
    return SIM_DROP; /* nothing is found: it would go on for ever if it could */
}

/* Those at full TTL, while nothing from the other side gets through. */
static enum sim_verdict count_full(void *user, const struct sim_tap_packet *p)
{
    struct counted *n = user;
    if (p->node == n->deaf)
        return ph_addr_ip_eq(&p->dst, &n->deaf_to) ? SIM_DROP : SIM_PASS;
    return p->ttl > 8 ? count(user, p) : SIM_PASS;
}

/* A call between peers whose own plan is hopeless, so that all that is seen is the hostile one's
 * doing. */
static struct sim_fixture *quiet_call(const char *a, const char *b)
{
    struct sim_fixture_config c = {.nat = {a, b}, .seed = 21};
    struct sim_fixture *f = ready(&c);
    sim_fixture_until_told(f);
    return f;
}

/* The callee claims a random NAT at somebody else's address: the caller would spray it. */
static void test_third_party(void **state)
{
    (void)state;
    struct sim_fixture *f = quiet_call("port-restricted", "random");
    struct counted n = {
        .at = ph_addr_v4(11, 99, 0, 7, 0), .from = f->peer[0].node, .deaf = SIZE_MAX};
    sim_tap(f->world, count, &n);
    struct ph_hard_message m = {.type = PH_HARD_NAT_PROBE, .probe = f->peer[1].call->hard.own};
    m.probe.generation = 1000;
    m.probe.mapping = PH_MAPPING_APDM;
    m.probe.filtering = PH_FILTERING_APDF;
    strcpy(m.probe.allocation, "random");
    m.probe.external = n.at;
    m.probe.external.port = 5000;
    m.probe.final = true;
    assert_null(f->peer[0].call->steering.path);
    sim_peer_say(&f->peer[1], &m);
    struct ph_hard_message start = {.type = PH_HARD_NAT_BIRTHDAY_START};
    memcpy(start.start.call_id, m.probe.call_id, PH_CALL_ID_LEN);
    for (uint16_t i = 0; i < 200; i++) {
        start.start.move = (uint8_t)(1 + i % 4);
        start.start.phase = (uint8_t)(1 + i / 4 % 2);
        start.start.index = (uint16_t)(1 + i % 3);
        start.start.round = (uint16_t)(1 + i / 8);
        start.start.acceptor_port_count = 256;
        sim_peer_say(&f->peer[1], &start);
        sim_fixture_run(f, 20 * PH_MS);
    }
    assert_true(n.packets <= PH_HARD_HANDFUL);
    sim_fixture_free(f);
}

/* A peer that says again and again that it is ready, and never answers, gets no more than the
 * budget. */
static void test_budget(void **state)
{
    (void)state;
    struct sim_fixture *f = quiet_call("port-restricted", "random");
    struct counted n = {.at = f->peer[1].call->hard.own.external, .from = f->peer[0].node};
    n.at.port = 0;
    struct ph_hard_message m = {.type = PH_HARD_NAT_PROBE, .probe = f->peer[1].call->hard.own};
    struct ph_hard_message start = {.type = PH_HARD_NAT_BIRTHDAY_START};
    memcpy(start.start.call_id, m.probe.call_id, PH_CALL_ID_LEN);
    /* It opens nothing itself, so no guess is ever right. */
    ph_hard_fini(&f->peer[1].call->hard);
    sim_tap(f->world, count, &n);
    for (uint16_t i = 0; i < 700; i++) {
        m.probe.generation++;
        m.probe.external.port =
            (uint16_t)(1000 + i); /* other facts, another plan, from the start */
        m.probe.low = (uint16_t)(1024 + i);
        m.probe.probes = m.probe.openers = m.probe.packet_rate = m.probe.burst = 65535;
        if (i % 10 == 0)
            sim_peer_say(&f->peer[1], &m);
        start.start.move = (uint8_t)(1 + i % 4);
        start.start.phase = (uint8_t)(1 + i / 4 % 3);
        start.start.index = (uint16_t)(1 + i % 3);
        start.start.round = (uint16_t)(1 + i / 8);
        sim_peer_say(&f->peer[1], &start);
        sim_fixture_run(f, 20 * PH_MS);
    }
    assert_true(n.packets > 64); /* it did spray */
    /* And the checks of punching, ten to each of a few candidates. */
    assert_true(n.packets <= PH_BUDGET_PROBES + PH_BUDGET_OPENERS + 64);
    assert_true(f->peer[0].call->hard.run.fan.open <= PH_BUDGET_OPENERS);
    sim_fixture_free(f);
}

/* A relay that says that the peer is elsewhere: the peer's word and the relay's differ, so nobody
 * is sprayed. */
static void test_relay_denies(void **state)
{
    (void)state;
    struct sim_fixture *f = quiet_call("port-restricted", "random");
    struct counted n = {.at = f->peer[1].call->hard.own.external, .from = f->peer[0].node};
    n.at.port = 0;
    f->peer[0].call->peer_observed = ph_addr_v4(11, 99, 0, 7, 1);
    sim_tap(f->world, count, &n);
    sim_fixture_run(f, 15 * PH_SEC);
    assert_true(n.packets <= PH_HARD_HANDFUL + 40); /* punching's own checks */
    sim_fixture_free(f);
}

/* An older peer says nothing of its NAT: the stages are skipped, and the call settles. */
static void test_silent_peer(void **state)
{
    (void)state;
    unsigned all = 0, old = 1u << PH_STAGE_PORTMAP | 1u << PH_STAGE_PUNCH | 1u << PH_STAGE_RELAY;
    struct sim_fixture_config c = {
        .nat = {"port-restricted", "random"}, .seed = 4, .stages = {all, old}};
    struct sim_fixture *f = ready(&c);
    sim_fixture_call(f, 10 * PH_SEC);
    assert_true(f->peer[0].report.settled);
    assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
    assert_int_equal(stage(f, 0, BIRTHDAY)->state, PH_STAGE_SKIPPED);
    assert_string_equal(stage(f, 0, BIRTHDAY)->reason, "the peer says nothing of its NAT");
    sim_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joins),        cmocka_unit_test(test_winner_stays),
        cmocka_unit_test(test_each_its_own), cmocka_unit_test(test_hopeless),
        cmocka_unit_test(test_cone_pair),    cmocka_unit_test(test_block_keeps_quiet),
        cmocka_unit_test(test_switched_off), cmocka_unit_test(test_privacy),
        cmocka_unit_test(test_third_party),  cmocka_unit_test(test_budget),
        cmocka_unit_test(test_relay_denies), cmocka_unit_test(test_silent_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
