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

static double log_choose(uint64_t n, uint64_t k)
{
    return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

double stats_fisher(uint64_t k1, uint64_t n1, uint64_t k2, uint64_t n2)
{
    uint64_t k = k1 + k2;
    uint64_t low = k > n2 ? k - n2 : 0;
    uint64_t high = k < n1 ? k : n1;
    double all = log_choose(n1 + n2, k);
    double seen = log_choose(n1, k1) + log_choose(n2, k2) - all;
    double p = 0;
    /* All tables with the same margins that are not likelier than the one that was seen; equal ones
     * differ by rounding. */
    for (uint64_t i = low; i <= high; i++) {
        double at = log_choose(n1, i) + log_choose(n2, k - i) - all;
        if (at <= seen + 1e-7)
            p += exp(at);
    }
    return p < 1.0 ? p : 1.0;
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

double stats_rank_sum(double *a, size_t na, double *b, size_t nb)
{
    double ranks = 0, ties = 0;
    size_t i = 0, k = 0;
    if (na == 0 || nb == 0)
        return 1.0;
    stats_sort(a, na);
    stats_sort(b, nb);
    while (i < na || k < nb) {
        double value = k == nb || (i < na && a[i] < b[k]) ? a[i] : b[k];
        size_t i0 = i, k0 = k;
        while (i < na && !(a[i] > value))
            i++;
        while (k < nb && !(b[k] > value))
            k++;
        double t = (double)(i - i0 + k - k0);
        /* All that are equal share the mean of their ranks. */
        ranks += (double)(i - i0) * ((double)(i0 + k0) + (t + 1) / 2);
        ties += t * t * t - t;
    }
    double n1 = (double)na, n2 = (double)nb, n = n1 + n2;
    double u = ranks - n1 * (n1 + 1) / 2;
    double variance = n1 * n2 / 12 * (n + 1 - ties / (n * (n - 1)));
    if (variance <= 0)
        return 1.0; /* all values are equal */
    double apart = fabs(u - n1 * n2 / 2) - 0.5;
    return apart <= 0 ? 1.0 : erfc(apart / sqrt(2 * variance));
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
