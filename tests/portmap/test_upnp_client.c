/* The UPnP client against a gateway device in memory. */
#include "fake_igd.h"

static struct ph_portmap_protocol_report report(const struct fake_host *f)
{
    return fake_report(f, PH_PORTMAP_UPNP);
}

static ph_ns acquire(struct fake_host *f)
{
    return fake_acquire(f, PH_PORTMAP_ACQUIRE_MAX);
}

static void fails(struct fake_host *f)
{
    ph_mapper_acquire(f->mapper, f->now);
    fake_until(f, PH_MAPPER_FAILED, PH_PORTMAP_ACQUIRE_MAX);
    assert_null(ph_mapper_mapping(f->mapper));
}

static void check_port(struct fake_host *f, uint16_t port)
{
    const struct ph_mapping *m = ph_mapper_mapping(f->mapper);
    assert_non_null(m);
    assert_int_equal(m->protocol, PH_PORTMAP_UPNP);
    struct ph_addr external = fake_port(FAKE_EXTERNAL, port);
    assert_true(ph_addr_eq(&m->external, &external));
}

static void test_good(void **state)
{
    (void)state;
    for (unsigned version = 1; version <= 2; version++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, UPNP);
        g.version = version;
        ph_mapper_discover(f->mapper, f->now);
        fake_until(f, PH_MAPPER_IDLE, PH_SEC);
        assert_int_equal(g.adds, 0);
        assert_int_equal(report(f).said, PH_PORTMAP_ANSWERS);
        assert_string_equal(report(f).text, "Fake Router");
        struct ph_portmap_protocol_report r = report(f);
        assert_true(ph_addr_ip_eq(&r.external, &g.router.address));
        assert_int_equal(ph_mapper_expected(f->mapper), 13 * PH_MS);
        assert_int_equal(acquire(f), g.http_delay); /* one call */
        check_port(f, FAKE_PORT);
        assert_int_equal(g.adds, 1);
        assert_int_equal(g.last_lease_s, PH_PORTMAP_LIFETIME_S);
        assert_string_equal(g.last_client, "192.168.1.20");
        for (size_t i = 0; i < f->http_count; i++)
            assert_string_equal(f->http[i].host, "192.168.1.1:49152");
        assert_true(fake_traced(f, "upnp mapping mapped"));
        igd_finish(f, &g);
    }
}

static void test_at_once(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    assert_true(acquire(f) <= 10 * PH_MS); /* a connected public gateway is not compared with any */
    igd_finish(f, &g);
}

/* 718: the port is another's, so another one is asked for; an entry of ours is taken as it is. */
static void test_conflicts(void **state)
{
    (void)state;
    static const int codes[] = {718, 729, 501};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, UPNP);
        g.taken = FAKE_PORT;
        g.conflict_error = codes[i];
        acquire(f);
        const struct ph_mapping *m = ph_mapper_mapping(f->mapper);
        assert_true(m->external.port >= 1024 && m->external.port != FAKE_PORT);
        assert_int_equal(g.adds, 2);
        assert_int_equal(g.queries, 1);
        igd_finish(f, &g);
    }
}

static void test_conflict_with_ourselves(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.add_error = 718;
    router_put(&g.router, FAKE_PORT, FAKE_PORT, 0); /* of an earlier life */
    acquire(f);
    check_port(f, FAKE_PORT);
    assert_int_equal(ph_mapper_mapping(f->mapper)->lifetime_s, 0);
    igd_finish(f, &g);
}

static void test_conflicts_without_end(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.add_error = 718;
    fails(f);
    assert_int_equal(g.adds, 5);
    assert_int_equal(report(f).said, PH_PORTMAP_REFUSED);
    assert_int_equal(report(f).code, 718);
    igd_finish(f, &g);
}

static void test_renewal(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.version = 2;
    acquire(f);
    fake_run(f, 3599 * PH_SEC);
    assert_int_equal(g.adds, 1);
    assert_true(g.queries >= 55); /* a minute each */
    fake_run(f, 2 * PH_SEC);
    assert_int_equal(g.adds, 2);
    assert_int_equal(ph_mapper_changes(f->mapper), 1);
    igd_finish(f, &g);
}

static void test_no_renewal_of_permanent(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.finite_error = 725;
    acquire(f);
    fake_run(f, 5000 * PH_SEC);
    assert_int_equal(g.adds, 2);
    igd_finish(f, &g);
}

/* The entry has gone: it is made again. */
static void test_purged(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    acquire(f);
    memset(g.router.table, 0, sizeof(g.router.table));
    fake_run(f, 61 * PH_SEC);
    assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_MAPPED);
    assert_int_equal(router_count(&g.router), 1);
    assert_true(ph_mapper_changes(f->mapper) >= 3);
    igd_finish(f, &g);
}

static void test_new_address(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    acquire(f);
    g.router.address = ph_addr_v4(198, 51, 100, 9, 0);
    fake_run(f, 61 * PH_SEC);
    assert_int_equal(ph_mapper_mapping(f->mapper)->external.ip[3], 9);
    assert_int_equal(ph_mapper_mapping(f->mapper)->external.port, FAKE_PORT);
    assert_int_equal(ph_mapper_changes(f->mapper), 2);
    igd_finish(f, &g);
}

/* Released while Add is under way: what it makes is deleted. */
static void test_release_during_add(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.http_delay = 100 * PH_MS;
    ph_mapper_acquire(f->mapper, f->now);
    while (g.adds == 0)
        fake_run(f, 10 * PH_MS);
    assert_int_equal(router_count(&g.router), 1);
    ph_mapper_release(f->mapper, f->now);
    assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_RELEASING);
    fake_until(f, PH_MAPPER_IDLE, PH_PORTMAP_RELEASE_MAX);
    assert_int_equal(router_count(&g.router), 0);
    igd_finish(f, &g);
}

/* It answers, and then never again: everything ends in time. */
static void test_never_ending(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.silent = true;
    fails(f);
    assert_int_equal(report(f).said, PH_PORTMAP_BROKEN);
    fake_release(f);
    g.silent = false;
    fake_run(f, 61 * PH_SEC); /* for so long a verdict stands */
    acquire(f);
    g.silent = true;
    ph_mapper_release(f->mapper, f->now);
    assert_true(fake_until(f, PH_MAPPER_IDLE, 2 * PH_SEC) <= PH_PORTMAP_RELEASE_MAX);
    fake_free(f);
}

static void test_pinhole(void **state)
{
    (void)state;
    struct fake_host *f = fake_new();
    struct igd g;
    igd_init(f, &g);
    g.firewall6 = true;
    f->socks[1] = (struct ph_addr){.family = PH_AF_V6, .port = FAKE_PORT};
    assert_int_equal(ph_addr_parse("fe80::1", &f->gateways[1].gateway), PH_OK);
    assert_int_equal(ph_addr_parse("2001:db8::20", &f->gateways[1].local), PH_OK);
    f->gateways[1].scope = 2;
    f->gateway_count = 2;
    fake_mapper(f, UPNP);
    acquire(f);
    assert_string_equal(g.last_client, "2001:db8::20");
    assert_int_equal(g.holes, 1);
    const struct ph_mapping *m = ph_mapper_mapping(f->mapper);
    assert_true(ph_addr_ip_eq(&m->external, &f->gateways[1].local));
    assert_int_equal(m->external.port, FAKE_PORT);
    assert_int_equal(m->reach, PH_PORTMAP_REACH_PUBLIC);
    /* The link's own multicast group, by its scope. */
    bool seen = false;
    for (size_t i = 0; i < f->sent_count; i++)
        seen |= f->sent[i].to.ip[0] == 0xff && f->sent[i].to.ip[15] == 0x0c &&
                f->sent[i].to.port == 1900 && f->sent[i].scope == 2;
    assert_true(seen);
    fake_run(f, 3700 * PH_SEC); /* it is kept open */
    assert_int_equal(g.holes, 1);
    assert_int_equal(g.adds, 1);
    igd_finish(f, &g);
}

static void test_flood(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.ssdp_delay = 20 * PH_MS;
    ph_mapper_acquire(f->mapper, f->now);
    ph_sock sock = f->sent[0].sock;
    for (unsigned i = 0; i < 5000; i++) {
        char a[300];
        struct ph_addr from = ph_addr_v4(192, 168, 1, (uint8_t)(100 + i % 100), 1900);
        int len = snprintf(a, sizeof(a),
                           "HTTP/1.1 200 OK\r\n"
                           "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
                           "LOCATION: http://192.168.1.%u:%u/x%u.xml\r\n\r\n",
                           100 + i % 100, 1000 + i, i);
        assert_true(fake_deliver(f, sock, &from, a, (size_t)len));
    }
    /* At most eight are looked at, four at once; the gateway has a place all the same. */
    assert_true(f->http_count <= 8);
    fake_until(f, PH_MAPPER_MAPPED, PH_PORTMAP_ACQUIRE_MAX);
    assert_true(f->http_count <= 16);
    check_port(f, FAKE_PORT);
    igd_finish(f, &g);
}

/* Our address is another one: the entry that leads to the old one is deleted, as well as can be. */
static void test_farewell(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    acquire(f);
    f->gateways[0].local = ph_addr_v4(192, 168, 1, 77, 0);
    ph_mapper_on_network(f->mapper, f->now);
    fake_until(f, PH_MAPPER_MAPPED, PH_SEC);
    assert_int_equal(g.dels, 1);
    assert_string_equal(g.last_client, "192.168.1.77");
    assert_int_equal(router_count(&g.router), 1);
    igd_finish(f, &g);
}

/* The host has its hands full for a while. */
static void test_host_is_busy(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    f->http_full = true;
    ph_mapper_acquire(f->mapper, f->now);
    fake_run(f, 120 * PH_MS);
    assert_int_equal(f->http_count, 0);
    f->http_full = false;
    fake_until(f, PH_MAPPER_MAPPED, PH_SEC);
    igd_finish(f, &g);
    /* ... or for ever. */
    f = igd_start(&g, UPNP);
    f->http_full = true;
    fails(f);
    igd_finish(f, &g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_conflict_with_ourselves),
        cmocka_unit_test(test_conflicts_without_end),
        cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_no_renewal_of_permanent),
        cmocka_unit_test(test_purged),
        cmocka_unit_test(test_new_address),
        cmocka_unit_test(test_release_during_add),
        cmocka_unit_test(test_never_ending),
        cmocka_unit_test(test_pinhole),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_farewell),
        cmocka_unit_test(test_host_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
