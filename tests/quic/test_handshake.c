/* Who is let in: pins, certificates, names of protocols, and what each side learns. */
#include "quic/conn.h"
#include "tests/quic/link.h"

static void wrong_pin(uint8_t pin[PH_FINGERPRINT_LEN])
{
    memset(pin, 0x5a, PH_FINGERPRINT_LEN);
}

static void assert_ended(const struct link *l, int side, int error)
{
    const struct link_end *e = &l->end[side];

    assert_non_null(e->conn);
    assert_int_equal(ph_quic_conn_state(e->conn), PH_QUIC_CLOSED);
    assert_int_equal(ph_quic_conn_error(e->conn), error);
    assert_true(e->state_count > 0);
    assert_int_equal(e->states[e->state_count - 1], PH_QUIC_CLOSED);
    assert_int_equal(e->early, 0);
}

static void both_pinned(void **state)
{
    struct link *l = link_new(1, false);

    (void)state;
    l->end[1].config.accept_peer = link_accept_peer;
    link_start(l);
    assert_null(ph_quic_conn_peer(l->end[0].conn));
    assert_int_equal(ph_quic_conn_rtt(l->end[0].conn), 0);
    assert_int_equal(ph_quic_datagram_send(l->end[0].conn, l->now, "x", 1), PH_ERR_AGAIN);
    link_run_for(l, 20 * PH_MS + 1); /* one round trip */
    assert_int_equal(ph_quic_conn_state(l->end[0].conn), PH_QUIC_ESTABLISHED);
    assert_int_equal(ph_quic_conn_state(l->end[1].conn), PH_QUIC_HANDSHAKE);
    assert_null(ph_quic_conn_peer(l->end[1].conn));
    link_run_for(l, 20 * PH_MS); /* and one more */
    link_assert_open(l);
    assert_int_equal(l->end[1].asked, 1);
    link_run_for(l, PH_SEC);
    assert_true(ph_quic_conn_rtt(l->end[0].conn) >= 20 * PH_MS);
    assert_true(ph_quic_conn_rtt(l->end[0].conn) < 50 * PH_MS);
    link_free(l);
}

static void pinned_by_accept_alone(void **state)
{
    struct link *l = link_new(2, false);

    (void)state;
    l->end[1].config.peer_fingerprint = NULL;
    l->end[1].config.accept_peer = link_accept_peer;
    link_start(l);
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    assert_int_equal(l->end[1].asked, 1);
    link_free(l);
}

static void the_client_refuses_a_wrong_server(void **state)
{
    struct link *l = link_new(3, false);
    uint8_t pin[PH_FINGERPRINT_LEN];

    (void)state;
    wrong_pin(pin);
    l->end[0].config.peer_fingerprint = pin;
    link_start(l);
    assert_int_equal(ph_quic_stream_send(l->end[0].conn, "secret", 6), PH_OK);
    link_run_for(l, PH_SEC);
    assert_ended(l, 0, PH_ERR_AUTH);
    assert_ended(l, 1, PH_ERR_AUTH);
    assert_int_equal(l->end[0].state_count, 1);
    assert_int_equal(l->end[1].state_count, 1);
    assert_int_equal(l->end[1].stream_len, 0);
    assert_null(ph_quic_conn_peer(l->end[0].conn));
    link_free(l);
}

static void the_server_refuses_a_wrong_client(void **state)
{
    struct link *l = link_new(4, false);
    uint8_t pin[PH_FINGERPRINT_LEN];

    (void)state;
    wrong_pin(pin);
    l->end[1].config.peer_fingerprint = pin;
    link_start(l);
    assert_int_equal(ph_quic_stream_send(l->end[0].conn, "hello", 5), PH_OK);
    link_run_for(l, PH_SEC);
    assert_ended(l, 1, PH_ERR_AUTH);
    assert_int_equal(l->end[1].state_count, 1);
    assert_int_equal(l->end[1].stream_len, 0);
    /* The client could not know better than ESTABLISHED until it was told. */
    assert_ended(l, 0, PH_ERR_AUTH);
    assert_int_equal(l->end[0].state_count, 2);
    assert_int_equal(l->end[0].states[0], PH_QUIC_ESTABLISHED);
    link_free(l);
}

static void accept_peer_refuses(void **state)
{
    struct link *l = link_new(5, false);

    (void)state;
    l->end[1].config.accept_peer = link_accept_peer;
    l->end[1].drop_refused = true;
    link_start(l);
    link_run_for(l, PH_SEC);
    assert_int_equal(l->end[1].asked, 1);
    assert_ended(l, 1, PH_ERR_AUTH);
    assert_ended(l, 0, PH_ERR_AUTH);
    link_free(l);
}

static void no_certificate(void **state)
{
    struct link *l = link_new(11, false);

    (void)state;
    link_start(l);
    SSL_certs_clear(l->end[0].conn->ssl); /* it is asked for with the server's flight only */
    link_run_for(l, PH_SEC);
    assert_ended(l, 1, PH_ERR_AUTH);
    assert_int_equal(l->end[1].state_count, 1);
    assert_ended(l, 0, PH_ERR_AUTH);
    link_free(l);
}

/* The refusal is repeated while the client still sends. */
static void a_refusal_that_gets_lost_is_told_again(void **state)
{
    struct link *l = link_new(6, false);

    (void)state;
    l->end[1].config.accept_peer = link_accept_peer;
    l->end[1].drop_refused = true;
    link_start(l);
    link_run_for(l, 25 * PH_MS); /* the server's flight is at the client */
    l->cut[1] = true;
    link_run_for(l, 10 * PH_MS);
    assert_ended(l, 1, PH_ERR_AUTH);
    assert_int_equal(ph_quic_conn_state(l->end[0].conn), PH_QUIC_ESTABLISHED);
    l->cut[1] = false;
    link_run_for(l, 5 * PH_SEC);
    assert_ended(l, 0, PH_ERR_AUTH);
    link_free(l);
}

static void another_protocol(void **state)
{
    struct link *l = link_new(7, false);

    (void)state;
    l->end[0].config.alpn = "pinhole-test/2";
    link_start(l);
    link_run_for(l, PH_SEC);
    assert_ended(l, 1, PH_ERR_PROTO);
    assert_ended(l, 0, PH_ERR_PROTO);
    link_free(l);
}

static void protocol_names_have_bounds(void **state)
{
    static const char *const bad[] = {
        NULL, "", "0123456789012345678901234567890123456789012345678901234567890123"};
    struct link *l = link_new(8, false);

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        l->end[0].config.alpn = bad[i];
        assert_int_equal(ph_quic_connect(l->end[0].q, l->now, &l->end[0].config, &l->end[0].conn),
                         PH_ERR_INVAL);
        assert_null(l->end[0].conn);
    }
    assert_int_equal(ph_quic_deadline(l->end[0].q), PH_NEVER);
    link_free(l);
}

static void nobody_there(void **state)
{
    struct link *l = link_new(9, false);

    (void)state;
    l->cut[0] = true;
    l->end[0].config.handshake_timeout = 3 * PH_SEC;
    link_start(l);
    link_run(l, l->now + 3 * PH_SEC - 1);
    assert_int_equal(ph_quic_conn_state(l->end[0].conn), PH_QUIC_HANDSHAKE);
    link_run_for(l, 1);
    assert_ended(l, 0, PH_ERR_TIMEOUT);
    assert_int_equal(ph_quic_conn_deadline(l->end[0].conn), PH_NEVER);
    link_free(l);
}

static void thirty_percent_of_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 140; seed++) {
        struct link *l = link_new(seed, false);
        l->loss = 30;
        l->end[0].config.handshake_timeout = 60 * PH_SEC;
        l->end[1].config.handshake_timeout = 60 * PH_SEC;
        link_start(l);
        link_run_for(l, 25 * PH_SEC);
        link_assert_open(l);
        link_free(l);
    }
}

static void keys_for_the_layer_beneath(void **state)
{
    struct link *l = link_new(10, false);
    uint8_t a[32], b[32], c[32];

    (void)state;
    link_start(l);
    assert_int_equal(ph_quic_export(l->end[0].conn, "test", a, sizeof(a)), PH_ERR_AGAIN);
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    assert_int_equal(ph_quic_export(l->end[0].conn, "EXPORTER-pinhole-a", a, sizeof(a)), PH_OK);
    assert_int_equal(ph_quic_export(l->end[1].conn, "EXPORTER-pinhole-a", b, sizeof(b)), PH_OK);
    assert_int_equal(ph_quic_export(l->end[1].conn, "EXPORTER-pinhole-b", c, sizeof(c)), PH_OK);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, c, sizeof(a));
    link_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_pinned),
        cmocka_unit_test(pinned_by_accept_alone),
        cmocka_unit_test(the_client_refuses_a_wrong_server),
        cmocka_unit_test(the_server_refuses_a_wrong_client),
        cmocka_unit_test(accept_peer_refuses),
        cmocka_unit_test(no_certificate),
        cmocka_unit_test(a_refusal_that_gets_lost_is_told_again),
        cmocka_unit_test(another_protocol),
        cmocka_unit_test(protocol_names_have_bounds),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(thirty_percent_of_loss),
        cmocka_unit_test(keys_for_the_layer_beneath),
    };

    return cmocka_run_group_tests_name("quic handshake", tests, NULL, NULL);
}
