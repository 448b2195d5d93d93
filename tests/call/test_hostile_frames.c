/* A relay that does not keep to carrying frames: it repeats, changes, sends back and mixes up those
 * of its calls. It can lose and delay them, and nothing else. All times are virtual. */
#include "tests/sim_fixture.h"

#include "wire/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEPT 512

/* What the relay has sent, to be used again. */
struct recorder {
    const struct sim_fixture *f;
    bool on;
    bool bend; /* every fourth frame is changed on the way */
    unsigned seen;
    size_t count;
    struct {
        struct ph_addr to;
        size_t len;
        uint8_t data[PH_DATAGRAM_MAX];
    } kept[KEPT];
};

static enum sim_verdict record(void *user, const struct sim_tap_packet *p)
{
    struct recorder *r = user;
    if (p->node != r->f->relay_node || !ph_addr_eq(&p->src, &r->f->relay_addr) || p->len < 30 ||
        p->data[0] != PH_RELAY_FRAME_FIRST)
        return SIM_PASS;
    if (r->on && r->count < KEPT) {
        r->kept[r->count].to = p->dst;
        r->kept[r->count].len = p->len;
        memcpy(r->kept[r->count++].data, p->data, p->len);
    }
    if (r->bend && r->seen++ % 4 == 0)
        p->data[PH_RELAY_FRAME_OVERHEAD + r->seen % (p->len - PH_RELAY_FRAME_OVERHEAD)] ^= 0x20;
    return SIM_PASS;
}

static struct sim_fixture *fixture(struct recorder *r, uint64_t seed)
{
    const struct sim_fixture_config config = {
        .stages = {1u << PH_STAGE_RELAY, 1u << PH_STAGE_RELAY},
        .no_ttl_learning = true,
        .seed = seed,
    };
    struct sim_fixture *f = sim_fixture_new(&config);
    *r = (struct recorder){.f = f};
    sim_tap(f->world, record, r);
    sim_fixture_register(f);
    sim_fixture_call(f, 5 * PH_SEC);
    sim_fixture_run(f, PH_SEC);
    return f;
}

static void send_again(struct sim_fixture *f, const struct recorder *r, size_t i,
                       const struct ph_addr *to, uint64_t tag)
{
    uint8_t frame[PH_DATAGRAM_MAX];
    memcpy(frame, r->kept[i].data, r->kept[i].len);
    if (tag)
        ph_relay_frame_header(frame, tag);
    sim_inject(f->world, f->relay_node, &f->relay_addr, to, frame, r->kept[i].len);
}

/* The tag in the frames to this peer. */
static uint64_t tag_to(const struct recorder *r, const struct ph_addr *to)
{
    for (size_t i = 0; i < r->count; i++) {
        const uint8_t *payload;
        size_t len;
        uint64_t tag;
        if (ph_addr_eq(&r->kept[i].to, to) &&
            ph_relay_frame_parse(r->kept[i].data, r->kept[i].len, &tag, &payload, &len) == PH_OK)
            return tag;
    }
    fail_msg("no frame went there");
    return 0;
}

/* For two seconds 50 frames a second came to each, and none of them twice. */
static void flows_as_if_nothing_were(struct sim_fixture *f, unsigned lost_at_most)
{
    uint64_t had[2] = {f->peer[0].report.media.received, f->peer[1].report.media.received};
    sim_fixture_run(f, 2 * PH_SEC);
    for (int k = 0; k < 2; k++) {
        const struct ph_call_report *r = &f->peer[k].report;
        assert_int_equal(r->state, PH_CALL_CONNECTED);
        assert_false(r->direct);
        assert_in_range(r->media.received - had[k], 100 - 2 - lost_at_most, 102);
        assert_true(r->media.received <= f->peer[1 - k].report.media.sent);
    }
}

static void test_replayed_frames(void **state)
{
    (void)state;
    static struct recorder r;
    struct sim_fixture *f = fixture(&r, 1);
    r.on = true;
    sim_fixture_run(f, PH_SEC);
    r.on = false;
    assert_true(r.count > 90);
    for (int times = 0; times < 3; times++) {
        for (size_t i = 0; i < r.count; i++)
            send_again(f, &r, i, &r.kept[i].to, 0);
        sim_fixture_run(f, 100 * PH_MS);
    }
    flows_as_if_nothing_were(f, 0);
    assert_int_equal(f->peer[0].report.media.duplicates, 0);
    assert_int_equal(f->peer[1].report.media.duplicates, 0);
    sim_fixture_free(f);
}

static void test_changed_frames(void **state)
{
    (void)state;
    static struct recorder r;
    struct sim_fixture *f = fixture(&r, 2);
    r.bend = true;
    flows_as_if_nothing_were(f, 40); /* what is changed is lost */
    r.bend = false;
    sim_fixture_run(f, PH_SEC);
    flows_as_if_nothing_were(f, 0);
    sim_fixture_free(f);
}

/* Each hears what itself has said. */
static void test_reflected_frames(void **state)
{
    (void)state;
    static struct recorder r;
    struct sim_fixture *f = fixture(&r, 3);
    struct ph_addr at[2] = {f->peer[0].reflexive, f->peer[1].reflexive};
    r.on = true;
    sim_fixture_run(f, PH_SEC);
    r.on = false;
    uint64_t tag[2] = {tag_to(&r, &at[0]), tag_to(&r, &at[1])};
    for (size_t i = 0; i < r.count; i++) {
        int other = ph_addr_eq(&r.kept[i].to, &at[0]) ? 1 : 0;
        send_again(f, &r, i, &at[other], tag[other]);
    }
    flows_as_if_nothing_were(f, 0);
    sim_fixture_free(f);
}

/* The frames of an earlier call, with the tags of the one that runs now: from the same peer, with
 * the same keys of identity, and of no use. */
static void test_spliced_sessions(void **state)
{
    (void)state;
    static struct recorder first, second;
    struct sim_fixture *f = fixture(&first, 4);
    struct ph_addr at[2] = {f->peer[0].reflexive, f->peer[1].reflexive};
    first.on = true;
    sim_fixture_run(f, PH_SEC);
    for (int k = 0; k < 2; k++)
        ph_call_hangup(f->peer[k].call);
    sim_fixture_run(f, PH_SEC);
    for (int k = 0; k < 2; k++)
        ph_call_release(f->peer[k].call);
    f->peer[0].call = f->peer[1].call = NULL;
    f->peer[0].report = f->peer[1].report = (struct ph_call_report){0};
    second = (struct recorder){.f = f, .on = true};
    sim_tap(f->world, record, &second);
    sim_fixture_call(f, 5 * PH_SEC);
    sim_fixture_run(f, PH_SEC);
    uint64_t tag[2] = {tag_to(&second, &at[0]), tag_to(&second, &at[1])};
    for (size_t i = 0; i < first.count; i++) {
        int k = ph_addr_eq(&first.kept[i].to, &at[0]) ? 0 : 1;
        send_again(f, &first, i, &at[k], tag[k]);
    }
    flows_as_if_nothing_were(f, 0);
    assert_int_equal(f->peer[0].report.media.duplicates, 0);
    sim_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replayed_frames),
        cmocka_unit_test(test_changed_frames),
        cmocka_unit_test(test_reflected_frames),
        cmocka_unit_test(test_spliced_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
