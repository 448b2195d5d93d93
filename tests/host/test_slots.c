#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "host/slots.h"

static void names_find_their_items(void **state)
{
    struct ph_slots s;
    int items[500];
    uint32_t names[500];

    (void)state;
    ph_slots_init(&s);
    for (size_t i = 0; i < 500; i++) {
        assert_int_equal(ph_slots_add(&s, &items[i], &names[i]), PH_OK);
        assert_int_not_equal(names[i], 0);
    }
    for (size_t i = 0; i < 500; i++) {
        assert_ptr_equal(ph_slots_get(&s, names[i]), &items[i]);
    }
    assert_null(ph_slots_get(&s, 0));
    assert_null(ph_slots_get(&s, 501));
    assert_null(ph_slots_get(&s, UINT32_MAX));
    ph_slots_fini(&s);
}

static void a_removed_name_stays_invalid(void **state)
{
    struct ph_slots s;
    int a, b;
    uint32_t first, name;

    (void)state;
    ph_slots_init(&s);
    assert_int_equal(ph_slots_add(&s, &a, &first), PH_OK);
    ph_slots_remove(&s, first);
    assert_null(ph_slots_get(&s, first));
    /* The same place again and again: the old name must not come back for 4,095 uses. */
    for (int i = 0; i < 4095; i++) {
        assert_int_equal(ph_slots_add(&s, &b, &name), PH_OK);
        assert_int_not_equal(name, first);
        assert_null(ph_slots_get(&s, first));
        assert_ptr_equal(ph_slots_get(&s, name), &b);
        ph_slots_remove(&s, first); /* removes nothing */
        assert_ptr_equal(ph_slots_get(&s, name), &b);
        ph_slots_remove(&s, name);
    }
    assert_int_equal(s.count, 1);
    ph_slots_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_find_their_items),
        cmocka_unit_test(a_removed_name_stays_invalid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
