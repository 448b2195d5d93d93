/* How a number of trials is spread over the cells of a matrix.
 *
 * Without a population each cell has as many. With one, all cells that differ in their two ends
 * alone are one stratum, and its trials are dealt out to them by weight: a systematic draw, in
 * which a cell of the share w gets n * w trials, rounded up or down by chance, so that each call of
 * the population is as likely as any other and a plain share of a stratum's trials is the
 * population's. Its Wilson interval is that of pairs drawn one by one; a systematic draw is never
 * much wider and as a rule narrower, since it cannot draw the common pairs too often. */
#ifndef LAB_RUN_SPREAD_H
#define LAB_RUN_SPREAD_H

#include "lab/run/matrix.h"

/* Fills in each cell's trials. The seed says where the draw begins. -1: out of memory. */
int spread_trials(const struct scenario *s, struct matrix *m, unsigned trials, uint64_t seed);

/* of[c]: the stratum of cell c, from 0 in their order; returns how many there are. */
size_t spread_strata(const struct scenario *s, const struct matrix *m, size_t *of);

/* The cell's share of all calls in its stratum's world, by the scenario's population; 0: nobody's.
 */
double spread_weight(const struct scenario *s, const struct cell *cell);

#endif
