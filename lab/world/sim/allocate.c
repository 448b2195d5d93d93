/* Which outside endpoint a new flow gets: the chain `translate` of lab/nat/rules_mapping.c, and
 * behind each of its verdicts get_unique_tuple() of net/netfilter/nf_nat_core.c (Linux 6.18). */
#include "lab/nat/ports.h"
#include "lab/world/sim/hash.h"
#include "lab/world/sim/nat_private.h"

/* NF_NAT_MAX_ATTEMPTS, and where it gives up. */
#define ATTEMPTS_MAX 128u
#define ATTEMPTS_MIN 16u

/* What a rule allows. */
struct range {
    uint32_t ip;
    bool ports; /* lo to hi; otherwise netfilter's own choice by the source port */
    uint16_t lo, hi;
    bool random;    /* `random` or `fully-random`: the port is not kept */
    bool exclusive; /* a port that any flow has is not free */
};

/* nf_nat_used_tuple(): whether a flow has the answers' tuple already. Where ports are not
 * overloaded, whether any flow answers there. */
static bool used(struct sim_nat *n, ph_ns now, const struct sim_tuple *t, const struct range *r,
                 sim_end outside)
{
    struct sim_tuple reply = {.src = t->dst, .dst = outside};
    if (r->exclusive)
        return sim_conntrack_holds(&n->flows, now, outside);
    return sim_conntrack_find(&n->flows, now, &reply, NULL) != NULL;
}

/* find_appropriate_src(): where the newest flow of the same endpoint goes out. */
static bool same_source(struct sim_nat *n, ph_ns now, const struct sim_tuple *t,
                        const struct range *r, sim_end *out)
{
    const struct sim_flow *f = NULL;
    while ((f = sim_conntrack_of_source(&n->flows, now, t->src, f)) != NULL) {
        sim_end outside = f->tuple[SIM_REPLY].dst;
        uint16_t port = sim_end_port(outside);
        if (sim_end_ip(outside) != r->ip || (r->ports && (port < r->lo || port > r->hi)))
            continue;
        *out = outside;
        return true;
    }
    return false;
}

/* nf_nat_l4proto_unique_tuple(): a 16-bit number modulo the range, and on from there. A range that
 * does not divide 65,536 has its first ports twice as likely. */
static sim_end search(struct sim_nat *n, ph_ns now, const struct sim_tuple *t,
                      const struct range *r)
{
    uint16_t source = sim_end_port(t->src);
    unsigned lo = r->lo, hi = r->hi;
    sim_end candidate = 0;
    if (!r->ports) {
        lo = source < 512 ? 1 : source < 1024 ? 600 : 1024;
        hi = source < 512 ? 511 : source < 1024 ? 1023 : 65535;
    }
    unsigned size = hi - lo + 1;
    unsigned attempts = size < ATTEMPTS_MAX ? size : ATTEMPTS_MAX;
    for (;;) {
        uint16_t offset = (uint16_t)ph_rng_u64(&n->rng);
        for (unsigned i = 0; i < attempts; i++, offset++) {
            candidate = sim_end_at(r->ip, lo + offset % size);
            if (!used(n, now, t, r, candidate))
                return candidate;
        }
        if (attempts >= size || attempts < ATTEMPTS_MIN)
            return r->exclusive ? 0 : candidate;
        attempts /= 2;
    }
}

static sim_end unique(struct sim_nat *n, ph_ns now, const struct sim_tuple *t,
                      const struct range *r)
{
    uint16_t port = sim_end_port(t->src);
    sim_end candidate;
    if (r->random)
        return search(n, now, t, r);
    if (same_source(n, now, t, r, &candidate) && !used(n, now, t, r, candidate))
        return candidate;
    candidate = sim_end_at(r->ip, port);
    if ((!r->ports || (port >= r->lo && port <= r->hi)) && !used(n, now, t, r, candidate))
        return candidate;
    return search(n, now, t, r);
}

/* The part of the destination that a mapping depends on. */
static uint64_t remote_key(const struct sim_nat *n, sim_end dst)
{
    switch (n->profile.mapping) {
    case NAT_MAPPING_ADM:
        return sim_end_ip(dst);
    case NAT_MAPPING_APDM:
        return dst;
    default:
        return 0;
    }
}

static uint64_t site_hash(const struct sim_nat *n, unsigned which, uint64_t a, uint64_t b)
{
    return sim_hash(sim_hash(a, b), n->site_seed + which);
}

static size_t subscriber_of(const struct sim_nat *n, uint32_t ip)
{
    size_t i = 0;
    while (i < n->subscriber_count && n->subscribers[i] != ip)
        i++;
    return i;
}

/* The address of the pool. */
static uint32_t outside_ip(const struct sim_nat *n, const struct sim_tuple *t)
{
    uint32_t ip = sim_end_ip(t->src);
    size_t pool = n->profile.pool.addresses;
    if (pool == 1)
        return n->wan[0];
    if (n->profile.allocation.type == NAT_ALLOC_BLOCK) {
        size_t i = subscriber_of(n, ip);
        return n->wan[i < n->subscriber_count ? i % pool : 0];
    }
    if (n->profile.pool.arbitrary)
        return n->wan[site_hash(n, 100, t->src, remote_key(n, t->dst)) % pool];
    return n->wan[site_hash(n, 100, ip, 0) % pool];
}

static struct range profile_range(const struct sim_nat *n, const struct sim_tuple *t, bool random)
{
    return (struct range){.ip = outside_ip(n, t),
                          .ports = !nat_whole_range(&n->profile),
                          .lo = n->profile.allocation.range_lo,
                          .hi = n->profile.allocation.range_hi,
                          .random = random,
                          .exclusive = n->profile.allocation.exclusive};
}

/* The port that @m has for a mapping; of a drawn one its index. */
static unsigned learnt_port(const struct sim_nat *n, uint64_t value)
{
    return n->keeps.drawn ? nat_drawn_port(&n->profile, (unsigned)value) : (unsigned)value;
}

static sim_end preserve(struct sim_nat *n, ph_ns now, const struct sim_tuple *t, uint32_t *mark)
{
    struct range keep = profile_range(n, t, false);
    struct range draw = profile_range(n, t, true);
    uint64_t port;
    if (n->keeps.contended) {
        *mark = 1;
        if (learned_find(&n->m, now, t->src, 0, &port))
            return sim_end_at(keep.ip, (unsigned)port);
        if (learned_find(&n->used, now, sim_end_port(t->src), 0, NULL) &&
            !learned_find(&n->owner, now, t->src, sim_end_port(t->src), NULL))
            return unique(n, now, t, &draw);
        *mark = 0;
    }
    return unique(n, now, t, &keep);
}

static sim_end from_block(struct sim_nat *n, ph_ns now, const struct sim_tuple *t)
{
    size_t subscriber = subscriber_of(n, sim_end_ip(t->src));
    unsigned first = nat_block_first(&n->profile, n->site_seed, subscriber);
    struct range r = {.ip = outside_ip(n, t),
                      .ports = true,
                      .lo = (uint16_t)first,
                      .hi = (uint16_t)(first + n->profile.allocation.block - 1u),
                      .random = n->profile.mapping != NAT_MAPPING_EIM,
                      .exclusive = n->profile.allocation.exclusive};
    return unique(n, now, t, &r);
}

/* An index is drawn until its port is not busy, or patience ends: a busy one is then taken all the
 * same, and the packet is lost where the other flow goes to the same place. */
static uint32_t draw_index(struct sim_nat *n, ph_ns now, const struct sim_tuple *t)
{
    bool counts = n->profile.allocation.type == NAT_ALLOC_SEQUENTIAL;
    unsigned draws = counts ? NAT_SEQUENCE_SKIPS + 1 : NAT_HASH_DRAWS;
    uint32_t index = 0;
    for (unsigned i = 0; i < draws; i++) {
        if (counts) {
            index = n->drawn_next;
            n->drawn_next = (index + 1) % n->ports;
        } else {
            index = (uint32_t)(site_hash(n, i, t->src, remote_key(n, t->dst)) % n->ports);
        }
        if (!learned_find(&n->busy, now, index, 0, NULL))
            break;
    }
    return index;
}

sim_end sim_nat_allocate(struct sim_nat *n, ph_ns now, const struct sim_tuple *t, uint32_t *mark)
{
    const struct nat_profile *p = &n->profile;
    uint64_t value;
    *mark = 0;
    for (const struct sim_opened *o = n->opened; o != NULL; o = o->next)
        if (o->external != 0 && o->back && o->inside == t->src)
            return sim_end_at(n->wan[0], o->external);
    if (n->keeps.learned && learned_find(&n->m, now, t->src, remote_key(n, t->dst), &value)) {
        if (n->keeps.drawn)
            *mark = (uint32_t)value;
        return sim_end_at(outside_ip(n, t), learnt_port(n, value));
    }
    switch (p->allocation.type) {
    case NAT_ALLOC_PRESERVING:
        return preserve(n, now, t, mark);
    case NAT_ALLOC_RANDOM: {
        struct range r = profile_range(n, t, true);
        return unique(n, now, t, &r);
    }
    case NAT_ALLOC_BLOCK:
        return from_block(n, now, t);
    case NAT_ALLOC_SEQUENTIAL:
    case NAT_ALLOC_HASH:
        break;
    }
    *mark = draw_index(n, now, t);
    return sim_end_at(outside_ip(n, t), nat_drawn_port(p, *mark));
}

sim_end sim_nat_allocate_hairpin(struct sim_nat *n, ph_ns now, const struct sim_tuple *t,
                                 sim_end inside)
{
    /* The flow's answers will come from the inside endpoint that it has been led to. */
    struct sim_tuple led = {.src = t->src, .dst = inside};
    struct range r = {.ip = n->wan[0]};
    uint64_t value;
    if (n->profile.mapping == NAT_MAPPING_EIM && (n->keeps.learned || n->keeps.contended) &&
        learned_find(&n->m, now, t->src, 0, &value))
        return sim_end_at(n->wan[0], learnt_port(n, value));
    return unique(n, now, &led, &r);
}

sim_end sim_nat_allocate_inside(struct sim_nat *n, ph_ns now, const struct sim_tuple *t)
{
    struct range r = {.ip = sim_end_ip(t->src)};
    return used(n, now, t, &r, t->src) ? search(n, now, t, &r) : t->src;
}
