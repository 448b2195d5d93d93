/* What an open connection carries: the stream and datagrams, also over a bad link. */
#include "tests/quic/link.h"

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

static struct link *open_link(uint64_t seed)
{
    struct link *l = link_new(seed, false);

    link_start(l);
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    return l;
}

/* Sends total bytes of the pattern from one end, as fast as the buffer takes them. */
static void pump(struct link *l, int from, size_t total)
{
    uint8_t block[1000];
    size_t done = 0;

    for (int turn = 0; turn < 4000 && l->end[1 - from].stream_len < total; turn++) {
        while (done < total) {
            size_t n = total - done < sizeof(block) ? total - done : sizeof(block);
            for (size_t i = 0; i < n; i++)
                block[i] = pattern(done + i);
            if (ph_quic_stream_send(l->end[from].conn, block, n) != PH_OK)
                break;
            done += n;
        }
        ph_quic_flush(l->end[from].conn, l->now);
        link_run_for(l, 20 * PH_MS);
    }
    assert_int_equal(l->end[1 - from].stream_len, total);
    for (size_t i = 0; i < total; i++)
        assert_int_equal(l->end[1 - from].stream[i], pattern(i));
}

static void stream_both_ways(void **state)
{
    struct link *l = open_link(20);

    (void)state;
    pump(l, 0, 300000);
    pump(l, 1, 300000);
    link_assert_open(l);
    link_free(l);
}

static void stream_with_every_fifth_packet_lost(void **state)
{
    struct link *l = link_new(21, false);

    (void)state;
    l->drop_every = 5;
    link_start(l);
    link_run_for(l, 2 * PH_SEC);
    pump(l, 0, 100000);
    pump(l, 1, 100000);
    link_assert_open(l);
    link_free(l);
}

/* The client opens the stream, but the server may be the first to speak. */
static void the_server_speaks_first(void **state)
{
    struct link *l = open_link(22);

    (void)state;
    assert_int_equal(ph_quic_stream_send(l->end[1].conn, "welcome", 7), PH_OK);
    /* Nobody flushes: the timer does. */
    assert_true(ph_quic_deadline(l->end[1].q) <= l->now);
    link_run_for(l, 50 * PH_MS);
    assert_int_equal(l->end[0].stream_len, 7);
    assert_memory_equal(l->end[0].stream, "welcome", 7);
    link_free(l);
}

static void what_is_sent_early_waits(void **state)
{
    struct link *l = link_new(23, false);

    (void)state;
    link_start(l);
    assert_int_equal(ph_quic_stream_send(l->end[0].conn, "hello", 5), PH_OK);
    link_run_for(l, 20 * PH_MS + 1);
    assert_int_equal(l->end[1].stream_len, 0);
    link_run_for(l, 10 * PH_MS); /* with the client's Finished */
    assert_int_equal(l->end[1].stream_len, 5);
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    link_free(l);
}

static void the_stream_has_a_cap(void **state)
{
    static uint8_t block[65536 + 1];
    struct link *l = link_new(24, false);

    (void)state;
    link_start(l);
    assert_int_equal(ph_quic_stream_send(l->end[0].conn, block, 65537), PH_ERR_SPACE);
    assert_int_equal(ph_quic_stream_send(l->end[0].conn, block, 65536), PH_OK);
    assert_int_equal(ph_quic_stream_send(l->end[0].conn, block, 1), PH_ERR_SPACE);
    link_run_for(l, 3 * PH_SEC);
    assert_int_equal(l->end[1].stream_len, 65536);
    assert_int_equal(ph_quic_stream_send(l->end[0].conn, block, 1), PH_OK);
    link_free(l);
}

static void datagrams(void **state)
{
    struct link *l = open_link(25);
    uint8_t data[PH_QUIC_DATAGRAM_MAX + 1];
    uint64_t before;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = pattern(i);
    before = l->sent;
    for (int side = 0; side < 2; side++) {
        struct link_end *from = &l->end[side], *to = &l->end[1 - side];
        static const size_t lengths[] = {0, 1, 160, PH_QUIC_DATAGRAM_MAX};
        for (size_t i = 0; i < 4; i++) {
            uint64_t sent = l->sent;
            assert_int_equal(ph_quic_datagram_send(from->conn, l->now, data, lengths[i]), PH_OK);
            assert_int_equal(l->sent, sent + 1); /* at once, alone */
            link_run_for(l, 20 * PH_MS);
            assert_int_equal(to->datagrams, i + 1);
            assert_int_equal(to->datagram_len, lengths[i]);
            assert_memory_equal(to->datagram, data, lengths[i]);
        }
    }
    assert_true(l->sent >= before + 8);
    assert_int_equal(ph_quic_datagram_send(l->end[0].conn, l->now, data, sizeof(data)),
                     PH_ERR_SPACE);
    link_free(l);
}

/* Fifty a second for ten seconds over a link that loses a tenth: what is lost is lost, nothing else
 * is, and nothing is told twice. */
static void media_over_a_lossy_link(void **state)
{
    struct link *l = open_link(26);
    uint8_t data[160] = {0};
    int sent = 0;

    (void)state;
    l->loss = 10;
    for (int i = 0; i < 500; i++) {
        if (ph_quic_datagram_send(l->end[0].conn, l->now, data, sizeof(data)) == PH_OK)
            sent++;
        link_run_for(l, 20 * PH_MS);
    }
    assert_int_equal(sent, 500);
    assert_in_range(l->end[1].datagrams, 400, 495);
    link_assert_open(l);
    link_free(l);
}

/* A blackout must not leave the congestion controller without a window. */
static void media_after_a_blackout(void **state)
{
    struct link *l = open_link(27);
    uint8_t data[160] = {0};
    int before = 0;

    (void)state;
    for (int i = 0; i < 350; i++) {
        (void)ph_quic_datagram_send(l->end[0].conn, l->now, data, sizeof(data));
        l->cut[0] = l->cut[1] = i >= 100 && i < 200;
        link_run_for(l, 20 * PH_MS);
        if (i == 249)
            before = l->end[1].datagrams; /* a second after the end of it */
    }
    link_run_for(l, 20 * PH_MS);
    assert_int_equal(l->end[1].datagrams, before + 100);
    link_free(l);
}

/* Congestion control holds back a flood; the connection lives on. */
static void a_flood_is_held_back(void **state)
{
    struct link *l = open_link(28);
    uint8_t data[PH_QUIC_DATAGRAM_MAX] = {0};
    int rc = PH_OK, n = 0;

    (void)state;
    while (rc == PH_OK && n < 2000) {
        rc = ph_quic_datagram_send(l->end[0].conn, l->now, data, sizeof(data));
        n += rc == PH_OK;
    }
    assert_int_equal(rc, PH_ERR_AGAIN);
    assert_true(n >= 8);
    link_run_for(l, PH_SEC);
    assert_int_equal(l->end[1].datagrams, n);
    assert_int_equal(ph_quic_datagram_send(l->end[0].conn, l->now, data, sizeof(data)), PH_OK);
    link_assert_open(l);
    link_free(l);
}

static void answer_at_once(void *user, const uint8_t *data, size_t len)
{
    struct link_end *e = user;

    link_on_datagram(user, data, len);
    assert_int_equal(ph_quic_datagram_send(e->conn, e->link->now, data, len), PH_OK);
    assert_int_equal(ph_quic_stream_send(e->conn, data, len), PH_OK);
    ph_quic_flush(e->conn, e->link->now);
}

static void greet(void *user, enum ph_quic_state st)
{
    struct link_end *e = user;

    link_on_state(user, st);
    if (st == PH_QUIC_ESTABLISHED) {
        assert_int_equal(ph_quic_datagram_send(e->conn, e->link->now, "hi", 2), PH_OK);
        ph_quic_flush(e->conn, e->link->now);
    }
}

/* An owner may send from inside of what it is told. */
static void sending_from_callbacks(void **state)
{
    struct link *l = link_new(29, false);

    (void)state;
    l->end[0].config.callbacks.on_state = greet;
    l->end[1].config.callbacks.on_datagram = answer_at_once;
    link_start(l);
    link_run_for(l, 20 * PH_MS + 1);
    assert_int_equal(l->end[0].state_count, 1);
    link_run_for(l, 10 * PH_MS);
    assert_int_equal(l->end[1].datagrams, 1); /* in the same flight as the client's Finished */
    link_run_for(l, PH_SEC);
    assert_int_equal(l->end[0].datagrams, 1);
    assert_memory_equal(l->end[0].datagram, "hi", 2);
    assert_int_equal(l->end[0].stream_len, 2);
    link_assert_open(l);
    link_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_both_ways),
        cmocka_unit_test(stream_with_every_fifth_packet_lost),
        cmocka_unit_test(the_server_speaks_first),
        cmocka_unit_test(what_is_sent_early_waits),
        cmocka_unit_test(the_stream_has_a_cap),
        cmocka_unit_test(datagrams),
        cmocka_unit_test(media_over_a_lossy_link),
        cmocka_unit_test(media_after_a_blackout),
        cmocka_unit_test(a_flood_is_held_back),
        cmocka_unit_test(sending_from_callbacks),
    };

    return cmocka_run_group_tests_name("quic traffic", tests, NULL, NULL);
}
