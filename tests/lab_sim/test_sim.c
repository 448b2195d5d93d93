/* The simulator itself: forwarding, links, repetition. */
#include "lab/world/sim/sim.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two endpoints that count what they get. */
struct sink {
    struct ph_endpoint endpoint;
    struct ph_host *host;
    ph_sock sock;
    size_t got;
    ph_ns last;
    struct ph_addr from;
};

static void sink_in(struct ph_endpoint *ep, ph_ns now, ph_sock sock, const struct ph_datagram *d,
                    size_t n)
{
    struct sink *s = (struct sink *)(void *)ep;
    (void)sock;
    s->got += n;
    s->last = now;
    s->from = d[0].peer;
}

static void sink_timer(struct ph_endpoint *ep, ph_ns now)
{
    (void)ep;
    (void)now;
}

struct net {
    struct layout layout;
    struct world *world;
    struct sink sinks[2];
    struct ph_addr stun;
};

static void net_join(struct net *t)
{
    static const char *const names[2] = {"a", "stun"};
    memset(t->sinks, 0, sizeof(t->sinks));
    for (int i = 0; i < 2; i++) {
        struct sink *s = &t->sinks[i];
        size_t node = layout_find(&t->layout, names[i]);
        struct ph_addr any = ph_addr_v4(0, 0, 0, 0, (uint16_t)(7000 + i));
        s->endpoint = (struct ph_endpoint){.on_datagrams = sink_in, .on_timer = sink_timer};
        assert_int_equal(t->world->ops->host_new(t->world, node, NULL, NULL, &s->host), PH_OK);
        s->host->endpoint = &s->endpoint;
        assert_int_equal(s->host->ops->udp_open(s->host, &any, &s->sock), PH_OK);
        if (i == 1) {
            t->stun = t->layout.nodes[node].addrs[2];
            t->stun.port = 7001;
        }
    }
}

static struct net *net_new(const char *link, uint64_t seed)
{
    struct net *t = calloc(1, sizeof(*t));
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct topology topology;
    struct lab_error err;
    assert_non_null(t);
    assert_non_null(spec);
    if (topology_find("two-nats", &topology, &err) != 0 ||
        world_spec_init(spec, &topology, &err) != 0 || world_spec_set_link(spec, link, &err) != 0 ||
        layout_compute(spec, &t->layout, &err) != 0 ||
        sim_world_new(&t->layout, seed, &t->world, &err) != 0)
        fail_msg("%s", err.text);
    free(spec);
    net_join(t);
    return t;
}

static void net_leave(struct net *t)
{
    for (int i = 0; i < 2; i++)
        t->world->ops->host_free(t->world, t->sinks[i].host);
}

static void net_free(struct net *t)
{
    net_leave(t);
    t->world->ops->free(t->world);
    free(t);
}

static void send_one(struct net *t, uint8_t ttl)
{
    struct ph_datagram d = {
        .peer = t->stun, .data = (const uint8_t *)"hello", .len = 5, .ttl = ttl};
    t->sinks[0].host->ops->udp_send(t->sinks[0].host, t->sinks[0].sock, &d, 1);
}

static void test_delay_and_ttl(void **state)
{
    (void)state;
    struct net *t = net_new("20ms", 1);
    ph_ns start = t->world->ops->now(t->world);
    send_one(t, 0);
    sim_run_until(t->world, start + PH_SEC);
    assert_int_equal(t->sinks[1].got, 1);
    assert_int_equal(t->sinks[1].last - start, 20 * PH_MS);
    assert_true(ph_addr_ip_eq(&t->sinks[1].from,
                              &t->layout.nodes[layout_find(&t->layout, "a.nat")].wan[0]));
    /* Every TTL up to some number dies on the way, every one above it arrives. */
    unsigned first = 0;
    for (uint8_t ttl = 1; ttl < 10; ttl++) {
        size_t before = t->sinks[1].got;
        send_one(t, ttl);
        sim_run_until(t->world, t->world->ops->now(t->world) + PH_SEC);
        bool arrived = t->sinks[1].got > before;
        if (arrived && !first)
            first = ttl;
        assert_true(arrived == (first != 0));
    }
    assert_true(first >= 3);
    net_free(t);
}

static size_t lossy(struct net *t)
{
    for (int i = 0; i < 2000; i++) {
        send_one(t, 0);
        sim_run_until(t->world, t->world->ops->now(t->world) + 10 * PH_MS);
    }
    sim_run_until(t->world, t->world->ops->now(t->world) + PH_SEC);
    return t->sinks[1].got;
}

static size_t arrived_of(uint64_t seed, uint64_t *digest)
{
    struct net *t = net_new("20ms-5%", seed);
    size_t got = lossy(t);
    *digest = sim_digest(t->world);
    net_free(t);
    return got;
}

static void test_loss_is_seeded(void **state)
{
    (void)state;
    uint64_t d1, d2, d3;
    size_t first = arrived_of(5, &d1);
    assert_in_range(first, 1850, 1945); /* 1900 expected, 9.7 is one sigma */
    assert_int_equal(arrived_of(5, &d2), first);
    assert_true(d1 == d2);
    arrived_of(6, &d3);
    assert_true(d1 != d3);
}

/* A world that was used is as a new one of the same seed, packets under way and all. */
static void test_reset(void **state)
{
    struct net *t = net_new("20ms-5%", 6);
    struct lab_error err;
    uint64_t fresh;
    (void)state;
    size_t first = arrived_of(5, &fresh);
    (void)lossy(t);
    send_one(t, 0);
    assert_int_equal(sim_world_reset(t->world, 5, &err), -1); /* its hosts stand in it */
    net_leave(t);
    assert_int_equal(sim_world_reset(t->world, 5, &err), 0);
    net_join(t);
    assert_int_equal(lossy(t), first);
    assert_true(sim_digest(t->world) == fresh);
    net_free(t);
}

static enum sim_verdict pass(void *user, const struct sim_tap_packet *p)
{
    (void)p;
    ++*(size_t *)user;
    return SIM_PASS;
}

/* In one step or hop by hop (a tap makes it so): the same packets at the same times. */
static void test_steps_and_hops(void **state)
{
    static const char *const links[] = {"lan", "20ms", "80ms-1%", "lte", "satellite"};
    (void)state;
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        uint64_t digest[2];
        size_t seen = 0;
        for (int hops = 0; hops < 2; hops++) {
            struct net *t = net_new(links[i], 3);
            if (hops)
                sim_tap(t->world, pass, &seen);
            for (unsigned k = 0; k < 600; k++) {
                send_one(t, (uint8_t)(k % 9));
                if (k % 3 == 0)
                    sim_run_until(t->world, t->world->ops->now(t->world) + PH_MS);
            }
            sim_run_until(t->world, t->world->ops->now(t->world) + 5 * PH_SEC);
            assert_in_range(t->sinks[1].got, 100, 600);
            digest[hops] = sim_digest(t->world);
            net_free(t);
        }
        if (digest[0] != digest[1])
            fail_msg("%s: not the same", links[i]);
        assert_true(seen > 1500);
    }
}

/* Hundreds of sockets on one host, opened and closed in between: each gets what is its own, and an
 * old number is nobody's. */
static void test_many_sockets(void **state)
{
    enum {
        SOCKETS = 600
    };
    static ph_sock socks[SOCKETS];
    struct net *t = net_new("lan", 1);
    struct ph_host *h = t->sinks[1].host;
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);
    (void)state;
    for (unsigned i = 0; i < SOCKETS; i++) {
        any.port = (uint16_t)(20000 + i);
        assert_int_equal(h->ops->udp_open(h, &any, &socks[i]), PH_OK);
    }
    for (unsigned i = 0; i < SOCKETS; i += 2)
        h->ops->udp_close(h, socks[i]);
    for (unsigned i = 0; i < SOCKETS; i++) {
        size_t before = t->sinks[1].got;
        t->stun.port = (uint16_t)(20000 + i);
        send_one(t, 0);
        sim_run_until(t->world, t->world->ops->now(t->world) + PH_MS);
        assert_int_equal(t->sinks[1].got - before, i % 2);
        assert_int_equal(h->ops->udp_local(h, socks[i]).port, i % 2 ? 20000 + i : 0);
    }
    ph_sock again;
    any.port = 0;
    assert_int_equal(h->ops->udp_open(h, &any, &again), PH_OK);
    assert_in_range(h->ops->udp_local(h, again).port, 32768, 60999);
    for (unsigned i = 0; i < SOCKETS; i++)
        assert_int_not_equal(again, socks[i]);
    h->ops->udp_close(h, socks[0]); /* nobody's: nothing happens */
    assert_int_not_equal(h->ops->udp_local(h, again).port, 0);
    net_free(t);
}

/* A host has as many ports of any kind as Linux gives, each once; then it has no more. */
static void test_ports_run_out(void **state)
{
    enum {
        LOW = 32768,
        HIGH = 60999
    };
    static bool seen[HIGH - LOW + 1];
    struct net *t = net_new("lan", 1);
    struct ph_host *h = t->sinks[1].host;
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);
    ph_sock sock, last = 0;
    unsigned opened = 0;
    int rc;
    (void)state;
    while ((rc = h->ops->udp_open(h, &any, &sock)) == PH_OK) {
        uint16_t port = h->ops->udp_local(h, sock).port;
        assert_in_range(port, LOW, HIGH);
        assert_false(seen[port - LOW]);
        seen[port - LOW] = true;
        last = sock;
        opened++;
    }
    assert_int_equal(rc, PH_ERR_SYS);
    assert_in_range(opened, HIGH - LOW, HIGH - LOW + 1); /* the sink's own may be one of them */
    uint16_t freed = h->ops->udp_local(h, last).port;
    h->ops->udp_close(h, last);
    assert_int_equal(h->ops->udp_open(h, &any, &sock), PH_OK);
    assert_int_equal(h->ops->udp_local(h, sock).port, freed);
    net_free(t);
}

static void count_call(void *user)
{
    ++*(int *)user;
}

static void test_slots(void **state)
{
    (void)state;
    struct net *t = net_new("20ms", 1);
    int calls = 0;
    ph_ns now = t->world->ops->now(t->world);
    t->world->ops->at(t->world, now + 10, count_call, &calls);
    t->world->ops->at(t->world, now + 20, count_call, &calls); /* in place of the first */
    sim_run_until(t->world, now + 15);
    assert_int_equal(calls, 0);
    sim_run_until(t->world, now + 20);
    assert_int_equal(calls, 1);
    t->world->ops->at(t->world, now + 30, count_call, &calls);
    t->world->ops->at(t->world, PH_NEVER, count_call, &calls);
    sim_run_until(t->world, now + 100);
    assert_int_equal(calls, 1);
    net_free(t);
}

static void test_network(void **state)
{
    (void)state;
    struct net *t = net_new("20ms", 1);
    struct ph_host *h = t->sinks[0].host;
    const struct layout_node *nat = &t->layout.nodes[layout_find(&t->layout, "a.nat")];
    struct ph_gateway g[PH_GATEWAYS_MAX];
    struct ph_addr own;
    assert_int_equal(h->ops->gateways(h, g, PH_GATEWAYS_MAX), 1);
    assert_true(ph_addr_eq(&g[0].gateway, &nat->ifs[nat->lan_if].addr));
    assert_int_equal(h->ops->local_addrs(h, &own, 1), 1);
    assert_true(ph_addr_eq(&g[0].local, &own));
    assert_int_equal(h->ops->gateways(h, g, 0), 0);
    assert_int_equal(h->ops->watch_network(h, true), PH_OK);
    assert_non_null(h->ops->http_start);
    net_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay_and_ttl), cmocka_unit_test(test_loss_is_seeded),
        cmocka_unit_test(test_reset),         cmocka_unit_test(test_steps_and_hops),
        cmocka_unit_test(test_many_sockets),  cmocka_unit_test(test_ports_run_out),
        cmocka_unit_test(test_slots),         cmocka_unit_test(test_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
