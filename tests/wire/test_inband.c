/* What peers say inside their own datagrams, byte for byte. */
#include "wire/inband.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_media(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {
        1,                       /* kind: media */
        1,                       /* lane: direct */
        0, 0, 0, 0, 0, 0, 1, 2,  /* number */
        0, 0, 0, 0, 0, 0, 0, 20, /* sent_us */
        0, 0, 0, 3,              /* epoch */
        0, 0,                    /* filling */
    };
    const struct ph_inband m = {
        .kind = PH_INBAND_MEDIA, .lane = PH_LANE_DIRECT, .number = 258, .sent_us = 20, .epoch = 3};
    uint8_t out[64];
    struct ph_inband back;
    assert_int_equal(ph_inband_encode(&m, sizeof(bytes), out, sizeof(out)), sizeof(bytes));
    assert_memory_equal(out, bytes, sizeof(bytes));
    assert_int_equal(ph_inband_decode(bytes, sizeof(bytes), &back), PH_OK);
    assert_int_equal(back.number, 258);
    assert_int_equal(back.sent_us, 20);
    assert_int_equal(back.epoch, 3);
    assert_int_equal(back.lane, PH_LANE_DIRECT);
    /* One that names no epoch is of none. */
    assert_int_equal(ph_inband_decode(bytes, 18, &back), PH_OK);
    assert_int_equal(back.epoch, 0);
    assert_int_equal(ph_inband_decode(bytes, 17, &back), PH_ERR_SHORT);
    /* A frame is never shorter than its fields. */
    assert_int_equal(ph_inband_encode(&m, 1, out, sizeof(out)), PH_INBAND_MEDIA_HEADER_LEN);
    assert_int_equal(ph_inband_encode(&m, 1, out, PH_INBAND_MEDIA_HEADER_LEN - 1), PH_ERR_SPACE);
}

static void test_words(void **state)
{
    (void)state;
    static const enum ph_inband_kind kinds[] = {PH_INBAND_PROBE, PH_INBAND_PUNCHING,
                                                PH_INBAND_HEARD, PH_INBAND_DEAF, PH_INBAND_PAUSE};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct ph_inband m = {.kind = kinds[i], .number = 7};
        const uint8_t bytes[] = {(uint8_t)kinds[i], 0, 0, 0, 0, 0, 0, 0, 0, 7};
        uint8_t out[64];
        struct ph_inband back;
        assert_int_equal(ph_inband_encode(&m, 0, out, sizeof(out)), sizeof(bytes));
        assert_memory_equal(out, bytes, sizeof(bytes));
        assert_int_equal(ph_inband_decode(bytes, sizeof(bytes), &back), PH_OK);
        assert_int_equal(back.kind, kinds[i]);
        assert_int_equal(back.number, 7);
    }
}

static void test_echo(void **state)
{
    (void)state;
    static const uint8_t head[] = {3, 1, 0, 0, 0, 0, 0, 0, 0, 9};
    struct ph_inband back;
    const struct ph_inband m = {.kind = PH_INBAND_ECHO,
                                .lane = PH_LANE_DIRECT,
                                .number = 9,
                                .seen = ph_addr_v4(192, 0, 2, 1, 256)};
    uint8_t out[64];
    int len = ph_inband_encode(&m, 0, out, sizeof(out));
    assert_int_equal(len, PH_INBAND_ECHO_LEN);
    assert_int_equal(ph_inband_decode(out, (size_t)len, &back), PH_OK);
    assert_true(ph_addr_eq(&back.seen, &m.seen));
    assert_memory_equal(out, head, sizeof(head));
    assert_memory_equal(out + 11, ((uint8_t[]){1, 0}), 2);
}

static void test_unknown(void **state)
{
    (void)state;
    struct ph_inband back;
    const uint8_t newer[] = {200, 0, 0, 0, 0, 0, 0, 0, 0, 1, 99};
    assert_int_equal(ph_inband_decode(newer, sizeof(newer), &back), PH_OK);
    assert_int_equal(back.kind, 0);
    const uint8_t lane[] = {1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(ph_inband_decode(lane, sizeof(lane), &back), PH_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
