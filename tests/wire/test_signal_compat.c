/* What newer, older and hostile peers may send; the bytes of today are in test_signal.c. */
#include "base/err.h"
#include "wire/signal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CALL_ID 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16

/* A message of these fields. */
static int decode_fields(uint16_t type, const void *fields, size_t len, struct ph_signal *out)
{
    uint8_t data[PH_SIGNAL_MAX];

    assert_true(len + 4 <= sizeof(data));
    data[0] = (uint8_t)((len + 2) >> 8);
    data[1] = (uint8_t)(len + 2);
    data[2] = (uint8_t)(type >> 8);
    data[3] = (uint8_t)type;
    memcpy(data + 4, fields, len);
    return ph_signal_decode(data, len + 4, out);
}

/* What a newer peer may send. */
static void test_forward_compatible(void **state)
{
    static const uint8_t call_id[] = {CALL_ID};
    /* clang-format off */
    static const uint8_t newer_hangup[] = {
        0x00, 0x63, 0x00, 0x03, 1, 2, 3,             /* a field that is not known */
        0x00, 0x01, 0x00, 0x12, CALL_ID, 0xaa, 0xbb, /* a call id of 18 bytes */
        0x80, 0x0d, 0x00, 0x00,                      /* not known and empty */
        0x00, 0x0d, 0x00, 0x03, 3, 9, 9,             /* a reason with something behind it */
        0x00, 0x0b, 0x00, 0x01, 1,                   /* a tag, which no hangup carries */
    };
    static const uint8_t newer_candidates[] = {
        0x00, 0x06, 0x00, 0x0c, 99, 0, 0, 0, 1, 4, 0x13, 0x88, 10, 0, 0, 1, /* of type 99 */
        0x00, 0x06, 0x00, 0x0c, 1, 0, 0, 0, 2, 9, 0x13, 0x88, 10, 0, 0, 2,  /* of family 9 */
        0x00, 0x06, 0x00, 0x06, 1, 0, 0, 0, 2, 9,                           /* and a short one */
        0x00, 0x06, 0x00, 0x0e, 2, 0, 0, 0, 3, 4, 0x13, 0x88, 10, 0, 0, 3, 7, 7, /* a longer one */
        0x00, 0x08, 0x00, 0x03, 9, 1, 2,                       /* mapped address of family 9 */
    };
    /* clang-format on */
    static const uint8_t newer_answer[] = {0x00, 0x09, 0x00, 0x01, 77}; /* mode 77 */
    static const uint8_t newer_reason[] = {0x00, 0x0d, 0x00, 0x01, 77};
    struct ph_signal m;

    (void)state;
    assert_true(decode_fields(PH_SIGNAL_HANGUP, newer_hangup, sizeof(newer_hangup), &m) > 0);
    assert_int_equal(m.type, PH_SIGNAL_HANGUP);
    assert_memory_equal(m.call_id, call_id, sizeof(call_id));
    assert_int_equal(m.reason, PH_HANGUP_BUSY);
    assert_true(m.relay_token == 0);

    assert_true(
        decode_fields(PH_SIGNAL_ICE_CANDIDATE, newer_candidates, sizeof(newer_candidates), &m) > 0);
    assert_int_equal(m.candidate_count, 1);
    assert_int_equal(m.candidates[0].type, PH_CANDIDATE_MAPPED);
    assert_int_equal(m.candidates[0].priority, 3);
    assert_int_equal(ph_addr_v4_get(&m.candidates[0].addr), 0x0a000003);
    assert_false(ph_addr_is_set(&m.mapped_addr));

    /* Nothing is given away to a mode that is not understood, and the call goes on. */
    assert_true(decode_fields(PH_SIGNAL_CALL_SETUP, newer_answer, sizeof(newer_answer), &m) > 0);
    assert_int_equal(m.mode, PH_ANSWER_PRIVACY);
    assert_true(decode_fields(PH_SIGNAL_HANGUP, newer_reason, sizeof(newer_reason), &m) > 0);
    assert_int_equal(m.reason, PH_HANGUP_NORMAL);
}

/* A type that is not known is taken as a whole, and its inside is not looked at. */
static void test_unknown_types(void **state)
{
    static const uint16_t unknown[] = {0, 8, 11, 16, 255, 0xffff};
    struct ph_signal m;

    (void)state;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        memset(&m, 0xa5, sizeof(m));
        assert_int_equal(decode_fields(unknown[i], "\0\1\xff\xff!", 5, &m), 9);
        assert_int_equal(m.type, 0);
        assert_int_equal(m.candidate_count, 0);
    }
}

static void test_too_short_values(void **state)
{
    static const uint8_t shorter[][16] = {
        {0x00, 0x01, 0x00, 0x03, 1, 2, 3},                   /* call id of 3 bytes */
        {0x00, 0x02, 0x00, 0x00},                            /* fingerprint of 0 */
        {0x00, 0x06, 0x00, 0x04, 1, 0, 0, 0},                /* candidate without priority */
        {0x00, 0x06, 0x00, 0x08, 1, 0, 0, 0, 1, 4, 1, 2},    /* without IP */
        {0x00, 0x06, 0x00, 0x0a, 1, 0, 0, 0, 1, 6, 1, 2, 3}, /* with a part of it */
        {0x00, 0x07, 0x00, 0x08, 'u', 'f', 'r', 'a', 'g'},   /* credentials without password */
        {0x00, 0x08, 0x00, 0x00},                            /* address of 0 */
        {0x00, 0x08, 0x00, 0x06, 4, 1, 2, 3, 4, 5},          /* address of 6 */
        {0x00, 0x09, 0x00, 0x00},                            /* mode of 0 */
        {0x00, 0x0a, 0x00, 0x03, 1, 2, 3},                   /* round trip of 3 */
        {0x00, 0x0b, 0x00, 0x07, 1, 2, 3, 4, 5, 6, 7},       /* tag of 7 */
    };
    struct ph_signal m;

    (void)state;
    for (size_t i = 0; i < sizeof(shorter) / sizeof(shorter[0]); i++) {
        size_t len = 4u + shorter[i][3];

        assert_int_equal(decode_fields(PH_SIGNAL_CALL_SETUP, shorter[i], len, &m), PH_ERR_FORMAT);
        assert_int_equal(m.type, 0);
        assert_int_equal(m.candidate_count, 0);
    }
}

/* Of a repeated field the last counts; lists are cut at their cap. */
static void test_repeated(void **state)
{
    static const uint8_t twice[] = {
        0x00, 0x0a, 0x00, 0x04, 0, 0, 0, 1, 0x00, 0x0a, 0x00, 0x04, 0, 0, 0, 2,
    };
    static const uint8_t candidate[] = {0x00, 0x06, 0x00, 0x0c, 1,  0, 0, 0,
                                        1,    4,    0x13, 0x88, 10, 0, 0, 1};
    static const uint8_t relay[] = {0x00, 0x05, 0x00, 0x07, 4, 0x11, 0x51, 203, 0, 113, 1};
    uint8_t many[40 * sizeof(candidate)];
    struct ph_signal m;

    (void)state;
    assert_true(decode_fields(PH_SIGNAL_CALL_SETUP, twice, sizeof(twice), &m) > 0);
    assert_int_equal(m.relay_rtt_ms, 2);
    for (size_t i = 0; i < 40; i++) {
        memcpy(many + i * sizeof(candidate), candidate, sizeof(candidate));
        many[(i + 1) * sizeof(candidate) - 1] = (uint8_t)i;
    }
    assert_true(decode_fields(PH_SIGNAL_CALL_SETUP, many, sizeof(many), &m) > 0);
    assert_int_equal(m.candidate_count, PH_SIGNAL_CANDIDATES_MAX);
    assert_int_equal(m.candidates[15].addr.ip[3], 15);
    for (size_t i = 0; i < 40; i++)
        memcpy(many + i * sizeof(relay), relay, sizeof(relay));
    assert_true(decode_fields(PH_SIGNAL_REGISTER_PRESENCE_ACK, many, 40 * sizeof(relay), &m) > 0);
    assert_int_equal(m.relay_count, PH_SIGNAL_RELAYS_MAX);
}

/* A region is printable ASCII and always ends in NUL. */
static void test_region(void **state)
{
    static const struct {
        const char *value;
        size_t len;
        const char *want;
    } cases[] = {
        {"", 0, ""},
        {"eu", 2, "eu"},
        {"a\0b\x1b[31m\x7f\xc3\xa4", 11, "a?b?[31m???"},
        {"0123456789012345678901234567890", 31, "0123456789012345678901234567890"},
        {"01234567890123456789012345678901234", 35, "0123456789012345678901234567890"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t field[64] = {0x00, 0x04, 0x00, (uint8_t)cases[i].len};
        struct ph_signal m;

        memcpy(field + 4, cases[i].value, cases[i].len);
        assert_true(decode_fields(PH_SIGNAL_REGISTER_PRESENCE_ACK, field, 4 + cases[i].len, &m) >
                    0);
        assert_string_equal(m.region, cases[i].want);
    }
}

/* Relays of an ack with their regions: an older relay's has none, a newer one's may have more. */
static void test_relay_regions(void **state)
{
    /* clang-format off */
    static const uint8_t relays[] = {
        0x00, 0x05, 0x00, 0x07, 4, 0x11, 0x51, 203, 0, 113, 1,                /* older */
        0x00, 0x05, 0x00, 0x0a, 4, 0x11, 0x51, 203, 0, 113, 2, 2, 'e', 'u',
        0x00, 0x05, 0x00, 0x06, 9, 1, 2, 3, 4, 5,                             /* of family 9 */
        0x00, 0x05, 0x00, 0x08, 4, 0x11, 0x51, 203, 0, 113, 3, 0,             /* an empty one */
        0x00, 0x05, 0x00, 0x0d, 4, 0x11, 0x51, 203, 0, 113, 4, 3, 'u', 0x1b, 's', 9, 9, /* newer */
    };
    static const uint8_t overrun[] = {
        0x00, 0x05, 0x00, 0x0a, 4, 0x11, 0x51, 203, 0, 113, 2, 3, 'e', 'u',
    };
    /* clang-format on */
    static const char *const want[] = {"", "eu", "", "u?s"};
    uint8_t longest[4 + 7 + 1 + 255] = {0x00, 0x05, 0x01, 0x07, 4, 0x11, 0x51, 203, 0, 113, 1, 255};
    struct ph_signal m;

    (void)state;
    assert_true(decode_fields(PH_SIGNAL_REGISTER_PRESENCE_ACK, relays, sizeof(relays), &m) > 0);
    assert_int_equal(m.relay_count, 4);
    for (size_t i = 0; i < m.relay_count; i++) {
        assert_string_equal(m.relay_regions[i], want[i]);
        assert_int_equal(m.relays[i].ip[3], i + 1);
    }
    assert_int_equal(decode_fields(PH_SIGNAL_REGISTER_PRESENCE_ACK, overrun, sizeof(overrun), &m),
                     PH_ERR_FORMAT);
    memset(longest + 12, 'x', 255);
    assert_true(decode_fields(PH_SIGNAL_REGISTER_PRESENCE_ACK, longest, sizeof(longest), &m) > 0);
    assert_int_equal(strlen(m.relay_regions[0]), PH_SIGNAL_REGION_MAX - 1);
}

static void test_bad_lengths(void **state)
{
    static const struct {
        uint8_t bytes[4];
        size_t len;
        int err;
    } cases[] = {
        {{0x00, 0x00}, 2, PH_ERR_FORMAT},
        {{0x00, 0x01}, 2, PH_ERR_FORMAT},
        {{0x00, 0x02}, 2, PH_ERR_SHORT},
        {{0x0f, 0xfe}, 2, PH_ERR_SHORT},
        {{0x0f, 0xff}, 2, PH_ERR_FORMAT},
        {{0xff, 0xff}, 2, PH_ERR_FORMAT},
        {{0x00}, 1, PH_ERR_SHORT},
        {{0x00, 0x02, 0x00, 0x0c}, 4, 4},
        {{0x00, 0x02, 0x00, 0x0c}, 3, PH_ERR_SHORT},
    };
    struct ph_signal m;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(ph_signal_decode(cases[i].bytes, cases[i].len, &m), cases[i].err);
    assert_int_equal(ph_signal_decode(NULL, 0, &m), PH_ERR_SHORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_lengths),   cmocka_unit_test(test_forward_compatible),
        cmocka_unit_test(test_unknown_types), cmocka_unit_test(test_too_short_values),
        cmocka_unit_test(test_repeated),      cmocka_unit_test(test_region),
        cmocka_unit_test(test_relay_regions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
