/* Every shipped profile in the kernel: a host (and a second one) behind a NAT, an outside host with
 * five addresses, and the check between them. What the check finds right must be right with every
 * gateway policy, and rules of another profile must be found wrong, field by field.
 *
 *   one --+
 *         +- [home] - nat - outside
 *   two --+
 */
#include "lab/nat/check.h"
#include "lab/nat/probe.h"
#include "lab/nat/rules.h"
#include "lab/net/netns.h"
#include "lab/net/rtnl.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    ONE,
    TWO,
    HOME,
    NAT,
    OUTSIDE,
    NODES
};

struct lab {
    int ns[NODES];
    struct nat_site site;
    struct nat_site home_site;
    struct nat_check_site check;
    bool has_home;
    struct nat_profile home;
};

static bool cannot; /* no namespaces here */
static int nowhere = -1;

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0)
        perror(path);
    (void)close(fd);
}

/* A user namespace where this is no root. */
static void gain_privileges(void)
{
    struct lab_error err;
    char map[64];
    unsigned uid = (unsigned)getuid();
    unsigned gid = (unsigned)getgid();
    if (uid != 0) {
        if (unshare(CLONE_NEWUSER) != 0) {
            cannot = true;
            return;
        }
        (void)snprintf(map, sizeof(map), "0 %u 1", uid);
        write_file("/proc/self/setgroups", "deny");
        write_file("/proc/self/uid_map", map);
        (void)snprintf(map, sizeof(map), "0 %u 1", gid);
        write_file("/proc/self/gid_map", map);
    }
    nowhere = netns_new(&err);
    cannot = nowhere < 0;
}

static void need_namespaces(void)
{
    if (cannot) {
        print_message("skipped: this machine gives no network namespaces to this user\n");
        skip();
    }
}

static void must(int rc, const struct lab_error *err)
{
    if (rc < 0)
        fail_msg("%s", err->text);
}

static const uint8_t bridge_mac[6] = {2, 9, 9, 9, 9, 9};
static struct rtnl *links;
static struct lab_error link_err;

static void in(struct lab *l, int node)
{
    must(netns_enter(l->ns[node], &link_err), &link_err);
    must(rtnl_open(&links, &link_err), &link_err);
}

static void done(void)
{
    must(rtnl_commit(links, &link_err), &link_err);
    rtnl_close(links);
    must(netns_enter(nowhere, &link_err), &link_err);
}

/* A wire; both ends get an index that is free in their namespace. */
static void wire(struct lab *l, int a, int index_a, const char *name_a, int b, int index_b,
                 const char *name_b)
{
    struct rtnl_end end_a = {l->ns[a], index_a, name_a, {2, 0, 0, (uint8_t)a, (uint8_t)b, 1}};
    struct rtnl_end end_b = {l->ns[b], index_b, name_b, {2, 0, 0, (uint8_t)a, (uint8_t)b, 2}};
    in(l, a);
    rtnl_veth(links, &end_a, &end_b);
    done();
}

static void address(struct lab *l, int node, int index, struct ph_addr a, unsigned prefix)
{
    in(l, node);
    rtnl_addr_add(links, index, &a, prefix);
    rtnl_up(links, index, true);
    done();
}

static void route(struct lab *l, int node, int index, struct ph_addr via)
{
    struct ph_addr all = ph_addr_v4(0, 0, 0, 0, 0);
    in(l, node);
    rtnl_route(links, index, &all, 0, &via);
    done();
}

/* Permanent, so that nobody waits for the second try of an ARP request that was lost when a device
 * was not ready yet. */
static void neighbour(struct lab *l, int node, int index, struct ph_addr a, int wire_a, int wire_b,
                      uint8_t end)
{
    uint8_t mac[6] = {2, 0, 0, (uint8_t)wire_a, (uint8_t)wire_b, end};
    if (end == 0)
        memcpy(mac, bridge_mac, sizeof(mac));
    in(l, node);
    rtnl_neighbour(links, index, &a, mac);
    done();
}

static void build(struct lab *l, const struct nat_profile *p, bool with_home)
{
    struct lab_error err = {.text = ""};
    int lan = with_home ? HOME : NAT;
    memset(l, 0, sizeof(*l));
    l->has_home = with_home;
    for (int i = 0; i < NODES; i++) {
        l->ns[i] = netns_new(&err);
        must(l->ns[i], &err);
        must(netns_sysctl("net/ipv4/conf/all/rp_filter", "0", &err), &err);
    }
    /* The bridge of the LAN: device 10, its ports 11 and 12. */
    wire(l, ONE, 2, "eth0", lan, 11, "port1");
    wire(l, TWO, 2, "eth0", lan, 12, "port2");
    in(l, lan);
    rtnl_bridge(links, 10, "lan", bridge_mac);
    rtnl_enslave(links, 11, 10);
    rtnl_enslave(links, 12, 10);
    rtnl_up(links, 11, false);
    rtnl_up(links, 12, false);
    done();
    address(l, ONE, 2, ph_addr_v4(10, 0, 0, 2, 0), 24);
    address(l, TWO, 2, ph_addr_v4(10, 0, 0, 3, 0), 24);
    address(l, lan, 10, ph_addr_v4(10, 0, 0, 1, 0), 24);
    neighbour(l, ONE, 2, ph_addr_v4(10, 0, 0, 1, 0), 0, 0, 0);
    neighbour(l, TWO, 2, ph_addr_v4(10, 0, 0, 1, 0), 0, 0, 0);
    neighbour(l, lan, 10, ph_addr_v4(10, 0, 0, 2, 0), ONE, lan, 1);
    neighbour(l, lan, 10, ph_addr_v4(10, 0, 0, 3, 0), TWO, lan, 1);
    route(l, ONE, 2, ph_addr_v4(10, 0, 0, 1, 0));
    route(l, TWO, 2, ph_addr_v4(10, 0, 0, 1, 0));
    wire(l, NAT, 20, "wan", OUTSIDE, 2, "eth0");
    for (unsigned i = 0; i < p->pool.addresses; i++) {
        l->site.wan[i] = ph_addr_v4(45, 0, 0, (uint8_t)(100 + i), 0);
        address(l, NAT, 20, l->site.wan[i], 24);
    }
    l->site.wan_count = p->pool.addresses;
    for (unsigned i = 0; i < 5; i++) {
        l->check.outside[i] = ph_addr_v4(45, 0, 0, (uint8_t)(1 + i), 0);
        address(l, OUTSIDE, 2, l->check.outside[i], 24);
        neighbour(l, NAT, 20, l->check.outside[i], NAT, OUTSIDE, 2);
    }
    for (unsigned i = 0; i < p->pool.addresses; i++)
        neighbour(l, OUTSIDE, 2, l->site.wan[i], NAT, OUTSIDE, 1);
    l->check.outside_count = 5;
    route(l, OUTSIDE, 2, l->site.wan[0]);
    l->site.wan_if = "wan";
    l->site.lan_if = "lan";
    l->site.lan = ph_addr_v4(10, 0, 0, 1, 0);
    l->site.lan_prefix = 24;
    l->site.seed = 42;
    l->site.subscribers[0] = ph_addr_v4(10, 0, 0, 2, 0);
    l->site.subscribers[1] = ph_addr_v4(10, 0, 0, 3, 0);
    l->site.subscriber_count = 2;
    if (with_home) {
        wire(l, HOME, 20, "wan", NAT, 10, "lan");
        address(l, HOME, 20, ph_addr_v4(100, 64, 0, 2, 0), 24);
        address(l, NAT, 10, ph_addr_v4(100, 64, 0, 1, 0), 24);
        neighbour(l, HOME, 20, ph_addr_v4(100, 64, 0, 1, 0), HOME, NAT, 2);
        neighbour(l, NAT, 10, ph_addr_v4(100, 64, 0, 2, 0), HOME, NAT, 1);
        route(l, HOME, 20, ph_addr_v4(100, 64, 0, 1, 0));
        l->home_site = l->site;
        l->home_site.wan[0] = ph_addr_v4(100, 64, 0, 2, 0);
        l->home_site.wan_count = 1;
        l->site.lan = ph_addr_v4(100, 64, 0, 1, 0);
        l->site.subscribers[0] = l->home_site.wan[0];
        l->site.subscriber_count = 1;
    }
    l->check.inside_fd = l->ns[ONE];
    l->check.inside = ph_addr_v4(10, 0, 0, 2, 0);
    l->check.inside2_fd = l->ns[TWO];
    l->check.inside2 = ph_addr_v4(10, 0, 0, 3, 0);
    l->check.outside_fd = l->ns[OUTSIDE];
    l->check.nat_fd = l->ns[NAT];
    must(netns_enter(nowhere, &err), &err);
}

static void tear_down(struct lab *l)
{
    for (int i = 0; i < NODES; i++)
        (void)close(l->ns[i]);
}

static void apply(struct lab *l, const struct nat_profile *p)
{
    struct lab_error err = {.text = ""};
    must(nat_apply(l->ns[NAT], p, &l->site, &err), &err);
    if (l->has_home) {
        must(nat_profile_find(p->inside, &l->home, &err), &err);
        l->home.gateway = p->gateway;
        must(nat_apply(l->ns[HOME], &l->home, &l->home_site, &err), &err);
    }
}

static void flush(struct lab *l, const struct nat_profile *p)
{
    struct lab_error err = {.text = ""};
    must(nat_flush(l->ns[NAT], p, &err), &err);
    if (l->has_home)
        must(nat_flush(l->ns[HOME], &l->home, &err), &err);
}

static struct nat_check_result check(struct lab *l, const struct nat_profile *declared,
                                     unsigned flags)
{
    struct lab_error err = {.text = ""};
    struct nat_check_result r;
    if (nat_check(declared, &l->check, flags, &r, &err) != 0)
        fail_msg("%s: %s", declared->name, err.text);
    return r;
}

static void test_shipped_profiles(void **state)
{
    static const enum nat_gateway gateways[] = {NAT_GATEWAY_DROP, NAT_GATEWAY_ACCEPT,
                                                NAT_GATEWAY_REJECT};
    struct lab_error err = {.text = ""};
    char **names = NULL;
    size_t count = 0;
    int wrong = 0;
    (void)state;
    need_namespaces();
    must(nat_profile_list(&names, &count, &err), &err);
    assert_true(count >= 21);
    for (size_t i = 0; i < count; i++) {
        for (size_t g = 0; g < 3; g++) {
            struct nat_profile p;
            struct lab l;
            must(nat_profile_find(names[i], &p, &err), &err);
            p.gateway = gateways[g];
            build(&l, &p, p.inside[0] != '\0');
            double t0 = now_ms();
            apply(&l, &p);
            double t1 = now_ms();
            struct nat_check_result r = check(&l, &p, 0);
            double t2 = now_ms();
            flush(&l, &p);
            double t3 = now_ms();
            print_message("%-18s %-6s apply %5.1f check %5.1f flush %4.1f ms: %s\n", names[i],
                          nat_gateway_name(p.gateway), t1 - t0, t2 - t1, t3 - t2, r.observed);
            if (!r.ok) {
                print_error("%s (gateway %s): %s\n", names[i], nat_gateway_name(p.gateway),
                            r.mismatch);
                wrong++;
            }
            /* The same world once more, as between two cells of a matrix. */
            r = check(&l, &p, 0);
            if (!r.ok) {
                print_error("%s (gateway %s) again: %s\n", names[i], nat_gateway_name(p.gateway),
                            r.mismatch);
                wrong++;
            }
            tear_down(&l);
        }
        free(names[i]);
    }
    free(names);
    assert_int_equal(wrong, 0);
}

struct edit {
    const char *field, *value;
};

#define EDITS_MAX 5

struct wrong {
    struct edit declared[EDITS_MAX];
    struct edit built[EDITS_MAX];
    const char *says; /* a part of the mismatch */
};

#define MAPPING(m)                                                                                 \
    {                                                                                              \
        "mapping", m                                                                               \
    }
#define FILTERING(f)                                                                               \
    {                                                                                              \
        "filtering", f                                                                             \
    }
#define PORTS(a)                                                                                   \
    {                                                                                              \
        "allocation", a                                                                            \
    }
#define GATEWAY(g)                                                                                 \
    {                                                                                              \
        "gateway", g                                                                               \
    }
#define EIM  "endpoint-independent"
#define ADM  "address-dependent"
#define APDM "address-and-port-dependent"
#define SYMMETRIC(a)                                                                               \
    {                                                                                              \
        PORTS(a), MAPPING(APDM)                                                                    \
    }

/* On top of port-preserving. */
static const struct wrong wrongs[] = {
    {SYMMETRIC("random"), SYMMETRIC("sequential"),
     "allocation: declared random, saw sequential by 1"},
    {SYMMETRIC("sequential"), SYMMETRIC("random"),
     "allocation: declared sequential by 1, saw random"},
    {SYMMETRIC("sequential"), SYMMETRIC("{type: sequential, step: 2}"), "saw sequential by 2"},
    {SYMMETRIC("{type: sequential, step: -1}"), SYMMETRIC("sequential"), "saw sequential by 1"},
    {SYMMETRIC("random"), SYMMETRIC("{type: block, block: 512}"),
     "allocation: declared random, saw random within"},
    {SYMMETRIC("{type: block, block: 512}"), SYMMETRIC("random"), "declared aligned block of 512"},
    {SYMMETRIC("{type: block, block: 512}"), SYMMETRIC("{type: block, block: 8064}"),
     "declared aligned block of 512"},
    {SYMMETRIC("{type: block, block: 4096}"), SYMMETRIC("{type: block, block: 64}"),
     "declared aligned block of 4096"},
    {SYMMETRIC("{type: block, block: 512}"), SYMMETRIC("{type: block, block: 512, aligned: false}"),
     "declared aligned block of 512"},
    {SYMMETRIC("{type: random, range: 20000-29999}"),
     SYMMETRIC("{type: random, range: 40000-49999}"), "allocation.range"},
    {SYMMETRIC("random"), {PORTS("random")}, "mapping: declared " APDM ", saw " EIM},
    {{PORTS("random")}, SYMMETRIC("random"), "mapping: declared " EIM ", saw " APDM},
    {{PORTS("random")}, {PORTS("random"), MAPPING(ADM)}, "mapping: declared " EIM ", saw " ADM},
    {{PORTS("random"), MAPPING(ADM)}, SYMMETRIC("random"), "mapping: declared " ADM ", saw " APDM},
    {{PORTS("random"), MAPPING(ADM)}, {PORTS("random")}, "mapping: declared " ADM ", saw " EIM},
    {{PORTS("random")}, {{NULL, NULL}}, "allocation: declared random, saw preserving"},
    {{{NULL, NULL}}, {PORTS("random")}, "allocation: declared preserving, saw random"},
    {{PORTS("{type: hash, range: 32768-34815}")},
     {PORTS("{type: random, range: 32768-34815}")},
     "allocation: declared hash"},
    {{PORTS("{type: random, range: 32768-34815}")},
     {PORTS("{type: hash, range: 32768-34815}")},
     "allocation: declared random, saw hash"},
    {{FILTERING(EIM)}, {FILTERING(ADM)}, "filtering: declared " EIM ", saw " ADM},
    {{FILTERING(EIM)}, {FILTERING(APDM)}, "filtering: declared " EIM ", saw " APDM},
    {{FILTERING(ADM)}, {FILTERING(EIM)}, "filtering: declared " ADM ", saw " EIM},
    {{FILTERING(ADM)}, {FILTERING(APDM)}, "filtering: declared " ADM ", saw " APDM},
    {{FILTERING(APDM)}, {FILTERING(EIM)}, "filtering: declared " APDM ", saw " EIM},
    {{FILTERING(APDM)}, {FILTERING(ADM)}, "filtering: declared " APDM ", saw " ADM},
    {{{"hairpin", "true"}}, {{NULL, NULL}}, "hairpin: declared true, saw false"},
    {{{NULL, NULL}}, {{"hairpin", "true"}}, "hairpin: declared false, saw true"},
    {{{"allocation.exact", "true"}}, {{NULL, NULL}}, "allocation.exact: declared true, saw false"},
    {{{NULL, NULL}}, {{"allocation.exact", "true"}}, "allocation.exact: declared false, saw true"},
    {{GATEWAY("drop")}, {GATEWAY("reject")}, "gateway: declared drop, saw an answer"},
    {{GATEWAY("drop")}, {GATEWAY("accept")}, "gateway: declared drop, saw an answer"},
    {{GATEWAY("reject")}, {GATEWAY("drop")}, "gateway: declared reject, saw silence"},
    {{GATEWAY("reject")},
     {GATEWAY("accept")},
     "gateway: declared reject, saw that an early packet moves"},
    {{GATEWAY("accept")},
     {GATEWAY("reject")},
     "gateway: declared accept, saw that an early packet does no harm"},
    {{GATEWAY("accept")}, {GATEWAY("drop")}, "gateway: declared accept, saw silence"},
    {{{"udp", "block"}}, {{NULL, NULL}}, "udp: declared block, saw UDP pass"},
    {{{NULL, NULL}}, {{"udp", "block"}}, "udp: declared allow, saw no UDP pass"},
    {{{"mapping", "none"}}, {{NULL, NULL}}, "mapping: declared none, saw " EIM},
    {{{NULL, NULL}}, {{"mapping", "none"}}, "mapping: declared " EIM ", saw none"},
    {{{"mapping", "none"}, FILTERING(EIM)},
     {{"mapping", "none"}},
     "filtering: declared " EIM ", saw " APDM},
    {{{"mapping", "none"}},
     {{"mapping", "none"}, FILTERING(EIM)},
     "filtering: declared " APDM ", saw " EIM},
    {{{"mapping", "none"}, FILTERING(ADM)},
     {{"mapping", "none"}},
     "filtering: declared " ADM ", saw " APDM},
    {{{"mapping", "none"}},
     {{"mapping", "none"}, FILTERING(ADM)},
     "filtering: declared " APDM ", saw " ADM},
    {{{NULL, NULL}},
     {{"pool", "{addresses: 4, pairing: arbitrary}"}},
     "pool: declared 1 addresses"},
    {{{"pool", "{addresses: 4, pairing: arbitrary}"}},
     {{"pool", "{addresses: 4, pairing: paired}"}},
     "pool: declared 4 addresses, arbitrary, saw 1 for one host"},
};

static struct nat_profile edited(const char *base, const struct edit *edits)
{
    struct nat_profile p;
    struct lab_error err = {.text = ""};
    must(nat_profile_find(base, &p, &err), &err);
    for (size_t i = 0; i < EDITS_MAX && edits[i].field != NULL; i++)
        must(nat_profile_set(&p, edits[i].field, edits[i].value, &err), &err);
    return p;
}

static void test_wrong_rules_are_found(void **state)
{
    int bad = 0;
    (void)state;
    need_namespaces();
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        const struct wrong *w = &wrongs[i];
        struct nat_profile declared = edited("port-preserving", w->declared);
        struct nat_profile built = edited("port-preserving", w->built);
        struct lab l;
        build(&l, &built, false);
        apply(&l, &built);
        struct nat_check_result r = check(&l, &declared, 0);
        if (r.ok || strstr(r.mismatch, w->says) == NULL) {
            print_error("case %zu: expected \"%s\", got \"%s\" (%s)\n", i, w->says, r.mismatch,
                        r.observed);
            bad++;
        }
        /* The one that was built is right, whatever its fields. */
        flush(&l, &built);
        r = check(&l, &built, 0);
        if (!r.ok) {
            print_error("case %zu, as built: %s (%s)\n", i, r.mismatch, r.observed);
            bad++;
        }
        tear_down(&l);
    }
    assert_int_equal(bad, 0);
}

/* Rules that no shipped profile needs, each with its own way through the generator. */
static void test_further_combinations(void **state)
{
    static const struct edit right[][EDITS_MAX] = {
        {PORTS("sequential")},
        {PORTS("{type: sequential, step: -4, start: 50000}"), MAPPING(ADM)},
        {PORTS("{type: hash, range: 40000-40511}"), MAPPING(ADM)},
        {PORTS("{type: hash, range: 40000-40511}"), MAPPING(APDM), FILTERING(ADM)},
        {PORTS("{type: random, range: 50000-50999}"), FILTERING(EIM)},
        {PORTS("{type: random, range: 50000-50999}"), MAPPING(APDM)},
        {PORTS("random"), MAPPING(APDM), FILTERING(EIM)},
        {PORTS("random"), MAPPING(ADM), FILTERING(ADM)},
        {PORTS("{type: block, block: 64}")},
        {PORTS("{type: block, block: 64}"), MAPPING(APDM)},
        {PORTS("{type: block, block: 256, exact: true}")},
        {PORTS("{type: block, block: 256}"), FILTERING(EIM)},
        {PORTS("{type: block, block: 256, aligned: false}"), MAPPING(ADM)},
        {PORTS("{type: preserving, range: 40000-49999}")},
        {PORTS("{type: preserving, range: 40000-49999, exact: true}")},
        {{"hairpin", "true"}, PORTS("random")},
        {{"hairpin", "true"}, PORTS("{type: hash, range: 40000-42047}")},
        {{"hairpin", "true"}, FILTERING(EIM)},
        {{"hairpin", "true"}, PORTS("{type: block, block: 512}")},
        {{"pool", "{addresses: 4, pairing: paired}"}},
        {{"pool", "{addresses: 4, pairing: arbitrary}"}, PORTS("random"), MAPPING(APDM)},
        {{"pool", "{addresses: 4, pairing: arbitrary}"}, PORTS("random"), FILTERING(EIM)},
        {{"pool", "{addresses: 4, pairing: arbitrary}"}, FILTERING(ADM)},
        {{"pool", "{addresses: 4, pairing: paired}"},
         PORTS("{type: block, block: 512}"),
         MAPPING(APDM)},
        {{"pool", "{addresses: 4, pairing: paired}"},
         PORTS("{type: block, block: 512, exact: true}")},
        {{"pool", "{addresses: 4, pairing: paired}"}, PORTS("sequential"), MAPPING(APDM)},
        {{"mapping", "none"}, FILTERING(ADM)},
        {{"limits", "{mappings: 64, new_per_second: 100}"}},
        {{"timeout", "{udp: 5s, udp_stream: 5s}"}, FILTERING(ADM)},
    };
    int bad = 0;
    (void)state;
    need_namespaces();
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        struct nat_profile p = edited("port-preserving", right[i]);
        struct lab l;
        build(&l, &p, false);
        apply(&l, &p);
        struct nat_check_result r = check(&l, &p, 0);
        if (!r.ok) {
            print_error("case %zu: %s (%s)\n", i, r.mismatch, r.observed);
            bad++;
        }
        tear_down(&l);
    }
    assert_int_equal(bad, 0);
}

/* In 256 ports, 24 sockets that each send to another outside port would share one in two of three
 * rounds, if netfilter alone drew them. */
static void test_exact_ports_are_not_shared(void **state)
{
    static const struct edit edits[EDITS_MAX] = {PORTS("{type: random, range: 50000-50255}")};
    enum {
        SOCKETS = 24,
        DESTINATIONS = 12,
        ROUNDS = 6
    };
    struct nat_profile p = edited("port-preserving", edits);
    struct lab_error err = {.text = ""};
    struct lab l;
    (void)state;
    need_namespaces();
    build(&l, &p, false);
    apply(&l, &p);
    for (int round = 0; round < ROUNDS; round++) {
        struct probe x;
        struct ph_addr seen[SOCKETS];
        flush(&l, &p);
        probe_init(&x, 0, &err);
        int inside = probe_open(&x, l.check.inside_fd, &l.check.inside, SOCKETS);
        int outside = probe_open(&x, l.check.outside_fd, &l.check.outside[0], DESTINATIONS);
        must(inside, &err);
        must(outside, &err);
        for (int i = 0; i < SOCKETS; i++) {
            int tag;
            assert_true(
                probe_ask(&x, inside + i, &x.sockets[outside + i % DESTINATIONS].addr, &tag));
            seen[i] = x.tags[tag].from;
            for (int k = 0; k < i; k++)
                assert_int_not_equal(seen[k].port, seen[i].port);
        }
        probe_fini(&x);
    }
    tear_down(&l);
}

static void test_timeouts(void **state)
{
    static const struct edit declared[EDITS_MAX] = {{"timeout", "{udp: 2s, udp_stream: 3s}"}};
    static const struct edit right[EDITS_MAX] = {{"timeout", "{udp: 2s, udp_stream: 3s}"},
                                                 FILTERING(EIM)};
    static const struct edit built[EDITS_MAX] = {{"timeout", "{udp: 6s, udp_stream: 6s}"}};
    (void)state;
    need_namespaces();
    struct nat_profile p = edited("port-restricted", right);
    struct lab l;
    build(&l, &p, false);
    apply(&l, &p);
    struct nat_check_result r = check(&l, &p, NAT_CHECK_TIMEOUT);
    assert_string_equal(r.mismatch, "");
    assert_non_null(strstr(r.observed, "timeouts kept, of streams kept"));
    tear_down(&l);

    struct nat_profile says = edited("port-preserving", declared);
    p = edited("port-preserving", built);
    build(&l, &p, false);
    apply(&l, &p);
    r = check(&l, &says, NAT_CHECK_TIMEOUT);
    assert_string_equal(r.mismatch, "timeout.udp: declared 2 s, saw more; "
                                    "timeout.udp_stream: declared 3 s, saw more");
    tear_down(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped_profiles),
        cmocka_unit_test(test_wrong_rules_are_found),
        cmocka_unit_test(test_further_combinations),
        cmocka_unit_test(test_exact_ports_are_not_shared),
        cmocka_unit_test(test_timeouts),
    };
    gain_privileges();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
