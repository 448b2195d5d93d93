#include "lab/world/sim/nat.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS      1024u
#define MAPPINGS_MAX 16384u
#define REMOTES_MAX  64u

struct mapping {
    struct mapping *next_out; /* in the bucket of its key */
    struct mapping *next_in;  /* in the bucket of its outside port */
    struct ph_addr inside;
    struct ph_addr key; /* the part of the destination that the mapping depends on */
    struct ph_addr outside;
    ph_ns expires;
    bool replied;
    struct ph_addr remotes[REMOTES_MAX]; /* destinations spoken to, for the filter */
    size_t remote_count;
};

/* Opened by a port-mapping server. */
struct forwarded {
    struct forwarded *next;
    uint16_t external; /* 0: all */
    struct ph_addr inside;
    bool back;
    struct ph_addr came[REMOTES_MAX]; /* who has sent to it */
    size_t came_count;
};

struct sim_nat {
    struct nat_profile profile;
    struct forwarded *forwarded;
    struct ph_addr wan;
    struct ph_rng rng;
    uint64_t hash_seed;
    uint32_t next_sequential;
    struct mapping *out[BUCKETS];
    struct mapping *in[BUCKETS];
    size_t count;
};

int sim_nat_new(const struct nat_profile *profile, const struct ph_addr *wan, uint64_t seed,
                struct sim_nat **out)
{
    struct sim_nat *n = calloc(1, sizeof(*n));
    if (!n)
        return PH_ERR_NOMEM;
    n->profile = *profile;
    n->wan = *wan;
    n->hash_seed = seed;
    ph_rng_seed(&n->rng, seed);
    *out = n;
    return PH_OK;
}

void sim_nat_flush(struct sim_nat *n)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct mapping *m = n->out[i];
        while (m) {
            struct mapping *next = m->next_out;
            free(m);
            m = next;
        }
        n->out[i] = n->in[i] = NULL;
    }
    n->count = 0;
}

void sim_nat_free(struct sim_nat *n)
{
    if (!n)
        return;
    sim_nat_flush(n);
    while (n->forwarded) {
        struct forwarded *f = n->forwarded;
        n->forwarded = f->next;
        free(f);
    }
    free(n);
}

void sim_nat_forward(struct sim_nat *n, uint16_t external, const struct ph_addr *inside, bool on,
                     bool back)
{
    struct forwarded **p = &n->forwarded;
    while (*p && ((*p)->external != external || !ph_addr_eq(&(*p)->inside, inside)))
        p = &(*p)->next;
    if (!on && *p) {
        struct forwarded *gone = *p;
        *p = gone->next;
        free(gone);
    } else if (on && !*p) {
        struct forwarded *f = calloc(1, sizeof(*f));
        if (!f)
            return; /* the mapping does not work, as if its packets were lost */
        f->external = external;
        f->inside = *inside;
        f->back = back;
        *p = f;
    }
}

static bool has_come(const struct forwarded *f, const struct ph_addr *remote)
{
    for (size_t i = 0; i < f->came_count; i++) {
        if (ph_addr_eq(&f->came[i], remote))
            return true;
    }
    return false;
}

/* The opened port that a packet from inside leaves from; NULL: it is translated as any other. */
static const struct forwarded *forwarded_out(const struct sim_nat *n, const struct ph_addr *src,
                                             const struct ph_addr *dst)
{
    for (const struct forwarded *f = n->forwarded; f; f = f->next) {
        if (f->external != 0 && ph_addr_eq(&f->inside, src) && (f->back || has_come(f, dst)))
            return f;
    }
    return NULL;
}

static bool forwarded_in(struct sim_nat *n, const struct ph_addr *src, struct ph_addr *dst,
                         bool all)
{
    for (struct forwarded *f = n->forwarded; f; f = f->next) {
        if (f->external != (all ? 0 : dst->port) || !ph_addr_ip_eq(dst, &n->wan))
            continue;
        if (!has_come(f, src))
            f->came[f->came_count < REMOTES_MAX ? f->came_count++ : REMOTES_MAX - 1] = *src;
        uint16_t port = dst->port;
        *dst = f->inside;
        if (all)
            dst->port = port;
        return true;
    }
    return false;
}

size_t sim_nat_mappings(const struct sim_nat *n)
{
    return n->count;
}

static struct ph_addr mapping_key(const struct sim_nat *n, const struct ph_addr *dst)
{
    struct ph_addr key = *dst;
    switch (n->profile.mapping) {
    case NAT_MAPPING_EIM:
        return (struct ph_addr){0};
    case NAT_MAPPING_ADM:
        key.port = 0;
        return key;
    case NAT_MAPPING_NONE: /* a firewall: each flow is a state of its own */
    case NAT_MAPPING_APDM:
        break;
    }
    return key;
}

static struct mapping **out_bucket(struct sim_nat *n, const struct ph_addr *inside,
                                   const struct ph_addr *key)
{
    return &n->out[(ph_addr_hash(inside) * 31 + ph_addr_hash(key)) % BUCKETS];
}

static struct mapping **in_bucket(struct sim_nat *n, uint16_t port)
{
    return &n->in[port % BUCKETS];
}

static void remove_mapping(struct sim_nat *n, struct mapping *m)
{
    struct mapping **p = out_bucket(n, &m->inside, &m->key);
    while (*p != m)
        p = &(*p)->next_out;
    *p = m->next_out;
    p = in_bucket(n, m->outside.port);
    while (*p != m)
        p = &(*p)->next_in;
    *p = m->next_in;
    free(m);
    n->count--;
}

static struct mapping *find_out(struct sim_nat *n, ph_ns now, const struct ph_addr *inside,
                                const struct ph_addr *key)
{
    struct mapping *m = *out_bucket(n, inside, key);
    while (m) {
        struct mapping *next = m->next_out;
        if (now >= m->expires)
            remove_mapping(n, m);
        else if (ph_addr_eq(&m->inside, inside) && ph_addr_eq(&m->key, key))
            return m;
        m = next;
    }
    return NULL;
}

/* A port is busy for a destination when a mapping that could be mistaken for this one has it:
 * any at all where inbound packets are told apart by port alone. */
static bool busy(struct sim_nat *n, ph_ns now, uint16_t port, const struct ph_addr *key)
{
    for (struct mapping *m = *in_bucket(n, port), *next; m; m = next) {
        next = m->next_in;
        if (m->outside.port != port)
            continue;
        if (now >= m->expires)
            remove_mapping(n, m);
        else if (n->profile.mapping != NAT_MAPPING_APDM || ph_addr_eq(&m->key, key))
            return true;
    }
    return false;
}

static uint16_t draw(struct sim_nat *n, const struct ph_addr *inside, const struct ph_addr *key,
                     unsigned attempt)
{
    const uint32_t lo = n->profile.allocation.range_lo;
    const uint32_t span = (uint32_t)n->profile.allocation.range_hi - lo + 1;
    switch (n->profile.allocation.type) {
    case NAT_ALLOC_PRESERVING:
        if (attempt == 0)
            return inside->port;
        break;
    case NAT_ALLOC_SEQUENTIAL: {
        uint32_t start = n->profile.allocation.start ? n->profile.allocation.start - lo : 0;
        int64_t at = (int64_t)start + (int64_t)n->next_sequential * n->profile.allocation.step;
        n->next_sequential++;
        at %= (int64_t)span;
        return (uint16_t)(lo + (uint32_t)(at < 0 ? at + (int64_t)span : at));
    }
    case NAT_ALLOC_HASH: {
        struct ph_addr both[2] = {*inside, *key};
        return (uint16_t)(lo + (ph_hash64(n->hash_seed, both, sizeof(both)) + attempt) % span);
    }
    case NAT_ALLOC_BLOCK: {
        uint32_t block = n->profile.allocation.block;
        uint32_t first = lo + (uint32_t)(n->hash_seed % (span / block)) * block;
        return (uint16_t)(first + ph_rng_below(&n->rng, block));
    }
    case NAT_ALLOC_RANDOM:
        break;
    }
    return (uint16_t)(lo + ph_rng_below(&n->rng, span));
}

static struct mapping *add_mapping(struct sim_nat *n, ph_ns now, const struct ph_addr *inside,
                                   const struct ph_addr *key)
{
    if (n->count == MAPPINGS_MAX)
        return NULL;
    struct ph_addr outside = n->wan;
    if (n->profile.mapping == NAT_MAPPING_NONE) {
        outside = *inside;
    } else {
        unsigned attempt = 0;
        do
            outside.port = draw(n, inside, key, attempt);
        while (busy(n, now, outside.port, key) && ++attempt < 64);
        if (attempt == 64)
            return NULL;
    }
    struct mapping *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->inside = *inside;
    m->key = *key;
    m->outside = outside;
    struct mapping **bucket = out_bucket(n, inside, key);
    m->next_out = *bucket;
    *bucket = m;
    bucket = in_bucket(n, outside.port);
    m->next_in = *bucket;
    *bucket = m;
    n->count++;
    return m;
}

static void touch(struct sim_nat *n, struct mapping *m, ph_ns now)
{
    uint32_t s = m->replied ? n->profile.timeout.udp_stream_s : n->profile.timeout.udp_s;
    m->expires = now + (ph_ns)s * PH_SEC;
}

static bool no_state(const struct sim_nat *n)
{
    return n->profile.mapping == NAT_MAPPING_NONE && n->profile.filtering == NAT_FILTERING_EIF;
}

bool sim_nat_outbound(struct sim_nat *n, ph_ns now, struct ph_addr *src, const struct ph_addr *dst)
{
    if (n->profile.udp_blocked)
        return false;
    if (no_state(n))
        return true;
    const struct forwarded *f = forwarded_out(n, src, dst);
    if (f) {
        *src = n->wan;
        src->port = f->external;
        return true;
    }
    struct ph_addr key = mapping_key(n, dst);
    struct mapping *m = find_out(n, now, src, &key);
    if (!m)
        m = add_mapping(n, now, src, &key);
    if (!m)
        return false;
    touch(n, m, now);
    bool known = false;
    for (size_t i = 0; i < m->remote_count && !known; i++)
        known = ph_addr_eq(&m->remotes[i], dst);
    if (!known)
        m->remotes[m->remote_count < REMOTES_MAX ? m->remote_count++ : REMOTES_MAX - 1] = *dst;
    *src = m->outside;
    return true;
}

static bool lets_in(const struct sim_nat *n, const struct mapping *m, const struct ph_addr *src)
{
    if (n->profile.filtering == NAT_FILTERING_EIF)
        return true;
    for (size_t i = 0; i < m->remote_count; i++) {
        if (n->profile.filtering == NAT_FILTERING_ADF ? ph_addr_ip_eq(&m->remotes[i], src)
                                                      : ph_addr_eq(&m->remotes[i], src))
            return true;
    }
    return false;
}

bool sim_nat_inbound(struct sim_nat *n, ph_ns now, const struct ph_addr *src, struct ph_addr *dst)
{
    if (n->profile.udp_blocked)
        return false;
    if (no_state(n))
        return true;
    if (forwarded_in(n, src, dst, false))
        return true;
    for (struct mapping *m = *in_bucket(n, dst->port), *next; m; m = next) {
        next = m->next_in;
        if (now >= m->expires) {
            remove_mapping(n, m);
            continue;
        }
        if (!ph_addr_eq(&m->outside, dst) || !lets_in(n, m, src))
            continue;
        m->replied = true;
        touch(n, m, now);
        *dst = m->inside;
        return true;
    }
    return forwarded_in(n, src, dst, true);
}
