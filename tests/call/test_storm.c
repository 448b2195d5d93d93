/* Calls under a storm: for half an hour of virtual time something breaks every five seconds. No
 * call is lost, no state lasts for ever, nothing grows.
 *
 * STORM_SEEDS in the environment: how many storms (default 20). A storm that failed is repeated by
 * STORM_FIRST, its seed, and STORM_SEEDS=1. */
#include "base/rng.h"
#include "call/agent.h"
#include "call/call.h"
#include "lab/world/sim/private.h"
#include "tests/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STORM  (1800 * PH_SEC)
#define FAULTS (5 * PH_SEC)

enum fault {
    CUT_A,    /* the direct path from a */
    CUT_B,    /* from b */
    CUT_BOTH, /* both ways */
    BLACKOUT, /* nothing of one peer's passes */
    REBOOT,   /* a NAT forgets all */
    RESTART,  /* the relay does */
    CHANGE,   /* the system says that the network changed */
    FAULT_KINDS,
};

struct storm {
    struct sim_fixture *f;
    struct ph_rng rng;
    uint64_t seed;
    unsigned cut; /* 1u << of the peer whose direct packets are lost */
    int black;    /* the peer of whom nothing passes; -1: none */
    ph_ns cut_over, black_over, relay_back;
    char last[64]; /* what was done last, for whoever reads of a failure */
};

static void trace(void *user, const char *line)
{
    struct sim_peer *p = user;
    if (getenv("TRACE"))
        fprintf(stderr, "%c %s\n", p == &p->fixture->peer[0] ? 'a' : 'b', line);
}

static size_t nat_of(const struct sim_fixture *f, int k)
{
    return f->layout.nodes[f->peer[k].node].upstream;
}

/* At the peers' own NATs: what goes to the other's, and all of a peer that is in the dark. */
static enum sim_verdict tap(void *user, const struct sim_tap_packet *p)
{
    const struct storm *s = user;
    const struct sim_fixture *f = s->f;
    for (int k = 0; k < 2; k++) {
        const struct ph_addr *own = &f->peer[k].reflexive, *other = &f->peer[1 - k].reflexive;
        bool from = ph_addr_ip_eq(&p->src, own), to = ph_addr_ip_eq(&p->dst, own);
        if (k == s->black && (from || to))
            return SIM_DROP;
        if (s->cut & (1u << k) && from && ph_addr_ip_eq(&p->dst, other))
            return SIM_DROP;
    }
    return SIM_PASS;
}

static void strike(struct storm *s, ph_ns now)
{
    struct sim_fixture *f = s->f;
    enum fault fault = (enum fault)ph_rng_below(&s->rng, FAULT_KINDS);
    int k = (int)ph_rng_below(&s->rng, 2);
    ph_ns lasts = (100 + ph_rng_below(&s->rng, 8000)) * PH_MS;
    switch (fault) {
    case CUT_A:
    case CUT_B:
    case CUT_BOTH:
        s->cut = fault == CUT_BOTH ? 3 : 1u << fault;
        s->cut_over = now + lasts;
        break;
    case BLACKOUT:
        s->black = k;
        s->black_over = now + ph_min_ns(lasts, 2 * PH_SEC);
        break;
    case REBOOT:
        sim_nat_flush(((struct sim *)f->world)->nats[nat_of(f, k)]);
        break;
    case RESTART:
        if (f->relay)
            sim_fixture_kill_relay(f);
        s->relay_back = now + ph_min_ns(lasts, 2 * PH_SEC);
        break;
    case CHANGE:
        f->peer[k].host->endpoint->on_network(f->peer[k].host->endpoint, now);
        break;
    case FAULT_KINDS:
        break;
    }
    snprintf(s->last, sizeof(s->last), "fault %d, peer %d, %.1f s", (int)fault, k,
             ph_ns_to_ms(lasts) / 1e3);
}

static void heal(struct storm *s, ph_ns now)
{
    if (now >= s->cut_over)
        s->cut = 0;
    if (now >= s->black_over)
        s->black = -1;
    if (now >= s->relay_back && !s->f->relay)
        sim_fixture_start_relay(s->f);
}

static size_t open_sockets(const struct sim_fixture *f)
{
    return ((const struct sim *)f->world)->sockets.used;
}

static void check(struct storm *s, ph_ns began, bool over)
{
    struct sim_fixture *f = s->f;
    double at = ph_ns_to_ms(f->world->ops->now(f->world) - began) / 1e3;
    sim_fixture_report(f);
    for (int k = 0; k < 2; k++) {
        const struct ph_call_report *r = &f->peer[k].report;
        if (r->state != PH_CALL_CONNECTED)
            fail_msg("storm %llu: lost at %.1f s by %s (%s)", (unsigned long long)s->seed, at,
                     k ? "the callee" : "the caller", s->last);
        if (over && !r->direct)
            fail_msg("storm %llu: peer %d is not direct again: %s: %s", (unsigned long long)s->seed,
                     k, ph_stage_state_name(r->stages[PH_STAGE_PUNCH].state),
                     r->stages[PH_STAGE_PUNCH].reason);
    }
}

static void run_storm(uint64_t seed)
{
    static const char *const nats[] = {"port-restricted", "port-preserving", "full-cone",
                                       "address-restricted", "open"};
    struct storm s = {.seed = seed, .black = -1, .relay_back = PH_NEVER};
    ph_rng_seed(&s.rng, seed);
    struct sim_fixture_config c = {
        .nat = {nats[ph_rng_below(&s.rng, 5)], nats[ph_rng_below(&s.rng, 4)]},
        .seed = seed,
        .trace = trace};
    s.f = sim_fixture_new(&c);
    sim_fixture_register(s.f);
    sim_tap(s.f->world, tap, &s);
    sim_fixture_call(s.f, 10 * PH_SEC);
    ph_ns began = s.f->world->ops->now(s.f->world), next = began + FAULTS;
    size_t sockets = open_sockets(s.f);
    for (ph_ns now = began; now < began + STORM; now = s.f->world->ops->now(s.f->world)) {
        heal(&s, now);
        if (now >= next) {
            strike(&s, now);
            next += FAULTS;
        }
        sim_fixture_run(s.f, 100 * PH_MS);
        check(&s, began, false);
    }
    s.cut_over = s.black_over = s.relay_back = 0;
    heal(&s, began + STORM);
    sim_fixture_run(s.f, 90 * PH_SEC);
    uint64_t had[2];
    for (int k = 0; k < 2; k++)
        had[k] = s.f->peer[k].report.media.received;
    check(&s, began, true);
    for (int k = 0; k < 2; k++)
        had[k] = s.f->peer[k].report.media.received;
    sim_fixture_run(s.f, PH_SEC);
    sim_fixture_report(s.f);
    for (int k = 0; k < 2; k++) {
        assert_in_range(s.f->peer[k].report.media.received - had[k], 48, 52);
        assert_int_equal(s.f->peer[k].report.media.duplicates, 0);
    }
    assert_in_range(open_sockets(s.f), 0, sockets + 8);
    sim_fixture_free(s.f);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && text[0] ? strtoull(text, NULL, 10) : otherwise;
}

static void test_storms(void **state)
{
    (void)state;
    uint64_t first = number_of("STORM_FIRST", 1), count = number_of("STORM_SEEDS", 20);
    for (uint64_t seed = first; seed < first + count; seed++)
        run_storm(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_storms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
