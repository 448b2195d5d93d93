/* The simulator and the kernel, the same scenario in both: what is counted and what is measured for
 * each pair of NATs does not differ more than chance has it.
 *
 * A pair that cannot be joined takes seconds of the kernel's time to find that out. So each stands
 * in several worlds at once, whose delays differ a little.
 *
 * AGREEMENT_TRIALS in the environment: trials of each world, in place of 3 (make evidence). */
#include "lab/run/runner.h"
#include "lab/stats.h"
#include "tests/kernel_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of the whole test: how often it may be wrong although both agree. With twelve trials of a pair in
 * each world, one that is always so here and never there is found all the same. */
#define WRONG 0.001
#define JOBS  80
/* Cells of one pair and gateway: links, the last axis. */
#define PAIR_CELLS 4

#define SCENARIO                                                                                   \
    "name: agreement\ntopology: two-nats\ntrials: %u\n"                                            \
    "matrix:\n"                                                                                    \
    "  a.nat: [address-restricted, port-preserving, random, cgnat, sequential]\n"                  \
    "  b.nat: same\n"                                                                              \
    "  gateway: [accept, drop]\n"                                                                  \
    "  link: [20ms, 21ms, 22ms, 23ms]\n"                                                           \
    "pairs: unordered\nmedia: 100ms\ngive_up: 4s\n"

/* Something that a trial counts as or not; the record is of a trial that was no lab error. */
static bool is_connected(const struct trial_result *r)
{
    return r->connected;
}

static bool is_direct(const struct trial_result *r)
{
    return r->direct;
}

static bool is_by_punch(const struct trial_result *r)
{
    return r->direct && r->stage == PH_STAGE_PUNCH;
}

static bool is_by_predict(const struct trial_result *r)
{
    return r->direct && r->stage == PH_STAGE_PREDICT;
}

static bool is_by_birthday(const struct trial_result *r)
{
    return r->direct && r->stage == PH_STAGE_BIRTHDAY;
}

/* Something that a trial measures; negative: it has none. */
static double to_the_hit(const struct trial_result *r)
{
    uint32_t probes = r->stages[PH_STAGE_BIRTHDAY].probes_to_hit;
    return probes > 0 ? (double)probes : -1;
}

static double opener_ttl(const struct trial_result *r)
{
    return r->ttl[0];
}

static const struct {
    const char *name;
    bool (*is)(const struct trial_result *r);
} rates[] = {{"connected", is_connected},
             {"direct", is_direct},
             {"by punch", is_by_punch},
             {"by predict", is_by_predict},
             {"by birthday", is_by_birthday}};

static const struct {
    const char *name;
    double (*of)(const struct trial_result *r);
} values[] = {{"openers' TTL of the caller", opener_ttl}, {"probes to the hit", to_the_hit}};

#define RATES  (sizeof(rates) / sizeof(rates[0]))
#define VALUES (sizeof(values) / sizeof(values[0]))

struct side {
    struct matrix matrix;
    struct run run;
    struct trial_result *results; /* by cell and trial */
    unsigned lab_errors;
    char why[256];
};

static void on_trial(void *user, size_t cell, unsigned trial, uint64_t seed,
                     const struct trial_result *result)
{
    struct side *s = user;
    (void)seed;
    s->results[cell * s->run.trials + trial] = *result;
    if (result->status == TRIAL_LAB_ERROR && s->lab_errors++ == 0)
        (void)snprintf(s->why, sizeof(s->why), "%s", result->error);
}

static void run_side(struct side *s, const struct scenario *scenario, bool sim)
{
    struct lab_error err = {.text = ""};
    struct runner_config config = {.sim = sim, .jobs = JOBS, .on_trial = on_trial, .user = s};
    if (matrix_expand(scenario, &s->matrix, &err) != 0 ||
        run_init(&s->run, scenario, &s->matrix, scenario->trials, &err) != 0)
        fail_msg("%s", err.text);
    s->run.world = sim ? "sim" : "kernel";
    s->run.seed = 11;
    s->results = calloc(s->run.matrix.count * s->run.trials, sizeof(*s->results));
    assert_non_null(s->results);
    if (runner_run(&s->run, &config, &err) != 0)
        fail_msg("%s: %s", s->run.world, err.text);
    assert_false(s->run.interrupted);
    /* A stumble of the machine is nobody's difference; more than a few are. */
    if (s->lab_errors > s->run.matrix.count * s->run.trials / 20)
        fail_msg("%s: %u lab errors, the first: %s", s->run.world, s->lab_errors, s->why);
}

static void free_side(struct side *s)
{
    free(s->results);
    run_fini(&s->run);
}

/* The n-th trial of a pair, by cells of its and their trials; NULL: the lab's error. */
static const struct trial_result *result_of(const struct side *s, size_t pair, size_t n)
{
    const struct trial_result *r = &s->results[pair * PAIR_CELLS * s->run.trials + n];
    return r->status == TRIAL_LAB_ERROR ? NULL : r;
}

static size_t gather(const struct side *s, size_t pair, size_t rate, uint64_t *good)
{
    size_t n = 0;
    *good = 0;
    for (size_t t = 0; t < PAIR_CELLS * s->run.trials; t++) {
        const struct trial_result *r = result_of(s, pair, t);
        n += r != NULL;
        *good += r != NULL && rates[rate].is(r);
    }
    return n;
}

static size_t measure(const struct side *s, size_t pair, size_t value, double *out)
{
    size_t n = 0;
    for (size_t t = 0; t < PAIR_CELLS * s->run.trials; t++) {
        const struct trial_result *r = result_of(s, pair, t);
        if (r != NULL && values[value].of(r) >= 0)
            out[n++] = values[value].of(r);
    }
    return n;
}

static int compare(const struct side *sim, const struct side *kernel)
{
    const size_t pairs = sim->run.matrix.count / PAIR_CELLS;
    const size_t trials = PAIR_CELLS * sim->run.trials;
    const double enough = WRONG / (double)(pairs * (RATES + VALUES));
    double *a = calloc(trials, sizeof(*a)), *b = calloc(trials, sizeof(*b));
    int wrong = 0;
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(sim->run.matrix.count, kernel->run.matrix.count);
    assert_true(stats_fisher(trials, trials, 0, trials) < enough);
    for (size_t p = 0; p < pairs; p++) {
        const char *key = sim->run.matrix.cells[p * PAIR_CELLS].key;
        const char *last = sim->run.matrix.cells[p * PAIR_CELLS + PAIR_CELLS - 1].key;
        assert_memory_equal(key, last, (size_t)(strstr(key, "link=") - key));
        for (size_t i = 0; i < RATES; i++) {
            uint64_t k1, k2;
            uint64_t n1 = gather(sim, p, i, &k1), n2 = gather(kernel, p, i, &k2);
            if (stats_fisher(k1, n1, k2, n2) >= enough)
                continue;
            print_error("%s: %s %u of %u in the simulator, %u of %u in the kernel\n", key,
                        rates[i].name, (unsigned)k1, (unsigned)n1, (unsigned)k2, (unsigned)n2);
            wrong++;
        }
        for (size_t i = 0; i < VALUES; i++) {
            size_t n1 = measure(sim, p, i, a), n2 = measure(kernel, p, i, b);
            if (stats_rank_sum(a, n1, b, n2) >= enough)
                continue;
            print_error("%s: %s, median %.1f in the simulator, %.1f in the kernel\n", key,
                        values[i].name, stats_percentile(a, n1, 50), stats_percentile(b, n2, 50));
            wrong++;
        }
    }
    free(a);
    free(b);
    return wrong;
}

static void test_rates(void **state)
{
    static struct side sim, kernel;
    struct scenario *s = NULL;
    struct lab_error err = {.text = ""};
    (void)state;
    const char *trials = getenv("AGREEMENT_TRIALS");
    char text[512];
    (void)kernel_lab_needed();
    int len =
        snprintf(text, sizeof(text), SCENARIO, trials ? (unsigned)strtoul(trials, NULL, 10) : 3u);
    assert_true(len > 0 && (size_t)len < sizeof(text));
    if (scenario_parse("agreement.yaml", text, (size_t)len, &s, &err) != 0)
        fail_msg("%s", err.text);
    run_side(&sim, s, true);
    run_side(&kernel, s, false);
    /* Both have something to agree on. */
    uint64_t direct = 0, relayed = 0;
    for (size_t p = 0; p < sim.run.matrix.count / PAIR_CELLS; p++) {
        uint64_t good;
        size_t n = gather(&sim, p, 1, &good);
        direct += good;
        relayed += n - good;
    }
    assert_true(direct > 0 && relayed > 0);
    assert_int_equal(compare(&sim, &kernel), 0);
    free_side(&sim);
    free_side(&kernel);
    scenario_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates)};
    return cmocka_run_group_tests_name("lab/world/agreement", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
