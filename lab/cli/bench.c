/* natlab bench birthday|predict|strategies */
#include "lab/bench/sweep.h"
#include "lab/cli/cli.h"
#include "lab/cli/session.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct sweep sweep;
    struct session_options session;
    bool given[SWEEP_OF_COUNT];
};

#define KEY_SWEEP 0x100 /* and up: enum sweep_of */

static void parse_list(struct options *o, struct argp_state *state, int key, const char *arg)
{
    enum sweep_of of = (enum sweep_of)(key - KEY_SWEEP);
    if (!sweep_has(o->sweep.kind, of))
        argp_error(state, "bench %s does not sweep --%s", sweep_name(o->sweep.kind),
                   sweep_option(of));
    if (!sweep_parse(arg, &o->sweep.lists[of]))
        argp_error(state, "--%s is \"%s\"; it must be a list such as a,b,c of at most %d values",
                   sweep_option(of), arg, SWEEP_VALUES_MAX);
    o->given[of] = true;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    if (key == ARGP_KEY_ARG)
        argp_error(state, "\"%s\" is one argument too many", arg);
    if (key < KEY_SWEEP || key >= KEY_SWEEP + SWEEP_OF_COUNT)
        return session_parse(key, arg, state, &o->session);
    parse_list(o, state, key, arg);
    return 0;
}

#define LIST(of, name, arg, doc)                                                                   \
    {                                                                                              \
        name, KEY_SWEEP + (of), arg, 0, doc, 1                                                     \
    }

static const struct argp_option option_table[] = {
    {"world", SESSION_WORLD, "sim|kernel", 0, "Where: the simulator (default), or kernel NATs", 0},
    {"trials", SESSION_TRIALS, "N", 0, "Trials of each point", 0},
    {"seed", SESSION_SEED, "S", 0, "Seed of the run (default: drawn)", 0},
    {"jobs", SESSION_JOBS, "N", 0, "Worlds alive at once", 0},
    {"out", SESSION_OUT, "DIR", 0, "Folder of the results (default: results/bench-NAME/N)", 0},
    {"quiet", SESSION_QUIET, NULL, 0, "No progress and no tables", 0},
    {NULL, 0, NULL, 0, "What is swept, values with commas between them:", 1},
    LIST(SWEEP_CALLER, "caller", "NAT,...", "The caller's NAT"),
    LIST(SWEEP_CALLEE, "callee", "NAT,...", "The callee's NAT"),
    LIST(SWEEP_OPENERS, "openers", "N,...", "Fresh sockets at once, at most"),
    LIST(SWEEP_PROBES, "probes", "M,...", "Probes to guessed ports, at most"),
    LIST(SWEEP_RATE, "rate", "N,...", "Packets a second"),
    LIST(SWEEP_RANGE, "range", "LOW-HIGH,...", "Ports that the callee's NAT draws from"),
    LIST(SWEEP_BLOCK, "block", "N,...", "Size of the block that the callee's NAT draws from"),
    LIST(SWEEP_DRIFT, "drift", "N,...", "Other people's flows a second behind each NAT"),
    LIST(SWEEP_PROBE, "probe", "KIND,...", "check, quic-initial"),
    LIST(SWEEP_STRATEGY, "strategy", "NAME,...", "Whose moves"),
    LIST(SWEEP_GATEWAY, "gateway", "POLICY,...", "accept, drop, reject"),
    LIST(SWEEP_LINK, "link", "PRESET,...", "Delay and loss: 20ms, 80ms-1%"),
    {0}};

static const char doc[] =
    "Measures the stages that guess ports, and draws what was measured over what theory says."
    "\vbirthday: after how many probes a share of all calls has hit, over the exact chances.\n"
    "predict: how often a counter is met, over what the plan expects, by how fast others move it.\n"
    "strategies: what others do for the same pairs, side by side.\n\n"
    "Tables go to the terminal, and with the charts to bench.html in the results' folder, beside "
    "what every run writes.";

static const char usage[] = "birthday|predict|strategies";

static int find_kind(const char *name)
{
    for (int i = 0; i < SWEEP_KINDS; i++)
        if (strcmp(name, sweep_name((enum sweep_kind)i)) == 0)
            return i;
    return -1;
}

static enum lab_exit write_page(const struct sheet *sheet, const char *dir, struct lab_error *err)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/bench.html", dir);
    FILE *f = n > 0 && (size_t)n < sizeof(path) ? fopen(path, "we") : NULL;
    int bad = f == NULL ? -1 : sheet_html(sheet, f);
    if (f != NULL && fclose(f) != 0)
        bad = -1;
    if (bad == 0)
        return LAB_GOOD;
    lab_fail(err, LAB_CANNOT, "cannot write %s: %s", path, strerror(errno));
    return err->code;
}

static enum lab_exit show(const struct options *o, const struct run *run, const char *dir,
                          struct lab_error *err)
{
    char title[SHEET_TEXT_MAX];
    (void)snprintf(title, sizeof(title), "natlab bench %s", sweep_name(o->sweep.kind));
    struct sheet *sheet = sheet_new(title);
    enum lab_exit code = LAB_CANNOT;
    if (sheet == NULL)
        lab_fail(err, LAB_CANNOT, "out of memory");
    else if (sweep_sheet(&o->sweep, run, sheet, err) == 0)
        code = write_page(sheet, dir, err);
    if (code == LAB_GOOD && !o->session.quiet) {
        sheet_print(sheet, stdout);
        (void)printf("\nresults: %s, %s/bench.html\n", dir, dir);
    }
    sheet_free(sheet);
    return code;
}

static enum lab_exit bench(const struct options *o, struct lab_error *err)
{
    char dir[PATH_MAX] = "";
    struct scenario *scenario = NULL;
    struct matrix matrix = {0};
    struct run run;
    enum lab_exit code = LAB_CANNOT;
    char *text = sweep_scenario(&o->sweep);
    if (text == NULL) {
        lab_fail(err, LAB_CANNOT, "out of memory");
        return LAB_CANNOT;
    }
    /* Nobody wrote that file: a place in it would tell nothing. */
    if (scenario_parse("bench", text, strlen(text), &scenario, err) != 0 ||
        matrix_expand(scenario, &matrix, err) != 0 ||
        run_init(&run, scenario, &matrix, o->sweep.trials, err) != 0) {
        char what[sizeof(err->text)];
        (void)snprintf(what, sizeof(what), "%s", yaml_unplaced(err->text));
        (void)snprintf(err->text, sizeof(err->text), "%s", what);
        code = err->code;
        goto cleanup;
    }
    code = session_run(&run, &o->session, dir, err);
    if (dir[0] != '\0' && code != LAB_CANNOT)
        code = session_worst(code, show(o, &run, dir, err));
    run_fini(&run);
cleanup:
    scenario_free(scenario);
    free(text);
    return code;
}

int cmd_bench(int argc, char **argv)
{
    static const struct argp argp = {option_table, parse, usage, doc, NULL, NULL, NULL};
    static char name[64];
    struct options o = {.session = {.sim = true, .no_grid = true}};
    struct lab_error err = {0};
    argp_err_exit_status = (int)LAB_USAGE;
    int kind = argc > 1 ? find_kind(argv[1]) : -1;
    if (kind < 0 && argc > 1 && argv[1][0] != '-') {
        (void)fprintf(stderr,
                      "natlab bench: \"%s\" is no bench; it must be birthday, predict or "
                      "strategies\n",
                      argv[1]);
        return (int)LAB_USAGE;
    }
    sweep_init(&o.sweep, kind < 0 ? SWEEP_BIRTHDAY : (enum sweep_kind)kind);
    if (kind >= 0) {
        (void)snprintf(name, sizeof(name), "natlab bench %s", argv[1]);
        argv[1] = name;
        argc--;
        argv++;
    }
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
        return (int)LAB_USAGE;
    if (kind < 0) {
        (void)fprintf(stderr, "natlab bench: which one? birthday, predict or strategies\n");
        return (int)LAB_USAGE;
    }
    if (o.session.trials != 0)
        o.sweep.trials = o.session.trials;
    if (o.given[SWEEP_BLOCK] && !o.given[SWEEP_CALLEE])
        (void)sweep_parse("block-512", &o.sweep.lists[SWEEP_CALLEE]);
    enum lab_exit code = bench(&o, &err);
    if (err.code != LAB_GOOD)
        (void)fprintf(stderr, "natlab bench: %s\n", err.text);
    return (int)code;
}
