/* What two peers tell each other of their call's quality: today's bytes, and what newer or hostile
 * ones send. */
#include "base/err.h"
#include "wire/inband.h"
#include "wire/quality.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        struct ph_quality_message m;
        uint8_t bytes[64];
        int len;
    } rows[] = {
        {{.type = PH_MEDIA_PATH_REPORT, .path = {true, 1, 50, 49, 2, 20, 1500, 30400}},
         {0, 40, 0, 10,                                             /* length, MediaPathReport */
          0, 1,  0, 2,  1, 1,                                       /* direct, punch */
          0, 2,  0, 12, 0, 0, 0,   50,  0, 0, 0, 49, 0, 0, 0, 2,    /* sent, received, twice */
          0, 3,  0, 12, 0, 0, 118, 192, 0, 0, 0, 20, 0, 0, 5, 220}, /* rtt, loss, jitter */
         42},
        {{.type = PH_QUALITY_REPORT, .report = {true, 0, 1000, 0, 1, 2}},
         {0, 33, 0, 11,                                       /* length, QualityReport */
          0, 4,  0, 1,  1,                                    /* measured */
          0, 3,  0, 12, 0, 0, 0, 0, 0, 0, 3, 232, 0, 0, 0, 0, /* rtt, loss, jitter */
          0, 5,  0, 1,  1,                                    /* profile */
          0, 6,  0, 1,  2},                                   /* wanted */
         35},
        {{.type = PH_QUALITY_PROPOSE, .propose = {7, 1, 300}},
         {0, 27, 0, 17,                           /* length, QualityPropose */
          0, 7,  0, 4,  0, 0, 0, 7,               /* number */
          0, 5,  0, 1,  1,                        /* profile */
          0, 8,  0, 8,  0, 0, 0, 0, 0, 0, 1, 44}, /* frame */
         29},
        /* What is at its default is not sent. */
        {{.type = PH_QUALITY_ACK, .ack = {7, 0, 0}}, {0, 10, 0, 18, 0, 7, 0, 4, 0, 0, 0, 7}, 12},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t out[PH_QUALITY_MESSAGE_MAX];
        struct ph_quality_message back;
        assert_int_equal(ph_quality_encode(&rows[i].m, out, sizeof(out)), rows[i].len);
        assert_memory_equal(out, rows[i].bytes, (size_t)rows[i].len);
        assert_int_equal(ph_quality_decode(out, sizeof(out), &back), rows[i].len);
        assert_int_equal(back.type, rows[i].m.type);
        uint8_t again[PH_QUALITY_MESSAGE_MAX];
        assert_int_equal(ph_quality_encode(&back, again, sizeof(again)), rows[i].len);
        assert_memory_equal(again, out, (size_t)rows[i].len);
        for (int n = 0; n < rows[i].len; n++)
            assert_int_equal(ph_quality_decode(out, (size_t)n, &back), PH_ERR_SHORT);
        for (int n = 0; n < rows[i].len; n++)
            assert_int_equal(ph_quality_encode(&rows[i].m, out, (size_t)n), PH_ERR_SPACE);
    }
}

static void test_newer_peers(void **state)
{
    (void)state;
    struct ph_quality_message m;
    /* An unknown field before the known one, and a value that has grown. */
    static const uint8_t newer[] = {0, 17, 0, 17, 1, 0, 0, 2, 9, 9, 0, 7, 0, 5, 0, 0, 0, 3, 8};
    assert_int_equal(ph_quality_decode(newer, sizeof(newer), &m), sizeof(newer));
    assert_int_equal(m.type, PH_QUALITY_PROPOSE);
    assert_int_equal(m.propose.number, 3);
    assert_int_equal(m.propose.profile, 0); /* missing */
    /* A type that is not known is taken. */
    static const uint8_t unknown[] = {0, 6, 0, 99, 0, 1, 0, 0};
    assert_int_equal(ph_quality_decode(unknown, sizeof(unknown), &m), sizeof(unknown));
    assert_int_equal(m.type, 0);
}

static void test_hostile(void **state)
{
    (void)state;
    struct ph_quality_message m = {.type = PH_QUALITY_ACK};
    static const uint8_t long_one[] = {0, PH_QUALITY_MESSAGE_MAX - 1, 0, 17};
    static const uint8_t empty[] = {0, 0};
    static const uint8_t past_the_end[] = {0, 6, 0, 17, 0, 7, 0, 9};
    static const uint8_t cut_value[] = {0, 8, 0, 17, 0, 7, 0, 2, 1, 1};
    assert_int_equal(ph_quality_decode(long_one, sizeof(long_one), &m), PH_ERR_FORMAT);
    assert_int_equal(m.type, 0);
    assert_int_equal(ph_quality_decode(empty, sizeof(empty), &m), PH_ERR_FORMAT);
    assert_int_equal(ph_quality_decode(past_the_end, sizeof(past_the_end), &m), PH_ERR_FORMAT);
    assert_int_equal(ph_quality_decode(cut_value, sizeof(cut_value), &m), PH_ERR_FORMAT);
    uint8_t out[PH_QUALITY_MESSAGE_MAX];
    m = (struct ph_quality_message){0};
    assert_int_equal(ph_quality_encode(&m, out, sizeof(out)), PH_ERR_INVAL);
}

static void test_inside_a_datagram(void **state)
{
    (void)state;
    static const uint8_t body[] = {1, 2, 3, 4};
    struct ph_inband m = {.kind = PH_INBAND_QUALITY, .number = 5, .body = body, .body_len = 4},
                     back;
    uint8_t out[32];
    assert_int_equal(ph_inband_encode(&m, 0, out, 13), PH_ERR_SPACE);
    assert_int_equal(ph_inband_encode(&m, 0, out, sizeof(out)), PH_INBAND_HEADER_LEN + 4);
    assert_int_equal(ph_inband_decode(out, PH_INBAND_HEADER_LEN + 4, &back), PH_OK);
    assert_int_equal(back.kind, PH_INBAND_QUALITY);
    assert_int_equal(back.number, 5);
    assert_int_equal(back.body_len, 4);
    assert_memory_equal(back.body, body, 4);
    assert_int_equal(ph_inband_decode(out, PH_INBAND_HEADER_LEN, &back), PH_OK);
    assert_int_equal(back.body_len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_newer_peers),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_inside_a_datagram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
