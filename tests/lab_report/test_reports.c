/* Summaries, expectations, JUnit and the grid, from made-up trials. */
#include "lab/report/escape.h"
#include "lab/report/grid.h"
#include "lab/report/junit.h"
#include "lab/report/progress.h"
#include "lab/report/summary.h"

#include <math.h>
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

/* Two profiles, three unordered pairs: oo, or, rr. */
static void make(struct made *m, const char *expect, unsigned trials)
{
    char text[2048];
    struct matrix matrix;
    struct lab_error err = {0};
    snprintf(text, sizeof(text),
             "name: made\ntopology: two-nats\ntrials: %d\n"
             "matrix: {a.nat: [open, random], b.nat: same, link: [20ms]}\npairs: unordered\n%s%s",
             TRIALS, expect[0] != '\0' ? "expect:\n" : "", expect);
    if (scenario_parse("s.yaml", text, strlen(text), &m->s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(matrix_expand(m->s, &matrix, &err), 0);
    assert_int_equal(matrix.count, 3);
    assert_int_equal(run_init(&m->run, m->s, &matrix, trials, &err), 0);
    m->run.partial = trials != TRIALS;
}

static void drop(struct made *m)
{
    run_fini(&m->run);
    scenario_free(m->s);
}

static struct trial_result trial(enum trial_status status, bool connected, bool direct, unsigned ms)
{
    struct trial_result r;
    run_lab_error(&r, "made");
    r.status = status;
    r.connected = connected;
    r.direct = direct;
    r.stage = direct ? PH_STAGE_PUNCH : connected ? PH_STAGE_RELAY : PH_STAGE_NONE;
    if (connected)
        r.setup_relay = r.setup_media = (ph_ns)ms * PH_MS / 2;
    if (direct)
        r.setup_direct = (ph_ns)ms * PH_MS;
    r.stages[PH_STAGE_PUNCH].state = direct ? PH_STAGE_WON : PH_STAGE_LOST;
    r.stages[PH_STAGE_PUNCH].start = 40 * PH_MS;
    r.stages[PH_STAGE_PUNCH].end = (40 + (ph_ns)ms) * PH_MS;
    r.stages[PH_STAGE_PUNCH].packets = 3;
    r.stages[PH_STAGE_BIRTHDAY].probes = ms;
    r.stages[PH_STAGE_BIRTHDAY].probes_to_hit = direct ? ms / 2 : 0;
    return r;
}

/* 10 direct at 160..169 ms; then `relayed` by relay and the others direct; then none direct. */
static void fill(struct made *m, unsigned relayed)
{
    for (unsigned t = 0; t < m->run.trials; t++) {
        struct trial_result r = trial(TRIAL_OK, true, true, 160 + t);
        run_add(&m->run, 0, t, &r);
        r = trial(TRIAL_OK, true, t >= relayed, 200);
        run_add(&m->run, 1, t, &r);
        r = trial(TRIAL_OK, true, false, 100);
        run_add(&m->run, 2, t, &r);
    }
}

static void near(double a, double b)
{
    if (fabs(a - b) > 1e-9)
        fail_msg("%.9f is not %.9f", a, b);
}

static void test_summary(void **state)
{
    (void)state;
    struct made m;
    struct summary s;
    make(&m, "", TRIALS);
    fill(&m, 4);
    assert_int_equal(summary_of(&m.run, NULL, &s), 0);
    assert_int_equal(s.trials, 30);
    assert_int_equal(s.counted, 30);
    assert_int_equal(s.connected, 30);
    assert_int_equal(s.direct, 16);
    assert_int_equal(s.times[SUBJECT_TIME_DIRECT].count, 16);
    assert_int_equal(s.stages[PH_STAGE_PUNCH].won, 16);
    assert_int_equal(s.stages[PH_STAGE_PUNCH].lost, 14);
    assert_int_equal(s.stages[PH_STAGE_PUNCH].packets, 90);
    assert_int_equal(s.stages[PH_STAGE_PREDICT].skipped, 30);
    assert_int_equal(s.stages[PH_STAGE_PREDICT].to_hit.count, 0);
    assert_int_equal(s.stages[PH_STAGE_BIRTHDAY].to_hit.count, 16);
    near(s.stages[PH_STAGE_BIRTHDAY].to_hit.max, 100);
    assert_int_equal(s.counts[SUBJECT_COUNT_PROBES].count, 30);
    near(s.counts[SUBJECT_COUNT_PROBES].p50, 164);
    near(s.counts[SUBJECT_COUNT_PROBES].max, 200);
    assert_int_equal(s.counts[SUBJECT_COUNT_PROBES_TO_HIT].count, 16);
    assert_int_equal(summary_of_cell(&m.run, 0, &s), 0);
    near(s.times[SUBJECT_TIME_DIRECT].p50, 164);
    near(s.times[SUBJECT_TIME_DIRECT].p95, 169);
    near(s.direct_floor.p50, 164.0 / 160.0);
    assert_int_equal(summary_of_cell(&m.run, 2, &s), 0);
    assert_int_equal(s.times[SUBJECT_TIME_DIRECT].count, 0);
    near(s.times[SUBJECT_TIME_RELAY].p50, 50);
    drop(&m);
}

/* Lab errors count for nothing, inconclusive trials for rates but not for times. */
static void test_status(void **state)
{
    (void)state;
    struct made m;
    struct summary s;
    make(&m, "", TRIALS);
    fill(&m, 0);
    struct trial_result r = trial(TRIAL_LAB_ERROR, true, true, 1);
    run_add(&m.run, 0, 0, &r);
    r = trial(TRIAL_OK, true, true, 1);
    r.lateness = 5 * PH_MS + 1;
    assert_int_equal(run_add(&m.run, 0, 1, &r)->status, TRIAL_INCONCLUSIVE);
    r.lateness = 5 * PH_MS;
    assert_int_equal(run_add(&m.run, 0, 2, &r)->status, TRIAL_OK);
    r.lateness = 0;
    r.shaper_lateness = 6 * PH_MS;
    assert_int_equal(run_add(&m.run, 0, 3, &r)->status, TRIAL_INCONCLUSIVE);
    assert_int_equal(summary_of_cell(&m.run, 0, &s), 0);
    assert_int_equal(s.trials, 10);
    assert_int_equal(s.counted, 9);
    assert_int_equal(s.lab_errors, 1);
    assert_int_equal(s.inconclusive, 2);
    assert_int_equal(s.direct, 9);
    assert_int_equal(s.times[SUBJECT_TIME_DIRECT].count, 7);
    drop(&m);
}

static void test_expectations(void **state)
{
    (void)state;
    static const struct {
        const char *expect;
        unsigned relayed, trials;
        enum expect_status status;
        const char *detail; /* how it begins */
    } cases[] = {
        {"  - {rate: connected, is: all}\n", 4, TRIALS, EXPECT_PASSED, "30 of 30 in 3 cells"},
        {"  - {rate: direct, is: all}\n", 4, TRIALS, EXPECT_FAILED,
         "a.nat=open,b.nat=random,link=20ms: 6 of 10 (and 1 cells more)"},
        {"  - {when: {a.nat: random}, rate: direct, is: none}\n", 10, TRIALS, EXPECT_PASSED,
         "0 of 20 in 2 cells"}, /* open with random is random with open */
        {"  - {when: {a.nat: random, b.nat: random}, rate: direct, is: all}\n", 0, TRIALS,
         EXPECT_FAILED, "a.nat=random,b.nat=random,link=20ms: 0 of 10"},
        {"  - {when: {a.nat: open}, rate: direct, at_least: 0.8, pool: true}\n", 0, TRIALS,
         EXPECT_PASSED, "20 of 20, at least 0.839"},
        {"  - {when: {a.nat: open}, rate: direct, at_least: 0.8, pool: true}\n", 1, TRIALS,
         EXPECT_FAILED, "19 of 20; the 95% interval begins at 0.764"},
        {"  - {when: {a.nat: open}, rate: direct, at_least: 0.7}\n", 1, TRIALS, EXPECT_FAILED,
         "a.nat=open,b.nat=random,link=20ms: 9 of 10; the 95% interval begins at 0.596"},
        {"  - {when: {a.nat: open}, rate: direct, at_least: 0.7}\n", 0, 3, EXPECT_TOO_FEW,
         "a.nat=open,b.nat=open,link=20ms: 3 of 3; 9 trials would do"},
        {"  - {when: {b.nat: random}, rate: direct, observed: 0.6}\n", 4, TRIALS, EXPECT_FAILED,
         "a.nat=random,b.nat=random,link=20ms: 0 of 10 observed"},
        {"  - {when: {b.nat: random}, rate: direct, observed: 0.6}\n", 4, 1, EXPECT_TOO_FEW,
         "a.nat=open,b.nat=random,link=20ms: 0 of 1 observed"},
        {"  - {when: {a.nat: open}, rate: direct, observed: 0.6}\n", 4, TRIALS, EXPECT_PASSED,
         "16 of 20 in 2 cells"},
        {"  - {when: {a.nat: open}, rate: direct, observed_at_most: 0.6}\n", 4, TRIALS,
         EXPECT_FAILED, "a.nat=open,b.nat=open,link=20ms: 10 of 10 observed"},
        {"  - {when: {a.nat: open, b.nat: random}, rate: direct, observed_at_most: 0.6}\n", 4,
         TRIALS, EXPECT_PASSED, "6 of 10 in 1 cells"},
        {"  - {when: {a.nat: open, b.nat: random}, rate: direct, observed_at_most: 0.5}\n", 4,
         TRIALS, EXPECT_FAILED, "a.nat=open,b.nat=random,link=20ms: 6 of 10 observed"},
        {"  - {when: {b.nat: random}, rate: direct, observed_at_most: 0}\n", 0, 1, EXPECT_TOO_FEW,
         "a.nat=open,b.nat=random,link=20ms: 1 of 1 observed"},
        {"  - {rate: by-portmap, is: none}\n", 4, TRIALS, EXPECT_PASSED, "0 of 30 in 3 cells"},
        /* Nobody has said what the routers hold. */
        {"  - {rate: released, is: all}\n", 4, TRIALS, EXPECT_FAILED, "no trial has this rate"},
        /* 100 ms there, 200 here. */
        {"  - {when: {a.nat: open, b.nat: random}, time: media, not_slower_than: {a.nat: random},"
         " within: 50ms}\n",
         4, TRIALS, EXPECT_PASSED, "at worst +50.0 ms in 1 of 1 cells"},
        {"  - {when: {a.nat: open, b.nat: random}, time: media, not_slower_than: {a.nat: random},"
         " within: 49ms, or: 90%}\n",
         4, TRIALS, EXPECT_FAILED,
         "a.nat=open,b.nat=random,link=20ms: p50 100.0 ms, 50.0 ms above 50.0"},
        {"  - {when: {a.nat: open, b.nat: random}, time: media, not_slower_than: {a.nat: random},"
         " within: 10ms, or: 100%}\n",
         4, TRIALS, EXPECT_PASSED, "at worst +50.0 ms in 1 of 1 cells"},
        {"  - {when: {a.nat: open, b.nat: random}, time: media, not_slower_than: {a.nat: random},"
         " within: 49ms}\n",
         4, 3, EXPECT_TOO_FEW, "a.nat=open,b.nat=random,link=20ms: p50 100.0 ms, 50.0 ms above"},
        {"  - {when: {a.nat: open, b.nat: random}, time: direct, not_slower_than: {a.nat: random},"
         " within: 49ms}\n",
         4, TRIALS, EXPECT_FAILED, "no two medians to compare"},
        {"  - {time: direct, p95: 200ms, pool: true}\n", 4, TRIALS, EXPECT_PASSED,
         "p95 200.0 ms of 16 trials"},
        {"  - {time: direct, p50: 168ms, p95: 199ms, pool: true}\n", 4, TRIALS, EXPECT_FAILED,
         "p95 200.0 ms of 16 trials"},
        {"  - {time: direct, p95: 199ms}\n", 4, TRIALS, EXPECT_FAILED,
         "a.nat=open,b.nat=random,link=20ms: p95 200.0 ms of 6 trials"},
        {"  - {when: {a.nat: random, b.nat: random}, time: direct, p95: 1s}\n", 0, TRIALS,
         EXPECT_FAILED, "no trial has this time"},
        {"  - {when: {a.nat: random, b.nat: random}, time: media, p95: 50ms}\n", 0, TRIALS,
         EXPECT_PASSED, "p50 50.0, p95 50.0, p99 50.0 ms over all 10 trials"},
        {"  - {count: probes, at_most: 200}\n", 4, TRIALS, EXPECT_PASSED,
         "p50 164, p95 200, the most 200 over all 30 trials"},
        {"  - {count: probes, at_most: 199}\n", 4, TRIALS, EXPECT_FAILED,
         "a.nat=open,b.nat=random,link=20ms: the most are 200 of 10 trials"},
        {"  - {when: {a.nat: open, b.nat: open}, count: probes, at_most: 169, p50: 163}\n", 4,
         TRIALS, EXPECT_FAILED, "a.nat=open,b.nat=open,link=20ms: p50 164 of 10 trials"},
        {"  - {count: probes-to-hit, p95: 100, pool: true}\n", 4, TRIALS, EXPECT_PASSED,
         "p95 100 of 16 trials"},
        {"  - {count: probes-to-hit, p95: 100}\n", 10, TRIALS, EXPECT_PASSED,
         "p50 82, p95 84, the most 84 over all 10 trials; 2 cells without"},
        {"  - {when: {a.nat: random, b.nat: random}, count: probes-to-hit, p50: 1}\n", 4, TRIALS,
         EXPECT_FAILED, "no trial has this count"},
        /* What was not held against the limit is said. */
        {"  - {time: direct, p95: 1s}\n", 10, TRIALS, EXPECT_PASSED,
         "p50 164.0, p95 169.0, p99 169.0 ms over all 10 trials; 2 cells without"},
        {"  - {time: direct, p95: 10ms}\n", 4, TRIALS, EXPECT_FAILED,
         "a.nat=open,b.nat=open,link=20ms: p95 169.0 ms of 10 trials (and 1 cells more); 1 cell "
         "without"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct made m;
        struct expect_result r;
        bool cell_failed[3];
        make(&m, cases[i].expect, cases[i].trials);
        fill(&m, cases[i].relayed);
        assert_int_equal(expect_all(&m.run, &r, cell_failed), 0);
        if (r.status != cases[i].status ||
            strncmp(r.detail, cases[i].detail, strlen(cases[i].detail)) != 0)
            fail_msg("case %zu: %s: %s", i, expect_status_name(r.status), r.detail);
        drop(&m);
    }
}

/* Part of a matrix: the cell to compare with is not in it, and nothing is claimed. */
static void test_counterpart_not_run(void **state)
{
    (void)state;
    struct made m;
    struct expect_result r;
    make(&m,
         "  - {when: {a.nat: open, b.nat: random}, time: media, not_slower_than: {a.nat: random},"
         " within: 49ms}\n",
         TRIALS);
    fill(&m, 4);
    m.run.matrix.count = 2;
    m.run.partial = true;
    assert_int_equal(expect_all(&m.run, &r, NULL), 0);
    assert_int_equal(r.status, EXPECT_TOO_FEW);
    assert_string_equal(r.detail,
                        "a.nat=open,b.nat=random,link=20ms: what it is compared with was not run");
    drop(&m);
}

/* What routers still hold after a trial counts for every trial in which somebody looked. */
static void test_released(void **state)
{
    (void)state;
    struct made m;
    struct expect_result r;
    make(&m, "  - {rate: released, is: all}\n", TRIALS);
    fill(&m, 4);
    for (unsigned t = 0; t < TRIALS; t++) {
        for (size_t c = 0; c < 3; c++) {
            struct trial_result result = trial(TRIAL_OK, true, true, 100);
            result.router_mappings = c == 1 && t < 2 ? 1 : 0;
            run_add(&m.run, c, t, &result);
        }
    }
    assert_int_equal(expect_all(&m.run, &r, NULL), 0);
    assert_int_equal(r.status, EXPECT_FAILED);
    assert_string_equal(r.detail, "a.nat=open,b.nat=random,link=20ms: 8 of 10");
    drop(&m);
}

/* A machine that was too busy for every trial's time says nothing of the subject. */
static void test_all_inconclusive(void **state)
{
    static const struct {
        bool direct;
        enum expect_status status;
        const char *detail;
    } cases[] = {
        {true, EXPECT_TOO_FEW, "all 30 trials with this time are inconclusive"},
        {false, EXPECT_FAILED, "no trial has this time"},
    };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        bool direct = cases[i % 2].direct;
        struct made m;
        struct expect_result r;
        bool cell_failed[3];
        make(&m,
             i < 2 ? "  - {time: direct, p95: 1s}\n" : "  - {time: direct, p95: 1s, pool: true}\n",
             TRIALS);
        for (size_t c = 0; c < 3; c++) {
            for (unsigned t = 0; t < TRIALS; t++) {
                struct trial_result e = trial(TRIAL_INCONCLUSIVE, true, direct, 100);
                run_add(&m.run, c, t, &e);
            }
        }
        assert_int_equal(expect_all(&m.run, &r, cell_failed), 0);
        assert_int_equal(r.status, cases[i % 2].status);
        assert_string_equal(r.detail, cases[i % 2].detail);
        assert_false(cell_failed[0]);
        drop(&m);
    }
}

/* A cell in which the lab alone failed has nothing to pass with. */
static void test_no_counted_trial(void **state)
{
    (void)state;
    struct made m;
    struct expect_result r;
    bool cell_failed[3];
    make(&m, "  - {rate: connected, is: all}\n", TRIALS);
    fill(&m, 0);
    for (unsigned t = 0; t < TRIALS; t++) {
        struct trial_result e;
        run_lab_error(&e, "no world");
        run_add(&m.run, 1, t, &e);
    }
    assert_int_equal(expect_all(&m.run, &r, cell_failed), 0);
    assert_int_equal(r.status, EXPECT_FAILED);
    assert_string_equal(r.detail, "a.nat=open,b.nat=random,link=20ms: no counted trial");
    assert_false(cell_failed[0]);
    assert_true(cell_failed[1]);
    assert_false(cell_failed[2]);
    drop(&m);
}

/* The text that a function writes; free it. */
static char *capture(const struct made *m, int (*write)(const struct made *m, FILE *out))
{
    static char *text; /* open_memstream's own */
    static size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    assert_int_equal(write(m, f), 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

static int write_junit(const struct made *m, FILE *out)
{
    struct expect_result r[EXPECTATIONS_MAX];
    bool cell_failed[3];
    return expect_all(&m->run, r, cell_failed) != 0 ? -1
                                                    : junit_write(&m->run, r, cell_failed, out);
}

/* Enough of XML to see that tags close in order and no bare & or < stands in a value. */
static void check_xml(const char *text)
{
    char open[16][32];
    size_t depth = 0, elements = 0;
    const char *p = strstr(text, "?>");
    assert_non_null(p);
    for (p += 2; *p != '\0'; p++) {
        if (*p == '&')
            assert_true(strncmp(p, "&quot;", 6) == 0 || strncmp(p, "&lt;", 4) == 0 ||
                        strncmp(p, "&gt;", 4) == 0 || strncmp(p, "&amp;", 5) == 0 ||
                        strncmp(p, "&apos;", 6) == 0 || strncmp(p, "&#", 2) == 0);
        if (*p != '<')
            continue;
        const char *end = p + 1;
        bool quoted = false;
        while (*end != '\0' && (quoted || *end != '>')) {
            quoted = *end == '"' ? !quoted : quoted;
            assert_true(!(quoted && *end == '<'));
            end++;
        }
        assert_int_equal(*end, '>');
        size_t n = strcspn(p + 1, " />");
        if (p[1] == '/') {
            assert_true(depth > 0);
            depth--;
            n = strcspn(p + 2, ">");
            assert_int_equal(strlen(open[depth]), n);
            assert_memory_equal(open[depth], p + 2, n);
        } else if (end[-1] != '/') {
            assert_true(depth < 16 && n < 32);
            memcpy(open[depth], p + 1, n);
            open[depth++][n] = '\0';
        }
        elements++;
        p = end;
    }
    assert_int_equal(depth, 0);
    assert_true(elements > 10);
}

static void test_junit(void **state)
{
    (void)state;
    struct made m;
    make(&m,
         "  - {rate: connected, is: all}\n"
         "  - {when: {a.nat: \"*\"}, rate: direct, is: all}\n",
         TRIALS);
    fill(&m, 4);
    struct trial_result r = trial(TRIAL_LAB_ERROR, false, false, 0);
    run_add(&m.run, 2, 0, &r);
    char *text = capture(&m, write_junit);
    check_xml(text);
    assert_non_null(strstr(text, "<testsuite name=\"made\" tests=\"5\" failures=\"2\" errors=\"1\" "
                                 "skipped=\"0\""));
    assert_non_null(strstr(text, "name=\"a.nat=open,b.nat=random,link=20ms\""));
    assert_non_null(strstr(text, "<error message=\"1 of 10 trials: lab error\"/>"));
    free(text);
    drop(&m);

    char *escaped = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&escaped, &len);
    escape_xml("a<b>&\"c'\001\n", f);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(escaped, "a&lt;b&gt;&amp;&quot;c&apos;?&#10;");
    free(escaped);
}

static int write_grid(const struct made *m, FILE *out)
{
    struct expect_result r[EXPECTATIONS_MAX];
    return expect_all(&m->run, r, NULL) != 0 ? -1 : grid_print(&m->run, r, false, out);
}

static int write_colours(const struct made *m, FILE *out)
{
    struct expect_result r[EXPECTATIONS_MAX];
    return expect_all(&m->run, r, NULL) != 0 ? -1 : grid_print(&m->run, r, true, out);
}

static void test_grid(void **state)
{
    (void)state;
    struct made m;
    make(&m, "  - {rate: connected, is: all}\n", TRIALS);
    fill(&m, 4);
    char *text = capture(&m, write_grid);
    static const char *const lines[] = {
        "made  link=20ms\n",
        "  1 open                 D 164    M60% 200",
        "  2 random                        R 50\n",
        "  to direct floor  160.0 ms   median  167.0   p95  200.0   p99  200.0   of 16 trials;",
        "; median 1.04 x its floor\n",
        "punch           16      14       0        0     167.0     200.0         -       -\n",
        "birthday         0       0       0       30         -         -        83     100\n",
        "30 trials: 30 connected, 16 direct, 0 inconclusive in time, 0 lab errors",
        "ok      connected in all trials (30 of 30 in 3 cells)\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("not there: %s\n%s", lines[i], text);
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, " \n"));
    free(text);
    text = capture(&m, write_colours);
    assert_non_null(strstr(text, "\033[32mD 164"));
    free(text);

    struct trial_result r = trial(TRIAL_OK, false, false, 0);
    run_add(&m.run, 1, 0, &r);
    for (unsigned t = 0; t < TRIALS; t++)
        run_add(&m.run, 2, t, &r);
    text = capture(&m, write_grid);
    assert_non_null(strstr(text, "!90% 200"));
    assert_non_null(strstr(text, " X\n"));
    free(text);
    drop(&m);
}

static int write_markdown(const struct made *m, FILE *out)
{
    struct expect_result r[EXPECTATIONS_MAX];
    return expect_all(&m->run, r, NULL) != 0 ? -1 : summary_markdown(&m->run, r, out);
}

static void test_documents(void **state)
{
    (void)state;
    struct made m;
    struct expect_result r[EXPECTATIONS_MAX];
    make(&m, "  - {rate: connected, is: all}\n", TRIALS);
    fill(&m, 4);
    m.run.duration = 5 * PH_SEC;
    char *markdown = capture(&m, write_markdown);
    assert_non_null(strstr(markdown, "| open | random | 20ms | 10/10 | 6/10 | 160.0 | 200.0 |"));
    assert_non_null(strstr(markdown, "| connected in all trials | ok | 30 of 30 in 3 cells |"));
    free(markdown);
    assert_int_equal(expect_all(&m.run, r, NULL), 0);
    char *one = summary_json(&m.run, r);
    m.run.duration = 6 * PH_SEC; /* nothing of the clock is in it */
    char *two = summary_json(&m.run, r);
    assert_string_equal(one, two);
    json_t *o = json_loads(one, 0, NULL);
    assert_non_null(o);
    json_t *cell = json_array_get(json_object_get(o, "cells"), 1);
    assert_int_equal(json_integer_value(json_object_get(cell, "direct")), 6);
    near(json_real_value(json_object_get(json_object_get(cell, "direct_rate"), "low")), 0.313);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "total"), "direct")),
                     16);
    json_decref(o);
    free(one);
    free(two);
    drop(&m);
}

static void test_progress(void **state)
{
    (void)state;
    struct made m;
    struct progress p;
    char *text = NULL;
    size_t len = 0;
    make(&m, "", TRIALS);
    fill(&m, 4);
    FILE *f = open_memstream(&text, &len);
    assert_int_equal(progress_init(&p, &m.run, f), 0);
    for (unsigned t = 0; t < TRIALS; t++)
        progress_trial(&p, 1, t);
    progress_tick(&p, PH_SEC);
    progress_end(&p);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(text, "[1/3] a.nat=open,b.nat=random,link=20ms: connected 10/10, direct "
                              "6/10, median 200.0 ms\n");
    assert_int_equal(p.done, 10);
    progress_fini(&p);
    free(text);
    drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_counterpart_not_run),
        cmocka_unit_test(test_released),
        cmocka_unit_test(test_all_inconclusive),
        cmocka_unit_test(test_no_counted_trial),
        cmocka_unit_test(test_junit),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
