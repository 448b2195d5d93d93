/* What a trial's result counts for: its rates, its times and its counts. Pure. */
#ifndef LAB_RUN_SCORE_H
#define LAB_RUN_SCORE_H

#include "lab/run/trial.h"

/* 1u << RATE_x each: the rates that this trial has, and of those what held in it. */
void score(const struct trial_result *r, uint32_t *asked, uint32_t *good);
/* PH_NEVER: absent. */
void score_times(const struct trial_result *r, ph_ns out[SUBJECT_TIME_COUNT]);
/* SCORE_ABSENT: absent, as the probes to a hit are where nothing was hit. */
#define SCORE_ABSENT UINT32_MAX
void score_counts(const struct trial_result *r, uint32_t out[SUBJECT_COUNT_COUNT]);

#endif
