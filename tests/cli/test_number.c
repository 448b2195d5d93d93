/* Whole numbers: what is one, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/number.h"

#include <limits.h>

static void what_is_a_number(void **state)
{
    static const struct {
        const char *text;
        unsigned long most, number;
    } cases[] = {
        {"1", 65535, 1},
        {"65535", 65535, 65535},
        {"65536", 65535, 0},
        {"007", 65535, 7},
        {"0", 65535, 0},
        {"", 65535, 0},
        {"-1", ULONG_MAX - 1, 0},
        {"+1", 65535, 0},
        {" 1", 65535, 0},
        {"1 ", 65535, 0},
        {"1x", 65535, 0},
        {"0x10", 65535, 0},
        {"99999999999999999999999", ULONG_MAX - 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned long n = read_number(cases[i].text, cases[i].most);

        if (n != cases[i].number) {
            fail_msg("'%s' is %lu", cases[i].text, n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_a_number)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
