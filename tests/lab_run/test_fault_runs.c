/* Whole runs of calls that faults befall, through the same processes and messages as natlab's own:
 * that each fault happens at its moment, and is measured as what it is. Whether calls get over it
 * is no business of this test. */
#include "lab/run/media_meter.h"
#include "lab/run/runner.h"
#include "lab/run/score.h"
#include "tests/kernel_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char faults_text[] =
    "name: all\ntopology: two-nats\ntrials: 2\nmedia: 600ms\n"
    "matrix: {link: [20ms], fault: [none, flows, reboot, renumber, move, "
    "pulled, blocked, hole, up,\n"
    "  down, dark, killed, restarted, two]}\n"
    "faults:\n"
    "  flows: {do: flush-conntrack, where: both, at: 700ms-900ms}\n"
    "  reboot: {do: reboot-nat, where: a, at: 700ms-900ms}\n"
    "  renumber: {do: renumber-wan, where: b, at: 700ms-900ms}\n"
    "  move: {do: change-interface, where: a, at: 700ms-900ms}\n"
    "  pulled: {do: link-down, where: b, at: 700ms-900ms, for: 300ms}\n"
    "  blocked: {do: block-udp, where: a, at: 700ms-900ms, for: 300ms}\n"
    "  hole: {do: blackhole, at: 700ms-900ms, for: 300ms}\n"
    "  up: {do: blackhole, direction: up, at: 700ms-900ms, for: 300ms}\n"
    "  down: {do: blackhole, direction: down, at: 700ms-900ms, for: 300ms}\n"
    "  dark: {do: blackout, where: both, at: 700ms-900ms, for: 300ms}\n"
    "  killed: {do: kill-relay, at: 700ms-900ms}\n"
    "  restarted: {do: restart-relay, at: 700ms-900ms, for: 200ms}\n"
    "  two:\n"
    "    - {do: blackout, where: a, at: 600ms, for: 200ms}\n"
    "    - {do: reboot-nat, where: both, at: 1200ms}\n";

static const char lossy_text[] = "name: lossy\ntopology: near-peers\ntrials: 2\nmedia: 1s\n"
                                 "matrix: {loss: [5%], fault: [none]}\n";

#define TRIALS_MAX 64
#define LASTS      (300 * PH_MS)

struct gathered {
    struct run *run;
    struct trial_result *results;
    char *lines[TRIALS_MAX];
};

static void on_trial(void *user, size_t cell, unsigned trial, uint64_t seed,
                     const struct trial_result *result)
{
    struct gathered *g = user;
    size_t i = cell * 2 + trial;
    assert_true(i < TRIALS_MAX);
    g->results[i] = *result;
    g->lines[i] = record_json(g->run, cell, trial, seed, result);
}

/* What the caller and the callee must have gone without, at least; in virtual time the others
 * nothing out of the ordinary. */
static void must_gap(const struct trial_result *r, const char *fault, ph_ns caller, ph_ns callee,
                     bool exact)
{
    ph_ns least[2] = {caller, callee};
    for (size_t i = 0; i < 2; i++) {
        ph_ns gap = r->faults.first[0].gap[i];
        if (gap == PH_NEVER || gap < least[i] || (exact && least[i] == 0 && gap > METER_USUAL))
            fail_msg("%s: %s heard nothing for %.1f ms", fault, i == 0 ? "caller" : "callee",
                     ph_ns_to_ms(gap));
    }
}

static void check_fault(const struct trial_result *r, const char *fault, bool exact)
{
    const struct faults_result *f = &r->faults;
    if (strcmp(fault, "none") == 0) {
        assert_int_equal(f->count, 0);
        return;
    }
    assert_int_equal(f->count, strcmp(fault, "two") == 0 ? 2 : 1);
    if (f->done != f->count)
        fail_msg("%s: %zu of %zu", fault, f->done, f->count);
    for (size_t i = 0; i < f->count; i++) {
        assert_true(f->first[i].at >= f->first[i].what.when);
        if (exact)
            assert_true(f->first[i].at == f->first[i].what.when);
    }
    assert_true(f->gap != PH_NEVER && f->recovery != PH_NEVER);
    /* Nothing gets round these; the end of one may be asked for a little sooner than done. */
    ph_ns all = LASTS - 100 * PH_MS;
    if (strcmp(fault, "dark") == 0 || strcmp(fault, "blocked") == 0 || strcmp(fault, "pulled") == 0)
        must_gap(r, fault, all, all, false);
    /* The relay does, as soon as it is noticed that a path is silent. */
    ph_ns noticed = exact ? METER_USUAL : 1;
    if (strcmp(fault, "hole") == 0)
        must_gap(r, fault, noticed, noticed, exact);
    if (strcmp(fault, "up") == 0)
        must_gap(r, fault, 0, noticed, exact);
    if (strcmp(fault, "down") == 0)
        must_gap(r, fault, noticed, 0, exact);
    if (strcmp(fault, "dark") == 0 || strcmp(fault, "blocked") == 0) {
        /* It is over after a third of a second; a call lives through that by itself. */
        assert_true(f->survived);
        assert_true(f->recovery >= all);
    }
    /* A direct call needs no relay. */
    if (exact && (strcmp(fault, "killed") == 0 || strcmp(fault, "restarted") == 0)) {
        must_gap(r, fault, 0, 0, true);
        assert_true(f->survived);
    }
}

static void check_trial(const struct trial_result *r, const char *key, const char *fault,
                        bool exact)
{
    uint32_t counts[SUBJECT_COUNT_COUNT], asked, good;
    if (r->status == TRIAL_LAB_ERROR)
        fail_msg("%s: %s", key, r->error);
    /* Also the second trial of a world that the first has left changed. */
    if (!r->connected)
        fail_msg("%s: not connected", key);
    for (size_t i = 0; i < 2; i++) {
        const struct flow_result *f = &r->flow[i];
        assert_true(f->sent >= f->received && f->received > 20);
        assert_int_equal(f->duplicates, 0);
        if (f->switched == PH_NEVER || f->first_direct == PH_NEVER)
            fail_msg("%s: no direct path was there before the fault", key);
        assert_true(f->direct > 0 && f->direct <= f->received);
    }
    /* What the application was told is what the call has counted. */
    assert_true((r->media.received == r->flow[0].received && r->media.sent == r->flow[0].sent) ||
                (r->media.received == r->flow[1].received && r->media.sent == r->flow[1].sent));
    assert_true(r->drops_known);
    assert_int_equal(r->drops.packets, 0);
    score(r, &asked, &good);
    score_counts(r, counts);
    assert_int_equal((asked >> RATE_SURVIVED) & 1, strcmp(fault, "none") != 0);
    assert_int_equal((good >> RATE_SURVIVED) & 1, r->faults.survived);
    if (strcmp(fault, "none") == 0)
        assert_int_equal(counts[SUBJECT_COUNT_UNEXPLAINED], 0);
    else
        assert_true(counts[SUBJECT_COUNT_UNEXPLAINED] == SCORE_ABSENT);
    check_fault(r, fault, exact);
}

/* What the links lose is counted, and explains frames that were not heard. */
static void check_lossy(const struct trial_result *r, const char *key, const char *fault,
                        bool exact)
{
    uint32_t counts[SUBJECT_COUNT_COUNT];
    (void)fault, (void)exact;
    if (r->status == TRIAL_LAB_ERROR)
        fail_msg("%s: %s", key, r->error);
    score_counts(r, counts);
    assert_true(r->drops_known);
    assert_true(r->drops.large > 0 && r->drops.packets > r->drops.large);
    assert_int_equal(counts[SUBJECT_COUNT_DROPPED], r->drops.large);
    assert_true(counts[SUBJECT_COUNT_LOST] > 0);
    assert_true(counts[SUBJECT_COUNT_UNEXPLAINED] < counts[SUBJECT_COUNT_LOST]);
}

typedef void check_fn(const struct trial_result *r, const char *key, const char *fault, bool exact);

/* Returns all lines of trials.jsonl. */
static char *run_all(const char *text, check_fn *check, bool sim, size_t workers)
{
    struct scenario *s = NULL;
    struct matrix m;
    struct run run;
    struct lab_error err = {0};
    static struct trial_result results[TRIALS_MAX];
    struct gathered g = {.run = &run, .results = results};
    char *all = NULL;
    size_t len = 0;
    if (scenario_parse("s.yaml", text, strlen(text), &s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(run_init(&run, s, &m, s->trials, &err), 0);
    run.world = sim ? "sim" : "kernel";
    run.seed = 11;
    struct runner_config config = {
        .sim = sim, .workers = workers, .jobs = sim ? 0 : 14, .on_trial = on_trial, .user = &g};
    if (runner_run(&run, &config, &err) != 0)
        fail_msg("%s", err.text);
    FILE *f = open_memstream(&all, &len);
    assert_non_null(f);
    for (size_t c = 0; c < run.matrix.count; c++) {
        const char *fault = matrix_value(s, &run.matrix.cells[c], "fault");
        for (unsigned t = 0; t < 2; t++) {
            check(&results[c * 2 + t], run.matrix.cells[c].key, fault, sim);
            (void)fprintf(f, "%s\n", g.lines[c * 2 + t]);
            free(g.lines[c * 2 + t]);
        }
    }
    assert_int_equal(fclose(f), 0);
    run_fini(&run);
    scenario_free(s);
    return all;
}

/* Equal seeds give equal bytes: moments, sides, and all that follows from them. */
static void test_simulator(void **state)
{
    (void)state;
    char *one = run_all(faults_text, check_trial, true, 1);
    char *other = run_all(faults_text, check_trial, true, 3);
    assert_string_equal(one, other);
    assert_non_null(strstr(one, "\"do\":\"blackhole\",\"direction\":\"up\",\"planned_ms\":"));
    free(one);
    free(other);
    free(run_all(lossy_text, check_lossy, true, 1));
}

static void test_kernel(void **state)
{
    (void)state;
    (void)kernel_lab_needed();
    if (!kernel_lab_has_ingress())
        skip();
    free(run_all(faults_text, check_trial, false, 1));
    free(run_all(lossy_text, check_lossy, false, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simulator),
        cmocka_unit_test(test_kernel),
    };
    return cmocka_run_group_tests_name("lab/run/faults", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
