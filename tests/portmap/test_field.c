/* What routers in the field do, a test for each row, with its bytes; and the bugs that clients in
 * the field had, a test for each. The reports are those of the projects named. */
#include "fake_igd.h"

static const struct ph_mapping *acquire(struct fake_host *f)
{
    fake_acquire(f, PH_PORTMAP_ACQUIRE_MAX);
    return ph_mapper_mapping(f->mapper);
}

/* tailscale#9343, #15223: 725 OnlyPermanentLeasesSupported, or 402 on a finite lease. Retried
 * with lease 0, which is remembered, and deleted at the end. */
static void test_only_permanent(void **state)
{
    (void)state;
    static const int codes[] = {725, 402};
    for (size_t i = 0; i < 4; i++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, UPNP);
        g.finite_error = codes[i % 2];
        g.version = i < 2 ? 1 : 2;
        assert_int_equal(acquire(f)->lifetime_s, 0);
        assert_int_equal(g.adds, 2); /* not the same one again */
        assert_int_equal(g.last_lease_s, 0);
        fake_release(f);
        assert_int_equal(router_count(&g.router), 0);
        assert_int_equal(g.dels, 1);
        acquire(f);
        assert_int_equal(g.adds, 3); /* it knows */
        igd_finish(f, &g);
    }
}

/* net-tools#52: lease 0 is refused, or piles up: a finite one is asked for first, never above
 * 604800. */
static void test_finite_first(void **state)
{
    (void)state;
    struct fake_host *f = fake_new();
    struct igd g;
    igd_init(f, &g);
    g.permanent_error = 402;
    struct ph_mapper_config c = {
        .host = &f->base, .sock = 1, .protocols = UPNP, .lifetime_s = UINT32_MAX};
    assert_int_equal(ph_mapper_new(&c, &f->mapper), PH_OK);
    assert_int_equal(acquire(f)->lifetime_s, 604800);
    assert_int_equal(g.adds, 1);
    igd_finish(f, &g);
}

/* syncthing#9324, nicotine-plus#3364: 718 and 729. Another port, few tries; first the one that was
 * used last; an entry that is ours is taken. (More in test_upnp_client.c.) */
static void test_conflict(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.taken = FAKE_PORT;
    g.conflict_error = 729;
    uint16_t port = acquire(f)->external.port;
    assert_true(port >= 1024 && port != FAKE_PORT);
    fake_release(f);
    unsigned adds = g.adds;
    assert_int_equal(acquire(f)->external.port, port);
    assert_int_equal(g.adds, adds + 1);
    igd_finish(f, &g);
}

/* tailscale: external port 0 is a wildcard. Never sent (fake_igd.h looks at every request), and not
 * believed in an answer. */
static void test_port_zero(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.version = 2;
    g.any_port = 0;
    assert_int_equal(acquire(f)->external.port, FAKE_PORT); /* by AddPortMapping */
    assert_int_equal(g.adds, 2);
    igd_finish(f, &g);
}

/* miniupnp#528, libplum#20: IGDv2's AddAnyPortMapping first, AddPortMapping where it does not
 * work, or is not answered. */
static void test_any_port_mapping(void **state)
{
    (void)state;
    static const int errors[] = {0, 401, 602, 501, -1, 402};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, UPNP);
        g.version = 2;
        g.any_error = errors[i];
        acquire(f);
        assert_int_equal(g.last_lease_s, 7200);
        bool plain = false, any = false;
        for (size_t k = 0; k < f->http_count; k++) {
            const char *action = strchr(f->http[k].action, '#');
            any |= action && strcmp(action, "#AddAnyPortMapping") == 0;
            plain |= action && strcmp(action, "#AddPortMapping") == 0;
        }
        assert_true(any);
        assert_int_equal(plain, errors[i] != 0);
        igd_finish(f, &g);
    }
    /* A port that somebody else has: the router gives another one by itself. */
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.version = 2;
    g.taken = FAKE_PORT;
    assert_int_equal(acquire(f)->external.port, 50001);
    assert_int_equal(g.adds, 1);
    igd_finish(f, &g);
}

/* tailscale#7377, #6833: "UDP" (fake_igd.h looks), and answers from an odd port. */
static void test_odd_port(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.ssdp_port = 34567;
    acquire(f);
    igd_finish(f, &g);
}

/* tailscale#3197, #3557: some answer to multicast alone, some to unicast alone; and they are asked
 * for what they are, not for ssdp:all. */
static void test_ssdp_ways(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, UPNP);
        g.no_multicast = i == 0;
        g.no_unicast = i == 1;
        acquire(f);
        bool igd = false, igd2 = false, root = false;
        for (size_t k = 0; k < f->sent_count; k++) {
            char text[sizeof(f->sent[k].data) + 1] = {0};
            memcpy(text, f->sent[k].data, f->sent[k].len);
            if (f->sent[k].to.port != 1900)
                continue;
            assert_int_not_equal(f->sent[k].sock, 1); /* a socket of its own */
            assert_null(strstr(text, "ssdp:all"));
            igd |= strstr(text, "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1") != NULL;
            igd2 |= strstr(text, "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:2") != NULL;
            root |= strstr(text, "ST: upnp:rootdevice") != NULL;
        }
        assert_true(igd && igd2 && root);
        igd_finish(f, &g);
    }
}

/* Another thing in the house that says it is a gateway. */
struct toy {
    struct igd igd; /* first */
    struct ph_addr ip;
    const char *status, *external;
    ph_ns delay;
    unsigned adds;
};

static void toy_ssdp(struct fake_host *f, const struct fake_sent *s)
{
    struct toy *t = f->router;
    char a[256], ip[PH_ADDR_STRLEN];
    if (s->to.port == 1900 && s->to.ip[0] == 239) {
        int len = snprintf(a, sizeof(a),
                           "HTTP/1.1 200 OK\r\n"
                           "ST:urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
                           "Location:http://%s:80/rootDesc.xml\r\n\r\n",
                           ph_addr_format_ip(&t->ip, ip));
        struct ph_addr from = fake_port(t->ip, 1900);
        fake_arrives(f, PH_US, s->sock, &from, a, (size_t)len);
    }
    igd_on_sent(f, s);
}

static void toy_http(struct fake_host *f, const struct fake_request *r)
{
    struct toy *t = f->router;
    char inner[160], body[2048];
    if (!ph_addr_ip_eq(&r->server, &t->ip)) {
        igd_on_request(f, r);
    } else if (!r->post) {
        snprintf(body, sizeof(body), igd_description, 1, 1, 1, 1, "");
        fake_http_answers(f, t->delay, r->id, PH_OK, 200, body);
    } else if (strstr(r->action, "GetStatusInfo")) {
        snprintf(inner, sizeof(inner), "<NewConnectionStatus>%s</NewConnectionStatus>", t->status);
        igd_says(f, r, 0, inner);
    } else if (strstr(r->action, "GetExternalIPAddress")) {
        snprintf(inner, sizeof(inner), "<NewExternalIPAddress>%s</NewExternalIPAddress>",
                 t->external);
        igd_says(f, r, 0, inner);
    } else {
        t->adds += strstr(r->action, "#Add") != NULL;
        igd_says(f, r, 0, "");
    }
}

/* syncthing#10885: the first to answer is not the one. */
static void test_several(void **state)
{
    (void)state;
    static const struct {
        const char *status, *external;
        ph_ns gateway_delay;
    } cases[] = {
        {"Disconnected", "0.0.0.0", PH_MS},
        {"Connected", "192.168.1.99", PH_MS},    /* an access point */
        {"Connected", "203.0.113.99", PH_MS},    /* all the same but for its place */
        {"Disconnected", "0.0.0.0", 30 * PH_MS}, /* slower than the window */
        {"Connected", "", 30 * PH_MS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_host *f = fake_new();
        struct toy t = {.ip = ph_addr_v4(192, 168, 1, 50, 0),
                        .status = cases[i].status,
                        .external = cases[i].external,
                        .delay = PH_US};
        igd_init(f, &t.igd);
        f->router = &t;
        f->on_sent = toy_ssdp;
        f->on_request = toy_http;
        t.igd.http_delay = cases[i].gateway_delay;
        fake_mapper(f, UPNP);
        const struct ph_mapping *m = acquire(f);
        assert_int_equal(m->gateway.ip[3], 1);
        assert_int_equal(t.adds, 0);
        igd_finish(f, &t.igd);
    }
}

/* tailscale#5502: the description lies on another address than the gateway's (CARP): taken, where
 * there is nothing else. */
static void test_location_elsewhere(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.ip = ph_addr_v4(192, 168, 1, 2, 0);
    const struct ph_mapping *m = acquire(f);
    assert_int_equal(m->gateway.ip[3], 2);
    igd_finish(f, &g);
}

/* home-assistant#71138, RetroArch#13399: what descriptions and HTTP are like. */
static void test_broken_xml(void **state)
{
    (void)state;
    static const char *const descriptions[] = {
        /* Tags that do not match, white space in controlURL. */
        "<root><device><friendlyName>A & B</friendlyName><serviceList><service>"
        "<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
        "<controlURL>\r\n  /ctl/IPConn \r\n</controlURL></service></serviceList></devices></root>",
        /* A prefix that nobody declared; a URL relative to the description's. */
        "<r:root><device><serviceList><service>"
        "<serviceType> urn:schemas-upnp-org:service:WANIPConnection:1 </serviceType>"
        "<controlURL>ctl/IPConn</controlURL></service></serviceList></device></r:root>",
        /* It stops in the middle, behind what matters. */
        "<?xml version=\"1.0\"?><root><device><serviceList><service>"
        "<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
        "<controlURL>/ctl/IPConn</controlURL></service><servi",
    };
    for (size_t i = 0; i < sizeof(descriptions) / sizeof(descriptions[0]); i++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, UPNP);
        g.description = descriptions[i];
        acquire(f);
        bool posted = false;
        for (size_t k = 0; k < f->http_count; k++) {
            if (f->http[k].post)
                assert_string_equal(f->http[k].path, "/ctl/IPConn");
            posted |= f->http[k].post;
            assert_null(strstr(f->http[k].path, "scpd")); /* not needed, not fetched */
            assert_true(f->http[k].answer_max >= 16384);
        }
        assert_true(posted);
        igd_finish(f, &g);
    }
}

/* The same, with a body whose end never comes: what is there is used when the time is over. */
static void unending_http(struct fake_host *f, const struct fake_request *r)
{
    struct igd *g = f->router;
    igd_on_request(f, r);
    if (!r->post && f->event_count > 0) {
        f->events[f->event_count - 1].error = PH_ERR_TIMEOUT;
        f->events[f->event_count - 1].at = f->now + r->timeout;
    }
    (void)g;
}

static void test_unending_body(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    f->on_request = unending_http;
    acquire(f);
    igd_finish(f, &g);
}

/* libplum#46: SOAP as devices like it. */
static void test_soap(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    acquire(f);
    const struct fake_request *add = NULL;
    for (size_t i = 0; i < f->http_count; i++) {
        if (strstr(f->http[i].action, "#AddPortMapping"))
            add = &f->http[i];
    }
    assert_non_null(add);
    /* The host quotes it. */
    assert_string_equal(add->action,
                        "urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping");
    assert_string_equal(add->host, "192.168.1.1:49152"); /* with its port */
    assert_null(strstr(add->body, ">\n"));
    assert_null(strstr(add->body, "> <"));
    assert_non_null(strstr(add->body, "<NewRemoteHost></NewRemoteHost>"));
    igd_finish(f, &g);
}

/* libplum#19, bitcoin#31663: a server of PCP's port that speaks NAT-PMP alone. */
static void test_natpmp_only(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, 0);
        g.on = false;
        g.router.natpmp = true;
        g.router.natpmp_refuses_pcp = i == 0; /* 00 81 00 01, or silence */
        assert_int_equal(acquire(f)->protocol, PH_PORTMAP_NATPMP);
        fake_run(f, 2 * PH_SEC);
        assert_int_equal(fake_report(f, PH_PORTMAP_PCP).said,
                         i == 0 ? PH_PORTMAP_UNSUPPORTED : PH_PORTMAP_SILENT);
        igd_finish(f, &g);
    }
}

/* tailscale#21127, libpcpnatpmp#40: the nonce of MAP, of its renewal and of its deletion is one; an
 * answer with another one is none. The router here deletes by nonce, as RFC 6887 wants. */
static void test_nonce(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, PCP);
    g.router.pcp = true;
    acquire(f);
    fake_run(f, 3700 * PH_SEC); /* renewed */
    assert_int_equal(g.router.maps, 2);
    const uint8_t *nonce = NULL;
    ph_mapper_release(f->mapper, f->now);
    for (size_t i = 0; i < f->sent_count; i++) {
        if (f->sent[i].len != 60)
            continue;
        if (nonce)
            assert_memory_equal(f->sent[i].data + 24, nonce, 12);
        nonce = f->sent[i].data + 24;
    }
    fake_until(f, PH_MAPPER_IDLE, PH_PORTMAP_RELEASE_MAX);
    assert_int_equal(g.router.deletes, 1);
    igd_finish(f, &g);
}

/* libnatpmp#14, #16: answers of before, or of another mapping. */
static void test_stale(void **state)
{
    (void)state;
    static const uint8_t other[16] = {0,    129,  0,    0,    0, 0, 0,    5,
                                      0x11, 0x11, 0x22, 0x22, 0, 0, 0x1c, 0x20};
    static const uint8_t tcp[16] = {0,    130,  0,    0,    0, 0, 0,    5,
                                    0x9c, 0x40, 0x22, 0x22, 0, 0, 0x1c, 0x20};
    struct igd g;
    struct fake_host *f = igd_start(&g, NATPMP);
    struct ph_addr gateway = fake_port(FAKE_GATEWAY, 5351);
    g.router.natpmp = true;
    g.router.rtt = 20 * PH_MS;
    ph_mapper_acquire(f->mapper, f->now);
    fake_deliver(f, 1, &gateway, other, sizeof(other));
    fake_deliver(f, 1, &gateway, tcp, sizeof(tcp));
    assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_ACQUIRING);
    fake_until(f, PH_MAPPER_MAPPED, PH_SEC);
    assert_int_equal(ph_mapper_mapping(f->mapper)->external.port, FAKE_PORT);
    igd_finish(f, &g);
}

/* miniupnp#254: a server that forgets to reset its epoch when its line changes. */
static void test_address_without_epoch(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, NATPMP);
    g.router.natpmp = true;
    acquire(f);
    memset(g.router.table, 0, sizeof(g.router.table));
    g.router.address = ph_addr_v4(203, 0, 113, 200, 0);
    fake_run(f, 61 * PH_SEC);
    const struct ph_mapping *m = ph_mapper_mapping(f->mapper);
    assert_non_null(m);
    assert_int_equal(m->external.ip[3], 200);
    assert_int_equal(router_count(&g.router), 1);
    igd_finish(f, &g);
}

/* The same seen by STUN before the watch: PCP's mapping is looked after at once. */
static void test_address_by_stun(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, PCP);
    struct ph_addr before = fake_port(FAKE_EXTERNAL, 9), after = ph_addr_v4(203, 0, 113, 200, 9);
    g.router.pcp = true;
    ph_mapper_set_reflexive(f->mapper, &before);
    acquire(f);
    g.router.address = ph_addr_v4(203, 0, 113, 200, 0);
    ph_mapper_set_reflexive(f->mapper, &after);
    fake_run(f, 5 * PH_MS);
    assert_int_equal(ph_mapper_mapping(f->mapper)->external.ip[3], 200);
    assert_int_equal(ph_mapper_mapping(f->mapper)->reach, PH_PORTMAP_REACH_PUBLIC);
    igd_finish(f, &g);
}

/* go-libp2p#3224, tailscale#10597: the router restarted: another HTTP port, an empty table. */
static void test_router_restart(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    acquire(f);
    g.http_port = 51515;
    memset(g.router.table, 0, sizeof(g.router.table));
    fake_run(f, 62 * PH_SEC);
    assert_int_equal(ph_mapper_state(f->mapper), PH_MAPPER_MAPPED);
    assert_int_equal(router_count(&g.router), 1);
    assert_int_equal(ph_mapper_mapping(f->mapper)->gateway.port, 51515);
    /* ... and between discovery and the question. */
    fake_release(f);
    g.http_port = 52525;
    acquire(f);
    assert_int_equal(router_count(&g.router), 1);
    /* ... and before the deletion, with a table that was kept. */
    g.http_port = 53535;
    igd_finish(f, &g);
}

/* miniupnp#732, #647, #333, #433: another NAT before the router's own. The mapping is told, for
 * what it is. */
static void test_double_nat(void **state)
{
    (void)state;
    static const char *const addresses[] = {"192.168.0.2", "100.64.3.4", "0.0.0.0"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        for (unsigned p = 0; p < PH_PORTMAP_PROTOCOLS; p++) {
            struct igd g;
            struct fake_host *f = igd_start(&g, 1u << p);
            g.router.pcp = g.router.natpmp = true;
            assert_int_equal(ph_addr_parse(addresses[i], &g.router.address), PH_OK);
            const struct ph_mapping *m = acquire(f);
            assert_int_equal(m->reach, PH_PORTMAP_REACH_DOUBLE);
            assert_int_equal(m->external.port, FAKE_PORT);
            igd_finish(f, &g);
        }
    }
}

/* miniupnp#240 is a fault of what the router forwards, not of what it says: the mapping is as any
 * other. A port that differs from the internal one is told as it was given. */
static void test_other_port(void **state)
{
    (void)state;
    for (unsigned p = 0; p < PH_PORTMAP_UPNP; p++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, 1u << p);
        g.router.pcp = g.router.natpmp = true;
        g.router.other_port = 6000;
        const struct ph_mapping *m = acquire(f);
        assert_int_equal(m->external.port, 6000);
        assert_int_equal(m->internal_port, FAKE_PORT);
        igd_finish(f, &g);
    }
}

/* ---- Bugs of clients */

/* The lifetime goes out in network order: 7200 is 00 00 1c 20. */
static void test_lifetime_order(void **state)
{
    (void)state;
    for (unsigned p = 0; p < PH_PORTMAP_UPNP; p++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, 1u << p);
        g.router.pcp = g.router.natpmp = true;
        assert_int_equal(acquire(f)->lifetime_s, 7200);
        const struct fake_sent *map = NULL;
        for (size_t i = 0; i < f->sent_count; i++) {
            if (f->sent[i].len >= 12 && f->sent[i].data[1] == 1)
                map = &f->sent[i];
        }
        assert_non_null(map);
        assert_memory_equal(map->data + (p == PH_PORTMAP_PCP ? 4 : 8), "\x00\x00\x1c\x20", 4);
        igd_finish(f, &g);
    }
}

/* The epoch check is run: on the watch, and on what is renewed. */
static void test_epoch_check_runs(void **state)
{
    (void)state;
    for (unsigned p = 0; p < PH_PORTMAP_UPNP; p++) {
        struct igd g;
        struct fake_host *f = igd_start(&g, 1u << p);
        g.router.pcp = g.router.natpmp = true;
        f->now = 5000 * PH_SEC;
        acquire(f);
        fake_run(f, 10 * PH_SEC);
        g.router.booted = f->now;
        memset(g.router.table, 0, sizeof(g.router.table));
        fake_run(f, 55 * PH_SEC);
        assert_int_equal(router_count(&g.router), 1);
        assert_int_equal(g.router.maps, 2);
        igd_finish(f, &g);
    }
}

/* 725 is not answered by the same request again: see test_only_permanent. Where lease 0 is refused
 * as well it ends. */
static void test_725_ends(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, UPNP);
    g.finite_error = 725;
    g.permanent_error = 402;
    ph_mapper_acquire(f->mapper, f->now);
    fake_until(f, PH_MAPPER_FAILED, PH_PORTMAP_ACQUIRE_MAX);
    assert_int_equal(g.adds, 2);
    assert_int_equal(fake_report(f, PH_PORTMAP_UPNP).code, 402);
    igd_finish(f, &g);
}

/* Never released because of a new nonce: the router checks it (see test_nonce), after a restart of
 * the router, too. */
static void test_release_after_restart(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, PCP);
    g.router.pcp = true;
    f->now = 5000 * PH_SEC;
    acquire(f);
    g.router.booted = f->now; /* its epoch is lost, its table is not */
    fake_run(f, 70 * PH_SEC);
    assert_int_equal(g.router.maps, 2);
    assert_int_equal(router_count(&g.router), 1);
    igd_finish(f, &g);
}

/* Looking leaves nothing behind, and neither does a mapping for a moment. */
static void test_nothing_left_by_looking(void **state)
{
    (void)state;
    struct igd g;
    struct fake_host *f = igd_start(&g, 0);
    g.router.pcp = g.router.natpmp = true;
    ph_mapper_discover(f->mapper, f->now);
    fake_until(f, PH_MAPPER_IDLE, 2 * PH_SEC);
    assert_int_equal(g.router.maps + g.adds, 0);
    for (unsigned p = 0; p < PH_PORTMAP_PROTOCOLS; p++)
        assert_int_equal(fake_report(f, p).said, PH_PORTMAP_ANSWERS);
    ph_mapper_acquire(f->mapper, f->now);
    fake_run(f, PH_US); /* not even answered yet */
    ph_mapper_release(f->mapper, f->now);
    fake_run(f, 3 * PH_SEC);
    assert_int_equal(router_count(&g.router), 0);
    igd_finish(f, &g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_permanent),
        cmocka_unit_test(test_finite_first),
        cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_port_zero),
        cmocka_unit_test(test_any_port_mapping),
        cmocka_unit_test(test_odd_port),
        cmocka_unit_test(test_ssdp_ways),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_location_elsewhere),
        cmocka_unit_test(test_broken_xml),
        cmocka_unit_test(test_unending_body),
        cmocka_unit_test(test_soap),
        cmocka_unit_test(test_natpmp_only),
        cmocka_unit_test(test_nonce),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_address_without_epoch),
        cmocka_unit_test(test_address_by_stun),
        cmocka_unit_test(test_router_restart),
        cmocka_unit_test(test_double_nat),
        cmocka_unit_test(test_other_port),
        cmocka_unit_test(test_lifetime_order),
        cmocka_unit_test(test_epoch_check_runs),
        cmocka_unit_test(test_725_ends),
        cmocka_unit_test(test_release_after_restart),
        cmocka_unit_test(test_nothing_left_by_looking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
