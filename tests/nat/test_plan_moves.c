/* The moves of plans, one kind after the other: what they open, probe and expect. */
#include "nat/plan_moves.h"

#include "base/rng.h"
#include "nat/birthday.h"
#include "tests/nat/plan_nats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

static struct ph_plan plan_of(const struct ph_plan_input *in)
{
    struct ph_plan p;
    ph_plan_make(in, 7, &p);
    return p;
}

static void test_random_fan_in(void **state)
{
    (void)state;
    struct ph_plan_input in = input(RANDOM, HOME);
    struct ph_plan p = plan_of(&in);
    const struct ph_move *fan = &p.moves[1], *mirror = &p.moves[2];
    double exact =
        ph_birthday_order_success(&in.side[0].allocation, &fan->order, fan->sockets, fan->probes);
    assert_true(fabs(fan->success - exact) < 1e-12);
    assert_true(fan->success > 0.99);
    assert_int_equal(fan->opener_ttl, 0);
    assert_int_equal(fan->ports, PH_PORTS_ORDER);
    /* Openers at 200 a second in bursts of 64, a message, half of the probes, a round trip. */
    assert_true(fan->time > 200 * PH_MS && fan->time < 2 * PH_SEC);
    /* The doubled ports come first, and the mirror's are others. */
    struct ph_port_walk w = {.order = &fan->order};
    static bool had[65536];
    uint16_t port;
    for (int i = 0; i < fan->probes && ph_port_walk_next(&w, &port); i++) {
        assert_in_range(port, 1024, 2047);
        had[port] = true;
    }
    w = (struct ph_port_walk){.order = &mirror->order};
    for (int i = 0; i < mirror->probes && ph_port_walk_next(&w, &port); i++)
        assert_false(had[port]);
    assert_int_equal(mirror->acceptor, fan->acceptor);
    /* A slower side takes longer. */
    in.side[1].budget.rate = 50;
    assert_true(plan_of(&in).moves[1].time > fan->time);
    /* Another call, another order. */
    struct ph_plan other;
    ph_plan_make(&in, 8, &other);
    assert_false(same_order(&other.moves[1].order, &fan->order));
}

static void test_block_fan_in(void **state)
{
    (void)state;
    struct ph_plan_input in = input(BLOCK, HOME);
    struct ph_plan p = plan_of(&in);
    assert_in_range(p.moves[1].sockets, 32, 64);
    assert_true(p.moves[1].success > 0.999 && p.moves[2].success > 0.99);
    /* No wave but the first: openers and probes leave at once. */
    assert_true(p.moves[1].time <= in.signalling + in.direct);
    struct ph_port_walk w = {.order = &p.moves[1].order};
    uint16_t port;
    for (int i = 0; i < 512 && ph_port_walk_next(&w, &port); i++)
        assert_in_range(port, 2048, 2559);
    /* Of 64 ports a quarter may be taken, no more. */
    in.side[0].allocation = drawn(PH_ALLOCATION_BLOCK, 4096, 4159);
    p = plan_of(&in);
    assert_true(p.moves[1].sockets <= 16 && p.moves[1].success > 0.99);
}

static void test_gateways(void **state)
{
    (void)state;
    for (int a = PH_GATEWAY_UNKNOWN; a <= PH_GATEWAY_DROP; a++) {
        for (int b = PH_GATEWAY_UNKNOWN; b <= PH_GATEWAY_DROP; b++) {
            struct ph_plan_input in = input(RANDOM, HOME);
            in.side[0].gateway = (enum ph_gateway_policy)a;
            in.side[1].gateway = (enum ph_gateway_policy)b;
            struct ph_plan p = plan_of(&in);
            /* Where nothing that comes early does harm, no TTL can be wrong, and all of the budget
             * is for the first move. */
            bool both_drop = a == PH_GATEWAY_DROP && b == PH_GATEWAY_DROP;
            assert_int_equal(p.moves[1].opener_ttl, both_drop ? PH_TTL_FULL : 0);
            assert_int_equal(p.count, both_drop ? 2 : 3);
            assert_int_equal(p.moves[1].probes, both_drop ? 1200 : 900);
        }
    }
}

static void test_privileged(void **state)
{
    (void)state;
    struct ph_plan_input in = input(RANDOM, HOME);
    in.side[0].privileged = true;
    struct ph_plan p = plan_of(&in);
    assert_int_equal(p.count, 4);
    assert_int_equal(p.moves[1].bind_low, 600);
    assert_int_equal(p.moves[1].bind_high, 1023);
    assert_int_equal(p.moves[1].sockets, 32);
    assert_true(p.moves[1].success > 0.99);
    struct ph_port_walk w = {.order = &p.moves[1].order};
    uint16_t port;
    for (int i = 0; i < p.moves[1].probes && ph_port_walk_next(&w, &port); i++)
        assert_in_range(port, 600, 1023);
    assert_int_equal(p.moves[2].bind_high, 0);
    /* Who is not netfilter does not keep them there. */
    in.side[0].allocation = drawn(PH_ALLOCATION_RANDOM, 32768, 65535);
    assert_int_equal(plan_of(&in).moves[1].bind_low, 0);
}

static void test_counted(void **state)
{
    (void)state;
    struct ph_plan_input in = input(COUNTS, HOME);
    struct ph_plan p = plan_of(&in);
    const struct ph_move *fan = &p.moves[1], *mirror = &p.moves[2];
    uint16_t port;
    assert_true(fan->predicted && mirror->predicted);
    assert_in_range(fan->sockets, 8, 16);
    assert_in_range(fan->probes, 64, 128);
    assert_int_equal(fan->time, in.stun + in.signalling + in.direct);
    /* Where the measurement fails: what comes after the last port seen, by its step. */
    struct ph_port_walk w = {.order = &fan->order};
    while (ph_port_walk_next(&w, &port)) {
        assert_true(port > 40000 && port < 40200);
        assert_int_equal(port % 2, 0);
    }
    w = (struct ph_port_walk){.order = &mirror->order};
    uint16_t last = 40000;
    while (ph_port_walk_next(&w, &port)) {
        assert_true(port > last && port - last <= mirror->sockets * 2);
        last = port;
    }
    /* Downwards and round the end. */
    in.side[0].allocation = counted(-3, 5, 10);
    in.side[0].allocation.last = 1030;
    p = plan_of(&in);
    w = (struct ph_port_walk){.order = &p.moves[2].order};
    assert_true(ph_port_walk_next(&w, &port));
    assert_true(port > 65000);
    /* Less sure of the type, less sure of the move. */
    in.side[0].allocation.confidence = 0.8;
    assert_true(plan_of(&in).moves[1].success <= 0.8);
    /* No port was seen: nothing to fall back on, and the measurement stands. */
    in.side[0].allocation.last = 0;
    p = plan_of(&in);
    assert_int_equal(p.count, 2);
    assert_int_equal(ph_port_order_count(&p.moves[1].order), 0);
}

static void test_rendezvous(void **state)
{
    (void)state;
    struct ph_plan_input in = input(COUNTS, COUNTS);
    struct ph_plan p = plan_of(&in);
    assert_int_equal(p.moves[1].sockets, 25);
    assert_int_equal(p.moves[1].passes, 3);
    assert_int_equal(ph_port_order_count(&p.moves[1].order), 1);
    assert_int_equal(ph_port_order_count(&p.moves[1].back), 1);
    /* More flows of others, and the longer the way: more sockets, less success. */
    in.side[1].allocation = counted(1, 200, 300);
    in.signalling = 200 * PH_MS;
    struct ph_plan busy = plan_of(&in);
    assert_true(busy.moves[1].sockets > 25);
    assert_true(busy.success < p.success);
    in.signalling = 10 * PH_MS;
    assert_true(plan_of(&in).success > busy.success);
    /* Too many of both. */
    in = input(COUNTS_FAST, COUNTS_FAST);
    in.signalling = 2 * PH_SEC;
    p = plan_of(&in);
    assert_int_equal(p.outlook, PH_PLAN_HOPELESS);
    assert_non_null(strstr(p.no_predict, "run away"));
}

enum {
    SWEEP_PORTS = 64
};

/* Ports towards one destination are distinct; other destinations have them too. */
static void draw_ports(struct ph_rng *rng, unsigned n, unsigned out[4])
{
    for (unsigned i = 0; i < n; i++) {
        bool taken = true;
        while (taken) {
            out[i] = (unsigned)ph_rng_below(rng, SWEEP_PORTS);
            taken = false;
            for (unsigned k = 0; k < i; k++)
                taken |= out[k] == out[i];
        }
    }
}

static bool sweep_meets(struct ph_rng *rng, unsigned sockets, unsigned here, unsigned there)
{
    static bool hole[SWEEP_PORTS][SWEEP_PORTS]; /* from a, towards b */
    unsigned ports[4];
    memset(hole, 0, sizeof(hole));
    for (unsigned b = 0; b < there; b++) {
        draw_ports(rng, sockets, ports);
        for (unsigned i = 0; i < sockets; i++)
            hole[ports[i]][b] = true;
    }
    bool hit = false;
    for (unsigned a = 0; a < here; a++) {
        draw_ports(rng, sockets, ports);
        for (unsigned i = 0; i < sockets; i++)
            hit |= hole[a][ports[i]];
    }
    return hit;
}

static void test_sweep_success_is_what_draws_give(void **state)
{
    (void)state;
    enum {
        TRIALS = 3000
    };
    static const unsigned cases[][3] = {{1, 64, 64}, {2, 64, 64}, {2, 30, 50}, {1, 20, 20}};
    struct ph_rng rng;
    ph_rng_seed(&rng, 3);
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        unsigned hits = 0;
        for (int t = 0; t < TRIALS; t++)
            hits += sweep_meets(&rng, cases[c][0], cases[c][1], cases[c][2]);
        double want =
            ph_sweep_success(cases[c][0], SWEEP_PORTS, cases[c][1], SWEEP_PORTS, cases[c][2]);
        if (fabs((double)hits / TRIALS - want) > 0.03)
            fail_msg("case %zu: %g by draws, %g", c, (double)hits / TRIALS, want);
    }
    /* Two a side towards a block of 512: 40 of 40. */
    assert_true(fabs(ph_sweep_success(2, 512, 512, 512, 512) - (1 - exp(-4))) < 0.001);
}

static void test_sweep(void **state)
{
    (void)state;
    struct ph_plan_input in = input(BLOCK, BLOCK);
    struct ph_plan p = plan_of(&in);
    assert_int_equal(p.moves[1].sockets, 2);
    assert_int_equal(p.moves[1].probes, 1024);
    assert_int_equal(ph_port_order_count(&p.moves[1].order), 512);
    assert_int_equal(ph_port_order_count(&p.moves[1].back), 512);
    assert_non_null(strstr(p.moves[1].why, "several destinations"));
    assert_false(p.moves[1].predicted);
    /* Larger than the budget: all of that, and less success. */
    in = input(BLOCK_2048, BLOCK_2048);
    p = plan_of(&in);
    assert_int_equal(p.moves[1].probes, 1200);
    /* One that counts tells its ports; the other's are the range to be opened for. */
    in = input(BLOCK, COUNTS);
    p = plan_of(&in);
    assert_int_equal(p.moves[1].acceptor, 1);
    assert_int_equal(p.moves[1].ports, PH_PORTS_MEASURED);
    struct ph_port_walk w = {.order = &p.moves[1].back};
    uint16_t port;
    while (ph_port_walk_next(&w, &port))
        assert_in_range(port, 2048, 2559);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_fan_in),
        cmocka_unit_test(test_block_fan_in),
        cmocka_unit_test(test_gateways),
        cmocka_unit_test(test_privileged),
        cmocka_unit_test(test_counted),
        cmocka_unit_test(test_rendezvous),
        cmocka_unit_test(test_sweep_success_is_what_draws_give),
        cmocka_unit_test(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
