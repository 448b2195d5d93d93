/* Calls of peers that have IPv6, IPv4 or both, and which of their addresses are of what use. */
#include "call/agent.h"
#include "netcheck/netcheck.h"
#include "path/table.h"
#include "tests/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct sim_fixture *call(const struct sim_fixture_config *c)
{
    struct sim_fixture *f = sim_fixture_new(c);
    sim_fixture_register(f);
    sim_fixture_call(f, 15 * PH_SEC);
    return f;
}

static void assert_connected(const struct sim_fixture *f)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(f->peer[i].report.state, PH_CALL_CONNECTED);
        assert_true(f->peer[i].report.media_at != PH_NEVER);
    }
}

/* The family of the direct path of both; NONE: the relay carries the call. */
static void assert_path(const struct sim_fixture *f, enum ph_family family)
{
    assert_connected(f);
    for (int i = 0; i < 2; i++) {
        const struct ph_call_report *r = &f->peer[i].report;
        assert_int_equal(r->direct, family != PH_AF_NONE);
        assert_int_equal(r->remote.family, family);
        assert_int_equal(r->local.family, family);
    }
}

static ph_ns to_direct(const struct sim_fixture *f)
{
    ph_ns a = f->peer[0].report.direct_at, b = f->peer[1].report.direct_at;
    assert_true(a != PH_NEVER && b != PH_NEVER);
    return ph_max_ns(a, b) - f->peer[0].report.started;
}

static void test_v6_to_v6(void **state)
{
    (void)state;
    static const char *const nats[] = {"open", "firewall", "port-preserving", "random"};
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++) {
            struct sim_fixture_config c = {
                .nat = {nats[i], nats[k]}, .family = "v6", .seed = 10 * i + k};
            struct sim_fixture *f = call(&c);
            assert_path(f, PH_AF_V6);
            assert_int_equal(to_direct(f), 160 * PH_MS);
            sim_fixture_free(f);
        }
    }
}

static void test_v6_wins_of_both(void **state)
{
    (void)state;
    static const char *const nats[] = {"firewall", "port-preserving", "random"};
    for (size_t i = 0; i < 3; i++) {
        struct sim_fixture_config c = {.nat = {nats[i], nats[i]}, .family = "dual", .seed = 20 + i};
        struct sim_fixture *f = call(&c);
        assert_path(f, PH_AF_V6);
        assert_true(ph_addr_eq(&f->peer[0].report.relay, &f->relay_addr6));
        assert_int_equal(to_direct(f), 160 * PH_MS);
        sim_fixture_free(f);
    }
}

static ph_ns registered_after(const struct sim_fixture_config *c)
{
    struct sim_fixture *f = sim_fixture_new(c);
    ph_ns begun = f->world->ops->now(f->world);
    sim_fixture_register(f);
    ph_ns took = f->world->ops->now(f->world) - begun;
    sim_fixture_free(f);
    return took;
}

/* Also where everybody is farther away than the head start is long. */
static void test_far_and_blackholed(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"open", "open"}, .link = "400ms", .seed = 120};
    ph_ns registration = registered_after(&c);
    c.family = "dual";
    assert_true(registered_after(&c) <= registration + 250 * PH_MS);
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    sim_fixture_run(f, 30 * PH_SEC);
    for (int i = 0; i < 2; i++) /* and what works stays */
        assert_int_equal(f->peer[i].agent->presence.home->relay.family, PH_AF_V6);
    sim_fixture_free(f);
    c.ipv6[0] = c.ipv6[1] = "block";
    assert_true(registered_after(&c) <= registration + 250 * PH_MS);
    f = sim_fixture_new(&c);
    sim_fixture_register(f);
    sim_fixture_run(f, 30 * PH_SEC);
    struct ph_relay_stats stats;
    ph_relay_get_stats(f->relay, &stats);
    assert_int_equal(stats.clients, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(ph_agent_registered(f->peer[i].agent));
        assert_int_equal(f->peer[i].agent->presence.home->relay.family, PH_AF_V4);
    }
    sim_fixture_call(f, 20 * PH_SEC);
    assert_path(f, PH_AF_V4);
    sim_fixture_free(f);
}

/* IPv6 that leads nowhere costs the registration less than a head start of 250 ms (RFC 8305 section
 * 5), and the call nothing. */
static void test_v6_is_blackholed(void **state)
{
    (void)state;
    static const char *const blocked[][2] = {{"block", NULL}, {NULL, "block"}, {"block", "block"}};
    struct sim_fixture_config v4 = {.nat = {"open", "open"}, .seed = 30};
    ph_ns registration = registered_after(&v4);
    for (size_t i = 0; i < 3; i++) {
        struct sim_fixture_config c = {.nat = {"open", "open"},
                                       .family = "dual",
                                       .ipv6 = {blocked[i][0], blocked[i][1]},
                                       .seed = 31 + i};
        assert_true(registered_after(&c) <= registration + 250 * PH_MS);
        struct sim_fixture *f = call(&c);
        assert_path(f, PH_AF_V4);
        assert_int_equal(to_direct(f), 160 * PH_MS);
        /* Each by the family that works for it. */
        for (int k = 0; k < 2; k++)
            assert_int_equal(f->peer[k].report.relay.family, blocked[i][k] ? PH_AF_V4 : PH_AF_V6);
        sim_fixture_free(f);
    }
}

static void test_one_has_v6_the_other_v4(void **state)
{
    (void)state;
    static const char *const families[] = {"v6-v4", "v4-v6"};
    for (size_t i = 0; i < 2; i++) {
        struct sim_fixture_config c = {
            .nat = {"open", "open"}, .family = families[i], .seed = 40 + i};
        struct sim_fixture *f = call(&c);
        assert_path(f, PH_AF_NONE);
        sim_fixture_run(f, PH_SEC);
        for (int k = 0; k < 2; k++) {
            assert_true(f->peer[k].report.media.received > 40);
            /* Nobody tries what he has no socket for, and all that could be tried is over. */
            assert_true(f->peer[k].report.settled);
            assert_int_equal(f->peer[k].report.stages[PH_STAGE_BIRTHDAY].openers, 0);
        }
        sim_fixture_free(f);
    }
}

static void test_both_and_one(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        enum ph_family path;
    } rows[] = {
        {"dual-v4", PH_AF_V4}, {"v4-dual", PH_AF_V4}, {"dual-v6", PH_AF_V6}, {"v6-dual", PH_AF_V6}};
    for (size_t i = 0; i < 4; i++) {
        struct sim_fixture_config c = {.family = rows[i].family, .seed = 50 + i};
        struct sim_fixture *f = call(&c);
        assert_path(f, rows[i].path);
        assert_int_equal(to_direct(f), 160 * PH_MS);
        sim_fixture_free(f);
    }
}

/* Ports are guessed at an IP that the relay has seen the peer at: also where that is registered by
 * IPv6, and its IPv4 address is the one that counts. */
static void test_guessing_at_the_other_family(void **state)
{
    (void)state;
    static const char *const families[] = {"dual-v4", "v4-dual", "nat64-v4"};
    for (size_t i = 0; i < 3; i++) {
        for (int k = 0; k < 2; k++) {
            struct sim_fixture_config c = {
                .nat = {k ? "port-restricted" : "random", k ? "random" : "port-restricted"},
                .family = families[i],
                .seed = 100 + 2 * i + (size_t)k};
            struct sim_fixture *f = call(&c);
            assert_path(f, PH_AF_V4);
            assert_int_equal(f->peer[0].report.stage, PH_STAGE_BIRTHDAY);
            sim_fixture_free(f);
        }
    }
}

/* Behind a NAT64 a host has the IPv4 of that, and is behind it as behind any NAT. */
static void test_nat64(void **state)
{
    (void)state;
    static const struct {
        const char *nat, *other, *family;
        enum ph_family a, b; /* of the path, as either sees it */
    } rows[] = {
        {"port-preserving", "port-preserving", "nat64-v4", PH_AF_V4, PH_AF_V4},
        {"port-restricted", "full-cone", "nat64-v4", PH_AF_V4, PH_AF_V4},
        {"random", "full-cone", "nat64-v4", PH_AF_V4, PH_AF_V4},
        {"random", "random", "nat64-v4", PH_AF_NONE, PH_AF_NONE},
        {"port-preserving", "port-preserving", "v4-nat64", PH_AF_V4, PH_AF_V4},
        {"random", "random", "nat64-dual", PH_AF_V6, PH_AF_V6},
        {"random", "random", "nat64-nat64", PH_AF_V6, PH_AF_V6},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_fixture_config c = {
            .nat = {rows[i].nat, rows[i].other}, .family = rows[i].family, .seed = 80 + i};
        struct sim_fixture *f = call(&c);
        assert_connected(f);
        assert_int_equal(f->peer[0].report.remote.family, rows[i].a);
        assert_int_equal(f->peer[1].report.remote.family, rows[i].b);
        sim_fixture_free(f);
    }
}

/* A relay that has IPv4 alone is reached through it, and what it sees is the caller's candidate. */
static void test_nat64_to_a_relay_of_ipv4(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.family = "nat64-v4", .seed = 90};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct ph_host *host;
    struct ph_agent *agent;
    sim_fixture_register(f);
    assert_int_equal(f->world->ops->host_new(f->world, f->peer[0].node, NULL, NULL, &host), PH_OK);
    struct ph_agent_config config = {
        .host = host, .relays = {f->relay_addr}, .relay_count = 1, .deterministic = true};
    memset(config.seed, 77, sizeof(config.seed));
    assert_int_equal(ph_agent_new(&config, &agent), PH_OK);
    sim_fixture_run(f, 5 * PH_SEC);
    assert_true(ph_agent_registered(agent));
    const struct ph_addr *observed = &agent->presence.home->observed;
    const struct layout_node *nat = &f->layout.nodes[layout_find(&f->layout, "a.nat")];
    assert_true(ph_addr_ip_eq(observed, &nat->wan[0]));
    assert_non_null(ph_candidate_find(agent->candidates.items, agent->candidates.count, observed));
    /* Its own end of the translation is told to nobody. */
    for (size_t i = 0; i < agent->candidates.count; i++)
        assert_false(ph_addr_is_of_translator(&agent->candidates.items[i].addr));
    ph_agent_free(agent);
    f->world->ops->host_free(f->world, host);
    sim_fixture_free(f);
}

static void on_done(void *user)
{
    *(bool *)user = true;
}

/* A look at the network from there says so. */
static void test_netcheck_behind_nat64(void **state)
{
    (void)state;
    struct sim_fixture_config c = {
        .nat = {"port-restricted", NULL}, .family = "nat64-v4", .seed = 91};
    struct sim_fixture *f = sim_fixture_new(&c);
    const struct layout_node *nat = &f->layout.nodes[layout_find(&f->layout, "a.nat")];
    struct ph_netcheck_config config = {
        .relays = {{.addr = f->relay_addr}, {.addr = f->relay_addr6}},
        .relay_count = 2,
        .no_portmap = true,
        .done = on_done};
    struct ph_netcheck_report r;
    struct ph_netcheck *n;
    bool done = false;
    config.user = &done;
    assert_int_equal(f->world->ops->host_new(f->world, f->peer[0].node, NULL, NULL, &config.host),
                     PH_OK);
    assert_int_equal(ph_netcheck_new(&config, &n), PH_OK);
    sim_fixture_run(f, 4 * PH_SEC);
    assert_true(done);
    ph_netcheck_report(n, &r);
    assert_true(r.nat64);
    assert_int_equal(r.ipv4, PH_YES);
    assert_int_equal(r.ipv6, PH_YES);
    assert_true(ph_addr_ip_eq(&r.v4.reflexive, &nat->wan[0]));
    assert_int_equal(r.v6.mapping, PH_MAPPING_NONE);
    assert_true(r.relays[0].answered && r.relays[1].answered);
    ph_netcheck_free(n);
    f->world->ops->host_free(f->world, config.host);
    sim_fixture_free(f);
}

/* A relay's other address is no other relay to look for somebody at. */
static void test_relay_is_met_once(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.family = "dual", .seed = 60};
    struct sim_fixture *f = sim_fixture_new(&c);
    uint8_t nobody[PH_FINGERPRINT_LEN] = {1};
    struct ph_relay_stats stats;
    sim_fixture_register(f);
    sim_fixture_dial(f, nobody, 15 * PH_SEC);
    assert_int_equal(f->peer[0].report.state, PH_CALL_ENDED);
    assert_int_equal(f->peer[0].report.error, PH_ERR_NOENT);
    assert_true(ph_agent_registered(f->peer[0].agent));
    ph_relay_get_stats(f->relay, &stats);
    assert_int_equal(stats.clients, 2);
    sim_fixture_free(f);
}

static size_t (*all_addrs)(struct ph_host *h, struct ph_addr *out, size_t cap);

/* Those of IPv6 alone. */
static size_t v6_addrs(struct ph_host *h, struct ph_addr *out, size_t cap)
{
    size_t n = all_addrs(h, out, cap), kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (out[i].family == PH_AF_V6)
            out[kept++] = out[i];
    }
    return kept;
}

/* A family that comes later has its socket then, its relays, its survey and its candidates. */
static void test_ipv4_comes_later(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.family = "dual", .seed = 110};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct ph_host *host;
    struct ph_agent *agent;
    assert_int_equal(f->world->ops->host_new(f->world, f->peer[0].node, NULL, NULL, &host), PH_OK);
    const struct ph_host_ops *whole = host->ops;
    struct ph_host_ops part = *whole;
    all_addrs = whole->local_addrs;
    part.local_addrs = v6_addrs;
    host->ops = &part;
    struct ph_agent_config config = {.host = host,
                                     .relays = {f->relay_addr, f->relay_addr6},
                                     .relay_count = 2,
                                     .deterministic = true};
    memset(config.seed, 78, sizeof(config.seed));
    assert_int_equal(ph_agent_new(&config, &agent), PH_OK);
    sim_fixture_run(f, 3 * PH_SEC);
    assert_true(ph_agent_registered(agent));
    assert_int_equal(ph_agent_families(agent), 1u << PH_AF_V6);
    assert_int_equal(agent->presence.map.count, 1);
    struct ph_mapper *of_v6 = agent->network.mapper;
    host->ops = whole;
    host->endpoint->on_network(host->endpoint, f->world->ops->now(f->world));
    sim_fixture_run(f, 3 * PH_SEC);
    assert_int_equal(ph_agent_families(agent), 1u << PH_AF_V4 | 1u << PH_AF_V6);
    assert_int_equal(agent->presence.map.count, 2);
    assert_true(ph_agent_registered(agent));
    assert_ptr_equal(agent->network.mapper6, of_v6);
    assert_ptr_not_equal(agent->network.mapper, of_v6);
    struct ph_addr reflexive = ph_agent_reflexive(agent, PH_AF_V4);
    assert_true(ph_addr_is_set(&reflexive));
    ph_agent_free(agent);
    f->world->ops->host_free(f->world, host);
    sim_fixture_free(f);
}

static struct ph_addr addr(const char *text)
{
    struct ph_addr a;
    assert_int_equal(ph_addr_parse(text, &a), PH_OK);
    return a;
}

/* Which link one is on is known to its host alone. */
static void test_link_local_is_never_a_candidate(void **state)
{
    (void)state;
    struct ph_candidate_set set = {0};
    struct ph_path_table table = {0};
    struct ph_candidate told = {.type = PH_CANDIDATE_HOST, .addr = addr("[fe80::1]:4000")};
    assert_false(ph_candidate_add(&set, PH_CANDIDATE_HOST, &told.addr));
    assert_null(ph_path_add_named(&table, &told));
    told.addr = addr("192.0.0.4:4000"); /* of a translator on the host itself */
    assert_false(ph_candidate_add(&set, PH_CANDIDATE_HOST, &told.addr));
    assert_int_equal(set.count, 0);
}

static void test_shares_are_of_a_family(void **state)
{
    (void)state;
    struct ph_candidate_set set = {0};
    for (uint8_t i = 0; i < 20; i++) {
        struct ph_addr a = addr("[2001:db8::1]:4000");
        a.ip[15] = i;
        ph_candidate_add(&set, PH_CANDIDATE_HOST, &a);
    }
    assert_int_equal(set.count, PH_HOSTS_MAX);
    struct ph_addr v4 = addr("10.0.0.1:4000");
    assert_true(ph_candidate_add(&set, PH_CANDIDATE_HOST, &v4));
}

static struct ph_path path(const char *text, bool far, ph_ns rtt)
{
    struct ph_addr a = addr(text);
    return (struct ph_path){.type = PH_CANDIDATE_HOST,
                            .rtt = rtt,
                            .priority = far ? ph_candidate_priority_far(PH_CANDIDATE_HOST, 1)
                                            : ph_candidate_priority(PH_CANDIDATE_HOST, &a, 1)};
}

/* IPv6, IPv4, a Unique Local Address of another site; unless one is clearly nearer. */
static void test_which_of_two_is_better(void **state)
{
    (void)state;
    struct ph_path v6 = path("[2001:db8::1]:1", false, 20 * PH_MS);
    struct ph_path v4 = path("10.0.0.1:1", false, 18 * PH_MS);
    struct ph_path far = path("[fd00::1]:1", true, 18 * PH_MS);
    assert_true(ph_path_better(&v6, &v4));
    assert_false(ph_path_better(&v4, &v6));
    assert_true(ph_path_better(&v4, &far));
    assert_false(ph_path_better(&far, &v4));
    v4.rtt = 10 * PH_MS;
    assert_true(ph_path_better(&v4, &v6));
    assert_false(ph_path_better(&v6, &v4));
    far.rtt = 2 * PH_MS;
    assert_true(ph_path_better(&far, &v4));
}

static size_t ula_addrs(struct ph_host *h, struct ph_addr *out, size_t cap)
{
    (void)h;
    if (cap == 0)
        return 0;
    out[0] = addr("fd12:3456:789a:1::1");
    return 1;
}

static void test_ula_of_our_site(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.family = "dual", .seed = 70};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct ph_agent *a = f->peer[0].agent;
    struct ph_host_ops ops = *a->host->ops;
    struct ph_addr near = addr("[fd12:3456:789a:2::7]:1"), far = addr("[fd12:3456:789b:1::1]:1");
    struct ph_addr global = addr("[2001:db8::1]:1");
    assert_true(ph_agent_is_far(a, &near)); /* this host has none */
    ops.local_addrs = ula_addrs;
    a->host->ops = &ops;
    assert_false(ph_agent_is_far(a, &near));
    assert_true(ph_agent_is_far(a, &far));
    assert_false(ph_agent_is_far(a, &global));
    sim_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v6_to_v6),
        cmocka_unit_test(test_v6_wins_of_both),
        cmocka_unit_test(test_v6_is_blackholed),
        cmocka_unit_test(test_far_and_blackholed),
        cmocka_unit_test(test_one_has_v6_the_other_v4),
        cmocka_unit_test(test_both_and_one),
        cmocka_unit_test(test_guessing_at_the_other_family),
        cmocka_unit_test(test_nat64),
        cmocka_unit_test(test_nat64_to_a_relay_of_ipv4),
        cmocka_unit_test(test_netcheck_behind_nat64),
        cmocka_unit_test(test_relay_is_met_once),
        cmocka_unit_test(test_ipv4_comes_later),
        cmocka_unit_test(test_link_local_is_never_a_candidate),
        cmocka_unit_test(test_shares_are_of_a_family),
        cmocka_unit_test(test_which_of_two_is_better),
        cmocka_unit_test(test_ula_of_our_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
