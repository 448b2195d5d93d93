/* One run from its first trial to its results, for the commands that make runs. */
#ifndef LAB_CLI_SESSION_H
#define LAB_CLI_SESSION_H

#include "lab/run/record.h"

#include <argp.h>
#include <limits.h>

struct session_options {
    bool sim;
    size_t jobs;     /* 0: default */
    bool quiet;      /* no progress, no grid; failed expectations go to stderr */
    bool no_grid;    /* progress alone */
    const char *out; /* folder of the results; NULL: the next free one */
};

/* Runs it, prints what is asked for, writes the results. dir (may be NULL): the folder that they
 * are in. Returns the exit code; err says why where it is LAB_CANNOT or LAB_BROKEN. */
enum lab_exit session_run(struct run *run, const struct session_options *o, char dir[PATH_MAX],
                          struct lab_error *err);

/* Of several codes the one that counts. */
enum lab_exit session_worst(enum lab_exit a, enum lab_exit b);

/* Arguments of options; argp_error on what is no whole number from 1 to max. */
unsigned long long session_number(struct argp_state *state, const char *what, const char *arg,
                                  unsigned long long max);
/* A seed as the results show it (16 hexadecimal digits), as 0x..., or decimal. */
uint64_t session_seed(struct argp_state *state, const char *arg);
/* Drawn by the system. */
uint64_t session_draw_seed(void);

#endif
