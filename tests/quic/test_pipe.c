/* The pipe: bytes in both directions, held up and ended by either side, beside messages and
 * datagrams. */
#include "tests/quic/link.h"

#include "quic/conn.h"

#define CHUNK 4096

/* What the tests know of one end's pipe. */
struct bytes {
    uint64_t sent, received; /* both of one pattern that starts at 0 */
    uint64_t consumed;
    size_t most_waiting; /* received and not consumed */
    bool holds;          /* consumes nothing */
    bool greedy;         /* consumes at once */
    int rooms, ends, dones, breaks;
};

static struct bytes bytes[2];

static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i * 31 + i / 251 + i / 65536);
}

static void on_pipe(void *user, const uint8_t *data, size_t len)
{
    struct link_end *e = user;
    struct bytes *b = &bytes[e->side];

    assert_true(link_trusted(e));
    assert_int_equal(b->ends, 0);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], pattern(b->received + i));
    b->received += len;
    if (b->greedy) {
        ph_quic_pipe_consumed(e->conn, len);
        b->consumed += len;
    }
    if (b->received - b->consumed > b->most_waiting)
        b->most_waiting = (size_t)(b->received - b->consumed);
}

static void on_event(void *user, enum ph_quic_pipe_event event)
{
    struct link_end *e = user;
    struct bytes *b = &bytes[e->side];

    b->rooms += event == PH_QUIC_PIPE_ROOM;
    b->ends += event == PH_QUIC_PIPE_ENDED;
    b->dones += event == PH_QUIC_PIPE_DONE;
    b->breaks += event == PH_QUIC_PIPE_BROKEN;
}

static struct link *open_pipe(uint64_t seed, bool client, bool server)
{
    struct link *l = link_new(seed, false);

    memset(bytes, 0, sizeof(bytes));
    for (int i = 0; i < 2; i++) {
        l->end[i].config.callbacks.on_pipe = on_pipe;
        l->end[i].config.callbacks.on_pipe_event = on_event;
        l->end[i].config.pipe = i == 0 ? client : server;
    }
    link_start(l);
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    return l;
}

/* Sends as much as there is room for, up to `total` in all. */
static void fill(struct link *l, int side, uint64_t total)
{
    uint8_t block[CHUNK];
    struct bytes *b = &bytes[side];

    while (b->sent < total) {
        size_t n = total - b->sent < CHUNK ? (size_t)(total - b->sent) : CHUNK;
        if (ph_quic_pipe_room(l->end[side].conn) < n)
            return;
        for (size_t i = 0; i < n; i++)
            block[i] = pattern(b->sent + i);
        assert_int_equal(ph_quic_pipe_send(l->end[side].conn, block, n), PH_OK);
        b->sent += n;
    }
}

static void consume(struct link *l, int side, size_t most)
{
    struct bytes *b = &bytes[side];
    size_t n = (size_t)(b->received - b->consumed);

    n = n < most ? n : most;
    if (b->holds || n == 0)
        return;
    b->consumed += n;
    ph_quic_pipe_consumed(l->end[side].conn, n);
}

static void both_ways(struct link *l, uint64_t total, size_t pace)
{
    for (int turn = 0; turn < 20000; turn++) {
        for (int i = 0; i < 2; i++) {
            fill(l, i, total);
            consume(l, i, i == 0 ? SIZE_MAX : pace);
        }
        if (bytes[0].received == total && bytes[1].consumed == total)
            break;
        link_run_for(l, 5 * PH_MS);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bytes[i].received, total);
        assert_true(bytes[i].most_waiting <= PH_QUIC_PIPE_WINDOW);
    }
}

/* Two million bytes each way at once; one side reads 6 kB in 5 ms, and is never given more than the
 * window. */
static void bytes_both_ways_with_a_slow_reader(void **state)
{
    struct link *l = open_pipe(50, true, true);

    (void)state;
    both_ways(l, 2000000, 6000);
    /* The slow one has had its window full, and its sender was told when there was room again. */
    assert_true(bytes[1].most_waiting > PH_QUIC_PIPE_WINDOW / 2);
    assert_true(bytes[0].rooms > 0);
    link_assert_open(l);
    link_free(l);
}

static void bytes_over_a_lossy_link(void **state)
{
    struct link *l = open_pipe(51, true, true);

    (void)state;
    l->loss = 5;
    both_ways(l, 500000, SIZE_MAX);
    link_assert_open(l);
    link_free(l);
}

/* A reader that takes nothing stops the sender within bounds; messages still get through, in both
 * directions; and when it reads again all goes on. */
static void a_reader_that_stops(void **state)
{
    struct link *l = open_pipe(52, true, true);
    uint8_t message[8000] = {1};

    (void)state;
    bytes[1].holds = true;
    for (int i = 0; i < 400; i++) {
        fill(l, 0, UINT64_MAX);
        link_run_for(l, 5 * PH_MS);
    }
    assert_int_equal(bytes[1].received, PH_QUIC_PIPE_WINDOW);
    assert_true(bytes[0].sent <= PH_QUIC_PIPE_WINDOW + PH_SEND_BUF_MAX);
    assert_int_equal(ph_quic_pipe_room(l->end[0].conn), PH_SEND_BUF_MAX % CHUNK);
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 2; k++)
            assert_int_equal(ph_quic_stream_send(l->end[k].conn, message, sizeof(message)), PH_OK);
        link_run_for(l, 100 * PH_MS);
        for (int k = 0; k < 2; k++)
            assert_int_equal(l->end[k].stream_len, (size_t)(i + 1) * sizeof(message));
    }
    bytes[1].holds = false;
    both_ways(l, 1000000, SIZE_MAX);
    link_free(l);
}

static void each_side_ends_its_own(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct link *l = open_pipe(53, true, true);
        bytes[0].greedy = bytes[1].greedy = true;
        fill(l, first, 30000);
        ph_quic_pipe_end(l->end[first].conn);
        assert_int_equal(ph_quic_pipe_send(l->end[first].conn, "x", 1), PH_ERR_CLOSED);
        assert_int_equal(ph_quic_pipe_room(l->end[first].conn), 0);
        link_run_for(l, PH_SEC);
        assert_int_equal(bytes[1 - first].received, 30000);
        assert_int_equal(bytes[1 - first].ends, 1);
        assert_int_equal(bytes[first].ends + bytes[0].dones + bytes[1].dones, 0);
        /* The other direction lives on. */
        fill(l, 1 - first, 100000);
        link_run_for(l, PH_SEC);
        fill(l, 1 - first, 100000);
        link_run_for(l, PH_SEC);
        assert_int_equal(bytes[first].received, 100000);
        ph_quic_pipe_end(l->end[1 - first].conn);
        link_run_for(l, PH_SEC);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(bytes[i].ends, 1);
            assert_int_equal(bytes[i].dones, 1);
            assert_int_equal(bytes[i].breaks, 0);
        }
        link_assert_open(l);
        link_free(l);
    }
}

/* Ended before it was begun, and before the handshake is over. */
static void nothing_at_all(void **state)
{
    struct link *l = link_new(54, false);

    (void)state;
    memset(bytes, 0, sizeof(bytes));
    for (int i = 0; i < 2; i++) {
        l->end[i].config.callbacks.on_pipe = on_pipe;
        l->end[i].config.callbacks.on_pipe_event = on_event;
        l->end[i].config.pipe = true;
    }
    link_start(l);
    assert_int_equal(ph_quic_pipe_send(l->end[0].conn, "x", 1), PH_ERR_AGAIN);
    assert_int_equal(ph_quic_pipe_room(l->end[0].conn), 0);
    ph_quic_pipe_end(l->end[0].conn);
    link_run_for(l, 500 * PH_MS);
    assert_int_equal(bytes[1].ends, 1);
    ph_quic_pipe_end(l->end[1].conn);
    link_run_for(l, 500 * PH_MS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bytes[i].dones, 1);
        assert_int_equal(bytes[i].received, 0);
    }
    link_free(l);
}

/* An end without one, perhaps an older one: the client hears that at once, a server waits. */
static void a_peer_without_a_pipe(void **state)
{
    struct link *l = open_pipe(55, true, false);

    (void)state;
    assert_int_equal(bytes[0].breaks, 1);
    assert_int_equal(ph_quic_pipe_send(l->end[0].conn, "x", 1), PH_ERR_CLOSED);
    assert_int_equal(ph_quic_pipe_send(l->end[1].conn, "x", 1), PH_ERR_CLOSED);
    link_assert_open(l);
    link_free(l);

    l = open_pipe(56, false, true);
    assert_int_equal(ph_quic_pipe_send(l->end[0].conn, "x", 1), PH_ERR_CLOSED);
    assert_int_equal(ph_quic_pipe_send(l->end[1].conn, "x", 1), PH_ERR_AGAIN);
    assert_int_equal(ph_quic_pipe_room(l->end[1].conn), 0);
    assert_int_equal(bytes[0].breaks + bytes[1].breaks, 0);
    link_assert_open(l);
    link_free(l);
}

static void a_peer_that_gives_it_up(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct link *l = open_pipe(57, true, true);
        bytes[0].greedy = bytes[1].greedy = true;
        fill(l, 1 - side, 40000);
        assert_int_equal(ngtcp2_conn_shutdown_stream(l->end[side].conn->ng, 0, 4, 1), 0);
        ph_quic_flush(l->end[side].conn, l->now);
        link_run_for(l, PH_SEC);
        assert_int_equal(bytes[1 - side].breaks, 1);
        assert_int_equal(bytes[1 - side].ends + bytes[1 - side].dones, 0);
        assert_int_equal(ph_quic_pipe_send(l->end[1 - side].conn, "x", 1), PH_ERR_CLOSED);
        assert_int_equal(ph_quic_stream_send(l->end[1 - side].conn, "still", 5), PH_OK);
        link_run_for(l, PH_SEC);
        assert_int_equal(l->end[side].stream_len, 5);
        link_assert_open(l);
        link_free(l);
    }
}

/* Fifty datagrams a second beside a pipe that takes all that it can get: none is held back. */
static void datagrams_beside_it(void **state)
{
    struct link *l = open_pipe(58, true, true);
    uint8_t media[90] = {0};

    (void)state;
    bytes[0].greedy = bytes[1].greedy = true;
    for (int i = 0; i < 500; i++) {
        for (int k = 0; k < 2; k++) {
            assert_int_equal(ph_quic_datagram_send(l->end[k].conn, l->now, media, sizeof(media)),
                             PH_OK);
            fill(l, k, UINT64_MAX);
            ph_quic_flush(l->end[k].conn, l->now);
        }
        link_run_for(l, 20 * PH_MS);
    }
    for (int k = 0; k < 2; k++) {
        assert_in_range(l->end[k].datagrams, 499, 500);
        /* At least 2 MB/s on a link of 20 ms there and back. */
        assert_true(bytes[k].received > 20 * 1000 * 1000);
    }
    link_free(l);
}

/* A limit is kept, to the packet and without idling, and can be taken off. */
static void a_limited_pipe(void **state)
{
    struct link *l = open_pipe(60, true, true);
    uint64_t packets, had;

    (void)state;
    bytes[0].greedy = bytes[1].greedy = true;
    ph_quic_pipe_limit(l->end[0].conn, 200);
    packets = l->sent;
    for (int i = 0; i < 1000; i++) {
        fill(l, 0, UINT64_MAX);
        link_run_for(l, 5 * PH_MS);
    }
    /* Five seconds: 1,000 packets and the first burst, nearly full; acknowledgements and windows
     * on top. */
    assert_in_range(bytes[1].received, 1000 * 1100, 1016 * 1170);
    assert_in_range(l->sent - packets, 1000, 3 * 1016);
    had = bytes[1].received;
    ph_quic_pipe_limit(l->end[0].conn, 0);
    for (int i = 0; i < 200; i++) {
        fill(l, 0, UINT64_MAX);
        link_run_for(l, 5 * PH_MS);
    }
    assert_true(bytes[1].received - had > 1000 * 1000);
    link_free(l);
}

/* Nothing is acknowledged: what is kept for sending again has a bound. */
static void nobody_acknowledges(void **state)
{
    struct link *l = open_pipe(59, true, true);

    (void)state;
    l->cut[1] = true;
    for (int i = 0; i < 100; i++) {
        fill(l, 0, UINT64_MAX);
        link_run_for(l, 20 * PH_MS);
    }
    assert_true(bytes[0].sent <= PH_SEND_BUF_HELD_MAX);
    link_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_both_ways_with_a_slow_reader),
        cmocka_unit_test(bytes_over_a_lossy_link),
        cmocka_unit_test(a_reader_that_stops),
        cmocka_unit_test(each_side_ends_its_own),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(a_peer_without_a_pipe),
        cmocka_unit_test(a_peer_that_gives_it_up),
        cmocka_unit_test(datagrams_beside_it),
        cmocka_unit_test(a_limited_pipe),
        cmocka_unit_test(nobody_acknowledges),
    };

    return cmocka_run_group_tests_name("quic pipe", tests, NULL, NULL);
}
