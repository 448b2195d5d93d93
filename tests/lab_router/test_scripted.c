/* What the scripted router says to which bytes: good, and with each of its faults. Pure: a clock of
 * our own, no sockets. */
#include "lab/router/fault.h"
#include "lab/router/scripted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW       (5 * PH_SEC)
#define SENT_MAX  16
#define HTTP_PORT 49152
#define HTTP_NEXT 49153

struct sent {
    ph_ns at;
    struct ph_addr from, to;
    size_t len;
    uint8_t data[1500];
};

struct rig {
    struct scripted *s;
    ph_ns now;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    struct scripted_mapping last;
    size_t on, off; /* mappings that began and ended */
};

static const struct ph_addr client = {PH_AF_V4, 0, 41000, {192, 168, 1, 10}};
static const struct ph_addr lan = {PH_AF_V4, 0, 0, {192, 168, 1, 1}};
static const struct ph_addr wan = {PH_AF_V4, 0, 0, {11, 2, 0, 2}};

static void on_send(void *user, const struct scripted_datagram *d)
{
    struct rig *r = user;
    struct sent *out = &r->sent[r->sent_count++];
    assert_true(r->sent_count <= SENT_MAX);
    assert_true(d->len <= sizeof(out->data));
    assert_true(d->at >= r->now);
    *out = (struct sent){.at = d->at, .from = d->from, .to = d->to, .len = d->len};
    memcpy(out->data, d->data, d->len);
}

static void on_map(void *user, const struct scripted_mapping *m, bool on)
{
    struct rig *r = user;
    r->last = *m;
    *(on ? &r->on : &r->off) += 1;
}

static const struct scripted_ops ops = {.send = on_send, .map = on_map};

/* protocols: bits of enum fault_protocol; fault: NULL for a good router. */
static void start(struct rig *r, unsigned protocols, const char *fault)
{
    struct nat_profile p;
    struct scripted_config config = {
        .profile = &p, .lan = lan, .wan = wan, .http_ports = {HTTP_PORT, HTTP_NEXT}, .seed = 1};
    nat_profile_init(&p);
    p.port_mapping.pcp = (protocols & FAULT_PCP) != 0;
    p.port_mapping.nat_pmp = (protocols & FAULT_NAT_PMP) != 0;
    p.port_mapping.upnp = (protocols & FAULT_UPNP) != 0;
    if (fault != NULL) {
        p.port_mapping.fault_count = 1;
        (void)snprintf(p.port_mapping.faults[0], NAT_NAME_MAX, "%s", fault);
    }
    *r = (struct rig){.now = NOW};
    assert_int_equal(scripted_new(&config, &ops, r, NOW, &r->s), 0);
}

static void stop(struct rig *r)
{
    scripted_free(r->s);
}

/* A datagram in; how many came out. */
static size_t ask(struct rig *r, const void *data, size_t len)
{
    struct ph_addr to = lan;
    to.port = SCRIPTED_PORT;
    r->sent_count = 0;
    scripted_take(r->s, r->now, &client, &to, data, len);
    return r->sent_count;
}

/* ---- NAT-PMP (RFC 6886) */

static const uint8_t natpmp_map[12] = {
    0x00, 0x01,             /* version 0, op 1: map UDP */
    0x00, 0x00,             /* reserved */
    0xa0, 0x28,             /* internal port 41000 */
    0xa4, 0x10,             /* suggested external port 42000 */
    0x00, 0x00, 0x02, 0x58, /* 600 s */
};

static void test_natpmp(void **state)
{
    struct rig r;
    uint8_t bytes[12];
    (void)state;
    start(&r, FAULT_NAT_PMP, NULL);

    assert_int_equal(ask(&r, "\0\0", 2), 1);
    assert_int_equal(r.sent[0].len, 12);
    assert_memory_equal(r.sent[0].data,
                        "\x00\x80"         /* version 0, op 128 */
                        "\x00\x00"         /* success */
                        "\x00\x01\x86\xa0" /* epoch 100000 s */
                        "\x0b\x02\x00\x02" /* 11.2.0.2 */,
                        12);
    assert_int_equal(r.sent[0].from.port, 5351);
    assert_true(ph_addr_ip_eq(&r.sent[0].from, &lan));
    assert_true(ph_addr_eq(&r.sent[0].to, &client));

    r.now += 7 * PH_SEC;
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_int_equal(r.sent[0].len, 16);
    assert_memory_equal(r.sent[0].data,
                        "\x00\x81\x00\x00" /* success */
                        "\x00\x01\x86\xa7" /* epoch 100007 s */
                        "\xa0\x28\xa4\x10" /* 41000, 42000 */
                        "\x00\x00\x02\x58" /* 600 s */,
                        16);
    assert_int_equal(r.on, 1);
    assert_int_equal(r.last.external, 42000);
    assert_true(ph_addr_eq(&r.last.inside, &client));
    assert_int_equal(scripted_count(r.s), 1);

    /* Renewed, not doubled. */
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_int_equal(r.on, 1);

    /* Another host wants the port: it gets another one. */
    struct ph_addr other = client, to = lan;
    other.ip[3] = 11;
    to.port = SCRIPTED_PORT;
    r.sent_count = 0;
    scripted_take(r.s, r.now, &other, &to, natpmp_map, 12);
    assert_int_equal(r.sent[0].data[3], 0);
    assert_memory_not_equal(r.sent[0].data + 10, "\xa4\x10", 2);

    memcpy(bytes, natpmp_map, 12);
    memset(bytes + 6, 0, 6); /* external port and lifetime 0: delete */
    assert_int_equal(ask(&r, bytes, 12), 1);
    assert_memory_equal(r.sent[0].data + 8, "\xa0\x28\x00\x00\x00\x00\x00\x00", 8);
    assert_int_equal(r.off, 1);
    assert_int_equal(scripted_count(r.s), 1);

    /* The other one runs out. */
    assert_int_equal(scripted_next(r.s), r.now + 600 * PH_SEC);
    scripted_tick(r.s, r.now + 600 * PH_SEC - 1);
    assert_int_equal(scripted_count(r.s), 1);
    scripted_tick(r.s, r.now + 600 * PH_SEC);
    assert_int_equal(scripted_count(r.s), 0);
    assert_int_equal(r.off, 2);
    stop(&r);
}

static void test_natpmp_refusals(void **state)
{
    struct rig r;
    (void)state;
    start(&r, FAULT_NAT_PMP, NULL);
    /* An unknown opcode: 5. A response, a map request that ends early, one byte: nothing. */
    assert_int_equal(ask(&r, "\x00\x07", 2), 1);
    assert_memory_equal(r.sent[0].data, "\x00\x87\x00\x05", 4);
    assert_int_equal(ask(&r, "\x00\x81\x00\x00", 4), 0);
    assert_int_equal(ask(&r, natpmp_map, 11), 0);
    assert_int_equal(ask(&r, "\x00", 1), 0);
    /* PCP is answered in version 0 (RFC 6886 section 3.5). */
    assert_int_equal(ask(&r, "\x02\x01", 2), 1);
    assert_int_equal(r.sent[0].len, 8);
    assert_memory_equal(r.sent[0].data, "\x00\x81\x00\x01", 4);
    stop(&r);
    start(&r, FAULT_UPNP, NULL);
    assert_int_equal(ask(&r, natpmp_map, 12), 0);
    stop(&r);
}

/* ---- PCP (RFC 6887) */

static void pcp_map(uint8_t out[60], uint8_t nonce, uint16_t lifetime)
{
    static const uint8_t map[60] = {
        [0] = 0x02,                                                 /* version 2 */
        [1] = 0x01,                                                 /* request, MAP */
        [18] = 0xff, [19] = 0xff,                                   /* ::ffff: */
        [20] = 192,  [21] = 168,  [22] = 1, [23] = 10, [36] = 0x11, /* UDP */
        [40] = 0xa0, [41] = 0x28,                                   /* internal port 41000 */
        [42] = 0xa4, [43] = 0x10, /* suggested external port 42000 */
        [54] = 0xff, [55] = 0xff, /* ::ffff:0.0.0.0 */
    };
    memcpy(out, map, sizeof(map));
    out[6] = (uint8_t)(lifetime >> 8);
    out[7] = (uint8_t)lifetime;
    memset(out + 24, nonce, 12);
}

static void test_pcp(void **state)
{
    struct rig r;
    uint8_t bytes[64];
    (void)state;
    start(&r, FAULT_PCP, NULL);
    pcp_map(bytes, 0x11, 600);
    assert_int_equal(ask(&r, bytes, 60), 1);
    assert_int_equal(r.sent[0].len, 60);
    assert_memory_equal(r.sent[0].data,
                        "\x02\x81\x00\x00" /* MAP response, success */
                        "\x00\x00\x02\x58" /* 600 s */
                        "\x00\x01\x86\xa0" /* epoch */,
                        12);
    assert_memory_equal(r.sent[0].data + 24, bytes + 24, 12); /* nonce */
    assert_memory_equal(r.sent[0].data + 36, "\x11\x00\x00\x00\xa0\x28\xa4\x10", 8);
    assert_memory_equal(r.sent[0].data + 44, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0b\x02\x00\x02", 16);

    pcp_map(bytes, 0x22, 0); /* another nonce deletes nothing: NOT_AUTHORIZED */
    assert_int_equal(ask(&r, bytes, 60), 1);
    assert_int_equal(r.sent[0].data[3], 2);
    assert_int_equal(scripted_count(r.s), 1);
    pcp_map(bytes, 0x11, 0);
    assert_int_equal(ask(&r, bytes, 60), 1);
    assert_memory_equal(r.sent[0].data + 3, "\x00\x00\x00\x00\x00", 5);
    assert_int_equal(scripted_count(r.s), 0);

    /* ANNOUNCE. */
    memset(bytes, 0, sizeof(bytes));
    bytes[0] = 2;
    assert_int_equal(ask(&r, bytes, 24), 1);
    assert_int_equal(r.sent[0].len, 24);
    assert_memory_equal(r.sent[0].data, "\x02\x80\x00\x00", 4);
    stop(&r);
}

static void test_pcp_refusals(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        size_t len;
        uint8_t result;
    } cases[] = {
        {0, 1, 60, 1},    /* version 1: UNSUPP_VERSION */
        {0, 0, 60, 1},    /* NAT-PMP, which this one does not speak */
        {1, 5, 60, 4},    /* an unknown opcode */
        {1, 2, 60, 4},    /* PEER */
        {0, 2, 56, 3},    /* MAP without its end */
        {0, 2, 22, 3},    /* less than a head */
        {23, 11, 60, 12}, /* not our address */
        {36, 1, 60, 9},   /* ICMP */
        {41, 0, 60, 0},   /* another port: fine */
        {60, 2, 64, 5},   /* an option that it does not know and must understand */
        {60, 130, 64, 0}, /* one that it may ignore */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig r;
        uint8_t bytes[64] = {0};
        start(&r, FAULT_PCP, NULL);
        pcp_map(bytes, 0x11, 600);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(ask(&r, bytes, cases[i].len), 1);
        if (r.sent[0].data[3] != cases[i].result || r.sent[0].data[0] != 2)
            fail_msg("case %zu: result %u", i, r.sent[0].data[3]);
        assert_int_equal(scripted_count(r.s), cases[i].result == 0 ? 1 : 0);
        stop(&r);
    }
}

/* ---- Faults of both */

static void test_datagram_faults(void **state)
{
    struct rig r;
    uint8_t bytes[60];
    (void)state;

    start(&r, FAULT_PCP | FAULT_NAT_PMP, "pcp-silent");
    pcp_map(bytes, 0x11, 600);
    assert_int_equal(ask(&r, bytes, 60), 0);
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    stop(&r);

    start(&r, FAULT_PCP | FAULT_NAT_PMP, "pcp-version-0");
    assert_int_equal(ask(&r, bytes, 60), 1);
    assert_memory_equal(r.sent[0].data, "\x00\x81\x00\x01", 4);
    stop(&r);

    start(&r, FAULT_PCP, "wrong-nonce");
    assert_int_equal(ask(&r, bytes, 60), 1);
    assert_memory_not_equal(r.sent[0].data + 24, bytes + 24, 12);
    stop(&r);

    start(&r, FAULT_PCP, "address-mismatch");
    assert_int_equal(ask(&r, bytes, 60), 1);
    assert_int_equal(r.sent[0].data[3], 12);
    stop(&r);

    /* Late answers to other requests come first, and are no answer to ours. */
    start(&r, FAULT_PCP | FAULT_NAT_PMP, "stale-answers");
    assert_int_equal(ask(&r, natpmp_map, 12), 2);
    assert_memory_not_equal(r.sent[0].data + 8, "\xa0\x28", 2);
    assert_memory_equal(r.sent[1].data + 8, "\xa0\x28\xa4\x10", 4);
    assert_int_equal(ask(&r, bytes, 60), 2);
    assert_memory_not_equal(r.sent[0].data + 24, bytes + 24, 12);
    assert_memory_equal(r.sent[1].data + 24, bytes + 24, 12);
    stop(&r);

    start(&r, FAULT_PCP | FAULT_NAT_PMP, "foreign-answers");
    assert_int_equal(ask(&r, natpmp_map, 12), 2);
    assert_int_equal(r.sent[0].from.ip[3], SCRIPTED_ELSEWHERE);
    assert_memory_equal(r.sent[0].data + 8, "\xa0\x28\x00\x09", 4);
    assert_true(ph_addr_ip_eq(&r.sent[1].from, &lan));
    stop(&r);

    start(&r, FAULT_NAT_PMP, "first-lost");
    assert_int_equal(ask(&r, "\0\0", 2), 0);
    assert_int_equal(ask(&r, natpmp_map, 12), 0);
    assert_int_equal(ask(&r, "\0\0", 2), 1);
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    stop(&r);

    start(&r, FAULT_NAT_PMP, "other-port");
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_memory_equal(r.sent[0].data, "\x00\x81\x00\x00", 4);
    assert_memory_not_equal(r.sent[0].data + 10, "\xa4\x10", 2);
    stop(&r);

    start(&r, FAULT_PCP | FAULT_NAT_PMP, "short-lifetime");
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_memory_equal(r.sent[0].data + 12, "\0\0\0\x02", 4);
    assert_int_equal(scripted_next(r.s), NOW + 2 * PH_SEC);
    stop(&r);

    start(&r, FAULT_PCP | FAULT_NAT_PMP, "padded-answers");
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_int_equal(r.sent[0].len, 1000);
    assert_memory_equal(r.sent[0].data + 8, "\xa0\x28\xa4\x10", 4);
    stop(&r);

    start(&r, FAULT_PCP | FAULT_NAT_PMP, "truncated-answers");
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_int_equal(r.sent[0].len, 10);
    assert_int_equal(ask(&r, bytes, 60), 1);
    assert_int_equal(r.sent[0].len, 40);
    stop(&r);

    start(&r, FAULT_PCP | FAULT_NAT_PMP, "not-authorized");
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_int_equal(r.sent[0].data[3], 2);
    assert_int_equal(ask(&r, bytes, 60), 1);
    assert_int_equal(r.sent[0].data[3], 2);
    stop(&r);

    start(&r, FAULT_PCP | FAULT_NAT_PMP, "refuses-all");
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_int_equal(r.sent[0].data[3], 4);
    assert_int_equal(ask(&r, bytes, 60), 1);
    assert_int_equal(r.sent[0].data[3], 8);
    assert_int_equal(scripted_count(r.s), 0);
    stop(&r);
}

static void test_external_addresses(void **state)
{
    static const struct {
        const char *fault;
        uint8_t ip[4];
    } cases[] = {
        {NULL, {11, 2, 0, 2}},
        {"private-external", {192, 168, 1, 2}},
        {"shared-external", {100, 64, 1, 2}},
        {"zero-external", {0, 0, 0, 0}},
        {"epoch-stuck", {11, 2, 0, 0x82}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig r;
        uint8_t bytes[60];
        start(&r, FAULT_PCP | FAULT_NAT_PMP, cases[i].fault);
        assert_int_equal(ask(&r, "\0\0", 2), 1);
        assert_memory_equal(r.sent[0].data + 8, cases[i].ip, 4);
        pcp_map(bytes, 0x11, 600);
        assert_int_equal(ask(&r, bytes, 60), 1);
        assert_memory_equal(r.sent[0].data + 56, cases[i].ip, 4);
        stop(&r);
    }
}

static void test_restarts(void **state)
{
    struct rig r;
    (void)state;
    start(&r, FAULT_NAT_PMP, "epoch-reset");
    assert_int_equal(scripted_next(r.s), PH_NEVER);
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    r.now = scripted_next(r.s);
    assert_true(r.now > NOW && r.now < NOW + PH_SEC);
    scripted_tick(r.s, r.now);
    assert_int_equal(scripted_count(r.s), 0);
    assert_int_equal(r.off, 1);
    r.now += PH_SEC;
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_memory_equal(r.sent[0].data + 4, "\0\0\0\x01", 4); /* its epoch begins anew */
    /* Once is enough. */
    assert_int_equal(scripted_next(r.s), r.now + 600 * PH_SEC);
    stop(&r);

    start(&r, FAULT_NAT_PMP, "epoch-stuck");
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    r.now = NOW + PH_SEC;
    assert_int_equal(ask(&r, "\0\0", 2), 1);
    assert_int_equal(scripted_count(r.s), 0);
    assert_memory_equal(r.sent[0].data + 4, "\x00\x01\x86\xa1\x0b\x02\x00\x02", 8);
    /* Flushed, it is as it was. */
    scripted_flush(r.s, r.now);
    assert_int_equal(ask(&r, "\0\0", 2), 1);
    assert_memory_equal(r.sent[0].data + 8, "\x0b\x02\x00\x82", 4);
    stop(&r);
}

/* ---- SSDP */

#define IGD "urn:schemas-upnp-org:device:InternetGatewayDevice:"
#define WIP "urn:schemas-upnp-org:service:WANIPConnection:"

static size_t search(struct rig *r, bool multicast, const char *target)
{
    char text[512];
    struct ph_addr to = multicast ? ph_addr_v4(239, 255, 255, 250, 0) : lan;
    int n = snprintf(text, sizeof(text),
                     "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
                     "MAN: \"ssdp:discover\"\r\nMX: 1\r\nST: %s\r\n\r\n",
                     target);
    to.port = SCRIPTED_SSDP_PORT;
    r->sent_count = 0;
    scripted_take(r->s, r->now, &client, &to, (const uint8_t *)text, (size_t)n);
    for (size_t i = 0; i < r->sent_count; i++)
        r->sent[i].data[r->sent[i].len] = '\0';
    return r->sent_count;
}

static bool says(const struct rig *r, size_t i, const char *text)
{
    return strstr((const char *)r->sent[i].data, text) != NULL;
}

static void test_ssdp(void **state)
{
    struct rig r;
    (void)state;
    start(&r, FAULT_UPNP, NULL);
    for (int multicast = 0; multicast < 2; multicast++) {
        assert_int_equal(search(&r, multicast, IGD "1"), 1);
        assert_memory_equal(r.sent[0].data, "HTTP/1.1 200 OK\r\n", 17);
        assert_true(says(&r, 0, "\r\nST: " IGD "1\r\n"));
        assert_true(says(&r, 0, "\r\nLOCATION: http://192.168.1.1:49152/rootDesc.xml\r\n"));
        assert_true(says(&r, 0, "\r\n\r\n"));
        assert_int_equal(r.sent[0].from.port, 1900);
    }
    assert_int_equal(search(&r, true, "upnp:rootdevice"), 1);
    assert_int_equal(search(&r, true, "ssdp:all"), 3);
    assert_int_equal(search(&r, true, WIP "1"), 1);
    /* It is of version 1. */
    assert_int_equal(search(&r, true, IGD "2"), 0);
    assert_int_equal(search(&r, true, WIP "2"), 0);
    assert_int_equal(search(&r, true, "urn:schemas-upnp-org:device:MediaServer:1"), 0);
    stop(&r);
    start(&r, FAULT_UPNP, "igd2-any-port");
    assert_int_equal(search(&r, true, IGD "2"), 1);
    assert_int_equal(search(&r, true, IGD "1"), 1);
    stop(&r);
    start(&r, FAULT_PCP, NULL);
    assert_int_equal(search(&r, true, IGD "1"), 0);
    stop(&r);
}

static void test_ssdp_faults(void **state)
{
    struct rig r;
    (void)state;
    start(&r, FAULT_UPNP, "unicast-only");
    assert_int_equal(search(&r, true, IGD "1"), 0);
    assert_int_equal(search(&r, false, IGD "1"), 1);
    stop(&r);
    start(&r, FAULT_UPNP, "multicast-only");
    assert_int_equal(search(&r, true, IGD "1"), 1);
    assert_int_equal(search(&r, false, IGD "1"), 0);
    stop(&r);
    start(&r, FAULT_UPNP, "ssdp-all-first-only");
    assert_int_equal(search(&r, true, "ssdp:all"), 1);
    assert_false(says(&r, 0, "InternetGateway"));
    assert_int_equal(search(&r, true, IGD "1"), 1);
    assert_true(says(&r, 0, "/rootDesc.xml"));
    stop(&r);
    start(&r, FAULT_UPNP, "odd-source-port");
    assert_int_equal(search(&r, true, IGD "1"), 1);
    assert_int_not_equal(r.sent[0].from.port, 1900);
    assert_true(ph_addr_ip_eq(&r.sent[0].from, &lan));
    stop(&r);
    start(&r, FAULT_UPNP, "location-elsewhere");
    assert_int_equal(search(&r, true, IGD "1"), 1);
    assert_true(says(&r, 0, "LOCATION: http://192.168.1.245:49152/"));
    stop(&r);
    start(&r, FAULT_UPNP, "several-igds");
    assert_int_equal(search(&r, true, IGD "1"), 3);
    assert_true(says(&r, 0, "/ap.xml") && says(&r, 1, "/toy.xml") && says(&r, 2, "/rootDesc.xml"));
    assert_true(r.sent[2].at > r.now && r.sent[2].at <= r.now + 50 * PH_MS);
    stop(&r);
    start(&r, FAULT_UPNP, "truncated-answers");
    assert_int_equal(search(&r, true, IGD "1"), 1);
    assert_false(says(&r, 0, "LOCATION"));
    stop(&r);
}

/* ---- HTTP and SOAP */

static struct scripted_http http(struct rig *r, const char *request)
{
    struct scripted_http out;
    struct ph_addr server = lan;
    server.port = scripted_http_port(r->s);
    assert_int_equal(scripted_http_whole(request, strlen(request)), strlen(request));
    assert_int_equal(
        scripted_http_take(r->s, r->now, &client, &server, request, strlen(request), &out), 0);
    return out;
}

static struct scripted_http describe(struct rig *r)
{
    return http(r, "GET /rootDesc.xml HTTP/1.1\r\nHost: 192.168.1.1:49152\r\n\r\n");
}

/* A whole SOAP call; the answer's status, its text in `out`. 0: hung up. */
static int call(struct rig *r, const char *fields, unsigned version, const char *action,
                const char *arguments, char *out, size_t cap)
{
    char request[4096], body[2048];
    struct scripted_http h;
    int n = snprintf(body, sizeof(body),
                     "<?xml version=\"1.0\"?>\r\n<s:Envelope><s:Body><u:%s xmlns:u=\"" WIP
                     "%u\">%s</u:%s></s:Body></s:Envelope>",
                     action, version, arguments, action);
    (void)snprintf(request, sizeof(request),
                   "POST /ctl/conn HTTP/1.1\r\n%sSOAPAction: \"" WIP
                   "%u#%s\"\r\nContent-Length: %d\r\n\r\n%s",
                   fields, version, action, n, body);
    h = http(r, request);
    (void)snprintf(out, cap, "%s", h.bytes != NULL ? h.bytes : "");
    scripted_http_fini(&h);
    return h.status;
}

#define HOST "Host: 192.168.1.1:49152\r\n"

static int add(struct rig *r, const char *action, unsigned version, unsigned external,
               const char *protocol, unsigned lease, char *out, size_t cap)
{
    char arguments[1024];
    (void)snprintf(arguments, sizeof(arguments),
                   "<NewRemoteHost></NewRemoteHost><NewExternalPort>%u</NewExternalPort>"
                   "<NewProtocol>%s</NewProtocol><NewInternalPort>41000</NewInternalPort>"
                   "<NewInternalClient>192.168.1.10</NewInternalClient><NewEnabled>1</NewEnabled>"
                   "<NewPortMappingDescription>test</NewPortMappingDescription>"
                   "<NewLeaseDuration>%u</NewLeaseDuration>",
                   external, protocol, lease);
    return call(r, HOST, version, action, arguments, out, cap);
}

static int named(struct rig *r, const char *action, unsigned external, char *out, size_t cap)
{
    char arguments[256];
    (void)snprintf(arguments, sizeof(arguments),
                   "<NewRemoteHost></NewRemoteHost><NewExternalPort>%u</NewExternalPort>"
                   "<NewProtocol>UDP</NewProtocol>",
                   external);
    return call(r, HOST, 1, action, arguments, out, cap);
}

static bool is_error(const char *answer, unsigned code)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "<errorCode>%u</errorCode>", code);
    return strstr(answer, text) != NULL;
}

static void test_soap(void **state)
{
    struct rig r;
    char out[4096];
    (void)state;
    start(&r, FAULT_UPNP, NULL);
    assert_int_equal(call(&r, HOST, 1, "GetExternalIPAddress", "", out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<NewExternalIPAddress>11.2.0.2</NewExternalIPAddress>"));
    assert_int_equal(call(&r, HOST, 1, "GetStatusInfo", "", out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<NewConnectionStatus>Connected</NewConnectionStatus>"));

    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<u:AddPortMappingResponse xmlns:u=\"" WIP "1\">"));
    assert_int_equal(r.on, 1);
    assert_int_equal(r.last.external, 42000);
    assert_true(ph_addr_eq(&r.last.inside, &client));
    r.now += PH_SEC;
    assert_int_equal(named(&r, "GetSpecificPortMappingEntry", 42000, out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<NewInternalPort>41000</NewInternalPort>"));
    assert_non_null(strstr(out, "<NewInternalClient>192.168.1.10</NewInternalClient>"));
    assert_non_null(strstr(out, "<NewLeaseDuration>599</NewLeaseDuration>"));
    assert_int_equal(call(&r, HOST, 1, "GetGenericPortMappingEntry",
                          "<NewPortMappingIndex>0</NewPortMappingIndex>", out, sizeof(out)),
                     200);
    assert_non_null(strstr(out, "<NewExternalPort>42000</NewExternalPort>"));
    assert_int_equal(call(&r, HOST, 1, "GetGenericPortMappingEntry",
                          "<NewPortMappingIndex>1</NewPortMappingIndex>", out, sizeof(out)),
                     500);
    assert_true(is_error(out, 713));

    assert_int_equal(named(&r, "DeletePortMapping", 42000, out, sizeof(out)), 200);
    assert_int_equal(r.off, 1);
    assert_int_equal(named(&r, "DeletePortMapping", 42000, out, sizeof(out)), 500);
    assert_true(is_error(out, 714));

    /* A permanent one stays; one with a lease does not. */
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 200);
    assert_int_equal(scripted_next(r.s), PH_NEVER);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42001, "udp", 2, out, sizeof(out)), 200);
    scripted_tick(r.s, r.now + 2 * PH_SEC);
    assert_int_equal(scripted_count(r.s), 1);

    assert_int_equal(add(&r, "AddPortMapping", 1, 0, "UDP", 0, out, sizeof(out)), 500);
    assert_true(is_error(out, 716));
    assert_int_equal(add(&r, "AddAnyPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 500);
    assert_true(is_error(out, 401)); /* version 1 has it not */
    stop(&r);
}

static void test_soap_faults(void **state)
{
    struct rig r;
    char out[4096];
    (void)state;

    start(&r, FAULT_UPNP, "only-permanent");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 725));
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "invalid-args-on-lease");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 402));
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "refuses-permanent");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 0, out, sizeof(out)), 500);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 604801, out, sizeof(out)), 500);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 604800, out, sizeof(out)), 200);
    stop(&r);

    static const struct {
        const char *fault;
        unsigned code;
        const char *shows; /* GetSpecificPortMappingEntry */
        size_t count;      /* mappings of clients after the refusal */
    } taken[] = {
        {"conflict", 718, NULL, 0},
        {"conflict-mechanism", 729, NULL, 0},
        {"entry-is-foreign", 718, "192.168.1.246", 0},
        {"entry-is-ours", 718, "192.168.1.10", 1},
    };
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        start(&r, FAULT_UPNP, taken[i].fault);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)),
                             500);
            assert_true(is_error(out, taken[i].code));
        }
        assert_int_equal(scripted_count(r.s), taken[i].count);
        assert_int_equal(r.on, taken[i].count); /* by another host's entry nothing comes in */
        assert_int_equal(named(&r, "GetSpecificPortMappingEntry", 42000, out, sizeof(out)),
                         taken[i].shows != NULL ? 200 : 500);
        assert_true(taken[i].shows != NULL ? strstr(out, taken[i].shows) != NULL
                                           : is_error(out, 714));
        assert_int_equal(add(&r, "AddPortMapping", 1, 42001, "UDP", 600, out, sizeof(out)), 200);
        stop(&r);
    }

    start(&r, FAULT_UPNP, "renewal-refused");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 200);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 718));
    stop(&r);

    start(&r, FAULT_UPNP, "igd2-any-port");
    assert_int_equal(add(&r, "AddPortMapping", 2, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_int_equal(add(&r, "AddAnyPortMapping", 2, 42000, "UDP", 600, out, sizeof(out)), 200);
    assert_non_null(strstr(out, "<NewReservedPort>2"));
    assert_int_equal(scripted_count(r.s), 1);
    stop(&r);

    start(&r, FAULT_UPNP, "igd2-transport-error");
    assert_int_equal(add(&r, "AddAnyPortMapping", 2, 42000, "UDP", 600, out, sizeof(out)), 0);
    assert_int_equal(add(&r, "AddPortMapping", 2, 42000, "UDP", 600, out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "lower-case-refused");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "udp", 600, out, sizeof(out)), 500);
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "port-zero-wildcard");
    assert_int_equal(add(&r, "AddPortMapping", 1, 0, "UDP", 600, out, sizeof(out)), 200);
    assert_true(r.last.wildcard);
    assert_int_equal(named(&r, "DeletePortMapping", 0, out, sizeof(out)), 500);
    assert_int_equal(scripted_count(r.s), 1);
    stop(&r);

    start(&r, FAULT_UPNP, "host-without-port-refused");
    assert_int_equal(
        call(&r, "Host: 192.168.1.1\r\n", 1, "GetExternalIPAddress", "", out, sizeof(out)), 400);
    assert_int_equal(call(&r, HOST, 1, "GetExternalIPAddress", "", out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "pretty-printed-refused");
    assert_int_equal(call(&r, HOST, 1, "GetExternalIPAddress", "\n  <X></X>", out, sizeof(out)),
                     500);
    assert_int_equal(call(&r, HOST, 1, "GetExternalIPAddress", "", out, sizeof(out)), 200);
    stop(&r);

    start(&r, FAULT_UPNP, "not-authorized");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 606));
    stop(&r);

    start(&r, FAULT_UPNP, "refuses-all");
    assert_int_equal(add(&r, "AddPortMapping", 1, 42000, "UDP", 600, out, sizeof(out)), 500);
    assert_true(is_error(out, 501));
    stop(&r);
}

static void test_unquoted_action(void **state)
{
    static const char request[] = "POST /ctl/conn HTTP/1.1\r\n" HOST "SOAPAction: " WIP
                                  "1#GetExternalIPAddress\r\nContent-Length: 0\r\n\r\n";
    struct rig r;
    struct scripted_http h;
    (void)state;
    start(&r, FAULT_UPNP, "unquoted-soapaction-refused");
    h = http(&r, request);
    assert_int_equal(h.status, 500);
    assert_true(is_error(h.bytes, 401));
    scripted_http_fini(&h);
    stop(&r);
    start(&r, FAULT_UPNP, NULL);
    h = http(&r, request);
    assert_int_equal(h.status, 200);
    scripted_http_fini(&h);
    stop(&r);
}

static void test_descriptions(void **state)
{
    static const struct {
        const char *fault;
        const char *shows;
        bool hides; /* it must not be there */
        size_t least, most;
    } cases[] = {
        {NULL, "<controlURL>/ctl/conn</controlURL>", false, 500, 8000},
        {NULL, "\r\nContent-Length: ", false, 500, 8000},
        {"content-length-bare", "\r\nCONTENT-LENGTH:", false, 500, 8000},
        {"mismatched-tags", "<modelNumber>1</modelnumber>", false, 500, 8000},
        {"white-space-control-url", "<controlURL>\r\n\t  /ctl/conn \r\n\t</controlURL>", false, 500,
         8000},
        {"namespaces", "<d:controlURL>/ctl/conn</d:controlURL>", false, 500, 8000},
        {"undeclared-prefix", "<pnpx:X_hardwareId>", false, 500, 8000},
        {"raw-ampersand", "Smith & Sons", false, 500, 8000},
        {"stray-bytes", "\x01\x02<?xml", false, 500, 8000},
        {"ppp-connection", "WANPPPConnection:1</serviceType>", false, 500, 8000},
        {"ppp-connection", "WANIPConnection", true, 500, 8000},
        {"over-16k", "<controlURL>/ctl/conn</controlURL>", false, 16385, 60000},
        {"igd2-any-port", "WANIPConnection:2</serviceType>", false, 500, 8000},
        {"chunked", "\r\nTransfer-Encoding: chunked\r\n", false, 500, 8000},
        {"chunked", "Content-Length", true, 500, 8000},
        {"truncated-answers", "controlURL", true, 300, 8000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig r;
        struct scripted_http h;
        start(&r, FAULT_UPNP, cases[i].fault);
        h = describe(&r);
        assert_int_equal(h.status, 200);
        assert_int_equal(h.chunk, 0);
        assert_int_equal(h.again, SIZE_MAX);
        assert_memory_equal(h.bytes + h.head - 4, "\r\n\r\n", 4);
        if ((memmem(h.bytes, h.len, cases[i].shows, strlen(cases[i].shows)) == NULL) !=
            cases[i].hides)
            fail_msg("case %zu (%s): %s", i, cases[i].fault, h.bytes);
        if (h.len < cases[i].least || h.len > cases[i].most)
            fail_msg("case %zu (%s): %zu bytes", i, cases[i].fault, h.len);
        scripted_http_fini(&h);
        stop(&r);
    }
}

static void test_hostile_descriptions(void **state)
{
    struct rig r;
    struct scripted_http h;
    (void)state;
    start(&r, FAULT_UPNP, "huge-answers");
    h = describe(&r);
    assert_true(h.len > 1000000);
    /* What a reader with a bound of 64 KB comes to sees no service. */
    assert_null(memmem(h.bytes, 65536 + h.head, "controlURL", 10));
    scripted_http_fini(&h);
    stop(&r);

    start(&r, FAULT_UPNP, "slow-drip");
    h = describe(&r);
    assert_int_equal(h.chunk, 1);
    assert_true(h.len * h.pause > 10 * PH_SEC);
    scripted_http_fini(&h);
    stop(&r);

    start(&r, FAULT_UPNP, "never-ending");
    h = describe(&r);
    assert_true(h.again > h.head && h.again < h.len);
    assert_true(h.chunk > 0 && h.pause > 0);
    assert_null(memmem(h.bytes, h.len, "Content-Length", 14));
    /* Where it goes on is where an element begins. */
    assert_memory_equal(h.bytes + h.again, "<icon>", 6);
    scripted_http_fini(&h);
    stop(&r);

    start(&r, FAULT_UPNP, "scpd-hangs");
    h = http(&r, "GET /WANConn.xml HTTP/1.1\r\n" HOST "\r\n");
    assert_true(h.silent);
    h = describe(&r);
    assert_int_equal(h.status, 200);
    scripted_http_fini(&h);
    stop(&r);
}

static void test_other_devices(void **state)
{
    struct rig r;
    struct scripted_http h;
    char request[1024];
    (void)state;
    start(&r, FAULT_UPNP, "several-igds");
    h = http(&r, "GET /toy.xml HTTP/1.1\r\n" HOST "\r\n");
    assert_null(strstr(h.bytes, "WANIPConnection"));
    scripted_http_fini(&h);
    h = http(&r, "GET /ap.xml HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(h.bytes, "<controlURL>/ap/conn</controlURL>"));
    scripted_http_fini(&h);
    (void)snprintf(request, sizeof(request),
                   "POST /ap/conn HTTP/1.1\r\n" HOST "SOAPAction: \"" WIP
                   "1#GetStatusInfo\"\r\nContent-Length: 0\r\n\r\n");
    h = http(&r, request);
    assert_non_null(strstr(h.bytes, ">Disconnected<"));
    scripted_http_fini(&h);
    stop(&r);
}

static void test_http(void **state)
{
    struct rig r;
    struct scripted_http h;
    struct ph_addr server = lan;
    (void)state;
    assert_int_equal(scripted_http_whole("GET / HTTP/1.1\r\n", 16), 0);
    assert_int_equal(scripted_http_whole("GET / HTTP/1.1\r\n\r\nmore", 22), 18);
    assert_int_equal(scripted_http_whole("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab", 40), 0);
    assert_int_equal(scripted_http_whole("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcd", 42),
                     41);
    start(&r, FAULT_UPNP, NULL);
    h = http(&r, "GET /nothing HTTP/1.1\r\n\r\n");
    assert_int_equal(h.status, 404);
    scripted_http_fini(&h);
    h = http(&r, "BREW / HTTP/1.1\r\n\r\n");
    assert_int_equal(h.status, 400);
    scripted_http_fini(&h);
    stop(&r);

    /* After its reboot it serves at the other port. */
    start(&r, FAULT_NAT_PMP | FAULT_UPNP, "reboot-new-http-port");
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    scripted_tick(r.s, r.now + PH_SEC);
    assert_int_equal(scripted_http_port(r.s), HTTP_NEXT);
    server.port = HTTP_PORT;
    assert_int_equal(
        scripted_http_take(r.s, r.now + PH_SEC, &client, &server, "GET / HTTP/1.1\r\n\r\n", 18, &h),
        0);
    assert_null(h.bytes);
    stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_natpmp),
        cmocka_unit_test(test_natpmp_refusals),
        cmocka_unit_test(test_pcp),
        cmocka_unit_test(test_pcp_refusals),
        cmocka_unit_test(test_datagram_faults),
        cmocka_unit_test(test_external_addresses),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_ssdp),
        cmocka_unit_test(test_ssdp_faults),
        cmocka_unit_test(test_soap),
        cmocka_unit_test(test_soap_faults),
        cmocka_unit_test(test_unquoted_action),
        cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_hostile_descriptions),
        cmocka_unit_test(test_other_devices),
        cmocka_unit_test(test_http),
    };
    return cmocka_run_group_tests_name("lab/router/scripted", tests, NULL, NULL);
}
