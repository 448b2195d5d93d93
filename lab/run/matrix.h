/* The cells of a scenario's matrix. */
#ifndef LAB_RUN_MATRIX_H
#define LAB_RUN_MATRIX_H

#include "lab/run/scenario.h"

#define CELL_KEY_MAX 512
#define CELLS_MAX    20000

struct cell {
    uint16_t values[AXES_MAX]; /* of each axis, an index */
    char key[CELL_KEY_MAX];    /* "a.nat=random,b.nat=open,gateway=drop,link=20ms" */
    double weight;             /* its share of the population's calls; 1: there is none */
    unsigned trials;           /* as lab/run/spread.h deals them out */
};

struct matrix {
    struct cell *cells;
    size_t count;
};

/* In the order of the file: the last axis turns fastest, included cells come last. What nobody of
 * the population has is left out. The cells' trials are the file's. */
int matrix_expand(const struct scenario *s, struct matrix *out, struct lab_error *err);
void matrix_free(struct matrix *m);

/* The world that a cell asks for. */
int matrix_world(const struct scenario *s, const struct cell *cell, uint64_t seed,
                 struct world_spec *out, struct lab_error *err);

struct strategy;
/* The published one that its peers follow (lab/run/strategy.h); NULL: the library's own. */
const struct strategy *matrix_strategy(const struct scenario *s, const struct cell *cell);

/* What befalls its calls; NULL: nothing does. */
const struct fault_plan *matrix_faults(const struct scenario *s, const struct cell *cell);

struct trial_spec;
/* The trials that a cell asks for: all but their seeds and whether they are repeatable. */
void matrix_trial(const struct scenario *s, const struct cell *cell, struct trial_spec *out);
/* The stages that its peers may use: the scenario's, without portmap where port_mapping is off. */
unsigned matrix_stages(const struct scenario *s, const struct cell *cell);
/* The cell's value on the axis, NULL where the matrix has no such axis. */
const char *matrix_value(const struct scenario *s, const struct cell *cell, const char *axis);

/* The cell with the same values as this one but for the counterpart's; SIZE_MAX: none is there. */
size_t matrix_counterpart(const struct matrix *m, size_t cell, const struct counterpart *of);

/* A glob over the cell's whole key, or "axis=glob,axis=glob" over some of its axes. */
bool matrix_cell_matches(const struct scenario *s, const struct cell *cell, const char *glob);

#endif
