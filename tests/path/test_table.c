/* Candidates, the path table, demultiplexing. */
#include "path/candidate.h"
#include "path/demux.h"
#include "path/table.h"
#include "wire/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_priorities(void **state)
{
    (void)state;
    struct ph_addr v4 = ph_addr_v4(10, 0, 0, 1, 5), v6 = v4;
    v6.family = PH_AF_V6;
    static const enum ph_candidate_type order[] = {PH_CANDIDATE_HOST, PH_CANDIDATE_MAPPED,
                                                   PH_CANDIDATE_REFLEXIVE, PH_CANDIDATE_PREDICTED,
                                                   PH_CANDIDATE_RELAY};
    for (size_t i = 0; i + 1 < sizeof(order) / sizeof(order[0]); i++)
        assert_true(ph_candidate_priority(order[i], &v4, 15) >
                    ph_candidate_priority(order[i + 1], &v6, 0));
    assert_true(ph_candidate_priority(PH_CANDIDATE_HOST, &v6, 3) >
                ph_candidate_priority(PH_CANDIDATE_HOST, &v4, 0));
    /* RFC 8445 section 5.1.2.1: 2^24 * 126 + 2^8 * 32767 + 255. */
    assert_int_equal(ph_candidate_priority(PH_CANDIDATE_HOST, &v4, 0),
                     (126u << 24) + (32767u << 8) + 255u);
}

static void test_candidates(void **state)
{
    (void)state;
    struct ph_candidate_set s = {0};
    struct ph_addr host = ph_addr_v4(192, 168, 1, 2, 4000);
    struct ph_addr pub = ph_addr_v4(11, 1, 1, 1, 4000);
    struct ph_addr loop = ph_addr_v4(169, 254, 0, 1, 4000);
    assert_true(ph_candidate_add(&s, PH_CANDIDATE_HOST, &host));
    assert_false(ph_candidate_add(&s, PH_CANDIDATE_HOST, &host));
    assert_false(ph_candidate_add(&s, PH_CANDIDATE_HOST, &loop)); /* link-local */
    assert_true(ph_candidate_add(&s, PH_CANDIDATE_REFLEXIVE, &pub));
    assert_false(ph_candidate_is_public_host(&s.items[1]));
    /* Seen from outside as it is at home: no NAT, and the better type stays. */
    assert_true(ph_candidate_add(&s, PH_CANDIDATE_HOST, &pub));
    assert_false(ph_candidate_add(&s, PH_CANDIDATE_REFLEXIVE, &pub));
    assert_int_equal(s.count, 2);
    assert_true(ph_candidate_is_public_host(&s.items[1]));
    assert_false(ph_candidate_is_public_host(&s.items[0]));
    for (uint16_t i = 0; i < 8; i++) {
        struct ph_addr more = ph_addr_v4(11, 1, 1, 1, (uint16_t)(5000 + i));
        assert_true(ph_candidate_add(&s, PH_CANDIDATE_REFLEXIVE, &more) == (i < PH_REFLEXIVE_MAX));
    }
}

static void test_responses(void **state)
{
    (void)state;
    struct ph_path_table t = {0};
    struct ph_candidate c = {.type = PH_CANDIDATE_REFLEXIVE, .addr = ph_addr_v4(11, 0, 0, 1, 4000)};
    struct ph_path *p = ph_path_add_named(&t, &c);
    assert_non_null(p);
    uint8_t tid[PH_STUN_TID_LEN] = "abcdefghijk", other[PH_STUN_TID_LEN] = "bbcdefghijk";
    ph_path_note_sent(p, tid, 100);
    struct ph_addr elsewhere = ph_addr_v4(11, 0, 0, 1, 4001);
    assert_null(ph_path_take_response(&t, tid, &(struct ph_source){.addr = elsewhere},
                                      150)); /* not where it went */
    assert_null(ph_path_take_response(&t, other, &(struct ph_source){.addr = c.addr}, 150));
    assert_ptr_equal(ph_path_take_response(&t, tid, &(struct ph_source){.addr = c.addr}, 150), p);
    assert_int_equal(p->rtt, 50);
    assert_null(
        ph_path_take_response(&t, tid, &(struct ph_source){.addr = c.addr}, 160)); /* once */
}

static void test_anti_amplification(void **state)
{
    (void)state;
    struct ph_path_table t = {0};
    struct ph_addr a = ph_addr_v4(11, 0, 0, 1, 4000);
    struct ph_path *p = ph_path_add_heard(&t, &(struct ph_source){.addr = a});
    assert_false(ph_path_may_send(p, 1));
    p->bytes_in = 96;
    assert_true(ph_path_may_send(p, 288));
    assert_false(ph_path_may_send(p, 289));
    p->state = PH_PATH_VALID;
    assert_true(ph_path_may_send(p, 100000));
}

static void test_table_is_bounded(void **state)
{
    (void)state;
    struct ph_path_table t = {0};
    for (unsigned i = 0; i < PH_PATHS_MAX; i++) {
        struct ph_addr a = ph_addr_v4(11, 0, 0, 1, (uint16_t)(1 + i));
        assert_non_null(ph_path_add_heard(&t, &(struct ph_source){.addr = a}));
    }
    struct ph_addr one_more = ph_addr_v4(11, 0, 0, 2, 1);
    struct ph_addr known = ph_addr_v4(11, 0, 0, 1, 1);
    assert_null(ph_path_add_heard(&t, &(struct ph_source){.addr = one_more}));
    assert_ptr_equal(ph_path_add_heard(&t, &(struct ph_source){.addr = known}), &t.items[0]);
    struct ph_candidate multicast = {.type = PH_CANDIDATE_HOST,
                                     .addr = ph_addr_v4(224, 0, 0, 1, 1)};
    t.count = 0;
    assert_null(ph_path_add_named(&t, &multicast));
}

static void test_demux(void **state)
{
    (void)state;
    uint8_t buf[32] = {0};
    struct ph_writer w = ph_writer_init(buf, sizeof(buf));
    uint8_t tid[PH_STUN_TID_LEN] = {0};
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    assert_int_equal(ph_stun_end(&w, false), 20);
    assert_int_equal(ph_demux(buf, 20), PH_PACKET_STUN);
    buf[4] ^= 1; /* the cookie */
    assert_int_equal(ph_demux(buf, 20), PH_PACKET_UNKNOWN);
    ph_relay_frame_header(buf, 99);
    assert_int_equal(ph_demux(buf, 20), PH_PACKET_RELAY_FRAME);
    buf[0] = 0xc3;
    assert_int_equal(ph_demux(buf, 20), PH_PACKET_QUIC);
    buf[0] = 0x41;
    assert_int_equal(ph_demux(buf, 20), PH_PACKET_QUIC);
    buf[0] = 0x85;
    assert_int_equal(ph_demux(buf, 20), PH_PACKET_UNKNOWN);
    assert_int_equal(ph_demux(buf, 0), PH_PACKET_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_priorities),       cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_responses),        cmocka_unit_test(test_anti_amplification),
        cmocka_unit_test(test_table_is_bounded), cmocka_unit_test(test_demux),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
