#include "nat/drift.h"

#include <math.h>

/* Two requests leave within microseconds; what else passes between them has at least this long. */
#define SLACK_S 0.0001
/* Shorter than this, even fifty flows a second show nothing. */
#define SPAN_MIN_S 0.02
/* A link with more other flows than these is not the counter's. */
#define FLOWS_MAX       40.0
#define FLOWS_MAX_PER_S 1500.0
#define RATE_MIN        0.25
#define RATE_STEPS      64u
#define RATE_FACTOR     1.14 /* up to about 1,000 a second */
#define COARSE          4u
/* Half of the NATs have nobody else's flows in a quarter of a second. */
#define QUIET_SHARE 0.3
/* A draw that is out of line was made earlier or later, or its server lied. */
#define SKIPPED_USES 0.3

static const struct {
    double spread, share;
} spreads[] = {{1, 0.5}, {3, 0.3}, {10, 0.2}};
#define SPREADS (sizeof(spreads) / sizeof(spreads[0]))

/* The chance of k flows. k is small: see flows_max(). */
static double flows_chance(unsigned k, double mean, double spread)
{
    if (mean <= 0)
        return k == 0 ? 1 : 0;
    double p;
    if (spread <= 1) {
        p = exp(-mean);
        for (unsigned i = 0; i < k; i++)
            p *= mean / (i + 1);
        return p;
    }
    double size = mean / (spread - 1);
    double q = 1 - 1 / spread;
    p = pow(spread, -size);
    for (unsigned i = 0; i < k; i++)
        p *= (size + i) / (i + 1) * q;
    return p;
}

static long flows_max(double seconds)
{
    double k = FLOWS_MAX + FLOWS_MAX_PER_S * seconds;
    return k < 4000 ? (long)k : 4000;
}

/* The chance that the counter moved by `moves`, one of them our own draw's. */
static double moves_chance(const struct ph_drift_model *m, const struct ph_drift_link *link,
                           unsigned moves, double mean, double spread)
{
    if (link->lost == 0 && link->skipped == 0)
        return flows_chance(moves - 1, mean, spread);
    double total = 0;
    double lost = pow(1 - m->lost_uses, link->lost); /* binomial, term by term */
    for (unsigned a = 0; a <= link->lost && a < moves; a++) {
        double skipped = pow(1 - SKIPPED_USES, link->skipped);
        for (unsigned b = 0; b <= link->skipped && a + b < moves; b++) {
            total += lost * skipped * flows_chance(moves - 1 - a - b, mean, spread);
            skipped *= (double)(link->skipped - b) / (b + 1) * SKIPPED_USES / (1 - SKIPPED_USES);
        }
        lost *= (double)(link->lost - a) / (a + 1) * m->lost_uses / (1 - m->lost_uses);
    }
    return total;
}

double ph_drift_chance(const struct ph_drift_model *m, const struct ph_drift_link *link,
                       double rate, double spread)
{
    double mean = rate * (link->seconds + SLACK_S);
    long most = 1 + (long)link->lost + (long)link->skipped + flows_max(link->seconds);
    long way = link->distance;
    if (m->period == 0) {
        if (way <= 0 || way % (long)m->step != 0 || way / (long)m->step > most)
            return 0;
        return moves_chance(m, link, (unsigned)(way / (long)m->step), mean, spread);
    }
    double total = 0;
    for (way %= (long)m->period; way <= most * (long)m->step; way += (long)m->period) {
        if (way > 0 && way % (long)m->step == 0)
            total += moves_chance(m, link, (unsigned)(way / (long)m->step), mean, spread);
    }
    return total;
}

static double links_ln(const struct ph_drift_model *m, const struct ph_drift_link *links, size_t n,
                       double rate, double spread)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double p = ph_drift_chance(m, &links[i], rate, spread);
        if (p <= 0)
            return -INFINITY;
        sum += log(p);
    }
    return sum;
}

static double rate_at(size_t i)
{
    return RATE_MIN * pow(RATE_FACTOR, (double)i);
}

double ph_drift_evidence(const struct ph_drift_model *m, const struct ph_drift_link *links,
                         size_t n)
{
    double total = QUIET_SHARE * exp(links_ln(m, links, n, 0, 1));
    double weight[RATE_STEPS / COARSE];
    double sum = 0;
    /* Each power of two alike, and less and less beyond a hundred a second. */
    for (size_t i = 0; i < RATE_STEPS / COARSE; i++)
        sum += weight[i] = 1 / (1 + rate_at(i * COARSE) / 100);
    for (size_t i = 0; i < RATE_STEPS / COARSE; i++) {
        for (size_t s = 0; s < SPREADS; s++)
            total += (1 - QUIET_SHARE) * weight[i] / sum * spreads[s].share *
                     exp(links_ln(m, links, n, rate_at(i * COARSE), spreads[s].spread));
    }
    return total > 0 ? log(total) : -INFINITY;
}

static bool long_enough(const struct ph_drift_link *links, size_t n)
{
    double span = 0;
    for (size_t i = 0; i < n; i++)
        span += links[i].seconds;
    return span >= SPAN_MIN_S;
}

/* The rate below which lies `share` of the mass, between grid points by proportion. */
static double quantile(const double mass[RATE_STEPS], double total, double share)
{
    double below = 0;
    for (size_t i = 0; i < RATE_STEPS; i++) {
        if (below + mass[i] >= share * total) {
            double part = mass[i] > 0 ? (share * total - below) / mass[i] : 0;
            return rate_at(i) * pow(RATE_FACTOR, part - 0.5);
        }
        below += mass[i];
    }
    return rate_at(RATE_STEPS - 1);
}

bool ph_drift_rate(const struct ph_drift_model *m, const struct ph_drift_link *links, size_t n,
                   struct ph_drift_rate *out)
{
    if (n == 0 || !long_enough(links, n))
        return false;
    double mass[RATE_STEPS];
    double total = 0;
    for (size_t i = 0; i < RATE_STEPS; i++) {
        mass[i] = 0;
        /* By Jeffreys, so that the interval holds the truth as often as it says: density
         * 1/sqrt(rate), on a grid of equal ratios sqrt(rate). */
        for (size_t s = 0; s < SPREADS; s++)
            mass[i] += spreads[s].share * sqrt(rate_at(i)) *
                       exp(links_ln(m, links, n, rate_at(i), spreads[s].spread));
        total += mass[i];
    }
    if (total <= 0)
        return false;
    bool quiet = links_ln(m, links, n, 0, 1) > -INFINITY;
    out->rate = quiet ? 0 : quantile(mass, total, 0.5);
    out->low = quiet ? 0 : quantile(mass, total, 0.025);
    out->high = quantile(mass, total, 0.975);
    return true;
}
