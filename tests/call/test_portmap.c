/* The stage portmap in whole calls, in virtual time, with scripted routers: what is offered when,
 * what a call comes to, and what routers hold afterwards. */
#include "call/call.h"
#include "portmap/portmap.h"

#include "tests/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PCP    (1u << PH_PORTMAP_PCP)
#define NATPMP (1u << PH_PORTMAP_NATPMP)
#define UPNP   (1u << PH_PORTMAP_UPNP)
#define ALL    (PCP | NATPMP | UPNP)

static struct ph_addr wan_of(const struct sim_fixture *f, const char *nat)
{
    return f->layout.nodes[layout_find(&f->layout, nat)].wan[0];
}

/* Between the agents' start and the dial: the routers have been asked who they are. */
static struct sim_fixture *ready(const struct sim_fixture_config *c)
{
    struct sim_fixture *f = sim_fixture_new(c);
    sim_fixture_register(f);
    sim_fixture_run(f, 2 * PH_SEC);
    assert_int_equal(sim_mappings(f->world), 0); /* who only asks makes nothing */
    return f;
}

static const struct ph_stage_report *stage(const struct sim_fixture *f, int peer,
                                           enum ph_stage stage)
{
    return &f->peer[peer].report.stages[stage];
}

/* No punch joins two NATs with random ports; a router that maps for either of them does, by
 * whichever protocol, and no later than the exchange of messages takes. */
static void test_joins_hard_pairs(void **state)
{
    (void)state;
    static const struct {
        unsigned routers[2];
        double stage_ms; /* at most */
    } rows[] = {
        {{PCP, 0}, 10},  {{NATPMP, 0}, 10}, {{UPNP, 0}, 40},  {{ALL, 0}, 10},    {{0, PCP}, 10},
        {{0, UPNP}, 40}, {{0, ALL}, 10},    {{ALL, ALL}, 10}, {{PCP, UPNP}, 40},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_fixture_config c = {.nat = {"random", "random"},
                                       .routers = {rows[i].routers[0], rows[i].routers[1]},
                                       .seed = 11 + i};
        struct sim_fixture *f = ready(&c);
        sim_fixture_call(f, 20 * PH_SEC);
        for (int k = 0; k < 2; k++) {
            const struct ph_call_report *r = &f->peer[k].report;
            if (!r->direct || r->stage != PH_STAGE_PORTMAP)
                fail_msg("row %zu, peer %d: direct %d, stage %s", i, k, r->direct,
                         ph_stage_name(r->stage));
            assert_int_equal(stage(f, k, PH_STAGE_PORTMAP)->state, PH_STAGE_WON);
            assert_int_equal(stage(f, k, PH_STAGE_PUNCH)->state, PH_STAGE_BEATEN);
            if (!c.routers[k])
                continue;
            const struct ph_stage_report *s = stage(f, k, PH_STAGE_PORTMAP);
            assert_true(ph_ns_to_ms(s->end - s->start) <= rows[i].stage_ms);
            struct ph_mapping m;
            assert_true(ph_agent_mapping(f->peer[k].agent, &m));
            assert_int_equal(m.reach, PH_PORTMAP_REACH_PUBLIC);
        }
        const struct ph_call_report *a = &f->peer[0].report;
        if (ph_ns_to_ms(a->direct_at - a->started) > 165 + rows[i].stage_ms)
            fail_msg("row %zu: direct after %.1f ms", i, ph_ns_to_ms(a->direct_at - a->started));
        sim_fixture_free(f);
    }
}

/* What the router is asked is counted as the stage's: nothing else has gone out by then. */
static void test_counts_what_the_router_is_asked(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"random", "random"}, .routers = {PCP, 0}, .seed = 13};
    struct sim_fixture *f = ready(&c);
    assert_int_equal(
        ph_agent_call(f->peer[0].agent, ph_agent_fingerprint(f->peer[1].agent), &f->peer[0].call),
        PH_OK);
    sim_fixture_run(f, 5 * PH_MS);
    const struct ph_stage_report *s = stage(f, 0, PH_STAGE_PORTMAP);
    assert_int_equal(s->state, PH_STAGE_RUNNING);
    assert_true(s->end != PH_NEVER); /* the mapping is there */
    assert_true(s->packets >= 1 && s->bytes >= 60);
    assert_int_equal(s->probes + s->openers, 0);
    sim_fixture_free(f);
}

/* The peer of one that is mapped sends to the mapped address, which its offer names. */
static void test_the_mapped_address_is_used(void **state)
{
    (void)state;
    for (int mapped = 0; mapped < 2; mapped++) {
        struct sim_fixture_config c = {.nat = {"random", "random"}, .seed = 3};
        c.routers[mapped] = ALL;
        struct sim_fixture *f = ready(&c);
        sim_fixture_call(f, 20 * PH_SEC);
        struct ph_mapping m;
        struct ph_addr wan = wan_of(f, mapped == 0 ? "a.nat" : "b.nat");
        assert_true(ph_agent_mapping(f->peer[mapped].agent, &m));
        assert_true(ph_addr_ip_eq(&m.external, &wan));
        assert_true(ph_addr_eq(&f->peer[!mapped].report.remote, &m.external));
        assert_int_equal(sim_mappings(f->world), 1);
        sim_fixture_free(f);
    }
}

/* Where no router answers a call is as fast as without the stage, to the nanosecond. */
static void test_costs_nothing_without_a_router(void **state)
{
    (void)state;
    const unsigned without = ((1u << PH_STAGE_COUNT) - 1) & ~(1u << PH_STAGE_PORTMAP);
    static const char *const pairs[][2] = {
        {"port-preserving", "port-restricted"}, {"random", "random"}, {"full-cone", "random"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        ph_ns media[2], direct[2];
        for (int on = 0; on < 2; on++) {
            struct sim_fixture_config c = {.nat = {pairs[i][0], pairs[i][1]}, .seed = 5};
            c.stages[0] = c.stages[1] = on ? 0 : without;
            struct sim_fixture *f = ready(&c);
            sim_fixture_call(f, 20 * PH_SEC);
            const struct ph_call_report *r = &f->peer[0].report;
            media[on] = r->media_at - r->started;
            direct[on] = r->direct_at == PH_NEVER ? PH_NEVER : r->direct_at - r->started;
            assert_int_equal(stage(f, 0, PH_STAGE_PORTMAP)->state, PH_STAGE_SKIPPED);
            assert_string_equal(stage(f, 0, PH_STAGE_PORTMAP)->reason,
                                on ? "no router answers" : "switched off");
            sim_fixture_free(f);
        }
        assert_int_equal(media[0], media[1]);
        assert_int_equal(direct[0], direct[1]);
    }
}

/* A router whose first packets are lost gives its mapping after the offer is out: it follows as a
 * candidate, and the offer has not waited for longer than it may. */
static void test_late_mapping(void **state)
{
    (void)state;
    struct sim_fixture_config c = {
        .nat = {"random", "random"}, .routers = {PCP, 0}, .faults = {"first-lost"}, .seed = 9};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    sim_fixture_call(f, 20 * PH_SEC);
    const struct ph_call_report *a = &f->peer[0].report;
    assert_true(a->direct);
    assert_int_equal(a->stage, PH_STAGE_PORTMAP);
    assert_true(a->media_at - a->started < 200 * PH_MS); /* by the relay, meanwhile */
    assert_true(a->direct_at > a->media_at);
    sim_fixture_free(f);
}

/* A privacy answer: the callee's router is never asked, and nothing leads to it. */
static void test_privacy(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"port-preserving", "full-cone"},
                                   .routers = {0, ALL},
                                   .answer = PH_ANSWER_PRIVACY,
                                   .seed = 4};
    struct sim_fixture *f = ready(&c);
    struct ph_mapping m;
    sim_fixture_call(f, 20 * PH_SEC);
    for (int i = 0; i < 50; i++) {
        sim_fixture_run(f, 100 * PH_MS);
        assert_int_equal(sim_mappings(f->world), 0);
    }
    for (int k = 0; k < 2; k++) {
        assert_int_equal(f->peer[k].report.state, PH_CALL_CONNECTED);
        assert_false(f->peer[k].report.direct);
        assert_int_equal(stage(f, k, PH_STAGE_PORTMAP)->state, PH_STAGE_SKIPPED);
        assert_string_equal(stage(f, k, PH_STAGE_PORTMAP)->reason, "privacy answer");
        assert_false(ph_agent_mapping(f->peer[k].agent, &m));
    }
    sim_fixture_free(f);
}

/* A home router that maps behind a carrier that does not: its word is an address that nobody can
 * reach. It is known for what it is, offered as a guess, and the call goes by the relay. */
static void test_double_nat(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"cgnat", "random"}, .routers = {ALL, 0}, .seed = 6};
    struct sim_fixture *f = ready(&c);
    struct ph_mapping m;
    sim_fixture_call(f, 20 * PH_SEC);
    assert_true(ph_agent_mapping(f->peer[0].agent, &m));
    assert_int_equal(m.reach, PH_PORTMAP_REACH_DOUBLE);
    assert_true(ph_addr_is_private(&m.external));
    /* What the world sees with the mapped port: the last thing that the peer tries. */
    const struct ph_addr *told = &f->peer[0].call->portmap.told;
    assert_true(ph_addr_ip_eq(told, &f->peer[0].reflexive));
    assert_int_equal(told->port, m.external.port);
    const struct ph_path *guess =
        ph_path_find(&f->peer[1].call->paths, &(struct ph_source){.addr = *told});
    assert_non_null(guess);
    assert_int_equal(guess->type, PH_CANDIDATE_PREDICTED);
    assert_false(f->peer[0].report.direct);
    assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
    assert_int_equal(stage(f, 0, PH_STAGE_PORTMAP)->state, PH_STAGE_LOST);
    sim_fixture_free(f);
}

/* What a router gave goes back: a while after the last call, or at once when the agent closes. */
static void test_gives_back(void **state)
{
    (void)state;
    static const unsigned protocols[] = {PCP, NATPMP, UPNP, ALL};
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        for (int closes = 0; closes < 2; closes++) {
            struct sim_fixture_config c = {
                .nat = {"random", "random"}, .routers = {protocols[i], 0}, .seed = 8};
            struct sim_fixture *f = ready(&c);
            sim_fixture_call(f, 20 * PH_SEC);
            assert_int_equal(sim_mappings(f->world), 1);
            if (closes) {
                ph_agent_close(f->peer[0].agent);
                assert_false(ph_agent_closed(f->peer[0].agent));
                sim_fixture_run(f, PH_SEC);
                assert_true(ph_agent_closed(f->peer[0].agent));
                assert_int_equal(
                    ph_agent_call(f->peer[0].agent, ph_agent_fingerprint(f->peer[1].agent), NULL),
                    PH_ERR_AGAIN);
            } else {
                ph_call_hangup(f->peer[0].call);
                sim_fixture_run(f, 29 * PH_SEC);
                assert_int_equal(sim_mappings(f->world), 1); /* the next call may want it */
                sim_fixture_run(f, 3 * PH_SEC);
            }
            assert_int_equal(sim_mappings(f->world), 0);
            sim_fixture_free(f);
        }
    }
}

/* With punching off the mapping alone is offered, and is enough; with both off nothing is direct.
 */
static void test_alone(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++) {
        struct sim_fixture_config c = {
            .nat = {"full-cone", "full-cone"}, .routers = {PCP, 0}, .seed = 12};
        c.stages[0] = c.stages[1] = 1u << PH_STAGE_RELAY | (on ? 1u << PH_STAGE_PORTMAP : 0);
        struct sim_fixture *f = ready(&c);
        sim_fixture_call(f, 20 * PH_SEC);
        assert_int_equal(f->peer[0].report.direct, on);
        assert_int_equal(f->peer[1].report.direct, on);
        assert_int_equal(f->peer[0].report.stage, on ? PH_STAGE_PORTMAP : PH_STAGE_RELAY);
        assert_int_equal(stage(f, 0, PH_STAGE_PUNCH)->state, PH_STAGE_SKIPPED);
        sim_fixture_free(f);
    }
}

/* What the survey found is there to be asked for. */
static void test_the_agent_knows_its_nat(void **state)
{
    (void)state;
    static const struct {
        const char *nat;
        enum ph_mapping_behaviour mapping;
        enum ph_filtering_behaviour filtering;
        enum ph_allocation_type allocation;
    } rows[] = {
        {"port-preserving", PH_MAPPING_EIM, PH_FILTERING_APDF, PH_ALLOCATION_PRESERVING},
        {"full-cone", PH_MAPPING_EIM, PH_FILTERING_EIF, PH_ALLOCATION_PRESERVING},
        {"sequential-2", PH_MAPPING_APDM, PH_FILTERING_APDF, PH_ALLOCATION_SEQUENTIAL},
        {"random", PH_MAPPING_APDM, PH_FILTERING_APDF, PH_ALLOCATION_RANDOM},
        {"open", PH_MAPPING_NONE, PH_FILTERING_EIF, PH_ALLOCATION_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_fixture_config c = {.nat = {rows[i].nat, "open"}, .seed = 2, .two_ports = true};
        struct sim_fixture *f = ready(&c);
        struct ph_nat_facts facts;
        sim_fixture_run(f, 2 * PH_SEC);
        ph_agent_nat(f->peer[0].agent, &facts);
        if (facts.mapping != rows[i].mapping || facts.filtering != rows[i].filtering ||
            facts.allocation.type != rows[i].allocation)
            fail_msg("%s: %s, %s, %s", rows[i].nat, ph_mapping_behaviour_name(facts.mapping),
                     ph_filtering_behaviour_name(facts.filtering),
                     ph_allocation_type_name(facts.allocation.type));
        sim_fixture_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joins_hard_pairs),
        cmocka_unit_test(test_counts_what_the_router_is_asked),
        cmocka_unit_test(test_the_mapped_address_is_used),
        cmocka_unit_test(test_costs_nothing_without_a_router),
        cmocka_unit_test(test_late_mapping),
        cmocka_unit_test(test_privacy),
        cmocka_unit_test(test_double_nat),
        cmocka_unit_test(test_gives_back),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_the_agent_knows_its_nat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
