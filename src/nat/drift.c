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
#define DRAWS_MAX    32u /* more than a survey has, and one */
#define NEGLIGIBLE   1e-15
#define USUAL_SPREAD 1u

static const struct {
    double spread, spread_ln, share;
} spreads[] = {{1, 0, 0.3}, {3, 1.0986, 0.3}, {10, 2.3026, 0.4}};
#define SPREADS (sizeof(spreads) / sizeof(spreads[0]))

/* Walks through the chances of 0, 1, 2 ... other flows. */
struct flows {
    double chance; /* of `count` */
    unsigned count;
    double mean, size, q; /* size and q of the negative-binomial; size 0: Poisson */
};

static struct flows flows_begin(double mean, size_t spread)
{
    if (spread == 0)
        return (struct flows){.chance = exp(-mean), .mean = mean};
    double size = mean / (spreads[spread].spread - 1);
    return (struct flows){.chance = exp(-size * spreads[spread].spread_ln),
                          .size = size,
                          .mean = mean,
                          .q = 1 - 1 / spreads[spread].spread};
}

static void flows_next(struct flows *f)
{
    double grows = f->q > 0 ? (f->size + f->count) * f->q : f->mean;
    f->chance *= grows / ++f->count;
}

static unsigned flows_max(double seconds)
{
    double k = FLOWS_MAX + FLOWS_MAX_PER_S * seconds;
    return k < 4000 ? (unsigned)k : 4000;
}

/* Would the counter stand where the link ends, after so many moves? */
static bool arrives(const struct ph_drift_model *m, long distance, unsigned moves)
{
    long off = (long)moves * (long)m->step - distance;
    return m->period == 0 ? off == 0 : off % (long)m->period == 0;
}

/* The chances that 0, 1, 2 ... of n draws moved the counter: binomial, term by term. */
static void binomial(unsigned n, double p, double out[DRAWS_MAX])
{
    out[0] = pow(1 - p, n);
    for (unsigned i = 0; i < n; i++)
        out[i + 1] = out[i] * (double)(n - i) / (i + 1) * p / (1 - p);
}

/* The chances of how many of the unseen draws of a link moved the counter. */
static unsigned unseen_moves(const struct ph_drift_model *m, const struct ph_drift_link *link,
                             double out[2 * DRAWS_MAX])
{
    double lost[DRAWS_MAX], skipped[DRAWS_MAX];
    for (unsigned i = 0; i <= link->lost + link->skipped; i++)
        out[i] = 0;
    binomial(link->lost, m->lost_uses, lost);
    binomial(link->skipped, SKIPPED_USES, skipped);
    for (unsigned i = 0; i <= link->lost; i++) {
        for (unsigned j = 0; j <= link->skipped; j++)
            out[i + j] += lost[i] * skipped[j];
    }
    return link->lost + link->skipped;
}

static double chance(const struct ph_drift_model *m, const struct ph_drift_link *link, double rate,
                     size_t spread)
{
    double unseen[2 * DRAWS_MAX] = {1};
    unsigned draws = 0;
    if (m->period == 0 && link->distance <= 0)
        return 0;
    if (link->lost + link->skipped > 0)
        draws = unseen_moves(m, link, unseen);
    double mean = rate * (link->seconds + SLACK_S);
    double total = 0;
    unsigned most = flows_max(link->seconds);
    struct flows f = flows_begin(mean, spread);
    for (; f.count <= most; flows_next(&f)) {
        for (unsigned i = 0; i <= draws; i++) {
            if (arrives(m, link->distance, 1 + i + f.count))
                total += unseen[i] * f.chance;
        }
        if (f.chance < NEGLIGIBLE && f.count > mean)
            break;
        if (m->period == 0 && (long)(f.count + 1) * (long)m->step > link->distance)
            break;
    }
    return total;
}

double ph_drift_chance(const struct ph_drift_model *m, const struct ph_drift_link *link,
                       double rate)
{
    return chance(m, link, rate, USUAL_SPREAD);
}

static double links_ln(const struct ph_drift_model *m, const struct ph_drift_link *links, size_t n,
                       double rate, size_t spread)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double p = chance(m, &links[i], rate, spread);
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
    double total = QUIET_SHARE * exp(links_ln(m, links, n, 0, 0));
    double weight[RATE_STEPS / COARSE];
    double sum = 0;
    /* Each power of two alike, and less and less beyond a hundred a second. */
    for (size_t i = 0; i < RATE_STEPS / COARSE; i++)
        sum += weight[i] = 1 / (1 + rate_at(i * COARSE) / 100);
    for (size_t i = 0; i < RATE_STEPS / COARSE; i++) {
        for (size_t s = 0; s < SPREADS; s++)
            total += (1 - QUIET_SHARE) * weight[i] / sum * spreads[s].share *
                     exp(links_ln(m, links, n, rate_at(i * COARSE), s));
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
            mass[i] +=
                spreads[s].share * sqrt(rate_at(i)) * exp(links_ln(m, links, n, rate_at(i), s));
        total += mass[i];
    }
    if (total <= 0)
        return false;
    bool quiet = links_ln(m, links, n, 0, 0) > -INFINITY;
    out->rate = quiet ? 0 : quantile(mass, total, 0.5);
    out->low = quiet ? 0 : quantile(mass, total, 0.025);
    out->high = quantile(mass, total, 0.975);
    return true;
}
