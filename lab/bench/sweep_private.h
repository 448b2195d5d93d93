/* What the sheets of the sweeps share. */
#ifndef LAB_BENCH_SWEEP_PRIVATE_H
#define LAB_BENCH_SWEEP_PRIVATE_H

#include "lab/bench/sheet.h"
#include "lab/run/record.h"
#include "nat/plan.h"

/* -1: out of memory, or no room. */
int birthday_sheet(const struct run *run, struct sheet *out);
int predict_sheet(const struct run *run, struct sheet *out);
int strategies_sheet(const struct run *run, struct sheet *out);

/* Cells that differ in the axes `along` and `also` (SIZE_MAX: none) alone are a group. The first
 * cell of the group that `cell` belongs to. */
size_t group_first(const struct run *run, size_t cell, size_t along, size_t also);
/* An empty table and a chart for the group, both of the name
 * "a.nat=port-restricted b.nat=random link=20ms": both NATs, and the axes that vary in the run,
 * without those two. -1: no room for another group. */
int group_add(const struct run *run, size_t cell, size_t along, size_t also, struct sheet *out,
              struct sheet_table **table, struct chart **chart);

/* A cell's whole number on an axis; `otherwise` where the matrix has no such axis. */
uint32_t number_of(const struct run *run, size_t cell, const char *axis, uint32_t otherwise);

/* The plan for a cell's pair by what its profiles declare and its peers may spend, and the facts
 * that it was made of. A cell that has no two peers has an empty one. -1: out of memory. */
int plan_of(const struct run *run, size_t cell, struct ph_plan_input *in, struct ph_plan *out);

/* Counted trials of a cell. */
size_t counted(const struct run *run, size_t cell);

/* "97.2% (95.9-98.1)", with its Wilson interval. */
const char *share_text(size_t k, size_t n, char out[64]);

#endif
