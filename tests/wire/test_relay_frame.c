#include "base/err.h"
#include "wire/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t frame[] = {
    0x21,                                           /* frame, version 1 */
    0x81, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /* tag */
    0x40, 0xaa, 0xbb,                               /* payload */
};

static void test_header(void **state)
{
    uint8_t out[PH_RELAY_FRAME_OVERHEAD + 1];

    (void)state;
    out[PH_RELAY_FRAME_OVERHEAD] = 0xee;
    ph_relay_frame_header(out, 0x8102030405060708u);
    assert_memory_equal(out, frame, PH_RELAY_FRAME_OVERHEAD);
    assert_int_equal(out[PH_RELAY_FRAME_OVERHEAD], 0xee);
}

static void test_parse(void **state)
{
    const uint8_t *payload;
    size_t payload_len;
    uint64_t tag;

    (void)state;
    assert_int_equal(ph_relay_frame_parse(frame, sizeof(frame), &tag, &payload, &payload_len),
                     PH_OK);
    assert_true(tag == 0x8102030405060708u);
    assert_ptr_equal(payload, frame + 9);
    assert_int_equal(payload_len, 3);
    /* A frame may be empty: it shows the relay an address and nothing more. */
    assert_int_equal(ph_relay_frame_parse(frame, 9, &tag, &payload, &payload_len), PH_OK);
    assert_int_equal(payload_len, 0);
    for (size_t len = 0; len < 9; len++) {
        assert_int_equal(ph_relay_frame_parse(frame, len, &tag, &payload, &payload_len),
                         PH_ERR_SHORT);
        assert_true(tag == 0);
        assert_null(payload);
        assert_int_equal(payload_len, 0);
    }
}

/* Of all first bytes: which are frames, which of our version, and none is STUN's or QUIC's. */
static void test_first_byte(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t data[32] = {(uint8_t)first, [4] = 0x21, 0x12, 0xa4, 0x42};
        const uint8_t *payload;
        size_t payload_len;
        uint64_t tag;
        bool looks = ph_relay_frame_looks_like(data, sizeof(data));

        assert_int_equal(looks, first >> 4 == 2);
        assert_int_equal(ph_relay_frame_parse(data, sizeof(data), &tag, &payload, &payload_len),
                         first == 0x21 ? PH_OK : PH_ERR_FORMAT);
        if (looks) {
            assert_int_equal(first & 0x40, 0);
            assert_true(first > 3);
        }
    }
    assert_false(ph_relay_frame_looks_like(NULL, 0));
}

static void test_notice(void **state)
{
    static const uint8_t bytes[] = {0x22, 0x81, 2, 3, 4, 5, 6, 7, 8, 'n', 'e', 'w'};
    uint8_t out[PH_RELAY_NOTICE_LEN];
    uint64_t tag;

    (void)state;
    ph_relay_notice_write(out, 0x8102030405060708u);
    assert_memory_equal(out, bytes, sizeof(out));
    assert_true(ph_relay_notice_parse(bytes, sizeof(bytes), &tag));
    assert_true(tag == 0x8102030405060708u);
    assert_true(ph_relay_notice_parse(bytes, sizeof(out), &tag));
    for (size_t len = 0; len < sizeof(out); len++) {
        assert_false(ph_relay_notice_parse(bytes, len, &tag));
    }
    assert_false(ph_relay_notice_parse(frame, sizeof(frame), &tag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_first_byte),
        cmocka_unit_test(test_notice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
