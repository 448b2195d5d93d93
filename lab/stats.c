#include "lab/stats.h"

#include <math.h>
#include <stdlib.h>

/* The 97.5% point of the normal distribution. */
#define Z 1.959963984540054

void stats_wilson(uint64_t k, uint64_t n, double *low, double *high)
{
    *low = 0.0;
    *high = 1.0;
    if (n == 0)
        return;
    double nn = (double)n, p = (double)k / nn, zz = Z * Z;
    double centre = p + zz / (2.0 * nn);
    double half = Z * sqrt(p * (1.0 - p) / nn + zz / (4.0 * nn * nn));
    double scale = 1.0 + zz / nn;
    /* At the ends the formula gives 0 and 1 but for rounding. */
    if (k > 0)
        *low = (centre - half) / scale;
    if (k < n)
        *high = (centre + half) / scale;
}

uint64_t stats_wilson_trials(double low)
{
    /* All good: the interval begins at n / (n + z^2). */
    double n = ceil(Z * Z * low / (1.0 - low) - 1e-9);
    return n < 1.0 ? 1 : (uint64_t)n;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

void stats_sort(double *values, size_t n)
{
    if (n > 1)
        qsort(values, n, sizeof(*values), compare);
}

double stats_percentile(const double *sorted, size_t n, unsigned p)
{
    size_t rank = (n * p + 99) / 100; /* ceil(n * p / 100) */
    if (rank == 0)
        rank = 1;
    if (rank > n)
        rank = n;
    return sorted[rank - 1];
}
