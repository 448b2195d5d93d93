/* The folder of one run's results. */
#ifndef LAB_REPORT_RESULTS_H
#define LAB_REPORT_RESULTS_H

#include "lab/report/expect.h"

#include <limits.h>
#include <stdio.h>

struct results {
    char dir[PATH_MAX];
    FILE *trials; /* trials.jsonl */
    char started[32];
};

/* Makes the folder: `dir`, or the next free results/NAME/N (and results/latest points to it). A
 * folder that holds a run already is not written over. Writes run.json, opens trials.jsonl. */
int results_open(struct results *r, const struct run *run, const char *dir, struct lab_error *err);
/* Appends a line, and hands it to the system at once. */
int results_trial(struct results *r, const struct run *run, size_t cell, unsigned trial,
                  uint64_t seed, const struct trial_result *result, struct lab_error *err);
/* run.json with the duration, summary.json, summary.md, junit.xml. */
int results_finish(struct results *r, const struct run *run, const struct expect_result *expects,
                   const bool *cell_failed, struct lab_error *err);
void results_close(struct results *r);

#endif
