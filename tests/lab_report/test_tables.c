/* Reports of netchecks and of mappings, from made-up trials. */
#include "lab/report/grid.h"
#include "lab/report/junit.h"
#include "lab/report/progress.h"
#include "lab/report/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRIALS 10

struct made {
    struct scenario *s;
    struct run run;
};

static void make(struct made *m, const char *text)
{
    struct matrix matrix;
    struct lab_error err = {0};
    if (scenario_parse("s.yaml", text, strlen(text), &m->s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(matrix_expand(m->s, &matrix, &err), 0);
    assert_int_equal(run_init(&m->run, m->s, &matrix, TRIALS, &err), 0);
}

static void drop(struct made *m)
{
    run_fini(&m->run);
    scenario_free(m->s);
}

static char *text_of(const struct made *m,
                     int (*print)(const struct run *run, const struct expect_result *e, FILE *out))
{
    char *text = NULL;
    size_t len = 0;
    struct expect_result e[EXPECTATIONS_MAX];
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    assert_int_equal(expect_all(&m->run, e, NULL), 0);
    assert_int_equal(print(&m->run, e, f), 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

static int screen(const struct run *run, const struct expect_result *e, FILE *out)
{
    return grid_print(run, e, false, out);
}

static int junit(const struct run *run, const struct expect_result *e, FILE *out)
{
    bool failed[8] = {false};
    return junit_write(run, e, failed, out);
}

static void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("not there: %s\n%s", part, text);
}

static const char netchecks[] =
    "name: looks\ntopology: one-nat\nsubject: netcheck\ntrials: 10\n"
    "matrix: {a.nat: [open, sequential, block-512], link: [20ms]}\nexpect:\n"
    "  - {rate: mapping-wrong, is: none}\n"
    "  - {rate: step-right, observed: 0.95}\n"
    "  - {rate: allocation-unknown, observed_at_most: 0.1}\n"
    "  - {when: {a.nat: open}, rate: block-right, is: all}\n"
    "  - {time: netcheck, p99: 3s}\n";

/* open is always right; of sequential one trial is unknown and one step is wrong; of block-512 one
 * mapping is wrong. */
static void fill_netchecks(struct made *m)
{
    for (unsigned t = 0; t < TRIALS; t++) {
        for (size_t c = 0; c < 3; c++) {
            struct trial_result r;
            trial_result_init(&r, SUBJECT_NETCHECK);
            struct truth_verdict *v = &r.netcheck.verdict;
            v->mapping = v->filtering = v->allocation = RIGHT_YES;
            if (c == 1) {
                v->step = t == 0 ? RIGHT_WRONG : RIGHT_YES;
                v->drift = RIGHT_YES;
                v->allocation = t == 1 ? RIGHT_UNKNOWN : RIGHT_YES;
            } else if (c == 2) {
                v->block = RIGHT_YES;
                v->mapping = t == 3 ? RIGHT_WRONG : RIGHT_YES;
            }
            r.netcheck.took = (1000 + t) * PH_MS;
            run_add(&m->run, c, t, &r);
        }
    }
}

static void test_netchecks(void **state)
{
    (void)state;
    struct made m;
    make(&m, netchecks);
    fill_netchecks(&m);
    char *text = text_of(&m, screen);
    has(text, "looks  link=20ms\n");
    has(text, "  a.nat       trials  mapping         filtering       allocation       step  drift  "
              "block took p50   max ms\n");
    has(text, "  open            10  100             100             100                 -      -  "
              "    -   1004.0   1009.0\n");
    has(text, "  sequential      10  100             100             90.0 ?10.0       90.0    100  "
              "    -   1004.0   1009.0\n");
    has(text, "  block-512       10  90.0 !10.0      100             100                 -      -  "
              "  100   1004.0   1009.0\n");
    has(text, "30 trials: 0 inconclusive in time, 0 lab errors");
    has(text, "failed  mapping-wrong in no trial (a.nat=block-512,link=20ms: 1 of 10)\n");
    has(text,
        "failed  step-right observed at least 0.95 in each cell (a.nat=sequential,link=20ms: 9 "
        "of 10 observed)\n");
    has(text,
        "ok      allocation-unknown observed at most 0.1 in each cell (1 of 30 in 3 cells)\n");
    has(text, "failed  a.nat=open: block-right in all trials (no trial has this rate)\n");
    has(text, "ok      time of netcheck p99 at most 3s (p50 1004.0, p95 1009.0, p99 1009.0 ms over "
              "all 30 trials)\n");
    assert_null(strstr(text, "direct"));
    free(text);

    text = text_of(&m, summary_markdown);
    has(text, "kernel world, 3 cells, 30 trials of netcheck, 0 inconclusive in time");
    has(text, "| a.nat | link | mapping-right | mapping-unknown |");
    assert_null(strstr(text, "| stage |"));
    free(text);

    text = text_of(&m, junit);
    has(text, "<system-out>right: mapping 9/10, filtering 10/10, allocation 10/10</system-out>");
    free(text);
    drop(&m);
}

static void test_summary_json(void **state)
{
    (void)state;
    struct made m;
    struct expect_result e[EXPECTATIONS_MAX];
    make(&m, netchecks);
    fill_netchecks(&m);
    assert_int_equal(expect_all(&m.run, e, NULL), 0);
    char *text = summary_json(&m.run, e);
    json_t *o = json_loads(text, 0, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "subject")), "netcheck");
    json_t *cell = json_array_get(json_object_get(o, "cells"), 1);
    json_t *rate = json_object_get(json_object_get(cell, "rates"), "step-right");
    assert_int_equal(json_integer_value(json_object_get(rate, "good")), 9);
    assert_int_equal(json_integer_value(json_object_get(rate, "of")), 10);
    assert_null(json_object_get(json_object_get(cell, "rates"), "block-right"));
    assert_null(json_object_get(cell, "stages"));
    json_t *time = json_object_get(json_object_get(cell, "times_ms"), "netcheck");
    assert_true(json_real_value(json_object_get(time, "max")) > 1008.9);
    json_decref(o);
    free(text);
    drop(&m);
}

static const char maps[] = "name: asks\ntopology: one-nat\nsubject: map\ntrials: 10\n"
                           "matrix: {a.nat: [random], fault: [none, other-port]}\nexpect:\n"
                           "  - {rate: as-expected, is: all}\n  - {rate: released, is: all}\n";

static void test_maps(void **state)
{
    (void)state;
    struct made m;
    struct progress p;
    char *text = NULL;
    size_t len = 0;
    make(&m, maps);
    FILE *f = open_memstream(&text, &len);
    assert_int_equal(progress_init(&p, &m.run, f), 0);
    for (unsigned t = 0; t < TRIALS; t++) {
        for (size_t c = 0; c < 2; c++) {
            struct trial_result r;
            trial_result_init(&r, SUBJECT_MAP);
            r.map.as_expected = c == 0 || t != 5;
            r.map.mapped = c == 1 && t != 5;
            r.map.protocol = t < 7 ? PH_PORTMAP_PCP : PH_PORTMAP_NATPMP;
            r.map.took = (1 + t) * PH_MS;
            r.router_mappings = c == 1 && t == 2 ? 1 : 0;
            run_add(&m.run, c, t, &r);
            progress_trial(&p, c, t);
        }
    }
    assert_int_equal(fclose(f), 0);
    assert_string_equal(
        text, "[1/2] a.nat=random,fault=none: as expected 10/10, released 10/10\n"
              "[2/2] a.nat=random,fault=other-port: as expected 9/10, released 9/10, median 5.0 "
              "ms\n");
    assert_int_equal(p.good, 19);
    progress_fini(&p);
    free(text);
    text = text_of(&m, screen);
    has(text,
        "asks  a.nat=random\n  fault       trials  expected released mapped double took p50   "
        "max ms  by\n");
    has(text, "  none            10       100      100      -      -        -        -  nobody\n");
    has(text, "  other-port      10      90.0     90.0   90.0      -      5.0     10.0  pcp 6, "
              "nat-pmp 3\n");
    has(text, "failed  released in all trials (a.nat=random,fault=other-port: 9 of 10)\n");
    free(text);
    drop(&m);
}

/* One NAT behind which everybody calls: the columns are what its router speaks. */
static void test_calls_by_protocol(void **state)
{
    (void)state;
    struct made m;
    make(&m, "name: calls\ntopology: two-nats\ntrials: 10\nmatrix: {a.nat: [random, sequential], "
             "b.nat: [random], port_mapping: [pcp, none]}\n");
    for (unsigned t = 0; t < TRIALS; t++) {
        for (size_t c = 0; c < 4; c++) {
            struct trial_result r;
            trial_result_init(&r, SUBJECT_PINHOLE);
            r.connected = true;
            r.direct = c % 2 == 0;
            r.stage = c == 0 ? PH_STAGE_PORTMAP : r.direct ? PH_STAGE_PUNCH : PH_STAGE_RELAY;
            r.setup_media = r.setup_relay = 100 * PH_MS;
            r.setup_direct = r.direct ? 160 * PH_MS : PH_NEVER;
            run_add(&m.run, c, t, &r);
        }
    }
    char *text = text_of(&m, screen);
    has(text, "calls  b.nat=random\n                         pcp      none\n");
    has(text, "  1 random               P 160    R 100\n");
    has(text, "  2 sequential           D 160    R 100\n");
    has(text, "D direct  P direct by a mapped port  R relay");
    free(text);
    drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_netchecks),
        cmocka_unit_test(test_summary_json),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_calls_by_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
