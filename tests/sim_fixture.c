#include "tests/sim_fixture.h"

#include "call/call.h"
#include "lab/topo/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RELAY_PORT 4433
#define STUN_PORT  3478

static void on_registered(void *user, int err, const struct ph_addr *reflexive)
{
    struct sim_peer *p = user;
    p->registered = err;
    p->reflexive = *reflexive;
}

static void on_call(void *user, struct ph_call *call)
{
    struct sim_peer *p = user;
    p->call = call;
}

void sim_fixture_start_relay(struct sim_fixture *f)
{
    assert_int_equal(ph_relay_new(&f->relay_config, &f->relay), PH_OK);
}

void sim_fixture_kill_relay(struct sim_fixture *f)
{
    ph_relay_free(f->relay);
    f->relay = NULL;
}

static size_t node_of(const struct layout *l, enum topo_runs runs, size_t from)
{
    size_t node = layout_find_host(l, runs, from);
    if (node == SIZE_MAX)
        fail_msg("the topology has no such node");
    return node;
}

struct sim_fixture *sim_fixture_new(const struct sim_fixture_config *config)
{
    struct sim_fixture *f = calloc(1, sizeof(*f));
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct topology topology;
    struct lab_error err;
    assert_non_null(f);
    assert_non_null(spec);
    const char *name = config->topology ? config->topology : "two-nats";
    if (topology_find(name, &topology, &err) != 0 || world_spec_init(spec, &topology, &err) != 0)
        fail_msg("%s", err.text);
    static const char *const nats[2] = {"a", "b"};
    for (int i = 0; i < 2; i++) {
        if (config->nat[i] && world_spec_set_profile(spec, nats[i], config->nat[i], &err) != 0)
            fail_msg("%s", err.text);
    }
    if (config->family && world_spec_set_family(spec, config->family, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < 2; i++) {
        if (config->ipv6[i] &&
            nat_profile_set(&spec->profiles[i], "ipv6", config->ipv6[i], &err) != 0)
            fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < 2; i++) {
        if (config->routers[i])
            world_spec_set_router(spec, i, config->routers[i], config->faults[i]);
    }
    if (world_spec_set_link(spec, config->link ? config->link : "20ms", &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < spec->topology.link_count; i++) {
        spec->topology.links[i].params.up.jitter_ns = config->jitter;
        spec->topology.links[i].params.down.jitter_ns = config->jitter;
    }
    if (layout_compute(spec, &f->layout, &err) != 0 ||
        sim_world_new(&f->layout, config->seed, &f->world, &err) != 0)
        fail_msg("%s", err.text);
    free(spec);

    const struct world_ops *w = f->world->ops;
    f->relay_node = node_of(&f->layout, TOPO_RUNS_RELAY, 0);
    size_t stun_node = node_of(&f->layout, TOPO_RUNS_STUN, 0);
    struct ph_relay_config relay = {.deterministic = true, .region = "test"};
    memset(relay.seed, 7, sizeof(relay.seed));
    assert_int_equal(w->host_new(f->world, f->relay_node, NULL, NULL, &f->relay_host), PH_OK);
    relay.host = f->relay_host;
    relay.listen[0] = f->layout.nodes[f->relay_node].addrs[0];
    relay.listen[0].port = RELAY_PORT;
    f->relay_addr = relay.listen[0];
    if (f->layout.nodes[f->relay_node].addr6_count > 0) {
        relay.listen[1] = f->layout.nodes[f->relay_node].addrs6[0];
        relay.listen[1].port = RELAY_PORT;
        f->relay_addr6 = relay.listen[1];
    }
    if (config->hostile) {
        struct hostile_relay_config hostile = *config->hostile;
        hostile.host = f->relay_host;
        hostile.listen = f->relay_addr;
        f->hostile = hostile_relay_new(&hostile);
    } else {
        f->relay_config = relay;
        sim_fixture_start_relay(f);
    }

    struct ph_addr stun[4 * TOPO_ADDRESSES_MAX];
    size_t stun_count = f->layout.nodes[stun_node].addr_count;
    for (size_t i = 0; i < stun_count; i++) {
        stun[i] = f->layout.nodes[stun_node].addrs[i];
        stun[i].port = STUN_PORT;
        stun[stun_count + i] = stun[i];
        stun[stun_count + i].port = STUN_PORT + 1;
    }
    size_t named = stun_count, served = stun_count * (config->two_ports ? 2 : 1);
    for (size_t i = 0; i < f->layout.nodes[stun_node].addr6_count; i++) {
        stun[served] = f->layout.nodes[stun_node].addrs6[i];
        stun[served++].port = STUN_PORT;
    }
    assert_int_equal(w->host_new(f->world, stun_node, NULL, NULL, &f->stun_host), PH_OK);
    assert_int_equal(ph_stun_server_new(f->stun_host, stun, served, &f->stun), PH_OK);

    for (unsigned i = 0; i < 2; i++) {
        struct sim_peer *p = &f->peer[i];
        p->fixture = f;
        p->node = node_of(&f->layout, TOPO_RUNS_PEER, i == 0 ? 0 : f->peer[0].node + 1);
        p->registered = 1;
        assert_int_equal(w->host_new(f->world, p->node, config->trace, p, &p->host), PH_OK);
        struct ph_agent_config c = {
            .host = p->host,
            .relays = {relay.listen[0], relay.listen[1]},
            .relay_count = ph_addr_is_set(&relay.listen[1]) ? 2 : 1,
            .stages = config->stages[i],
            .answer_mode = config->answer,
            .no_ttl_learning = config->no_ttl_learning,
            .deterministic = true,
            .callbacks = {.on_registered = on_registered,
                          .on_call = on_call,
                          .on_stream = config->on_stream[i]},
            .user = p,
        };
        memset(c.seed, (int)(i + 1), sizeof(c.seed));
        if (!config->no_stun) {
            memcpy(c.stuns, stun, named * sizeof(stun[0]));
            c.stun_count = named;
            for (size_t k = 0; k < f->layout.nodes[stun_node].addr6_count; k++) {
                c.stuns[c.stun_count] = f->layout.nodes[stun_node].addrs6[k];
                c.stuns[c.stun_count++].port = STUN_PORT;
            }
        }
        if (config->dead_stun) {
            c.stuns[c.stun_count] = relay.listen[0];
            c.stuns[c.stun_count++].port = STUN_PORT + 7;
        }
        assert_int_equal(ph_agent_new(&c, &p->agent), PH_OK);
    }
    return f;
}

void sim_fixture_free(struct sim_fixture *f)
{
    for (int i = 0; i < 2; i++) {
        ph_agent_free(f->peer[i].agent);
        f->world->ops->host_free(f->world, f->peer[i].host);
    }
    ph_stun_server_free(f->stun);
    f->world->ops->host_free(f->world, f->stun_host);
    if (f->hostile)
        hostile_relay_free(f->hostile);
    else
        ph_relay_free(f->relay);
    f->world->ops->host_free(f->world, f->relay_host);
    f->world->ops->free(f->world);
    free(f);
}

static bool both_registered(void *user)
{
    struct sim_fixture *f = user;
    return f->peer[0].registered <= 0 && f->peer[1].registered <= 0;
}

void sim_fixture_register(struct sim_fixture *f)
{
    ph_ns limit = f->world->ops->now(f->world) + 10 * PH_SEC;
    assert_true(sim_run_while(f->world, limit, both_registered, f));
    assert_int_equal(f->peer[0].registered, PH_OK);
    assert_int_equal(f->peer[1].registered, PH_OK);
}

void sim_fixture_report(struct sim_fixture *f)
{
    for (int i = 0; i < 2; i++) {
        if (f->peer[i].call)
            ph_call_report(f->peer[i].call, &f->peer[i].report);
    }
}

static bool both_settled(void *user)
{
    struct sim_fixture *f = user;
    sim_fixture_report(f);
    return f->peer[0].report.settled && f->peer[1].report.settled;
}

void sim_fixture_call(struct sim_fixture *f, ph_ns limit)
{
    sim_fixture_dial(f, ph_agent_fingerprint(f->peer[1].agent), limit);
}

void sim_fixture_dial(struct sim_fixture *f, const uint8_t peer[PH_FINGERPRINT_LEN], ph_ns limit)
{
    assert_int_equal(ph_agent_call(f->peer[0].agent, peer, &f->peer[0].call), PH_OK);
    sim_run_while(f->world, f->world->ops->now(f->world) + limit, both_settled, f);
    sim_fixture_report(f);
}

static bool both_told(const struct sim_fixture *f)
{
    for (int k = 0; k < 2; k++) {
        if (!f->peer[k].call || !f->peer[k].call->hard.told || !f->peer[k].call->hard.heard)
            return false;
    }
    return true;
}

void sim_fixture_until_told(struct sim_fixture *f)
{
    const uint8_t *callee = ph_agent_fingerprint(f->peer[1].agent);
    assert_int_equal(ph_agent_call(f->peer[0].agent, callee, &f->peer[0].call), PH_OK);
    for (int i = 0; i < 200 && !both_told(f); i++)
        sim_fixture_run(f, 5 * PH_MS);
    assert_true(both_told(f));
}

void sim_peer_say(struct sim_peer *p, const struct ph_hard_message *m)
{
    uint8_t data[PH_HARD_MESSAGE_MAX];
    int len = ph_hard_encode(m, data, sizeof(data));
    assert_true(len > 0);
    if (!ph_call_established(p->call))
        return;
    assert_int_equal(ph_quic_stream_send(p->call->quic, data, (size_t)len), PH_OK);
    ph_quic_flush(p->call->quic, p->fixture->world->ops->now(p->fixture->world));
}

void sim_fixture_run(struct sim_fixture *f, ph_ns time)
{
    sim_run_until(f->world, f->world->ops->now(f->world) + time);
    sim_fixture_report(f);
}
