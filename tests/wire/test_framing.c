#include "base/err.h"
#include "wire/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Messages of this test: their length in one byte, that one included; 0 is no message. */
struct seen {
    uint8_t text[64];
    size_t len, messages;
};

static int take(void *user, const uint8_t *data, size_t len)
{
    struct seen *s = user;
    if (len == 0)
        return PH_ERR_SHORT;
    if (data[0] == 0)
        return PH_ERR_FORMAT;
    if (len < data[0])
        return PH_ERR_SHORT;
    assert_true(s->len + data[0] <= sizeof(s->text));
    memcpy(s->text + s->len, data, data[0]);
    s->len += data[0];
    s->messages++;
    return data[0];
}

static const uint8_t stream[] = {3, 'a', 'b', 1, 8, 1, 2, 3, 4, 5, 6, 7, 2, 'z'};

/* However the bytes are cut, the same messages come out; the longest fills the buffer. */
static void test_any_cut(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof(stream); piece++) {
        struct seen s = {0};
        uint8_t buf[8];
        size_t held = 0;
        for (size_t at = 0; at < sizeof(stream); at += piece) {
            size_t n = sizeof(stream) - at < piece ? sizeof(stream) - at : piece;
            assert_int_equal(ph_framing_feed(buf, sizeof(buf), &held, stream + at, n, take, &s),
                             PH_OK);
            assert_true(held < sizeof(buf));
        }
        assert_int_equal(s.messages, 4);
        assert_int_equal(s.len, sizeof(stream));
        assert_memory_equal(s.text, stream, sizeof(stream));
        assert_int_equal(held, 0);
    }
}

/* A part of a message is held until the rest comes. */
static void test_partial(void **state)
{
    struct seen s = {0};
    uint8_t buf[8];
    size_t held = 0;
    (void)state;
    assert_int_equal(ph_framing_feed(buf, sizeof(buf), &held, stream, 6, take, &s), PH_OK);
    assert_int_equal(s.messages, 2);
    assert_int_equal(held, 2);
    assert_int_equal(ph_framing_feed(buf, sizeof(buf), &held, stream + 6, 0, take, &s), PH_OK);
    assert_int_equal(held, 2);
    assert_int_equal(ph_framing_feed(buf, sizeof(buf), &held, stream + 6, 8, take, &s), PH_OK);
    assert_int_equal(s.messages, 4);
}

/* After an error nothing of the same bytes is read, and nothing is held. */
static void test_broken(void **state)
{
    static const uint8_t broken[] = {2, 'a', 0, 2, 'b', 2};
    struct seen s = {0};
    uint8_t buf[8];
    size_t held = 0;
    (void)state;
    assert_int_equal(ph_framing_feed(buf, sizeof(buf), &held, broken, sizeof(broken), take, &s),
                     PH_ERR_FORMAT);
    assert_int_equal(s.messages, 1);
    assert_int_equal(held, 0);
}

/* What claims to be longer than a message can be ends in an error, not in a wait without end. */
static void test_too_long(void **state)
{
    static const uint8_t longer[] = {9, 1, 2, 3, 4, 5, 6, 7, 8};
    struct seen s = {0};
    uint8_t buf[8];
    size_t held = 0;
    (void)state;
    assert_int_equal(ph_framing_feed(buf, sizeof(buf), &held, longer, 7, take, &s), PH_OK);
    assert_int_equal(held, 7);
    assert_int_equal(ph_framing_feed(buf, sizeof(buf), &held, longer + 7, 2, take, &s),
                     PH_ERR_FORMAT);
    assert_int_equal(s.messages, 0);
    assert_int_equal(held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
