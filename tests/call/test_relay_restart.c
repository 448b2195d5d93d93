/* A relayed call whose relay is restarted, or whose NAT gives a peer another port: it goes on, and
 * how soon is bounded by round trips. All times are virtual. */
#include "lab/world/sim/private.h"
#include "tests/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every link of a peer is 20 ms, each way: from a peer to the relay 20, from peer to peer 40. */
#define ONE_WAY (20 * PH_MS)
#define FRAME   (20 * PH_MS) /* of media */

static ph_ns now(const struct sim_fixture *f)
{
    return f->world->ops->now(f->world);
}

static struct sim_fixture *relayed_call(const char *nat, uint64_t seed)
{
    const struct sim_fixture_config config = {
        .nat = {nat, nat},
        .stages = {1u << PH_STAGE_RELAY, 1u << PH_STAGE_RELAY},
        .no_ttl_learning = true,
        .seed = seed,
    };
    struct sim_fixture *f = sim_fixture_new(&config);
    sim_fixture_register(f);
    sim_fixture_call(f, 5 * PH_SEC);
    sim_fixture_run(f, 2 * PH_SEC);
    assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
    assert_int_equal(f->peer[1].report.state, PH_CALL_CONNECTED);
    return f;
}

/* How long from now until frames come in at both ends again; PH_NEVER: not within the limit. What
 * the relay has sent already is on its way meanwhile. */
static ph_ns until_both_hear(struct sim_fixture *f, ph_ns limit)
{
    ph_ns began = now(f);
    sim_fixture_run(f, ONE_WAY + PH_MS);
    uint64_t had[2] = {f->peer[0].report.media.received, f->peer[1].report.media.received};
    while (now(f) < began + limit) {
        sim_fixture_run(f, PH_MS);
        if (f->peer[0].report.media.received > had[0] && f->peer[1].report.media.received > had[1])
            return now(f) - began;
    }
    return PH_NEVER;
}

static void still_running(struct sim_fixture *f)
{
    for (int i = 0; i < 2; i++) {
        const struct sim_peer *p = &f->peer[i];
        uint64_t had = p->report.media.received;
        sim_fixture_run(f, 60 * PH_SEC);
        assert_int_equal(p->report.state, PH_CALL_CONNECTED);
        assert_in_range(p->report.media.received - had, 60 * 50 - 5, 60 * 50 + 5);
    }
}

/* Down for a moment, and for longer, at every phase of a keep-alive. The call's own connection
 * fills its congestion window when nothing comes back for about a second, and then asks ever more
 * rarely: from there on the peers wait for its next probe, and not for the relay. */
static void test_restart(void **state)
{
    (void)state;
    /* A frame's turn and its way, the notice, the question, the reset; the Initial, the Retry, the
     * handshake, the registration: six round trips; the call's resumption, a frame's turn, and the
     * way to the other peer. */
    const ph_ns soonest = 2 * FRAME + 12 * ONE_WAY + 2 * ONE_WAY + 4 * PH_MS;
    static const ph_ns downs[] = {0, 10 * PH_MS, 150 * PH_MS, 500 * PH_MS, 3 * PH_SEC};
    for (size_t i = 0; i < sizeof(downs) / sizeof(downs[0]); i++) {
        for (unsigned phase = 0; phase < 5; phase++) {
            struct sim_fixture *f = relayed_call(NULL, 10 * i + phase);
            sim_fixture_run(f, phase * 1037 * PH_MS);
            sim_fixture_kill_relay(f);
            sim_fixture_run(f, downs[i]);
            sim_fixture_start_relay(f);
            ph_ns took = until_both_hear(f, 10 * PH_SEC);
            if (took > soonest + (downs[i] < PH_SEC ? 0 : 2 * downs[i]))
                fail_msg("down for %.0f ms: flows after %.1f ms", ph_ns_to_ms(downs[i]),
                         ph_ns_to_ms(took));
            still_running(f);
            struct ph_relay_stats stats;
            ph_relay_get_stats(f->relay, &stats);
            assert_int_equal(stats.sessions, 1);
            assert_int_equal(stats.resumes, 1);
            sim_fixture_free(f);
        }
    }
}

/* With what the process before it has left, the relay goes on at once: the gap is the time that it
 * was down, and a frame's turn. */
static void test_restart_with_state(void **state)
{
    (void)state;
    static const ph_ns downs[] = {0, 10 * PH_MS, 50 * PH_MS};
    for (size_t i = 0; i < sizeof(downs) / sizeof(downs[0]); i++) {
        struct sim_fixture *f = relayed_call("port-restricted", 40 + i);
        struct ph_relay_stats stats;
        uint8_t *bytes;
        size_t len;
        assert_int_equal(ph_relay_export(f->relay, 1000, &bytes, &len), PH_OK);
        sim_fixture_kill_relay(f);
        sim_fixture_run(f, downs[i]);
        sim_fixture_start_relay(f);
        assert_int_equal(ph_relay_import(f->relay, 1000, bytes, len), 1);
        free(bytes);
        still_running(f);
        for (int k = 0; k < 2; k++)
            assert_true(f->peer[k].report.media.max_gap <= downs[i] + 2 * FRAME);
        ph_relay_get_stats(f->relay, &stats);
        assert_int_equal(stats.clients, 2);
        assert_int_equal(stats.returns, 2);
        assert_int_equal(stats.resumes + stats.notices, 0);
        sim_fixture_free(f);
    }
}

/* With another identity the relay cannot say that it knows the connection no more: then its silence
 * does, in a second and a few round trips. */
static void test_restart_with_another_identity(void **state)
{
    (void)state;
    struct sim_fixture *f = relayed_call(NULL, 1);
    sim_fixture_kill_relay(f);
    memset(f->relay_config.seed, 99, sizeof(f->relay_config.seed));
    sim_fixture_start_relay(f);
    ph_ns took = until_both_hear(f, 10 * PH_SEC);
    if (took > 3 * PH_SEC)
        fail_msg("flows after %.1f ms", ph_ns_to_ms(took));
    still_running(f);
    sim_fixture_free(f);
}

/* The NAT of one peer, or of both, forgets everything and draws other ports. */
static void test_rebinding(void **state)
{
    (void)state;
    for (unsigned which = 1; which < 4; which++) {
        struct sim_fixture *f = relayed_call("random", 20 + which);
        struct sim *sim = (struct sim *)(void *)f->world;
        struct ph_relay_stats before, after;
        size_t nats = 0;
        ph_relay_get_stats(f->relay, &before);
        for (size_t i = 0; i < f->layout.node_count; i++) {
            if (sim->nats[i] && which & 1u << nats++)
                sim_nat_reset(sim->nats[i], 1000 + i);
        }
        assert_int_equal(nats, 2);
        /* A frame's turn and its way, the notice, the question: and the next frame passes. */
        ph_ns took = until_both_hear(f, 10 * PH_SEC);
        if (took > 2 * FRAME + 3 * ONE_WAY + 2 * ONE_WAY + 4 * PH_MS)
            fail_msg("NATs %u: flows after %.1f ms", which, ph_ns_to_ms(took));
        still_running(f);
        ph_relay_get_stats(f->relay, &after);
        assert_true(after.notices > before.notices);
        assert_int_equal(after.resets, 0);
        sim_fixture_free(f);
    }
}

/* A direct call has the relay back for its signalling, too. */
static void test_direct_call(void **state)
{
    (void)state;
    const struct sim_fixture_config config = {.no_ttl_learning = true, .seed = 5};
    struct sim_fixture *f = sim_fixture_new(&config);
    sim_fixture_register(f);
    sim_fixture_call(f, 5 * PH_SEC);
    assert_true(f->peer[0].report.direct && f->peer[1].report.direct);
    sim_fixture_run(f, 10 * PH_SEC);
    sim_fixture_kill_relay(f);
    sim_fixture_start_relay(f);
    sim_fixture_run(f, 12 * PH_SEC);
    struct ph_relay_stats stats;
    ph_relay_get_stats(f->relay, &stats);
    assert_int_equal(stats.clients, 2);
    assert_int_equal(stats.sessions, 1);
    assert_int_equal(stats.resumes, 1);
    assert_true(f->peer[0].report.direct && f->peer[1].report.direct);
    assert_true(f->peer[0].report.media.max_gap < 100 * PH_MS);
    ph_call_hangup(f->peer[0].call);
    sim_fixture_run(f, PH_SEC);
    ph_relay_get_stats(f->relay, &stats);
    assert_int_equal(stats.sessions, 0);
    sim_fixture_free(f);
}

/* Notices and resets that somebody else makes up end nothing. */
static void test_forged_notices(void **state)
{
    (void)state;
    struct sim_fixture *f = relayed_call("open", 30);
    struct ph_relay_stats stats;
    for (int round = 0; round < 200; round++) {
        uint8_t notice[9] = {0x22}, reset[40];
        struct ph_addr peer = f->peer[0].reflexive;
        memset(reset, 0x40 + round % 64, sizeof(reset));
        memset(notice + 1, round, 8);
        sim_inject(f->world, f->relay_node, &f->relay_addr, &peer, notice, sizeof(notice));
        sim_inject(f->world, f->relay_node, &f->relay_addr, &peer, reset, sizeof(reset));
        sim_fixture_run(f, 10 * PH_MS);
    }
    still_running(f);
    assert_true(f->peer[0].report.media.max_gap < 100 * PH_MS);
    ph_relay_get_stats(f->relay, &stats);
    assert_int_equal(stats.returns + stats.resumes, 0);
    sim_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_restart_with_state),
        cmocka_unit_test(test_restart_with_another_identity),
        cmocka_unit_test(test_rebinding),
        cmocka_unit_test(test_direct_call),
        cmocka_unit_test(test_forged_notices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
