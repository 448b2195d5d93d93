/* What is reported of a run whose calls were drawn from a population, from made-up trials. */
#include "lab/report/grid.h"
#include "lab/report/junit.h"
#include "lab/report/population.h"
#include "lab/run/outlook.h"
#include "lab/run/spread.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRIALS 100

struct made {
    struct scenario *s;
    struct run run;
};

static const char file[] =
    "name: made\ntopology: two-nats\ntrials: 100\n"
    "population:\n"
    "  home: {share: 75%, maps: true, nats: {port-preserving: 96%, udp-blocked: 4%}}\n"
    "  mobile: {share: 25%, nats: {random: 100%}}\n"
    "matrix:\n"
    "  mapping_routers: [0%, 100%]\n"
    "  a.nat: population\n  b.nat: same\n  a.port_mapping: [none, all]\n  b.port_mapping: same\n"
    "expect:\n"
    "  - {when: {mapping_routers: 0%}, rate: direct, at_least: 0.4, pool: true}\n"
    "  - {when: {mapping_routers: 100%}, rate: direct, at_least: 0.4, pool: true}\n";

/* Direct wherever anything can be, but between a counted-out NAT and an easy one. */
static void make(struct made *m, unsigned trials)
{
    struct matrix matrix;
    struct lab_error err = {0};
    if (scenario_parse("s.yaml", file, strlen(file), &m->s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(matrix_expand(m->s, &matrix, &err), 0);
    assert_int_equal(spread_trials(m->s, &matrix, trials, 3), 0);
    assert_int_equal(run_init(&m->run, m->s, &matrix, trials, &err), 0);
    m->run.partial = trials != TRIALS;
    for (size_t c = 0; c < m->run.matrix.count; c++) {
        for (unsigned t = 0; t < run_trials(&m->run, c); t++) {
            struct trial_result r;
            run_lab_error(&r, "made");
            r.status = TRIAL_OK;
            r.connected = m->run.outlook[c] != OUTLOOK_NO_UDP;
            r.direct = m->run.outlook[c] == OUTLOOK_JOINABLE;
            r.stage = r.direct ? PH_STAGE_PUNCH : PH_STAGE_RELAY;
            run_add(&m->run, c, t, &r);
        }
    }
}

static void drop(struct made *m)
{
    run_fini(&m->run);
    scenario_free(m->s);
}

static void near(double a, double b)
{
    if (fabs(a - b) > 1e-9)
        fail_msg("%.9f is not %.9f", a, b);
}

/* 72% port-preserving, 3% without UDP, 25% random: hopeless are random pairs, and who has no UDP.
 */
static void test_strata(void **state)
{
    (void)state;
    struct made m;
    size_t n;
    make(&m, TRIALS);
    struct stratum *all = population_strata(&m.run, &n);
    assert_non_null(all);
    assert_int_equal(n, 2);
    assert_string_equal(all[0].name, "mapping_routers=0%");
    assert_int_equal(all[0].summary.counted, TRIALS);
    near(all[0].ceiling, 0.97 * 0.97 - 0.25 * 0.25);
    near(all[0].udp_ceiling, 1.0 - 0.25 * 0.25 / (0.97 * 0.97));
    /* Mapping routers stand before the easy ones alone here, and change nothing. */
    near(all[1].ceiling, all[0].ceiling);
    /* What was drawn is the population's, to within the rounding of each cell. */
    double share = (double)all[0].summary.direct / TRIALS;
    assert_true(fabs(share - all[0].ceiling) < 0.05);
    assert_true(all[0].udp.of < TRIALS && all[0].udp.good == all[0].summary.direct);
    free(all);
    drop(&m);
}

static char *capture(const struct made *m, int (*write)(const struct made *m, FILE *out))
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    assert_int_equal(write(m, f), 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

static int write_grid(const struct made *m, FILE *out)
{
    struct expect_result r[EXPECTATIONS_MAX];
    return expect_all(&m->run, r, NULL) != 0 ? -1 : grid_print(&m->run, r, false, out);
}

static int write_markdown(const struct made *m, FILE *out)
{
    struct expect_result r[EXPECTATIONS_MAX];
    return expect_all(&m->run, r, NULL) != 0 ? -1 : summary_markdown(&m->run, r, out);
}

static int write_junit(const struct made *m, FILE *out)
{
    struct expect_result r[EXPECTATIONS_MAX];
    bool failed[64];
    return expect_all(&m->run, r, failed) != 0 ? -1 : junit_write(&m->run, r, failed, out);
}

static void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("not there: %s\n%s", part, text);
}

static void test_documents(void **state)
{
    (void)state;
    struct made m;
    make(&m, TRIALS);
    char *text = capture(&m, write_grid);
    has(text, "  1 mapping_routers=0%\n         100 calls  ");
    has(text, "ceiling 87.84%    both with UDP ");
    has(text, "ceiling 93.36%\n");
    has(text, "  home 75%: port-preserving 96%, udp-blocked 4%\n  mobile 25%: random 100%\n");
    has(text, "ok      mapping_routers=0%: direct at least 0.4, pooled");
    assert_null(strstr(text, "R 160")); /* no grid of pairs */
    free(text);
    text = capture(&m, write_markdown);
    has(text, "| mapping_routers=0% | 100 | ");
    has(text, "| 87.84% |");
    free(text);
    /* A cell that the draw passed by is no test case. */
    text = capture(&m, write_junit);
    char head[64];
    snprintf(head, sizeof(head), "tests=\"%zu\" failures=\"0\" errors=\"0\" skipped=\"0\"",
             run_cells(&m.run) + 2);
    has(text, head);
    assert_true(run_cells(&m.run) < m.run.matrix.count);
    free(text);

    struct expect_result r[EXPECTATIONS_MAX];
    assert_int_equal(expect_all(&m.run, r, NULL), 0);
    json_error_t bad;
    text = summary_json(&m.run, r);
    json_t *o = json_loads(text, 0, &bad);
    assert_non_null(o);
    const json_t *first = json_array_get(json_object_get(o, "population"), 0);
    near(json_real_value(json_object_get(json_object_get(first, "all"), "ceiling")), 0.8784);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(first, "all"), "of")),
                     TRIALS);
    json_decref(o);
    free(text);
    drop(&m);
}

/* A hundredth of the trials cannot decide, and says so in place of failing. */
static void test_few(void **state)
{
    (void)state;
    struct made m;
    struct expect_result r[EXPECTATIONS_MAX];
    make(&m, 4);
    assert_int_equal(expect_all(&m.run, r, NULL), 0);
    assert_int_equal(r[0].status, EXPECT_TOO_FEW);
    drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strata),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
