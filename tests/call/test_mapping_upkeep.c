/* What an agent does about its mapping when nothing happens, when much does, and at the end. */
#include "call/agent.h"
#include "call/call.h"
#include "lab/router/fault.h"
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

static struct sim_fixture *ready(const struct sim_fixture_config *c)
{
    struct sim_fixture *f = sim_fixture_new(c);
    sim_fixture_register(f);
    sim_fixture_run(f, 2 * PH_SEC);
    return f;
}

/* ---- Counting */

/* Stands before an agent, and counts its deadlines. */
struct counter {
    struct ph_endpoint ep; /* first */
    struct ph_endpoint *agent;
    unsigned timers;
};

static struct ph_endpoint *behind(struct ph_endpoint *ep)
{
    return ((struct counter *)ep)->agent;
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    behind(ep)->on_datagrams(behind(ep), now, sock, in, n);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    ((struct counter *)ep)->timers++;
    behind(ep)->on_timer(behind(ep), now);
}

static void on_http(struct ph_endpoint *ep, ph_ns now, ph_http id, const struct ph_http_answer *a)
{
    behind(ep)->on_http(behind(ep), now, id, a);
}

static void on_network(struct ph_endpoint *ep, ph_ns now)
{
    behind(ep)->on_network(behind(ep), now);
}

static void count(struct counter *c, struct ph_host *host)
{
    *c = (struct counter){{on_datagrams, on_timer, on_http, on_network}, host->endpoint, 0};
    host->endpoint = &c->ep;
}

/* What goes to routers from the first peer, and whether they get it. */
struct asked {
    const struct sim_fixture *fixture;
    unsigned packets;
    bool deaf;
};

static enum sim_verdict on_packet(void *user, const struct sim_tap_packet *p)
{
    struct asked *a = user;
    bool asks = p->dst.port == 5351 || p->dst.port == 1900;
    if (asks && p->node == a->fixture->peer[0].node)
        a->packets++;
    return asks && a->deaf ? SIM_DROP : SIM_PASS;
}

static void listen_in(struct asked *a, struct sim_fixture *f)
{
    *a = (struct asked){.fixture = f};
    sim_tap(f->world, on_packet, a);
}

/* ---- */

static void hang_up(struct sim_fixture *f)
{
    ph_call_hangup(f->peer[0].call);
    ph_call_release(f->peer[0].call);
    f->peer[0].call = NULL;
}

/* In ten minutes without a call, after one, an agent wakes for its registration's keep-alive; for
 * its mapping it neither wakes nor asks anybody. */
static void test_idle(void **state)
{
    (void)state;
    static const struct {
        unsigned routers;
        const char *fault;
    } rows[] = {{PCP, NULL},
                {NATPMP, NULL},
                {UPNP, NULL},
                {ALL, NULL},
                {0, NULL},
                {PCP, "not-authorized"},
                {NATPMP, "not-authorized"},
                {UPNP, "slow-drip"},
                {ALL, "epoch-reset"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_fixture_config c = {
            .nat = {"random", "random"}, .routers = {rows[i].routers, 0}, .seed = 20 + i};
        if (rows[i].fault && !fault_find(rows[i].fault))
            fail_msg("no fault %s", rows[i].fault);
        c.faults[0] = rows[i].fault;
        struct sim_fixture *f = ready(&c);
        struct asked asked;
        struct counter counter;
        sim_fixture_call(f, 20 * PH_SEC);
        hang_up(f);
        sim_fixture_run(f, 40 * PH_SEC);
        listen_in(&asked, f);
        count(&counter, f->peer[0].host);
        sim_fixture_run(f, 600 * PH_SEC);
        assert_int_equal(sim_mappings(f->world), 0);
        if (asked.packets > 0 || counter.timers > 600)
            fail_msg("row %zu: %u questions, %u deadlines", i, asked.packets, counter.timers);
        f->peer[0].host->endpoint = counter.agent;
        sim_fixture_free(f);
    }
}

/* A call without media, kept for ten minutes. */
static void test_idle_call(void **state)
{
    (void)state;
    static const unsigned routers[] = {PCP, NATPMP, UPNP, 0};
    for (size_t i = 0; i < sizeof(routers) / sizeof(routers[0]); i++) {
        struct sim_fixture_config c = {
            .nat = {"random", "random"}, .routers = {routers[i], 0}, .seed = 40 + i};
        struct sim_fixture *f = ready(&c);
        struct asked asked;
        struct counter counter;
        sim_fixture_call(f, 20 * PH_SEC);
        ph_call_media_stop(f->peer[0].call);
        ph_call_media_stop(f->peer[1].call);
        sim_fixture_run(f, 5 * PH_SEC);
        listen_in(&asked, f);
        count(&counter, f->peer[0].host);
        sim_fixture_run(f, 600 * PH_SEC);
        if (asked.packets > 30 || counter.timers > 2400)
            fail_msg("row %zu: %u questions, %u deadlines", i, asked.packets, counter.timers);
        sim_fixture_report(f);
        assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
        f->peer[0].host->endpoint = counter.agent;
        sim_fixture_free(f);
    }
}

/* A second ends everything, whenever it comes and whatever the router is like. */
static void test_close_in_time(void **state)
{
    (void)state;
    static const ph_ns after[] = {0, PH_MS, 20 * PH_MS, 100 * PH_MS, 30500 * PH_MS};
    size_t n;
    const struct fault *faults = fault_list(&n);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof(after) / sizeof(after[0]); k++) {
            struct sim_fixture_config c = {.nat = {"random", "random"},
                                           .routers = {faults[i].protocols, 0},
                                           .faults = {faults[i].name},
                                           .seed = 7};
            struct sim_fixture *f = ready(&c);
            bool linger = after[k] > PH_SEC;
            sim_fixture_call(f, linger ? 10 * PH_SEC : after[k]);
            if (linger) {
                ph_call_hangup(f->peer[0].call);
                sim_fixture_run(f, after[k]);
            }
            ph_agent_close(f->peer[0].agent);
            sim_fixture_run(f, PH_SEC);
            if (!ph_agent_closed(f->peer[0].agent))
                fail_msg("%s, closed %g ms later: not in a second", faults[i].name,
                         ph_ns_to_ms(after[k]));
            sim_fixture_free(f);
        }
    }
}

/* Who was not there when the agent started is found later, and no call waits for that. */
static void test_router_that_comes_late(void **state)
{
    (void)state;
    /* The first of each question is lost at the router, those after it on the way. */
    struct sim_fixture_config c = {.nat = {"random", "random"},
                                   .routers = {PCP | NATPMP, 0},
                                   .faults = {"first-lost"},
                                   .seed = 51};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct asked asked;
    listen_in(&asked, f);
    asked.deaf = true;
    sim_fixture_register(f);
    sim_fixture_run(f, 3 * PH_SEC);
    asked.deaf = false;
    static const struct {
        ph_ns later;
        bool asks, maps;
    } rows[] = {{0, false, false}, {60 * PH_SEC, true, false}, {3 * PH_SEC, true, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sim_fixture_run(f, rows[i].later);
        asked.packets = 0;
        sim_fixture_call(f, 10 * PH_SEC);
        assert_int_equal(asked.packets > 0, rows[i].asks);
        assert_int_equal(f->peer[0].report.direct, rows[i].maps);
        assert_int_equal(f->peer[0].report.stages[PH_STAGE_PORTMAP].state,
                         rows[i].maps ? PH_STAGE_WON : PH_STAGE_SKIPPED);
        hang_up(f);
    }
    sim_fixture_free(f);
}

/* From now on the router's answers name the next port. */
static enum sim_verdict other_port(void *user, const struct sim_tap_packet *p)
{
    (void)user;
    size_t at = p->len == 60 ? 42 : 10; /* of PCP and of NAT-PMP */
    if (p->src.port == 5351 && p->len > at + 2 && p->data[1] == 129)
        p->data[at] ^= 1;
    return SIM_PASS;
}

/* A renewal brings another port in the middle of a call: the peer is told. */
static void test_told_again(void **state)
{
    (void)state;
    static const unsigned protocols[] = {PCP, NATPMP};
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        struct sim_fixture_config c = {.nat = {"full-cone", "full-cone"},
                                       .routers = {protocols[i], 0},
                                       .faults = {"short-lifetime"},
                                       .seed = 9};
        struct sim_fixture *f = ready(&c);
        struct ph_mapping m;
        sim_fixture_call(f, 20 * PH_SEC);
        struct ph_addr told = f->peer[0].call->portmap.told;
        assert_true(ph_addr_is_set(&told));
        sim_tap(f->world, other_port, NULL);
        sim_fixture_run(f, 3 * PH_SEC);
        assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
        assert_true(ph_agent_mapping(f->peer[0].agent, &m));
        assert_false(ph_addr_eq(&told, &m.external));
        assert_true(ph_addr_eq(&f->peer[0].call->portmap.told, &m.external));
        sim_fixture_free(f);
    }
}

/* Two calls share one mapping, and the last of them keeps it. */
static void test_two_calls(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"random", "random"}, .routers = {ALL, 0}, .seed = 14};
    struct sim_fixture *f = ready(&c);
    struct ph_call *calls[2];
    struct ph_call_report r;
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            ph_agent_call(f->peer[0].agent, ph_agent_fingerprint(f->peer[1].agent), &calls[i]),
            PH_OK);
    sim_fixture_run(f, 5 * PH_SEC);
    assert_int_equal(sim_mappings(f->world), 1);
    for (int i = 0; i < 2; i++) {
        ph_call_report(calls[i], &r);
        assert_true(r.direct);
        assert_int_equal(r.stage, PH_STAGE_PORTMAP);
    }
    ph_call_hangup(calls[0]);
    sim_fixture_run(f, 60 * PH_SEC);
    assert_int_equal(sim_mappings(f->world), 1);
    ph_call_report(calls[1], &r);
    assert_int_equal(r.state, PH_CALL_CONNECTED);
    ph_call_hangup(calls[1]);
    sim_fixture_run(f, 32 * PH_SEC);
    assert_int_equal(sim_mappings(f->world), 0);
    sim_fixture_free(f);
}

/* The network changes, or is said to, again and again: in a call, while its TTL is being learnt,
 * and in between. */
static void test_network_changes(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        struct sim_fixture_config c = {.nat = {"port-preserving", "random"},
                                       .routers = {ALL, 0},
                                       .two_ports = true,
                                       .seed = 31};
        struct sim_fixture *f = sim_fixture_new(&c);
        struct ph_host *h = f->peer[0].host;
        for (unsigned i = 0; early && i < 20; i++) {
            sim_fixture_run(f, 35 * PH_MS);
            h->endpoint->on_network(h->endpoint, ph_host_now(h));
        }
        sim_fixture_register(f);
        sim_fixture_run(f, 2 * PH_SEC);
        sim_fixture_call(f, 20 * PH_SEC);
        assert_true(f->peer[0].report.direct);
        for (unsigned i = 0; i < 100; i++) {
            sim_fixture_run(f, 50 * PH_MS);
            h->endpoint->on_network(h->endpoint, ph_host_now(h));
        }
        sim_fixture_run(f, 5 * PH_SEC);
        sim_fixture_report(f);
        assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
        assert_int_equal(sim_mappings(f->world), 1);
        struct ph_nat_facts facts;
        ph_agent_nat(f->peer[0].agent, &facts);
        assert_int_equal(facts.mapping, PH_MAPPING_EIM);
        sim_fixture_free(f);
    }
}

/* Addresses of networks that we have left are not offered any more, nor do they take the place of
 * new ones; and the TTL of openers is learnt anew. */
static void test_what_was_left_is_forgotten(void **state)
{
    (void)state;
    struct sim_fixture_config c = {
        .nat = {"port-preserving", "random"}, .two_ports = true, .seed = 32};
    struct sim_fixture *f = ready(&c);
    struct ph_agent *a = f->peer[0].agent;
    struct ph_host *h = f->peer[0].host;
    struct ph_candidate_set before = a->candidates;
    uint8_t ttl = ph_agent_opener_ttl(a);
    assert_int_equal(a->opener.state, PH_OPENER_LEARNT);
    for (uint8_t i = 0; i < PH_SIGNAL_CANDIDATES_MAX; i++) {
        struct ph_addr old = ph_addr_v4(10, 99, 0, i, 4000);
        ph_candidate_add(&a->candidates, PH_CANDIDATE_HOST, &old);
    }
    h->endpoint->on_network(h->endpoint, ph_host_now(h));
    h->endpoint->on_network(h->endpoint, ph_host_now(h)); /* while it learns */
    sim_fixture_run(f, 2 * PH_SEC);
    assert_int_equal(a->opener.state, PH_OPENER_LEARNT);
    assert_int_equal(ph_agent_opener_ttl(a), ttl);
    sim_fixture_call(f, 10 * PH_SEC);
    assert_int_equal(a->candidates.count, before.count);
    for (size_t i = 0; i < before.count; i++)
        assert_non_null(
            ph_candidate_find(a->candidates.items, a->candidates.count, &before.items[i].addr));
    sim_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_idle_call),
        cmocka_unit_test(test_close_in_time),
        cmocka_unit_test(test_router_that_comes_late),
        cmocka_unit_test(test_told_again),
        cmocka_unit_test(test_two_calls),
        cmocka_unit_test(test_network_changes),
        cmocka_unit_test(test_what_was_left_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
