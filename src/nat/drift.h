/* How far a counter of ports moves on by other people's flows. Flows come in bunches (a page opens
 * a dozen at once), so their number is negative-binomial: the variance is a multiple of the mean,
 * and Poisson is the multiple 1. Inside the room. */
#ifndef PH_NAT_DRIFT_H
#define PH_NAT_DRIFT_H

#include <stdbool.h>
#include <stddef.h>

/* From one draw of ours to the next one that is known. */
struct ph_drift_link {
    double seconds;
    int distance; /* in ports, along the step */
    /* Both at most PH_NAT_SAMPLES_MAX. */
    unsigned lost;    /* draws of ours in between whose port is not known */
    unsigned skipped; /* draws in between that are left out, being out of line */
};

struct ph_drift_model {
    unsigned step;    /* > 0 */
    unsigned period;  /* the counter starts again after so many ports; 0: it is not seen to */
    double lost_uses; /* the chance that a lost draw moved this counter */
};

/* The chance of a link at a rate of other flows a second, which come bunched as is usual. */
double ph_drift_chance(const struct ph_drift_model *m, const struct ph_drift_link *link,
                       double rate);
/* The logarithm of the chance of all of them, over all rates by what is usual. */
double ph_drift_evidence(const struct ph_drift_model *m, const struct ph_drift_link *links,
                         size_t n);

struct ph_drift_rate {
    double rate, low, high; /* flows a second: the likeliest middle, and its 95% interval */
};
/* False when no two draws are far enough apart in time to tell. */
bool ph_drift_rate(const struct ph_drift_model *m, const struct ph_drift_link *links, size_t n,
                   struct ph_drift_rate *out);

#endif
