/* IPv6 through a router's firewall: pinholes by PCP MAP and by WANIPv6FirewallControl, in bytes and
 * SOAP that are written here by hand.
 *
 *   host 2001:db8:1::10 -- lan [router] wan -- 2001:db8:2::2 outside
 *
 * A world of namespaces of its own: the lab's topologies have no IPv6 yet. */
#include "lab/net/netns.h"
#include "lab/net/rtnl.h"
#include "lab/router/router.h"
#include "lab/world/kernel.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PORT     41000
#define WAIT_MS  5000
#define QUIET_MS 60

static char cannot[1024];

enum {
    HOST,
    ROUTER,
    OUTSIDE,
    NODES,
};

struct place {
    int home;
    int ns[NODES];
    struct router *router;
};

static const char host_ip[] = "2001:db8:1::10";
static const char lan_ip[] = "2001:db8:1::1";
static const char wan_ip[] = "2001:db8:2::1";
static const char outside_ip[] = "2001:db8:2::2";

static int setup(void **state)
{
    struct lab_error err = {.text = ""};
    long value;
    (void)state;
    if (kernel_privileges(&err) != 0)
        (void)snprintf(cannot, sizeof(cannot), "%s", err.text);
    else if (netns_sysctl_get("net/ipv6/conf/all/disable_ipv6", &value) != 0)
        (void)snprintf(cannot, sizeof(cannot), "this kernel has no IPv6");
    return 0;
}

static struct ph_addr addr(const char *text)
{
    struct ph_addr a;
    assert_int_equal(ph_addr_parse(text, &a), 0);
    return a;
}

static void add(struct rtnl *r, int index, const char *ip, unsigned prefix)
{
    struct ph_addr a = addr(ip);
    rtnl_addr_add(r, index, &a, prefix);
}

static void wire(struct rtnl *r, int ns_a, int index_a, const char *name_a, int ns_b, int index_b,
                 const char *name_b)
{
    struct rtnl_end a = {ns_a, index_a, name_a, {2, 0, 0, 0, 1, (uint8_t)index_a}};
    struct rtnl_end b = {ns_b, index_b, name_b, {2, 0, 0, 0, 2, (uint8_t)index_b}};
    rtnl_veth(r, &a, &b);
}

static void default_route(struct rtnl *r, int index, const char *via)
{
    struct ph_addr any = addr("::"), gateway = addr(via);
    rtnl_route(r, index, &any, 0, &gateway);
}

static void build(struct place *p, const char *port_mapping)
{
    struct lab_error err = {.text = ""};
    struct rtnl *r[NODES];
    struct nat_profile profile;
    struct router_site site;
    int both[2] = {2, 3};
    p->router = NULL;
    p->home = netns_here(&err);
    for (int i = 0; i < NODES; i++) {
        p->ns[i] = netns_new(&err);
        if (p->ns[i] < 0 || rtnl_open(&r[i], &err) != 0)
            fail_msg("%s", err.text);
    }
    assert_int_equal(netns_enter(p->ns[ROUTER], NULL), 0);
    assert_int_equal(netns_sysctl("net/ipv6/conf/all/forwarding", "1", &err), 0);
    assert_int_equal(netns_enter(p->home, NULL), 0);

    wire(r[ROUTER], p->ns[ROUTER], 2, "wan", p->ns[OUTSIDE], 2, "eth0");
    wire(r[ROUTER], p->ns[ROUTER], 3, "lan", p->ns[HOST], 2, "eth0");
    for (int i = 0; i < NODES; i++) {
        rtnl_up(r[i], 1, false);
        if (i == ROUTER) {
            rtnl_up(r[i], 2, true);
            rtnl_up(r[i], 3, true);
            add(r[i], 2, "11.0.0.2", 24);
            add(r[i], 3, "10.0.0.1", 24);
            add(r[i], 2, wan_ip, 64);
            add(r[i], 3, lan_ip, 64);
        }
        if (i == ROUTER && rtnl_commit(r[i], &err) != 0)
            fail_msg("%s", err.text);
    }
    rtnl_up(r[HOST], 2, false);
    add(r[HOST], 2, "10.0.0.10", 24);
    add(r[HOST], 2, host_ip, 64);
    rtnl_up(r[OUTSIDE], 2, false);
    add(r[OUTSIDE], 2, outside_ip, 64);
    default_route(r[HOST], 2, lan_ip);
    default_route(r[OUTSIDE], 2, wan_ip);
    if (rtnl_commit(r[HOST], &err) != 0 || rtnl_commit(r[OUTSIDE], &err) != 0 ||
        rtnl_wait_ready(r[ROUTER], both, 2, &err) != 0)
        fail_msg("%s", err.text);
    for (int i = 0; i < NODES; i++)
        rtnl_close(r[i]);

    nat_profile_init(&profile);
    if (nat_profile_set(&profile, "port_mapping", port_mapping, &err) != 0)
        fail_msg("%s", err.text);
    site = (struct router_site){.netns_fd = p->ns[ROUTER],
                                .name = "r",
                                .wan_if = "wan",
                                .lan_if = "lan",
                                .wan = addr("11.0.0.2"),
                                .lan = addr("10.0.0.1"),
                                .lan_prefix = 24,
                                .wan6 = addr(wan_ip),
                                .lan6 = addr(lan_ip),
                                .lan6_prefix = 64};
    if (router_start(&profile, &site, &p->router, &err) != 0) {
        if (err.code == LAB_CANNOT) {
            print_message("%s\n", err.text);
            skip();
        }
        fail_msg("%s", err.text);
    }
}

static void drop(struct place *p)
{
    router_stop(p->router);
    for (int i = 0; i < NODES; i++)
        (void)close(p->ns[i]);
    (void)close(p->home);
}

static struct sockaddr_in6 at(const char *ip, uint16_t port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET6, ip, &a.sin6_addr), 1);
    return a;
}

static int open_on(const struct place *p, int node, int family, int type)
{
    int fd;
    assert_int_equal(netns_enter(p->ns[node], NULL), 0);
    fd = socket(family, type | SOCK_CLOEXEC, 0);
    assert_int_equal(netns_enter(p->home, NULL), 0);
    assert_true(fd >= 0);
    return fd;
}

static int udp(const struct place *p, int node, const char *ip, uint16_t port)
{
    struct sockaddr_in6 a = at(ip, port);
    int fd = open_on(p, node, AF_INET6, SOCK_DGRAM);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static size_t hear(int fd, void *out, size_t cap, int wait_ms)
{
    struct pollfd f = {.fd = fd, .events = POLLIN};
    ssize_t n = poll(&f, 1, wait_ms) == 1 ? recv(fd, out, cap, 0) : 0;
    return n > 0 ? (size_t)n : 0;
}

static void must_come_in(const struct place *p, int inside, uint16_t from, bool comes)
{
    struct sockaddr_in6 to = at(host_ip, PORT);
    int fd = udp(p, OUTSIDE, outside_ip, from);
    char in[16];
    assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
    assert_int_equal(hear(inside, in, sizeof(in), comes ? WAIT_MS : QUIET_MS), comes ? 5 : 0);
    (void)close(fd);
}

static size_t mappings(const struct place *p)
{
    struct lab_error err = {.text = ""};
    size_t count;
    if (router_mappings(p->router, &count, &err) != 0)
        fail_msg("%s", err.text);
    return count;
}

/* RFC 6887 section 11: MAP of UDP port 41000, for an IPv6 client. */
static size_t pcp(const struct place *p, int fd, uint8_t lifetime, uint8_t in[128])
{
    struct sockaddr_in6 to = at(lan_ip, 5351), me = at(host_ip, 0);
    uint8_t out[60] = {
        [0] = 2, [1] = 1, [36] = 17, [40] = 0xa0, [41] = 0x28, [42] = 0xa0, [43] = 0x28};
    (void)p;
    out[7] = lifetime;
    memcpy(out + 8, &me.sin6_addr, 16);
    memset(out + 24, 0x11, 12);
    assert_int_equal(sendto(fd, out, sizeof(out), 0, (struct sockaddr *)&to, sizeof(to)), 60);
    return hear(fd, in, 128, WAIT_MS);
}

static void test_pcp(void **state)
{
    struct place p;
    uint8_t in[128];
    int inside;
    (void)state;
    if (cannot[0] != '\0') {
        print_message("%s\n", cannot);
        skip();
    }
    build(&p, "{pcp: true}");
    inside = udp(&p, HOST, host_ip, PORT);
    must_come_in(&p, inside, 7000, false);
    assert_int_equal(pcp(&p, inside, 200, in), 60);
    assert_memory_equal(in, "\x02\x81\x00\x00\x00\x00\x00\xc8", 8); /* success, 200 s */
    assert_memory_equal(in + 40, "\xa0\x28\xa0\x28", 4);
    assert_int_equal(mappings(&p), 1);
    must_come_in(&p, inside, 7001, true);
    assert_int_equal(pcp(&p, inside, 0, in), 60);
    assert_int_equal(in[3], 0);
    assert_int_equal(mappings(&p), 0);
    must_come_in(&p, inside, 7002, false);
    (void)close(inside);
    drop(&p);
}

static size_t http(const struct place *p, uint16_t port, const char *request, char *out, size_t cap)
{
    struct sockaddr_in6 to = at(lan_ip, port), me = at(host_ip, 0);
    int fd = open_on(p, HOST, AF_INET6, SOCK_STREAM);
    size_t len = 0, n;
    assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    while (len + 1 < cap && (n = hear(fd, out + len, cap - 1 - len, WAIT_MS)) > 0)
        len += n;
    out[len] = '\0';
    (void)close(fd);
    return len;
}

#define FIREWALL "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"

static void soap(const struct place *p, uint16_t port, const char *control, const char *action,
                 const char *arguments, char *out, size_t cap)
{
    char body[1024], request[2048];
    int n = snprintf(body, sizeof(body),
                     "<?xml version=\"1.0\"?><s:Envelope "
                     "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                     "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>"
                     "<u:%s xmlns:u=\"" FIREWALL "\">%s</u:%s></s:Body></s:Envelope>",
                     action, arguments, action);
    (void)snprintf(request, sizeof(request),
                   "POST %s HTTP/1.1\r\nHost: [%s]:%u\r\nContent-Type: text/xml\r\n"
                   "SOAPAction: \"" FIREWALL "#%s\"\r\nContent-Length: %d\r\n"
                   "Connection: close\r\n\r\n%s",
                   control, lan_ip, port, action, n, body);
    (void)http(p, port, request, out, cap);
}

/* The text of the first element of this name from `from` on. */
static void element(const char *from, const char *name, char out[128])
{
    char tag[64];
    const char *start, *end;
    (void)snprintf(tag, sizeof(tag), "<%s>", name);
    start = from == NULL ? NULL : strstr(from, tag);
    end = start == NULL ? NULL : strchr(start + strlen(tag), '<');
    if (end == NULL || end - start > 127)
        fail_msg("no %s in %s", name, from == NULL ? "nothing" : from);
    start += strlen(tag);
    (void)snprintf(out, 128, "%.*s", (int)(end - start), start);
}

static uint16_t find_http_port(const struct place *p)
{
    static const char search[] = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
                                 "MAN: \"ssdp:discover\"\r\nMX: 1\r\nST: " FIREWALL "\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1900)};
    int fd = open_on(p, HOST, AF_INET, SOCK_DGRAM);
    char in[1500];
    const char *port;
    to.sin_addr.s_addr = htonl(0x0a000001);
    assert_true(sendto(fd, search, sizeof(search) - 1, 0, (struct sockaddr *)&to, sizeof(to)) > 0);
    in[hear(fd, in, sizeof(in) - 1, WAIT_MS)] = '\0';
    (void)close(fd);
    port = strstr(in, "LOCATION: http://10.0.0.1:");
    assert_non_null(port);
    return (uint16_t)strtoul(port + 26, NULL, 10);
}

static void test_firewall_control(void **state)
{
    char out[16384], control[128], id[128], arguments[512];
    struct place p;
    uint16_t port;
    int inside;
    (void)state;
    if (cannot[0] != '\0') {
        print_message("%s\n", cannot);
        skip();
    }
    build(&p, "{upnp: true}");
    inside = udp(&p, HOST, host_ip, PORT);
    port = find_http_port(&p);
    /* It answers to a Host that is an address alone (against DNS rebinding). */
    (void)snprintf(arguments, sizeof(arguments),
                   "GET /rootDesc.xml HTTP/1.1\r\nHost: [%s]:%u\r\nConnection: close\r\n\r\n",
                   lan_ip, port);
    (void)http(&p, port, arguments, out, sizeof(out));
    element(strstr(out, FIREWALL "</serviceType>"), "controlURL", control);

    must_come_in(&p, inside, 7000, false);
    (void)snprintf(arguments, sizeof(arguments),
                   "<RemoteHost></RemoteHost><RemotePort>0</RemotePort>"
                   "<InternalClient>%s</InternalClient><InternalPort>%d</InternalPort>"
                   "<Protocol>17</Protocol><LeaseTime>600</LeaseTime>",
                   host_ip, PORT);
    soap(&p, port, control, "AddPinhole", arguments, out, sizeof(out));
    element(out, "UniqueID", id);
    assert_int_equal(mappings(&p), 1);
    must_come_in(&p, inside, 7001, true);

    (void)snprintf(arguments, sizeof(arguments), "<UniqueID>%s</UniqueID>", id);
    soap(&p, port, control, "DeletePinhole", arguments, out, sizeof(out));
    assert_non_null(strstr(out, " 200 OK"));
    assert_int_equal(mappings(&p), 0);
    must_come_in(&p, inside, 7002, false);
    (void)close(inside);
    drop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcp),
        cmocka_unit_test(test_firewall_control),
    };
    return cmocka_run_group_tests_name("lab/router/ipv6", tests, setup, NULL);
}
