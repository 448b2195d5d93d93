/* The few statistics that results are made of. */
#ifndef LAB_STATS_H
#define LAB_STATS_H

#include <stddef.h>
#include <stdint.h>

/* The 95% score interval of Wilson (1927) for k successes in n trials; n = 0 gives 0 to 1. */
void stats_wilson(uint64_t k, uint64_t n, double *low, double *high);
/* The fewest trials, all of them successes, whose interval begins at `low` (below 1) or above. */
uint64_t stats_wilson_trials(double low);

/* Whether two rates differ: Fisher's exact test of k1 successes in n1 trials and k2 in n2. The
 * two-sided p: how likely it is, if they do not differ, that the numbers lie at least as far apart.
 */
double stats_fisher(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2);
/* Whether two samples come from one distribution: the rank-sum test of Mann and Whitney (1947),
 * two-sided, by its normal approximation with correction for ties (good from about ten values
 * each). 1 where a sample is empty. Both are sorted in place. */
double stats_rank_sum(double *a, size_t na, double *b, size_t nb);

/* Sorts ascending, in place. */
void stats_sort(double *values, size_t n);
/* Of sorted values: the nearest-rank percentile, the smallest value that at least p of 100 values
 * do not exceed. It is always one that was measured. n must not be 0. */
double stats_percentile(const double *sorted, size_t n, unsigned p);

#endif
