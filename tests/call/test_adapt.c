/* Quality in whole calls, in exact virtual time: what both peers measure and tell each other, and
 * that they change the profile together. */
#include "tests/sim_fixture.h"

#include "base/rng.h"
#include "call/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A call with its fixture, and the weather on its way. */
struct weather {
    struct sim_fixture *f;
    struct ph_rng rng;
    unsigned loss[2]; /* percent of what each peer sends */
    char changes[2][256];
};

static enum sim_verdict lose(void *user, const struct sim_tap_packet *p)
{
    struct weather *w = user;
    for (int i = 0; i < 2; i++) {
        if (p->node == w->f->peer[i].node && ph_rng_below(&w->rng, 100) < w->loss[i])
            return SIM_DROP;
    }
    return SIM_PASS;
}

static struct weather *trace_of;

/* Keeps what the trace says of changes. */
static void on_trace(void *user, const char *line)
{
    struct sim_peer *p = user;
    int side = p == &p->fixture->peer[1];
    const char *to = strstr(line, "\"to\":\"");
    if (!trace_of || !strstr(line, "\"who\":\"quality\"") || !to)
        return;
    char *at = trace_of->changes[side];
    size_t len = strlen(at);
    snprintf(at + len, sizeof(trace_of->changes[side]) - len, "%.*s;", (int)strcspn(to + 6, "\""),
             to + 6);
}

static struct weather *start(uint64_t seed, const char *link)
{
    struct weather *w = calloc(1, sizeof(*w));
    struct sim_fixture_config c = {.seed = seed, .link = link, .trace = on_trace};
    assert_non_null(w);
    trace_of = w;
    ph_rng_seed(&w->rng, seed);
    w->f = sim_fixture_new(&c);
    sim_fixture_register(w->f);
    sim_fixture_call(w->f, 10 * PH_SEC);
    assert_true(w->f->peer[0].report.direct && w->f->peer[1].report.direct);
    sim_tap(w->f->world, lose, w);
    return w;
}

static void end(struct weather *w)
{
    trace_of = NULL;
    sim_fixture_free(w->f);
    free(w);
}

/* Both are of this profile, and of one mind since when. */
static void assert_profile(const struct weather *w, enum ph_profile profile)
{
    for (int i = 0; i < 2; i++)
        assert_int_equal(w->f->peer[i].report.profile, profile);
    assert_int_equal(w->f->peer[0].report.profile_since, w->f->peer[1].report.profile_since);
    assert_string_equal(w->changes[0], w->changes[1]);
}

/* Runs until both are of this profile; returns how long that took. */
static ph_ns until(struct weather *w, enum ph_profile profile, ph_ns limit)
{
    ph_ns took = 0;
    while (took < limit &&
           (w->f->peer[0].report.profile != profile || w->f->peer[1].report.profile != profile)) {
        sim_fixture_run(w->f, 20 * PH_MS);
        took += 20 * PH_MS;
    }
    assert_profile(w, profile);
    return took;
}

static void test_a_clean_link(void **state)
{
    (void)state;
    static const char *const links[] = {"lan", "20ms", "80ms-1%"};
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        struct weather *w = start(10 + i, links[i]);
        sim_fixture_run(w->f, 60 * PH_SEC);
        assert_profile(w, PH_PROFILE_GOOD);
        assert_int_equal(w->f->peer[0].report.profile_since, 0);
        assert_string_equal(w->changes[0], "");
        if (i == 1) {
            for (int k = 0; k < 2; k++) {
                const struct ph_call_report *r = &w->f->peer[k].report;
                assert_true(r->in.known && r->out.known);
                assert_int_equal(r->in.loss + r->out.loss, 0);
                assert_true(r->in.jitter < PH_MS && r->out.jitter < PH_MS);
                /* Four links of 20 ms, and what the peer may hold an acknowledgement back. */
                assert_in_range(r->in.rtt / PH_MS, 80, 85);
                assert_in_range(r->out.rtt / PH_MS, 80, 85);
                assert_true(r->peer_direct);
                assert_int_equal(r->peer_stage, PH_STAGE_PUNCH);
                /* A report counts from the moment on that it comes, and for 3.5 s, also when the
                 * event that it comes in has an earlier time. */
                const struct ph_adapt *a = &w->f->peer[k].call->adapt;
                struct ph_call_report early = {0}, late = {0};
                ph_adapt_report(a, a->heard_at - 1, &early);
                assert_int_equal(early.peer_stage, PH_STAGE_PUNCH);
                ph_adapt_report(a, a->heard_at + 3500 * PH_MS, &late);
                assert_int_equal(late.peer_stage, PH_STAGE_PUNCH);
                ph_adapt_report(a, a->heard_at + 3500 * PH_MS + 1, &late);
                assert_int_equal(late.peer_stage, PH_STAGE_NONE);
            }
        }
        end(w);
    }
}

/* Loss of one direction or of both: down within four seconds of its beginning, up again after its
 * end, at one frame each time. */
static void test_loss_comes_and_goes(void **state)
{
    (void)state;
    static const struct {
        unsigned loss[2];
        enum ph_profile profile;
    } rows[] = {
        {{17, 17}, PH_PROFILE_DEGRADED},    {{17, 0}, PH_PROFILE_DEGRADED},
        {{0, 17}, PH_PROFILE_DEGRADED},     {{45, 45}, PH_PROFILE_CATASTROPHIC},
        {{0, 45}, PH_PROFILE_CATASTROPHIC},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct weather *w = start(20 + i, NULL);
        sim_fixture_run(w->f, 5 * PH_SEC);
        memcpy(w->loss, rows[i].loss, sizeof(w->loss));
        assert_true(until(w, rows[i].profile, 8 * PH_SEC) <= 6 * PH_SEC);
        for (int k = 0; k < 2; k++) {
            if (rows[i].loss[1 - k])
                /* In doubt frames go both ways, and then fewer are lost. */
                assert_in_range(w->f->peer[k].report.in.loss, 10 * rows[i].loss[1 - k] / 3,
                                20 * rows[i].loss[1 - k]);
            if (rows[i].loss[k] && rows[i].loss[1 - k] == 0)
                assert_in_range(w->f->peer[k].report.out.loss, 10 * rows[i].loss[k] / 3,
                                20 * rows[i].loss[k]);
        }
        w->loss[0] = w->loss[1] = 0;
        ph_ns took = until(w, PH_PROFILE_GOOD, 60 * PH_SEC);
        assert_true(took > 9 * PH_SEC && took <= 14 * PH_SEC * rows[i].profile);
        sim_fixture_run(w->f, 30 * PH_SEC);
        assert_profile(w, PH_PROFILE_GOOD);
        end(w);
    }
}

/* The same seed gives the same instants; on this link a direction's word takes 40 ms, and the
 * change comes with the frame that was named: the trace says which. */
static void test_exact_instants(void **state)
{
    (void)state;
    char first[256];
    uint64_t since = 0;
    for (int turn = 0; turn < 2; turn++) {
        struct weather *w = start(30, NULL);
        sim_fixture_run(w->f, 5 * PH_SEC);
        w->loss[0] = 50;
        until(w, PH_PROFILE_CATASTROPHIC, 10 * PH_SEC);
        if (turn == 0) {
            snprintf(first, sizeof(first), "%s", w->changes[0]);
            since = w->f->peer[0].report.profile_since;
        }
        assert_string_equal(w->changes[0], first);
        assert_int_equal(w->f->peer[0].report.profile_since, since);
        char want[64];
        snprintf(want, sizeof(want), "catastrophic from frame %u;", (unsigned)since);
        assert_non_null(strstr(first, want));
        end(w);
    }
}

/* Nothing comes at all: that is loss, too, and what is missed is counted once. */
static void test_a_blackout(void **state)
{
    (void)state;
    struct weather *w = start(40, NULL);
    sim_fixture_run(w->f, 5 * PH_SEC);
    w->loss[0] = w->loss[1] = 100;
    sim_fixture_run(w->f, 3 * PH_SEC);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(w->f->peer[k].report.in.loss, 1000);
        assert_int_equal(w->f->peer[k].report.profile, PH_PROFILE_GOOD); /* nobody answers */
    }
    w->loss[0] = w->loss[1] = 0;
    sim_fixture_run(w->f, 4 * PH_SEC);
    for (int k = 0; k < 2; k++)
        assert_int_equal(w->f->peer[k].report.in.loss, 0);
    sim_fixture_run(w->f, 60 * PH_SEC);
    assert_profile(w, PH_PROFILE_GOOD);
    end(w);
}

/* A side that sends no media is not taken for one whose media are lost, and both still change. */
static void test_no_media(void **state)
{
    (void)state;
    struct weather *w = start(50, NULL);
    sim_fixture_run(w->f, 3 * PH_SEC);
    ph_call_media_stop(w->f->peer[1].call);
    sim_fixture_run(w->f, 10 * PH_SEC);
    assert_profile(w, PH_PROFILE_GOOD);
    assert_false(w->f->peer[0].report.in.known);
    assert_true(w->f->peer[0].report.out.known);
    w->loss[0] = 20;
    sim_fixture_run(w->f, 8 * PH_SEC);
    for (int k = 0; k < 2; k++)
        assert_int_equal(w->f->peer[k].report.profile, PH_PROFILE_DEGRADED);
    end(w);
}

/* An older peer says nothing of quality and does not know what it is asked. */
static void test_an_older_peer(void **state)
{
    (void)state;
    struct weather *w = start(60, NULL);
    ph_adapt_stop(&w->f->peer[1].call->adapt);
    w->loss[1] = 50;
    sim_fixture_run(w->f, 30 * PH_SEC);
    assert_int_equal(w->f->peer[0].report.profile, PH_PROFILE_GOOD);
    assert_false(w->f->peer[0].report.out.known);
    assert_int_equal(w->f->peer[0].report.peer_stage, PH_STAGE_NONE);
    assert_true(w->f->peer[0].report.in.loss > 200);
    assert_int_equal(w->f->peer[0].call->adapt.agreement.own.number, 0);
    end(w);
}

/* ---- A peer of ill will */

static void say(struct sim_peer *p, uint64_t number, const struct ph_quality_message *m)
{
    uint8_t body[PH_QUALITY_MESSAGE_MAX];
    struct ph_inband in = {.kind = PH_INBAND_QUALITY, .number = number, .body = body};
    int len = ph_quality_encode(m, body, sizeof(body));
    assert_true(len > 0);
    in.body_len = (size_t)len;
    ph_call_send_as_media(p->call, p->fixture->world->ops->now(p->fixture->world), &in, 0);
}

static unsigned changes(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += *text == ';';
    return n;
}

static void test_a_hostile_peer(void **state)
{
    (void)state;
    struct weather *w = start(70, NULL);
    struct sim_peer *peer = &w->f->peer[1];
    ph_adapt_stop(&peer->call->adapt);
    sim_fixture_run(w->f, PH_SEC);
    uint64_t received = w->f->peer[0].report.media.received;
    uint64_t packets = sim_packets(w->f->world);
    for (unsigned i = 1; i <= 1000; i++) { /* 200 a second for 5 s */
        const struct ph_quality_message rows[] = {
            {.type = PH_QUALITY_PROPOSE, .propose = {i, (uint8_t)(i / 5 % 3), i * 77}},
            {.type = PH_QUALITY_PROPOSE, .propose = {i, (uint8_t)i, UINT64_MAX}},
            {.type = PH_QUALITY_ACK, .ack = {i, 1, UINT64_MAX}},
            {.type = PH_QUALITY_REPORT,
             .report = {true, UINT32_MAX, UINT32_MAX, UINT32_MAX, 255, 255}},
            {.type = PH_MEDIA_PATH_REPORT,
             .path = {true, 255, UINT32_MAX, UINT32_MAX, UINT32_MAX, 1, 1, 1}},
        };
        say(peer, i, &rows[i % 5]);
        sim_fixture_run(w->f, 5 * PH_MS);
        const struct ph_call_report *r = &w->f->peer[0].report;
        assert_int_equal(r->state, PH_CALL_CONNECTED);
        assert_true(r->profile < PH_PROFILE_COUNT);
        assert_true(!r->out.known || (r->out.loss <= 1000 && r->out.rtt <= 60 * PH_SEC));
    }
    assert_in_range(changes(w->changes[0]), 1, 6);
    /* The call goes on, and what is answered is no more than what is asked. */
    assert_true(w->f->peer[0].report.media.received >= received + 240);
    assert_true(sim_packets(w->f->world) - packets < 2 * 250 + 2 * 1000 + 1000);
    end(w);
}

/* It wants the worst for ever: that is granted, and nothing more comes of it. */
static void test_a_peer_that_wants_the_worst(void **state)
{
    (void)state;
    struct weather *w = start(80, NULL);
    struct sim_peer *peer = &w->f->peer[1];
    peer->call->adapt.quality.patience = UINT32_MAX; /* its own numbers never make it better */
    const struct ph_quality_message m = {.type = PH_QUALITY_REPORT,
                                         .report = {.wanted = PH_PROFILE_CATASTROPHIC}};
    for (unsigned i = 1; i <= 30; i++) {
        say(peer, 1000000 + i, &m);
        sim_fixture_run(w->f, PH_SEC);
    }
    assert_profile(w, PH_PROFILE_CATASTROPHIC);
    assert_int_equal(changes(w->changes[0]), 1);
    /* What was in force stands in the report of a call that has ended. */
    uint64_t since = w->f->peer[0].report.profile_since;
    assert_true(since > 0);
    ph_call_hangup(w->f->peer[0].call);
    sim_fixture_run(w->f, PH_SEC);
    assert_profile(w, PH_PROFILE_CATASTROPHIC);
    assert_int_equal(w->f->peer[0].report.profile_since, since);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_link),   cmocka_unit_test(test_loss_comes_and_goes),
        cmocka_unit_test(test_exact_instants), cmocka_unit_test(test_a_blackout),
        cmocka_unit_test(test_no_media),       cmocka_unit_test(test_an_older_peer),
        cmocka_unit_test(test_a_hostile_peer), cmocka_unit_test(test_a_peer_that_wants_the_worst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
