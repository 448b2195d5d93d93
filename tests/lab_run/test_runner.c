/* Whole runs in the simulator, through the same processes and messages as in the kernel. */
#include "lab/report/expect.h"
#include "lab/report/summary.h"
#include "lab/run/message.h"
#include "lab/run/runner.h"
#include "lab/run/seed.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char scenario_text[] =
    "name: small\ntopology: two-nats\ntrials: 4\n"
    "matrix: {a.nat: [port-preserving, random], b.nat: same, link: [20ms, 80ms-1%]}\n"
    "pairs: unordered\nmedia: 200ms\n"
    "expect:\n"
    "  - {rate: connected, is: all}\n"
    "  - {when: {a.nat: random, b.nat: random}, rate: direct, is: none}\n"
    "  - {when: {a.nat: port-preserving, b.nat: port-preserving}, rate: direct, at_least: 0.6,"
    " pool: true}\n";

#define CELLS  6
#define TRIALS 4

struct counter {
    struct run *run;
    size_t trials;
    char *lines[CELLS * TRIALS]; /* of a run of so many trials, in their order */
};

static void on_trial(void *user, size_t cell, unsigned trial, uint64_t seed,
                     const struct trial_result *result)
{
    struct counter *c = user;
    c->trials++;
    assert_true(seed == seed_trial(c->run->seed, c->run->scenario->name,
                                   c->run->matrix.cells[cell].key, trial));
    if (c->run->trials == TRIALS)
        c->lines[cell * TRIALS + trial] = record_json(c->run, cell, trial, seed, result);
}

/* What happens in the middle of a run. */
struct accident {
    struct counter counter;
    size_t at; /* after so many trials */
    void (*happen)(void);
    size_t lab_errors;
    char why[256];
};

static void on_trial_with_accident(void *user, size_t cell, unsigned trial, uint64_t seed,
                                   const struct trial_result *result)
{
    struct accident *a = user;
    on_trial(&a->counter, cell, trial, seed, result);
    if (result->status == TRIAL_LAB_ERROR) {
        a->lab_errors++;
        snprintf(a->why, sizeof(a->why), "%s", result->error);
    }
    if (a->counter.trials == a->at)
        a->happen();
}

static void run_with_accident(struct accident *a, bool *interrupted, size_t *present)
{
    struct scenario *s = NULL;
    struct matrix m;
    struct run run;
    struct lab_error err = {0};
    if (scenario_parse("s.yaml", scenario_text, sizeof(scenario_text) - 1, &s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(run_init(&run, s, &m, 40, &err), 0);
    run.world = "sim";
    run.seed = 5;
    a->counter.run = &run;
    struct runner_config config = {
        .sim = true,
        .jobs = 2,
        .workers = 2,
        .on_trial = on_trial_with_accident,
        .user = a,
    };
    if (runner_run(&run, &config, &err) != 0)
        fail_msg("%s", err.text);
    *interrupted = run.interrupted;
    *present = 0;
    for (size_t i = 0; i < run.matrix.count * run.trials; i++)
        *present += run.records[i].present ? 1 : 0;
    run_fini(&run);
    scenario_free(s);
}

static void interrupt(void)
{
    assert_int_equal(kill(getpid(), SIGINT), 0);
}

/* What was measured before an interrupt is kept, and no process is left. */
static void test_interrupt(void **state)
{
    (void)state;
    struct accident a = {.at = 10, .happen = interrupt};
    bool interrupted = false;
    size_t present = 0;
    run_with_accident(&a, &interrupted, &present);
    assert_true(interrupted);
    assert_true(present >= 10 && present < 240);
    assert_int_equal(a.lab_errors, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* The first of this process's children, 0: the kernel does not tell. */
static pid_t first_child(void)
{
    char path[64], line[64] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fgets(line, sizeof(line), f) == NULL)
        line[0] = '\0';
    assert_int_equal(fclose(f), 0);
    return (pid_t)strtol(line, NULL, 10);
}

static void kill_worker(void)
{
    pid_t pid = first_child();
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

/* A worker that dies costs the trials that it was at, as lab errors, and nothing else. */
static void test_worker_dies(void **state)
{
    (void)state;
    struct accident a = {.at = 10, .happen = kill_worker};
    bool interrupted = true;
    size_t present = 0;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    if (access(path, R_OK) != 0) {
        print_message("%s: this kernel does not list children\n", path);
        skip();
    }
    run_with_accident(&a, &interrupted, &present);
    assert_false(interrupted);
    assert_int_equal(present, 240);
    /* Two slots: at most two trials were in the hands of one worker. */
    assert_true(a.lab_errors <= 2);
    if (a.lab_errors > 0)
        assert_string_equal(a.why, "a process that ran trials was killed by signal 9");
}

/* All lines, whatever the order in which the trials ended. */
static char *join(char *lines[CELLS * TRIALS])
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    for (size_t i = 0; i < CELLS * TRIALS; i++) {
        assert_non_null(lines[i]);
        (void)fprintf(f, "%s\n", lines[i]);
        free(lines[i]);
    }
    assert_int_equal(fclose(f), 0);
    return text;
}

/* Runs it and gives its summary.json, and the lines of its trials; expects may be NULL. */
static char *run_it(size_t jobs, size_t workers, uint64_t seed, struct expect_result *expects,
                    char **lines)
{
    struct scenario *s = NULL;
    struct matrix m;
    struct run run;
    struct lab_error err = {0};
    struct expect_result unused[EXPECTATIONS_MAX];
    if (scenario_parse("s.yaml", scenario_text, sizeof(scenario_text) - 1, &s, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(run_init(&run, s, &m, s->trials, &err), 0);
    run.world = "sim";
    run.seed = seed;
    struct counter counter = {.run = &run};
    struct runner_config config = {
        .sim = true,
        .jobs = jobs,
        .workers = workers,
        .on_trial = on_trial,
        .user = &counter,
    };
    if (runner_run(&run, &config, &err) != 0)
        fail_msg("%s", err.text);
    assert_false(run.interrupted);
    assert_int_equal(counter.trials, CELLS * TRIALS);
    if (expects == NULL)
        expects = unused;
    assert_int_equal(expect_all(&run, expects, NULL), 0);
    char *text = summary_json(&run, expects);
    assert_non_null(text);
    char *all = join(counter.lines);
    if (lines != NULL)
        *lines = all;
    else
        free(all);
    run_fini(&run);
    scenario_free(s);
    return text;
}

static void test_expectations_hold(void **state)
{
    (void)state;
    struct expect_result e[EXPECTATIONS_MAX];
    char *text = run_it(0, 0, 1, e, NULL);
    for (size_t i = 0; i < 3; i++)
        if (e[i].status != EXPECT_PASSED)
            fail_msg("expectation %zu: %s", i, e[i].detail);
    free(text);
}

/* Equal inputs give equal bytes, of the summary and of every trial, however many run at once: also
 * where a process comes to a cell's trial in a world that others were made in before. */
static void test_repeats(void **state)
{
    (void)state;
    char *line[3];
    char *one = run_it(1, 1, 7, NULL, &line[0]);
    char *many = run_it(6, 3, 7, NULL, &line[1]);
    char *other = run_it(6, 3, 8, NULL, &line[2]);
    assert_string_equal(one, many);
    assert_string_equal(line[0], line[1]);
    char *more = run_it(3, 2, 7, NULL, NULL);
    assert_string_equal(one, more);
    free(more);
    assert_string_not_equal(line[0], line[2]);
    free(one);
    free(many);
    free(other);
    for (size_t i = 0; i < 3; i++)
        free(line[i]);
}

static void test_line(void **state)
{
    (void)state;
    char *line = NULL;
    free(run_it(2, 2, 3, NULL, &line));
    *strchr(line, '\n') = '\0';
    json_error_t why;
    json_t *o = json_loads(line, 0, &why);
    assert_non_null(o);
    static const char *const keys[] = {"schema", "scenario", "world", "cell",      "trial",
                                       "seed",   "status",   "path",  "stage",     "setup_ms",
                                       "stages", "floor_ms", "media", "connected", "lateness_ms"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (json_object_get(o, keys[i]) == NULL)
            fail_msg("no %s in %s", keys[i], line);
    assert_string_equal(json_string_value(json_object_get(o, "status")), "ok");
    assert_string_equal(json_string_value(json_object_get(o, "path")), "direct");
    assert_string_equal(json_string_value(json_object_get(o, "stage")), "punch");
    assert_int_equal(strlen(json_string_value(json_object_get(o, "seed"))), 16);
    json_t *cell = json_object_get(o, "cell");
    assert_int_equal(json_object_size(cell), 3);
    assert_string_equal(json_string_value(json_object_get(cell, "a.nat")), "port-preserving");
    double direct = json_real_value(json_object_get(json_object_get(o, "setup_ms"), "direct"));
    double floor = json_real_value(json_object_get(json_object_get(o, "floor_ms"), "direct"));
    assert_true(floor > 159.999 && floor < 160.001);
    assert_true(direct >= floor - 0.001);
    json_t *stages = json_object_get(o, "stages");
    assert_int_equal(json_object_size(stages), PH_STAGE_COUNT);
    json_decref(o);
    free(line);
}

static void test_messages_carry_descriptors(void **state)
{
    (void)state;
    int pair[2], pipes[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(pipe(pipes), 0);
    struct message out = {.type = MESSAGE_START, .slot = 3, .cell = 9, .ok = true, .seed = 77};
    out.fds[0] = pipes[1];
    out.fd_count = 1;
    struct message in;
    assert_int_equal(message_receive(pair[1], &in, MSG_DONTWAIT), 0);
    assert_int_equal(message_send(pair[0], &out), 0);
    assert_int_equal(message_receive(pair[1], &in, 0), 1);
    assert_int_equal(in.slot, 3);
    assert_int_equal(in.cell, 9);
    assert_true(in.seed == 77);
    assert_int_equal(in.fd_count, 1);
    close(pipes[1]);
    assert_int_equal(write(in.fds[0], "x", 1), 1);
    message_close_fds(&in);
    char byte = 0;
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(read(pipes[0], &byte, 1), 0); /* every copy is closed */

    out = (struct message){.type = MESSAGE_BUILT, .code = LAB_CANNOT, .text = "no nftables"};
    assert_int_equal(message_send(pair[0], &out), 0);
    assert_int_equal(message_receive(pair[1], &in, 0), 1);
    assert_false(in.ok);
    assert_int_equal(in.code, LAB_CANNOT);
    assert_string_equal(in.text, "no nftables");
    close(pair[0]);
    assert_int_equal(message_receive(pair[1], &in, 0), -1);
    close(pair[1]);
    close(pipes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expectations_hold),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_worker_dies),
        cmocka_unit_test(test_messages_carry_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
