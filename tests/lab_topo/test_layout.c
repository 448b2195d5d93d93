/* Layouts: that routes lead where they should, that NATs are far enough apart, and what does not
 * fit. */
#include "lab/topo/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct world_spec spec;
static struct layout layout;

static void load(const char *name)
{
    struct topology t;
    struct lab_error err = {.text = ""};

    if (topology_find(name, &t, &err) != 0 || world_spec_init(&spec, &t, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void parse(const char *text)
{
    struct topology t;
    struct lab_error err = {.text = ""};

    if (topology_parse("t.yaml", text, strlen(text), &t, &err) != 0 ||
        world_spec_init(&spec, &t, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void compute(void)
{
    struct lab_error err = {.text = ""};

    if (layout_compute(&spec, &layout, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static bool covers(const struct ph_addr *net, unsigned prefix, const struct ph_addr *a)
{
    uint32_t mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);

    return ((ph_addr_v4_get(net) ^ ph_addr_v4_get(a)) & mask) == 0;
}

static bool owns(const struct layout_node *n, const struct ph_addr *a)
{
    for (size_t i = 0; i < n->if_count; i++) {
        if (n->ifs[i].addr.family != PH_AF_NONE && ph_addr_ip_eq(&n->ifs[i].addr, a)) {
            return true;
        }
    }
    for (size_t i = 0; i < n->addr_count; i++) {
        if (ph_addr_ip_eq(&n->addrs[i], a)) {
            return true;
        }
    }
    for (size_t i = 0; i < n->wan_count; i++) {
        if (ph_addr_ip_eq(&n->wan[i], a)) {
            return true;
        }
    }
    return false;
}

/* The node that bears `next` at the far end of an interface, across a bridge too. */
static size_t neighbour(size_t node, size_t iface, const struct ph_addr *next)
{
    const struct layout_node *n = &layout.nodes[node];

    for (size_t k = 0; k < layout.link_count; k++) {
        const struct layout_link *w = &layout.links[k];

        for (size_t side = 0; side < 2; side++) {
            size_t port = w->iface[side], m = w->node[1 - side];

            if (w->node[side] != node ||
                !(port == iface || (n->ifs[port].port && iface == n->lan_if))) {
                continue;
            }
            if (owns(&layout.nodes[m], next)) {
                return m;
            }
            /* On a bridge, the other members too. */
            if (layout.nodes[m].ifs[w->iface[1 - side]].port) {
                size_t far = neighbour(m, layout.nodes[m].lan_if, next);

                return far == node ? SIZE_MAX : far;
            }
        }
    }
    return SIZE_MAX;
}

/* One step of a packet towards `to`; SIZE_MAX: nowhere. */
static size_t step(size_t node, const struct ph_addr *to)
{
    const struct layout_node *n = &layout.nodes[node];
    const struct layout_route *best = NULL;

    for (size_t i = 0; i < n->if_count; i++) {
        if (n->ifs[i].addr.family != PH_AF_NONE && covers(&n->ifs[i].addr, n->ifs[i].prefix, to)) {
            return neighbour(node, i, to);
        }
    }
    for (size_t i = 0; i < n->route_count; i++) {
        const struct layout_route *r = &n->routes[i];

        if (covers(&r->to, r->prefix, to) && (best == NULL || r->prefix > best->prefix)) {
            best = r;
        }
    }
    return best == NULL ? SIZE_MAX : neighbour(node, best->iface, &best->via);
}

/* How many routers and NATs a packet passes; -1 when it does not arrive. */
static int walk(size_t from, const struct ph_addr *to, unsigned *routers)
{
    size_t at = from;

    *routers = 0;
    for (int hops = 0; hops < 40; hops++) {
        at = step(at, to);
        if (at == SIZE_MAX) {
            return -1;
        }
        if (owns(&layout.nodes[at], to)) {
            return hops;
        }
        *routers += layout.nodes[at].kind == LAYOUT_ROUTER ? 1 : 0;
    }
    return -1;
}

static size_t find(const char *name)
{
    size_t i = layout_find(&layout, name);

    assert_int_not_equal(i, SIZE_MAX);
    return i;
}

static void test_reach(void **state)
{
    static const char *const names[] = {"two-nats", "two-nats-far", "same-lan",
                                        "same-nat", "same-cgnat",   "no-nat"};
    static const char *const profiles[] = {"port-preserving", "open", "firewall", "cgnat"};
    unsigned routers;
    (void)state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (size_t k = 0; k < sizeof(profiles) / sizeof(profiles[0]); k++) {
            load(names[i]);
            if (spec.topology.nat_count > 0) {
                assert_int_equal(world_spec_set_profile(&spec, "a", profiles[k], NULL), 0);
            }
            compute();
            /* Every node reaches each server's addresses, and the server the node's public ones. */
            for (size_t from = 0; from < layout.node_count; from++) {
                const struct layout_node *stun = &layout.nodes[find("stun")];

                for (size_t a = 0; a < stun->addr_count; a++) {
                    if (!owns(&layout.nodes[from], &stun->addrs[a])) {
                        assert_true(walk(from, &stun->addrs[a], &routers) >= 0);
                    }
                }
                for (size_t a = 0; a < layout.nodes[from].wan_count; a++) {
                    if (!ph_addr_is_private(&layout.nodes[from].wan[a])) {
                        assert_true(walk(find("stun"), &layout.nodes[from].wan[a], &routers) >= 0);
                    }
                }
            }
        }
    }
}

static void test_numbering(void **state)
{
    (void)state;
    load("two-nats");
    assert_int_equal(world_spec_set_profile(&spec, "a", "cgnat", NULL), 0);
    assert_int_equal(world_spec_set_profile(&spec, "b", "firewall", NULL), 0);
    compute();
    /* Public, and out of a block that no reserved range touches (11.0.0.0/8). */
    assert_int_equal(layout.nodes[find("relay")].addrs[0].ip[0], 11);
    assert_int_equal(layout.nodes[find("a.nat")].wan[0].ip[0], 11);
    assert_int_equal(layout.nodes[find("a.home")].wan[0].ip[0], 100);
    assert_true(ph_addr_is_private(&layout.nodes[find("a.home")].wan[0]));
    assert_int_equal(layout.nodes[find("a")].addrs[0].ip[0], 10);
    /* Behind a firewall that does not translate a host has a public address. */
    assert_int_equal(layout.nodes[find("b")].addrs[0].ip[0], 11);
    for (size_t i = 0; i < layout.node_count; i++) {
        for (size_t k = 0; k < layout.nodes[i].addr_count; k++) {
            size_t owners = 0;

            for (size_t j = 0; j < layout.node_count; j++) {
                owners += owns(&layout.nodes[j], &layout.nodes[i].addrs[k]) ? 1 : 0;
            }
            assert_int_equal(owners, 1);
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    load("same-cgnat");
    compute();
    assert_int_equal(layout.nodes[find("a")].kind, LAYOUT_HOST);
    assert_int_equal(layout.nodes[find("a.nat")].kind, LAYOUT_NAT);
    assert_int_equal(find("carrier"), find("carrier.nat"));
    assert_int_equal(layout_find(&layout, "nobody"), SIZE_MAX);
    assert_int_equal(layout_nats_above(&layout, find("a")), 2);
    assert_int_equal(layout_nats_above(&layout, find("relay")), 0);
}

/* Between any two sites lie at least as many routers as asked for; between two alone, exactly. */
static void test_hops(void **state)
{
    unsigned routers;
    (void)state;

    for (unsigned hops = 3; hops <= 8; hops++) {
        char text[256];

        snprintf(text, sizeof(text),
                 "name: t\nnetworks: {net: {hops: %u}}\n"
                 "hosts: {a: {on: net}, b: {on: net}, s: {on: net, runs: stun}}\n",
                 hops);
        parse(text);
        compute();
        assert_true(walk(find("a"), &layout.nodes[find("b")].addrs[0], &routers) >= 0);
        assert_int_equal(routers, hops);
        assert_true(walk(find("b"), &layout.nodes[find("a")].addrs[0], &routers) >= 0);
        assert_int_equal(routers, hops);
    }
    parse("name: t\nnetworks: {net: {hops: 4}}\n"
          "hosts: {a: {on: net}, b: {on: net}, c: {on: net}, d: {on: net}}\n");
    compute();
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 4; k++) {
            if (i != k) {
                assert_true(walk(i, &layout.nodes[k].addrs[0], &routers) >= 0);
                assert_true(routers >= 4);
            }
        }
    }
}

static void test_lan(void **state)
{
    unsigned routers;
    (void)state;

    load("same-lan");
    compute();
    /* No router between: the wire itself. */
    assert_int_equal(walk(find("a"), &layout.nodes[find("b")].addrs[0], &routers), 0);
    load("same-nat");
    compute();
    assert_int_equal(walk(find("a"), &layout.nodes[find("b")].addrs[0], &routers), 3);
    load("same-cgnat");
    compute();
    assert_int_equal(walk(find("a"), &layout.nodes[find("b")].addrs[0], &routers), -1);
    /* From one home router to the other by the carrier's NAT lies a router each way. */
    assert_int_equal(layout.nodes[find("a.nat")].upstream, find("carrier.access"));
    assert_int_equal(layout.nodes[find("carrier.access")].upstream, find("carrier.nat"));
}

static void test_delay(void **state)
{
    (void)state;
    load("two-nats");
    compute();
    assert_int_equal(layout_delay_ns(&layout, find("a"), find("b")), 40000000);
    assert_int_equal(layout_delay_ns(&layout, find("a"), find("relay")), 20000000);
    assert_int_equal(layout_delay_ns(&layout, find("relay"), find("stun")), 0);
    assert_int_equal(layout_delay_ns(&layout, find("a"), find("a")), 0);

    /* Up is away from the one named first, whichever that is. */
    parse("name: t\nnetworks: {net: {}, other: {}}\n"
          "nats: {n: {profile: port-preserving, outside: net}}\n"
          "hosts: {a: {inside: n}, r: {on: net, runs: relay}, x: {on: other}}\n"
          "links:\n"
          "  one: {between: [nats, net], delay: {up: 1ms, down: 2ms}}\n"
          "  two: {between: [nats, hosts], delay: {up: 10ms, down: 20ms}}\n"
          "  three: {between: [net, r], delay: {up: 100ms, down: 200ms}}\n");
    compute();
    assert_int_equal(layout_delay_ns(&layout, find("a"), find("r")), (20 + 1 + 100) * 1000000);
    assert_int_equal(layout_delay_ns(&layout, find("r"), find("a")), (200 + 2 + 10) * 1000000);
    assert_int_equal(layout_delay_ns(&layout, find("a"), find("x")), UINT64_MAX);
}

static void test_shaped(void **state)
{
    size_t shaped = 0;
    (void)state;

    load("two-nats");
    compute();
    for (size_t i = 0; i < layout.link_count; i++) {
        if (layout.links[i].shaped) {
            shaped++;
            assert_string_equal(layout.links[i].name, "access");
        }
    }
    assert_int_equal(shaped, 2);
    assert_int_equal(world_spec_set_link(&spec, "0ms", NULL), 0);
    compute();
    for (size_t i = 0; i < layout.link_count; i++) {
        assert_false(layout.links[i].shaped);
    }
}

static void test_gateway_of_home(void **state)
{
    (void)state;
    load("two-nats");
    assert_int_equal(world_spec_set_profile(&spec, "a", "cgnat", NULL), 0);
    assert_int_equal(world_spec_set_gateway(&spec, NAT_GATEWAY_ACCEPT), 0);
    compute();
    assert_int_equal(layout.nodes[find("a.home")].profile.gateway, NAT_GATEWAY_ACCEPT);
    assert_true(layout.nodes[find("a.home")].home);
    assert_int_equal(layout.nodes[find("a.home")].nat, 0);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"name: t\nnetworks: {net: {}}\nnats: {n: {profile: open, outside: net}}\n"
         "hosts: {a: {on: net}}\n",
         "nothing is inside NAT \"n\""},
        {"name: t\nnetworks: {net: {}}\nnats: {n: {profile: open, outside: net}}\n"
         "hosts: {a: {inside: n}, b: {on: net}}\n"
         "links: {l: {between: [a, b], delay: 1ms}}\n",
         "no wire joins \"a\" and \"b\""},
        {"name: t\nnetworks: {net: {hops: 16}}\n"
         "hosts: {a: {on: net}, b: {on: net}, c: {on: net}, d: {on: net}, e: {on: net}}\n",
         "too large"},
        {"name: t\nnetworks: {net: {}}\nnats: {n: {profile: open, outside: net}}\n"
         "hosts: {a: {inside: n}, b: {inside: n}, c: {inside: n}, d: {inside: n}, e: {inside: n},\n"
         "  f: {inside: n}, g: {inside: n}, h: {inside: n}, i: {inside: n}, j: {inside: n},\n"
         "  k: {inside: n}, l: {inside: n}}\n",
         "too large"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lab_error err = {.text = ""};

        parse(rows[i].text);
        assert_int_equal(layout_compute(&spec, &layout, &err), -1);
        assert_int_equal(err.code, LAB_USAGE);
        if (strstr(err.text, rows[i].says) == NULL) {
            fail_msg("row %zu: \"%s\" should say %s", i, err.text, rows[i].says);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reach),   cmocka_unit_test(test_numbering),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_hops),
        cmocka_unit_test(test_lan),     cmocka_unit_test(test_delay),
        cmocka_unit_test(test_shaped),  cmocka_unit_test(test_gateway_of_home),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("layouts", tests, NULL, NULL);
}
