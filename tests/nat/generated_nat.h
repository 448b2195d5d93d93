/* NATs by the thousand, out of a seed: what a survey of one socket behind them would see. Made
 * without a look at what classifies them: a counter, a range, other people's flows, lost packets.
 */
#ifndef TESTS_NAT_GENERATED_NAT_H
#define TESTS_NAT_GENERATED_NAT_H

#include "base/rng.h"
#include "nat/nat.h"

#include <math.h>
#include <string.h>

enum gen_allocation {
    GEN_PRESERVING,
    GEN_CLASHING, /* preserving; towards some destinations another host has the port */
    GEN_TAKEN,    /* preserving; another host has it, and this one got a random one */
    GEN_SEQUENTIAL,
    GEN_RANDOM,    /* uniform */
    GEN_NETFILTER, /* 16 bits modulo 64,512 */
    GEN_BLOCK,
    GEN_HASH,
};

struct gen_nat {
    enum ph_mapping_behaviour mapping;
    enum gen_allocation allocation;
    int step;            /* sequential */
    uint32_t low, ports; /* range that is drawn from, or counted through */
    bool reset;          /* a counter that runs out starts at its range's end again, instead of
                          * going on modulo the range */
    bool reuse;          /* one port may serve several destinations, as netfilter does */
    double flows;        /* other people's, a second */
    double spread;       /* the variance of their number by its mean; 1: Poisson */
    unsigned addresses;
    bool arbitrary;    /* pairing: each mapping gets any address; else all get one */
    bool own_counters; /* each address counts for itself */
};

struct gen_survey {
    unsigned ips, ports;            /* servers; each IP has so many ports */
    unsigned first, second;         /* requests in the bursts; the second one repeats no endpoint */
    double lost_before, lost_after; /* the NAT, in requests and answers */
    double pause;                   /* between requests, in seconds; 0: 10 to 150 us */
    uint16_t local_port;
};

#define GEN_ENDPOINTS_MAX 64u
#define GEN_USED_MAX      4096u

struct gen_state {
    struct ph_rng rng;
    const struct gen_nat *nat;
    double counter[4]; /* draws so far, of each address */
    double start[4];   /* of each address */
    double now;
    uint64_t hash_seed;
    uint16_t local_port;
    uint8_t used[65536 / 8];
};

static inline double gen_exponential(struct ph_rng *r, double mean)
{
    return -mean * log(1 - ph_rng_unit(r));
}

/* How many come at once: by the logarithmic distribution, which bunched by Poisson gives the
 * negative-binomial one. */
static inline unsigned gen_bunch(struct ph_rng *r, double spread)
{
    double q = 1 - 1 / spread;
    double p = -q / log(1 - q);
    double u = ph_rng_unit(r);
    unsigned k = 1;
    for (; u >= p && k < 1000; k++) {
        u -= p;
        p *= q * k / (k + 1);
    }
    return k;
}

/* Other people's flows in `seconds`. */
static inline unsigned gen_flows(struct gen_state *g, double seconds)
{
    double spread = g->nat->spread;
    double bunch = spread > 1 ? (spread - 1) / log(spread) : 1;
    double rate = g->nat->flows / bunch;
    unsigned flows = 0;
    if (rate <= 0)
        return 0;
    for (double t = gen_exponential(&g->rng, 1 / rate); t < seconds;
         t += gen_exponential(&g->rng, 1 / rate))
        flows += spread > 1 ? gen_bunch(&g->rng, spread) : 1;
    return flows;
}

static inline uint16_t gen_counted(struct gen_state *g, unsigned address)
{
    const struct gen_nat *n = g->nat;
    double count = g->counter[address]++, start = g->start[address];
    double at;
    if (n->reset) {
        /* As many as fit between the ends, and from the start again. */
        double size = n->step < 0 ? -n->step : n->step;
        double fit = floor((n->ports - 1) / size) + 1;
        double k = fmod(floor(start / size) + count, fit);
        at = n->step > 0 ? k * size : n->ports - 1 - k * size;
    } else {
        at = fmod(start + count * n->step, n->ports);
        if (at < 0)
            at += n->ports;
    }
    return (uint16_t)(n->low + at);
}

static inline uint16_t gen_draw_random(struct gen_state *g, const struct ph_addr *server)
{
    const struct gen_nat *n = g->nat;
    switch (n->allocation) {
    case GEN_CLASHING:
    case GEN_TAKEN:
    case GEN_NETFILTER:
        return (uint16_t)(1024 + (ph_rng_u64(&g->rng) & 0xffff) % 64512);
    case GEN_HASH: {
        uint64_t h = ph_hash64(g->hash_seed, server, sizeof(*server));
        return (uint16_t)(n->low + h % n->ports);
    }
    default:
        return (uint16_t)(n->low + ph_rng_below(&g->rng, n->ports));
    }
}

static inline bool gen_used(const struct gen_state *g, uint16_t port)
{
    return g->used[port / 8] >> port % 8 & 1;
}

static inline uint16_t gen_port(struct gen_state *g, const struct ph_addr *server, unsigned address)
{
    const struct gen_nat *n = g->nat;
    if (n->allocation == GEN_PRESERVING ||
        (n->allocation == GEN_CLASHING && ph_rng_unit(&g->rng) >= 0.15))
        return g->local_port;
    if (n->allocation == GEN_SEQUENTIAL)
        return gen_counted(g, n->own_counters ? address : 0);
    uint16_t port = gen_draw_random(g, server);
    for (unsigned i = 0; !n->reuse && gen_used(g, port) && i < 64; i++)
        port = (uint16_t)(n->low + (port - n->low + 1) % n->ports);
    g->used[port / 8] |= (uint8_t)(1u << port % 8);
    return port;
}

static inline void gen_advance(struct gen_state *g, double seconds)
{
    const struct gen_nat *n = g->nat;
    g->now += seconds;
    for (unsigned flows = gen_flows(g, seconds); flows > 0; flows--)
        g->counter[n->own_counters ? ph_rng_below(&g->rng, n->addresses) : 0]++;
}

/* An endpoint's mapping: made once for each key. */
struct gen_mappings {
    struct {
        struct ph_addr key, mapped;
    } items[GEN_ENDPOINTS_MAX];
    size_t n;
};

static inline struct ph_addr gen_map(struct gen_state *g, struct gen_mappings *m,
                                     const struct ph_addr *server)
{
    const struct gen_nat *n = g->nat;
    struct ph_addr key = *server;
    if (n->mapping == PH_MAPPING_EIM)
        key = (struct ph_addr){0};
    else if (n->mapping == PH_MAPPING_ADM)
        key.port = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (ph_addr_eq(&m->items[i].key, &key))
            return m->items[i].mapped;
    }
    unsigned address = n->arbitrary ? (unsigned)ph_rng_below(&g->rng, n->addresses) : 0;
    struct ph_addr mapped = ph_addr_v4(11, 0, 0, (uint8_t)(1 + address), 0);
    mapped.port = gen_port(g, &key, address);
    m->items[m->n].key = key;
    m->items[m->n++].mapped = mapped;
    return mapped;
}

/* Endpoints in the order in which a survey asks them: each IP once, then the other ports. */
static inline struct ph_addr gen_server(const struct gen_survey *s, unsigned i)
{
    return ph_addr_v4(11, 9, 0, (uint8_t)(1 + i % s->ips),
                      (uint16_t)(3478 + i / s->ips % s->ports));
}

/* Fills samples[first + second] and shuffles them as answers are. */
static inline size_t gen_samples(uint64_t seed, const struct gen_nat *nat,
                                 const struct gen_survey *s, struct ph_nat_sample *out)
{
    static struct gen_state g;
    struct gen_mappings m = {.n = 0};
    unsigned late[PH_NAT_SAMPLES_MAX];
    size_t lates = 0;
    size_t n = s->first + s->second;
    memset(&g, 0, sizeof(g));
    ph_rng_seed(&g.rng, seed);
    g.nat = nat;
    g.local_port = s->local_port;
    for (unsigned i = 0; i < 4; i++)
        g.start[i] = floor(ph_rng_unit(&g.rng) * nat->ports);
    g.hash_seed = ph_rng_u64(&g.rng);
    for (unsigned i = 0; i < n; i++) {
        /* 10 to 150 microseconds and a pause between requests, 100 to 250 ms between bursts. */
        if (i > 0)
            gen_advance(&g, i == s->first ? 0.1 + 0.15 * ph_rng_unit(&g.rng)
                                          : s->pause + 1e-5 + 1.4e-4 * ph_rng_unit(&g.rng));
        out[i] = (struct ph_nat_sample){
            .server = gen_server(s, i), .sent = (ph_ns)(1e9 + g.now * 1e9), .order = i};
        if (ph_rng_unit(&g.rng) < s->lost_before) {
            late[lates++] = i; /* a retransmission makes the mapping, after all others */
            continue;
        }
        struct ph_addr mapped = gen_map(&g, &m, &out[i].server);
        if (ph_rng_unit(&g.rng) >= s->lost_after)
            out[i].mapped = mapped;
    }
    gen_advance(&g, 0.3);
    for (size_t i = 0; i < lates; i++)
        out[late[i]].mapped = gen_map(&g, &m, &out[late[i]].server);
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)ph_rng_below(&g.rng, i);
        struct ph_nat_sample t = out[i - 1];
        out[i - 1] = out[j];
        out[j] = t;
    }
    return n;
}

/* A range of `ports` anywhere, or at a multiple of its size. */
static inline uint32_t gen_place(struct ph_rng *r, uint32_t ports, bool aligned)
{
    if (!aligned)
        return 1024 + (uint32_t)ph_rng_below(r, 64512 - ports + 1);
    uint32_t first = (1024 + ports - 1) / ports;
    return (first + (uint32_t)ph_rng_below(r, 65536 / ports - first)) * ports;
}

#endif
