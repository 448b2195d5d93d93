/* Calls between peers with IPv6, IPv4, both, and a NAT64, in the simulator and in the kernel: who
 * is direct with whom does not hang on chance, so it is the same in both, trial by trial. */
#include "lab/run/runner.h"
#include "tests/kernel_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JOBS 30

static const char scenario_text[] =
    "name: families\ntopology: dual-stack\ntrials: 1\n"
    "matrix:\n"
    "  a.nat: [firewall, port-preserving, cgnat]\n"
    "  b.nat: [open, port-restricted]\n"
    "  family: [v6, dual, v6-v4, v4-v6, dual-v6, nat64-v4, v4-nat64, nat64-nat64]\n"
    "  a.nat.ipv6: [as-ipv4, block]\n"
    "  link: [20ms]\n"
    "exclude:\n"
    "  - {a.nat.ipv6: block, family: [v6, v6-v4, v4-v6, dual-v6, nat64-v4, v4-nat64, "
    "nat64-nat64]}\n"
    "  - {a.nat: cgnat, family: [nat64-v4, v4-nat64]}\n" /* ports have to be guessed */
    "  - {a.nat: cgnat, a.nat.ipv6: block}\n"
    "media: 100ms\ngive_up: 4s\n";

struct side {
    struct matrix matrix;
    struct run run;
    struct trial_result *results; /* by cell */
};

static void on_trial(void *user, size_t cell, unsigned trial, uint64_t seed,
                     const struct trial_result *result)
{
    struct side *s = user;
    (void)trial;
    (void)seed;
    s->results[cell] = *result;
}

static void run_side(struct side *s, const struct scenario *scenario, bool sim)
{
    struct lab_error err = {.text = ""};
    struct runner_config config = {.sim = sim, .jobs = JOBS, .on_trial = on_trial, .user = s};
    if (matrix_expand(scenario, &s->matrix, &err) != 0 ||
        run_init(&s->run, scenario, &s->matrix, scenario->trials, &err) != 0)
        fail_msg("%s", err.text);
    s->run.world = sim ? "sim" : "kernel";
    s->run.seed = 5;
    s->results = calloc(s->run.matrix.count, sizeof(*s->results));
    assert_non_null(s->results);
    if (runner_run(&s->run, &config, &err) != 0)
        fail_msg("%s: %s", s->run.world, err.text);
}

static void test_same_in_both(void **state)
{
    static struct side sim, kernel;
    struct scenario *s = NULL;
    struct lab_error err = {.text = ""};
    size_t direct = 0, relayed = 0;
    (void)state;
    (void)kernel_lab_needed();
    if (scenario_parse("families.yaml", scenario_text, strlen(scenario_text), &s, &err) != 0)
        fail_msg("%s", err.text);
    run_side(&sim, s, true);
    run_side(&kernel, s, false);
    for (size_t i = 0; i < sim.run.matrix.count; i++) {
        const struct trial_result *a = &sim.results[i], *b = &kernel.results[i];
        const char *key = sim.run.matrix.cells[i].key;
        bool one_each = strstr(key, "family=v6-v4") || strstr(key, "family=v4-v6");
        if (b->status == TRIAL_LAB_ERROR)
            fail_msg("%s: %s", key, b->error);
        if (!a->connected || !b->connected || a->direct != b->direct || a->direct == one_each)
            fail_msg("%s: connected %d and %d, direct %d in the simulator and %d in the kernel",
                     key, a->connected, b->connected, a->direct, b->direct);
        direct += a->direct;
        relayed += !a->direct;
    }
    assert_true(direct > 0 && relayed > 0);
    free(sim.results);
    free(kernel.results);
    run_fini(&sim.run);
    run_fini(&kernel.run);
    scenario_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_in_both)};
    return cmocka_run_group_tests_name("lab/world/families", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
