/* The simulator itself: NAT models, forwarding, links, repetition. */
#include "lab/world/sim/nat.h"
#include "lab/world/sim/sim.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct ph_addr wan = {.family = PH_AF_V4, .ip = {11, 0, 0, 1}};

static struct sim_nat *nat_of(const char *profile)
{
    struct nat_profile p;
    struct lab_error err;
    struct sim_nat *n;
    if (nat_profile_find(profile, &p, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(sim_nat_new(&p, &wan, 99, &n), PH_OK);
    return n;
}

static struct ph_addr out(struct sim_nat *n, ph_ns now, struct ph_addr src, struct ph_addr dst)
{
    assert_true(sim_nat_outbound(n, now, &src, &dst));
    return src;
}

static bool in(struct sim_nat *n, ph_ns now, struct ph_addr src, struct ph_addr dst)
{
    return sim_nat_inbound(n, now, &src, &dst);
}

static void test_mapping_and_filtering(void **state)
{
    (void)state;
    static const struct {
        const char *profile;
        bool same_for_other_port, same_for_other_host; /* the outside port */
        bool lets_other_port, lets_other_host;         /* in, to the first mapping */
    } rows[] = {
        {"full-cone", true, true, true, true},
        {"address-restricted", true, true, true, false},
        {"port-restricted", true, true, false, false},
        {"random", false, false, false, false},
        {"sequential", false, false, false, false},
    };
    struct ph_addr inside = ph_addr_v4(10, 0, 0, 2, 40000);
    struct ph_addr x = ph_addr_v4(11, 1, 0, 1, 100), x2 = ph_addr_v4(11, 1, 0, 1, 101);
    struct ph_addr y = ph_addr_v4(11, 2, 0, 1, 100), z = ph_addr_v4(11, 3, 0, 1, 100);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_nat *n = nat_of(rows[i].profile);
        struct ph_addr first = out(n, PH_SEC, inside, x);
        assert_true(in(n, PH_SEC, x, first));
        assert_true(in(n, PH_SEC, x2, first) == rows[i].lets_other_port);
        assert_true(in(n, PH_SEC, z, first) == rows[i].lets_other_host);
        struct ph_addr other_port = out(n, PH_SEC, inside, x2);
        struct ph_addr other_host = out(n, PH_SEC, inside, y);
        assert_true(ph_addr_eq(&other_port, &first) == rows[i].same_for_other_port);
        assert_true(ph_addr_eq(&other_host, &first) == rows[i].same_for_other_host);
        assert_true(ph_addr_ip_eq(&first, &wan));
        struct ph_addr back = first;
        assert_true(sim_nat_inbound(n, PH_SEC, &x, &back));
        assert_true(ph_addr_eq(&back, &inside));
        sim_nat_free(n);
    }
}

static void test_sequential_steps(void **state)
{
    (void)state;
    static const struct {
        const char *profile;
        int step;
    } rows[] = {{"sequential", 1}, {"sequential-2", 2}, {"sequential-down", -1}};
    struct ph_addr inside = ph_addr_v4(10, 0, 0, 2, 40000);
    for (size_t i = 0; i < 3; i++) {
        struct sim_nat *n = nat_of(rows[i].profile);
        int last = 0;
        for (uint16_t k = 0; k < 5; k++) {
            int port = out(n, PH_SEC, inside, ph_addr_v4(11, 1, 0, 1, (uint16_t)(100 + k))).port;
            if (k > 0)
                assert_int_equal(port - last, rows[i].step);
            last = port;
        }
        sim_nat_free(n);
    }
}

static void test_timeout_and_clash(void **state)
{
    (void)state;
    struct sim_nat *n = nat_of("port-restricted");
    struct ph_addr a = ph_addr_v4(10, 0, 0, 2, 40000), b = ph_addr_v4(10, 0, 0, 3, 40000);
    struct ph_addr x = ph_addr_v4(11, 1, 0, 1, 100);
    struct ph_addr pa = out(n, PH_SEC, a, x), pb = out(n, PH_SEC, b, x);
    assert_false(ph_addr_eq(&pa, &pb)); /* two hosts on one port */
    assert_int_equal(sim_nat_mappings(n), 2);
    /* 30 s after the last packet it is gone; a reply would have made it 120. */
    assert_true(in(n, 30 * PH_SEC, x, pa));
    assert_false(in(n, 31 * PH_SEC, x, pb));
    assert_true(in(n, 149 * PH_SEC, x, pa));
    assert_false(in(n, 269 * PH_SEC, x, pa));
    sim_nat_flush(n);
    assert_int_equal(sim_nat_mappings(n), 0);
    sim_nat_free(n);
}

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
    static const char *const names[2] = {"a", "stun"};
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
    return t;
}

static void net_free(struct net *t)
{
    for (int i = 0; i < 2; i++)
        t->world->ops->host_free(t->world, t->sinks[i].host);
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

static size_t arrived_of(uint64_t seed, uint64_t *digest)
{
    struct net *t = net_new("20ms-5%", seed);
    for (int i = 0; i < 2000; i++) {
        send_one(t, 0);
        sim_run_until(t->world, t->world->ops->now(t->world) + 10 * PH_MS);
    }
    sim_run_until(t->world, t->world->ops->now(t->world) + PH_SEC);
    size_t got = t->sinks[1].got;
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
        cmocka_unit_test(test_mapping_and_filtering),
        cmocka_unit_test(test_sequential_steps),
        cmocka_unit_test(test_timeout_and_clash),
        cmocka_unit_test(test_delay_and_ttl),
        cmocka_unit_test(test_loss_is_seeded),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
