/* Other addresses of a node: they are nobody else's, lie where their gateway is, and lead back. */
#include "lab/topo/renumber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct world_spec spec;
static struct layout first, l;
static struct ph_addr moved6; /* the last that a host had beside */

static bool is_another_s(size_t node, const struct ph_addr *a)
{
    for (size_t i = 0; i < l.node_count; i++)
        for (size_t k = 0; i != node && k < l.nodes[i].if_count; k++)
            if (ph_addr_ip_eq(&l.nodes[i].ifs[k].addr, a))
                return true;
    return false;
}

static bool on_link(const struct layout_if *f, const struct ph_addr *a)
{
    uint32_t mask = UINT32_MAX << (32 - f->prefix);
    return ((ph_addr_v4_get(&f->addr) ^ ph_addr_v4_get(a)) & mask) == 0;
}

static void check_turns(const char *name)
{
    size_t node = layout_find(&first, name);
    const struct layout_node *n = &l.nodes[node];
    const struct layout_if *f = &n->ifs[n->wan_if];
    struct ph_addr seen[RENUMBER_TURNS];
    l = first;
    for (unsigned turn = 0; turn < RENUMBER_TURNS; turn++) {
        layout_renumber(&l, node, turn == 0 ? 0 : turn - 1, turn);
        seen[turn] = f->addr;
        for (unsigned k = 0; k < turn; k++)
            assert_false(ph_addr_ip_eq(&seen[k], &seen[turn]));
        assert_false(is_another_s(node, &f->addr));
        assert_true(ph_addr_ip_eq(n->kind == LAYOUT_HOST ? &n->addrs[0] : &n->wan[0], &f->addr));
        for (size_t k = 0; k < n->route_count; k++)
            if (n->routes[k].iface == n->wan_if && n->routes[k].via.family == PH_AF_V4)
                assert_true(on_link(f, &n->routes[k].via));
        for (size_t i = 0; i < l.node_count; i++)
            for (size_t k = 0; turn > 0 && k < l.nodes[i].route_count; k++)
                assert_false(ph_addr_ip_eq(&l.nodes[i].routes[k].via, &seen[turn - 1]));
    }
    moved6 = n->addrs6[0];
    layout_renumber(&l, node, RENUMBER_TURNS - 1, 0);
    assert_memory_equal(&l, &first, sizeof(l));
}

static void make(const char *topology, const char *nat_b)
{
    struct topology t;
    struct lab_error err = {.text = ""};
    if (topology_find(topology, &t, &err) != 0 || world_spec_init(&spec, &t, &err) != 0 ||
        (nat_b != NULL && world_spec_set_profile(&spec, "b", nat_b, &err) != 0) ||
        layout_compute(&spec, &first, &err) != 0)
        fail_msg("%s", err.text);
}

static void test_turns(void **state)
{
    (void)state;
    make("two-nats", "cgnat");
    check_turns("a.nat");
    check_turns("b.nat");
    check_turns("b.home");
    check_turns("a");
    check_turns("b");
    make("same-lan", NULL); /* members of one LAN */
    check_turns("a");
    check_turns("b");
    make("dual-stack", NULL);
    check_turns("a.nat");
    check_turns("a");
    assert_false(ph_addr_ip_eq(&moved6, &first.nodes[layout_find(&first, "a")].addrs6[0]));
    make("no-nat", NULL); /* sites of their own */
    check_turns("a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_turns)};
    return cmocka_run_group_tests_name("other addresses", tests, NULL, NULL);
}
