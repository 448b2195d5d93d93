/* The scripted router as a process beside a NAT: its mappings let packets in, and it goes with its
 * world. What it says to which bytes is test_scripted.c's. */
#include "lab/router/fault.h"
#include "lab/router/scripted.h"
#include "tests/kernel_lab.h"
#include "tests/router_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PORT     41000
#define WAIT_MS  5000
#define QUIET_MS 60 /* how long nothing must come, in a world without delays */

/* RFC 6886 section 3.3: UDP port 41000 (0xa028), external port 42000 (0xa410), 600 s. */
static const uint8_t natpmp_map[12] = {0x00, 0x01, 0x00, 0x00, 0xa0, 0x28,
                                       0xa4, 0x10, 0x00, 0x00, 0x02, 0x58};

static struct ph_addr server(const struct kernel_world *w, uint16_t port)
{
    struct ph_addr a = router_world_lan(w, "a.nat");
    a.port = port;
    return a;
}

static void must_come_in(const struct kernel_world *w, int inside, uint16_t port, bool comes)
{
    struct ph_addr at = router_world_wan(w, "a.nat");
    int outside = router_world_udp(w, "relay", 7000);
    char in[16];
    at.port = port;
    router_world_send(outside, &at, "hello", 5);
    assert_int_equal(router_world_hear(inside, in, sizeof(in), comes ? WAIT_MS : QUIET_MS, NULL),
                     comes ? 5 : 0);
    (void)close(outside);
}

/* From which port a packet of the inside host's own arrives outside. */
static uint16_t seen_as(const struct kernel_world *w, int inside)
{
    struct ph_addr to = router_world_host(w, "stun"), from;
    int outside = router_world_udp(w, "stun", 7001);
    char in[16];
    to.port = 7001;
    router_world_send(inside, &to, "hello", 5);
    assert_int_equal(router_world_hear(outside, in, sizeof(in), WAIT_MS, &from), 5);
    (void)close(outside);
    return from.port;
}

static void map_one(const struct kernel_world *w, int fd)
{
    struct ph_addr to = server(w, SCRIPTED_PORT);
    uint8_t in[64];
    router_world_send(fd, &to, natpmp_map, sizeof(natpmp_map));
    assert_int_equal(router_world_hear(fd, in, sizeof(in), WAIT_MS, NULL), 16);
    assert_memory_equal(in, "\x00\x81\x00\x00", 4);
    assert_memory_equal(in + 8, "\xa0\x28\xa4\x10", 4);
}

static void test_a_mapping_works_both_ways(void **state)
{
    struct lab_error err = {.text = ""};
    struct kernel_world *w;
    int fd;
    (void)state;

    w = router_world_new("random", "nat_pmp: true, faults: [pcp-silent]");
    if (kernel_world_check(w, &err) != 0)
        fail_msg("%s", err.text);
    fd = router_world_udp(w, "a", PORT);
    for (int round = 0; round < 2; round++) {
        must_come_in(w, fd, 42000, false);
        map_one(w, fd);
        assert_int_equal(router_world_mappings(w), 1);
        must_come_in(w, fd, 42000, true);
        assert_int_equal(seen_as(w, fd), 42000);
        if (kernel_world_reset(w, 7, &err) != 0)
            fail_msg("%s", err.text);
        assert_int_equal(router_world_mappings(w), 0);
    }
    assert_int_not_equal(seen_as(w, fd), 42000);
    (void)close(fd);
    kernel_world_free(w);
}

static void test_dnat_without_snat(void **state)
{
    struct kernel_world *w;
    int fd;
    (void)state;

    w = router_world_new("random", "nat_pmp: true, faults: [dnat-without-snat]");
    fd = router_world_udp(w, "a", PORT);
    map_one(w, fd);
    must_come_in(w, fd, 42000, true);
    assert_int_not_equal(seen_as(w, fd), 42000);
    (void)close(fd);
    kernel_world_free(w);
}

static void search(int fd, const struct ph_addr *to)
{
    static const char text[] = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
                               "MAN: \"ssdp:discover\"\r\nMX: 1\r\n"
                               "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n";
    router_world_send(fd, to, text, sizeof(text) - 1);
}

/* The address in a LOCATION. */
static struct ph_addr location(const char *text)
{
    const char *at = strstr(text, "LOCATION: http://");
    struct ph_addr a;
    char copy[64];
    assert_non_null(at);
    (void)snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(at + 17, "/"), at + 17);
    assert_int_equal(ph_addr_parse(copy, &a), 0);
    return a;
}

static struct ph_addr discover(const struct kernel_world *w, const struct ph_addr *to)
{
    int fd = router_world_udp(w, "a", 0);
    char in[1024] = "";
    search(fd, to);
    in[router_world_hear(fd, in, sizeof(in) - 1, WAIT_MS, NULL)] = '\0';
    (void)close(fd);
    return location(in);
}

static void soap(const struct kernel_world *w, const struct ph_addr *at, const char *action,
                 const char *arguments, char *out, size_t cap)
{
    char body[1024], request[2048];
    int n = snprintf(body, sizeof(body),
                     "<?xml version=\"1.0\"?><s:Envelope><s:Body><u:%s>%s</u:%s></s:Body>"
                     "</s:Envelope>",
                     action, arguments, action);
    (void)snprintf(request, sizeof(request),
                   "POST /ctl/conn HTTP/1.1\r\nHost: x:1\r\nSOAPAction: "
                   "\"urn:schemas-upnp-org:service:WANIPConnection:1#%s\"\r\n"
                   "Content-Length: %d\r\n\r\n%s",
                   action, n, body);
    (void)router_world_tcp(w, "a", at, request, out, cap, WAIT_MS);
}

/* SSDP, a description, a mapping and its end, over the wires; the HTTP server is not the gateway.
 */
static void test_upnp(void **state)
{
    char out[8192], arguments[512], ip[PH_ADDR_STRLEN];
    struct kernel_world *w;
    struct ph_addr to = ph_addr_v4(239, 255, 255, 250, SCRIPTED_SSDP_PORT), at, me;
    int fd;
    (void)state;

    w = router_world_new("random", "upnp: true, faults: [location-elsewhere]");
    at = discover(w, &to);
    assert_int_equal(at.ip[3], SCRIPTED_ELSEWHERE);
    (void)router_world_tcp(w, "a", &at, "GET /rootDesc.xml HTTP/1.1\r\nHost: x:1\r\n\r\n", out,
                           sizeof(out), WAIT_MS);
    assert_memory_equal(out, "HTTP/1.1 200 OK\r\n", 17);
    assert_non_null(strstr(out, "<controlURL>/ctl/conn</controlURL>"));

    me = router_world_host(w, "a");
    (void)snprintf(arguments, sizeof(arguments),
                   "<NewRemoteHost></NewRemoteHost><NewExternalPort>42000</NewExternalPort>"
                   "<NewProtocol>UDP</NewProtocol><NewInternalPort>41000</NewInternalPort>"
                   "<NewInternalClient>%s</NewInternalClient><NewEnabled>1</NewEnabled>"
                   "<NewPortMappingDescription>t</NewPortMappingDescription>"
                   "<NewLeaseDuration>600</NewLeaseDuration>",
                   ph_addr_format_ip(&me, ip));
    soap(w, &at, "AddPortMapping", arguments, out, sizeof(out));
    assert_memory_equal(out, "HTTP/1.1 200 OK\r\n", 17);
    fd = router_world_udp(w, "a", PORT);
    must_come_in(w, fd, 42000, true);
    assert_int_equal(router_world_mappings(w), 1);
    soap(w, &at, "DeletePortMapping",
         "<NewRemoteHost></NewRemoteHost><NewExternalPort>42000</NewExternalPort>"
         "<NewProtocol>UDP</NewProtocol>",
         out, sizeof(out));
    assert_memory_equal(out, "HTTP/1.1 200 OK\r\n", 17);
    assert_int_equal(router_world_mappings(w), 0);
    (void)close(fd);
    kernel_world_free(w);
}

/* After its reboot the HTTP server is at another port, and at the old one nobody is. */
static void test_reboot(void **state)
{
    struct kernel_world *w;
    struct ph_addr to, before, after;
    struct lab_error err = {.text = ""};
    char out[4096];
    int fd, tries = 0;
    (void)state;

    w = router_world_new("random", "nat_pmp: true, upnp: true, faults: "
                                   "[reboot-new-http-port, other-port]");
    to = server(w, SCRIPTED_SSDP_PORT);
    before = discover(w, &to);
    fd = router_world_udp(w, "a", PORT);
    to.port = SCRIPTED_PORT;
    router_world_send(fd, &to, natpmp_map, sizeof(natpmp_map));
    assert_int_equal(router_world_hear(fd, out, sizeof(out), WAIT_MS, NULL), 16);
    /* Its table empties by itself. */
    while (router_world_mappings(w) > 0 && tries++ < 1000)
        (void)router_world_hear(fd, out, sizeof(out), 5, NULL);
    assert_int_equal(router_world_mappings(w), 0);
    to.port = SCRIPTED_SSDP_PORT;
    after = discover(w, &to);
    assert_int_not_equal(after.port, before.port);
    assert_true(router_world_tcp(w, "a", &after, "GET /rootDesc.xml HTTP/1.1\r\n\r\n", out,
                                 sizeof(out), WAIT_MS) > 0);
    assert_int_equal(router_world_tcp(w, "a", &before, "GET /rootDesc.xml HTTP/1.1\r\n\r\n", out,
                                      sizeof(out), WAIT_MS),
                     0);
    /* Before the next trial all is as it was. */
    if (kernel_world_reset(w, 1, &err) != 0)
        fail_msg("%s", err.text);
    after = discover(w, &to);
    assert_int_equal(after.port, before.port);
    assert_true(router_world_tcp(w, "a", &after, "GET /rootDesc.xml HTTP/1.1\r\n\r\n", out,
                                 sizeof(out), WAIT_MS) > 0);
    (void)close(fd);
    kernel_world_free(w);
}

/* Every fault's router starts, in worlds that live together. */
static void test_every_fault_starts(void **state)
{
    struct kernel_world *worlds[64] = {NULL};
    const struct fault *all;
    size_t count;
    (void)state;

    all = fault_list(&count);
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++) {
        char text[128];
        (void)snprintf(text, sizeof(text), "pcp: %s, nat_pmp: %s, upnp: %s, faults: [%s]",
                       (all[i].protocols & FAULT_PCP) != 0 ? "true" : "false",
                       (all[i].protocols & FAULT_NAT_PMP) != 0 ? "true" : "false",
                       (all[i].protocols & FAULT_UPNP) != 0 ? "true" : "false", all[i].name);
        worlds[i] = router_world_new(NULL, text);
        assert_int_equal(router_world_mappings(worlds[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        kernel_world_free(worlds[i]);
}

/* Behind a carrier the home router's WAN is out of 100.64/10, where miniupnpd would not map. */
static void test_a_home_router_behind_a_carrier(void **state)
{
    struct kernel_world *w;
    struct ph_addr to, wan;
    uint8_t in[64];
    int fd;
    (void)state;

    w = router_world_on("same-cgnat", NULL, "nat_pmp: true");
    to = router_world_lan(w, "a.nat");
    to.port = SCRIPTED_PORT;
    wan = router_world_wan(w, "a.nat");
    assert_int_equal(wan.ip[0], 100);
    fd = router_world_udp(w, "a", PORT);
    router_world_send(fd, &to, "\0\0", 2);
    assert_int_equal(router_world_hear(fd, in, sizeof(in), WAIT_MS, NULL), 12);
    assert_memory_equal(in + 8, wan.ip, 4);
    router_world_send(fd, &to, natpmp_map, sizeof(natpmp_map));
    assert_int_equal(router_world_hear(fd, in, sizeof(in), WAIT_MS, NULL), 16);
    assert_int_equal(in[3], 0);
    assert_int_equal(router_world_mappings(w), 1);
    (void)close(fd);
    kernel_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mapping_works_both_ways),
        cmocka_unit_test(test_dnat_without_snat),
        cmocka_unit_test(test_upnp),
        cmocka_unit_test(test_reboot),
        cmocka_unit_test(test_every_fault_starts),
        cmocka_unit_test(test_a_home_router_behind_a_carrier),
    };
    return cmocka_run_group_tests_name("lab/router/router", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
