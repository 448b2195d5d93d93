/* False green is impossible: on the real kernel, the pairs that connect directly with punching do
 * not when it is switched off, and hopeless pairs never do. Also the exit codes of bad input. */
#include "tests/program.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct tally {
    int trials, connected, direct, lab_errors;
};

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/natlab-truth-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    const char *rm[] = {"rm", "-rf", folder, NULL};
    return program_run(rm, NULL, 0);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct tally run_pairs(const char *a, const char *b, const char *stages, const char *expect,
                              int exit_code)
{
    char text[1024], scenario[128], out[128], path[160], said[8192];
    struct tally t = {0};
    static int number;
    snprintf(scenario, sizeof(scenario), "%s/truth.yaml", folder);
    snprintf(out, sizeof(out), "%s/%d", folder, number++);
    snprintf(text, sizeof(text),
             "name: truth\ntopology: two-nats\ntrials: 2\n"
             "matrix:\n  a.nat: [%s]\n  b.nat: [%s]\n  gateway: [drop, accept]\n  link: [0ms]\n"
             "stages: [%s]\ngive_up: 15s\nmedia: 200ms\nexpect:\n  - {rate: %s}\n",
             a, b, stages, expect);
    write_file(scenario, text);
    const char *argv[] = {program_natlab(), "run", scenario, "--out", out, "--seed", "1", NULL};
    int code = program_run(argv, said, sizeof(said));
    if (code != exit_code)
        fail_msg("exit code %d, not %d:\n%s", code, exit_code, said);

    snprintf(path, sizeof(path), "%s/trials.jsonl", out);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    static char line[16384];
    while (fgets(line, sizeof(line), f)) {
        json_t *j = json_loads(line, 0, NULL);
        assert_non_null(j);
        t.trials++;
        t.connected += json_is_true(json_object_get(j, "connected"));
        t.direct += strcmp(json_string_value(json_object_get(j, "path")), "direct") == 0;
        t.lab_errors += strcmp(json_string_value(json_object_get(j, "status")), "lab-error") == 0;
        json_decref(j);
    }
    fclose(f);
    return t;
}

static void test_punch_makes_the_difference(void **state)
{
    (void)state;
    if (!program_lab_works())
        skip();
    const char *nats = "open, port-restricted, port-preserving";
    struct tally on = run_pairs(nats, nats, "punch, relay", "connected, is: all", 0);
    assert_int_equal(on.trials, 36);
    assert_int_equal(on.lab_errors, 0);
    assert_int_equal(on.connected, 36);
    assert_int_equal(on.direct, 36);
    struct tally off = run_pairs(nats, nats, "relay", "connected, is: all", 0);
    assert_int_equal(off.lab_errors, 0);
    assert_int_equal(off.connected, 36);
    assert_int_equal(off.direct, 0);
}

static void test_hopeless_pairs_are_relayed(void **state)
{
    (void)state;
    if (!program_lab_works())
        skip();
    struct tally t =
        run_pairs("random", "random, port-restricted", "punch, relay", "connected, is: all", 0);
    assert_int_equal(t.trials, 8);
    assert_int_equal(t.connected, 8);
    assert_int_equal(t.direct, 0);
}

/* An expectation that cannot hold fails the run, with 1. */
static void test_expectations_bite(void **state)
{
    (void)state;
    if (!program_lab_works())
        skip();
    run_pairs("random", "random", "punch, relay", "direct, at_least: 0.3, pool: true", 1);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says[3];
    } rows[] = {
        {"name: x\ntopology: two-nats\ntrials: 1\nmatrix:\n  a.nat: [opne]\n  b.nat: same\n",
         {"bad.yaml:5:11", "opne", "open"}},
        {"name: x\ntopology: two-nats\ntrails: 1\nmatrix:\n  a.nat: [open]\n  b.nat: same\n",
         {"bad.yaml:3:1", "trails", "trials"}},
        {"name: x\ntopology: two-nats\ntrials: three\nmatrix:\n  a.nat: [open]\n  b.nat: same\n",
         {"bad.yaml:3:9", "three", NULL}},
        {"name: x\ntopology: two-natts\ntrials: 1\nmatrix:\n  a.nat: [open]\n  b.nat: same\n",
         {"bad.yaml:2:11", "two-natts", "two-nats"}},
        {"name: x\ntopology: two-nats\ntrials: 1\nmatrix:\n  a.nat: [open]\n  b.nat: [open]\n"
         "expect:\n  - {rate: direct, at_least: 0.99}\n",
         {"bad.yaml:8", "0.99", NULL}},
    };
    char path[128], said[8192];
    const char *natlab = program_built(program_natlab());
    snprintf(path, sizeof(path), "%s/bad.yaml", folder);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_file(path, rows[i].text);
        const char *argv[] = {natlab, "run", path, NULL};
        int code = program_run(argv, said, sizeof(said));
        for (size_t k = 0; k < 3 && rows[i].says[k]; k++) {
            if (!strstr(said, rows[i].says[k]))
                fail_msg("row %zu: \"%s\" is not in:\n%s", i, rows[i].says[k], said);
        }
        assert_int_equal(code, 2);
    }
    const char *missing[] = {program_natlab(), "run", "no-such-file.yaml", NULL};
    assert_int_equal(program_run(missing, said, sizeof(said)), 2);
    assert_non_null(strstr(said, "no-such-file.yaml"));
}

/* Without user namespaces an ordinary user is told so, and how to mend it. */
static void test_without_namespaces(void **state)
{
    (void)state;
    (void)program_built(program_natlab());
    /* In a user namespace of its own that may hold no further ones, and without the rights of its
     * root: what a machine looks like on which user namespaces are switched off. */
    const char *argv[] = {"unshare",
                          "--user",
                          "--map-root-user",
                          "sh",
                          "-c",
                          "echo 0 > /proc/sys/user/max_user_namespaces && "
                          "echo 0 > /proc/sys/user/max_net_namespaces && exec \"$0\" run "
                          "scenarios/quick.yaml --out \"$1\"",
                          program_natlab(),
                          folder,
                          NULL};
    char said[8192];
    const char *probe[] = {"unshare", "--user", "--map-root-user", "true", NULL};
    if (program_run(probe, said, sizeof(said)) != 0) {
        print_message("skipped: user namespaces are not to be had: %s\n", said);
        skip();
    }
    int code = program_run(argv, said, sizeof(said));
    if (code != 3)
        fail_msg("exit code %d, not 3:\n%s", code, said);
    assert_non_null(strstr(said, "namespace"));
    assert_non_null(strstr(said, "sysctl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_punch_makes_the_difference),
        cmocka_unit_test(test_hopeless_pairs_are_relayed),
        cmocka_unit_test(test_expectations_bite),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_without_namespaces),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
