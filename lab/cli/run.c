/* natlab run SCENARIO... */
#include "lab/cli/cli.h"
#include "lab/cli/session.h"
#include "lab/data.h"
#include "lab/run/agenda.h"
#include "lab/run/outlook.h"
#include "lab/run/spread.h"
#include "lab/run/truth.h"
#include "lab/world/kernel.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCENARIOS_MAX 32
#define CELLS_MAX_ARG 32

struct options {
    const char *scenarios[SCENARIOS_MAX];
    size_t scenario_count;
    const char *cells[CELLS_MAX_ARG];
    size_t cell_count;
    struct session_options session;
    bool dry_run;
};

/* Leaves only the cells that one of the globs matches. */
static int filter_cells(const struct scenario *s, const struct options *o, struct matrix *m,
                        struct lab_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++) {
        bool wanted = o->cell_count == 0;
        for (size_t k = 0; k < o->cell_count && !wanted; k++)
            wanted = matrix_cell_matches(s, &m->cells[i], o->cells[k]);
        if (wanted)
            m->cells[kept++] = m->cells[i];
    }
    if (kept == 0)
        return lab_fail(err, LAB_USAGE, "%s: no cell matches --cell %s; the first of %zu is %s",
                        s->path, o->cells[0], m->count, m->cells[0].key);
    m->count = kept;
    return 0;
}

/* How long the peers look for a path of which a punch is not the whole: as the plan says, where it
 * knows a move; the search for a path that does not exist takes 2.5 s. */
static double search_seconds(const struct layout *l, unsigned stages)
{
    const unsigned guesses = 1u << PH_STAGE_PREDICT | 1u << PH_STAGE_BIRTHDAY;
    struct ph_plan_input in;
    struct ph_plan plan;
    double seconds = 0.0, missed = 1.0;
    if (!outlook_facts(l, &in))
        return 0.0;
    ph_plan_make(&in, 1, &plan);
    if (plan.outlook != PH_PLAN_DIRECT || (plan.count > 1 && (stages & guesses) != guesses))
        return 2.5;
    for (size_t i = 1; i < plan.count; i++) {
        seconds += missed * (double)plan.moves[i].time / 1e9;
        missed *= 1.0 - plan.moves[i].success;
    }
    return seconds;
}

/* As measured. A netcheck waits a second for routers that do not answer, and gives up on UDP after
 * 2.5 s; a mapping is held. Of a call registration, set-up and drain take about five times offer
 * and answer; media flow while the peers look for a path. */
static double trial_seconds(const struct run *run, size_t cell, struct world_spec *spec,
                            struct layout *l)
{
    const struct scenario *s = run->scenario;
    const struct cell *c = &run->matrix.cells[cell];
    unsigned stages = matrix_stages(s, c);
    struct truth caller;
    if (s->subject == SUBJECT_MAP)
        return 0.3 + (double)s->hold / 1e9;
    if (matrix_world(s, c, 0, spec, NULL) != 0 || layout_compute(spec, l, NULL) != 0)
        return 0.0;
    truth_of(l, layout_find_host(l, TOPO_RUNS_PEER, 0), &caller);
    if (s->subject == SUBJECT_NETCHECK)
        return caller.udp_blocked ? 2.5 : 1.0;
    bool mapped = caller.maps && caller.translations == 1 && (stages & 1u << PH_STAGE_PORTMAP) != 0;
    const struct fault_plan *faults = matrix_faults(s, c);
    double media = (double)(s->media + (faults != NULL ? fault_plan_over(faults) : 0)) / 1e9;
    double search = mapped ? 0.0 : search_seconds(l, stages);
    return 0.2 + 5.0 * (double)run->floor_relay[cell] / 1e9 + (media > search ? media : search);
}

/* A round of a kernel run takes as long as its slowest cell. 0: out of memory. */
static double plan_seconds(const struct run *run, size_t jobs, bool sim)
{
    struct agenda agenda;
    double seconds = 0.06 * (double)run_cells(run); /* each world is built and proved, in turn */
    if (sim)
        return 0.005 * (double)run->total / (double)jobs;
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct layout *layout = calloc(1, sizeof(*layout));
    bool good = agenda_init(&agenda, run, sim) == 0 && spec != NULL && layout != NULL;
    for (size_t i = 0; good && i < agenda.count;) {
        double slowest = 0.0;
        for (size_t end = i + jobs; i < end && i < agenda.count; i++) {
            double t = agenda.trials[i] * trial_seconds(run, agenda.pieces[i].cell, spec, layout);
            slowest = t > slowest ? t : slowest;
        }
        seconds += slowest;
    }
    agenda_fini(&agenda);
    free(spec);
    free(layout);
    return good ? seconds : 0.0;
}

static void print_plan(const struct run *run, const struct options *o)
{
    size_t jobs = agenda_jobs(run, o->session.jobs, o->session.sim);
    for (size_t i = 0; i < run->matrix.count && !o->session.quiet; i++)
        if (run->scenario->population.count == 0)
            (void)printf("%s\n", run->matrix.cells[i].key);
        else if (run_trials(run, i) > 0)
            (void)printf("%s: %u\n", run->matrix.cells[i].key, run_trials(run, i));
    (void)printf("%s: %zu cells, %zu trials, about %.0f s with %zu at once\n", run->scenario->name,
                 run_cells(run), run->total, plan_seconds(run, jobs, o->session.sim), jobs);
}

static enum lab_exit run_scenario(const struct scenario *s, const struct options *o,
                                  struct lab_error *err)
{
    struct matrix matrix = {0};
    struct run run;
    if (matrix_expand(s, &matrix, err) != 0)
        return err->code;
    size_t all = matrix.count;
    unsigned trials = o->session.trials != 0 ? o->session.trials : s->trials;
    if (spread_trials(s, &matrix, trials, o->session.seed) != 0) {
        matrix_free(&matrix);
        lab_fail(err, LAB_CANNOT, "out of memory");
        return err->code;
    }
    if (filter_cells(s, o, &matrix, err) != 0) {
        matrix_free(&matrix);
        return err->code;
    }
    size_t cells = matrix.count;
    if (run_init(&run, s, &matrix, trials, err) != 0)
        return err->code;
    run.partial = cells != all || trials != s->trials;
    enum lab_exit code = LAB_GOOD;
    if (o->dry_run) {
        print_plan(&run, o);
    } else {
        char dir[PATH_MAX];
        struct session_options session = o->session;
        if (session.out != NULL && o->scenario_count > 1) {
            (void)snprintf(dir, sizeof(dir), "%s/%s", o->session.out, s->name);
            session.out = dir;
        }
        code = session_run(&run, &session, NULL, err);
    }
    run_fini(&run);
    return code;
}

/* A path; or the name of a shipped scenario. */
static int load(const char *arg, struct scenario **out, struct lab_error *err)
{
    char relative[PATH_MAX], path[PATH_MAX];
    if (access(arg, F_OK) == 0 || strchr(arg, '/') != NULL || strchr(arg, '.') != NULL)
        return scenario_load(arg, out, err);
    (void)snprintf(relative, sizeof(relative), "scenarios/%s.yaml", arg);
    lab_data_path(relative, path, sizeof(path));
    if (access(path, F_OK) != 0)
        return lab_fail(err, LAB_USAGE, "there is no file %s, and no shipped scenario %s", arg,
                        path);
    return scenario_load(path, out, err);
}

/* With one --out each scenario has the folder of its name in it: two of one name would meet there.
 */
static int check_names(const struct options *o, struct scenario *const *scenarios,
                       struct lab_error *err)
{
    for (size_t i = 0; o->session.out != NULL && i < o->scenario_count; i++)
        for (size_t k = 0; k < i; k++)
            if (scenarios[i] != NULL && scenarios[k] != NULL &&
                strcmp(scenarios[i]->name, scenarios[k]->name) == 0)
                return lab_fail(err, LAB_USAGE,
                                "%s and %s are both named %s: both results would be in %s/%s; run "
                                "them one by one, or without --out",
                                o->scenarios[k], o->scenarios[i], scenarios[i]->name,
                                o->session.out, scenarios[i]->name);
    return 0;
}

enum option_key {
    KEY_CELL = 'c',
    KEY_DRY_RUN = 'n',
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case KEY_CELL:
        if (o->cell_count >= CELLS_MAX_ARG)
            argp_error(state, "more than %d --cell", CELLS_MAX_ARG);
        o->cells[o->cell_count++] = arg;
        return 0;
    case KEY_DRY_RUN:
        o->dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->scenario_count >= SCENARIOS_MAX)
            argp_error(state, "more than %d scenarios", SCENARIOS_MAX);
        o->scenarios[o->scenario_count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->scenario_count == 0)
            argp_error(state, "which scenario?");
        break;
    default:
        break;
    }
    return session_parse(key, arg, state, &o->session);
}

static const struct argp_option option_table[] = {
    {"world", SESSION_WORLD, "kernel|sim", 0, "Where: real kernel NATs (default), or the simulator",
     0},
    {"trials", SESSION_TRIALS, "N", 0, "Trials of each cell, in place of the file's number", 0},
    {"seed", SESSION_SEED, "S", 0, "Seed of the run (default: drawn, and shown)", 0},
    {"jobs", SESSION_JOBS, "N", 0,
     "Worlds alive at once (default: 20 for each core, 12 where real-time priority is not to be "
     "had, 2 in the simulator, at most 64)",
     0},
    {"cell", KEY_CELL, "GLOB", 0,
     "Only the cells whose key matches, or axis=glob[,axis=glob]; repeatable", 0},
    {"out", SESSION_OUT, "DIR", 0, "Folder of the results (default: results/NAME/N)", 0},
    {"dry-run", KEY_DRY_RUN, NULL, 0, "Only say which cells, how many trials, how long", 0},
    {"quiet", SESSION_QUIET, NULL, 0, "Say only what failed", 0},
    {0},
};

static const struct argp argp = {
    option_table,
    parse,
    "SCENARIO...",
    "Runs every cell of a scenario's matrix and draws what each pair of NATs got.\v"
    "SCENARIO is a file, or the name of a shipped one: quick, easy, hard, portmap, behaviour, and "
    "more that man natlab lists. Exit status: 0 good; 1 an expectation failed; 2 usage or a bad "
    "file; 3 this machine cannot; 5 the lab failed; 130 interrupted.",
    NULL,
    NULL,
    NULL,
};

int cmd_run(int argc, char **argv)
{
    struct options o = {0};
    struct lab_error err = {0};
    struct scenario *scenarios[SCENARIOS_MAX] = {NULL};
    enum lab_exit code = LAB_GOOD;
    argp_err_exit_status = (int)LAB_USAGE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
        return (int)LAB_USAGE;
    /* All files are read before the first trial: a slip in the last one is found at once. */
    for (size_t i = 0; i < o.scenario_count; i++) {
        if (load(o.scenarios[i], &scenarios[i], &err) != 0) {
            (void)fprintf(stderr, "natlab: %s\n", err.text);
            code = session_worst(code, err.code);
        }
    }
    if (code == LAB_GOOD && check_names(&o, scenarios, &err) != 0) {
        (void)fprintf(stderr, "natlab: %s\n", err.text);
        code = err.code;
    }
    if (code == LAB_GOOD && !o.dry_run && !o.session.sim && kernel_privileges(&err) != 0) {
        (void)fprintf(stderr, "natlab: %s\n", err.text);
        code = err.code;
    }
    bool go = code == LAB_GOOD;
    for (size_t i = 0; go && i < o.scenario_count; i++) {
        if (scenarios[i] == NULL)
            continue; /* said above, and then nothing goes */
        err = (struct lab_error){0};
        enum lab_exit one = run_scenario(scenarios[i], &o, &err);
        if (err.text[0] != '\0')
            (void)fprintf(stderr, "natlab: %s\n", err.text);
        code = session_worst(code, one);
        go = one != LAB_INTERRUPTED && one != LAB_CANNOT;
    }
    for (size_t i = 0; i < o.scenario_count; i++)
        scenario_free(scenarios[i]);
    return (int)code;
}
