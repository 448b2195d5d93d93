#include "lab/cli/session.h"

#include "lab/report/grid.h"
#include "lab/report/progress.h"
#include "lab/report/results.h"
#include "lab/run/runner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ERRORS_SHOWN 5

/* What the runner's callbacks need. */
struct session {
    struct run *run;
    struct results results;
    struct progress progress;
    struct lab_error write_error; /* the first; code 0: none */
    char errors[ERRORS_SHOWN][256];
    size_t error_count;
};

enum lab_exit session_worst(enum lab_exit a, enum lab_exit b)
{
    static const enum lab_exit order[] = {LAB_INTERRUPTED, LAB_USAGE,  LAB_CANNOT,
                                          LAB_BROKEN,      LAB_FAILED, LAB_SKIPPED};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return LAB_GOOD;
}

static void note_lab_error(struct session *s, const char *text)
{
    for (size_t i = 0; i < s->error_count; i++)
        if (strcmp(s->errors[i], text) == 0)
            return;
    if (s->error_count < ERRORS_SHOWN)
        (void)snprintf(s->errors[s->error_count++], sizeof(s->errors[0]), "%s", text);
}

static void on_trial(void *user, size_t cell, unsigned trial, uint64_t seed,
                     const struct trial_result *result)
{
    struct session *s = user;
    struct lab_error err;
    if (results_trial(&s->results, s->run, cell, trial, seed, result, &err) != 0 &&
        s->write_error.code == LAB_GOOD)
        s->write_error = err;
    if (result->status == TRIAL_LAB_ERROR)
        note_lab_error(s, result->error);
    progress_trial(&s->progress, cell, trial);
}

static void on_tick(void *user, ph_ns elapsed)
{
    struct session *s = user;
    progress_tick(&s->progress, elapsed);
}

/* Results, grid and expectations of what was run; the exit code. */
static enum lab_exit conclude(struct session *s, const struct session_options *o,
                              struct lab_error *err)
{
    struct run *run = s->run;
    enum lab_exit code = LAB_GOOD;
    struct expect_result expects[EXPECTATIONS_MAX];
    bool *cell_failed = calloc(run->matrix.count, sizeof(*cell_failed));
    if (cell_failed == NULL || expect_all(run, expects, cell_failed) != 0) {
        lab_fail(err, LAB_CANNOT, "out of memory");
        code = LAB_CANNOT;
        goto cleanup;
    }
    if (results_finish(&s->results, run, expects, cell_failed, err) != 0)
        code = session_worst(code, err->code);
    if (s->write_error.code != LAB_GOOD) {
        *err = s->write_error;
        code = session_worst(code, err->code);
    }
    if (!o->quiet && !o->no_grid &&
        grid_print(run, expects, grid_wants_colour(stdout), stdout) != 0)
        code = session_worst(code, LAB_CANNOT);
    for (size_t i = 0; i < run->scenario->expect_count; i++) {
        if (expects[i].status != EXPECT_FAILED)
            continue;
        code = session_worst(code, LAB_FAILED);
        if (o->quiet || o->no_grid)
            (void)fprintf(stderr, "natlab: %s: expected %s: %s\n", run->scenario->name,
                          run->scenario->expects[i].text, expects[i].detail);
    }
    for (size_t i = 0; i < s->error_count; i++)
        (void)fprintf(stderr, "natlab: lab error: %s\n", s->errors[i]);
    if (s->error_count > 0)
        code = session_worst(code, LAB_BROKEN);
    if (!o->quiet && !o->no_grid)
        (void)printf("results: %s\n", s->results.dir);
    if (run->interrupted)
        code = session_worst(code, LAB_INTERRUPTED);
cleanup:
    free(cell_failed);
    return code;
}

static bool anything_ran(const struct run *run)
{
    for (size_t i = 0; i < run->total; i++)
        if (run->records[i].present)
            return true;
    return false;
}

enum lab_exit session_run(struct run *run, const struct session_options *o, char dir[PATH_MAX],
                          struct lab_error *err)
{
    enum lab_exit code;
    struct session *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        lab_fail(err, LAB_CANNOT, "out of memory");
        return LAB_CANNOT;
    }
    s->run = run;
    run->world = o->sim ? "sim" : "kernel";
    run->seed = o->seed;
    if (progress_init(&s->progress, run, o->quiet ? NULL : stderr) != 0 ||
        results_open(&s->results, run, o->out, err) != 0) {
        code = err->code != LAB_GOOD ? err->code : LAB_CANNOT;
        goto cleanup;
    }
    if (!o->quiet)
        (void)fprintf(stderr, "%s: %zu cells, %zu trials, seed %016llx\n", run->scenario->name,
                      run_cells(run), run->total, (unsigned long long)run->seed);
    struct runner_config config = {
        .sim = o->sim,
        .jobs = o->jobs,
        .on_trial = on_trial,
        .on_tick = on_tick,
        .user = s,
    };
    int rc = runner_run(run, &config, err);
    run->partial = run->partial || run->interrupted;
    progress_end(&s->progress);
    code = rc == 0 ? LAB_GOOD : err->code;
    struct lab_error conclude_error = {0};
    /* What this machine cannot says nothing of the subject: then the mend alone is told. */
    if (code != LAB_CANNOT || anything_ran(run))
        code = session_worst(code, conclude(s, o, &conclude_error));
    if (rc == 0)
        *err = conclude_error;
    if (dir != NULL)
        (void)snprintf(dir, PATH_MAX, "%s", s->results.dir);
cleanup:
    results_close(&s->results);
    progress_fini(&s->progress);
    free(s);
    return code;
}

/* A whole number from 1 to max. */
static unsigned long long read_number(struct argp_state *state, const char *what, const char *arg,
                                      unsigned long long max)
{
    char *end = NULL;
    errno = 0;
    bool hex = arg[0] == '0' && (arg[1] == 'x' || arg[1] == 'X');
    unsigned long long v = strtoull(arg, &end, hex ? 16 : 10);
    if (errno != 0 || end == arg || *end != '\0' || arg[0] == '-' || v == 0 || v > max)
        argp_error(state, "%s is \"%s\"; it must be a whole number from 1 to %llu", what, arg, max);
    return v;
}

/* As the results show it (16 hexadecimal digits), as 0x..., or decimal. */
static uint64_t read_seed(struct argp_state *state, const char *arg)
{
    char *end = NULL;
    size_t len = strlen(arg);
    errno = 0;
    bool shown = len == 16 && strspn(arg, "0123456789abcdefABCDEF") == 16;
    uint64_t v = strtoull(arg, &end, shown || strncmp(arg, "0x", 2) == 0 ? 16 : 10);
    if (errno != 0 || end == arg || *end != '\0' || arg[0] == '-')
        argp_error(state, "--seed is \"%s\"; it must be a number, or 16 hexadecimal digits", arg);
    return v;
}

static uint64_t draw_seed(void)
{
    uint64_t seed;
    return getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed) ? seed : 1;
}

error_t session_parse(int key, char *arg, struct argp_state *state, struct session_options *o)
{
    switch (key) {
    case SESSION_WORLD:
        if (strcmp(arg, "kernel") != 0 && strcmp(arg, "sim") != 0)
            argp_error(state, "--world is \"%s\"; it must be kernel or sim", arg);
        o->sim = strcmp(arg, "sim") == 0;
        return 0;
    case SESSION_TRIALS:
        o->trials = (unsigned)read_number(state, "--trials", arg, 1000000);
        return 0;
    case SESSION_SEED:
        o->seed = read_seed(state, arg);
        o->has_seed = true;
        return 0;
    case SESSION_JOBS:
        o->jobs = (size_t)read_number(state, "--jobs", arg, 256);
        return 0;
    case SESSION_OUT:
        o->out = arg;
        return 0;
    case SESSION_QUIET:
        o->quiet = true;
        return 0;
    case ARGP_KEY_END:
        if (!o->has_seed)
            o->seed = draw_seed();
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}
