/* The real server on a lab's router, asked in bytes that are written here by hand. */
#include "tests/kernel_lab.h"
#include "tests/router_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PORT     41000
#define WAIT_MS  5000
#define QUIET_MS 60 /* how long nothing must come, in a world without delays */

/* RFC 6886 section 3.3: a UDP mapping of port 41000 (0xa028). */
static const uint8_t natpmp_map[12] = {
    0x00, 0x01,             /* version 0, op 1: map UDP */
    0x00, 0x00,             /* reserved */
    0xa0, 0x28,             /* internal port 41000 */
    0xa0, 0x28,             /* suggested external port */
    0x00, 0x00, 0x02, 0x58, /* 600 s */
};

/* RFC 6887 sections 7.1 and 11.1; client address, nonce and lifetime are filled in. */
static void pcp_map(uint8_t out[60], const struct ph_addr *client, uint8_t nonce, uint32_t lifetime)
{
    static const uint8_t head[60] = {
        [0] = 0x02,               /* version 2 */
        [1] = 0x01,               /* request, MAP */
        [18] = 0xff, [19] = 0xff, /* ::ffff:a.b.c.d */
        [36] = 0x11,              /* UDP */
        [40] = 0xa0, [41] = 0x28, /* internal port 41000 */
        [42] = 0xa0, [43] = 0x28, /* suggested external port */
        [54] = 0xff, [55] = 0xff, /* any address of IPv4 */
    };
    memcpy(out, head, sizeof(head));
    out[6] = (uint8_t)(lifetime >> 8);
    out[7] = (uint8_t)lifetime;
    memcpy(out + 20, client->ip, 4);
    memset(out + 24, nonce, 12);
}

static struct ph_addr server(const struct kernel_world *w, uint16_t port)
{
    struct ph_addr a = router_world_lan(w, "a.nat");
    a.port = port;
    return a;
}

static size_t ask(int fd, const struct ph_addr *to, const void *data, size_t len, uint8_t *in,
                  size_t cap)
{
    router_world_send(fd, to, data, len);
    return router_world_hear(fd, in, cap, WAIT_MS, NULL);
}

static void must_reach(const struct kernel_world *w, int inside, bool reaches)
{
    struct ph_addr at = router_world_wan(w, "a.nat");
    int outside = router_world_udp(w, "relay", 7000);
    char in[16];
    at.port = PORT;
    router_world_send(outside, &at, "hello", 5);
    assert_int_equal(router_world_hear(inside, in, sizeof(in), reaches ? WAIT_MS : QUIET_MS, NULL),
                     reaches ? 5 : 0);
    (void)close(outside);
}

static void test_natpmp(void **state)
{
    struct kernel_world *w;
    uint8_t in[64], request[12];
    struct ph_addr to, wan;
    int fd;
    (void)state;

    w = router_world_new("random", "nat_pmp: true");
    to = server(w, 5351);
    wan = router_world_wan(w, "a.nat");
    fd = router_world_udp(w, "a", PORT);
    must_reach(w, fd, false);

    assert_int_equal(ask(fd, &to, "\0\0", 2, in, sizeof(in)), 12);
    assert_memory_equal(in, "\x00\x80\x00\x00", 4); /* op 128, success */
    assert_memory_equal(in + 8, wan.ip, 4);

    assert_int_equal(ask(fd, &to, natpmp_map, 12, in, sizeof(in)), 16);
    assert_memory_equal(in, "\x00\x81\x00\x00", 4);
    assert_memory_equal(in + 8, "\xa0\x28\xa0\x28\x00\x00\x02\x58", 8);
    assert_int_equal(router_world_mappings(w), 1);
    must_reach(w, fd, true);

    memcpy(request, natpmp_map, 12);
    memset(request + 6, 0, 6); /* external port 0, lifetime 0: delete */
    assert_int_equal(ask(fd, &to, request, 12, in, sizeof(in)), 16);
    assert_memory_equal(in, "\x00\x81\x00\x00", 4);
    assert_int_equal(router_world_mappings(w), 0);
    (void)close(fd);
    kernel_world_free(w);
}

static void test_pcp(void **state)
{
    struct kernel_world *w;
    uint8_t in[128], request[60];
    struct ph_addr to, me, wan;
    int fd;
    (void)state;

    w = router_world_new("random", "pcp: true");
    to = server(w, 5351);
    me = router_world_host(w, "a");
    wan = router_world_wan(w, "a.nat");
    fd = router_world_udp(w, "a", PORT);

    pcp_map(request, &me, 0x11, 600);
    assert_int_equal(ask(fd, &to, request, 60, in, sizeof(in)), 60);
    assert_memory_equal(in, "\x02\x81\x00\x00\x00\x00\x02\x58", 8); /* MAP, success, 600 s */
    assert_memory_equal(in + 24, request + 24, 12);                 /* our nonce */
    assert_memory_equal(in + 40, "\xa0\x28\xa0\x28", 4);
    assert_memory_equal(in + 56, wan.ip, 4);
    assert_int_equal(router_world_mappings(w), 1);
    must_reach(w, fd, true);

    /* Another nonce does not delete it: NOT_AUTHORIZED. */
    pcp_map(request, &me, 0x22, 0);
    assert_int_equal(ask(fd, &to, request, 60, in, sizeof(in)), 60);
    assert_int_equal(in[3], 2);
    assert_int_equal(router_world_mappings(w), 1);

    pcp_map(request, &me, 0x11, 0);
    assert_int_equal(ask(fd, &to, request, 60, in, sizeof(in)), 60);
    assert_int_equal(in[3], 0);
    assert_int_equal(router_world_mappings(w), 0);
    (void)close(fd);
    kernel_world_free(w);
}

/* What a profile does not name does not answer. */
static void test_one_protocol_alone(void **state)
{
    static const struct {
        const char *port_mapping;
        bool natpmp, pcp, ssdp;
    } cases[] = {
        {"nat_pmp: true", true, false, false},
        {"pcp: true", false, true, false},
        {"upnp: true", false, false, true},
        {"nat_pmp: true, pcp: true, upnp: true", true, true, true},
    };
    static const char search[] = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
                                 "MAN: \"ssdp:discover\"\r\nMX: 1\r\n"
                                 "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n";
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kernel_world *w = router_world_new(NULL, cases[i].port_mapping);
        struct ph_addr to = server(w, 5351), ssdp = server(w, 1900);
        struct ph_addr group = ph_addr_v4(239, 255, 255, 250, 1900), me, from;
        int fd = router_world_udp(w, "a", 0);
        uint8_t in[1500], request[60];

        me = router_world_host(w, "a");
        pcp_map(request, &me, 0x11, 600);
        router_world_send(fd, &to, "\0\0", 2);
        assert_int_equal(
            router_world_hear(fd, in, sizeof(in), cases[i].natpmp ? WAIT_MS : QUIET_MS, NULL),
            cases[i].natpmp ? 12 : 0);
        router_world_send(fd, &to, request, sizeof(request));
        assert_int_equal(
            router_world_hear(fd, in, sizeof(in), cases[i].pcp ? WAIT_MS : QUIET_MS, NULL),
            cases[i].pcp ? 60 : 0);
        for (int k = 0; k < 2; k++) {
            size_t n;
            router_world_send(fd, k == 0 ? &ssdp : &group, search, sizeof(search) - 1);
            n = router_world_hear(fd, in, sizeof(in), cases[i].ssdp ? WAIT_MS : QUIET_MS, &from);
            if ((n > 0) != cases[i].ssdp)
                fail_msg("case %zu: SSDP %s", i, n > 0 ? "answers" : "is silent");
            if (n > 0) {
                assert_memory_equal(in, "HTTP/1.1 200", 12);
                assert_true(ph_addr_ip_eq(&from, &to));
            }
        }
        (void)close(fd);
        kernel_world_free(w);
    }
}

/* A trial leaves a mapping behind, the next one finds none; the server serves as before. */
static void test_reset(void **state)
{
    struct kernel_world *w;
    struct lab_error err = {.text = ""};
    struct ph_addr to;
    uint8_t in[64];
    int fd;
    (void)state;

    w = router_world_new("full-cone", "nat_pmp: true, pcp: true");
    if (kernel_world_check(w, &err) != 0)
        fail_msg("%s", err.text);
    to = server(w, 5351);
    fd = router_world_udp(w, "a", PORT);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(ask(fd, &to, natpmp_map, 12, in, sizeof(in)), 16);
        assert_int_equal(in[3], 0);
        assert_int_equal(router_world_mappings(w), 1);
        must_reach(w, fd, true);
        if (kernel_world_reset(w, 7, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(router_world_mappings(w), 0);
        must_reach(w, fd, false);
    }
    (void)close(fd);
    kernel_world_free(w);
}

/* Each shipped NAT that translates is still what it declares with a server beside it. */
static void test_nats_are_what_they_declare(void **state)
{
    static const char *const profiles[] = {"address-restricted", "port-restricted", "sequential",
                                           "random", "cgnat-eim"};
    (void)state;

    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        struct kernel_world *w =
            router_world_new(profiles[i], "nat_pmp: true, pcp: true, upnp: true");
        struct lab_error err = {.text = ""};
        if (kernel_world_check(w, &err) != 0)
            fail_msg("%s", err.text);
        kernel_world_free(w);
    }
}

/* As many worlds as a run may have alive, each with its own server, and all of them answer. */
static void test_many_worlds(void **state)
{
    struct kernel_world *worlds[64];
    (void)state;

    for (size_t i = 0; i < 64; i++)
        worlds[i] = router_world_new(NULL, "nat_pmp: true, pcp: true, upnp: true");
    for (size_t i = 0; i < 64; i++) {
        struct ph_addr to = server(worlds[i], 5351);
        int fd = router_world_udp(worlds[i], "a", PORT);
        uint8_t in[64];
        assert_int_equal(ask(fd, &to, natpmp_map, 12, in, sizeof(in)), 16);
        assert_int_equal(router_world_mappings(worlds[i]), 1);
        (void)close(fd);
    }
    for (size_t i = 0; i < 64; i++)
        kernel_world_free(worlds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_natpmp),
        cmocka_unit_test(test_pcp),
        cmocka_unit_test(test_one_protocol_alone),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_nats_are_what_they_declare),
        cmocka_unit_test(test_many_worlds),
    };
    return cmocka_run_group_tests_name("lab/router/miniupnpd", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
