/* The parts without ngtcp2: the map of connection IDs, the send buffer, the inbox. */
#include "base/err.h"
#include "base/rng.h"
#include "quic/cid_map.h"
#include "quic/inbox.h"
#include "quic/send_buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* The paper's appendix A: key 00 01 .. 0f, message 00 01 .. 0e. */
static void siphash_vector(void **state)
{
    const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t message[15];

    (void)state;
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)i;
    assert_true(ph_siphash(key, message, sizeof(message)) == 0xa129ca6149be45e5);
    assert_true(ph_siphash(key, message, 0) == 0x726fdb47dd0e0e31);
    assert_true(ph_siphash(key, message, 8) == 0x93f5f5799a932462);
}

static struct ph_quic_conn *conn_no(size_t i)
{
    static char places[2000];

    return (struct ph_quic_conn *)(void *)&places[i];
}

static void map_finds_what_was_added(void **state)
{
    static const uint8_t key[16] = {1};
    struct ph_cid_map map;
    struct ph_cid_entry *lists[4] = {NULL};
    uint8_t cid[PH_CID_MAX + 1] = {0};

    (void)state;
    ph_cid_map_init(&map, key);
    assert_null(ph_cid_map_find(&map, cid, 8));
    for (size_t i = 0; i < 2000; i++) {
        cid[0] = (uint8_t)i;
        cid[1] = (uint8_t)(i >> 8);
        assert_int_equal(ph_cid_map_add(&map, cid, 8 + i % 13, conn_no(i), &lists[i % 4]), PH_OK);
        assert_int_equal(ph_cid_map_add(&map, cid, 8 + i % 13, conn_no(0), &lists[0]),
                         PH_ERR_INVAL);
    }
    ph_cid_map_remove_all(&map, &lists[1]);
    cid[0] = 2;
    cid[1] = 0;
    ph_cid_map_remove(&map, cid, 10, &lists[2]);
    ph_cid_map_remove(&map, cid, 10, &lists[2]); /* again: nothing happens */
    for (size_t i = 0; i < 2000; i++) {
        struct ph_quic_conn *want = i % 4 == 1 || i == 2 ? NULL : conn_no(i);
        cid[0] = (uint8_t)i;
        cid[1] = (uint8_t)(i >> 8);
        assert_ptr_equal(ph_cid_map_find(&map, cid, 8 + i % 13), want);
        assert_null(ph_cid_map_find(&map, cid, 8 + (i + 1) % 13));
    }
    assert_int_equal(map.count, 1499);
    assert_int_equal(ph_cid_map_add(&map, cid, PH_CID_MAX + 1, conn_no(0), &lists[0]),
                     PH_ERR_INVAL);
    assert_null(ph_cid_map_find(&map, cid, PH_CID_MAX + 1));
    ph_cid_map_fini(&map);
}

/* Random adds, sends and acknowledgements against a plain array. */
static void send_buffer_keeps_order(void **state)
{
    static uint8_t truth[400000];
    struct ph_send_buf b = {0};
    struct ph_rng rng;
    size_t added = 0, sent = 0, acked = 0;

    (void)state;
    ph_rng_seed(&rng, 5);
    ph_rng_fill(&rng, truth, sizeof(truth));
    while (acked < sizeof(truth)) {
        struct ph_send_piece pieces[3];
        size_t n = (size_t)ph_rng_below(&rng, 6000), count, seen = 0;

        n = n < sizeof(truth) - added ? n : sizeof(truth) - added;
        if (ph_send_buf_add(&b, truth + added, n) == PH_OK)
            added += n;
        else
            assert_true(added - sent + n > PH_SEND_BUF_MAX);
        assert_int_equal(ph_send_buf_unsent(&b), added - sent);
        count = ph_send_buf_peek(&b, pieces, 3);
        for (size_t i = 0; i < count; i++) {
            assert_memory_equal(pieces[i].data, truth + sent + seen, pieces[i].len);
            seen += pieces[i].len;
        }
        assert_true(seen > 0 || sent == added);
        n = (size_t)ph_rng_below(&rng, seen + 1);
        ph_send_buf_sent(&b, n);
        sent += n;
        acked += (size_t)ph_rng_below(&rng, sent - acked + 1);
        ph_send_buf_acked(&b, acked);
    }
    ph_send_buf_fini(&b);
    assert_int_equal(ph_send_buf_add(&b, truth, 100), PH_OK);
    ph_send_buf_fini(&b);
}

static void inbox_keeps_order_and_cap(void **state)
{
    static uint8_t big[PH_INBOX_MAX];
    struct ph_inbox in = {0};
    struct ph_inbox_item *item;

    (void)state;
    assert_null(ph_inbox_take(&in));
    assert_int_equal(ph_inbox_add(&in, PH_INBOX_STATE, 7, NULL, 0), PH_OK);
    assert_int_equal(ph_inbox_add(&in, PH_INBOX_STREAM, 0, big, sizeof(big) - 1), PH_OK);
    assert_int_equal(ph_inbox_add(&in, PH_INBOX_DATAGRAM, 0, big, 2), PH_ERR_SPACE);
    assert_int_equal(ph_inbox_add(&in, PH_INBOX_DATAGRAM, 0, big, 1), PH_OK);
    assert_int_equal(ph_inbox_add(&in, PH_INBOX_STATE, 8, NULL, 0), PH_OK);
    item = ph_inbox_take(&in);
    assert_int_equal(item->kind, PH_INBOX_STATE);
    assert_int_equal(item->state, 7);
    free(item);
    item = ph_inbox_take(&in);
    assert_int_equal(item->kind, PH_INBOX_STREAM);
    assert_int_equal(item->len, sizeof(big) - 1);
    free(item);
    assert_int_equal(in.bytes, 1);
    ph_inbox_fini(&in);
    assert_null(ph_inbox_take(&in));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_vector),
        cmocka_unit_test(map_finds_what_was_added),
        cmocka_unit_test(send_buffer_keeps_order),
        cmocka_unit_test(inbox_keeps_order_and_cap),
    };

    return cmocka_run_group_tests_name("quic parts", tests, NULL, NULL);
}
