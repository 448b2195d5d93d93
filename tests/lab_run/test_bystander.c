/* Bystanders: how many flows they open, and which of them count as answered. */
#include "lab/run/bystander.h"
#include "lab/world/sim/sim.h"
#include "pinhole.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PORT 3478

struct bench {
    struct world_spec *spec;
    struct layout *layout;
    struct world *w;
    struct ph_host *stun_host;
    struct ph_stun_server *stun;
    struct ph_addr server;
    struct bystander *b;
    /* Packets from this node are lost in this time. */
    size_t node;
    ph_ns from, to, start;
};

static enum sim_verdict lose(void *user, const struct sim_tap_packet *p)
{
    const struct bench *b = user;
    ph_ns t = b->w->ops->now(b->w) - b->start;
    return p->node == b->node && t >= b->from && t < b->to ? SIM_DROP : SIM_PASS;
}

static void begin(struct bench *b, const char *topology_name, uint32_t rate)
{
    struct topology topology;
    struct lab_error err;
    memset(b, 0, sizeof(*b));
    b->spec = calloc(1, sizeof(*b->spec));
    b->layout = calloc(1, sizeof(*b->layout));
    assert_non_null(b->spec);
    assert_non_null(b->layout);
    if (topology_find(topology_name, &topology, &err) != 0 ||
        world_spec_init(b->spec, &topology, &err) != 0 ||
        layout_compute(b->spec, b->layout, &err) != 0 ||
        sim_world_new(b->layout, 1, &b->w, &err) != 0)
        fail_msg("%s", err.text);
    size_t node = layout_find(b->layout, "stun");
    b->server = b->layout->nodes[node].addrs[0];
    b->server.port = PORT;
    assert_int_equal(b->w->ops->host_new(b->w, node, NULL, NULL, &b->stun_host), PH_OK);
    assert_int_equal(ph_stun_server_new(b->stun_host, &b->server, 1, &b->stun), PH_OK);
    b->node = layout_find(b->layout, "a");
    b->start = b->w->ops->now(b->w);
    sim_tap(b->w, lose, b);
    assert_int_equal(bystander_start(b->w, &b->server, rate, 7, &b->b), PH_OK);
}

static void pass(struct bench *b, ph_ns t)
{
    sim_run_until(b->w, b->w->ops->now(b->w) + t);
}

static void end(struct bench *b)
{
    bystander_stop(b->b);
    ph_stun_server_free(b->stun);
    b->w->ops->host_free(b->w, b->stun_host);
    b->w->ops->free(b->w);
    free(b->layout);
    free(b->spec);
}

static void test_all_answered(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "two-nats", 5);
    pass(&b, 10 * PH_SEC);
    struct bystander_count c = bystander_count(b.b);
    assert_int_equal(c.asked, 100); /* one beside each peer */
    assert_false(bystander_settled(b.b) && c.answered < c.asked);
    bystander_ask_no_more(b.b);
    pass(&b, PH_SEC);
    assert_true(bystander_settled(b.b));
    c = bystander_count(b.b);
    assert_int_equal(c.asked, 100);
    assert_int_equal(c.answered, 100);
    end(&b);
}

/* From 2 s to 8 s nothing leaves host a. Its last try comes 1.5 s after its first: what was asked
 * from 2 s to 6.5 s is lost, what was asked after it is not. */
static void test_some_lost(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "two-nats", 10);
    b.from = 2 * PH_SEC;
    b.to = 8 * PH_SEC;
    pass(&b, 7 * PH_SEC);
    bystander_ask_no_more(b.b);
    pass(&b, BYSTANDER_PATIENCE - PH_MS);
    assert_false(bystander_settled(b.b) && bystander_count(b.b).asked == 0);
    pass(&b, 2 * PH_MS);
    assert_true(bystander_settled(b.b));
    struct bystander_count c = bystander_count(b.b);
    assert_int_equal(c.asked, 140);
    assert_in_range(c.asked - c.answered, 45, 46);
    end(&b);
}

/* Nobody is behind no NAT, and nobody asks at no rate. */
static void test_nobody(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, "no-nat", 5);
    assert_null(b.b);
    assert_true(bystander_settled(b.b));
    assert_int_equal(bystander_count(b.b).asked, 0);
    bystander_ask_no_more(b.b);
    end(&b);
    begin(&b, "two-nats", 0);
    assert_null(b.b);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_answered),
        cmocka_unit_test(test_some_lost),
        cmocka_unit_test(test_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
