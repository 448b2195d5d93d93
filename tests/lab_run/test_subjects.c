/* Netchecks and mappers in the simulator, through the same processes and messages as in the kernel:
 * every shipped profile is seen for what it is, and equal inputs give equal bytes. */
#include "lab/report/expect.h"
#include "lab/report/summary.h"
#include "lab/run/runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *last_line;

static void on_trial(void *user, size_t cell, unsigned trial, uint64_t seed,
                     const struct trial_result *result)
{
    free(last_line);
    last_line = record_json(user, cell, trial, seed, result);
}

/* Its summary.json; the expectations must hold. */
static char *run_it(const char *text, size_t jobs, uint64_t seed)
{
    struct scenario *s = NULL;
    struct matrix m;
    struct run run;
    struct lab_error err = {0};
    struct expect_result e[EXPECTATIONS_MAX];
    if (scenario_parse("s.yaml", text, strlen(text), &s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(run_init(&run, s, &m, s->trials, &err), 0);
    run.world = "sim";
    run.seed = seed;
    struct runner_config config = {
        .sim = true, .jobs = jobs, .workers = 2, .on_trial = on_trial, .user = &run};
    if (runner_run(&run, &config, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(expect_all(&run, e, NULL), 0);
    for (size_t i = 0; i < s->expect_count; i++)
        if (e[i].status != EXPECT_PASSED)
            fail_msg("%s: %s", s->expects[i].text, e[i].detail);
    char *summary = summary_json(&run, e);
    assert_non_null(summary);
    run_fini(&run);
    scenario_free(s);
    return summary;
}

static const char profiles[] =
    "name: looks\ntopology: one-nat\nsubject: netcheck\ntrials: 3\nmatrix:\n"
    "  a.nat: [open, firewall, full-cone, address-restricted, port-restricted, port-preserving,\n"
    "          hashed, sequential, sequential-2, sequential-down, sequential-busy, random,\n"
    "          random-adm, block-512, block-eim, cgnat, cgnat-eim, double-nat, udp-blocked]\n"
    "  link: [20ms]\nexpect:\n"
    "  - {rate: mapping-right, is: all}\n"
    "  - {rate: filtering-right, is: all}\n"
    "  - {rate: allocation-right, is: all}\n"
    "  - {when: {a.nat: [sequential, sequential-2, sequential-down]}, rate: step-right, is: all}\n"
    "  - {rate: block-right, is: all}\n"
    "  - {rate: released, is: all}\n"
    "  - {rate: mapped, is: none}\n"
    "  - {time: netcheck, p99: 3s}\n";

static void test_profiles_are_seen(void **state)
{
    (void)state;
    char *one = run_it(profiles, 1, 5);
    char *many = run_it(profiles, 7, 5);
    assert_string_equal(one, many);
    json_t *o = json_loads(last_line, 0, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "subject")), "netcheck");
    assert_true(json_is_object(json_object_get(o, "verdict")));
    assert_true(json_is_object(json_object_get(o, "allocation")));
    assert_null(json_object_get(o, "stages"));
    json_decref(o);
    free(one);
    free(many);
}

/* Nobody maps, and the mapper says so in time; nothing is left. */
static void test_nobody_maps(void **state)
{
    (void)state;
    free(run_it("name: asks\ntopology: one-nat\nsubject: map\ntrials: 2\n"
                "matrix: {a.nat: [random, cgnat], port_mapping: [none], link: [20ms]}\nhold: 1s\n"
                "expect:\n  - {rate: as-expected, is: all}\n  - {rate: mapped, is: none}\n"
                "  - {rate: released, is: all}\n",
                2, 1));
    json_t *o = json_loads(last_line, 0, NULL);
    assert_non_null(o);
    assert_true(json_is_false(json_object_get(o, "mapped")));
    assert_true(json_is_true(json_object_get(o, "released")));
    assert_true(json_is_null(json_object_get(o, "protocol")));
    double took = json_real_value(json_object_get(o, "took_ms"));
    assert_true(took > 1.0 && took <= 2000.0);
    json_decref(o);
}

/* Scripted routers, without a fault and with one: by whom, behind how many NATs, and that nothing
 * is left with them. */
static void test_routers_map(void **state)
{
    (void)state;
    free(run_it("name: asks\ntopology: one-nat\nsubject: map\ntrials: 2\nhold: 3s\n"
                "matrix: {a.nat: [random, cgnat], port_mapping: [pcp, nat_pmp, upnp, all],\n"
                "         link: [20ms]}\n"
                "expect:\n  - {rate: as-expected, is: all}\n  - {rate: released, is: all}\n"
                "  - {when: {a.nat: random}, rate: double-nat, is: none}\n"
                "  - {when: {a.nat: cgnat}, rate: double-nat, is: all}\n",
                4, 1));
    free(run_it("name: asks\ntopology: one-nat\nsubject: map\ntrials: 2\nhold: 3s\n"
                "matrix: {a.nat: [random], fault: [short-lifetime, refuses-all, only-permanent]}\n"
                "expect:\n  - {rate: as-expected, is: all}\n  - {rate: released, is: all}\n"
                "  - {when: {fault: refuses-all}, rate: mapped, is: none}\n",
                3, 1));
}

/* A router that has restarted unseen: the mapper believes that it has a mapping, and the stranger
 * who knocks knows better. */
static void test_false_green(void **state)
{
    (void)state;
    free(run_it("name: asks\ntopology: one-nat\nsubject: map\ntrials: 2\nhold: 3s\n"
                "matrix: {a.nat: [random], fault: [epoch-reset, other-port]}\nexpect:\n"
                "  - {rate: mapped, is: all}\n"
                "  - {when: {fault: epoch-reset}, rate: as-expected, is: none}\n"
                "  - {when: {fault: other-port}, rate: as-expected, is: all}\n",
                1, 1));
    free(run_it("name: asks\ntopology: one-nat\nsubject: map\ntrials: 1\nhold: 3s\n"
                "matrix: {a.nat: [random], fault: [epoch-reset]}\n",
                1, 1));
    json_t *o = json_loads(last_line, 0, NULL);
    assert_non_null(o);
    assert_true(json_is_true(json_object_get(o, "kept")));
    assert_true(json_is_false(json_object_get(o, "open")));
    assert_string_equal(json_string_value(json_object_get(o, "unexpected")),
                        "nobody outside gets in by the mapped port");
    json_decref(o);
}

/* A call through a mapped port, and a netcheck that gives back what it got, as in the kernel. */
static void test_mapped_calls(void **state)
{
    (void)state;
    free(run_it("name: calls\ntopology: two-nats\ntrials: 2\nmedia: 200ms\ngive_up: 3s\n"
                "matrix: {a.nat: [random], b.nat: [random],\n"
                "         port_mapping: [pcp, nat_pmp, upnp, none, off], link: [20ms]}\n"
                "expect:\n  - {rate: connected, is: all}\n  - {rate: released, is: all}\n"
                "  - {when: {port_mapping: [pcp, nat_pmp, upnp]}, rate: by-portmap, is: all}\n"
                "  - {when: {port_mapping: [none, off]}, rate: direct, is: none}\n"
                "  - {when: {port_mapping: none}, time: media,\n"
                "     not_slower_than: {port_mapping: off}, within: 2ms}\n",
                5, 1));
    free(run_it("name: looks\ntopology: one-nat\nsubject: netcheck\ntrials: 2\n"
                "matrix: {a.nat: [random, cgnat], port_mapping: [all], link: [20ms]}\n"
                "expect:\n  - {rate: mapped, is: all}\n  - {rate: released, is: all}\n"
                "  - {rate: mapping-right, is: all}\n"
                "  - {when: {a.nat: cgnat}, rate: double-nat, is: all}\n",
                2, 1));
}

static int forget(void **state)
{
    (void)state;
    free(last_line);
    last_line = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles_are_seen), cmocka_unit_test(test_nobody_maps),
        cmocka_unit_test(test_routers_map),       cmocka_unit_test(test_false_green),
        cmocka_unit_test(test_mapped_calls),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
