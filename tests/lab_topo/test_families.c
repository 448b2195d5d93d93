/* Address families of topologies: who gets which addresses and routes, and what cannot be. */
#include "lab/topo/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct world_spec spec;
static struct layout layout;

static void load(const char *name, const char *family, const char *profile_a)
{
    struct topology t;
    struct lab_error err = {.text = ""};

    if (topology_find(name, &t, &err) != 0 || world_spec_init(&spec, &t, &err) != 0 ||
        (family != NULL && world_spec_set_family(&spec, family, &err) != 0) ||
        (profile_a != NULL && world_spec_set_profile(&spec, "a", profile_a, &err) != 0) ||
        layout_compute(&spec, &layout, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static const struct layout_node *node(const char *name)
{
    size_t i = layout_find(&layout, name);

    assert_int_not_equal(i, SIZE_MAX);
    return &layout.nodes[i];
}

static void expect(const struct ph_addr *a, const char *text)
{
    char got[PH_ADDR_STRLEN];

    assert_string_equal(ph_addr_format_ip(a, got), text);
}

static const struct layout_route *route_to(const struct layout_node *n, const char *net,
                                           unsigned prefix)
{
    struct ph_addr to;

    assert_int_equal(ph_addr_parse(net, &to), 0);
    for (size_t i = 0; i < n->route_count; i++) {
        if (n->routes[i].prefix == prefix && ph_addr_ip_eq(&n->routes[i].to, &to)) {
            return &n->routes[i];
        }
    }
    fail_msg("%s has no route to %s/%u", n->name, net, prefix);
    return NULL;
}

static void test_without_ipv6(void **state)
{
    (void)state;
    load("two-nats", NULL, NULL);
    assert_false(layout_has_ipv6(&layout));
    load("two-nats", "v4", NULL);
    assert_false(layout_has_ipv6(&layout));
}

static void test_dual(void **state)
{
    const struct layout_node *a, *nat;
    (void)state;

    load("dual-stack", NULL, NULL);
    assert_true(layout_has_ipv6(&layout));
    a = node("a");
    nat = node("a.nat");
    expect(&a->addrs[0], "10.4.0.10");
    expect(&a->addrs6[0], "2b0b:0:1:104::a");
    assert_int_equal(a->addr6_count, 1);
    assert_int_equal(a->ifs[a->wan_if].prefix6, 64);
    expect(&nat->ifs[nat->wan_if].addr6, "2b0b:0:1::2");
    expect(&nat->ifs[nat->lan_if].addr6, "2b0b:0:1:104::1");
    expect(&route_to(a, "::", 0)->via, "2b0b:0:1:104::1");
    expect(&route_to(nat, "::", 0)->via, "2b0b:0:1::1");
    /* The whole site is routed to it, from the core on. */
    expect(&route_to(node("internet.1"), "2b0b:0:1::", 48)->via, "2b0b::2");
    expect(&node("stun")->addrs6[4], "2b0b:0:4::14");
    assert_int_equal(node("stun")->addr6_count, 5);
    assert_false(a->nat64);
}

static void test_one_family_each(void **state)
{
    const struct layout_node *a, *b;
    (void)state;

    load("two-nats", "v6-v4", NULL);
    a = node("a");
    b = node("b");
    assert_int_equal(a->addr_count, 0);
    assert_int_equal(a->addr6_count, 1);
    assert_false(ph_addr_is_set(&a->ifs[a->wan_if].addr));
    for (size_t i = 0; i < a->route_count; i++) {
        assert_int_equal(a->routes[i].to.family, PH_AF_V6);
    }
    assert_int_equal(b->addr_count, 1);
    assert_int_equal(b->addr6_count, 0);
    assert_int_equal(node("relay")->addr_count, 1);
    assert_int_equal(node("relay")->addr6_count, 1);
    load("no-nat", "v6", NULL);
    assert_int_equal(node("a")->addr_count, 0);
}

/* A home router behind a carrier's: each LAN is routed to through all above it. */
static void test_behind_two(void **state)
{
    (void)state;
    load("dual-stack", NULL, "cgnat");
    expect(&node("a")->addrs6[0], "2b0b:0:1:105::a");
    expect(&route_to(node("a.nat"), "2b0b:0:1:105::", 64)->via, "2b0b:0:1:104::a");
    assert_int_equal(node("a")->addr_count, 1);
    load("two-nats", "v6", "cgnat");
    assert_int_equal(node("a")->addr_count, 0);
    /* Between the two routers there is what there was. */
    assert_true(ph_addr_is_set(&node("a.home")->ifs[node("a.home")->wan_if].addr));
}

static void test_nat64(void **state)
{
    const struct layout_node *a, *x;
    struct ph_addr translated;
    struct ph_nat64 n;
    bool wire = false;
    (void)state;

    load("nat64", NULL, NULL);
    a = node("a");
    x = node("a.nat64");
    assert_int_equal(a->addr_count, 0);
    assert_true(a->nat64 && x->nat64);
    assert_true(layout_nat64_of(&layout, layout_find(&layout, "a"), &n));
    expect(&n.prefix, "64:ff9b::");
    assert_int_equal(n.bits, 96);
    assert_false(layout_nat64_of(&layout, layout_find(&layout, "b"), &n));
    translated = layout_translated(&layout, layout_find(&layout, "a"));
    expect(&translated, "100.68.1.10");
    expect(&x->xlat_net, "100.68.1.0");
    assert_false(ph_addr_is_set(&x->ifs[x->lan_if].addr));
    (void)route_to(x, "64:ff9b::", 96);
    (void)route_to(node("a.nat"), "100.68.1.0", 24);
    for (size_t i = 0; i < layout.link_count; i++) {
        wire = wire || layout.links[i].translates;
    }
    assert_true(wire);
    translated = layout_translated(&layout, layout_find(&layout, "b"));
    assert_false(ph_addr_is_set(&translated));
}

static void refuse_family(const char *topology, const char *family, const char *why)
{
    struct topology t;
    struct lab_error err = {.text = ""};

    assert_int_equal(topology_find(topology, &t, &err), 0);
    assert_int_equal(world_spec_init(&spec, &t, &err), 0);
    if (world_spec_set_family(&spec, family, &err) == 0) {
        assert_int_not_equal(layout_compute(&spec, &layout, &err), 0);
    }
    assert_int_equal(err.code, LAB_USAGE);
    assert_string_equal(err.text, why);
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    refuse_family(
        "two-nats", "ipv6",
        "family \"ipv6\" must be v4, v6, dual or nat64, or two of these for the caller and "
        "the callee (v6-v4)");
    refuse_family("no-nat", "nat64-v4",
                  "topology no-nat: host a is inside no NAT, so no NAT64 stands before it");
    refuse_family("same-lan", "v6-v4",
                  "topology same-lan: both peers are inside NAT a, which cannot be v6 and v4");
}

static void refuse_text(const char *text, const char *why)
{
    struct topology t;
    struct lab_error err = {.text = ""};

    if (topology_parse("t.yaml", text, strlen(text), &t, &err) == 0 &&
        world_spec_init(&spec, &t, &err) == 0) {
        assert_int_not_equal(layout_compute(&spec, &layout, &err), 0);
    }
    assert_string_equal(err.text, why);
}

static void test_bad_files(void **state)
{
    (void)state;
    refuse_text("name: t\nnetworks: {internet: {family: v6}}\nhosts: {a: {on: internet}}\n",
                "t.yaml:2:31: family is \"v6\"; did you mean \"v4\"? Known are: v4, dual");
    refuse_text("name: t\nnetworks: {internet: {}}\nhosts: {a: {on: internet, family: v6}}\n",
                "topology t: a has no address family that what is around it has too");
    refuse_text("name: t\nnetworks: {internet: {}}\nhosts: {a: {on: internet, family: nat64}}\n",
                "t.yaml:3:35: family is \"nat64\"; it must be one of: v4, v6, dual");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_ipv6),    cmocka_unit_test(test_dual),
        cmocka_unit_test(test_one_family_each), cmocka_unit_test(test_behind_two),
        cmocka_unit_test(test_nat64),           cmocka_unit_test(test_what_cannot_be),
        cmocka_unit_test(test_bad_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
