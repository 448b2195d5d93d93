/* One look at the network, in the in-memory world: what is reported, when it is over, and that
 * nothing stays behind at the router. */
#include "netcheck/netcheck.h"

#include "base/err.h"
#include "tests/survey_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NATPMP_PORT 5351
#define RELAY_PORT  4433

/* A gateway that speaks NAT-PMP (RFC 6886), read and written by the RFC's offsets. */
struct router {
    struct survey_world *w;
    struct ph_addr gateway; /* where the peer finds it */
    size_t node;
    struct ph_addr external;
    bool deaf_to_deletes;
    uint16_t refusal;
    uint16_t mapped; /* internal port; 0: no mapping */
    unsigned maps, deletes;
};

static void put(uint8_t *p, uint32_t v, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
}

static size_t answer(struct router *r, const uint8_t *in, size_t len, uint8_t out[16])
{
    if (len < 2 || in[0] != 0) { /* PCP: this is a NAT-PMP server alone (RFC 6886 section 3.5) */
        put(out, 0x00800001, 4);
        put(out + 4, 99, 4);
        return 8;
    }
    out[0] = 0;
    out[1] = (uint8_t)(in[1] | 0x80);
    put(out + 2, r->refusal, 2);
    put(out + 4, 100, 4);
    if (in[1] == 0) {
        memcpy(out + 8, r->external.ip, 4);
        return 12;
    }
    uint16_t internal = (uint16_t)(in[4] << 8 | in[5]);
    uint32_t lifetime =
        (uint32_t)in[8] << 24 | (uint32_t)in[9] << 16 | (uint32_t)in[10] << 8 | in[11];
    if (r->refusal != 0)
        return 8;
    memcpy(out + 8, in + 4, 4);
    put(out + 12, lifetime, 4);
    if (lifetime == 0) {
        r->deletes++;
        if (r->deaf_to_deletes)
            return 0;
        r->mapped = 0;
        put(out + 10, 0, 2);
    } else {
        r->maps++;
        r->mapped = internal;
        if (out[10] == 0 && out[11] == 0)
            memcpy(out + 10, in + 4, 2);
    }
    return 16;
}

static enum sim_verdict route(void *user, const struct sim_tap_packet *p)
{
    struct router *r = user;
    uint8_t out[16] = {0};

    if (p->node != r->w->node || !ph_addr_ip_eq(&p->dst, &r->gateway) || p->dst.port != NATPMP_PORT)
        return SIM_PASS;
    size_t len = answer(r, p->data, p->len, out);
    struct ph_addr from = p->dst, to = p->src;
    if (len > 0)
        sim_inject(r->w->world, r->node, &from, &to, out, len);
    return SIM_DROP;
}

static size_t owner_of(const struct layout *l, const struct ph_addr *a)
{
    for (size_t i = 0; i < l->node_count; i++)
        for (size_t k = 0; k < l->nodes[i].if_count; k++)
            if (ph_addr_ip_eq(&l->nodes[i].ifs[k].addr, a))
                return i;
    fail_msg("no node has the gateway's address");
    return SIZE_MAX;
}

static void router_start(struct router *r, struct survey_world *w)
{
    struct ph_gateway g;

    *r = (struct router){.w = w};
    assert_int_equal(w->host->ops->gateways(w->host, &g, 1), 1);
    r->gateway = g.gateway;
    r->node = owner_of(&w->layout, &g.gateway);
    r->external = w->layout.nodes[r->node].wan[0];
    sim_tap(w->world, route, r);
}

/* ---- A netcheck in a world */

struct check {
    struct survey_world *w;
    struct ph_netcheck *n;
    unsigned done;
    ph_ns started, done_at;
    bool free_when_done;
};

static void on_done(void *user)
{
    struct check *c = user;

    c->done++;
    c->done_at = c->w->world->ops->now(c->w->world);
    if (c->free_when_done) {
        ph_netcheck_free(c->n);
        c->n = NULL;
    }
}

static bool is_done(void *user)
{
    return ((struct check *)user)->done > 0;
}

static struct ph_netcheck_config config_of(struct survey_world *w)
{
    struct ph_netcheck_config c = {.host = w->host};

    memcpy(c.stuns, w->server, w->ips * sizeof(w->server[0]));
    c.stun_count = w->ips;
    return c;
}

static void start(struct check *c, struct survey_world *w, const struct ph_netcheck_config *config)
{
    struct ph_netcheck_config mine = *config;

    c->w = w;
    c->n = NULL;
    c->done = 0;
    c->started = w->world->ops->now(w->world);
    mine.done = on_done;
    mine.user = c;
    assert_int_equal(ph_netcheck_new(&mine, &c->n), PH_OK);
    assert_int_equal(c->done, 0);
}

static void run(struct check *c, struct ph_netcheck_report *out)
{
    assert_true(sim_run_while(c->w->world, 200 * PH_SEC, is_done, c));
    ph_netcheck_report(c->n, out);
    assert_int_equal(out->took, c->done_at - c->started);
}

static void test_a_mapping_router(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 1});
    struct ph_netcheck_config config = config_of(w);
    struct ph_netcheck_report r;
    struct router router;
    struct check c = {0};

    (void)state;
    router_start(&router, w);
    start(&c, w, &config);
    run(&c, &r);
    assert_true(r.took < 2800 * PH_MS);
    assert_int_equal(r.ipv4, PH_YES);
    assert_int_equal(r.ipv6, PH_NO);
    assert_int_equal(r.v4.mapping, PH_MAPPING_EIM);
    assert_int_equal(r.v4.filtering, PH_FILTERING_APDF);
    assert_int_equal(r.v4.allocation.type, PH_ALLOCATION_PRESERVING);
    assert_true(r.mapped);
    assert_int_equal(r.mapping.protocol, PH_PORTMAP_NATPMP);
    assert_true(ph_addr_ip_eq(&r.mapping.external, &router.external));
    assert_int_equal(r.mapping.reach, PH_PORTMAP_REACH_PUBLIC);
    assert_int_equal(r.portmap[PH_PORTMAP_NATPMP].said, PH_PORTMAP_RELEASED);
    assert_int_equal(r.double_nat, PH_NO);
    assert_int_equal(r.easy.portmap, PH_CHANCE_GOOD);
    assert_true(router.maps >= 1);
    assert_true(router.deletes >= 1);
    assert_int_equal(router.mapped, 0);
    /* The mapped socket is not the surveyed one: what the router does for a mapping is not what it
     * does. */
    for (size_t i = 0; i < r.v4.sample_count; i++)
        assert_int_not_equal(r.v4.samples[i].mapped.port, r.mapping.internal_port);
    ph_netcheck_free(c.n);
    assert_null(w->host->endpoint);
    survey_world_free(w);
}

static void test_double_nat(void **state)
{
    static const struct {
        struct ph_addr external;
        enum ph_answer want;
    } cases[] = {
        {{.family = PH_AF_V4, .ip = {192, 168, 178, 20}}, PH_YES},
        {{.family = PH_AF_V4, .ip = {100, 64, 3, 4}}, PH_YES},
        {{.family = PH_AF_V4, .ip = {198, 51, 100, 7}}, PH_YES}, /* public, but not what is seen */
        {{0}, PH_NO},                                            /* the router's own */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 1});
        struct ph_netcheck_config config = config_of(w);
        struct ph_netcheck_report r;
        struct router router;
        struct check c = {0};

        router_start(&router, w);
        if (ph_addr_is_set(&cases[i].external))
            router.external = cases[i].external;
        start(&c, w, &config);
        run(&c, &r);
        assert_true(r.mapped);
        assert_int_equal(r.double_nat, cases[i].want);
        assert_int_equal(r.easy.portmap, cases[i].want == PH_YES ? PH_CHANCE_NONE : PH_CHANCE_GOOD);
        assert_int_equal(router.mapped, 0);
        ph_netcheck_free(c.n);
        survey_world_free(w);
    }
}

/* A router that refuses still tells its address; one that says nothing tells nothing. */
static void test_no_mapping(void **state)
{
    (void)state;
    for (int silent = 0; silent < 2; silent++) {
        struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 1});
        struct ph_netcheck_config config = config_of(w);
        struct ph_netcheck_report r;
        struct router router;
        struct check c = {0};

        router_start(&router, w);
        router.refusal = 2; /* not authorized */
        if (silent)
            sim_tap(w->world, NULL, NULL);
        start(&c, w, &config);
        run(&c, &r);
        assert_false(r.mapped);
        assert_int_equal(r.portmap[PH_PORTMAP_NATPMP].said,
                         silent ? PH_PORTMAP_SILENT : PH_PORTMAP_REFUSED);
        assert_int_equal(r.easy.portmap, PH_CHANCE_NONE);
        assert_int_equal(r.easy.punch, PH_CHANCE_GOOD);
        assert_true(r.took <= 2800 * PH_MS);
        assert_int_equal(r.double_nat, PH_ANSWER_UNKNOWN);
        ph_netcheck_free(c.n);
        survey_world_free(w);
    }
}

static void test_without_portmap(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.nat = "random"});
    struct ph_netcheck_config config = config_of(w);
    struct ph_netcheck_report r;
    struct router router;
    struct check c = {0};

    (void)state;
    router_start(&router, w);
    config.no_portmap = true;
    start(&c, w, &config);
    run(&c, &r);
    assert_int_equal(router.maps, 0);
    assert_true(r.took < PH_SEC);
    assert_int_equal(r.v4.mapping, PH_MAPPING_APDM);
    assert_int_equal(r.portmap[PH_PORTMAP_PCP].said, PH_PORTMAP_UNASKED);
    assert_int_equal(r.hard.punch, PH_CHANCE_NONE);
    ph_netcheck_free(c.n);
    survey_world_free(w);
}

/* Freed while it holds a mapping: the router hears a last word. */
static void test_freed_early(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 1});
    struct ph_netcheck_config config = config_of(w);
    struct router router;
    struct check c = {0};

    (void)state;
    router_start(&router, w);
    start(&c, w, &config);
    for (unsigned i = 0; i < 1000 && router.mapped == 0; i++)
        sim_run_until(w->world, c.started + i * PH_MS);
    assert_int_not_equal(router.mapped, 0);
    /* The answer is on its way: at this moment nobody knows yet what the router has done. */
    ph_netcheck_free(c.n);
    sim_run_until(w->world, c.started + 2 * PH_SEC);
    assert_int_equal(router.mapped, 0);
    assert_int_equal(c.done, 0);
    survey_world_free(w);
}

/* A router that takes no delete does not hold it up beyond its time. */
static void test_stubborn_router(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 1});
    struct ph_netcheck_config config = config_of(w);
    struct ph_netcheck_report r;
    struct router router;
    struct check c = {0};

    (void)state;
    router_start(&router, w);
    router.deaf_to_deletes = true;
    start(&c, w, &config);
    run(&c, &r);
    assert_true(r.mapped);
    assert_true(router.deletes >= 2);
    assert_true(r.took <= 2800 * PH_MS);
    ph_netcheck_free(c.n);
    survey_world_free(w);
}

static void test_blocked(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.nat = "udp-blocked"});
    struct ph_netcheck_config config = config_of(w);
    struct ph_netcheck_report r;
    struct check c = {0};

    (void)state;
    start(&c, w, &config);
    run(&c, &r);
    assert_true(r.took >= 2500 * PH_MS && r.took <= 2800 * PH_MS);
    assert_int_equal(r.ipv4, PH_NO);
    assert_int_equal(r.v4.udp, PH_NO);
    assert_int_equal(r.easy.punch, PH_CHANCE_NONE);
    ph_netcheck_free(c.n);

    /* A shorter time is kept to the nanosecond. */
    config.timeout = 1234 * PH_MS;
    ph_ns from = w->world->ops->now(w->world);
    start(&c, w, &config);
    sim_run_until(w->world, from + config.timeout - 1);
    assert_int_equal(c.done, 0);
    sim_run_until(w->world, from + config.timeout);
    assert_int_equal(c.done, 1);
    ph_netcheck_free(c.n);
    survey_world_free(w);
}

/* The nearest first, the silent last, and of equals the one that was given first. */
static void test_relays(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 1});
    struct ph_netcheck_config config = {.host = w->host, .no_portmap = true};
    struct ph_relay_config relay = {.deterministic = true};
    struct ph_netcheck_report r;
    struct ph_host *host;
    struct check c = {0};

    (void)state;
    assert_int_equal(w->world->ops->host_new(w->world, w->relay_node, NULL, NULL, &relay.host),
                     PH_OK);
    relay.listen[0] = w->layout.nodes[w->relay_node].addrs[0];
    relay.listen[0].port = RELAY_PORT;
    host = relay.host;
    struct ph_relay *server;
    assert_int_equal(ph_relay_new(&relay, &server), PH_OK);

    config.relay_count = 4;
    config.relays[0].addr = w->server[0];
    config.relays[0].addr.port = 9; /* nobody */
    config.relays[1].addr = relay.listen[0];
    strcpy(config.relays[1].region, "here");
    config.relays[2].addr = w->server[1];
    config.relays[3].addr = relay.listen[0]; /* again: it is one and the same */
    start(&c, w, &config);
    run(&c, &r);
    assert_int_equal(r.relay_count, 4);
    assert_true(r.relays[0].answered && r.relays[1].answered && r.relays[2].answered);
    assert_true(ph_addr_eq(&r.relays[0].relay.addr, &relay.listen[0]));
    assert_string_equal(r.relays[0].relay.region, "here");
    assert_int_equal(r.relays[0].rtt, 40 * PH_MS);
    assert_false(r.relays[3].answered);
    assert_true(ph_addr_eq(&r.relays[3].relay.addr, &config.relays[0].addr));
    ph_netcheck_free(c.n);
    ph_relay_free(server);
    w->world->ops->host_free(w->world, host);
    survey_world_free(w);
}

/* Nobody to ask, no router: over at once, by an event, and all is unknown; done may free it. */
static void test_nothing_to_do(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 1});
    struct ph_netcheck_config config = {.host = w->host, .no_portmap = true};
    struct check c = {.free_when_done = true};
    struct ph_netcheck_report r;

    (void)state;
    start(&c, w, &config);
    ph_netcheck_report(c.n, &r);
    assert_int_equal(r.ipv4, PH_ANSWER_UNKNOWN);
    assert_int_equal(r.v4.lifetime.less_than, PH_NEVER);
    sim_run_until(w->world, c.started);
    assert_int_equal(c.done, 1);
    assert_null(c.n);
    config.stun_count = PH_SURVEY_SERVERS_MAX + 1;
    assert_int_equal(ph_netcheck_new(&config, &c.n), PH_ERR_INVAL);
    assert_null(w->host->endpoint);
    ph_netcheck_free(NULL);
    survey_world_free(w);
}

/* The time-out is for all but the lifetime. */
static void test_lifetime(void **state)
{
    struct survey_world *w =
        survey_world_new(&(struct survey_world_config){.nat = "short-timeout", .seed = 1});
    struct ph_netcheck_config config = config_of(w);
    struct ph_netcheck_report r;
    struct router router;
    struct check c = {0};

    (void)state;
    router_start(&router, w);
    config.lifetime = true;
    start(&c, w, &config);
    run(&c, &r);
    assert_int_equal(r.v4.lifetime.at_least, 0); /* 10 s for what was no stream */
    assert_int_equal(r.v4.lifetime.less_than, 15 * PH_SEC);
    assert_true(r.took > 180 * PH_SEC && r.took < 190 * PH_SEC);
    assert_true(r.mapped);
    assert_int_equal(router.mapped, 0);
    ph_netcheck_free(c.n);
    survey_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mapping_router), cmocka_unit_test(test_double_nat),
        cmocka_unit_test(test_no_mapping),       cmocka_unit_test(test_without_portmap),
        cmocka_unit_test(test_freed_early),      cmocka_unit_test(test_stubborn_router),
        cmocka_unit_test(test_blocked),          cmocka_unit_test(test_relays),
        cmocka_unit_test(test_nothing_to_do),    cmocka_unit_test(test_lifetime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
