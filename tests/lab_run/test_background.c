/* Background flows: as many as the profile says, and the same ones by the same seed. */
#include "lab/run/background.h"
#include "lab/world/sim/sim.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct count {
    struct ph_addr to;
    size_t node, flows;
    size_t outside; /* the node behind the NAT */
    unsigned moved; /* as the ports there say */
    uint16_t first_outside;
    uint16_t last_port;
    bool ports_differ;
};

static enum sim_verdict count_flows(void *user, const struct sim_tap_packet *p)
{
    struct count *c = user;
    if (p->node == c->outside && p->dst.port == 9) {
        if (c->first_outside == 0)
            c->first_outside = p->src.port;
        c->moved = (unsigned)(p->src.port - c->first_outside) + 1;
    }
    if (p->node != c->node || !ph_addr_ip_eq(&p->dst, &c->to) || p->dst.port != 9)
        return SIM_PASS;
    c->flows++;
    c->ports_differ = c->ports_differ || (c->last_port && c->last_port != p->src.port);
    c->last_port = p->src.port;
    return SIM_PASS;
}

static size_t flows_of(const char *profile, uint64_t seed, uint64_t *digest)
{
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct layout *layout = calloc(1, sizeof(*layout));
    struct topology topology;
    struct lab_error err;
    struct world *w = NULL;
    struct background *b;
    assert_non_null(spec);
    assert_non_null(layout);
    if (topology_find("two-nats", &topology, &err) != 0 ||
        world_spec_init(spec, &topology, &err) != 0 ||
        world_spec_set_profile(spec, "a", profile, &err) != 0 ||
        layout_compute(spec, layout, &err) != 0 || sim_world_new(layout, 1, &w, &err) != 0)
        fail_msg("%s", err.text);
    size_t stun = layout_find(layout, "stun");
    struct count c = {.to = layout->nodes[stun].addrs[0], .node = layout_find(layout, "a")};
    c.outside = layout_find(layout, "a.nat");
    sim_tap(w, count_flows, &c);
    assert_int_equal(background_start(w, stun, seed, &b), PH_OK);
    sim_run_until(w, w->ops->now(w) + 10 * PH_SEC);
    *digest = c.last_port;
    /* The NAT's counter moves on with each, but for one from a source port that had a flow within
     * the last 30 s: about one of 250 pairs of 28,232 ports. */
    if (c.flows > 0)
        assert_in_range(c.moved, c.flows - 8, c.flows);
    if (c.flows > 1)
        assert_true(c.ports_differ); /* each on a socket of its own */
    background_stop(b);
    w->ops->free(w);
    free(layout);
    free(spec);
    return c.flows;
}

static void test_rate(void **state)
{
    (void)state;
    uint64_t d1, d2, d3;
    size_t n = flows_of("sequential-busy", 1, &d1);
    assert_in_range(n, 190, 310); /* 25/s for 10 s: 250, one sigma is 16 */
    assert_int_equal(flows_of("sequential-busy", 1, &d2), n);
    assert_int_equal(d1, d2);
    flows_of("sequential-busy", 2, &d3);
    assert_int_not_equal(d1, d3);
    assert_int_equal(flows_of("sequential", 1, &d1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
