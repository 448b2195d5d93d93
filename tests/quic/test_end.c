/* How connections end, and that time that goes back does no harm. */
#include "tests/quic/link.h"

static struct link *open_link(uint64_t seed, ph_ns idle, ph_ns keep_alive)
{
    struct link *l = link_new(seed, false);

    for (int i = 0; i < 2; i++) {
        l->end[i].config.idle_timeout = idle;
        l->end[i].config.keep_alive = keep_alive;
    }
    link_start(l);
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    return l;
}

static void close_is_seen(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct link *l = open_link(40, 0, 0);
        struct link_end *other = &l->end[1 - side];

        ph_quic_conn_close(l->end[side].conn, l->now);
        l->end[side].conn = NULL;
        assert_int_equal(ph_quic_deadline(l->end[side].q), PH_NEVER);
        link_run_for(l, 10 * PH_MS);
        assert_int_equal(ph_quic_conn_state(other->conn), PH_QUIC_CLOSED);
        assert_int_equal(ph_quic_conn_error(other->conn), PH_ERR_CLOSED);
        assert_int_equal(ph_quic_stream_send(other->conn, "x", 1), PH_ERR_CLOSED);
        assert_int_equal(ph_quic_datagram_send(other->conn, l->now, "x", 1), PH_ERR_CLOSED);
        assert_int_equal(ph_quic_conn_deadline(other->conn), PH_NEVER);
        link_free(l);
    }
}

static void close_before_the_handshake(void **state)
{
    struct link *l = link_new(41, false);

    (void)state;
    link_start(l);
    link_run_for(l, 15 * PH_MS); /* the server has it, the client knows nothing yet */
    assert_non_null(l->end[1].conn);
    ph_quic_conn_close(l->end[0].conn, l->now);
    l->end[0].conn = NULL;
    link_run_for(l, 10 * PH_MS);
    assert_int_equal(ph_quic_conn_state(l->end[1].conn), PH_QUIC_CLOSED);
    assert_int_equal(ph_quic_conn_error(l->end[1].conn), PH_ERR_CLOSED);
    link_free(l);
}

/* Data and the close that follows it: both are told, in this order. */
static void the_last_words_arrive(void **state)
{
    struct link *l = open_link(42, 0, 0);

    (void)state;
    assert_int_equal(ph_quic_stream_send(l->end[0].conn, "bye", 3), PH_OK);
    ph_quic_flush(l->end[0].conn, l->now);
    ph_quic_conn_close(l->end[0].conn, l->now);
    l->end[0].conn = NULL;
    link_run_for(l, 10 * PH_MS);
    assert_int_equal(l->end[1].stream_len, 3);
    assert_int_equal(ph_quic_conn_error(l->end[1].conn), PH_ERR_CLOSED);
    link_free(l);
}

static void silence_ends_it(void **state)
{
    struct link *l = open_link(43, 5 * PH_SEC, 0);
    ph_ns start = l->now;

    (void)state;
    /* The last packet was received in the first second. */
    link_run(l, start + 3 * PH_SEC);
    assert_int_equal(ph_quic_conn_state(l->end[0].conn), PH_QUIC_CONFIRMED);
    link_run(l, start + 5 * PH_SEC);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ph_quic_conn_state(l->end[i].conn), PH_QUIC_CLOSED);
        assert_int_equal(ph_quic_conn_error(l->end[i].conn), PH_ERR_TIMEOUT);
    }
    link_free(l);
}

static void keep_alive_keeps_it(void **state)
{
    struct link *l = open_link(44, 5 * PH_SEC, 2 * PH_SEC);

    (void)state;
    link_run_for(l, 60 * PH_SEC);
    link_assert_open(l);
    l->cut[0] = l->cut[1] = true;
    link_run_for(l, 20 * PH_SEC);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ph_quic_conn_error(l->end[i].conn), PH_ERR_TIMEOUT);
    link_free(l);
}

static void time_that_goes_back(void **state)
{
    struct link *l = open_link(45, 0, 0);

    (void)state;
    ph_quic_flush(l->end[0].conn, 5);
    assert_int_equal(ph_quic_datagram_send(l->end[0].conn, 7, "x", 1), PH_OK);
    link_run_for(l, 20 * PH_MS);
    assert_int_equal(l->end[1].datagrams, 1);
    link_free(l);
}

/* One timer for all: the earliest counts, and those that are not due are left alone. */
static void many_connections_on_one_endpoint(void **state)
{
    enum {
        COUNT = 40
    };
    struct link *l = link_new(46, false);
    struct ph_quic_conn *conns[COUNT];
    ph_ns earliest = PH_NEVER;

    (void)state;
    l->cut[0] = true;
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(ph_quic_connect(l->end[0].q, l->now, &l->end[0].config, &conns[i]), PH_OK);
        ph_quic_flush(conns[i], l->now);
        l->now += PH_MS;
    }
    for (int i = 0; i < COUNT; i++)
        earliest = ph_min_ns(earliest, ph_quic_conn_deadline(conns[i]));
    assert_int_equal(ph_quic_deadline(l->end[0].q), earliest);
    ph_quic_on_timer(l->end[0].q, earliest);
    assert_true(ph_quic_deadline(l->end[0].q) > earliest);
    assert_true(ph_quic_deadline(l->end[0].q) <= earliest + PH_MS);
    for (int i = 0; i < COUNT; i += 2)
        ph_quic_conn_free(conns[i]);
    assert_true(ph_quic_deadline(l->end[0].q) != PH_NEVER);
    for (int i = 1; i < COUNT; i += 4)
        ph_quic_conn_close(conns[i], l->now);
    link_free(l); /* and the rest with the endpoint */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_is_seen),
        cmocka_unit_test(close_before_the_handshake),
        cmocka_unit_test(the_last_words_arrive),
        cmocka_unit_test(silence_ends_it),
        cmocka_unit_test(keep_alive_keeps_it),
        cmocka_unit_test(time_that_goes_back),
        cmocka_unit_test(many_connections_on_one_endpoint),
    };

    return cmocka_run_group_tests_name("quic end", tests, NULL, NULL);
}
