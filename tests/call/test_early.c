/* Frames that came too early: kept for a moment, each given out once, the oldest lost first. */
#include "call/early.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void keep(struct ph_early *e, ph_ns now, uint64_t tag, uint8_t what)
{
    uint8_t data[3] = {what, what, what};
    ph_early_keep(e, now, tag, data, sizeof(data));
}

static void test_taken_once(void **state)
{
    (void)state;
    struct ph_early e = {0};
    keep(&e, 0, 7, 1); /* at the very beginning of time */
    keep(&e, 10, 8, 2);
    keep(&e, 20, 7, 3);
    const struct ph_early_frame *f = ph_early_take(&e, 30, 7);
    assert_non_null(f);
    assert_int_equal(f->data[0], 1);
    f = ph_early_take(&e, 30, 7);
    assert_non_null(f);
    assert_int_equal(f->data[2], 3);
    assert_int_equal(f->len, 3);
    assert_null(ph_early_take(&e, 30, 7));
    assert_null(ph_early_take(&e, 30, 9));
    assert_non_null(ph_early_take(&e, 30, 8));
}

static void test_not_for_long(void **state)
{
    (void)state;
    struct ph_early e = {0};
    keep(&e, 10, 7, 1);
    assert_null(ph_early_take(&e, 11 + PH_SEC, 7));
}

static void test_bounded(void **state)
{
    (void)state;
    struct ph_early e = {0};
    uint8_t big[PH_QUIC_PACKET_MAX + 1] = {0};
    for (uint8_t i = 0; i < PH_EARLY_MAX + 1; i++)
        keep(&e, 10u + i, 7, i);
    ph_early_keep(&e, 50, 7, big, sizeof(big)); /* too long to be ours */
    ph_early_keep(&e, 50, 7, big, 0);
    size_t n = 0;
    const struct ph_early_frame *f;
    while ((f = ph_early_take(&e, 60, 7))) {
        assert_int_not_equal(f->data[0], 0); /* the oldest had to go */
        n++;
    }
    assert_int_equal(n, PH_EARLY_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken_once),
        cmocka_unit_test(test_not_for_long),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
