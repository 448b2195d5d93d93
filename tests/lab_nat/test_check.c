/* Every shipped profile in the kernel: a host (and a second one) behind a NAT, an outside host with
 * five addresses, and the check between them. What the check finds right must be right with every
 * gateway policy, and rules of another profile must be found wrong, field by field.
 *
 *   one --+
 *         +- [home] - nat - outside
 *   two --+
 */
#include "lab/nat/check.h"
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

static void build(struct lab *l, const struct nat_profile *p, bool with_home)
{
    static const uint8_t bridge_mac[6] = {2, 9, 9, 9, 9, 9};
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
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped_profiles),
    };
    gain_privileges();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
