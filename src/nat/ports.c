#include "nat/ports.h"

#include "nat/congruence.h"

#define ROUNDS 4u

/* first, first + step ... last; empty when first > last. */
struct progression {
    int64_t first, last, step;
};

static int64_t size_of(const struct progression *p)
{
    return p->first > p->last ? 0 : (p->last - p->first) / p->step + 1;
}

static bool holds(const struct progression *p, int64_t port)
{
    return port >= p->first && port <= p->last && (port - p->first) % p->step == 0;
}

static struct progression progression_of(const struct ph_port_segment *s)
{
    struct progression p = {s->low, s->high, s->stride > 0 ? s->stride : 1};
    if (p.first == 0)
        p.first += p.step;
    return p;
}

static struct progression clip(struct progression p, int64_t low, int64_t high)
{
    if (p.first < low)
        p.first += (low - p.first + p.step - 1) / p.step * p.step;
    p.last = p.last < high ? p.last : high;
    return p;
}

static struct progression meet(const struct progression *a, const struct progression *b)
{
    static const struct progression none = {1, 0, 1};
    int64_t last = a->last < b->last ? a->last : b->last;
    if (a->step == 1 && b->step == 1)
        return (struct progression){a->first > b->first ? a->first : b->first, last, 1};
    int64_t ahead = ((b->first - a->first) % b->step + b->step) % b->step, turns;
    if (!ph_congruence(a->step, ahead, b->step, &turns))
        return none;
    /* The least common multiple: turns are unique modulo b's step by the greatest common divisor.
     */
    int64_t gcd = a->step, rest = b->step;
    while (rest != 0) {
        int64_t r = gcd % rest;
        gcd = rest;
        rest = r;
    }
    struct progression p = {a->first + a->step * turns, last, a->step / gcd * b->step};
    return clip(p, b->first, last);
}

static size_t list_count(const struct ph_port_order *o)
{
    return o->list_count < PH_PORT_LIST_MAX ? o->list_count : PH_PORT_LIST_MAX;
}

static size_t segment_count(const struct ph_port_order *o)
{
    return o->segment_count < PH_PORT_SEGMENTS_MAX ? o->segment_count : PH_PORT_SEGMENTS_MAX;
}

/* Is the port among the first n of the list? */
static bool listed(const struct ph_port_order *o, size_t n, uint16_t port)
{
    for (size_t i = 0; i < n; i++) {
        if (o->list[i] == port)
            return true;
    }
    return false;
}

/* Is it in one of the first n segments? */
static bool covered(const struct ph_port_order *o, size_t n, uint16_t port)
{
    for (size_t i = 0; i < n; i++) {
        struct progression p = progression_of(&o->segments[i]);
        if (holds(&p, port))
            return true;
    }
    return false;
}

/* How many of p are in none of the first n segments: all, less those in the first segment, less
 * those in the second and not in the first ... */
static int64_t outside(const struct ph_port_order *o, size_t n, const struct progression *p)
{
    int64_t count = size_of(p);
    for (size_t i = 0; i < n && count > 0; i++) {
        struct progression s = progression_of(&o->segments[i]), both = meet(p, &s);
        if (both.first <= both.last)
            count -= outside(o, i, &both);
    }
    return count;
}

/* How many of p, a part of segment i, nothing before that segment has had. */
static int64_t fresh(const struct ph_port_order *o, size_t i, const struct progression *p)
{
    int64_t count = outside(o, i, p);
    for (size_t k = 0; k < list_count(o); k++) {
        uint16_t port = o->list[k];
        count -= holds(p, port) && !listed(o, k, port) && !covered(o, i, port);
    }
    return count;
}

static bool list_has_fresh(const struct ph_port_order *o, size_t i)
{
    return o->list[i] != 0 && !listed(o, i, o->list[i]);
}

bool ph_port_order_add(struct ph_port_order *o, const struct ph_port_segment *s)
{
    struct progression p = progression_of(s);
    if (p.first > p.last || o->segment_count >= PH_PORT_SEGMENTS_MAX)
        return false;
    o->segments[o->segment_count++] =
        (struct ph_port_segment){.low = (uint16_t)p.first,
                                 .high = (uint16_t)(p.first + (size_of(&p) - 1) * p.step),
                                 .stride = (uint16_t)p.step,
                                 .shuffled = s->shuffled,
                                 .down = s->down};
    return true;
}

bool ph_port_order_add_port(struct ph_port_order *o, uint16_t port)
{
    if (port != 0 && listed(o, list_count(o), port))
        return true;
    if (port == 0 || o->list_count >= PH_PORT_LIST_MAX)
        return false;
    o->list[o->list_count++] = port;
    return true;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* A permutation of [0, n): a Feistel network over the next power of four, gone round until it comes
 * out below n (less than four times on average). */
static uint32_t permute(uint32_t i, uint32_t n, uint64_t key)
{
    unsigned half = 1;
    while ((1u << (2 * half)) < n)
        half++;
    uint32_t mask = (1u << half) - 1;
    do {
        uint32_t left = i >> half, right = i & mask;
        for (uint64_t round = 1; round <= ROUNDS; round++) {
            uint64_t f = mix(key + round * 0x9e3779b97f4a7c15u + right);
            uint32_t next = left ^ ((uint32_t)f & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

static uint16_t port_at(const struct ph_port_order *o, size_t segment, const struct progression *p,
                        uint32_t index)
{
    uint32_t n = (uint32_t)size_of(p);
    if (o->segments[segment].shuffled)
        index = permute(index, n, mix(o->seed + segment));
    else if (o->segments[segment].down)
        index = n - 1 - index;
    return (uint16_t)(p->first + index * p->step);
}

/* The next port, `skip` aside. */
static bool step(struct ph_port_walk *w, uint16_t *port)
{
    const struct ph_port_order *o = w->order;
    for (; w->segment == 0 && w->index < list_count(o);) {
        uint32_t i = w->index++;
        if (list_has_fresh(o, i)) {
            *port = o->list[i];
            return true;
        }
    }
    if (w->segment == 0) {
        w->segment = 1;
        w->index = 0;
    }
    for (; w->segment <= segment_count(o); w->segment++, w->index = 0) {
        size_t s = w->segment - 1;
        struct progression p = progression_of(&o->segments[s]);
        while (w->index < size_of(&p)) {
            uint16_t next = port_at(o, s, &p, w->index++);
            if (!listed(o, list_count(o), next) && !covered(o, s, next)) {
                *port = next;
                return true;
            }
        }
    }
    return false;
}

bool ph_port_walk_next(struct ph_port_walk *w, uint16_t *port)
{
    if (w->segment == 0 && w->index == 0) {
        for (uint32_t i = 0; i < w->order->skip; i++) {
            if (!step(w, port))
                return false;
        }
    }
    return step(w, port);
}

/* How many of a segment's first n fresh ports lie in [low, high], by walking it. */
static uint32_t count_by_walk(const struct ph_port_order *o, size_t segment, uint32_t n,
                              uint16_t low, uint16_t high)
{
    struct ph_port_walk w = {.order = o, .segment = segment + 1};
    uint32_t count = 0;
    uint16_t port;
    for (uint32_t i = 0; i < n && step(&w, &port); i++)
        count += port >= low && port <= high;
    return count;
}

/* Of the first n ports, `skip` aside. Only the last segment that is reached may have to be walked,
 * and that only when it lies partly in [low, high]. */
static uint32_t within(const struct ph_port_order *o, uint32_t n, uint16_t low, uint16_t high)
{
    uint32_t count = 0;
    for (size_t i = 0; i < list_count(o) && n > 0; i++) {
        if (!list_has_fresh(o, i))
            continue;
        count += o->list[i] >= low && o->list[i] <= high;
        n--;
    }
    for (size_t i = 0; i < segment_count(o) && n > 0; i++) {
        struct progression all = progression_of(&o->segments[i]), part = clip(all, low, high);
        uint32_t total = (uint32_t)fresh(o, i, &all);
        uint32_t inside = part.first <= part.last ? (uint32_t)fresh(o, i, &part) : 0;
        if (n >= total || inside == 0)
            count += inside;
        else
            count += inside == total ? n : count_by_walk(o, i, n, low, high);
        n -= n < total ? n : total;
    }
    return count;
}

uint32_t ph_port_order_within(const struct ph_port_order *o, uint32_t probes, uint16_t low,
                              uint16_t high)
{
    uint32_t to = probes < UINT32_MAX - o->skip ? o->skip + probes : UINT32_MAX;
    return within(o, to, low, high) - (o->skip > 0 ? within(o, o->skip, low, high) : 0);
}

uint32_t ph_port_order_count(const struct ph_port_order *o)
{
    return ph_port_order_within(o, UINT32_MAX, 1, UINT16_MAX);
}

static bool segment_eq(const struct ph_port_segment *a, const struct ph_port_segment *b)
{
    return a->low == b->low && a->high == b->high && a->stride == b->stride &&
           a->shuffled == b->shuffled && a->down == b->down;
}

bool ph_port_order_eq(const struct ph_port_order *a, const struct ph_port_order *b)
{
    if (a->list_count != b->list_count || a->segment_count != b->segment_count ||
        a->seed != b->seed || a->skip != b->skip)
        return false;
    for (size_t i = 0; i < a->list_count; i++) {
        if (a->list[i] != b->list[i])
            return false;
    }
    for (size_t i = 0; i < a->segment_count; i++) {
        if (!segment_eq(&a->segments[i], &b->segments[i]))
            return false;
    }
    return true;
}
