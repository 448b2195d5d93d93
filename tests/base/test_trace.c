#include "base/trace.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_line(void **state)
{
    struct ph_addr addr = ph_addr_v4(192, 0, 2, 1, 3478);
    struct ph_addr none = {0};
    char line[PH_TRACE_LINE];
    struct ph_json j = ph_json_begin(line, sizeof(line));

    (void)state;
    ph_json_ns_ms(&j, "t_ms", 12345678);
    ph_json_str(&j, "who", "call");
    ph_json_str(&j, "reason", NULL);
    ph_json_u64(&j, "most", UINT64_MAX);
    ph_json_i64(&j, "least", INT64_MIN);
    ph_json_i64(&j, "err", -3);
    ph_json_bool(&j, "direct", true);
    ph_json_bool(&j, "relay", false);
    ph_json_addr(&j, "peer", &addr);
    ph_json_addr(&j, "other", &none);
    ph_json_hex(&j, "id", "\x00\xfe", 2);
    assert_string_equal(ph_json_end(&j),
                        "{\"t_ms\":12.345,\"who\":\"call\",\"reason\":null,"
                        "\"most\":18446744073709551615,\"least\":-9223372036854775808,\"err\":-3,"
                        "\"direct\":true,\"relay\":false,\"peer\":\"192.0.2.1:3478\","
                        "\"other\":null,\"id\":\"00fe\"}");
    assert_ptr_equal(line, j.buf);
}

static void test_times(void **state)
{
    static const struct {
        ph_ns ns;
        const char *want;
    } cases[] = {
        {0, "{\"t\":0.000}"},         {999, "{\"t\":0.000}"},
        {1000, "{\"t\":0.001}"},      {PH_MS + 50 * PH_US, "{\"t\":1.050}"},
        {PH_SEC, "{\"t\":1000.000}"}, {PH_NEVER - 1, "{\"t\":18446744073709.551}"},
        {PH_NEVER, "{\"t\":null}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[64];
        struct ph_json j = ph_json_begin(line, sizeof(line));

        ph_json_ns_ms(&j, "t", cases[i].ns);
        assert_string_equal(ph_json_end(&j), cases[i].want);
    }
}

static void test_escapes(void **state)
{
    char line[128];
    struct ph_json j = ph_json_begin(line, sizeof(line));

    (void)state;
    ph_json_str(&j, "k\"",
                "a\"b\\c\nd\x01"
                "e\x7f\xff/");
    assert_string_equal(ph_json_end(&j),
                        "{\"k\\\"\":\"a\\\"b\\\\c\\u000ad\\u0001e\\u007f\\u00ff/\"}");
}

/* Whatever the size of the buffer: valid JSON that a real parser takes, inside the buffer, and it
 * says when something is missing. */
static void test_every_size(void **state)
{
    static const char full[] =
        "{\"first\":\"\\u0001\\u0002\\\"\",\"second\":12345,\"third\":7.000}";

    (void)state;
    for (size_t cap = 0; cap < sizeof(full) + 20; cap++) {
        char line[sizeof(full) + 24];
        struct ph_json j = ph_json_begin(line, cap);
        const char *text;
        json_t *parsed;

        memset(line + (cap >= PH_JSON_MIN ? 1 : 0), 0xee, sizeof(line) - 1);
        ph_json_str(&j, "first", "\x01\x02\"");
        ph_json_u64(&j, "second", 12345);
        ph_json_ns_ms(&j, "third", 7 * PH_MS);
        text = ph_json_end(&j);
        parsed = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(parsed);
        assert_true(strlen(text) < cap || cap < PH_JSON_MIN);
        for (size_t i = cap; i < sizeof(line) - 1; i++)
            assert_int_equal((uint8_t)line[i], 0xee);
        if (strcmp(text, full) != 0 && cap >= PH_JSON_MIN)
            assert_true(json_is_true(json_object_get(parsed, "cut")));
        if (cap >= sizeof(full) + 12)
            assert_string_equal(text, full);
        json_decref(parsed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_every_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
