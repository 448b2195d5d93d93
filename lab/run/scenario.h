/* A scenario file: what is run, how often, over which matrix, and what is expected of it. */
#ifndef LAB_RUN_SCENARIO_H
#define LAB_RUN_SCENARIO_H

#include "base/time.h"
#include "lab/run/expectation.h"
#include "lab/run/fault_plan.h"

#define SCENARIO_NAME_MAX  64
#define SCENARIO_RULES_MAX 64

struct scenario {
    char name[SCENARIO_NAME_MAX];
    const char *path;
    struct topology topology;
    enum subject subject;
    unsigned trials; /* of each cell; with a population of each of its strata (lab/run/spread.h) */
    struct population population;
    struct fault_plans faults; /* values of the axis `fault` */
    struct axes axes;
    bool unordered; /* pairs: {a, b} and {b, a} are one cell, called by who stands first */
    struct match excludes[SCENARIO_RULES_MAX];
    size_t exclude_count;
    uint16_t includes[SCENARIO_RULES_MAX][AXES_MAX]; /* value indices */
    size_t include_count;
    unsigned stages; /* 1u << PH_STAGE_x */
    ph_ns give_up, media;
    ph_ns hold;          /* subject map: how long a mapping is held */
    uint32_t lifetime_s; /* and for how long it is asked for; 0: the mapper's default */
    struct expectation expects[EXPECTATIONS_MAX];
    size_t expect_count;
    struct yaml_doc *doc; /* conditions and messages point into it */
    uint64_t hash;        /* of the file's bytes */
    char *text;           /* the file itself */
    size_t text_len;
};

/* Reads the file and everything that it names (topology, profiles); expectations that the file's
 * own number of trials cannot reach are refused. LAB_USAGE with file:line:column. */
int scenario_load(const char *path, struct scenario **out, struct lab_error *err);
/* The same from memory; `name` stands in messages, and relative paths start at its folder. */
int scenario_parse(const char *name, const char *text, size_t len, struct scenario **out,
                   struct lab_error *err);
void scenario_free(struct scenario *s);

/* True when the condition holds for the cell; in a matrix of unordered pairs also when it holds
 * with the two sides exchanged. */
bool scenario_match(const struct scenario *s, const struct match *m, const uint16_t *values);

#endif
