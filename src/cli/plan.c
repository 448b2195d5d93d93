#include "cli/cli.h"
#include "cli/number.h"
#include "cli/plan_tell.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX_MS 60000.0

struct options {
    const char *local, *remote;
    bool remote_calls, json;
    ph_ns signalling, stun, direct;
    uint64_t seed;
    struct ph_budget budget;
};

enum {
    KEY_CALLER = 256,
    KEY_SIGNALLING,
    KEY_STUN,
    KEY_DIRECT,
    KEY_SEED,
    KEY_PROBES,
    KEY_OPENERS,
    KEY_RATE,
    KEY_BURST,
};

static ph_ns parse_ms(const char *arg, struct argp_state *state)
{
    char *rest;
    double v = strtod(arg, &rest);

    if (rest == arg || (*rest && strcmp(rest, "ms") != 0) || !isfinite(v) || v < 0 ||
        v > TIME_MAX_MS) {
        argp_error(state, "'%s' is not a time: write milliseconds, such as 40 or 0.5", arg);
    }
    return (ph_ns)(v * 1e6);
}

static uint64_t parse_seed(const char *arg, struct argp_state *state)
{
    char *rest;
    uint64_t n;

    errno = 0;
    n = strtoull(arg, &rest, 0);
    if (!isdigit((unsigned char)arg[0]) || *rest || errno) {
        argp_error(state, "'%s' is not a seed: write a number", arg);
    }
    return n;
}

static bool parse_caller(const char *arg, struct argp_state *state)
{
    if (strcmp(arg, "local") != 0 && strcmp(arg, "remote") != 0) {
        argp_error(state, "'%s' is not a side: the caller is local or remote", arg);
    }
    return strcmp(arg, "remote") == 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'l':
        o->local = arg;
        return 0;
    case 'r':
        o->remote = arg;
        return 0;
    case KEY_CALLER:
        o->remote_calls = parse_caller(arg, state);
        return 0;
    case KEY_SIGNALLING:
        o->signalling = parse_ms(arg, state);
        return 0;
    case KEY_STUN:
        o->stun = parse_ms(arg, state);
        return 0;
    case KEY_DIRECT:
        o->direct = parse_ms(arg, state);
        return 0;
    case KEY_SEED:
        o->seed = parse_seed(arg, state);
        return 0;
    case KEY_PROBES:
        o->budget.probes =
            (uint16_t)parse_number(arg, PH_BUDGET_PROBES_MOST, "number of probes", state);
        return 0;
    case KEY_OPENERS:
        o->budget.openers =
            (uint16_t)parse_number(arg, PH_BUDGET_OPENERS_MOST, "number of sockets", state);
        return 0;
    case KEY_RATE:
        o->budget.rate =
            (uint16_t)parse_number(arg, PH_BUDGET_RATE_MOST, "number of packets a second", state);
        return 0;
    case KEY_BURST:
        o->budget.burst =
            (uint16_t)parse_number(arg, PH_BUDGET_BURST_MOST, "number of packets", state);
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is not an option; facts are given by --local and --remote", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->local || !o->remote) {
            argp_error(state, "the facts of %s are missing: --%s FACTS",
                       o->local ? "the other side" : "this side", o->local ? "remote" : "local");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static uint16_t first_of(uint16_t a, uint16_t b)
{
    return a ? a : b;
}

/* What the facts say themselves comes first. */
static void set_budget(struct ph_budget *b, const struct ph_budget *all)
{
    b->probes = first_of(b->probes, all->probes);
    b->openers = first_of(b->openers, all->openers);
    b->rate = first_of(b->rate, all->rate);
    b->burst = first_of(b->burst, all->burst);
}

static bool load(const char *name, const char *arg, const struct options *o, struct facts *out)
{
    char error[FACTS_ERROR];

    if (!facts_load(arg, out, error)) {
        fprintf(stderr, "pinhole: --%s: %s\n", name, error);
        return false;
    }
    set_budget(&out->side.budget, &o->budget);
    return true;
}

static const struct argp_option arguments[] = {
    {"local", 'l', "FACTS", 0,
     "Of this side: a file of 'pinhole netcheck --json' (-: the standard input), or facts as "
     "mapping=apdm,filtering=apdf,allocation=block:512",
     0},
    {"remote", 'r', "FACTS", 0, "Of the other side", 0},
    {"caller", KEY_CALLER, "SIDE", 0, "Who calls: local (the default) or remote", 0},
    {"signalling", KEY_SIGNALLING, "MS", 0, "One way between the peers, by the relay (40)", 1},
    {"stun", KEY_STUN, "MS", 0, "Round trip to a STUN server (40)", 1},
    {"direct", KEY_DIRECT, "MS", 0, "Round trip between the peers (80)", 1},
    {"probes", KEY_PROBES, "N", 0, "Packets to guessed ports, of each side (1200)", 2},
    {"openers", KEY_OPENERS, "N", 0, "Fresh sockets, of each side (256)", 2},
    {"rate", KEY_RATE, "N", 0, "Packets a second (200)", 2},
    {"burst", KEY_BURST, "N", 0, "Packets back to back (64)", 2},
    {"seed", KEY_SEED, "N", 0, "Of the order of ports (0)", 3},
    {"json", 'j', NULL, 0, "Write JSON", 3},
    {0},
};

int cmd_plan(int argc, char **argv)
{
    static const struct argp argp = {
        .options = arguments,
        .parser = parse,
        .doc = "Shows by which moves two peers will try to join, what each can do, and what it "
               "costs. Sends nothing."};
    struct options o = {.signalling = 40 * PH_MS, .stun = 40 * PH_MS, .direct = 80 * PH_MS};
    static struct plan_view view;
    int local, code = CLI_GOOD;

    argp_parse(&argp, argc, argv, 0, NULL, &o);
    local = o.remote_calls ? 1 : 0;
    view.local_calls = !o.remote_calls;
    if (!load("local", o.local, &o, &view.facts[local]) ||
        !load("remote", o.remote, &o, &view.facts[!local])) {
        return CLI_USAGE;
    }
    view.input = (struct ph_plan_input){.side = {view.facts[0].side, view.facts[1].side},
                                        .signalling = o.signalling,
                                        .stun = o.stun,
                                        .direct = o.direct};
    ph_plan_make(&view.input, o.seed, &view.plan);
    if (!o.json) {
        plan_text(stdout, &view);
    } else if (plan_json(stdout, &view) != 0) {
        fprintf(stderr, "pinhole: out of memory\n");
        code = CLI_CANNOT;
    }
    return code;
}
