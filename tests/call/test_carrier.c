/* What a path has to show before it carries a call, and how calls end. */
#include "tests/sim_fixture.h"

#include "path/demux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct tap {
    struct sim_fixture *f;
    bool on;
    bool busy; /* in the tap itself */
    ph_ns until;
    struct ph_addr at, from[2];
    bool seen[2];
    size_t packets, bytes, spoofed_bytes;
};

/* Signalling from the relay to the caller is lost for a while; frames of the call pass. */
static enum sim_verdict late_answer(void *user, const struct sim_tap_packet *p)
{
    struct tap *t = user;
    bool signalling = ph_addr_eq(&p->src, &t->f->relay_addr) &&
                      ph_demux(p->data, p->len) == PH_PACKET_QUIC &&
                      ph_addr_ip_eq(&p->dst, &t->f->peer[0].reflexive);
    return signalling && t->f->world->ops->now(t->f->world) < t->until ? SIM_DROP : SIM_PASS;
}

/* Whatever comes before the answer, the path that carries is the one that is reported. */
static void test_late_answer(void **state)
{
    (void)state;
    static const char *const nats[][2] = {
        {"open", "open"}, {"open", "port-preserving"}, {"full-cone", "full-cone"}};
    for (size_t i = 0; i < 3; i++) {
        for (unsigned delay_ms = 150; delay_ms <= 1650; delay_ms += 300) {
            struct sim_fixture_config c = {.nat = {nats[i][0], nats[i][1]}, .seed = 11};
            struct sim_fixture *f = sim_fixture_new(&c);
            sim_fixture_register(f);
            struct tap t = {.f = f, .until = f->world->ops->now(f->world) + delay_ms * PH_MS};
            sim_tap(f->world, late_answer, &t);
            sim_fixture_call(f, 10 * PH_SEC);
            sim_fixture_run(f, 3 * PH_SEC);
            for (int k = 0; k < 2; k++) {
                const struct ph_call_report *r = &f->peer[k].report;
                if (!r->direct || r->stage != PH_STAGE_PUNCH ||
                    r->stages[PH_STAGE_PUNCH].state != PH_STAGE_WON ||
                    r->stages[PH_STAGE_RELAY].state != PH_STAGE_BEATEN)
                    fail_msg("%s - %s, answer %u ms late, peer %d: direct %d, stage %s", nats[i][0],
                             nats[i][1], delay_ms, k, r->direct, ph_stage_name(r->stage));
            }
            sim_fixture_free(f);
        }
    }
}

/* Somebody who can read nothing copies the callee's direct packets to the caller, as if they came
 * from the callee's address at home. */
static enum sim_verdict copy_as_host(void *user, const struct sim_tap_packet *p)
{
    struct tap *t = user;
    uint8_t copy[PH_DATAGRAM_MAX];
    if (t->busy || p->node != t->f->peer[1].node || !ph_addr_eq(&p->src, &t->at) ||
        ph_demux(p->data, p->len) != PH_PACKET_QUIC || ph_addr_eq(&p->dst, &t->f->relay_addr) ||
        p->len > sizeof(copy))
        return SIM_PASS;
    memcpy(copy, p->data, p->len);
    t->packets++;
    t->busy = true;
    sim_inject(t->f->world, t->f->peer[0].node, &t->at, &p->dst, copy, p->len);
    t->busy = false;
    return SIM_PASS;
}

static void test_echo_proves_its_own_path(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"open", "port-preserving"}, .seed = 21};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    struct tap t = {.f = f, .at = f->layout.nodes[f->peer[1].node].addrs[0]};
    t.at.port = f->peer[1].reflexive.port;
    sim_tap(f->world, copy_as_host, &t);
    sim_fixture_call(f, 10 * PH_SEC);
    sim_fixture_run(f, 5 * PH_SEC);
    assert_true(t.packets > 0);
    assert_false(ph_addr_eq(&f->peer[0].report.remote, &t.at));
    assert_true(f->peer[1].report.media.received + 20 > f->peer[0].report.media.sent);
    sim_fixture_free(f);
}

/* A hostile relay names another port of its own as both peers' candidate, and passes on what comes
 * there, word for word. */
static enum sim_verdict pass_on(void *user, const struct sim_tap_packet *p)
{
    struct tap *t = user;
    if (!ph_addr_eq(&p->dst, &t->at))
        return SIM_PASS;
    int k = ph_addr_ip_eq(&p->src, &t->f->peer[0].reflexive)   ? 0
            : ph_addr_ip_eq(&p->src, &t->f->peer[1].reflexive) ? 1
                                                               : -1;
    if (k < 0 || p->ttl < 10)
        return SIM_PASS;
    t->from[k] = p->src;
    t->seen[k] = true;
    if (t->seen[1 - k]) {
        t->packets++;
        sim_inject(t->f->world, t->f->relay_node, &t->at, &t->from[1 - k], p->data, p->len);
    }
    return SIM_DROP;
}

static void test_proxy_is_not_direct(void **state)
{
    (void)state;
    struct sim_fixture_config probe = {.nat = {"random", "random"}, .seed = 4};
    struct sim_fixture *f = sim_fixture_new(&probe);
    struct hostile_relay_config h = {.add_candidate = true, .candidate = f->relay_addr};
    h.candidate.port = 7777;
    sim_fixture_free(f);
    struct sim_fixture_config c = {.nat = {"random", "random"}, .seed = 4, .hostile = &h};
    f = sim_fixture_new(&c);
    sim_fixture_register(f);
    struct tap t = {.f = f, .at = h.candidate};
    sim_tap(f->world, pass_on, &t);
    sim_fixture_call(f, 10 * PH_SEC);
    assert_true(t.packets > 4);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(f->peer[k].report.state, PH_CALL_CONNECTED);
        assert_false(f->peer[k].report.direct);
        assert_int_equal(f->peer[k].report.stage, PH_STAGE_RELAY);
    }
    sim_fixture_free(f);
}

static enum sim_verdict count_frames(void *user, const struct sim_tap_packet *p)
{
    struct tap *t = user;
    if (t->on && p->node == t->f->peer[0].node &&
        ph_demux(p->data, p->len) == PH_PACKET_RELAY_FRAME)
        t->packets++;
    return SIM_PASS;
}

static void test_ended_is_silent(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.seed = 12, .answer = PH_ANSWER_REFUSE};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    struct tap t = {.f = f};
    sim_tap(f->world, count_frames, &t);
    sim_fixture_call(f, 2 * PH_SEC);
    assert_int_equal(f->peer[0].report.state, PH_CALL_ENDED);
    t.on = true;
    sim_fixture_run(f, 40 * PH_SEC);
    assert_int_equal(t.packets, 0);
    sim_fixture_free(f);
}

/* Everything but signalling is lost. */
static enum sim_verdict blackout(void *user, const struct sim_tap_packet *p)
{
    struct tap *t = user;
    bool relay = ph_addr_eq(&p->src, &t->f->relay_addr) || ph_addr_eq(&p->dst, &t->f->relay_addr);
    return t->on && !(relay && ph_demux(p->data, p->len) == PH_PACKET_QUIC) ? SIM_DROP : SIM_PASS;
}

/* However a call ends, the relay forgets it: twenty in a row are not too many for it. */
static void test_relay_forgets_ended_calls(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.seed = 13};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    struct tap t = {.f = f};
    sim_tap(f->world, blackout, &t);
    for (int i = 0; i < 20; i++) {
        t.on = false;
        sim_fixture_call(f, 5 * PH_SEC);
        assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
        t.on = true;
        sim_fixture_run(f, 40 * PH_SEC);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(f->peer[k].report.state, PH_CALL_ENDED);
            ph_call_release(f->peer[k].call);
            f->peer[k].call = NULL;
            memset(&f->peer[k].report, 0, sizeof(f->peer[k].report));
        }
    }
    struct ph_relay_stats stats;
    ph_relay_get_stats(f->relay, &stats);
    assert_int_equal(stats.sessions, 0);
    sim_fixture_free(f);
}

/* One packet of a registered client goes out with a victim's source address, and then nothing. */
static enum sim_verdict spoof(void *user, const struct sim_tap_packet *p)
{
    struct tap *t = user;
    if (!t->on)
        return SIM_PASS;
    if (p->node == t->f->relay_node && ph_addr_eq(&p->dst, &t->at)) {
        t->packets++;
        t->bytes += p->len;
        return SIM_DROP;
    }
    if (p->node != t->f->peer[0].node || !ph_addr_eq(&p->dst, &t->f->relay_addr))
        return SIM_PASS;
    if (!t->spoofed_bytes && ph_demux(p->data, p->len) == PH_PACKET_QUIC) {
        t->spoofed_bytes = p->len;
        sim_inject(t->f->world, layout_find(&t->f->layout, "stun"), &t->at, &p->dst, p->data,
                   p->len);
    }
    return SIM_DROP;
}

static void test_relay_floods_nobody(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"random", "random"}, .seed = 22};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    struct tap t = {.f = f, .at = f->layout.nodes[layout_find(&f->layout, "stun")].addrs[0]};
    t.at.port = 6666;
    sim_tap(f->world, spoof, &t);
    sim_fixture_call(f, 10 * PH_SEC);
    t.on = true;
    sim_fixture_run(f, 60 * PH_SEC);
    assert_true(t.spoofed_bytes > 0);
    if (t.bytes > 3 * t.spoofed_bytes)
        fail_msg("%zu bytes make %zu", t.spoofed_bytes, t.bytes);
    sim_fixture_free(f);
}

/* A relay that takes connections and never acknowledges a registration is given up. */
static void test_mute_relay(void **state)
{
    (void)state;
    struct hostile_relay_config h = {.mute = true};
    struct sim_fixture_config c = {.seed = 31, .hostile = &h};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_run(f, 20 * PH_SEC);
    assert_int_equal(f->peer[0].registered, PH_ERR_TIMEOUT);
    sim_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_echo_proves_its_own_path),
        cmocka_unit_test(test_proxy_is_not_direct),
        cmocka_unit_test(test_ended_is_silent),
        cmocka_unit_test(test_relay_forgets_ended_calls),
        cmocka_unit_test(test_relay_floods_nobody),
        cmocka_unit_test(test_mute_relay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
