/* What is kept of the trials of one run, for the reports. */
#ifndef LAB_RUN_RECORD_H
#define LAB_RUN_RECORD_H

#include "lab/run/matrix.h"
#include "lab/run/trial.h"

#define RUN_TRIALS_MAX 4000000

/* Above this a trial's times say more of the lab than of the subject. */
#define LATENESS_MAX (5 * PH_MS)

struct record {
    bool present;
    enum trial_status status;
    uint32_t asked, good; /* 1u << RATE_x: the rates that it has, and of those what held */
    uint8_t stage;        /* enum ph_stage */
    uint8_t protocol;     /* enum ph_portmap_protocol, mapped: by which */
    ph_ns times[SUBJECT_TIME_COUNT];      /* PH_NEVER: absent */
    uint32_t counts[SUBJECT_COUNT_COUNT]; /* SCORE_ABSENT: absent (lab/run/score.h) */
    ph_ns lateness;
    struct {
        uint8_t state; /* enum ph_stage_state */
        ph_ns start, end;
        uint64_t packets;
        uint32_t probes_to_hit; /* 0: none hit */
    } stages[PH_STAGE_COUNT];
};

struct run {
    const struct scenario *scenario;
    const char *world;    /* "kernel", "sim" */
    struct matrix matrix; /* the cells that are run */
    unsigned trials;      /* of each cell; with a population of each of its strata */
    bool partial;         /* not the file's own cells and number of trials */
    uint64_t seed;
    ph_ns *floor_direct, *floor_relay; /* of each cell; PH_NEVER: none */
    uint8_t *outlook;                  /* of each cell: enum outlook (lab/run/outlook.h) */
    struct record *records;            /* cell by cell: run_record */
    size_t *first;                     /* of each cell, where its records begin */
    size_t total;                      /* trials of all cells */
    bool interrupted;
    ph_ns duration;
};

/* How many trials a cell has: none, where the population's draw passed it by. */
static inline unsigned run_trials(const struct run *run, size_t cell)
{
    return run->matrix.cells[cell].trials;
}

/* How many cells have any. */
size_t run_cells(const struct run *run);

/* Takes over the matrix, whose cells have their trials (lab/run/spread.h) unless the scenario has
 * no population: then each has `trials`. Computes the floors. */
int run_init(struct run *run, const struct scenario *scenario, struct matrix *matrix,
             unsigned trials, struct lab_error *err);
void run_fini(struct run *run);

/* Of trial t of a cell. */
static inline struct record *run_record(const struct run *run, size_t cell, unsigned trial)
{
    return &run->records[run->first[cell] + trial];
}

/* It was made, and the lab did not fail: it counts for rates and counts. */
static inline bool record_is_counted(const struct record *r)
{
    return r->present && r->status != TRIAL_LAB_ERROR;
}

static inline bool record_is(const struct record *r, enum rate rate)
{
    return (r->good & 1u << rate) != 0;
}

/* Keeps a result; a lateness above LATENESS_MAX makes it inconclusive. Returns the record. */
struct record *run_add(struct run *run, size_t cell, unsigned trial,
                       const struct trial_result *result);
/* A result that says that the lab failed. */
void run_lab_error(struct trial_result *out, const char *why);

/* The line of trials.jsonl, without its newline; malloc'ed, NULL when memory is out. */
char *record_json(const struct run *run, size_t cell, unsigned trial, uint64_t seed,
                  const struct trial_result *result);

const char *trial_status_name(enum trial_status status);

#endif
