/* Topology files: what is read, and what is said about bad ones. */
#include "lab/topo/topology.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NETWORK "name: t\nnetworks: {net: {hops: 3}}\n"
#define HOSTS   "hosts:\n  a: {on: net}\n"

static void test_shipped(void **state)
{
    static const char *const names[] = {"two-nats", "same-lan", "same-nat", "same-cgnat", "no-nat"};
    (void)state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct topology t;
        struct lab_error err = {.text = ""};
        size_t peers = 0, relays = 0, stun = 0;

        if (topology_find(names[i], &t, &err) != 0) {
            fail_msg("%s", err.text);
        }
        assert_string_equal(t.name, names[i]);
        for (size_t k = 0; k < t.host_count; k++) {
            peers += t.hosts[k].runs == TOPO_RUNS_PEER ? 1 : 0;
            relays += t.hosts[k].runs == TOPO_RUNS_RELAY ? 1 : 0;
            stun += t.hosts[k].runs == TOPO_RUNS_STUN ? t.hosts[k].addresses : 0;
        }
        assert_int_equal(peers, 2);
        assert_int_equal(relays, 1);
        assert_int_equal(stun, 5);
        assert_string_equal(t.hosts[0].name, "a"); /* the caller */
        assert_string_equal(t.hosts[1].name, "b");
    }
}

static void test_links(void **state)
{
    static const char text[] =
        NETWORK HOSTS "  b: {on: net}\n"
                      "links:\n"
                      "  x: {between: [a, net], delay: {up: 5ms, down: 7ms}, jitter: 1ms,\n"
                      "      loss: {down: 2%}, rate: 10mbit}\n"
                      "  y: {between: [b, net], preset: 20ms-1%, jitter: 3ms}\n";
    struct topology t;
    (void)state;

    assert_int_equal(topology_parse("t.yaml", text, sizeof(text) - 1, &t, NULL), 0);
    assert_int_equal(t.link_count, 2);
    assert_int_equal(t.links[0].params.up.delay_ns, 5000000);
    assert_int_equal(t.links[0].params.down.delay_ns, 7000000);
    assert_int_equal(t.links[0].params.up.jitter_ns, 1000000);
    assert_int_equal(t.links[0].params.down.jitter_ns, 1000000);
    assert_true(fabs(t.links[0].params.up.loss) < 1e-12);
    assert_true(fabs(t.links[0].params.down.loss - 0.02) < 1e-12);
    assert_int_equal(t.links[0].params.up.rate_bps, 10000000);
    assert_int_equal(t.links[1].params.up.delay_ns, 20000000);
    assert_int_equal(t.links[1].params.up.jitter_ns, 3000000);
    assert_true(fabs(t.links[1].params.up.loss - 0.01) < 1e-12);
}

/* Each bad file with where it is wrong, and a part of what must be said. */
static void test_bad(void **state)
{
    static const struct {
        const char *text, *where, *says;
    } rows[] = {
        {"name: t\n", "t.yaml:1:1", "needs at least one of networks"},
        {"- a\n", "t.yaml:1:1", "must be a mapping"},
        {NETWORK HOSTS "netwroks: {}\n", "t.yaml:5:1", "did you mean \"networks\"?"},
        {"networks: {net: {}}\nhosts: {a: {on: net}}\n", "t.yaml:1:1", "needs name"},
        {"name: t\nnetworks: {net: {hops: 2}}\n" HOSTS, "t.yaml:2:24", "from 3 to 16"},
        {"name: t\nnetworks: {net: {hop: 3}}\n" HOSTS, "t.yaml:2:18", "did you mean \"hops\"?"},
        {"name: t\nnetworks: [net]\n" HOSTS, "t.yaml:2:11", "mapping of names"},
        {NETWORK HOSTS "nats:\n  n: {profile: open}\n", "t.yaml:6:6", "needs outside"},
        {NETWORK HOSTS "nats:\n  n: {outside: net}\n", "t.yaml:6:6", "needs profile"},
        {NETWORK HOSTS "nats:\n  n: {profile: opne, outside: net}\n", "t.yaml:6:16",
         "did you mean \"open\"?"},
        {NETWORK HOSTS "nats:\n  n: {profile: ./nowhere.yaml, outside: net}\n", "t.yaml:6:16",
         "./nowhere.yaml"},
        {NETWORK HOSTS "nats:\n  n: {profile: open, outside: nett}\n", "t.yaml:6:31",
         "did you mean \"net\"?"},
        {NETWORK HOSTS
         "nats:\n  n: {profile: open, outside: m}\n  m: {profile: open, outside: n}\n",
         "t.yaml:6:31", "outside of itself"},
        {NETWORK HOSTS "nats:\n  net: {profile: open, outside: net}\n", "t.yaml:6:8",
         "a network is named \"net\" too"},
        {NETWORK HOSTS "  A: {on: net}\n", "t.yaml:5:3", "small letters"},
        {NETWORK HOSTS "  nats: {on: net}\n", "t.yaml:5:3", "stands for all"},
        {NETWORK HOSTS "  b: {}\n", "t.yaml:5:6", "needs one of inside"},
        {NETWORK HOSTS "  b: {on: net, inside: x}\n", "t.yaml:5:6", "needs one of inside"},
        {NETWORK HOSTS "  b: {inside: x}\n", "t.yaml:5:15", "declared nowhere"},
        {NETWORK HOSTS "  b: {on: nat}\n", "t.yaml:5:11", "did you mean \"net\"?"},
        {NETWORK HOSTS "  b: {on: net, runs: pear}\n", "t.yaml:5:22", "did you mean \"peer\"?"},
        {NETWORK HOSTS "  b: {on: net, addresses: 9}\n", "t.yaml:5:27", "from 1 to 8"},
        {NETWORK HOSTS "links:\n  l: {delay: 1ms}\n", "t.yaml:6:6", "needs between"},
        {NETWORK HOSTS "links:\n  l: {between: [a]}\n", "t.yaml:6:16", "list of two"},
        {NETWORK HOSTS "links:\n  l: {between: [a, c]}\n", "t.yaml:6:20", "names \"c\""},
        {NETWORK HOSTS "links:\n  l: {between: [a, net], delay: 11s}\n", "t.yaml:6:33",
         "above 10s"},
        {NETWORK HOSTS "links:\n  l: {between: [a, net], loss: 101%}\n", "t.yaml:6:32", "101%"},
        {NETWORK HOSTS "links:\n  l: {between: [a, net], preset: 5}\n", "t.yaml:6:34", "80ms-1%"},
        {NETWORK HOSTS "links:\n  l: {between: [a, net], dealy: 5ms}\n", "t.yaml:6:26",
         "did you mean \"delay\"?"},
        {NETWORK HOSTS "links:\n  l: {between: [a, net], delay: {upp: 5ms}}\n", "t.yaml:6:34",
         "did you mean \"up\"?"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct topology t;
        struct lab_error err = {.text = ""};
        size_t where = strlen(rows[i].where);

        assert_int_equal(topology_parse("t.yaml", rows[i].text, strlen(rows[i].text), &t, &err),
                         -1);
        assert_int_equal(err.code, LAB_USAGE);
        if (strncmp(err.text, rows[i].where, where) != 0 || err.text[where] != ':' ||
            strstr(err.text, rows[i].says) == NULL) {
            fail_msg("row %zu: \"%s\" should say %s: %s", i, err.text, rows[i].where, rows[i].says);
        }
    }
}

static void test_missing(void **state)
{
    struct topology t;
    struct lab_error err;
    (void)state;

    assert_int_equal(topology_find("no-such", &t, &err), -1);
    assert_int_equal(err.code, LAB_USAGE);
    assert_non_null(strstr(err.text, "two-nats"));
    assert_int_equal(topology_find("./no-such.yaml", &t, &err), -1);
    assert_int_equal(err.code, LAB_USAGE);
}

static void test_spec(void **state)
{
    struct topology t;
    static struct world_spec spec;
    struct lab_error err;
    (void)state;

    assert_int_equal(topology_find("two-nats", &t, &err), 0);
    assert_int_equal(world_spec_init(&spec, &t, &err), 0);
    assert_string_equal(spec.profiles[0].name, "port-preserving");
    assert_int_equal(world_spec_set_gateway(&spec, NAT_GATEWAY_ACCEPT), 0);
    /* Whichever comes first, the policy is for all. */
    assert_int_equal(world_spec_set_profile(&spec, "b", "random", &err), 0);
    assert_string_equal(spec.profiles[1].name, "random");
    assert_int_equal(spec.profiles[0].gateway, NAT_GATEWAY_ACCEPT);
    assert_int_equal(spec.profiles[1].gateway, NAT_GATEWAY_ACCEPT);
    assert_int_equal(world_spec_set_profile(&spec, "c", "random", &err), -1);
    assert_non_null(strstr(err.text, "it has: a, b"));
    assert_int_equal(world_spec_set_link(&spec, "80ms-1%", &err), 0);
    assert_int_equal(spec.topology.links[0].params.down.delay_ns, 80000000);
    spec.topology.link_count = 0;
    assert_int_equal(world_spec_set_link(&spec, "20ms", &err), -1);
    assert_int_equal(world_spec_set_link(&spec, "0ms", &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped), cmocka_unit_test(test_links), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_missing), cmocka_unit_test(test_spec),
    };

    return cmocka_run_group_tests_name("topologies", tests, NULL, NULL);
}
