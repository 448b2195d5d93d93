/* Pieces of a line of trials.jsonl. */
#ifndef LAB_RUN_RECORD_JSON_H
#define LAB_RUN_RECORD_JSON_H

#include "lab/run/trial.h"

/* Milliseconds to the microsecond, or null. */
json_t *record_ms(ph_ns t);
json_t *record_integer(uint64_t v);

/* Add what the subject has measured. */
void record_call(json_t *o, const struct trial_result *r);
void record_netcheck(json_t *o, const struct netcheck_result *r);
void record_map(json_t *o, const struct map_result *r);

#endif
