#include "nat/sequence.h"

#include "nat/sums.h"

#include <math.h>
#include <stdlib.h>

#define PORTS_LN 11.0745 /* ln 64,512: where a counter stands is one of so many */
/* A draw that is out of line: its request was lost before the NAT and came again later, or its
 * server lies. One in a hundred, and then any of some thousand ports. */
#define SKIP_LN  (-11.5)
#define SKIP_MAX 3u
/* At what rate the likeliest chain of draws is looked for. */
#define CHAIN_RATE 5.0
/* In less time nobody else is likely to draw. */
#define SHORT_S 0.01
/* Smaller ranges are nobody's; and what returns so soon is rather no counter. */
#define PERIOD_MIN   64u
#define NEARLY_ROUND 0.1
#define STEPS_MAX    24u
#define PERIODS_MAX  12u
#define STEP_MAX     256
#define LOST_USES    0.97
/* A lost draw is of any of the addresses, when each counts for itself. */
#define OWN_COUNTERS_SHARE 0.2

/* Known draws of one counter, and how many lost ones stand before each. */
struct chain {
    const struct ph_nat_draw *items[PH_NAT_SAMPLES_MAX];
    unsigned lost_before[PH_NAT_SAMPLES_MAX];
    size_t n;
};

struct links {
    struct ph_drift_link items[PH_NAT_SAMPLES_MAX];
    size_t n;
};

/* One way of counting. */
struct count {
    int step;
    unsigned period;
    double lost_uses;
    size_t wrap_after; /* a wrap of unknown period behind this known draw; SIZE_MAX: none */
};

static void take_chain(const struct ph_nat_draws *d, int address, struct chain *c)
{
    unsigned lost = 0;
    c->n = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct ph_nat_draw *draw = &d->items[i];
        if (draw->port == 0) {
            lost++;
        } else if (address < 0 || draw->address == address) {
            c->items[c->n] = draw;
            c->lost_before[c->n++] = lost;
        }
    }
}

static struct ph_drift_link link_between(const struct chain *c, const struct count *k, size_t a,
                                         size_t b)
{
    const struct ph_nat_draw *from = c->items[a], *to = c->items[b];
    int distance = (int)to->port - (int)from->port;
    return (struct ph_drift_link){
        .seconds = to->at > from->at ? (double)(to->at - from->at) / 1e9 : 0,
        .distance = k->step > 0 ? distance : -distance,
        .lost = c->lost_before[b] - c->lost_before[a],
        .skipped = (unsigned)(b - a - 1),
    };
}

static struct ph_drift_model model_of(const struct count *k)
{
    return (struct ph_drift_model){
        .step = (unsigned)abs(k->step), .period = k->period, .lost_uses = k->lost_uses};
}

/* Over the wrap of unknown period the counter may have gone anywhere: paid for once, by the caller.
 */
static bool crosses(const struct count *k, size_t a, size_t b)
{
    return a <= k->wrap_after && k->wrap_after < b;
}

static double link_ln(const struct chain *c, const struct count *k, size_t a, size_t b)
{
    struct ph_drift_link link = link_between(c, k, a, b);
    struct ph_drift_model m = model_of(k);
    if (crosses(k, a, b))
        return link.distance < 0 ? 0 : -INFINITY;
    double p = ph_drift_chance(&m, &link, CHAIN_RATE);
    return p > 0 ? log(p) : -INFINITY;
}

static size_t skips_allowed(size_t n)
{
    return n < 5 ? 0 : n < 9 ? 1 : n < 16 ? 2 : SKIP_MAX;
}

/* The likeliest chain through the draws that leaves out no more than a few: best[i][s] ends with
 * draw i after s were left out. Its links are added to `out`; the cost of what it leaves out is
 * returned, -INFINITY: there is none. */
static double best_chain(const struct chain *c, const struct count *k, struct links *out)
{
    double best[PH_NAT_SAMPLES_MAX][SKIP_MAX + 1];
    size_t from[PH_NAT_SAMPLES_MAX][SKIP_MAX + 1];
    size_t most = skips_allowed(c->n);
    double top = -INFINITY;
    size_t end = 0, end_skips = 0;
    for (size_t i = 0; i < c->n; i++) {
        for (size_t s = 0; s <= most; s++) {
            best[i][s] = s == i ? SKIP_LN * (double)s : -INFINITY;
            from[i][s] = i;
            for (size_t left_out = 0; left_out <= s && left_out < i; left_out++) {
                size_t j = i - 1 - left_out;
                if (best[j][s - left_out] == -INFINITY)
                    continue;
                double ln =
                    best[j][s - left_out] + SKIP_LN * (double)left_out + link_ln(c, k, j, i);
                if (ln > best[i][s]) {
                    best[i][s] = ln;
                    from[i][s] = j;
                }
            }
            size_t behind = c->n - 1 - i;
            if (s + behind <= most && best[i][s] + SKIP_LN * (double)behind > top) {
                top = best[i][s] + SKIP_LN * (double)behind;
                end = i;
                end_skips = s;
            }
        }
    }
    if (top == -INFINITY)
        return top;
    size_t left_out = end_skips + (c->n - 1 - end);
    while (from[end][end_skips] != end) {
        size_t j = from[end][end_skips];
        if (!crosses(k, j, end))
            out->items[out->n++] = link_between(c, k, j, end);
        end_skips -= end - j - 1;
        end = j;
    }
    return SKIP_LN * (double)left_out;
}

/* Priors, as logarithms. */

static double step_ln(int step)
{
    int size = abs(step);
    double share = size == 1    ? 0.45
                   : size == 2  ? 0.2
                   : size <= 8  ? 0.04
                   : size <= 16 ? 0.008
                                : 0.0002;
    return log(share * (step > 0 ? 0.75 : 0.25));
}

/* Of ranges: all but the well-known ports, all, IANA's dynamic ones, Linux's ephemeral ones; then
 * any, each power of two alike. */
static const unsigned usual_periods[] = {64512, 65536, 65535, 32768, 28232, 16384};
#define USUAL_PERIODS (sizeof(usual_periods) / sizeof(usual_periods[0]))

/* Of the period, of where its range lies (it must hold what was seen), and of where in it the
 * counter stands. */
static double period_ln(unsigned period, unsigned span)
{
    for (size_t i = 0; i < USUAL_PERIODS; i++) {
        if (period == usual_periods[i])
            return log(i == 0 ? 0.5 : 0.04) - log(period);
    }
    double places = period > span ? (double)(period - span) : 1;
    double share = places / (65536.0 - period);
    return log(0.3 / 6.9 / period) + log(share < 1 ? share : 1) - log(period);
}

/* The same when the wrap came in a gap that was too long to know the period. To come to a little
 * below where it was, a counter must have gone nearly round: seldom. */
static double free_wrap_ln(const struct ph_drift_link *link, int step)
{
    double least = abs(step) - link->distance;
    double period = least > PERIOD_MIN ? least : PERIOD_MIN;
    double places = abs(step) * (1 + link->lost + CHAIN_RATE * link->seconds);
    double share = places / (65536.0 - period);
    return log(0.3 / 6.9 / period) + log(share < 1 ? share : 1) - log(period) +
           (least < PERIOD_MIN ? log(NEARLY_ROUND) : 0);
}

/* Which steps and periods are worth a look. */

static void add_step(int steps[STEPS_MAX], size_t *n, int step)
{
    for (size_t i = 0; i < *n; i++) {
        if (steps[i] == step)
            return;
    }
    if (*n < STEPS_MAX)
        steps[(*n)++] = step;
}

/* A step must explain about half of the neighbours by few other flows. */
static bool plausible(const struct chain *c, int step)
{
    const struct count k = {.step = step, .lost_uses = LOST_USES, .wrap_after = SIZE_MAX};
    size_t good = 0;
    for (size_t i = 1; i < c->n; i++) {
        struct ph_drift_link link = link_between(c, &k, i - 1, i);
        struct ph_drift_model m = model_of(&k);
        good += ph_drift_chance(&m, &link, CHAIN_RATE * 20) > 0;
    }
    return 2 * good + 1 >= c->n - 1 && good > 0;
}

static size_t find_steps(const struct chain *c, int steps[STEPS_MAX])
{
    size_t n = 0;
    for (int size = 1; size <= 16; size++) {
        for (int sign = 1; sign >= -1; sign -= 2) {
            if (plausible(c, sign * size))
                add_step(steps, &n, sign * size);
        }
    }
    for (size_t i = 1; i < c->n; i++) {
        int d = (int)c->items[i]->port - (int)c->items[i - 1]->port;
        if (abs(d) > 16 && abs(d) <= STEP_MAX && plausible(c, d))
            add_step(steps, &n, d);
    }
    return n;
}

static unsigned span_of(const struct chain *c)
{
    unsigned low = 65535, high = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i]->port < low)
            low = c->items[i]->port;
        if (c->items[i]->port > high)
            high = c->items[i]->port;
    }
    return high - low;
}

/* Periods that a wrap between neighbours would show, if nobody else drew just then. */
static size_t find_periods(const struct chain *c, const struct count *k,
                           unsigned periods[PERIODS_MAX])
{
    unsigned span = span_of(c);
    size_t n = 0;
    bool back = false;
    for (size_t i = 1; i < c->n; i++) {
        struct ph_drift_link link = link_between(c, k, i - 1, i);
        if (link.distance > 0)
            continue;
        back = true;
        if (link.seconds > SHORT_S)
            continue;
        unsigned period = (unsigned)abs(k->step) * (1 + link.lost) + (unsigned)-link.distance;
        bool known = period <= span || period < PERIOD_MIN || period > 65536;
        for (size_t j = 0; j < n; j++)
            known |= periods[j] == period;
        if (!known && n < PERIODS_MAX - USUAL_PERIODS)
            periods[n++] = period;
    }
    for (size_t i = 0; back && i < USUAL_PERIODS; i++) {
        bool known = usual_periods[i] <= span;
        for (size_t j = 0; j < n; j++)
            known |= periods[j] == usual_periods[i];
        if (!known)
            periods[n++] = usual_periods[i];
    }
    return n;
}

/* All that is gathered while ways of counting are gone through. */
struct search {
    const struct ph_nat_draws *draws;
    double total; /* ln of the sum */
    double step_total[STEPS_MAX];
    size_t step_index;
    struct {
        double ln;
        struct count count;
        struct links links;
    } best;
};

static void consider(struct search *s, const struct count *k, double prior, double skipped,
                     const struct links *links)
{
    struct ph_drift_model m = model_of(k);
    if (skipped == -INFINITY || links->n == 0)
        return;
    double ln = prior + step_ln(k->step) + skipped + ph_drift_evidence(&m, links->items, links->n);
    s->total = ph_add_ln(s->total, ln);
    s->step_total[s->step_index] = ph_add_ln(s->step_total[s->step_index], ln);
    if (ln > s->best.ln) {
        s->best.ln = ln;
        s->best.count = *k;
        s->best.links = *links;
    }
}

/* One counter for all addresses. */
static void try_shared(struct search *s, const struct chain *c, int step)
{
    struct count k = {.step = step, .lost_uses = LOST_USES, .wrap_after = SIZE_MAX};
    struct links links = {.n = 0};
    unsigned periods[PERIODS_MAX];
    double skipped = best_chain(c, &k, &links);
    consider(s, &k, -PORTS_LN, skipped, &links);
    size_t n = find_periods(c, &k, periods);
    for (size_t i = 0; i < n; i++) {
        k.period = periods[i];
        links.n = 0;
        skipped = best_chain(c, &k, &links);
        consider(s, &k, period_ln(k.period, span_of(c)), skipped, &links);
    }
    k.period = 0;
    for (size_t i = 1; i < c->n; i++) {
        struct ph_drift_link link = link_between(c, &k, i - 1, i);
        if (link.distance >= 0 || link.seconds <= SHORT_S)
            continue;
        k.wrap_after = i - 1;
        links.n = 0;
        skipped = best_chain(c, &k, &links);
        consider(s, &k, free_wrap_ln(&link, step), skipped, &links);
    }
}

/* Each address of a pool counts for itself. */
static void try_own(struct search *s, int step)
{
    size_t addresses = s->draws->addresses;
    struct count k = {
        .step = step, .lost_uses = LOST_USES / (double)addresses, .wrap_after = SIZE_MAX};
    struct links links = {.n = 0};
    double skipped = 0;
    for (size_t a = 0; a < addresses; a++) {
        struct chain c;
        take_chain(s->draws, (int)a, &c);
        if (c.n > 0)
            skipped += best_chain(&c, &k, &links) - PORTS_LN;
    }
    consider(s, &k, log(OWN_COUNTERS_SHARE), skipped, &links);
}

/* Where it wraps: the lowest and the highest port seen, and what the period leaves beside them. On
 * which side that is, is not seen; a power of two mostly starts at a multiple of itself. */
static void wrap_range(const struct search *s, const struct chain *c, struct ph_sequence *out)
{
    const struct count *k = &s->best.count;
    unsigned low = 65535, high = 0;
    if (k->period == 0 && k->wrap_after == SIZE_MAX)
        return;
    for (size_t i = 0; i < c->n; i++) {
        unsigned port = c->items[i]->port;
        low = port < low ? port : low;
        high = port > high ? port : high;
    }
    if (k->period > high - low) {
        bool aligned = (k->period & (k->period - 1)) == 0 && low / k->period == high / k->period;
        unsigned most = 65536 - k->period;
        low = aligned ? low / k->period * k->period : low;
        low = low < most ? low : most;
        high = low + k->period - 1;
    }
    out->low = (uint16_t)(low > 0 ? low : 1);
    out->high = (uint16_t)high;
}

static void search_all(struct search *s, const struct chain *all, const int *steps, size_t n)
{
    for (s->step_index = 0; s->step_index < n; s->step_index++) {
        s->step_total[s->step_index] = -INFINITY;
        try_shared(s, all, steps[s->step_index]);
        if (s->draws->addresses > 1)
            try_own(s, steps[s->step_index]);
    }
}

/* Steps that a chain of one address shows, and the whole does not. */
static size_t find_own_steps(const struct ph_nat_draws *d, int steps[STEPS_MAX], size_t n)
{
    for (size_t a = 0; d->addresses > 1 && a < d->addresses; a++) {
        struct chain c;
        int own[STEPS_MAX];
        take_chain(d, (int)a, &c);
        size_t count = c.n > 2 ? find_steps(&c, own) : 0;
        for (size_t i = 0; i < count; i++)
            add_step(steps, &n, own[i]);
    }
    return n;
}

void ph_sequence_fit(const struct ph_nat_draws *d, struct ph_sequence *out)
{
    struct search s = {.draws = d, .total = -INFINITY, .best.ln = -INFINITY};
    struct chain all;
    int steps[STEPS_MAX];
    *out = (struct ph_sequence){.evidence = -INFINITY};
    take_chain(d, -1, &all);
    if (all.n < 2)
        return;
    size_t n = find_own_steps(d, steps, find_steps(&all, steps));
    search_all(&s, &all, steps, n);
    if (s.best.ln == -INFINITY)
        return;
    out->evidence = s.total;
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (s.step_total[i] > s.step_total[best])
            best = i;
    }
    out->step = steps[best];
    out->step_share = exp(s.step_total[best] - s.total);
    struct ph_drift_model m = model_of(&s.best.count);
    out->rated = ph_drift_rate(&m, s.best.links.items, s.best.links.n, &out->rate);
    wrap_range(&s, &all, out);
}
