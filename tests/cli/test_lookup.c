/* Names looked up beside each other, taken in time and left behind. */
#include "cli/lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MANY 16

/* Also when several come at the same moment, and when some come after all have been given up. */
static void test_many(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct lookup *all[MANY];
        for (size_t i = 0; i < MANY; i++)
            assert_non_null(all[i] = lookup_start(i % 4 == 3 ? "" : "localhost"));
        lookup_wait(all, MANY, round % 3 == 0 ? 0 : 20000);
        for (size_t i = 0; i < MANY; i++) {
            struct addrinfo *found;
            int error = lookup_take(all[i], &found);
            if (round % 3 != 0)
                assert_int_not_equal(error, EAI_INPROGRESS);
            assert_true((error == 0) == (found != NULL));
            if (found)
                freeaddrinfo(found);
        }
    }
}

static void test_too_long(void **state)
{
    (void)state;
    char name[LOOKUP_NAME_MAX + 2];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_null(lookup_start(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many),
                                       cmocka_unit_test(test_too_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
