#include "nat/predict.h"

#include "nat/congruence.h"

#include <math.h>

/* Flows come in bunches: the variance of their number is this many times the mean (nat/drift.c: the
 * usual one of its three). */
#define SPREAD 3.0
/* Where no rate was measured: a few a second, and it may be none or many. */
#define UNKNOWN_RATE 3.0
#define UNKNOWN_SD   3.0
/* Seconds that pass between any two packets, and a rate that no counter of ports survives. */
#define SLACK_S  0.0001
#define RATE_MAX 10000.0
/* Of a 95% interval: the standard deviations that it is wide. */
#define INTERVAL_SD 3.92
/* Of the interval [0, high] of a counter that nobody else was seen to use: mean and deviation of
 * the rate by its posterior, a gamma distribution with shape 1/2 (97.5% of it below 2.51, mean 0.5,
 * deviation 0.707). */
#define QUIET_MEAN 0.2
#define QUIET_SD   0.28
#define NEGLIGIBLE 1e-13
#define TAIL_SD    9.0
/* More moves than these go round all ports twice. */
#define FLOWS_MAX  131072u
#define PORTS_LOW  1024
#define PORTS_HIGH 65535

struct ph_drift ph_predict_drift(const struct ph_allocation *a, ph_ns time)
{
    double seconds = (double)time / 1e9 + SLACK_S;
    double rate = UNKNOWN_RATE, sd = UNKNOWN_SD;
    if (a->cross_rate >= 0) {
        double high = a->cross_high > a->cross_rate ? a->cross_high : a->cross_rate;
        double low = a->cross_low > 0 ? a->cross_low : 0;
        rate = a->cross_rate > 0 ? a->cross_rate : QUIET_MEAN * high;
        sd = a->cross_rate > 0 ? (high - low) / INTERVAL_SD : QUIET_SD * high;
    }
    rate = rate < RATE_MAX ? rate : RATE_MAX;
    sd = sd < RATE_MAX ? sd : RATE_MAX;
    double mean = rate * seconds;
    return (struct ph_drift){mean, SPREAD * mean + sd * sd * seconds * seconds};
}

/* The chances of `count` flows, walked upwards: negative-binomial, Poisson where the variance is
 * not above the mean. */
struct flows {
    double chance;
    uint32_t count;
    double mean, size, q; /* q 0: Poisson */
};

static struct flows flows_at(const struct ph_drift *d, uint32_t count)
{
    struct flows f = {.count = count, .mean = d->mean};
    double ln;
    if (d->mean <= 0) {
        f.chance = count == 0;
        return f;
    }
    if (d->variance > d->mean * (1 + 1e-9)) {
        f.size = d->mean * d->mean / (d->variance - d->mean);
        f.q = 1 - d->mean / d->variance;
        ln = lgamma(count + f.size) - lgamma(f.size) - lgamma(count + 1.0) + f.size * log1p(-f.q) +
             count * log(f.q);
    } else {
        ln = count * log(d->mean) - d->mean - lgamma(count + 1.0);
    }
    f.chance = exp(ln);
    return f;
}

static void flows_next(struct flows *f)
{
    double grows = f->q > 0 ? (f->size + f->count) * f->q : f->mean;
    f->chance *= grows / ++f->count;
}

/* Nothing that counts comes after it. */
static bool flows_over(const struct flows *f)
{
    return f->count > FLOWS_MAX || (f->chance < NEGLIGIBLE && f->count > f->mean);
}

/* Where to begin: so few are as good as impossible, and the chance of none may be no number. */
static uint32_t flows_least(const struct ph_drift *d)
{
    double least = d->mean - TAIL_SD * sqrt(d->variance);
    return least < 0 ? 0 : least < FLOWS_MAX ? (uint32_t)least : FLOWS_MAX;
}

double ph_predict_between(const struct ph_drift *d, uint32_t from, uint32_t to)
{
    double total = 0;
    uint32_t least = flows_least(d);
    from = from > least ? from : least;
    if (from > to)
        return 0;
    struct flows f = flows_at(d, from);
    for (; f.count <= to && !flows_over(&f); flows_next(&f))
        total += f.chance;
    return total < 1 ? total : 1;
}

uint32_t ph_predict_quantile(const struct ph_drift *d, double chance)
{
    struct flows f = flows_at(d, flows_least(d));
    double total = f.chance;
    while (total < chance && !flows_over(&f)) {
        flows_next(&f);
        total += f.chance;
    }
    return f.count;
}

/* Where the counter runs, as far as that is known: [low, low + ports). */
struct ring {
    int64_t low, ports;
};

static struct ring ring_of(const struct ph_allocation *a, uint16_t port)
{
    int64_t low = a->high > a->low ? a->low : PORTS_LOW;
    int64_t high = a->high > a->low ? a->high : PORTS_HIGH;
    /* The range is an estimate, and the port was seen. */
    low = port < low ? port : low;
    high = port > high ? port : high;
    return (struct ring){low, high - low + 1};
}

uint16_t ph_predict_port(const struct ph_allocation *a, uint16_t port, int32_t moves)
{
    struct ring r = ring_of(a, port);
    int64_t at = (port - r.low + (int64_t)moves * a->step) % r.ports;
    return (uint16_t)(r.low + (at < 0 ? at + r.ports : at));
}

int32_t ph_predict_moves(const struct ph_allocation *a, uint16_t from, uint16_t to)
{
    struct ring r = ring_of(a, from);
    int64_t moves, step = a->step % r.ports, ahead = (to - from) % r.ports;
    if (to < r.low || to >= r.low + r.ports)
        return -1;
    step = step < 0 ? step + r.ports : step;
    ahead = ahead < 0 ? ahead + r.ports : ahead;
    return ph_congruence(step, ahead, r.ports, &moves) ? (int32_t)moves : -1;
}

/* In segments: from one end of the ring to the other, and again. */
bool ph_predict_order(const struct ph_allocation *a, uint16_t port, uint32_t first, uint32_t count,
                      uint32_t stride, struct ph_port_order *out)
{
    struct ring r = ring_of(a, port);
    uint64_t apart = (uint64_t)stride * (uint64_t)(a->step < 0 ? -(int64_t)a->step : a->step);
    bool down = a->step < 0;
    if (apart == 0 || apart >= (uint64_t)r.ports || first > INT32_MAX)
        return false;
    while (count > 0) {
        int64_t at = ph_predict_port(a, port, (int32_t)first);
        uint64_t room = (uint64_t)(down ? at - r.low : r.low + r.ports - 1 - at) / apart + 1;
        uint32_t n = room < count ? (uint32_t)room : count;
        int64_t end = at + (down ? -1 : 1) * (int64_t)((n - 1) * apart);
        struct ph_port_segment s = {.low = (uint16_t)(down ? end : at),
                                    .high = (uint16_t)(down ? at : end),
                                    .stride = (uint16_t)apart,
                                    .down = down};
        if (!ph_port_order_add(out, &s))
            return false;
        first += n * stride;
        count -= n;
    }
    return true;
}

double ph_predict_covers(const struct ph_drift *d, uint32_t sockets, uint32_t ahead)
{
    /* With k flows of others before them, the openers have the moves 1 + k to sockets + k. */
    if (ahead == 0 || sockets == 0)
        return 0;
    return ph_predict_between(d, ahead > sockets ? ahead - sockets : 0, ahead - 1);
}

double ph_predict_window(const struct ph_drift *d, uint32_t sockets, uint32_t first,
                         uint32_t probes, uint32_t stride)
{
    if (sockets == 0 || probes == 0 || first > FLOWS_MAX)
        return 0;
    stride = stride > 0 ? stride : 1;
    probes = probes < FLOWS_MAX / stride ? probes : FLOWS_MAX / stride + 1;
    uint32_t last = first + (probes - 1) * stride;
    /* Strides that no row of openers slips through: one window. */
    if (stride <= sockets)
        return last > 0 ? ph_predict_between(d, first > sockets ? first - sockets : 0, last - 1)
                        : 0;
    double total = 0;
    for (uint32_t at = first; at <= last; at += stride)
        total += ph_predict_covers(d, sockets, at);
    return total < 1 ? total : 1;
}
