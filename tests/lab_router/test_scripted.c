/* What the scripted router says to which datagrams: good, and with each of its faults. */
#include "tests/lab_router/rig.h"

/* ---- NAT-PMP (RFC 6886) */

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

/* Each pair as miniupnpd has it, which keeps one table for all (test_miniupnpd asks it the same).
 */
static void test_whose_a_mapping_is(void **state)
{
    struct rig r;
    uint8_t pcp[64], natpmp_delete[12], all[12];
    (void)state;
    memcpy(natpmp_delete, natpmp_map, 12);
    memset(natpmp_delete + 6, 0, 6);
    memcpy(all, natpmp_delete, 12);
    memset(all + 4, 0, 2);

    /* What PCP made NAT-PMP does not delete, though it says so. */
    start(&r, FAULT_PCP | FAULT_NAT_PMP, NULL);
    pcp_map(pcp, 0x11, 600);
    assert_int_equal(ask(&r, pcp, 60), 1);
    assert_int_equal(ask(&r, natpmp_delete, 12), 1);
    assert_memory_equal(r.sent[0].data + 2, "\x00\x00", 2);
    assert_int_equal(ask(&r, all, 12), 1);
    assert_memory_equal(r.sent[0].data + 2, "\x00\x00", 2);
    assert_int_equal(scripted_count(r.s), 1);

    /* It takes it over when it asks for it; then PCP's client has no say any more. */
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_memory_equal(r.sent[0].data + 10, "\xa4\x10", 2);
    assert_int_equal(scripted_count(r.s), 1);
    assert_int_equal(r.on, 1);
    pcp_map(pcp, 0x11, 0);
    assert_int_equal(ask(&r, pcp, 60), 1);
    assert_int_equal(r.sent[0].data[3], 2); /* NOT_AUTHORIZED */
    assert_int_equal(scripted_count(r.s), 1);

    /* And the other way round. */
    pcp_map(pcp, 0x22, 600);
    assert_int_equal(ask(&r, pcp, 60), 1);
    assert_int_equal(r.sent[0].data[3], 0);
    assert_int_equal(ask(&r, natpmp_delete, 12), 1);
    assert_int_equal(scripted_count(r.s), 1);
    pcp_map(pcp, 0x22, 0);
    assert_int_equal(ask(&r, pcp, 60), 1);
    assert_int_equal(scripted_count(r.s), 0);
    assert_int_equal(r.off, 1);

    /* All of the client's that NAT-PMP made. */
    assert_int_equal(ask(&r, natpmp_map, 12), 1);
    assert_int_equal(ask(&r, all, 12), 1);
    assert_int_equal(scripted_count(r.s), 0);
    stop(&r);
}

/* Without a wish the outside port is that of the inside; there is no inside port 0. */
static void test_natpmp_without_a_wish(void **state)
{
    struct rig r;
    uint8_t bytes[12];
    (void)state;
    start(&r, FAULT_NAT_PMP, NULL);
    memcpy(bytes, natpmp_map, 12);
    memset(bytes + 6, 0, 2);
    assert_int_equal(ask(&r, bytes, 12), 1);
    assert_memory_equal(r.sent[0].data + 8, "\xa0\x28\xa0\x28", 4);
    memset(bytes + 4, 0, 2);
    assert_int_equal(ask(&r, bytes, 12), 1);
    assert_memory_equal(r.sent[0].data + 2, "\x00\x02", 2); /* not authorized */
    assert_int_equal(scripted_count(r.s), 1);
    stop(&r);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_natpmp),
        cmocka_unit_test(test_natpmp_refusals),
        cmocka_unit_test(test_pcp),
        cmocka_unit_test(test_pcp_refusals),
        cmocka_unit_test(test_whose_a_mapping_is),
        cmocka_unit_test(test_natpmp_without_a_wish),
        cmocka_unit_test(test_datagram_faults),
        cmocka_unit_test(test_external_addresses),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_ssdp),
        cmocka_unit_test(test_ssdp_faults),
    };
    return cmocka_run_group_tests_name("lab/router/scripted", tests, NULL, NULL);
}
