/* The sweeps of natlab bench, as scenarios: what is measured are trials of the real stages, by the
 * runner that every scenario has. */
#ifndef LAB_BENCH_SWEEP_H
#define LAB_BENCH_SWEEP_H

#include "lab/bench/sheet.h"
#include "lab/run/record.h"

#define SWEEP_VALUES_MAX 16

/* "64,128,256" */
struct sweep_list {
    char values[SWEEP_VALUES_MAX][AXIS_VALUE_MAX];
    size_t count;
};

/* False: it has an empty value, one that is too long, or too many. */
bool sweep_parse(const char *text, struct sweep_list *out);

enum sweep_kind {
    SWEEP_BIRTHDAY,
    SWEEP_PREDICT,
    SWEEP_STRATEGIES,
    SWEEP_KINDS,
};

const char *sweep_name(enum sweep_kind kind);

/* What there is to sweep, and the axis that each one is. */
enum sweep_of {
    SWEEP_CALLER,
    SWEEP_CALLEE,
    SWEEP_OPENERS,
    SWEEP_PROBES,
    SWEEP_RATE,
    SWEEP_RANGE, /* the callee's NAT's */
    SWEEP_BLOCK, /* likewise */
    SWEEP_DRIFT,
    SWEEP_PROBE,
    SWEEP_STRATEGY,
    SWEEP_GATEWAY,
    SWEEP_LINK,
    SWEEP_OF_COUNT,
};

struct sweep {
    enum sweep_kind kind;
    unsigned trials; /* of each cell */
    struct sweep_list lists[SWEEP_OF_COUNT];
};

/* The sweep that is made when nobody says otherwise. */
void sweep_init(struct sweep *s, enum sweep_kind kind);
/* "--openers": how the command line calls it. Whether the kind has it at all. */
const char *sweep_option(enum sweep_of of);
bool sweep_has(enum sweep_kind kind, enum sweep_of of);
/* The scenario file, malloc'ed; NULL: out of memory. */
char *sweep_scenario(const struct sweep *s);

/* What the run came to. -1: out of memory, or too much for a sheet (err says so). */
int sweep_sheet(const struct sweep *s, const struct run *run, struct sheet *out,
                struct lab_error *err);

#endif
