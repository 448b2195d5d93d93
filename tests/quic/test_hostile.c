/* Garbage, truncation, corruption and replay, at every door. */
#include "tests/quic/link.h"

static void offer(struct link *l, int to, const uint8_t *data, size_t len)
{
    struct link_end *e = &l->end[to];
    uint8_t out[PH_QUIC_PACKET_MAX];
    /* An exact allocation, so that the sanitizer sees a read past the end. */
    uint8_t *copy = malloc(len > 0 ? len : 1);
    struct ph_quic_conn *c, *made = NULL;
    bool fresh;

    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    c = ph_quic_route(e->q, copy, len, &fresh);
    assert_false(c != NULL && fresh);
    (void)ph_quic_is_short_header(copy, len);
    (void)ph_quic_check_token(e->q, l->now, copy, len, &l->end[1 - to].addr);
    (void)ph_quic_retry(e->q, l->now, copy, len, &l->end[1 - to].addr, out, sizeof(out));
    if (e->conn != NULL) {
        ph_quic_read(e->conn, l->now, copy, len);
        ph_quic_flush(e->conn, l->now);
    }
    if (c == NULL && ph_quic_accept(e->q, l->now, copy, len, NULL, &e->config, &made) == PH_OK) {
        ph_quic_flush(made, l->now);
        ph_quic_conn_free(made);
    } else {
        assert_null(made);
    }
    free(copy);
}

static void garbage_before_during_and_after(void **state)
{
    static const uint8_t version_and_length[] = {0, 0, 0, 1, 8}; /* of the connection ID */
    struct link *l = link_new(80, false);
    struct ph_rng rng;
    uint8_t junk[1500];

    (void)state;
    ph_rng_seed(&rng, 80);
    for (int phase = 0; phase < 3; phase++) {
        for (int i = 0; i < 2000; i++) {
            size_t len = (size_t)ph_rng_below(&rng, sizeof(junk));
            ph_rng_fill(&rng, junk, len);
            if (len > 5 && i % 2 == 0) { /* one that looks like an Initial of version 1 */
                junk[0] = (uint8_t)(0xc0 | (junk[0] & 0x0f));
                memcpy(junk + 1, version_and_length, sizeof(version_and_length));
            }
            offer(l, 1, junk, len);
            if (l->end[0].conn != NULL)
                offer(l, 0, junk, len);
        }
        if (phase == 0) {
            link_start(l);
            link_run_for(l, 15 * PH_MS);
        } else if (phase == 1) {
            link_run_for(l, PH_SEC);
            link_assert_open(l);
        }
    }
    link_assert_open(l);
    link_free(l);
}

/* Each packet of a handshake also comes cut off at every length, corrupted and twice. The server
 * that is fed the real thing as well must get through. */
static void bad_copies_of_real_packets(void **state)
{
    struct link *l = link_new(81, false);
    struct ph_rng rng;
    int seen = 0;

    (void)state;
    ph_rng_seed(&rng, 81);
    l->end[1].config.accept_peer = link_accept_peer;
    link_start(l);
    while (l->queued > 0 && seen < 40) {
        struct link_packet *p = l->queue[0];
        memmove(l->queue, l->queue + 1, --l->queued * sizeof(l->queue[0]));
        l->now = ph_max_ns(l->now, p->at);
        if (l->end[p->to].conn != NULL) {
            for (size_t len = 0; len < p->len; len += 1 + len / 20)
                ph_quic_read(l->end[p->to].conn, l->now, p->data, len);
            for (int i = 0; i < 20; i++) {
                uint8_t copy[PH_QUIC_PACKET_MAX];
                size_t at = (size_t)ph_rng_below(&rng, p->len);
                memcpy(copy, p->data, p->len);
                copy[at] ^= (uint8_t)(1 + ph_rng_below(&rng, 255));
                ph_quic_read(l->end[p->to].conn, l->now, copy, p->len);
            }
        }
        link_input(l, p->to, p->data, p->len);
        link_input(l, p->to, p->data, p->len);
        free(p);
        seen++;
    }
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    link_free(l);
}

/* Not authenticated, and there is no other version to go to. */
static void version_negotiation_is_ignored(void **state)
{
    static const uint8_t version_2[] = {0x6b, 0x33, 0x43, 0xcf};
    struct link *l = link_new(82, false);
    struct link_end *client = &l->end[0];
    uint8_t vn[64] = {0x80, 0, 0, 0, 0, PH_QUIC_CID_LEN};
    const struct link_packet *p;

    (void)state;
    link_start(l);
    p = l->queue[0];
    /* Initial: flags, version, DCID (its length before it), SCID (same): swapped in the answer. */
    assert_int_equal(p->data[5], PH_QUIC_CID_LEN);
    assert_int_equal(p->data[14], PH_QUIC_CID_LEN);
    memcpy(vn + 6, p->data + 15, PH_QUIC_CID_LEN);
    vn[14] = PH_QUIC_CID_LEN;
    memcpy(vn + 15, p->data + 6, PH_QUIC_CID_LEN);
    memcpy(vn + 23, version_2, sizeof(version_2));
    ph_quic_read(client->conn, l->now, vn, 27);
    ph_quic_flush(client->conn, l->now);
    assert_int_equal(ph_quic_conn_state(client->conn), PH_QUIC_HANDSHAKE);
    link_run_for(l, PH_SEC);
    link_assert_open(l);
    link_free(l);
}

/* RFC 9000 section 14.1: an Initial in less than 1200 bytes is no beginning; nor is one whose fixed
 * bit is clear or whose version is not ours. */
static void what_is_no_beginning(void **state)
{
    struct link *l = link_new(83, false);
    struct ph_quic *q = l->end[1].q;
    struct ph_quic_conn *c;
    uint8_t copy[PH_QUIC_PACKET_MAX];
    const struct link_packet *p;
    bool fresh;

    (void)state;
    link_start(l);
    p = l->queue[0];
    assert_int_equal(p->len, PH_QUIC_PACKET_MAX);
    assert_null(ph_quic_route(q, p->data, p->len, &fresh));
    assert_true(fresh);
    assert_null(ph_quic_route(q, p->data, p->len - 1, &fresh));
    assert_false(fresh);
    memcpy(copy, p->data, p->len);
    copy[0] &= 0xbf;
    assert_null(ph_quic_route(q, copy, p->len, &fresh));
    assert_false(fresh);
    copy[0] |= 0x40;
    copy[4] = 2;
    assert_null(ph_quic_route(q, copy, p->len, &fresh));
    assert_false(fresh);
    assert_int_equal(ph_quic_accept(q, l->now, copy, p->len, NULL, &l->end[1].config, &c),
                     PH_ERR_FORMAT);
    /* A proper header before bytes that do not decrypt: nothing is kept. */
    memcpy(copy, p->data, p->len);
    copy[600] ^= 1;
    assert_int_equal(ph_quic_accept(q, l->now, copy, p->len, NULL, &l->end[1].config, &c),
                     PH_ERR_PROTO);
    assert_null(c);
    assert_int_equal(ph_quic_deadline(q), PH_NEVER);
    assert_null(ph_quic_route(q, p->data, p->len, &fresh));
    assert_true(fresh);
    assert_true(ph_quic_is_short_header((const uint8_t *)"\x40", 1));
    assert_false(ph_quic_is_short_header((const uint8_t *)"\xc0", 1));
    assert_false(ph_quic_is_short_header((const uint8_t *)"\x01", 1));
    assert_false(ph_quic_is_short_header(NULL, 0));
    link_free(l);
}

/* RFC 9000 section 7.2: the first Destination Connection ID has at least 8 bytes, also where there
 * is a token. */
static void a_short_connection_id(void **state)
{
    static const uint8_t head[] = {
        0xc1, 0,    0, 0, 1,          /* Initial, packet number of 2 bytes; version 1 */
        7,    1,    2, 3, 4, 5, 6, 7, /* Destination Connection ID */
        0,                            /* Source Connection ID: none */
        1,    0xaa,                   /* token: 1 byte */
        0x44, 0x9e,                   /* length: the 1182 bytes that follow */
    };
    struct link *l = link_new(85, false);
    uint8_t packet[PH_QUIC_PACKET_MAX] = {0}, out[PH_QUIC_PACKET_MAX];
    struct ph_quic *q = l->end[1].q;
    struct ph_quic_conn *c;
    bool fresh;

    (void)state;
    assert_int_equal(sizeof(head) + 1182, sizeof(packet));
    memcpy(packet, head, sizeof(head));
    assert_null(ph_quic_route(q, packet, sizeof(packet), &fresh));
    assert_false(fresh);
    assert_int_equal(ph_quic_check_token(q, l->now, packet, sizeof(packet), &l->end[0].addr),
                     PH_QUIC_TOKEN_BAD);
    assert_int_equal(
        ph_quic_retry(q, l->now, packet, sizeof(packet), &l->end[0].addr, out, sizeof(out)),
        PH_ERR_FORMAT);
    assert_int_equal(ph_quic_accept(q, l->now, packet, sizeof(packet), NULL, &l->end[1].config, &c),
                     PH_ERR_FORMAT);
    /* One byte more, and it is a beginning, though one with a token that is not ours. */
    packet[5] = 8;
    packet[13] = 8;
    memcpy(packet + 14, head + 13, sizeof(head) - 13);
    packet[18] = 0x9d;
    assert_null(ph_quic_route(q, packet, sizeof(packet), &fresh));
    assert_true(fresh);
    assert_int_equal(ph_quic_check_token(q, l->now, packet, sizeof(packet), &l->end[0].addr),
                     PH_QUIC_TOKEN_BAD);
    link_free(l);
}

/* An Initial that comes from a spoofed address: the server may send three times as much and no
 * more (RFC 9000 section 8.1), whatever its timers say. */
static void amplification(void **state)
{
    struct link *l = link_new(84, false);
    struct link_end *server = &l->end[1];
    uint64_t before;

    (void)state;
    link_start(l);
    l->cut[0] = l->cut[1] = true;
    before = l->sent;
    link_run_for(l, 10 * PH_MS);
    assert_non_null(server->conn);
    for (int i = 0; i < 2000 && ph_quic_conn_deadline(server->conn) != PH_NEVER; i++) {
        l->now = ph_max_ns(l->now, ph_quic_conn_deadline(server->conn));
        ph_quic_on_timer(server->q, l->now);
    }
    assert_in_range(l->sent - before, 1, 3);
    assert_int_equal(ph_quic_conn_error(server->conn), PH_ERR_TIMEOUT);
    link_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_before_during_and_after),
        cmocka_unit_test(bad_copies_of_real_packets),
        cmocka_unit_test(version_negotiation_is_ignored),
        cmocka_unit_test(what_is_no_beginning),
        cmocka_unit_test(a_short_connection_id),
        cmocka_unit_test(amplification),
    };

    return cmocka_run_group_tests_name("quic hostile", tests, NULL, NULL);
}
