/* A run's records, summed up. */
#ifndef LAB_REPORT_SUMMARY_H
#define LAB_REPORT_SUMMARY_H

#include "lab/report/expect.h"
#include "lab/run/record.h"

#include <stdio.h>

struct rate_summary {
    uint64_t good, of; /* of the counted trials that have the rate */
};

/* Of the trials whose times count; of a count those that count for rates. */
struct time_summary {
    size_t count;
    double p50, p95, p99, max; /* ms, or a plain number; meaningless when count is 0 */
};

struct stage_summary {
    uint64_t won, lost, beaten, skipped;
    uint64_t packets;           /* of both peers, in all trials */
    struct time_summary time;   /* from the stage's start to its end, where it won */
    struct time_summary to_hit; /* probes until the first that was answered, where one was */
};

struct summary {
    uint64_t trials;  /* made */
    uint64_t counted; /* for rates: without lab errors */
    uint64_t inconclusive, lab_errors;
    uint64_t connected, direct; /* as rates[] has them, for short */
    struct rate_summary rates[RATE_COUNT];
    uint64_t by[PH_PORTMAP_PROTOCOLS]; /* mapped: by which */
    struct time_summary times[SUBJECT_TIME_COUNT];
    struct time_summary counts[SUBJECT_COUNT_COUNT];
    struct time_summary direct_floor; /* the times over their floors: p50 1.05 is 5% above */
    struct stage_summary stages[PH_STAGE_COUNT];
};

/* cells: which ones, by index; NULL: all. -1: out of memory. */
int summary_of(const struct run *run, const bool *cells, struct summary *out);
int summary_of_cell(const struct run *run, size_t cell, struct summary *out);

/* One line of what matters most of the subject: "connected 10/10, direct 6/10". Returns out. */
#define SUMMARY_BRIEF_MAX 128
char *summary_brief(const struct run *run, const struct summary *s, char out[SUMMARY_BRIEF_MAX]);
/* The time of the subject that comes first in reports. */
enum subject_time summary_first_time(const struct run *run);

/* summary.json: nothing of clock or machine. malloc'ed, NULL when memory is out. */
char *summary_json(const struct run *run, const struct expect_result *expects);
/* summary.md. */
int summary_markdown(const struct run *run, const struct expect_result *expects, FILE *out);

#endif
