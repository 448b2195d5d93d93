#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/resolve.h"

#include <string.h>

static void endpoints(void **state)
{
    static const struct {
        const char *text;
        enum ph_family family;
        int code;
        const char *want; /* NULL: refused */
    } cases[] = {
        {"192.0.2.1:99", PH_AF_NONE, CLI_GOOD, "192.0.2.1:99"},
        {"192.0.2.1", PH_AF_NONE, CLI_GOOD, "192.0.2.1:3478"},
        {"192.0.2.1:0", PH_AF_NONE, CLI_USAGE, NULL},
        {"[2001:db8::1]:0", PH_AF_NONE, CLI_USAGE, NULL},
        {"[2001:db8::1]:99", PH_AF_NONE, CLI_GOOD, "[2001:db8::1]:99"},
        {"2001:db8::1", PH_AF_V6, CLI_GOOD, "[2001:db8::1]:3478"},
        {"192.0.2.1:99", PH_AF_V4, CLI_GOOD, "192.0.2.1:99"},
        {"192.0.2.1:99", PH_AF_V6, CLI_USAGE, NULL},
        {"2001:db8::1", PH_AF_V4, CLI_USAGE, NULL},
        {"", PH_AF_NONE, CLI_USAGE, NULL},
        {":99", PH_AF_NONE, CLI_USAGE, NULL},
        {"name:", PH_AF_NONE, CLI_USAGE, NULL},
        {"name:0", PH_AF_NONE, CLI_USAGE, NULL},
        {"name:65536", PH_AF_NONE, CLI_USAGE, NULL},
        {"name:99x", PH_AF_NONE, CLI_USAGE, NULL},
        {"name:-1", PH_AF_NONE, CLI_USAGE, NULL},
        {"[2001:db8::1", PH_AF_NONE, CLI_USAGE, NULL},
        {"a:b:99", PH_AF_NONE, CLI_USAGE, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[PH_ADDR_STRLEN];
        struct ph_addr a;
        int code = resolve(cases[i].text, cases[i].family, &a);

        if (code != cases[i].code) {
            fail_msg("'%s' gives %d", cases[i].text, code);
        }
        if (cases[i].want) {
            assert_string_equal(ph_addr_format(&a, text), cases[i].want);
        }
    }
}

static void a_name_that_cannot_be(void **state)
{
    char name[300];
    struct ph_addr a;

    (void)state;
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(resolve(name, PH_AF_NONE, &a), CLI_USAGE);
}

static void localhost_is_found(void **state)
{
    struct ph_addr a;

    (void)state;
    if (resolve("localhost:77", PH_AF_V4, &a)) {
        print_message("skipped: this machine does not know localhost\n");
        skip();
    }
    assert_true(ph_addr_is_loopback(&a));
    assert_int_equal(a.port, 77);
}

static void many_at_once(void **state)
{
    struct resolved r[3] = {
        {.text = "192.0.2.1"},
        {.text = "a.name.that.cannot.be.invalid", .optional = true},
        {.text = "[2001:db8::1]:99"},
    };
    struct resolved bad = {.text = "192.0.2.1:0"};
    char text[PH_ADDR_STRLEN];

    (void)state;
    assert_int_equal(resolve_many(r, 3), CLI_GOOD);
    assert_int_equal(r[0].count, 1);
    assert_string_equal(ph_addr_format(&r[0].addr[0], text), "192.0.2.1:3478");
    assert_int_equal(r[1].count, 0);
    assert_int_equal(r[2].count, 1);
    assert_string_equal(ph_addr_format(&r[2].addr[0], text), "[2001:db8::1]:99");
    assert_int_equal(resolve_many(&bad, 1), CLI_USAGE);
}

static void own_addresses(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"0.0.0.0:99", "0.0.0.0:99"},
        {"0.0.0.0", "0.0.0.0:3478"},
        {"127.0.0.1:0", "127.0.0.1:0"},
        {"::", "[::]:3478"},
        {"::0", "[::]:3478"},
        {"[::1]:0", "[::1]:0"},
        {"localhost:99", NULL},
        {"", NULL},
        {"99", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[PH_ADDR_STRLEN];
        struct ph_addr a;
        int code = resolve_local(cases[i].text, &a);

        assert_int_equal(code, cases[i].want ? CLI_GOOD : CLI_USAGE);
        if (cases[i].want) {
            assert_string_equal(ph_addr_format(&a, text), cases[i].want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints),          cmocka_unit_test(a_name_that_cannot_be),
        cmocka_unit_test(localhost_is_found), cmocka_unit_test(many_at_once),
        cmocka_unit_test(own_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
