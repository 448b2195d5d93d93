/* The application's stream in whole calls: through changes of path, held up and ended by either
 * side. */
#include "tests/sim_fixture.h"

#include "base/err.h"
#include "call/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHUNK 5000

static struct side {
    uint64_t sent, received;
    uint64_t total;  /* to be sent */
    size_t pace;     /* bytes that are read at a time; 0: all at once */
    bool hangs_up;   /* as soon as something comes */
    unsigned called; /* on_stream */
} sides[2];

static bool direct_is_cut;

static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i * 29 + i / 251 + i / 65536);
}

static void read_some(struct ph_call *call, struct side *s, size_t most)
{
    const uint8_t *data;
    size_t n, done = 0;
    while (done < most && (n = ph_call_stream_peek(call, &data)) > 0) {
        n = n < most - done ? n : most - done;
        for (size_t i = 0; i < n; i++)
            assert_int_equal(data[i], pattern(s->received + i));
        s->received += n;
        done += n;
        ph_call_stream_consume(call, n);
    }
}

static void write_some(struct ph_call *call, struct side *s)
{
    uint8_t block[CHUNK];
    while (s->sent < s->total) {
        size_t n = s->total - s->sent < CHUNK ? (size_t)(s->total - s->sent) : CHUNK;
        size_t room = ph_call_stream_room(call);
        n = n < room ? n : room;
        for (size_t i = 0; i < n; i++)
            block[i] = pattern(s->sent + i);
        if (n == 0 || ph_call_stream_send(call, block, n) != PH_OK)
            return;
        s->sent += n;
    }
    ph_call_stream_end(call);
}

static void on_stream(void *user, struct ph_call *call)
{
    struct sim_peer *p = user;
    struct side *s = &sides[p == &p->fixture->peer[1]];
    s->called++;
    if (s->hangs_up) {
        ph_call_hangup(call);
        return;
    }
    if (s->pace == 0)
        read_some(call, s, SIZE_MAX);
    write_some(call, s);
}

static enum sim_verdict cut_direct(void *user, const struct sim_tap_packet *p)
{
    struct sim_fixture *f = user;
    for (int i = 0; i < 2; i++) {
        if (direct_is_cut && p->node == f->peer[i].node &&
            !ph_addr_ip_eq(&p->dst, &f->layout.nodes[f->relay_node].addrs[0]))
            return SIM_DROP;
    }
    return SIM_PASS;
}

static struct sim_fixture *start(uint64_t seed, const char *link, bool caller, bool callee)
{
    struct sim_fixture_config c = {.seed = seed, .link = link};
    c.on_stream[0] = caller ? on_stream : NULL;
    c.on_stream[1] = callee ? on_stream : NULL;
    memset(sides, 0, sizeof(sides));
    direct_is_cut = false;
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_tap(f->world, cut_direct, f);
    sim_fixture_register(f);
    return f;
}

static void assert_done(const struct sim_fixture *f)
{
    for (int i = 0; i < 2; i++) {
        const struct ph_stream_report *r = &f->peer[i].report.stream;
        assert_int_equal(sides[i].received, sides[1 - i].total);
        assert_int_equal(r->sent, sides[i].total);
        assert_int_equal(r->received, sides[1 - i].total);
        assert_true(r->ended && r->done);
        assert_int_equal(r->error, PH_OK);
        assert_int_equal(f->peer[i].report.state, PH_CALL_CONNECTED);
    }
}

/* Bytes both ways from the first moment: by the relay, then directly, then, when the direct path
 * dies, by the relay again, and directly when it is back. */
static void test_through_changes_of_path(void **state)
{
    (void)state;
    static const char *const links[] = {"20ms", "20ms-5%"};
    for (size_t i = 0; i < 2; i++) {
        struct sim_fixture *f = start(100 + i, links[i], true, true);
        sides[0].total = 3000000;
        sides[1].total = 2000000;
        sim_fixture_call(f, 10 * PH_SEC);
        bool fell_back = false;
        uint64_t before = sides[0].received;
        for (int turn = 0;
             turn < 3000 && !(f->peer[0].report.stream.done && f->peer[1].report.stream.done);
             turn++) {
            direct_is_cut = turn > 5 && turn < 30;
            sim_fixture_run(f, 100 * PH_MS);
            fell_back = fell_back || !f->peer[0].report.direct;
        }
        assert_true(fell_back);
        assert_true(before < 2000000);
        assert_done(f);
        sim_fixture_free(f);
    }
}

/* One side reads 2 kB in 10 ms: the other one is held up, with no more under way than the window
 * and what waits to be sent. */
static void test_a_slow_reader(void **state)
{
    (void)state;
    struct sim_fixture *f = start(110, "lan", true, true);
    sides[0].total = 1500000;
    sides[1].pace = 2000;
    sim_fixture_call(f, 10 * PH_SEC);
    uint64_t most = 0;
    for (int turn = 0; turn < 2000 && !f->peer[0].report.stream.done; turn++) {
        sim_fixture_run(f, 10 * PH_MS);
        read_some(f->peer[1].call, &sides[1], sides[1].pace);
        if (sides[0].sent - sides[1].received > most)
            most = sides[0].sent - sides[1].received;
    }
    read_some(f->peer[1].call, &sides[1], SIZE_MAX);
    sim_fixture_run(f, PH_SEC);
    assert_done(f);
    assert_in_range(most, PH_QUIC_PIPE_WINDOW, PH_QUIC_PIPE_WINDOW + 65536 + 2000);
    sim_fixture_free(f);
}

static void test_a_peer_without_streams(void **state)
{
    (void)state;
    struct sim_fixture *f = start(120, NULL, true, false);
    sides[0].total = 1;
    sim_fixture_call(f, 10 * PH_SEC);
    sim_fixture_run(f, PH_SEC);
    assert_int_equal(f->peer[0].report.stream.error, PH_ERR_REFUSED);
    assert_int_equal(ph_call_stream_send(f->peer[0].call, "x", 1), PH_ERR_REFUSED);
    assert_int_equal(ph_call_stream_room(f->peer[0].call), 0);
    assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED); /* a call all the same */
    assert_true(f->peer[0].report.media.received > 0);
    sim_fixture_free(f);

    f = start(121, NULL, false, true);
    sim_fixture_call(f, 10 * PH_SEC);
    sim_fixture_run(f, PH_SEC);
    assert_int_equal(f->peer[1].report.stream.error, PH_OK);
    assert_int_equal(ph_call_stream_send(f->peer[1].call, "x", 1), PH_ERR_AGAIN);
    sim_fixture_free(f);
}

/* The call ends in the middle, from inside the callback: what has come can still be read. */
static void test_a_hangup_in_the_middle(void **state)
{
    (void)state;
    struct sim_fixture *f = start(130, NULL, true, true);
    sides[0].total = sides[1].total = UINT64_MAX;
    sides[1].pace = 1; /* reads nothing by itself */
    sim_fixture_call(f, 10 * PH_SEC);
    sim_fixture_run(f, PH_SEC);
    sides[0].hangs_up = true;
    sim_fixture_run(f, PH_SEC);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(f->peer[i].report.state, PH_CALL_ENDED);
        assert_int_equal(f->peer[i].report.stream.error, PH_ERR_CLOSED);
        assert_false(f->peer[i].report.stream.done);
        assert_int_equal(ph_call_stream_send(f->peer[i].call, "x", 1), PH_ERR_CLOSED);
        assert_int_equal(ph_call_stream_room(f->peer[i].call), 0);
    }
    assert_int_equal(sides[1].received, 0);
    read_some(f->peer[1].call, &sides[1], SIZE_MAX);
    assert_int_equal(sides[1].received, f->peer[1].report.stream.received);
    assert_true(sides[1].received > 0);
    ph_call_stream_end(f->peer[1].call);
    const uint8_t *data;
    assert_int_equal(ph_call_stream_peek(f->peer[1].call, &data), 0);
    ph_call_stream_consume(f->peer[1].call, 5);
    sim_fixture_free(f);
}

/* A stream that takes all it can leaves media their room: on a direct path, and on the relay, which
 * forwards no more than 2,000 packets a second of each. */
static void test_media_beside_it(void **state)
{
    (void)state;
    for (int relayed = 0; relayed < 2; relayed++) {
        struct sim_fixture *f = start(140, relayed ? "lan" : "20ms", true, true);
        sides[0].total = sides[1].total = UINT64_MAX;
        direct_is_cut = relayed;
        sim_fixture_call(f, 10 * PH_SEC);
        sim_fixture_run(f, 3 * PH_SEC);
        uint64_t before[2] = {f->peer[0].report.media.received, f->peer[1].report.media.received};
        uint64_t had = f->peer[0].report.stream.received;
        sim_fixture_run(f, 10 * PH_SEC);
        for (int i = 0; i < 2; i++) {
            /* Once in ten seconds BBR empties the path to see how long it is, and a few frames find
             * no room. */
            assert_in_range(f->peer[i].report.media.received - before[i], 490, 502);
            assert_int_equal(f->peer[i].report.profile, PH_PROFILE_GOOD);
            assert_int_equal(f->peer[i].report.direct, !relayed);
        }
        had = f->peer[0].report.stream.received - had;
        assert_true(had > 10 * 1000 * 1000);
        if (relayed) {
            struct ph_relay_stats stats;
            ph_relay_get_stats(f->relay, &stats);
            assert_int_equal(stats.dropped_rate, 0);
        }
        sim_fixture_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_through_changes_of_path),
        cmocka_unit_test(test_a_slow_reader),
        cmocka_unit_test(test_a_peer_without_streams),
        cmocka_unit_test(test_a_hangup_in_the_middle),
        cmocka_unit_test(test_media_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
