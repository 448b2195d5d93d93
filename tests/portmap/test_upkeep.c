/* How much a mapper does, and how often, against routers that would have it work without end. */
#include "fake_igd.h"
#include "portmap/lease.h"

static struct fake_host *start(struct igd *g, unsigned protocols, uint32_t lifetime_s)
{
    struct fake_host *f = fake_new();
    struct ph_mapper_config c = {
        .host = &f->base, .sock = 1, .protocols = protocols, .lifetime_s = lifetime_s};
    igd_init(f, g);
    g->on = protocols & UPNP;
    g->router.pcp = protocols & PCP;
    g->router.natpmp = protocols & NATPMP;
    f->now = 1000 * PH_SEC;
    assert_int_equal(ph_mapper_new(&c, &f->mapper), PH_OK);
    return f;
}

static void test_lease(void **state)
{
    (void)state;
    static const struct {
        uint32_t lifetime_s;
        ph_ns renew, expires;
    } rows[] = {
        {0, PH_NEVER, PH_NEVER},
        {1, 500 * PH_MS, PH_SEC},
        {2, PH_SEC, 2 * PH_SEC},
        {7200, 3600 * PH_SEC, 7200 * PH_SEC},
        {UINT32_MAX, 302400 * PH_SEC, 604800 * PH_SEC},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ph_lease l;
        ph_lease_begin(&l, 0, rows[i].lifetime_s, true);
        assert_int_equal(l.renew, rows[i].renew);
        assert_int_equal(l.expires, rows[i].expires);
        ph_lease_begin(&l, 0, rows[i].lifetime_s, false);
        assert_int_equal(l.renew, PH_NEVER);
        assert_int_equal(l.watch, PH_NEVER);
    }
}

/* The shortest lease there is is kept, not lost and made again; two questions a second are enough.
 */
static void test_shortest_lease(void **state)
{
    (void)state;
    static const unsigned protocols[] = {PCP, NATPMP, UPNP};
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        struct igd g;
        struct fake_host *f = start(&g, protocols[i], 1);
        fake_acquire(f, PH_PORTMAP_ACQUIRE_MAX);
        size_t sent = f->sent_count + f->http_count;
        fake_run(f, 20 * PH_SEC);
        assert_int_equal(ph_mapper_changes(f->mapper), 1);
        assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_MAPPED);
        assert_true(f->sent_count + f->http_count - sent <= 42);
        igd_finish(f, &g);
    }
}

/* ---- Routers that forget with each answer */

/* It has restarted before each question, or says so. */
static void always_restarted(struct fake_host *f, const struct fake_sent *s)
{
    struct router *r = f->router;
    if (s->to.port == 5351) {
        r->booted = r->booted == 0 ? f->now : 0;
        memset(r->table, 0, sizeof(r->table));
    }
    router_on_sent(f, s);
}

/* The same, and it tells its address with another epoch than its mapping's. */
static void nameless(struct fake_host *f, const struct fake_sent *s)
{
    struct router *r = f->router;
    if (s->to.port == 5351 && s->data[0] == 0 && s->data[1] == 0) {
        uint8_t a[12] = {0, 128, 0, 3};
        fake_arrives(f, 3 * r->rtt, s->sock, &s->to, a, sizeof(a)); /* behind the mapping's */
        return;
    }
    r->booted = 0;
    router_on_sent(f, s);
}

static void test_storms(void **state)
{
    (void)state;
    static const struct {
        unsigned protocols;
        void (*on_sent)(struct fake_host *f, const struct fake_sent *s);
    } rows[] = {{PCP, always_restarted}, {NATPMP, always_restarted}, {NATPMP, nameless}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct igd g;
        struct fake_host *f = start(&g, rows[i].protocols, 0);
        f->on_sent = rows[i].on_sent;
        ph_mapper_acquire(f->mapper, f->now);
        fake_run(f, 600 * PH_SEC);
        if (f->sent_count > 120 || f->timers > 200)
            fail_msg("row %zu: %zu packets, %zu deadlines", i, f->sent_count, f->timers);
        f->on_sent = router_on_sent;
        igd_finish(f, &g);
    }
}

/* Whatever makes a mapping go as soon as it is there (here a STUN address that moves, and a router
 * whose table is empty by then), it is made again now and then, not as fast as that goes. */
static void test_brief_mappings(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = start(&g, NATPMP, 0);
    ph_mapper_acquire(f->mapper, f->now);
    for (unsigned i = 0; i < 600; i++) {
        struct ph_addr seen = ph_addr_v4(198, 51, 100, (uint8_t)(1 + i % 2), 4000);
        g.router.booted = i % 2 ? 0 : f->now;
        ph_mapper_set_reflexive(f->mapper, &seen);
        fake_run(f, 100 * PH_MS);
    }
    assert_true(g.router.maps <= 8);
    fake_run(f, 120 * PH_SEC); /* when that is over there is one again */
    assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_MAPPED);
    igd_finish(f, &g);
}

/* ---- Lifetimes that are none */

static void zero_lifetime(struct fake_host *f, const struct fake_sent *s)
{
    if (s->to.port != 5351)
        return;
    if (s->data[0] == 2) {
        uint8_t a[60] = {2, (uint8_t)(0x80 | s->data[1])};
        if (s->data[1] == 1)
            memcpy(a + 24, s->data + 24, 36);
        router_answers(f, s, a, s->data[1] == 1 ? 60 : 24);
    } else {
        uint8_t a[16] = {0, (uint8_t)(128 + s->data[1])};
        if (s->data[1] == 1)
            memcpy(a + 8, s->data + 4, 4);
        router_answers(f, s, a, s->data[1] == 1 ? 16 : 12);
    }
}

static void test_no_time(void **state)
{
    (void)state;
    for (int p = PH_PORTMAP_PCP; p <= PH_PORTMAP_NATPMP; p++) {
        struct igd g;
        struct fake_host *f = start(&g, 1u << p, 0);
        f->on_sent = zero_lifetime;
        ph_mapper_acquire(f->mapper, f->now);
        fake_until(f, PH_MAPPER_FAILED, PH_PORTMAP_ACQUIRE_MAX);
        assert_int_equal(fake_report(f, (enum ph_portmap_protocol)p).said, PH_PORTMAP_BROKEN);
        assert_string_equal(fake_report(f, (enum ph_portmap_protocol)p).text,
                            "a mapping for 0 seconds");
        fake_run(f, 600 * PH_SEC);
        assert_true(f->sent_count < 100);
        igd_finish(f, &g);
    }
}

static void for_ever(struct fake_host *f, const struct fake_sent *s)
{
    struct fake_sent t = *s;
    uint8_t *lifetime = t.data + (t.data[0] == 2 ? 4 : 8);
    if (t.to.port == 5351 && t.len > 2 && t.data[1] == 1 && get32(lifetime) > 0)
        put32(lifetime, UINT32_MAX);
    router_on_sent(f, &t);
}

/* 2^32 - 1 seconds are told as they were said, and believed for a week. */
static void test_for_ever(void **state)
{
    (void)state;
    for (int p = PH_PORTMAP_PCP; p <= PH_PORTMAP_NATPMP; p++) {
        struct igd g;
        struct fake_host *f = start(&g, 1u << p, 0);
        f->on_sent = for_ever;
        fake_acquire(f, PH_PORTMAP_ACQUIRE_MAX);
        const struct ph_mapping *m = ph_mapper_mapping(f->mapper);
        assert_int_equal(m->lifetime_s, UINT32_MAX);
        assert_int_equal(m->renew - m->made, 302400 * PH_SEC);
        igd_finish(f, &g);
    }
}

/* ---- An address that goes and comes back */

/* The last word does not arrive, for there is no way any more; a server of PCP gives the old
 * mapping to its nonce alone. */
static void test_address_returns(void **state)
{
    (void)state;
    static const struct ph_addr home = {.family = PH_AF_V4, .ip = {192, 168, 1, 20}};
    static const struct ph_addr away = {.family = PH_AF_V4, .ip = {192, 168, 1, 99}};
    struct igd g;
    struct fake_host *f = start(&g, PCP, 0);
    fake_acquire(f, PH_PORTMAP_ACQUIRE_MAX);
    struct router_entry before = g.router.table[0];
    g.router.lose = UINT32_MAX;
    for (unsigned i = 0; i < 3; i++) {
        f->gateway_count = 0;
        ph_mapper_on_network(f->mapper, f->now);
        fake_run(f, PH_SEC);
        f->gateway_count = 1;
        f->gateways[0].local = away;
        ph_mapper_on_network(f->mapper, f->now);
        fake_run(f, 3 * PH_SEC);
        f->gateways[0].local = home;
        ph_mapper_on_network(f->mapper, f->now);
    }
    g.router.lose = 0;
    fake_run(f, PH_SEC);
    assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_MAPPED);
    assert_int_equal(router_count(&g.router), 1);
    assert_memory_equal(g.router.table[0].nonce, before.nonce, sizeof(before.nonce));
    igd_finish(f, &g);
}

/* ---- Silence and idleness */

/* What a mapper does in ten minutes of nothing new: a watch a minute where it has a mapping, a try
 * now and then where it has none, and nothing where none is wanted. */
static void test_idle(void **state)
{
    (void)state;
    static const struct {
        unsigned protocols;
        bool answers, wanted;
        size_t timers, packets; /* at most */
    } rows[] = {
        {PCP, true, true, 12, 12},
        {NATPMP, true, true, 12, 12},
        {UPNP, true, true, 12, 24},
        {PCP | NATPMP | UPNP, true, true, 12, 12},
        {PCP, false, true, 60, 60},
        {NATPMP, false, true, 60, 60},
        {UPNP, false, true, 60, 120},
        {PCP | NATPMP | UPNP, false, true, 80, 240},
        {PCP | NATPMP | UPNP, true, false, 0, 0},
        {PCP | NATPMP | UPNP, false, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct igd g;
        struct fake_host *f = start(&g, rows[i].protocols, 0);
        if (!rows[i].answers)
            g.on = g.router.pcp = g.router.natpmp = g.router.natpmp_refuses_pcp = false;
        if (rows[i].wanted)
            ph_mapper_acquire(f->mapper, f->now);
        else
            ph_mapper_discover(f->mapper, f->now);
        fake_run(f, 5 * PH_SEC);
        size_t timers = f->timers, packets = f->sent_count + f->http_count;
        fake_run(f, 600 * PH_SEC);
        timers = f->timers - timers;
        packets = f->sent_count + f->http_count - packets;
        if (timers > rows[i].timers || packets > rows[i].packets)
            fail_msg("row %zu: %zu deadlines, %zu packets", i, timers, packets);
        igd_finish(f, &g);
    }
}

/* ---- Whom SSDP would have us speak with */

static void test_led_astray(void **state)
{
    (void)state;
    static const struct {
        const char *from, *location;
        bool fetched;
    } rows[] = {
        {"192.168.1.1:1900", "http://192.168.1.1:80/d", true},
        {"192.168.1.7:1900", "http://192.168.1.7:80/d", true},
        {"192.168.1.1:1900", "http://127.0.0.1:80/d", false},
        {"192.168.1.1:1900", "http://0.0.0.0:80/d", false},
        {"192.168.1.1:1900", "http://[::1]:80/d", false},
        {"192.168.1.1:1900", "http://[::ffff:127.0.0.1]:80/d", false},
        {"192.168.1.1:1900", "http://224.0.0.1:80/d", false},
        {"192.168.1.1:1900", "http://198.51.100.9:80/d", false},
        {"192.168.1.1:1900", "https://192.168.1.1/d", false},
        {"192.168.1.1:1900", "http://u@192.168.1.1/d", false},
        /* From elsewhere, and about itself: whoever forged it gets no request of ours. */
        {"198.51.100.9:1900", "http://198.51.100.9:80/d", false},
        {"198.51.100.9:1900", "http://192.168.1.7:80/d", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct igd g;
        struct fake_host *f = start(&g, UPNP, 0);
        struct ph_addr from;
        char a[300];
        assert_int_equal(ph_addr_parse(rows[i].from, &from), PH_OK);
        g.on = false;
        f->on_sent = NULL;
        f->on_request = NULL;
        ph_mapper_acquire(f->mapper, f->now);
        int len = snprintf(a, sizeof(a),
                           "HTTP/1.1 200 OK\r\n"
                           "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
                           "LOCATION: %s\r\n\r\n",
                           rows[i].location);
        assert_true(fake_deliver(f, f->sent[0].sock, &from, a, (size_t)len));
        if (f->http_count != (rows[i].fetched ? 1 : 0))
            fail_msg("row %zu: %zu requests", i, f->http_count);
        igd_finish(f, &g);
    }
}

/* A description that leads elsewhere, a redirection, and a body without a service. */
static void test_description_astray(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *control;
    } rows[] = {
        {200, "http://127.0.0.1:22/x"},
        {200, "http://198.51.100.9/x"},
        {200, "//198.51.100.9/x"},
        {200, "http://[::1]/x"},
        {302, "/ctl"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct igd g;
        struct fake_host *f = start(&g, UPNP, 0);
        char body[1024];
        g.on = false;
        f->on_sent = NULL;
        f->on_request = NULL;
        ph_mapper_acquire(f->mapper, f->now);
        struct ph_addr from = fake_port(FAKE_GATEWAY, 1900);
        static const char answer[] =
            "HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://192.168.1.1/d\r\n\r\n";
        assert_true(fake_deliver(f, f->sent[0].sock, &from, answer, sizeof(answer) - 1));
        assert_int_equal(f->http_count, 1);
        int len = snprintf(body, sizeof(body),
                           "<root><device><serviceList><service><serviceType>"
                           "urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
                           "<controlURL>%s</controlURL></service></serviceList></device></root>",
                           rows[i].control);
        assert_true(fake_deliver_http(f, f->http[0].id, PH_OK, rows[i].status, body, (size_t)len));
        fake_run(f, 3 * PH_SEC);
        assert_int_equal(f->http_count, 1);
        assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_FAILED);
        igd_finish(f, &g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease),           cmocka_unit_test(test_shortest_lease),
        cmocka_unit_test(test_storms),          cmocka_unit_test(test_brief_mappings),
        cmocka_unit_test(test_no_time),         cmocka_unit_test(test_for_ever),
        cmocka_unit_test(test_address_returns), cmocka_unit_test(test_idle),
        cmocka_unit_test(test_led_astray),      cmocka_unit_test(test_description_astray),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
