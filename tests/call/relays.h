/* Two peers and up to four relays in the in-memory world, in a header for the tests that share it.
 * All times are virtual. */
#ifndef TESTS_CALL_RELAYS_H
#define TESTS_CALL_RELAYS_H

#include "lab/topo/layout.h"
#include "lab/world/sim/sim.h"
#include "pinhole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RELAYS     4
#define RELAY_PORT 3478
#define PEER_PORT  40000 /* inside and outside: the NATs preserve it */
#define NOBODY     SIZE_MAX

/* Round trips from a peer to the relays: 20, 60, 22 and 24 ms. */
static const char text[] = "name: relays\n"
                           "networks: {internet: {hops: 3}}\n"
                           "nats:\n"
                           "  a: {profile: port-preserving, outside: internet}\n"
                           "  b: {profile: port-preserving, outside: internet}\n"
                           "hosts:\n"
                           "  a: {inside: a, runs: peer}\n"
                           "  b: {inside: b, runs: peer}\n"
                           "  r0: {on: internet, runs: relay}\n"
                           "  r1: {on: internet, runs: relay}\n"
                           "  r2: {on: internet, runs: relay}\n"
                           "  r3: {on: internet, runs: relay}\n"
                           "links:\n"
                           "  access: {between: [nats, internet], delay: 5ms}\n"
                           "  l0: {between: [r0, internet], delay: 5ms}\n"
                           "  l1: {between: [r1, internet], delay: 25ms}\n"
                           "  l2: {between: [r2, internet], delay: 6ms}\n"
                           "  l3: {between: [r3, internet], delay: 7ms}\n";

static const unsigned rtt_ms[RELAYS] = {20, 60, 22, 24};
static const char *const regions[RELAYS] = {"zero", "one", "two", "three"};

struct peer {
    struct fixture *fixture;
    size_t node;
    struct ph_host *host;
    struct ph_agent *agent;
    unsigned told, told_ok;
    int last; /* 1: never told */
    ph_ns told_at;
    struct ph_call *call;
    struct ph_call_report report;
};

struct fixture {
    struct layout layout;
    struct world *world;
    struct {
        size_t node;
        struct ph_host *host;
        struct ph_addr addr;
        struct ph_relay_config config;
        struct ph_relay *relay; /* NULL: dead */
    } relays[RELAYS];
    struct peer peer[2];
};

static inline ph_ns now(const struct fixture *f)
{
    return f->world->ops->now(f->world);
}

static inline void run(struct fixture *f, ph_ns time)
{
    sim_run_until(f->world, now(f) + time);
    for (int i = 0; i < 2; i++) {
        if (f->peer[i].call)
            ph_call_report(f->peer[i].call, &f->peer[i].report);
    }
}

static inline struct fixture *new_fixture(uint64_t seed, ph_ns jitter)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct topology topology;
    struct lab_error err;
    assert_non_null(f);
    assert_non_null(spec);
    if (topology_parse("relays", text, sizeof(text) - 1, &topology, &err) != 0 ||
        world_spec_init(spec, &topology, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < spec->topology.link_count; i++) {
        spec->topology.links[i].params.up.jitter_ns = jitter;
        spec->topology.links[i].params.down.jitter_ns = jitter;
    }
    if (layout_compute(spec, &f->layout, &err) != 0 ||
        sim_world_new(&f->layout, seed, &f->world, &err) != 0)
        fail_msg("%s", err.text);
    free(spec);
    for (size_t i = 0; i < RELAYS; i++) {
        const char name[] = {'r', (char)('0' + i), '\0'};
        f->relays[i].node = layout_find(&f->layout, name);
        f->relays[i].addr = f->layout.nodes[f->relays[i].node].addrs[0];
        f->relays[i].addr.port = RELAY_PORT;
        assert_int_equal(
            f->world->ops->host_new(f->world, f->relays[i].node, NULL, NULL, &f->relays[i].host),
            PH_OK);
        struct ph_relay_config *c = &f->relays[i].config;
        *c = (struct ph_relay_config){.host = f->relays[i].host,
                                      .listen = {f->relays[i].addr},
                                      .deterministic = true,
                                      .seed = {(uint8_t)(90 + i)}};
        memcpy(c->region, regions[i], strlen(regions[i]));
    }
    return f;
}

static inline void start_relay(struct fixture *f, size_t i)
{
    assert_int_equal(ph_relay_new(&f->relays[i].config, &f->relays[i].relay), PH_OK);
}

static inline void kill_relay(struct fixture *f, size_t i)
{
    ph_relay_free(f->relays[i].relay);
    f->relays[i].relay = NULL;
}

/* The ack of relay i names these, as digits. */
static inline void name_others(struct fixture *f, size_t i, const char *others)
{
    struct ph_relay_config *c = &f->relays[i].config;
    for (; *others; others++) {
        size_t k = (size_t)(*others - '0');
        memcpy(c->other_regions[c->other_count], regions[k], strlen(regions[k]));
        c->others[c->other_count++] = f->relays[k].addr;
    }
}

static inline void on_registered(void *user, int err, const struct ph_addr *reflexive)
{
    struct peer *p = user;
    (void)reflexive;
    p->told++;
    p->told_ok += err == PH_OK;
    p->last = err;
    p->told_at = now(p->fixture);
}

static inline void on_call(void *user, struct ph_call *call)
{
    struct peer *p = user;
    p->call = call;
}

/* A peer whose config has these relays, as digits. */
static inline void start_peer(struct fixture *f, int i, const char *relays, unsigned stages)
{
    struct peer *p = &f->peer[i];
    p->fixture = f;
    p->last = 1;
    for (p->node = 0; p->node < f->layout.node_count; p->node++) {
        const struct layout_node *n = &f->layout.nodes[p->node];
        if (n->runs == TOPO_RUNS_PEER && n->name[0] == 'a' + i)
            break;
    }
    assert_int_equal(f->world->ops->host_new(f->world, p->node, NULL, NULL, &p->host), PH_OK);
    struct ph_agent_config c = {
        .host = p->host,
        .stages = stages,
        .bind = {ph_addr_v4(0, 0, 0, 0, PEER_PORT)},
        .no_ttl_learning = true,
        .deterministic = true,
        .callbacks = {.on_registered = on_registered, .on_call = on_call},
        .user = p,
        .seed = {(uint8_t)(i + 1)},
    };
    for (; *relays; relays++)
        c.relays[c.relay_count++] = f->relays[*relays - '0'].addr;
    assert_int_equal(ph_agent_new(&c, &p->agent), PH_OK);
}

static inline void free_fixture(struct fixture *f)
{
    for (int i = 0; i < 2; i++) {
        ph_agent_free(f->peer[i].agent);
        if (f->peer[i].host)
            f->world->ops->host_free(f->world, f->peer[i].host);
    }
    for (size_t i = 0; i < RELAYS; i++) {
        ph_relay_free(f->relays[i].relay);
        f->world->ops->host_free(f->world, f->relays[i].host);
    }
    f->world->ops->free(f->world);
    free(f);
}

/* Which of the relays the peer is registered with, by its own word. */
static inline size_t home_of(const struct fixture *f, int peer)
{
    struct ph_relay_report r[PH_RELAY_REPORTS_MAX];
    size_t n = ph_agent_relays(f->peer[peer].agent, r, PH_RELAY_REPORTS_MAX);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; r[i].in_use && k < RELAYS; k++) {
            if (ph_addr_eq(&r[i].addr, &f->relays[k].addr))
                return k;
        }
    }
    return NOBODY;
}

static inline uint64_t clients(const struct fixture *f, size_t relay)
{
    struct ph_relay_stats s;
    ph_relay_get_stats(f->relays[relay].relay, &s);
    return s.clients;
}

static inline void dial(struct fixture *f)
{
    assert_int_equal(
        ph_agent_call(f->peer[0].agent, ph_agent_fingerprint(f->peer[1].agent), &f->peer[0].call),
        PH_OK);
}

#endif
