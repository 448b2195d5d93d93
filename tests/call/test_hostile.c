/* What a hostile relay, or somebody on the way, cannot do. */
#include "tests/sim_fixture.h"

#include "path/demux.h"
#include "wire/relay.h"
#include "wire/stun.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_no_call(const struct sim_fixture *f)
{
    for (int k = 0; k < 2; k++) {
        assert_false(f->peer[k].report.direct);
        assert_int_equal(f->peer[k].report.direct_at, PH_NEVER);
        assert_int_equal(f->peer[k].report.media.received, 0);
    }
}

/* With an honest heart it carries calls: the tests below fail for the lie alone. */
static void test_hostile_relay_carries_honest_calls(void **state)
{
    (void)state;
    struct hostile_relay_config h = {0};
    struct sim_fixture_config c = {.seed = 1, .hostile = &h};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    sim_fixture_call(f, 10 * PH_SEC);
    assert_true(f->peer[0].report.direct && f->peer[1].report.direct);
    sim_fixture_free(f);
}

static void test_swapped_callee(void **state)
{
    (void)state;
    struct hostile_relay_config h = {0};
    struct sim_fixture_config c = {.nat = {"open", "open"}, .seed = 2, .hostile = &h};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    /* Somebody else is dialled, and the relay brings the peer that it has. */
    uint8_t dialled[PH_FINGERPRINT_LEN];
    memcpy(dialled, ph_agent_fingerprint(f->peer[1].agent), sizeof(dialled));
    dialled[31] ^= 1;
    sim_fixture_dial(f, dialled, 10 * PH_SEC);
    assert_int_equal(f->peer[0].report.state, PH_CALL_ENDED);
    assert_int_equal(f->peer[0].report.error, PH_ERR_AUTH);
    assert_no_call(f);
    sim_fixture_free(f);
}

static void test_swapped_caller(void **state)
{
    (void)state;
    struct hostile_relay_config h = {.swap_caller = true, .caller = {0xaa, 0xbb}};
    struct sim_fixture_config c = {.nat = {"open", "open"}, .seed = 3, .hostile = &h};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    sim_fixture_call(f, 10 * PH_SEC);
    assert_int_equal(f->peer[1].report.state, PH_CALL_ENDED);
    assert_int_equal(f->peer[1].report.error, PH_ERR_AUTH);
    assert_int_equal(f->peer[1].report.media.received, 0);
    assert_false(f->peer[1].report.direct);
    assert_int_equal(f->peer[0].report.state, PH_CALL_ENDED); /* the callee's refusal reaches it */
    assert_false(f->peer[0].report.direct);
    sim_fixture_free(f);
}

/* The relay names its own address as the peer's. With direct candidates out of the way nothing but
 * the relay is left, and it must not pass for a direct path. */
static void test_relay_as_candidate(void **state)
{
    (void)state;
    struct sim_fixture_config probe = {.nat = {"random", "random"}, .seed = 4};
    struct sim_fixture *f = sim_fixture_new(&probe);
    struct hostile_relay_config h = {.add_candidate = true, .candidate = f->relay_addr};
    sim_fixture_free(f);
    struct sim_fixture_config c = {.nat = {"random", "random"}, .seed = 4, .hostile = &h};
    f = sim_fixture_new(&c);
    sim_fixture_register(f);
    sim_fixture_call(f, 10 * PH_SEC);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(f->peer[k].report.state, PH_CALL_CONNECTED);
        assert_false(f->peer[k].report.direct);
        assert_int_equal(f->peer[k].report.direct_at, PH_NEVER);
        assert_int_equal(f->peer[k].report.stage, PH_STAGE_RELAY);
    }
    sim_fixture_free(f);
}

struct unframe {
    struct sim_fixture *f;
    size_t count;
};

/* The relay strips its framing: the peers' packets come bare, from its address, as if direct. */
static enum sim_verdict strip_frames(void *user, const struct sim_tap_packet *p)
{
    struct unframe *u = user;
    uint64_t tag;
    const uint8_t *payload;
    size_t len;
    if (p->node != u->f->relay_node || ph_demux(p->data, p->len) != PH_PACKET_RELAY_FRAME ||
        ph_relay_frame_parse(p->data, p->len, &tag, &payload, &len) != PH_OK)
        return SIM_PASS;
    u->count++;
    sim_inject(u->f->world, u->f->relay_node, &p->src, &p->dst, payload, len);
    return SIM_PASS; /* and the framed one too */
}

static void test_relay_without_frames(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"random", "random"}, .seed = 5};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    struct unframe u = {.f = f};
    sim_tap(f->world, strip_frames, &u);
    sim_fixture_call(f, 10 * PH_SEC);
    assert_true(u.count > 10);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(f->peer[k].report.state, PH_CALL_CONNECTED);
        assert_false(f->peer[k].report.direct);
        assert_int_equal(f->peer[k].report.direct_at, PH_NEVER);
        assert_int_equal(f->peer[k].report.media.duplicates, 0);
    }
    sim_fixture_free(f);
}

struct replay {
    struct sim_fixture *f;
    size_t attacker;
    struct ph_addr attacker_addr;
    size_t replayed;
    size_t answered; /* packets of a peer's to the attacker */
    bool forge;
};

static enum sim_verdict replay_checks(void *user, const struct sim_tap_packet *p)
{
    struct replay *r = user;
    if (ph_addr_ip_eq(&p->dst, &r->attacker_addr)) {
        r->answered++;
        return SIM_DROP;
    }
    if (p->node != r->f->peer[0].node || ph_demux(p->data, p->len) != PH_PACKET_STUN)
        return SIM_PASS;
    struct ph_stun msg;
    if (ph_stun_parse(p->data, p->len, &msg) != PH_OK || msg.type != PH_STUN_BINDING_REQUEST ||
        !msg.username)
        return SIM_PASS;
    uint8_t copy[256];
    size_t len = p->len;
    memcpy(copy, p->data, len);
    if (r->forge) {
        copy[12] ^= 0xff; /* another transaction: the digest no longer fits */
        sim_inject(r->f->world, r->attacker, &r->attacker_addr, &p->dst, copy, len);
    }
    r->replayed++;
    return SIM_PASS;
}

/* Recorded checks sent again from elsewhere, once the real ones have arrived. */
struct record {
    struct replay base;
    uint8_t data[16][256];
    size_t len[16];
    struct ph_addr dst[16];
    size_t count;
};

static enum sim_verdict record_checks(void *user, const struct sim_tap_packet *p)
{
    struct record *r = user;
    if (ph_addr_ip_eq(&p->dst, &r->base.attacker_addr)) {
        r->base.answered++;
        return SIM_DROP;
    }
    struct ph_stun msg;
    if (p->node != r->base.f->peer[0].node || r->count == 16 ||
        ph_demux(p->data, p->len) != PH_PACKET_STUN ||
        ph_stun_parse(p->data, p->len, &msg) != PH_OK || !msg.username || p->ttl != 64)
        return SIM_PASS;
    memcpy(r->data[r->count], p->data, p->len);
    r->len[r->count] = p->len;
    r->dst[r->count++] = p->dst;
    return SIM_PASS;
}

static void attacker_at_stun(struct replay *r, struct sim_fixture *f)
{
    r->f = f;
    r->attacker = layout_find(&f->layout, "stun");
    assert_true(r->attacker != SIZE_MAX);
    r->attacker_addr = f->layout.nodes[r->attacker].addrs[0];
    r->attacker_addr.port = 6666;
}

static void test_forged_checks(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"open", "full-cone"}, .seed = 6};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct replay r = {.forge = true};
    sim_fixture_register(f);
    attacker_at_stun(&r, f);
    sim_tap(f->world, replay_checks, &r);
    sim_fixture_call(f, 10 * PH_SEC);
    sim_fixture_run(f, PH_SEC);
    assert_true(r.replayed > 0);
    assert_int_equal(r.answered, 0);
    assert_true(f->peer[1].report.direct);
    assert_false(ph_addr_ip_eq(&f->peer[1].report.remote, &r.attacker_addr));
    sim_fixture_free(f);
}

static void test_replayed_checks(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"open", "full-cone"}, .seed = 7};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct record *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    sim_fixture_register(f);
    attacker_at_stun(&r->base, f);
    sim_tap(f->world, record_checks, r);
    sim_fixture_call(f, 10 * PH_SEC);
    assert_true(r->count > 0);
    for (size_t i = 0; i < r->count; i++)
        sim_inject(f->world, r->base.attacker, &r->base.attacker_addr, &r->dst[i], r->data[i],
                   r->len[i]);
    sim_fixture_run(f, PH_SEC);
    assert_int_equal(r->base.answered, 0);
    assert_false(ph_addr_ip_eq(&f->peer[1].report.remote, &r->base.attacker_addr));
    sim_fixture_free(f);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_relay_carries_honest_calls),
        cmocka_unit_test(test_swapped_callee),
        cmocka_unit_test(test_swapped_caller),
        cmocka_unit_test(test_relay_as_candidate),
        cmocka_unit_test(test_relay_without_frames),
        cmocka_unit_test(test_forged_checks),
        cmocka_unit_test(test_replayed_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
