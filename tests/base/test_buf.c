#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t sample[] = {
    0x01,                                           /* u8 */
    0x02, 0x03,                                     /* u16 */
    0x84, 0x05, 0x06, 0x07,                         /* u32 */
    0x88, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, /* u64 */
    0x10, 0x11, 0x12,                               /* bytes */
};

static void test_read(void **state)
{
    struct ph_reader r = ph_reader_init(sample, sizeof(sample));
    uint8_t two[2];

    (void)state;
    assert_int_equal(ph_read_u8(&r), 0x01);
    assert_int_equal(ph_read_u16(&r), 0x0203);
    assert_int_equal(ph_read_u32(&r), 0x84050607u);
    assert_true(ph_read_u64(&r) == 0x88090a0b0c0d0e0fu);
    assert_int_equal(ph_reader_left(&r), 3);
    assert_ptr_equal(ph_read_bytes(&r, 1), sample + 15);
    ph_read_copy(&r, two, 2);
    assert_memory_equal(two, "\x11\x12", 2);
    assert_int_equal(ph_reader_left(&r), 0);
    assert_false(r.bad);
    assert_non_null(ph_read_bytes(&r, 0)); /* nothing is always there */
    assert_false(r.bad);
}

/* Once a value does not fit, nothing moves any more, also where a smaller one would fit. */
static void test_read_is_sticky(void **state)
{
    (void)state;
    for (size_t len = 0; len < 8; len++) {
        struct ph_reader r = ph_reader_init(sample, len);
        uint8_t copy[4] = {9, 9, 9, 9};

        assert_true(ph_read_u64(&r) == 0);
        assert_true(r.bad);
        assert_int_equal(ph_reader_left(&r), 0);
        assert_int_equal(ph_read_u8(&r), 0);
        assert_int_equal(ph_read_u16(&r), 0);
        assert_int_equal(ph_read_u32(&r), 0);
        assert_null(ph_read_bytes(&r, 0));
        ph_read_copy(&r, copy, sizeof(copy));
        assert_memory_equal(copy, "\0\0\0\0", sizeof(copy));
        assert_ptr_equal(r.p, sample);
    }
}

static void test_read_hostile_lengths(void **state)
{
    static const size_t lengths[] = {5, 0x80000000u, SIZE_MAX - 1, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct ph_reader r = ph_reader_init(sample, 4);

        ph_read_skip(&r, lengths[i]);
        assert_true(r.bad);
    }
}

static void test_null_is_empty(void **state)
{
    struct ph_reader r = ph_reader_init(NULL, 0);
    struct ph_writer w = ph_writer_init(NULL, 0);

    (void)state;
    assert_int_equal(ph_reader_left(&r), 0);
    ph_read_skip(&r, 0);
    assert_false(r.bad);
    assert_int_equal(ph_read_u8(&r), 0);
    assert_true(r.bad);
    ph_write_bytes(&w, NULL, 0);
    assert_false(w.bad);
    ph_write_u8(&w, 1);
    assert_true(w.bad);
    assert_int_equal(ph_writer_len(&w), 0);
}

static void test_write(void **state)
{
    uint8_t out[sizeof(sample) + 1];
    struct ph_writer w = ph_writer_init(out, sizeof(sample));

    (void)state;
    memset(out, 0xee, sizeof(out));
    ph_write_u8(&w, 0x01);
    ph_write_u16(&w, 0x0203);
    ph_write_u32(&w, 0x84050607u);
    ph_write_u64(&w, 0x88090a0b0c0d0e0fu);
    ph_write_bytes(&w, sample + 15, 3);
    assert_false(w.bad);
    assert_int_equal(ph_writer_len(&w), sizeof(sample));
    assert_memory_equal(out, sample, sizeof(sample));
    ph_write_u8(&w, 0x55);
    assert_true(w.bad);
    assert_int_equal(ph_writer_len(&w), sizeof(sample));
    assert_int_equal(out[sizeof(sample)], 0xee);
}

/* A value that fits only in part is not written in part. */
static void test_write_is_whole_or_not(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 8; cap++) {
        uint8_t out[8];
        struct ph_writer w = ph_writer_init(out, cap);

        memset(out, 0xee, sizeof(out));
        ph_write_u64(&w, 0);
        assert_true(w.bad);
        ph_write_u8(&w, 0);
        assert_int_equal(ph_writer_len(&w), 0);
        for (size_t i = 0; i < sizeof(out); i++)
            assert_int_equal(out[i], 0xee);
    }
}

static void test_patch(void **state)
{
    static const struct {
        size_t written, offset;
        bool good;
    } cases[] = {
        {4, 0, true}, {4, 2, true},  {4, 3, false}, {4, SIZE_MAX, false},
        {2, 0, true}, {1, 0, false}, {0, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t out[8] = {0};
        struct ph_writer w = ph_writer_init(out, sizeof(out));

        ph_write_bytes(&w, "\1\1\1\1", cases[i].written);
        ph_write_patch_u16(&w, cases[i].offset, 0xabcd);
        assert_int_equal(w.bad, !cases[i].good);
        assert_int_equal(ph_writer_len(&w), cases[i].written);
        if (cases[i].good)
            assert_memory_equal(out + cases[i].offset, "\xab\xcd", 2);
        else
            assert_null(memchr(out, 0xab, sizeof(out)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_is_sticky),
        cmocka_unit_test(test_read_hostile_lengths),
        cmocka_unit_test(test_null_is_empty),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_is_whole_or_not),
        cmocka_unit_test(test_patch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
