/* Runs the trials of a run in processes: this one schedules, one builds, the others time. */
#ifndef LAB_RUN_RUNNER_H
#define LAB_RUN_RUNNER_H

#include "lab/run/record.h"

struct runner_config {
    bool sim;
    size_t jobs;    /* worlds alive at once; 0: 20 for each core, 12 without real time, 2 in the
                     * simulator */
    size_t workers; /* 0: one for each core */
    /* A trial has ended. What it was is in the run's records too. */
    void (*on_trial)(void *user, size_t cell, unsigned trial, uint64_t seed,
                     const struct trial_result *result);
    /* Now and then, at least each second. */
    void (*on_tick)(void *user, ph_ns elapsed);
    void *user;
};

/* Returns 0 when all trials were made, or when interrupted (run->interrupted); -1 with err when the
 * lab could not go on. The program must be single-threaded. SIGINT and SIGTERM end the run. */
int runner_run(struct run *run, const struct runner_config *config, struct lab_error *err);

#endif
