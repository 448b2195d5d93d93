/* The built `pinhole plan`: what it shows, as text and as JSON, and what it says to mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/program.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#define HARD "mapping=apdm,filtering=apdf,"
#define EASY "mapping=eim,filtering=apdf"

#define ARGS_MAX 12

/* `pinhole plan` with these arguments; its exit code. */
static int plan(const char *const args[ARGS_MAX], char *out, size_t cap)
{
    const char *argv[ARGS_MAX + 3] = {program_built(program_pinhole()), "plan"};

    for (size_t i = 0; i < ARGS_MAX && args[i]; i++) {
        argv[i + 2] = args[i];
    }
    return program_run(argv, out, cap);
}

static json_t *plan_json(const char *local, const char *remote, const char *caller)
{
    const char *const args[ARGS_MAX] = {"--local",  local,  "--remote", remote,
                                        "--caller", caller, "--json"};
    static char out[65536];
    json_error_t error;
    json_t *o;

    assert_int_equal(plan(args, out, sizeof(out)), 0);
    o = json_loads(out, 0, &error);
    if (!o) {
        fail_msg("%d: %s in '%s'", error.line, error.text, out);
    }
    return o;
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

static const json_t *move_at(const json_t *o, size_t i)
{
    return json_array_get(json_object_get(o, "moves"), i);
}

static void json_has_the_moves(void **state)
{
    json_t *o = plan_json(HARD "allocation=random", EASY, "local");
    const json_t *move = move_at(o, 1);

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(o, "schema")), 1);
    assert_string_equal(text_at(o, "outlook"), "direct");
    assert_string_equal(text_at(json_object_get(o, "caller"), "side"), "local");
    assert_int_equal(json_array_size(json_object_get(o, "moves")), 3);
    assert_string_equal(text_at(move_at(o, 0), "move"), "punch");
    assert_string_equal(text_at(move, "move"), "fan-in");
    assert_string_equal(text_at(move, "stage"), "birthday");
    assert_string_equal(text_at(move, "acceptor"), "caller");
    assert_true(json_number_value(json_object_get(move, "success")) > 0.99);
    assert_true(json_integer_value(json_object_get(move, "probes")) <= 1200);
    assert_true(json_is_array(json_object_get(json_object_get(move, "order"), "segments")));
    assert_string_equal(text_at(o, "no_predict"), "not sequential");
    assert_true(json_is_null(json_object_get(o, "no_birthday")));
    json_decref(o);
}

static void who_calls_is_told(void **state)
{
    json_t *o = plan_json(HARD "allocation=sequential:2,external=192.0.2.1:4000", EASY, "remote");

    (void)state;
    assert_string_equal(text_at(json_object_get(o, "caller"), "side"), "remote");
    assert_string_equal(text_at(json_object_get(o, "callee"), "external"), "192.0.2.1:4000");
    assert_string_equal(text_at(move_at(o, 1), "acceptor"), "callee");
    assert_string_equal(text_at(move_at(o, 1), "ports"), "measured");
    assert_string_equal(text_at(move_at(o, 1), "stage"), "predict");
    json_decref(o);
}

static void text_is_for_people(void **state)
{
    const char *const hopeless[ARGS_MAX] = {"-l", HARD "allocation=random", "-r",
                                            HARD "allocation=random"};
    const char *const privileged[ARGS_MAX] = {
        "-l",           HARD "allocation=random,privileged=yes",
        "-r",           EASY,
        "--signalling", "20ms",
        "--stun",       "10",
        "--direct",     "30",
        "--seed",       "0x7"};
    const char *const mapped[ARGS_MAX] = {
        "-l", "{\"v4\":{\"udp\":\"yes\",\"mapping\":\"eim\"},\"port_mapping\":{\"mapped\":true}}",
        "-r", "udp=no"};
    char out[8192];

    (void)state;
    assert_int_equal(plan(hopeless, out, sizeof(out)), 0);
    assert_non_null(strstr(out, "hopeless, 0.0%: the caller's NAT draws at random"));
    assert_non_null(strstr(out, "53.7k packets a side"));
    assert_non_null(strstr(out, "no guessing: hopeless: both random"));
    assert_int_equal(plan(privileged, out, sizeof(out)), 0);
    assert_non_null(strstr(out, "bound to 600-1023"));
    assert_non_null(strstr(out, "ports of the caller: 1024-2047"));
    assert_int_equal(plan(mapped, out, sizeof(out)), 0);
    assert_non_null(strstr(out, "Its router maps ports"));
    assert_non_null(strstr(out, "no-udp, 0.0%: no UDP gets out at the callee's"));
}

static void budgets_are_for_both_sides(void **state)
{
    const char *const args[ARGS_MAX] = {"-l",        HARD "allocation=random,openers=40",
                                        "-r",        EASY,
                                        "--probes",  "100",
                                        "--openers", "64",
                                        "--rate",    "100",
                                        "--burst",   "20"};
    char out[8192];

    (void)state;
    assert_int_equal(plan(args, out, sizeof(out)), 0);
    /* Three quarters of the probes are the first move's; what the facts say themselves comes first.
     */
    assert_non_null(strstr(out, "sockets: 40 of the caller; probes: at most 75 of the callee"));
}

static void mistakes_are_quoted(void **state)
{
    static const struct {
        const char *args[ARGS_MAX];
        int code;
        const char *says;
    } cases[] = {
        {{"--help"}, 0, "--remote=FACTS"},
        {{NULL}, 2, "--local FACTS"},
        {{"--local", EASY}, 2, "--remote FACTS"},
        {{"--remote", EASY}, 2, "--local FACTS"},
        {{"stray"}, 2, "'stray'"},
        {{"-l", "mapping=hard", "-r", EASY}, 2, "--local: 'mapping=hard': mapping is none, eim"},
        {{"-l", EASY, "-r", "/nowhere/facts"}, 2, "--remote: '/nowhere/facts': No such file"},
        {{"-l", EASY, "-r", "/dev/null"}, 2, "--remote: /dev/null: there are no facts"},
        {{"-l", EASY, "-r", EASY, "--caller", "me"}, 2, "'me' is not a side"},
        {{"-l", EASY, "-r", EASY, "--direct", "soon"}, 2, "'soon' is not a time"},
        {{"-l", EASY, "-r", EASY, "--stun", "-1"}, 2, "'-1' is not a time"},
        {{"-l", EASY, "-r", EASY, "--probes", "9000"}, 2, "from 1 to 8192"},
        {{"-l", EASY, "-r", EASY, "--openers", "0"}, 2, "from 1 to 1024"},
        {{"-l", EASY, "-r", EASY, "--rate", "1s"}, 2, "'1s'"},
        {{"-l", EASY, "-r", EASY, "--burst", ""}, 2, "''"},
        {{"-l", EASY, "-r", EASY, "--seed", "x"}, 2, "'x' is not a seed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[8192];
        int code = plan(cases[i].args, out, sizeof(out));

        if (code != cases[i].code || !strstr(out, cases[i].says)) {
            fail_msg("case %zu: exit %d, and says: %s", i, code, out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_the_moves),  cmocka_unit_test(who_calls_is_told),
        cmocka_unit_test(text_is_for_people),  cmocka_unit_test(budgets_are_for_both_sides),
        cmocka_unit_test(mistakes_are_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
