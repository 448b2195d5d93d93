/* A call's network changes under it: it finds its direct path anew. */
#include "call/agent.h"
#include "call/call.h"
#include "lab/world/sim/private.h"
#include "tests/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sim_fixture *connected(const char *a, const char *b)
{
    struct sim_fixture_config c = {.nat = {a, b}, .seed = 5};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    sim_fixture_call(f, 10 * PH_SEC);
    sim_fixture_run(f, PH_SEC);
    sim_fixture_report(f);
    for (int k = 0; k < 2; k++)
        assert_true(f->peer[k].report.direct);
    return f;
}

/* The router before this peer loses all that it knew. */
static void reboot(struct sim_fixture *f, int k)
{
    struct sim *s = (struct sim *)f->world;
    sim_nat_flush(s->nats[f->layout.nodes[f->peer[k].node].upstream]);
}

static void check_direct_again(struct sim_fixture *f, const char *what)
{
    sim_fixture_report(f);
    for (int k = 0; k < 2; k++) {
        const struct ph_call_report *r = &f->peer[k].report;
        if (r->state != PH_CALL_CONNECTED || !r->direct)
            fail_msg("%s: peer %d: state %d, direct %d, %s: %s", what, k, r->state, r->direct,
                     ph_stage_state_name(r->stages[PH_STAGE_PUNCH].state),
                     r->stages[PH_STAGE_PUNCH].reason);
    }
}

/* Where the ports stay, or anybody may come in, nothing is heard of it. */
static void test_reboot(void **state)
{
    (void)state;
    static const struct {
        const char *nat;
        ph_ns gap;
    } rows[] = {
        {"port-preserving", 40 * PH_MS},
        {"full-cone", 40 * PH_MS},
        {"address-restricted", 40 * PH_MS},
        {"port-restricted", 200 * PH_MS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned who = 1; who <= 3; who++) {
            struct sim_fixture *f = connected(rows[i].nat, rows[i].nat);
            char what[64];
            snprintf(what, sizeof(what), "%s, %u", rows[i].nat, who);
            for (int k = 0; k < 2; k++) {
                f->peer[k].call->media.report.max_gap = 0;
                if (who & (1u << k))
                    reboot(f, k);
            }
            sim_fixture_run(f, 10 * PH_SEC);
            check_direct_again(f, what);
            for (int k = 0; k < 2; k++) {
                ph_ns gap = f->peer[k].report.media.max_gap;
                if (gap > rows[i].gap)
                    fail_msg("%s: peer %d heard nothing for %.0f ms", what, k, ph_ns_to_ms(gap));
            }
            sim_fixture_free(f);
        }
    }
}

/* Ports that have to be guessed are guessed again. */
static void test_reboot_of_hard(void **state)
{
    (void)state;
    static const char *const nats[][2] = {
        {"random", "port-preserving"}, {"port-preserving", "sequential"}, {"random", "full-cone"}};
    for (size_t i = 0; i < 3; i++) {
        for (int k = 0; k < 2; k++) {
            struct sim_fixture *f = connected(nats[i][0], nats[i][1]);
            char what[64];
            snprintf(what, sizeof(what), "%s, %s, %d", nats[i][0], nats[i][1], k);
            reboot(f, k);
            sim_fixture_run(f, 40 * PH_SEC);
            check_direct_again(f, what);
            sim_fixture_free(f);
        }
    }
}

/* The system says that the network changed, and it is as it was: nobody hears of it. */
static void test_false_alarm(void **state)
{
    (void)state;
    struct sim_fixture *f = connected("port-preserving", "port-restricted");
    for (int i = 0; i < 6; i++) {
        struct ph_endpoint *ep = f->peer[i % 2].host->endpoint;
        f->peer[i % 2].call->media.report.max_gap = 0;
        ep->on_network(ep, f->world->ops->now(f->world));
        sim_fixture_run(f, 5 * PH_SEC);
        check_direct_again(f, "false alarm");
        assert_in_range(f->peer[i % 2].report.media.max_gap, 0, 21 * PH_MS);
    }
    for (int k = 0; k < 2; k++) {
        const struct ph_call *c = f->peer[k].call;
        assert_int_equal(c->steering.fallbacks, 0);
        assert_in_range(c->renewal.generation, 3, 9);
        assert_int_equal(f->peer[k].report.stages[PH_STAGE_PUNCH].state, PH_STAGE_WON);
    }
    sim_fixture_free(f);
}

/* What a peer may say as often as it likes. */
static void test_hostile_updates(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct sim_fixture *f = connected("port-preserving", "port-preserving");
        struct ph_call *liar = f->peer[1 - k].call, *c = f->peer[k].call;
        uint64_t probes = c->waterfall.stages[PH_STAGE_PUNCH].packets;
        struct ph_signal m = {.type = PH_SIGNAL_CANDIDATE_UPDATE};
        memcpy(m.call_id, liar->id, PH_CALL_ID_LEN);
        for (uint32_t i = 0; i < 200; i++) {
            m.generation = i % 3 == 0 ? UINT32_MAX - 400 + i : i; /* stale ones in between */
            m.answers = i % 2 ? c->renewal.generation : 0;
            m.candidate_count = PH_SIGNAL_CANDIDATES_MAX;
            for (size_t n = 0; n < m.candidate_count; n++)
                m.candidates[n] = (struct ph_candidate){
                    .type = PH_CANDIDATE_HOST,
                    .addr = ph_addr_v4(11, 9, (uint8_t)i, (uint8_t)n, (uint16_t)(2000 + i))};
            assert_int_equal(ph_talk_say(liar, &m), PH_OK);
            sim_fixture_run(f, 50 * PH_MS);
        }
        /* A round in half a second, as many paths as there are places, ten checks each. */
        assert_in_range(c->renewal.generation, 1, 22);
        assert_in_range(c->paths.count, 1, PH_PATHS_MAX);
        assert_in_range(c->waterfall.stages[PH_STAGE_PUNCH].packets - probes, 0,
                        21 * PH_PATHS_MAX * 10);
        sim_fixture_run(f, 5 * PH_SEC);
        check_direct_again(f, "lies");
        assert_int_equal(c->steering.fallbacks, 0);
        sim_fixture_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reboot),
        cmocka_unit_test(test_reboot_of_hard),
        cmocka_unit_test(test_false_alarm),
        cmocka_unit_test(test_hostile_updates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
