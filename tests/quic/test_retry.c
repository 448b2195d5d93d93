/* Address validation by Retry (RFC 9000 section 8.1.2). */
#include "tests/quic/link.h"

/* The client's next packet, as it would leave its socket. */
static const struct link_packet *last_packet(const struct link *l)
{
    assert_true(l->queued > 0);
    return l->queue[l->queued - 1];
}

static void a_whole_handshake(void **state)
{
    struct link *l = link_new(60, false);

    (void)state;
    l->end[1].retries = true;
    link_start(l);
    link_run_for(l, PH_SEC);
    assert_int_equal(l->end[1].retries_sent, 1);
    link_assert_open(l);
    link_free(l);
}

static void with_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 600; seed < 620; seed++) {
        struct link *l = link_new(seed, false);
        l->end[1].retries = true;
        l->loss = 20;
        l->end[0].config.handshake_timeout = 60 * PH_SEC;
        l->end[1].config.handshake_timeout = 60 * PH_SEC;
        link_start(l);
        link_run_for(l, 25 * PH_SEC);
        assert_true(l->end[1].retries_sent >= 1);
        link_assert_open(l);
        link_free(l);
    }
}

static void tokens(void **state)
{
    struct link *l = link_new(61, false);
    struct link_end *client = &l->end[0], *server = &l->end[1];
    struct ph_addr elsewhere = ph_addr_v4(10, 9, 9, 9, client->addr.port);
    struct ph_addr other_port = client->addr, v6;
    const struct link_packet *p;
    uint8_t retry[PH_QUIC_PACKET_MAX];
    bool fresh;
    int n;

    (void)state;
    other_port.port++;
    assert_int_equal(ph_addr_parse("[2001:db8::1]:4000", &v6), PH_OK);

    /* Without a token */
    link_start(l);
    p = last_packet(l);
    assert_null(ph_quic_route(server->q, p->data, p->len, &fresh));
    assert_true(fresh);
    assert_int_equal(ph_quic_check_token(server->q, l->now, p->data, p->len, &client->addr),
                     PH_QUIC_TOKEN_NONE);
    assert_int_equal(ph_quic_accept(server->q, l->now, p->data, p->len, &client->addr,
                                    &server->config, &server->conn),
                     PH_ERR_AUTH);
    n = ph_quic_retry(server->q, l->now, p->data, p->len, &client->addr, retry, 20);
    assert_int_equal(n, PH_ERR_SPACE);
    n = ph_quic_retry(server->q, l->now, p->data, p->len, &client->addr, retry, sizeof(retry));
    assert_true(n > 0 && (size_t)n < p->len);
    assert_int_equal(retry[0] & 0xf0, 0xf0); /* a long header of the type Retry */

    /* With one */
    assert_ptr_equal(ph_quic_route(client->q, retry, (size_t)n, &fresh), client->conn);
    ph_quic_read(client->conn, l->now, retry, (size_t)n);
    ph_quic_flush(client->conn, l->now);
    p = last_packet(l);
    assert_int_equal(ph_quic_check_token(server->q, l->now, p->data, p->len, &client->addr),
                     PH_QUIC_TOKEN_VALID);
    assert_int_equal(ph_quic_check_token(server->q, l->now, p->data, p->len, &elsewhere),
                     PH_QUIC_TOKEN_BAD);
    assert_int_equal(ph_quic_check_token(server->q, l->now, p->data, p->len, &other_port),
                     PH_QUIC_TOKEN_BAD);
    assert_int_equal(ph_quic_check_token(server->q, l->now, p->data, p->len, &v6),
                     PH_QUIC_TOKEN_BAD);
    assert_int_equal(
        ph_quic_check_token(server->q, l->now + 9 * PH_SEC, p->data, p->len, &client->addr),
        PH_QUIC_TOKEN_VALID);
    assert_int_equal(
        ph_quic_check_token(server->q, l->now + 10 * PH_SEC, p->data, p->len, &client->addr),
        PH_QUIC_TOKEN_BAD);
    /* of another endpoint's secret */
    assert_int_equal(ph_quic_check_token(client->q, l->now, p->data, p->len, &client->addr),
                     PH_QUIC_TOKEN_BAD);
    assert_int_equal(ph_quic_accept(server->q, l->now, p->data, p->len, &elsewhere, &server->config,
                                    &server->conn),
                     PH_ERR_AUTH);
    assert_null(server->conn);
    assert_int_equal(ph_quic_deadline(server->q), PH_NEVER);
    assert_int_equal(ph_quic_accept(server->q, l->now, p->data, p->len, &client->addr,
                                    &server->config, &server->conn),
                     PH_OK);
    ph_quic_flush(server->conn, l->now);
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    link_free(l);
}

/* Over IPv6 the token holds a longer address. */
static void over_ipv6(void **state)
{
    struct link *l = link_new(62, false);

    (void)state;
    assert_int_equal(ph_addr_parse("[2001:db8::1]:4000", &l->end[0].addr), PH_OK);
    l->end[1].retries = true;
    link_start(l);
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    link_free(l);
}

/* The client takes one Retry only (RFC 9000 section 17.2.5.2). */
static void a_second_retry_is_ignored(void **state)
{
    struct link *l = link_new(63, false);
    struct link_end *client = &l->end[0], *server = &l->end[1];
    const struct link_packet *p;
    uint8_t a[PH_QUIC_PACKET_MAX], b[PH_QUIC_PACKET_MAX];
    int a_len, b_len;

    (void)state;
    link_start(l);
    p = last_packet(l);
    a_len = ph_quic_retry(server->q, l->now, p->data, p->len, &client->addr, a, sizeof(a));
    b_len = ph_quic_retry(server->q, l->now, p->data, p->len, &client->addr, b, sizeof(b));
    assert_true(a_len > 0 && b_len > 0);
    ph_quic_read(client->conn, l->now, a, (size_t)a_len);
    ph_quic_flush(client->conn, l->now);
    ph_quic_read(client->conn, l->now, b, (size_t)b_len);
    ph_quic_flush(client->conn, l->now);
    l->end[1].retries = true;
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    link_free(l);
}

/* A server that is started anew with its old seed draws its old connection IDs again, one of which
 * the client now uses. */
static void a_server_that_starts_over(void **state)
{
    struct link *l = link_new(64, false);
    struct link_end *client = &l->end[0], *server = &l->end[1];
    const struct ph_rng start = server->rng;
    const struct link_packet *p;
    uint8_t a[PH_QUIC_PACKET_MAX], b[PH_QUIC_PACKET_MAX];
    int n;

    (void)state;
    link_start(l);
    p = last_packet(l);
    n = ph_quic_retry(server->q, l->now, p->data, p->len, &client->addr, a, sizeof(a));
    assert_true(n > 0);
    ph_quic_read(client->conn, l->now, a, (size_t)n);
    ph_quic_flush(client->conn, l->now);
    p = last_packet(l);
    server->rng = start;
    n = ph_quic_retry(server->q, l->now, p->data, p->len, &client->addr, b, sizeof(b));
    assert_true(n > 0);
    /* Both have our choice at offset 15, after the client's. */
    assert_memory_not_equal(a + 15, b + 15, PH_QUIC_CID_LEN);
    link_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_handshake),
        cmocka_unit_test(with_loss),
        cmocka_unit_test(tokens),
        cmocka_unit_test(over_ipv6),
        cmocka_unit_test(a_server_that_starts_over),
        cmocka_unit_test(a_second_retry_is_ignored),
    };

    return cmocka_run_group_tests_name("quic retry", tests, NULL, NULL);
}
