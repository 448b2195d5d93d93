/* Gateways from messages that are made here: no kernel is asked. */
#include "messages.h"

#include "host/gateway.h"

#include <stdio.h>

static void take(struct ph_network *net, struct nl_msg *m)
{
    ph_network_take(net, nlmsg_hdr(m));
    nlmsg_free(m);
}

static void take_route(struct ph_network *net, const struct route *r)
{
    take(net, route_message(r));
}

/* "IP via IP dev NAME SCOPE METRIC" for each, in order. */
static void assert_gateways(const struct ph_network *net, const char *const *want, size_t cap)
{
    struct ph_gateway out[PH_GATEWAYS_MAX];
    size_t n = ph_network_gateways(net, out, cap);
    size_t i;

    for (i = 0; i < n; i++) {
        char line[256], local[PH_ADDR_STRLEN], gateway[PH_ADDR_STRLEN];

        snprintf(line, sizeof(line), "%s via %s dev %s %u %u",
                 ph_addr_format_ip(&out[i].local, local),
                 ph_addr_format_ip(&out[i].gateway, gateway), out[i].interface, out[i].scope,
                 out[i].metric);
        assert_non_null(want[i]);
        assert_string_equal(line, want[i]);
        assert_int_equal(out[i].local.port + out[i].gateway.port, 0);
    }
    assert_null(want[i]);
}

#define GATEWAYS(net, ...)                                                                         \
    assert_gateways(net, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL}, 8)

#define UP (IFF_UP | IFF_RUNNING)

static void the_lowest_metric_comes_first(void **state)
{
    static struct ph_network net;
    (void)state;

    memset(&net, 0, sizeof(net));
    take_route(&net, &(struct route){.gateway = "10.0.0.1", .index = 2, .metric = 600});
    take_route(&net, &(struct route){.gateway = "10.1.0.1", .index = 3, .metric = 100});
    take_route(&net, &(struct route){.gateway = "fe80::1", .index = 2, .metric = 100});
    take_route(&net, &(struct route){.gateway = "10.2.0.1", .index = 4, .metric = 100});
    take_route(&net, &(struct route){.gateway = "10.1.0.1", .index = 3, .metric = 700}); /* again */
    take(&net, link_message(2, "wlan0", UP));
    take(&net, link_message(3, "eth0", UP));
    take(&net, link_message(4, "eth1", UP));
    take(&net, link_message(5, "lo", UP));
    take(&net, addr_message(2, "10.0.0.2", 24, 0));
    take(&net, addr_message(3, "10.1.0.2", 24, 0));
    take(&net, addr_message(2, "2001:db8::2", 64, 0));
    take(&net, addr_message(2, "fe80::2", 64, 0));
    take(&net, addr_message(4, "fe80::4", 64, 0));
    take(&net, addr_message(5, "192.0.2.1", 32, 0));
    GATEWAYS(&net, "10.1.0.2 via 10.1.0.1 dev eth0 3 100", "none via 10.2.0.1 dev eth1 4 100",
             "2001:db8::2 via fe80::1 dev wlan0 2 100", "10.0.0.2 via 10.0.0.1 dev wlan0 2 600");
    assert_gateways(&net, (const char *const[]){"10.1.0.2 via 10.1.0.1 dev eth0 3 100", NULL}, 1);
    assert_int_equal(ph_network_gateways(&net, NULL, 0), 0);
}

static void other_routes_are_none(void **state)
{
    static const struct {
        struct route route;
        const char *gives;
    } rows[] = {
        {{.gateway = "10.0.0.1", .index = 2}, "10.0.0.2 via 10.0.0.1 dev eth0 2 0"},
        {{.gateway = "10.0.0.1", .index = 2, .table = RT_TABLE_MAIN},
         "10.0.0.2 via 10.0.0.1 dev eth0 2 0"},
        {{.gateway = "10.0.0.1", .index = 2, .table = 52}, NULL},
        {{.gateway = "10.0.0.1", .index = 2, .table = 51820}, NULL}, /* beyond the header's byte */
        {{.gateway = "10.0.0.1", .index = 2, .dst_len = 1}, NULL},
        {{.gateway = "10.0.0.1", .index = 2, .type = RTN_UNREACHABLE}, NULL},
        {{.gateway = "fe80::1", .index = 2, .flags = RTM_F_CLONED}, NULL},
        {{.gateway = "10.0.0.1", .index = 2, .flags = RTNH_F_LINKDOWN}, NULL},
        {{.gateway = "10.0.0.1", .index = 2, .flags = RTNH_F_DEAD}, NULL},
        {{.index = 2}, NULL},                        /* a point-to-point line */
        {{.gateway = "10.9.0.1", .index = 3}, NULL}, /* its interface is down */
        {{.gateway = "10.9.0.1", .index = 7}, NULL}, /* it has none */
        {{.gateway = "10.0.0.1", .index = 2, .source = "192.0.2.7"},
         "192.0.2.7 via 10.0.0.1 dev eth0 2 0"},
        {{.gateway = "10.0.0.1", .index = 2, .source = "169.254.1.1"},
         "10.0.0.2 via 10.0.0.1 dev eth0 2 0"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct ph_network net;
        const char *want[] = {rows[i].gives, NULL};

        memset(&net, 0, sizeof(net));
        take_route(&net, &rows[i].route);
        take(&net, link_message(2, "eth0", UP));
        take(&net, link_message(3, "eth1", IFF_RUNNING));
        take(&net, addr_message(2, "10.0.0.2", 24, 0));
        take(&net, addr_message(3, "10.9.0.2", 24, 0));
        assert_gateways(&net, want, 8);
    }
}

static void of_several_addresses_the_one_that_stays(void **state)
{
    static const struct {
        const char *gateway;
        struct {
            const char *addr;
            uint8_t prefix;
            uint32_t flags;
        } addrs[4];
        const char *local;
    } rows[] = {
        /* The gateway's own subnet, in whatever order the kernel tells. */
        {"10.0.0.1", {{"192.168.7.2", 24, 0}, {"10.0.0.2", 24, 0}}, "10.0.0.2"},
        {"10.0.5.1", {{"10.0.0.2", 20, 0}, {"10.0.8.2", 20, 0}}, "10.0.0.2"},
        {"10.0.9.1", {{"10.0.0.2", 21, 0}, {"10.0.8.2", 21, 0}}, "10.0.8.2"},
        /* The first of them. */
        {"10.0.0.1", {{"10.0.0.2", 24, 0}, {"10.0.0.3", 24, IFA_F_SECONDARY}}, "10.0.0.2"},
        {"10.0.0.1", {{"10.0.0.3", 24, IFA_F_SECONDARY}, {"10.0.0.2", 24, 0}}, "10.0.0.2"},
        /* Of the gateway's family, and never link-local. */
        {"10.0.0.1", {{"2001:db8::2", 64, 0}}, "none"},
        {"10.0.0.1", {{"169.254.3.4", 16, 0}}, "none"},
        {"fe80::1", {{"fe80::2", 64, 0}, {"10.0.0.2", 24, 0}}, "none"},
        /* RFC 4193 leads nowhere beyond the site. */
        {"fe80::1", {{"fd00::2", 64, 0}, {"2001:db8::2", 64, 0}}, "2001:db8::2"},
        {"fe80::1", {{"fd00::2", 64, 0}}, "fd00::2"},
        {"fe80::1",
         {{"2001:db8::7", 64, IFA_F_TEMPORARY}, {"2001:db8::2", 64, IFA_F_MANAGETEMPADDR}},
         "2001:db8::2"},
        {"fe80::1", {{"2001:db8::2", 64, IFA_F_DEPRECATED}, {"fd00::2", 64, 0}}, "fd00::2"},
        {"2001:db8::1",
         {{"2001:db8::2", 64, IFA_F_DEPRECATED}, {"2001:db9::2", 64, 0}},
         "2001:db9::2"},
        /* Not before duplicate address detection, and not after it has failed (RFC 4862). */
        {"fe80::1", {{"2001:db8::2", 64, IFA_F_TENTATIVE}, {"fd00::2", 64, 0}}, "fd00::2"},
        {"fe80::1", {{"2001:db8::2", 64, IFA_F_DADFAILED}, {"fd00::2", 64, 0}}, "fd00::2"},
        {"fe80::1", {{"2001:db8::2", 64, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC}}, "2001:db8::2"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct ph_network net;
        struct ph_gateway out;
        char text[PH_ADDR_STRLEN];

        memset(&net, 0, sizeof(net));
        take_route(&net, &(struct route){.gateway = rows[i].gateway, .index = 2});
        take(&net, link_message(2, "eth0", UP));
        for (size_t j = 0; j < 4 && rows[i].addrs[j].addr; j++) {
            take(&net, addr_message(2, rows[i].addrs[j].addr, rows[i].addrs[j].prefix,
                                    rows[i].addrs[j].flags));
        }
        assert_int_equal(ph_network_gateways(&net, &out, 1), 1);
        if (strcmp(ph_addr_format_ip(&out.local, text), rows[i].local) != 0) {
            fail_msg("row %zu: %s, not %s", i, text, rows[i].local);
        }
    }
}

/* Every integer in the host's order. */
static void multipath_routes(void **state)
{
    static const struct {
        struct nlmsghdr head;
        struct rtmsg rtm;
        struct nlattr priority;
        uint32_t metric;
        struct nlattr multipath;
        struct {
            struct rtnexthop hop;
            struct nlattr gateway;
            uint8_t ip[4];
        } hops[3];
    } good = {
        .head = {.nlmsg_len = sizeof(good), .nlmsg_type = RTM_NEWROUTE},
        .rtm = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST},
        .priority = {8, RTA_PRIORITY},
        .metric = 50,
        .multipath = {4 + 3 * 16, RTA_MULTIPATH},
        .hops = {{{16, 0, 0, 2}, {8, RTA_GATEWAY}, {10, 0, 0, 1}},
                 {{16, RTNH_F_LINKDOWN, 0, 2}, {8, RTA_GATEWAY}, {10, 0, 0, 9}},
                 {{16, 0, 9, 3}, {8, RTA_GATEWAY}, {10, 1, 0, 1}}},
    };
    static const uint16_t bad[] = {0, 7, 17, 65535}; /* lengths of the last hop */
    static struct ph_network net;
    char copy[sizeof(good)];
    (void)state;

    memset(&net, 0, sizeof(net));
    memcpy(copy, &good, sizeof(good));
    ph_network_take(&net, (struct nlmsghdr *)(void *)copy);
    take(&net, link_message(2, "eth0", UP));
    take(&net, link_message(3, "eth1", UP));
    take(&net, addr_message(3, "10.1.0.2", 24, 0));
    GATEWAYS(&net, "none via 10.0.0.1 dev eth0 2 50", "10.1.0.2 via 10.1.0.1 dev eth1 3 50");

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(&net, 0, sizeof(net));
        memcpy(copy, &good, sizeof(good));
        memcpy(copy + offsetof(__typeof__(good), hops[2].hop.rtnh_len), &bad[i], sizeof(bad[i]));
        ph_network_take(&net, (struct nlmsghdr *)(void *)copy);
        assert_int_equal(net.route_count, 1);
    }
}

/* What is cut off anywhere adds nothing that is not there; the sanitizers watch the reading. */
static void cut_messages_are_harmless(void **state)
{
    struct nl_msg *whole[3] = {
        route_message(&(struct route){.gateway = "10.0.0.1", .index = 2, .metric = 1}),
        link_message(2, "a-name-of-15ch.", UP),
        addr_message(2, "10.0.0.2", 24, 0),
    };
    static struct ph_network net;
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        uint32_t len = nlmsg_hdr(whole[i])->nlmsg_len;

        for (uint32_t cut = sizeof(struct nlmsghdr); cut < len; cut++) {
            struct nlmsghdr *copy = malloc(cut);

            memset(&net, 0, sizeof(net));
            memcpy(copy, nlmsg_hdr(whole[i]), cut);
            copy->nlmsg_len = cut;
            ph_network_take(&net, copy);
            assert_true(net.route_count + net.addr_count <= 1);
            free(copy);
        }
        nlmsg_free(whole[i]);
    }
}

static void caps_hold(void **state)
{
    static struct ph_network net;
    struct ph_gateway out[PH_NETWORK_ROUTES_MAX + 8];
    (void)state;

    memset(&net, 0, sizeof(net));
    for (uint32_t i = 0; i < PH_NETWORK_ROUTES_MAX + 8; i++) {
        char text[32];

        snprintf(text, sizeof(text), "10.0.%u.1", i);
        take_route(&net, &(struct route){.gateway = text, .index = 2, .metric = 100 - i});
    }
    take(&net, link_message(2, "eth0", UP));
    for (int i = 0; i < PH_NETWORK_ADDRS_MAX + 8; i++) {
        take(&net, addr_message(2, "10.0.0.2", 24, 0));
    }
    assert_int_equal(ph_network_gateways(&net, out, PH_NETWORK_ROUTES_MAX + 8),
                     PH_NETWORK_ROUTES_MAX);
    assert_int_equal(net.addr_count, PH_NETWORK_ADDRS_MAX);
}

static uint64_t digest_of(const struct route *route, unsigned link, const char *addr,
                          uint32_t flags, bool other_first)
{
    static struct ph_network net;

    memset(&net, 0, sizeof(net));
    take_route(&net, route);
    take(&net, link_message(2, "eth0", link));
    if (other_first) {
        take(&net, addr_message(3, "192.0.2.1", 24, 0));
    }
    take(&net, addr_message(2, addr, 24, flags));
    if (!other_first) {
        take(&net, addr_message(3, "192.0.2.1", 24, 0));
    }
    return net.digest;
}

static void a_digest_tells_networks_apart(void **state)
{
    static const struct route route = {.gateway = "10.0.0.1", .index = 2, .metric = 5};
    struct route other = route;
    uint64_t same = digest_of(&route, UP, "10.0.0.2", 0, false);
    (void)state;

    assert_true(same == digest_of(&route, UP, "10.0.0.2", 0, true));
    assert_true(same == digest_of(&route, UP | IFF_PROMISC, "10.0.0.2", IFA_F_NOPREFIXROUTE, true));
    assert_true(same != digest_of(&route, UP, "10.0.0.3", 0, false));
    assert_true(same != digest_of(&route, UP, "10.0.0.2", IFA_F_DEPRECATED, false));
    assert_true(same != digest_of(&route, UP, "10.0.0.2", IFA_F_TENTATIVE, false));
    assert_true(same != digest_of(&route, 0, "10.0.0.2", 0, false));
    other.metric = 6;
    assert_true(same != digest_of(&other, UP, "10.0.0.2", 0, false));
    other = route;
    other.gateway = "10.0.0.4";
    assert_true(same != digest_of(&other, UP, "10.0.0.2", 0, false));
    other = route;
    other.dst_len = 8;
    assert_true(same != digest_of(&other, UP, "10.0.0.2", 0, false));
    other = route;
    other.table = 100; /* not a route of ours, so a route less */
    assert_true(same != digest_of(&other, UP, "10.0.0.2", 0, false));
}

static void what_is_known_beforehand_is_not_asked_for(void **state)
{
    static const struct ph_addr addr = {.family = PH_AF_V4, .ip = {192, 0, 2, 2}};
    static const struct ph_gateway known[2] = {
        {.gateway = {.family = PH_AF_V4, .ip = {192, 0, 2, 1}}, .scope = 9},
        {.gateway = {.family = PH_AF_V4, .ip = {192, 0, 2, 254}}, .scope = 9},
    };
    struct ph_loop_host_config config = {
        .netns_fd = -1, .addrs = &addr, .addr_count = 1, .gateways = known, .gateway_count = 2};
    struct ph_gateway out[4];
    struct ph_loop *loop;
    struct ph_host *h;
    (void)state;

    assert_int_equal(ph_loop_new(&loop), PH_OK);
    assert_int_equal(ph_loop_host_new(loop, &config, &h), PH_OK);
    assert_int_equal(h->ops->gateways(h, out, 4), 2);
    assert_memory_equal(out, known, sizeof(known));
    assert_int_equal(h->ops->gateways(h, out, 1), 1);
    ph_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_metric_comes_first),
        cmocka_unit_test(other_routes_are_none),
        cmocka_unit_test(of_several_addresses_the_one_that_stays),
        cmocka_unit_test(multipath_routes),
        cmocka_unit_test(cut_messages_are_harmless),
        cmocka_unit_test(caps_hold),
        cmocka_unit_test(a_digest_tells_networks_apart),
        cmocka_unit_test(what_is_known_beforehand_is_not_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
