/* One run from its first trial to its results, for the commands that make runs. */
#ifndef LAB_CLI_SESSION_H
#define LAB_CLI_SESSION_H

#include "lab/run/record.h"

#include <argp.h>
#include <limits.h>

struct session_options {
    bool sim;
    unsigned trials; /* 0: not said */
    uint64_t seed;
    bool has_seed;
    size_t jobs;     /* 0: default */
    bool quiet;      /* no progress, no grid; failed expectations go to stderr */
    bool no_grid;    /* progress alone */
    const char *out; /* folder of the results; NULL: the next free one */
};

/* The options that all of these commands have: keys of their tables, and what reads them. */
enum session_key {
    SESSION_WORLD = 'w',
    SESSION_TRIALS = 't',
    SESSION_SEED = 's',
    SESSION_JOBS = 'j',
    SESSION_OUT = 'o',
    SESSION_QUIET = 'q',
};

/* As of argp: argp_error on a bad value, ARGP_ERR_UNKNOWN for other keys. At the end of the
 * arguments a seed that was not given is drawn. */
error_t session_parse(int key, char *arg, struct argp_state *state, struct session_options *o);

/* Runs it in the world and with the seed of the options, prints what is asked for, writes the
 * results. dir (may be NULL): the folder that they are in. Returns the exit code; err says why
 * where it is LAB_CANNOT or LAB_BROKEN. */
enum lab_exit session_run(struct run *run, const struct session_options *o, char dir[PATH_MAX],
                          struct lab_error *err);

/* Of several codes the one that counts. */
enum lab_exit session_worst(enum lab_exit a, enum lab_exit b);

#endif
