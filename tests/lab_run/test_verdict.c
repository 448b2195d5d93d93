/* What counts as direct, and what two reports of a call come to. */
#include "lab/run/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct layout *layout;

static int make_layout(void **state)
{
    (void)state;
    struct topology t;
    struct lab_error err = {0};
    struct world_spec *spec = calloc(1, sizeof(*spec));
    layout = calloc(1, sizeof(*layout));
    int rc = -1;
    if (spec != NULL && layout != NULL && topology_find("two-nats", &t, &err) == 0 &&
        world_spec_init(spec, &t, &err) == 0)
        rc = layout_compute(spec, layout, &err);
    free(spec);
    return rc;
}

static int free_layout(void **state)
{
    (void)state;
    free(layout);
    return 0;
}

static struct ph_addr wan_of(const char *nat)
{
    size_t i = layout_find(layout, nat);
    assert_true(i != SIZE_MAX);
    struct ph_addr a = layout->nodes[i].wan[0];
    a.port = 40000;
    return a;
}

static struct ph_addr of(const char *node, size_t i)
{
    size_t n = layout_find(layout, node);
    assert_true(n != SIZE_MAX);
    struct ph_addr a = layout->nodes[n].addrs[i];
    a.port = 4433;
    return a;
}

/* A call that went direct at 170 ms, media after 120. */
static void good(struct ph_call_report *a, struct ph_call_report *b)
{
    memset(a, 0, sizeof(*a));
    a->state = PH_CALL_CONNECTED;
    a->started = 1000 * PH_MS;
    a->relay_at = 1120 * PH_MS;
    a->direct_at = 1160 * PH_MS;
    a->media_at = 1120 * PH_MS;
    a->settled = a->direct = true;
    a->stage = PH_STAGE_PUNCH;
    a->remote = wan_of("b.nat");
    a->relay = of("relay", 0);
    a->media = (struct ph_media_report){.sent = 50, .received = 48, .max_gap = 41 * PH_MS};
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        a->stages[i].state = PH_STAGE_SKIPPED;
        a->stages[i].start = a->stages[i].end = PH_NEVER;
    }
    a->stages[PH_STAGE_PUNCH] = (struct ph_stage_report){
        .state = PH_STAGE_WON,
        .start = 1080 * PH_MS,
        .end = 1160 * PH_MS,
        .packets = 3,
        .bytes = 300,
        .probes = 3,
        .mappings = 2,
    };
    a->stages[PH_STAGE_RELAY] = (struct ph_stage_report){
        .state = PH_STAGE_BEATEN,
        .start = 1000 * PH_MS,
        .end = 1120 * PH_MS,
        .packets = 10,
        .reason = "by punch",
    };
    *b = *a;
    b->started = 1040 * PH_MS;
    b->relay_at = 1080 * PH_MS;
    b->direct_at = 1170 * PH_MS;
    b->media_at = 1121 * PH_MS;
    b->remote = wan_of("a.nat");
    b->media = (struct ph_media_report){.sent = 51, .received = 50, .max_gap = 21 * PH_MS};
    b->stages[PH_STAGE_PUNCH].start = 1040 * PH_MS;
    b->stages[PH_STAGE_PUNCH].openers = 2;
    b->stages[PH_STAGE_PUNCH].mappings = 5;
}

static void test_good_call(void **state)
{
    (void)state;
    struct ph_call_report a, b;
    struct trial_result r = {0};
    good(&a, &b);
    verdict(layout, &a, &b, &r);
    assert_true(r.connected && r.direct);
    assert_int_equal(r.stage, PH_STAGE_PUNCH);
    /* The later of the two peers, from the caller's dial. */
    assert_int_equal(r.setup_relay, 120 * PH_MS);
    assert_int_equal(r.setup_direct, 170 * PH_MS);
    assert_int_equal(r.setup_media, 121 * PH_MS);
    const struct ph_stage_report *punch = &r.stages[PH_STAGE_PUNCH];
    assert_int_equal(punch->state, PH_STAGE_WON);
    assert_int_equal(punch->start, 40 * PH_MS);
    assert_int_equal(punch->end, 160 * PH_MS);
    assert_int_equal(punch->packets, 6);
    assert_int_equal(punch->openers, 2);
    assert_int_equal(punch->mappings, 7);
    assert_int_equal(punch->probes_to_hit, 0);
    assert_int_equal(r.stages[PH_STAGE_RELAY].state, PH_STAGE_BEATEN);
    assert_string_equal(r.stages[PH_STAGE_RELAY].reason, "by punch");
    /* b sent 51 and a received 48; a sent 50 and b received all. */
    assert_int_equal(r.media.sent, 51);
    assert_int_equal(r.media.received, 48);
    assert_int_equal(r.media.max_gap, 41 * PH_MS);
}

/* A peer that calls a path direct whose other end is a server of the lab does not make it so. */
static void test_false_direct(void **state)
{
    (void)state;
    struct {
        const char *what;
        struct ph_addr remote;
    } cases[] = {
        {"the relay's address", of("relay", 0)},
        {"a STUN server's", of("stun", 0)},
        {"another one of the STUN server's", of("stun", 4)},
        {"an address of nobody", ph_addr_v4(203, 0, 113, 77, 9)},
        {"no address", {0}},
    };
    size_t router = layout_find(layout, "internet.1");
    assert_true(router != SIZE_MAX);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int side = 0; side < 2; side++) {
            struct ph_call_report a, b;
            struct trial_result r = {0};
            good(&a, &b);
            (side == 0 ? &a : &b)->remote = cases[i].remote;
            verdict(layout, &a, &b, &r);
            if (r.direct || r.stage != PH_STAGE_RELAY || r.setup_direct != PH_NEVER)
                fail_msg("%s passed as direct", cases[i].what);
            assert_true(r.connected);
            assert_int_equal(r.stages[PH_STAGE_RELAY].state, PH_STAGE_WON);
            assert_int_equal(r.stages[PH_STAGE_PUNCH].state, PH_STAGE_BEATEN);
        }
    }
    for (size_t k = 0; k < layout->nodes[router].if_count; k++) {
        struct ph_call_report a, b;
        good(&a, &b);
        a.remote = layout->nodes[router].ifs[k].addr;
        a.remote.port = 7;
        assert_false(verdict_direct(layout, &a, &b));
    }
    /* One side alone is not enough either. */
    struct ph_call_report a, b;
    good(&a, &b);
    b.direct = false;
    assert_false(verdict_direct(layout, &a, &b));
    /* A peer's own address is one of a peer: no NAT in between, or the same LAN. */
    good(&a, &b);
    a.remote = of("b", 0);
    assert_true(verdict_direct(layout, &a, &b));
}

static void test_not_connected(void **state)
{
    (void)state;
    struct ph_call_report a, b;
    struct trial_result r = {0};
    good(&a, &b);
    a.media.received = 0; /* media one way is no call */
    verdict(layout, &a, &b, &r);
    assert_false(r.connected || r.direct);
    assert_int_equal(r.stage, PH_STAGE_NONE);
    assert_int_equal(r.media.received, 0);
    assert_int_equal(r.stages[PH_STAGE_RELAY].state, PH_STAGE_BEATEN);

    verdict(layout, &a, NULL, &r); /* the callee never heard of it */
    assert_false(r.connected);
    assert_true(r.setup_media == PH_NEVER && r.setup_relay == PH_NEVER);
    assert_int_equal(r.stages[PH_STAGE_PUNCH].start, 80 * PH_MS);

    verdict(layout, NULL, NULL, &r);
    assert_false(r.connected);
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        assert_int_equal(r.stages[i].state, PH_STAGE_SKIPPED);
        assert_true(r.stages[i].start == PH_NEVER && r.stages[i].end == PH_NEVER);
    }
}

/* Only who probes can hit; where both do, the first one counts. */
static void test_probes_to_hit(void **state)
{
    static const struct {
        uint32_t a, b, both;
    } cases[] = {{0, 0, 0}, {87, 0, 87}, {0, 87, 87}, {87, 90, 87}, {90, 87, 87}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ph_call_report a, b;
        struct trial_result r = {0};
        good(&a, &b);
        a.stages[PH_STAGE_BIRTHDAY].probes_to_hit = cases[i].a;
        b.stages[PH_STAGE_BIRTHDAY].probes_to_hit = cases[i].b;
        verdict(layout, &a, &b, &r);
        assert_int_equal(r.stages[PH_STAGE_BIRTHDAY].probes_to_hit, cases[i].both);
    }
}

static void test_unsettled_stage(void **state)
{
    (void)state;
    struct ph_call_report a, b;
    struct trial_result r = {0};
    good(&a, &b);
    a.direct = b.direct = false;
    a.stage = b.stage = PH_STAGE_RELAY;
    a.stages[PH_STAGE_PUNCH].state = PH_STAGE_LOST;
    b.stages[PH_STAGE_PUNCH].state = PH_STAGE_RUNNING;
    b.stages[PH_STAGE_PUNCH].end = PH_NEVER;
    verdict(layout, &a, &b, &r);
    assert_int_equal(r.stages[PH_STAGE_PUNCH].state, PH_STAGE_LOST);
    assert_true(r.stages[PH_STAGE_PUNCH].end == PH_NEVER);
    a.stages[PH_STAGE_PUNCH].state = PH_STAGE_RUNNING;
    verdict(layout, &a, &b, &r);
    assert_int_equal(r.stages[PH_STAGE_PUNCH].state, PH_STAGE_LOST);
    assert_string_equal(r.stages[PH_STAGE_PUNCH].reason, "still running at the end");
}

static void test_floors(void **state)
{
    (void)state;
    ph_ns direct, relay;
    trial_floors(layout, &direct, &relay);
    /* 20 ms on each access line: offer and answer cross both twice, and so does a check. */
    assert_int_equal(relay, 80 * PH_MS);
    assert_int_equal(direct, 160 * PH_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_call),     cmocka_unit_test(test_false_direct),
        cmocka_unit_test(test_not_connected), cmocka_unit_test(test_unsettled_stage),
        cmocka_unit_test(test_floors),        cmocka_unit_test(test_probes_to_hit),
    };
    return cmocka_run_group_tests(tests, make_layout, free_layout);
}
