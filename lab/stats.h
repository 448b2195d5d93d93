/* The few statistics that results are made of. */
#ifndef LAB_STATS_H
#define LAB_STATS_H

#include <stddef.h>
#include <stdint.h>

/* The 95% score interval of Wilson (1927) for k successes in n trials; n = 0 gives 0 to 1. */
void stats_wilson(uint64_t k, uint64_t n, double *low, double *high);
/* The fewest trials, all of them successes, whose interval begins at `low` (below 1) or above. */
uint64_t stats_wilson_trials(double low);

/* Sorts ascending, in place. */
void stats_sort(double *values, size_t n);
/* Of sorted values: the nearest-rank percentile, the smallest value that at least p of 100 values
 * do not exceed. It is always one that was measured. n must not be 0. */
double stats_percentile(const double *sorted, size_t n, unsigned p);

#endif
