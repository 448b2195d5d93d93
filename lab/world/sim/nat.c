#include "lab/world/sim/nat.h"

#include "base/err.h"
#include "lab/nat/ports.h"
#include "lab/world/sim/nat_private.h"

#include <stdlib.h>

static void plan(struct sim_nat *n)
{
    const struct nat_profile *p = &n->profile;
    bool maps = p->mapping != NAT_MAPPING_NONE;
    n->keeps = nat_memory_of(p);
    n->stateful = maps || p->filtering != NAT_FILTERING_EIF;
    n->trap = maps && p->gateway == NAT_GATEWAY_ACCEPT && !nat_profile_pinned(p);
    n->ports = n->keeps.drawn ? nat_drawn_count(p) : 0;
}

static void begin(struct sim_nat *n, uint64_t seed)
{
    ph_rng_seed(&n->rng, seed);
    n->tokens = PH_NEVER; /* a full bucket */
    n->drawn_next = 0;
}

void sim_nat_readdress(struct sim_nat *n, const struct nat_site *site)
{
    n->wan_count = n->subscriber_count = 0;
    for (size_t i = 0; i < site->wan_count && i < NAT_POOL_MAX; i++)
        n->wan[n->wan_count++] = ph_addr_v4_get(&site->wan[i]);
    for (size_t i = 0; i < site->subscriber_count; i++)
        n->subscribers[n->subscriber_count++] = ph_addr_v4_get(&site->subscribers[i]);
}

void sim_nat_block(struct sim_nat *n, bool on)
{
    n->blocked += on ? 1u : 0u;
    n->blocked -= !on && n->blocked > 0 ? 1u : 0u;
}

bool sim_nat_blocks(const struct sim_nat *n)
{
    return n->profile.udp_blocked || n->blocked > 0;
}

void sim_nat_unblock(struct sim_nat *n)
{
    n->blocked = 0;
}

int sim_nat_new(const struct nat_profile *profile, const struct nat_site *site, uint64_t seed,
                struct sim_nat **out)
{
    struct sim_nat *n = calloc(1, sizeof(*n));
    if (n == NULL)
        return PH_ERR_NOMEM;
    n->profile = *profile;
    sim_nat_readdress(n, site);
    n->site_seed = site->seed;
    plan(n);
    sim_conntrack_init(&n->flows, profile->timeout.udp_s, profile->timeout.udp_stream_s);
    begin(n, seed);
    *out = n;
    return PH_OK;
}

static void with_all_learned(struct sim_nat *n, void (*what)(struct learned *l))
{
    struct learned *all[] = {&n->m, &n->used, &n->owner, &n->fc, &n->seen, &n->busy};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        what(all[i]);
}

void sim_nat_flush(struct sim_nat *n)
{
    with_all_learned(n, learned_flush);
    sim_conntrack_flush(&n->flows);
}

static void close_all(struct sim_nat *n)
{
    while (n->opened != NULL) {
        struct sim_opened *o = n->opened;
        n->opened = o->next;
        free(o);
    }
}

void sim_nat_free(struct sim_nat *n)
{
    if (n == NULL)
        return;
    with_all_learned(n, learned_fini);
    sim_conntrack_fini(&n->flows);
    close_all(n);
    free(n);
}

void sim_nat_reset(struct sim_nat *n, uint64_t seed)
{
    sim_nat_flush(n);
    close_all(n);
    begin(n, seed);
}

size_t sim_nat_flows(struct sim_nat *n, ph_ns now)
{
    return sim_conntrack_sweep(&n->flows, now);
}

void sim_nat_forward(struct sim_nat *n, uint16_t external, const struct ph_addr *inside, bool on,
                     bool back)
{
    struct sim_opened **p = &n->opened;
    sim_end end = sim_end_of(inside);
    while (*p != NULL && ((*p)->external != external || (*p)->inside != end))
        p = &(*p)->next;
    if (!on && *p != NULL) {
        struct sim_opened *gone = *p;
        *p = gone->next;
        free(gone);
    } else if (on && *p == NULL) {
        struct sim_opened *o = calloc(1, sizeof(*o));
        if (o == NULL)
            return; /* the mapping does not work, as if its packets were lost */
        *o = (struct sim_opened){.external = external, .inside = end, .back = back};
        *p = o;
    }
}

/* ---- The chain `learn`: what a packet on its way out of the WAN teaches. */

/* False: netfilter drew another's port; this packet is lost, its retransmission draws again. */
static bool learn_owner(struct sim_nat *n, ph_ns now, enum sim_dir dir, bool fresh, sim_end inside,
                        uint64_t port, uint64_t remote, ph_ns until)
{
    uint64_t owned = port | remote << 16;
    if (dir == SIM_ORIGINAL && fresh && learned_find(&n->used, now, port, remote, NULL) &&
        !learned_find(&n->owner, now, inside, owned, NULL))
        return false;
    learned_update(&n->used, now, port, remote, 0, until);
    if (dir == SIM_ORIGINAL || n->keeps.forwards)
        learned_update(&n->owner, now, inside, owned, 0, until);
    return true;
}

static bool learn(struct sim_nat *n, ph_ns now, const struct sim_flow *f, enum sim_dir dir)
{
    struct sim_tuple out = sim_flow_translate(f, dir);
    bool original = dir == SIM_ORIGINAL;
    sim_end inside = f->tuple[dir].src;
    ph_ns until = now + (f->assured ? n->flows.stream : n->flows.udp);
    uint64_t remote = n->profile.mapping == NAT_MAPPING_ADM ? sim_end_ip(out.dst) : 0;
    uint64_t port = sim_end_port(out.src);
    if (n->keeps.owned && !learn_owner(n, now, dir, !f->replied, inside, port, remote, until))
        return false;
    if (n->keeps.contended && original && f->mark == 1)
        learned_update(&n->m, now, inside, 0, port, until);
    if (n->keeps.learned && (original || (!n->keeps.drawn && n->keeps.forwards)))
        learned_update(&n->m, now, inside, remote, n->keeps.drawn ? f->mark : port, until);
    if (n->keeps.drawn && original)
        learned_update(&n->busy, now, f->mark, 0, 0, until);
    if (n->keeps.forwards)
        learned_update(&n->fc, now, out.src, 0, inside, until);
    if (n->profile.filtering == NAT_FILTERING_ADF)
        learned_update(&n->seen, now, out.src, sim_end_ip(out.dst), 0, until);
    return true;
}

/* ---- Ways through */

/* A token bucket that holds a second's worth, as nft's `limit` is. */
static bool take_token(struct sim_nat *n, ph_ns now)
{
    if (n->profile.limits.new_per_second == 0)
        return true;
    ph_ns cost = PH_SEC / n->profile.limits.new_per_second;
    ph_ns full = cost * n->profile.limits.new_per_second;
    ph_ns tokens = n->tokens == PH_NEVER ? full : ph_min_ns(full, n->tokens + now - n->tokens_at);
    n->tokens_at = now;
    n->tokens = tokens >= cost ? tokens - cost : tokens;
    return tokens >= cost;
}

/* What the chain `forwarding` says of a packet from inside that opens a flow, or has had no answer
 * yet: each of them takes a token. */
static bool may_open(struct sim_nat *n, ph_ns now, bool another)
{
    uint32_t max = n->profile.limits.mappings;
    if (another && max > 0 && n->flows.counted >= max) {
        (void)sim_conntrack_sweep(&n->flows, now);
        if (n->flows.counted >= max)
            return false;
    }
    return take_token(n, now);
}

/* A packet from inside of a flow that is there: whether it may go on. */
static bool goes_on(struct sim_nat *n, ph_ns now, struct sim_flow *f, enum sim_dir dir, bool goes)
{
    sim_conntrack_touch(&n->flows, now, f, dir);
    return goes && !f->local && (f->replied || may_open(n, now, false));
}

static bool take(const struct ph_addr *src, const struct ph_addr *dst, struct sim_tuple *t)
{
    *t = (struct sim_tuple){.src = sim_end_of(src), .dst = sim_end_of(dst)};
    return src->family == PH_AF_V4 && dst->family == PH_AF_V4;
}

static void give(const struct sim_tuple *t, struct ph_addr *src, struct ph_addr *dst)
{
    *src = sim_end_addr(t->src);
    *dst = sim_end_addr(t->dst);
}

bool sim_nat_outbound(struct sim_nat *n, ph_ns now, struct ph_addr *src, struct ph_addr *dst,
                      bool dies)
{
    struct sim_flow fresh = {.counted = true};
    struct sim_tuple t;
    enum sim_dir dir = SIM_ORIGINAL;
    bool goes = !dies && !sim_nat_blocks(n);
    if (!n->stateful)
        return goes;
    if (!take(src, dst, &t))
        return false;
    struct sim_flow *f = sim_conntrack_find(&n->flows, now, &t, &dir);
    if (f != NULL) {
        if (!goes_on(n, now, f, dir, goes))
            return false;
    } else {
        if (!goes || !may_open(n, now, true))
            return false;
        fresh.tuple[SIM_ORIGINAL] = t;
        fresh.tuple[SIM_REPLY] = sim_tuple_invert(&t);
        if (n->profile.mapping != NAT_MAPPING_NONE)
            fresh.tuple[SIM_REPLY].dst = sim_nat_allocate(n, now, &t, &fresh.mark);
        if (fresh.tuple[SIM_REPLY].dst == 0)
            return false;
        f = &fresh;
    }
    if (!learn(n, now, f, dir))
        return false;
    if (f == &fresh && sim_conntrack_confirm(&n->flows, now, f) == NULL)
        return false;
    t = sim_flow_translate(f, dir);
    give(&t, src, dst);
    return true;
}

static bool is_wan(const struct sim_nat *n, sim_end e)
{
    for (size_t i = 0; i < n->wan_count; i++)
        if (n->wan[i] == sim_end_ip(e))
            return true;
    return false;
}

/* Address-dependent filtering: whether what was sent from there has gone to this one's address. */
static bool was_seen(struct sim_nat *n, ph_ns now, const struct sim_tuple *t)
{
    return n->profile.filtering == NAT_FILTERING_ADF &&
           learned_find(&n->seen, now, t->dst, sim_end_ip(t->src), NULL);
}

/* Where a new flow from outside is led to; 0: nowhere. */
static sim_end led_to(struct sim_nat *n, ph_ns now, const struct sim_tuple *t)
{
    uint64_t inside;
    sim_end all = 0;
    if (sim_end_ip(t->dst) == n->wan[0])
        for (const struct sim_opened *o = n->opened; o != NULL; o = o->next) {
            if (o->external == sim_end_port(t->dst))
                return o->inside;
            if (o->external == 0)
                all = sim_end_at(sim_end_ip(o->inside), sim_end_port(t->dst));
        }
    if (all != 0)
        return all;
    if (n->profile.filtering == NAT_FILTERING_APDF ||
        (n->profile.filtering == NAT_FILTERING_ADF && !was_seen(n, now, t)))
        return 0;
    return learned_find(&n->fc, now, t->dst, 0, &inside) ? inside : 0;
}

/* The first packet of a flow from outside. */
static bool admit(struct sim_nat *n, ph_ns now, struct sim_tuple *t, bool goes)
{
    struct sim_flow f = {.tuple[SIM_ORIGINAL] = *t, .tuple[SIM_REPLY] = sim_tuple_invert(t)};
    bool maps = n->profile.mapping != NAT_MAPPING_NONE;
    sim_end inside = maps ? led_to(n, now, t) : t->dst;
    if (!maps && !was_seen(n, now, t))
        return false;
    if (inside == 0) {
        /* To the router itself, if that is its address: nobody listens, but where it is not refused
         * it is a flow, and a later one from inside cannot have its tuple. */
        f.local = true;
        if (n->trap && is_wan(n, t->dst))
            (void)sim_conntrack_confirm(&n->flows, now, &f);
        return false;
    }
    struct sim_tuple on = {.src = t->src, .dst = inside};
    f.tuple[SIM_REPLY].src = inside;
    if (maps && goes)
        f.tuple[SIM_REPLY].dst = sim_nat_allocate_inside(n, now, &on);
    if (!goes || sim_conntrack_confirm(&n->flows, now, &f) == NULL)
        return false;
    *t = sim_flow_translate(&f, SIM_ORIGINAL);
    return true;
}

bool sim_nat_inbound(struct sim_nat *n, ph_ns now, struct ph_addr *src, struct ph_addr *dst,
                     bool dies)
{
    struct sim_tuple t;
    enum sim_dir dir;
    bool goes = !dies && !sim_nat_blocks(n);
    if (!n->stateful)
        return goes;
    if (!take(src, dst, &t))
        return false;
    struct sim_flow *f = sim_conntrack_find(&n->flows, now, &t, &dir);
    if (f == NULL) {
        if (!admit(n, now, &t, goes))
            return false;
    } else {
        sim_conntrack_touch(&n->flows, now, f, dir);
        /* A firewall asks again until there was an answer. */
        if (!goes || f->local ||
            (n->profile.mapping == NAT_MAPPING_NONE && dir == SIM_ORIGINAL && !f->replied &&
             !was_seen(n, now, &t)))
            return false;
        t = sim_flow_translate(f, dir);
    }
    give(&t, src, dst);
    return true;
}

bool sim_nat_hairpin(struct sim_nat *n, ph_ns now, struct ph_addr *src, struct ph_addr *dst,
                     bool dies)
{
    struct sim_flow fresh = {.counted = true};
    struct sim_tuple t;
    enum sim_dir dir = SIM_ORIGINAL;
    bool goes = !dies && !sim_nat_blocks(n);
    uint64_t inside;
    if (!n->profile.hairpin || !take(src, dst, &t))
        return false;
    struct sim_flow *f = sim_conntrack_find(&n->flows, now, &t, &dir);
    if (f != NULL) {
        if (!goes_on(n, now, f, dir, goes))
            return false;
    } else {
        if (!learned_find(&n->fc, now, t.dst, 0, &inside) || !goes || !may_open(n, now, true))
            return false;
        fresh.tuple[SIM_ORIGINAL] = t;
        fresh.tuple[SIM_REPLY] =
            (struct sim_tuple){.src = inside, .dst = sim_nat_allocate_hairpin(n, now, &t, inside)};
        f = &fresh;
        if (sim_conntrack_confirm(&n->flows, now, f) == NULL)
            return false;
    }
    t = sim_flow_translate(f, dir);
    give(&t, src, dst);
    return true;
}
