#include "lab/run/truth.h"

#include <string.h>

#define CHAIN_MAX 8
/* Ports drawn from fewer than these look like a block, from more than those like all; a range in
 * between may be called either. */
#define BLOCK_MAX  8192u
#define RANDOM_MIN 32768u

#define BIT(type) (1u << (type))

const char *right_name(enum right r)
{
    static const char *const names[] = {NULL, "right", "unknown", "wrong"};
    return names[r];
}

/* The NATs before a host, the nearest first. */
static size_t chain_of(const struct layout *l, size_t host, size_t out[CHAIN_MAX])
{
    size_t n = 0;
    for (size_t at = l->nodes[host].upstream; at != SIZE_MAX && n < CHAIN_MAX;
         at = l->nodes[at].upstream)
        if (l->nodes[at].kind == LAYOUT_NAT)
            out[n++] = at;
    return n;
}

static bool stands_behind(const struct layout *l, size_t node, size_t nat)
{
    for (size_t at = node; at != SIZE_MAX; at = l->nodes[at].upstream)
        if (at == nat)
            return true;
    return false;
}

/* Every NAT's background flows start behind it, and pass all that stands above it. */
static double flows_through(const struct layout *l, size_t nat)
{
    double flows = 0.0;
    for (size_t i = 0; i < l->node_count; i++)
        if (l->nodes[i].kind == LAYOUT_NAT && l->nodes[i].profile.background.hosts > 0 &&
            stands_behind(l, i, nat))
            flows += (double)l->nodes[i].profile.background.flows_per_second;
    return flows;
}

static enum ph_mapping_behaviour mapping_of(enum nat_mapping m)
{
    static const enum ph_mapping_behaviour as[] = {
        [NAT_MAPPING_NONE] = PH_MAPPING_NONE,
        [NAT_MAPPING_EIM] = PH_MAPPING_EIM,
        [NAT_MAPPING_ADM] = PH_MAPPING_ADM,
        [NAT_MAPPING_APDM] = PH_MAPPING_APDM,
    };
    return as[m];
}

static enum ph_filtering_behaviour filtering_of(enum nat_filtering f)
{
    static const enum ph_filtering_behaviour as[] = {
        [NAT_FILTERING_EIF] = PH_FILTERING_EIF,
        [NAT_FILTERING_ADF] = PH_FILTERING_ADF,
        [NAT_FILTERING_APDF] = PH_FILTERING_APDF,
    };
    return as[f];
}

static void set_drawn_from(struct truth *out, unsigned ports)
{
    if (ports < RANDOM_MIN)
        out->allocations |= BIT(PH_ALLOCATION_BLOCK);
    if (ports >= BLOCK_MAX)
        out->allocations |= BIT(PH_ALLOCATION_RANDOM);
    else
        out->block = ports;
}

static void set_allocation(const struct nat_profile *p, struct truth *out)
{
    unsigned range = (unsigned)p->allocation.range_hi - p->allocation.range_lo + 1u;
    if (p->mapping == NAT_MAPPING_NONE) {
        out->allocations = BIT(PH_ALLOCATION_NONE);
        return;
    }
    if (p->allocation.type == NAT_ALLOC_PRESERVING) {
        out->allocations = BIT(PH_ALLOCATION_PRESERVING);
        return;
    }
    if (p->mapping == NAT_MAPPING_EIM) {
        out->allocations = BIT(PH_ALLOCATION_ONE_PORT);
        return;
    }
    switch (p->allocation.type) {
    case NAT_ALLOC_SEQUENTIAL:
        out->allocations = BIT(PH_ALLOCATION_SEQUENTIAL);
        out->step = p->allocation.step;
        break;
    case NAT_ALLOC_BLOCK:
        set_drawn_from(out, p->allocation.block);
        break;
    case NAT_ALLOC_PRESERVING:
    case NAT_ALLOC_RANDOM:
    case NAT_ALLOC_HASH:
        set_drawn_from(out, range);
        break;
    }
}

/* The outermost NAT that gives ports of its own is the one whose counter a peer sees. */
static size_t counter_of(const struct layout *l, const size_t *chain, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        const struct nat_profile *p = &l->nodes[chain[i]].profile;
        if (p->mapping != NAT_MAPPING_NONE && p->allocation.type != NAT_ALLOC_PRESERVING)
            return chain[i];
    }
    return chain[0];
}

static void set_router(const struct nat_profile *p, struct truth *out)
{
    out->by = PH_PORTMAP_NONE;
    if (p->port_mapping.fault_count > 0)
        out->fault = fault_find(p->port_mapping.faults[0]);
    if (out->fault != NULL) {
        out->maps = out->fault->outcome == FAULT_MAPPED;
        for (int i = 0; out->fault->by != NULL && i < PH_PORTMAP_PROTOCOLS; i++)
            if (strcmp(out->fault->by, ph_portmap_protocol_name((enum ph_portmap_protocol)i)) == 0)
                out->by = (enum ph_portmap_protocol)i;
        return;
    }
    out->maps = nat_profile_protocols(p) != 0;
    if (out->maps) /* the best that it speaks is what a mapper is to keep */
        out->by = p->port_mapping.pcp       ? PH_PORTMAP_PCP
                  : p->port_mapping.nat_pmp ? PH_PORTMAP_NATPMP
                                            : PH_PORTMAP_UPNP;
}

void truth_of(const struct layout *l, size_t host, struct truth *out)
{
    size_t chain[CHAIN_MAX];
    size_t n = chain_of(l, host, chain);
    memset(out, 0, sizeof(*out));
    out->by = PH_PORTMAP_NONE;
    if (n == 0) {
        out->mapping = PH_MAPPING_NONE;
        out->filtering = PH_FILTERING_EIF;
        out->allocations = BIT(PH_ALLOCATION_NONE);
        return;
    }
    struct nat_profile whole = l->nodes[chain[0]].profile;
    for (size_t i = 1; i < n; i++)
        whole = nat_profile_compose(&l->nodes[chain[i]].profile, &whole);
    for (size_t i = 0; i < n; i++)
        out->translations += l->nodes[chain[i]].profile.mapping != NAT_MAPPING_NONE ? 1 : 0;
    out->udp_blocked = whole.udp_blocked;
    out->hairpin = whole.hairpin;
    out->background = flows_through(l, counter_of(l, chain, n));
    set_router(&l->nodes[chain[0]].profile, out);
    if (out->udp_blocked) {
        out->allocations = BIT(PH_ALLOCATION_UNKNOWN);
        return;
    }
    out->mapping = mapping_of(whole.mapping);
    out->filtering = filtering_of(whole.filtering);
    set_allocation(&whole, out);
}

static enum right judge(bool right, bool unknown)
{
    return right ? RIGHT_YES : unknown ? RIGHT_UNKNOWN : RIGHT_WRONG;
}

/* The interval holds the truth, or the rate itself is within a factor of two of it. */
static bool drift_is_right(const struct ph_allocation *a, double truth)
{
    if (a->type != PH_ALLOCATION_SEQUENTIAL || a->cross_rate < 0.0)
        return false;
    if (a->cross_low <= truth && truth <= a->cross_high)
        return true;
    return a->cross_rate >= truth / 2.0 && a->cross_rate <= truth * 2.0;
}

static bool block_is_right(const struct ph_allocation *a, unsigned truth)
{
    if (a->type != PH_ALLOCATION_BLOCK || a->high < a->low)
        return false;
    unsigned size = (unsigned)a->high - a->low + 1u;
    return size * 2u >= truth && size <= truth * 2u;
}

static bool allocation_is_right(const struct truth *t, const struct ph_allocation *a,
                                uint16_t local_port)
{
    if ((t->allocations & BIT(a->type)) != 0)
        return true;
    return a->type == PH_ALLOCATION_PRESERVING && t->allocations == BIT(PH_ALLOCATION_ONE_PORT) &&
           a->last == local_port;
}

void truth_compare(const struct truth *t, const struct ph_nat_facts *f, uint16_t local_port,
                   struct truth_verdict *out)
{
    const struct ph_allocation *a = &f->allocation;
    bool blank = a->type == PH_ALLOCATION_UNKNOWN;
    memset(out, 0, sizeof(*out));
    out->mapping = judge(f->mapping == t->mapping, f->mapping == PH_MAPPING_UNKNOWN);
    out->filtering = judge(f->filtering == t->filtering, f->filtering == PH_FILTERING_UNKNOWN);
    out->allocation = judge(allocation_is_right(t, a, local_port), blank);
    if (t->udp_blocked)
        return;
    if (t->step != 0) {
        out->step = judge(a->type == PH_ALLOCATION_SEQUENTIAL && a->step == t->step, blank);
        out->drift = judge(drift_is_right(a, t->background), blank || a->cross_rate < 0.0);
    }
    if (t->block != 0)
        out->block = judge(block_is_right(a, t->block), blank);
    if (t->mapping != PH_MAPPING_NONE)
        out->hairpin =
            judge(f->hairpin == (t->hairpin ? PH_YES : PH_NO), f->hairpin == PH_ANSWER_UNKNOWN);
}
