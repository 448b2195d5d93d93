/* The mapper against routers in memory: who wins, how long it takes, what is left behind. */
#include "fake_igd.h"

static void check_mapping(struct fake_host *f, enum ph_portmap_protocol protocol)
{
    const struct ph_mapping *m = ph_mapper_mapping(f->mapper);
    assert_non_null(m);
    assert_int_equal(m->protocol, protocol);
    assert_int_equal(m->internal_port, FAKE_PORT);
    struct ph_addr external = fake_port(FAKE_EXTERNAL, FAKE_PORT);
    assert_true(ph_addr_eq(&m->external, &external));
    assert_int_equal(m->reach, PH_PORTMAP_REACH_PUBLIC);
}

static enum ph_portmap_said said(const struct fake_host *f, enum ph_portmap_protocol p)
{
    return fake_report(f, p).said;
}

static void release(struct fake_host *f, struct router *r)
{
    ph_mapper_release(f->mapper, f->now);
    assert_null(ph_mapper_mapping(f->mapper));
    fake_until(f, PH_MAPPER_IDLE, PH_PORTMAP_RELEASE_MAX);
    assert_int_equal(router_count(r), 0);
}

/* A host behind a router that speaks these protocols, and a mapper that does; 0: a mapper that
 * speaks all, and a router none. */
static struct fake_host *start(struct router *r, unsigned protocols)
{
    struct fake_host *f = fake_new();
    router_init(f, r);
    r->pcp = protocols & PCP;
    r->natpmp = protocols & NATPMP;
    fake_mapper(f, protocols);
    return f;
}

static void finish(struct fake_host *f, struct router *r)
{
    release(f, r);
    fake_free(f);
}

static void test_pcp_one_round_trip(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, PCP | NATPMP);
    struct ph_mapper *m = f->mapper;
    ph_mapper_discover(m, f->now);
    assert_int_equal(ph_mapper_expected(m), 0);
    assert_true(fake_until(f, PH_MAPPER_IDLE, PH_SEC) <= 2 * PH_MS);
    assert_int_equal(r.maps, 0); /* looking makes nothing */
    assert_int_equal(said(f, PH_PORTMAP_PCP), PH_PORTMAP_ANSWERS);
    assert_int_equal(said(f, PH_PORTMAP_NATPMP), PH_PORTMAP_ANSWERS);
    assert_int_equal(ph_mapper_expected(m), 13 * PH_MS);
    fake_run(f, 10 * PH_SEC);
    assert_int_equal(fake_acquire(f, PH_SEC), r.rtt);
    check_mapping(f, PH_PORTMAP_PCP);
    assert_int_equal(r.maps, 1); /* NAT-PMP was not asked: the table is the same */
    assert_int_equal(ph_mapper_changes(m), 1);
    release(f, &r);
    assert_int_equal(said(f, PH_PORTMAP_PCP), PH_PORTMAP_RELEASED);
    fake_free(f);
}

static void test_without_discovery(void **state)
{
    (void)state;
    static const struct {
        bool pcp, natpmp, refuses;
        enum ph_portmap_protocol by;
        ph_ns most;
    } cases[] = {
        {true, true, true, PH_PORTMAP_PCP, PH_MS},
        {true, false, true, PH_PORTMAP_PCP, PH_MS},
        {false, true, true, PH_PORTMAP_NATPMP, 3 * PH_MS},
        /* Silent towards PCP: three round trips and 10 ms (libplum#19). */
        {false, true, false, PH_PORTMAP_NATPMP, 13 * PH_MS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct router r;
        struct fake_host *f = start(&r, PCP | NATPMP);
        r.pcp = cases[i].pcp;
        r.natpmp = cases[i].natpmp;
        r.natpmp_refuses_pcp = cases[i].refuses;
        assert_true(fake_acquire(f, PH_SEC) <= cases[i].most);
        check_mapping(f, cases[i].by);
        assert_int_equal(r.maps, 1);
        finish(f, &r);
    }
}

static void test_nobody(void **state)
{
    (void)state;
    struct fake_host *f = fake_new();
    struct ph_mapper *m = fake_mapper(f, PCP | NATPMP);
    ph_mapper_discover(m, f->now);
    assert_true(fake_until(f, PH_MAPPER_IDLE, 2 * PH_SEC) <= PH_SEC);
    assert_int_equal(f->sent_count, 6); /* three each: 0, 250, 750 ms */
    assert_int_equal(f->sent[2].at - f->sent[0].at, 250 * PH_MS);
    assert_int_equal(f->sent[4].at - f->sent[0].at, 750 * PH_MS);
    assert_int_equal(said(f, PH_PORTMAP_PCP), PH_PORTMAP_SILENT);
    ph_mapper_acquire(m, f->now);
    assert_true(fake_until(f, PH_MAPPER_FAILED, PH_PORTMAP_ACQUIRE_MAX) <= PH_SEC);
    /* Asked again after a minute, then after two. */
    size_t n = f->sent_count;
    fake_run(f, 59 * PH_SEC);
    assert_int_equal(f->sent_count, n);
    fake_run(f, 3 * PH_SEC);
    assert_true(f->sent_count > n);
    assert_int_equal(ph_mapper_state(m), PH_MAPPER_FAILED);
    n = f->sent_count;
    fake_run(f, 115 * PH_SEC);
    assert_int_equal(f->sent_count, n);
    fake_run(f, 10 * PH_SEC);
    assert_true(f->sent_count > n);
    /* With nothing held there is nothing to wait for. */
    ph_mapper_release(m, f->now);
    assert_int_equal(ph_mapper_state(m), PH_MAPPER_IDLE);
    assert_int_equal(ph_mapper_deadline(m), PH_NEVER);
    fake_free(f);
}

/* PCP says no: NAT-PMP is asked then, and PCP not again for as long as it said. */
static void test_pcp_refuses(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, PCP | NATPMP);
    r.pcp_result = 8; /* NO_RESOURCES */
    r.pcp_error_lifetime_s = 30;
    assert_true(fake_acquire(f, PH_SEC) <= 3 * PH_MS);
    check_mapping(f, PH_PORTMAP_NATPMP);
    assert_int_equal(said(f, PH_PORTMAP_PCP), PH_PORTMAP_REFUSED);
    release(f, &r);
    unsigned maps = r.maps;
    fake_acquire(f, PH_SEC);
    assert_int_equal(r.maps, maps + 1);
    release(f, &r);
    r.pcp_result = 0;
    fake_run(f, 30 * PH_SEC);
    fake_acquire(f, PH_SEC);
    check_mapping(f, PH_PORTMAP_PCP);
    finish(f, &r);
}

/* It answered when it was looked for, and has died since: the others get their time. */
static void test_pcp_died(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, PCP | NATPMP);
    ph_mapper_discover(f->mapper, f->now);
    fake_until(f, PH_MAPPER_IDLE, PH_SEC);
    r.pcp = r.natpmp_refuses_pcp = false;
    fake_acquire(f, PH_PORTMAP_ACQUIRE_MAX);
    check_mapping(f, PH_PORTMAP_NATPMP);
    finish(f, &r);
}

/* Everything on one table: one mapping is made, by the best, and the table is empty at the end. */
static void test_all_three(void **state)
{
    (void)state;
    static const struct {
        bool pcp, natpmp, upnp;
        enum ph_portmap_protocol by;
    } cases[] = {
        {true, true, true, PH_PORTMAP_PCP},
        {false, true, true, PH_PORTMAP_NATPMP},
        {false, false, true, PH_PORTMAP_UPNP},
        {true, false, true, PH_PORTMAP_PCP},
    };
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_host *f = fake_new();
        struct igd g;
        bool looks = i % 2;
        igd_init(f, &g);
        g.router.pcp = cases[i / 2].pcp;
        g.router.natpmp = cases[i / 2].natpmp;
        g.router.natpmp_refuses_pcp = false;
        g.on = cases[i / 2].upnp;
        struct ph_mapper *m = fake_mapper(f, 0);
        if (looks) {
            ph_mapper_discover(m, f->now);
            fake_until(f, PH_MAPPER_IDLE, 2 * PH_SEC);
            assert_int_equal(router_count(&g.router), 0);
        }
        ph_mapper_acquire(m, f->now);
        ph_ns took = fake_until(f, PH_MAPPER_MAPPED, PH_SEC);
        assert_true(took <= 100 * PH_MS);
        if (looks) /* the best of those that answer needs no more than its own time */
            assert_true(took <= 8 * PH_MS);
        check_mapping(f, cases[i / 2].by);
        assert_int_equal(g.router.maps + g.adds, 1);
        fake_run(f, 2 * PH_SEC);
        check_mapping(f, cases[i / 2].by);
        assert_int_equal(router_count(&g.router), 1);
        release(f, &g.router);
        fake_run(f, 2 * PH_SEC);
        assert_int_equal(router_count(&g.router), 0);
        fake_free(f);
    }
}

/* PCP's answer was lost, NAT-PMP's came: the two stand for one entry of the router's, which is not
 * deleted while it is wanted, and is at the end. */
static void test_loser_on_one_table(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, PCP | NATPMP);
    r.lose = 1; /* PCP's request */
    fake_acquire(f, PH_SEC);
    check_mapping(f, PH_PORTMAP_NATPMP);
    fake_run(f, 10 * PH_SEC);
    assert_int_equal(router_count(&r), 1);
    assert_int_equal(r.deletes, 0);
    finish(f, &r);
}

static void test_late_mapping_is_given_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct router r;
        struct fake_host *f = start(&r, i == 0 ? PCP : NATPMP);
        r.rtt = 300 * PH_MS;
        ph_mapper_acquire(f->mapper, f->now);
        fake_run(f, 100 * PH_MS);
        assert_int_equal(router_count(&r), 1);
        r.lose = 1; /* the deletion that goes out at once */
        ph_mapper_release(f->mapper, f->now);
        fake_run(f, 5 * PH_SEC);
        assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_IDLE);
        assert_null(ph_mapper_mapping(f->mapper));
        assert_int_equal(router_count(&r), 0);
        fake_free(f);
    }
}

static void test_release_is_sent_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct router r;
        struct fake_host *f = start(&r, i == 0 ? PCP : NATPMP);
        fake_acquire(f, PH_SEC);
        r.lose = 2;
        fake_release(f);
        assert_int_equal(router_count(&r), 0);
        /* ... and not for ever. */
        fake_acquire(f, PH_SEC);
        r.lose = 100;
        ph_mapper_release(f->mapper, f->now);
        assert_true(fake_until(f, PH_MAPPER_IDLE, 2 * PH_SEC) <= PH_PORTMAP_RELEASE_MAX);
        fake_free(f);
    }
}

static void test_last_word(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, 0);
    r.pcp = true;
    fake_acquire(f, PH_SEC);
    assert_int_equal(router_count(&r), 1);
    ph_mapper_free(f->mapper);
    f->mapper = NULL;
    assert_int_equal(router_count(&r), 0);
    fake_free(f);
}

static void test_acquire_during_release(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, PCP);
    fake_acquire(f, PH_SEC);
    ph_mapper_release(f->mapper, f->now);
    assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_RELEASING);
    fake_acquire(f, PH_SEC);
    check_mapping(f, PH_PORTMAP_PCP);
    finish(f, &r);
}

/* The router starts again: its table is empty, and so is its clock. */
static void test_reboot(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct router r;
        struct fake_host *f = start(&r, i == 0 ? PCP : NATPMP);
        f->now = 10000 * PH_SEC;
        fake_acquire(f, PH_SEC);
        memset(r.table, 0, sizeof(r.table));
        r.booted = f->now;
        uint32_t changes = ph_mapper_changes(f->mapper);
        fake_run(f, 61 * PH_SEC);
        assert_int_equal(router_count(&r), 1);
        check_mapping(f, i == 0 ? PH_PORTMAP_PCP : PH_PORTMAP_NATPMP);
        assert_int_equal(ph_mapper_changes(f->mapper), changes + 2); /* lost, and there again */
        assert_true(fake_traced(f, "mapper mapped acquiring"));
        finish(f, &r);
    }
}

static void test_renewals(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, PCP);
    r.lifetime_s = 600;
    fake_acquire(f, PH_SEC);
    assert_int_equal(ph_mapper_mapping(f->mapper)->lifetime_s, 600);
    fake_run(f, 3010 * PH_SEC);
    assert_true(r.maps >= 10 && r.maps <= 12);
    assert_int_equal(ph_mapper_changes(f->mapper), 1);
    /* Gone for good: the mapping is withdrawn when its lifetime is over, not before. */
    r.lose = UINT32_MAX;
    fake_run(f, 290 * PH_SEC);
    assert_non_null(ph_mapper_mapping(f->mapper));
    fake_run(f, 312 * PH_SEC);
    assert_null(ph_mapper_mapping(f->mapper));
    fake_free(f);
}

static void test_no_upkeep(void **state)
{
    (void)state;
    struct fake_host *f = fake_new();
    struct router r;
    router_init(f, &r);
    r.pcp = true;
    struct ph_mapper_config c = {
        .host = &f->base, .sock = 1, .protocols = PCP, .lifetime_s = 120, .no_upkeep = true};
    assert_int_equal(ph_mapper_new(&c, &f->mapper), PH_OK);
    fake_acquire(f, PH_SEC);
    size_t n = f->sent_count;
    fake_run(f, 119 * PH_SEC);
    assert_int_equal(f->sent_count, n);
    check_mapping(f, PH_PORTMAP_PCP);
    fake_run(f, 2 * PH_SEC);
    assert_null(ph_mapper_mapping(f->mapper));
    assert_int_equal(f->sent_count, n);
    fake_free(f);
}

static void test_reach(void **state)
{
    (void)state;
    static const struct {
        const char *external, *reflexive;
        enum ph_portmap_reach reach;
    } cases[] = {
        {"203.0.113.7", NULL, PH_PORTMAP_REACH_PUBLIC},
        {"203.0.113.7", "203.0.113.7:1", PH_PORTMAP_REACH_PUBLIC},
        {"203.0.113.7", "203.0.113.8:1", PH_PORTMAP_REACH_DOUBLE},
        {"10.9.8.7", NULL, PH_PORTMAP_REACH_DOUBLE},
        {"192.168.100.2", "203.0.113.8:1", PH_PORTMAP_REACH_DOUBLE},
        {"100.64.0.9", NULL, PH_PORTMAP_REACH_DOUBLE},
        {"0.0.0.0", NULL, PH_PORTMAP_REACH_DOUBLE},
        {"127.0.0.1", NULL, PH_PORTMAP_REACH_DOUBLE},
        {"224.0.0.9", NULL, PH_PORTMAP_REACH_DOUBLE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct router r;
        struct fake_host *f = start(&r, NATPMP);
        struct ph_addr reflexive;
        assert_int_equal(ph_addr_parse(cases[i].external, &r.address), PH_OK);
        fake_acquire(f, PH_SEC);
        if (cases[i].reflexive) { /* it comes after the mapping */
            uint32_t changes = ph_mapper_changes(f->mapper);
            bool changed = ph_mapper_mapping(f->mapper)->reach != cases[i].reach;
            assert_int_equal(ph_addr_parse(cases[i].reflexive, &reflexive), PH_OK);
            ph_mapper_set_reflexive(f->mapper, &reflexive);
            assert_int_equal(ph_mapper_changes(f->mapper), changes + changed);
        }
        assert_int_equal(ph_mapper_mapping(f->mapper)->reach, cases[i].reach);
        finish(f, &r);
    }
}

/* PCP's own word for it: what NAT-PMP maps then is known for what it is. */
static void test_address_mismatch(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, PCP | NATPMP);
    r.pcp_result = 12;
    fake_acquire(f, PH_SEC);
    assert_int_equal(ph_mapper_mapping(f->mapper)->reach, PH_PORTMAP_REACH_DOUBLE);
    assert_int_equal(fake_report(f, PH_PORTMAP_PCP).code, 12);
    finish(f, &r);
}

static void test_network_change(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, PCP);
    fake_acquire(f, PH_SEC);
    ph_mapper_on_network(f->mapper, f->now); /* nothing that concerns us */
    check_mapping(f, PH_PORTMAP_PCP);
    fake_run(f, PH_SEC);
    assert_int_equal(ph_mapper_changes(f->mapper), 1);
    f->gateways[0].gateway = ph_addr_v4(10, 0, 0, 1, 0);
    f->gateways[0].local = ph_addr_v4(10, 0, 0, 44, 0);
    size_t n = f->sent_count;
    ph_mapper_on_network(f->mapper, f->now);
    assert_null(ph_mapper_mapping(f->mapper));
    assert_int_equal(f->sent[n].to.ip[0], 192); /* a last word to the old one */
    fake_until(f, PH_MAPPER_MAPPED, PH_SEC);
    check_mapping(f, PH_PORTMAP_PCP);
    assert_int_equal(ph_mapper_mapping(f->mapper)->gateway.ip[0], 10);
    /* The network has gone, and comes back. */
    f->gateway_count = 0;
    ph_mapper_on_network(f->mapper, f->now);
    assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_FAILED);
    fake_run(f, PH_SEC);
    f->gateway_count = 1;
    ph_mapper_on_network(f->mapper, f->now);
    fake_until(f, PH_MAPPER_MAPPED, PH_SEC);
    finish(f, &r);
}

/* Of two ways out the better one's mapping is taken, and the other one left alone. */
static void test_two_gateways(void **state)
{
    (void)state;
    struct router r;
    struct fake_host *f = start(&r, PCP | NATPMP);
    f->gateways[1] = (struct ph_gateway){.gateway = ph_addr_v4(10, 0, 0, 1, 0),
                                         .local = ph_addr_v4(10, 0, 0, 44, 0),
                                         .scope = 3,
                                         .metric = 600};
    f->gateway_count = 2;
    ph_mapper_discover(f->mapper, f->now);
    fake_until(f, PH_MAPPER_IDLE, PH_SEC);
    assert_int_equal(r.announces, 2);
    fake_acquire(f, PH_SEC);
    assert_int_equal(ph_mapper_mapping(f->mapper)->gateway.ip[0], 192);
    assert_int_equal(r.maps, 1);
    finish(f, &r);
}

/* Only a gateway's own port is listened to; what comes from there is nobody else's. */
static void test_sources(void **state)
{
    (void)state;
    static const uint8_t a[12] = {0, 128, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4};
    struct fake_host *f = fake_new();
    struct ph_mapper *m = fake_mapper(f, NATPMP);
    struct ph_addr gateway = fake_port(FAKE_GATEWAY, 5351);
    struct ph_addr other_port = fake_port(FAKE_GATEWAY, 5352);
    struct ph_addr stranger = ph_addr_v4(198, 51, 100, 1, 5351);
    ph_mapper_discover(m, f->now);
    assert_false(fake_deliver(f, 1, &stranger, a, sizeof(a)));
    assert_false(fake_deliver(f, 1, &other_port, a, sizeof(a)));
    assert_int_equal(ph_mapper_state(m), PH_MAPPER_DISCOVERING);
    assert_true(fake_deliver(f, 1, &gateway, "x", 1));
    assert_true(fake_deliver(f, 1, &gateway, "", 0));
    assert_int_equal(ph_mapper_state(m), PH_MAPPER_DISCOVERING);
    assert_true(fake_deliver(f, 1, &gateway, a, sizeof(a)));
    assert_int_equal(ph_mapper_state(m), PH_MAPPER_IDLE);
    fake_free(f);
}

static void test_loopback(void **state)
{
    (void)state;
    struct fake_host *f = fake_new();
    f->socks[1] = ph_addr_v4(127, 0, 0, 1, FAKE_PORT);
    ph_mapper_acquire(fake_mapper(f, 0), f->now);
    fake_run(f, 3 * PH_SEC);
    assert_int_equal(f->sent_count, 0);
    assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_FAILED);
    fake_free(f);
}

/* IPv6: the answer to a socket of PCP's own, by way of the mapper; the same link-local address on
 * two links is two gateways. */
static void answer_v6(struct fake_host *f, const struct fake_sent *s)
{
    uint8_t a[60];
    if (s->to.port != 5351)
        return;
    memcpy(a, s->data, s->len);
    a[1] |= 0x80;
    memset(a + 8, 0, 16); /* epoch */
    if (s->len == 60)
        memcpy(a + 44, s->data + 8, 16); /* the address that it was asked from */
    fake_arrives(f, PH_MS, s->sock, &s->to, a, s->len);
    f->events[f->event_count - 1].scope = s->scope;
}

static void test_v6(void **state)
{
    (void)state;
    struct fake_host *f = fake_new();
    f->on_sent = answer_v6;
    f->socks[1] = (struct ph_addr){.family = PH_AF_V6, .port = FAKE_PORT};
    f->gateway_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        f->gateways[i].scope = 2 + i;
        assert_int_equal(ph_addr_parse("fe80::1", &f->gateways[i].gateway), PH_OK);
        assert_int_equal(
            ph_addr_parse(i ? "2001:db8:1::20" : "2001:db8::20", &f->gateways[i].local), PH_OK);
    }
    struct ph_mapper *m = fake_mapper(f, PCP | NATPMP);
    ph_mapper_discover(m, f->now);
    fake_until(f, PH_MAPPER_IDLE, 2 * PH_MS); /* both have answered */
    assert_int_equal(fake_acquire(f, PH_SEC), PH_MS);
    const struct ph_mapping *mapping = ph_mapper_mapping(m);
    assert_true(ph_addr_ip_eq(&mapping->external, &f->gateways[0].local));
    assert_int_equal(mapping->external.port, FAKE_PORT);
    assert_int_equal(mapping->reach, PH_PORTMAP_REACH_PUBLIC);
    for (size_t i = 0; i < f->sent_count; i++)
        assert_int_not_equal(f->sent[i].sock, 1);
    ph_mapper_release(m, f->now);
    fake_until(f, PH_MAPPER_IDLE, PH_SEC);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcp_one_round_trip),
        cmocka_unit_test(test_without_discovery),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_pcp_refuses),
        cmocka_unit_test(test_pcp_died),
        cmocka_unit_test(test_all_three),
        cmocka_unit_test(test_loser_on_one_table),
        cmocka_unit_test(test_late_mapping_is_given_back),
        cmocka_unit_test(test_release_is_sent_again),
        cmocka_unit_test(test_last_word),
        cmocka_unit_test(test_acquire_during_release),
        cmocka_unit_test(test_reboot),
        cmocka_unit_test(test_renewals),
        cmocka_unit_test(test_no_upkeep),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_address_mismatch),
        cmocka_unit_test(test_network_change),
        cmocka_unit_test(test_two_gateways),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_v6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
