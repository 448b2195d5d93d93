#include "nat/port_range.h"

#include "nat/sums.h"

#include <math.h>

/* netfilter draws 16 bits modulo 64,512 (range 1024 to 65535): the first 1,024 come twice. */
#define FIRST 1024u
#define WHOLE 64512u

#define BLOCK_MIN_BITS 6u
#define ALIGNED_SHARE  0.6 /* of blocks; and of them: */
static const double aligned_shares[] = {0.15, 0.17, 0.17, 0.17, 0.16, 0.10, 0.06, 0.02};
#define BLOCK_BITS (sizeof(aligned_shares) / sizeof(aligned_shares[0]))
/* Ranges of any size, each power of two alike, in steps of an eighth of one. */
#define SIZE_MIN_ANY 32.0
#define SIZE_STEPS   88u
/* Of large ranges. */
#define BIASED_SHARE      0.45
#define UNIFORM_SHARE     0.35
#define LARGE_EACH        0.05 /* 16384 or 32768, aligned */
#define LARGE_OTHER_SHARE 0.1
#define WELL_KNOWN_SHARE  0.01 /* all, with those below 1024 */

struct seen {
    unsigned low, high;
    size_t n;
    size_t first; /* in the 1,024 that come twice */
};

static struct seen look(const struct ph_nat_draws *d)
{
    struct seen s = {.low = 65535};
    for (size_t i = 0; i < d->count; i++) {
        unsigned port = d->items[i].port;
        if (port == 0)
            continue;
        s.low = port < s.low ? port : s.low;
        s.high = port > s.high ? port : s.high;
        s.first += port >= FIRST && port < 2 * FIRST;
        s.n++;
    }
    return s;
}

/* A block of 2^bits whose number is as likely as any. */
static double aligned_ln(const struct seen *s, unsigned bits)
{
    if (s->low >> bits != s->high >> bits)
        return -INFINITY;
    return -log((double)(65536u >> bits)) - (double)s->n * (double)bits * log(2);
}

static double any_size(size_t i)
{
    return SIZE_MIN_ANY * exp2((double)i / 8);
}

/* Ranges of any size and place, from size `from` up to `to`. */
static double anywhere_ln(const struct seen *s, double from, double to)
{
    double span = s->high - s->low + 1;
    double total = -INFINITY;
    size_t sizes = 0;
    for (size_t i = 0; i < SIZE_STEPS; i++) {
        double size = any_size(i);
        if (size < from || size > to)
            continue;
        sizes++;
        if (size < span)
            continue;
        double places = 65535 - size + 1;
        double holding = size - span + 1;
        holding = holding < places ? holding : places;
        total = ph_add_ln(total, log(holding / places) - (double)s->n * log(size));
    }
    return total - log((double)sizes);
}

static struct ph_ports aligned_range(const struct seen *s, unsigned bits)
{
    unsigned low = s->low >> bits << bits;
    unsigned high = low + (1u << bits) - 1;
    return (struct ph_ports){(uint16_t)(low > 0 ? low : 1), (uint16_t)high, true};
}

/* Both ends lie as far outside of what was seen as draws lie apart: (max - min)(n + 1)/(n - 1). */
static struct ph_ports spread_range(const struct seen *s)
{
    double beside = s->n > 1 ? (double)(s->high - s->low) / (double)(s->n - 1) : 0;
    double low = floor(s->low - beside), high = ceil(s->high + beside);
    return (struct ph_ports){(uint16_t)(low < 1 ? 1 : low), (uint16_t)(high > 65535 ? 65535 : high),
                             false};
}

static void fit_block(const struct seen *s, struct ph_port_range *out)
{
    double best = -INFINITY, sum = -INFINITY;
    unsigned best_bits = 0;
    for (unsigned i = 0; i < BLOCK_BITS; i++) {
        double ln = aligned_ln(s, i + BLOCK_MIN_BITS) + log(ALIGNED_SHARE * aligned_shares[i]);
        sum = ph_add_ln(sum, ln);
        if (ln > best) {
            best = ln;
            best_bits = i + BLOCK_MIN_BITS;
        }
    }
    double anywhere = anywhere_ln(s, 0, PH_BLOCK_MAX) + log(1 - ALIGNED_SHARE);
    out->block = ph_add_ln(sum, anywhere);
    out->block_range = sum > anywhere ? aligned_range(s, best_bits) : spread_range(s);
}

static void fit_whole(const struct seen *s, struct ph_port_range *out)
{
    double uniform = -INFINITY, biased = -INFINITY;
    if (s->low >= FIRST) {
        uniform = log(UNIFORM_SHARE) - (double)s->n * log(WHOLE);
        biased = log(BIASED_SHARE) + (double)s->first * log(2) - (double)s->n * log(65536);
    } else {
        uniform = log(WELL_KNOWN_SHARE) - (double)s->n * log(65535);
    }
    double all = ph_add_ln(uniform, biased);
    double other = log(LARGE_OTHER_SHARE) + anywhere_ln(s, PH_BLOCK_MAX + 1, 65535);
    out->whole = ph_add_ln(all, other);
    double best = all;
    out->whole_range = (struct ph_ports){s->low >= FIRST ? FIRST : 1, 65535, false};
    for (unsigned i = 0; i < 2; i++) {
        unsigned bits = 14 + i;
        double large = log(LARGE_EACH) + aligned_ln(s, bits);
        out->whole = ph_add_ln(out->whole, large);
        if (large > best) {
            best = large;
            out->whole_range = aligned_range(s, bits);
        }
    }
    if (other > best)
        out->whole_range = spread_range(s);
}

void ph_port_range_fit(const struct ph_nat_draws *d, struct ph_port_range *out)
{
    struct seen s = look(d);
    *out = (struct ph_port_range){.whole = -INFINITY, .block = -INFINITY};
    if (s.n == 0)
        return;
    fit_block(&s, out);
    fit_whole(&s, out);
}
