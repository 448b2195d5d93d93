#include "lab/world/sim/conntrack.h"

#include "lab/world/sim/hash.h"

#include <stdlib.h>
#include <string.h>

#define FLOWS_MIN 64u
/* Of nf_conntrack_max on a small router; beyond it new flows are lost. */
#define FLOWS_MAX 65536u
/* A flow that is still alive after so long is a stream (since Linux 5.0). */
#define STREAM_AFTER (2 * PH_SEC)

/* The chains that a flow stands in: its two tuples, who opened it, and where its answers go. A node
 * of a chain is the number of the flow and the kind of the chain; flow 0 is not used, so that node
 * 0 is none. */
enum chain {
    CHAIN_ORIGINAL = SIM_ORIGINAL,
    CHAIN_REPLY = SIM_REPLY,
    CHAIN_SOURCE,
    CHAIN_OUTSIDE,
};

static uint32_t node_of(uint32_t flow, enum chain kind)
{
    return flow * SIM_FLOW_CHAINS + (uint32_t)kind;
}

static struct sim_flow *flow_at(const struct sim_conntrack *t, uint32_t node)
{
    return &t->flows[node / SIM_FLOW_CHAINS];
}

static enum chain kind_at(uint32_t node)
{
    return (enum chain)(node % SIM_FLOW_CHAINS);
}

static uint32_t *next_of(const struct sim_conntrack *t, uint32_t node)
{
    return &flow_at(t, node)->next[kind_at(node)];
}

static uint32_t *prev_of(const struct sim_conntrack *t, uint32_t node)
{
    return &flow_at(t, node)->prev[kind_at(node)];
}

static uint64_t hash_of(const struct sim_flow *f, enum chain kind)
{
    switch (kind) {
    case CHAIN_ORIGINAL:
    case CHAIN_REPLY:
        return sim_hash(f->tuple[kind].src, f->tuple[kind].dst);
    case CHAIN_SOURCE:
        return sim_hash(f->tuple[SIM_ORIGINAL].src, CHAIN_SOURCE);
    case CHAIN_OUTSIDE:
        return sim_hash(f->tuple[SIM_REPLY].dst, CHAIN_OUTSIDE);
    }
    return 0;
}

static uint32_t *head_of(const struct sim_conntrack *t, uint64_t hash)
{
    return &t->heads[hash & (t->chains - 1)];
}

/* The first node of a chain; 0: none. */
static uint32_t first_of(const struct sim_conntrack *t, uint64_t hash)
{
    return t->chains == 0 ? 0 : *head_of(t, hash);
}

static void link_in(struct sim_conntrack *t, uint32_t flow, enum chain kind)
{
    struct sim_flow *f = &t->flows[flow];
    uint32_t *head = head_of(t, hash_of(f, kind));
    f->next[kind] = *head;
    f->prev[kind] = 0;
    if (*head != 0)
        *prev_of(t, *head) = node_of(flow, kind);
    *head = node_of(flow, kind);
}

static void link_out(struct sim_conntrack *t, uint32_t flow, enum chain kind)
{
    struct sim_flow *f = &t->flows[flow];
    uint32_t next = f->next[kind];
    uint32_t prev = f->prev[kind];
    if (prev != 0)
        *next_of(t, prev) = next;
    else
        *head_of(t, hash_of(f, kind)) = next;
    if (next != 0)
        *prev_of(t, next) = prev;
}

static void remove_flow(struct sim_conntrack *t, uint32_t flow)
{
    struct sim_flow *f = &t->flows[flow];
    for (int kind = 0; kind < SIM_FLOW_CHAINS; kind++)
        link_out(t, flow, (enum chain)kind);
    if (f->counted)
        t->counted--;
    f->expires = 0;
    f->next[0] = t->free;
    t->free = flow;
    t->count--;
}

void sim_conntrack_init(struct sim_conntrack *t, uint32_t udp_s, uint32_t stream_s)
{
    *t = (struct sim_conntrack){
        .udp = udp_s * PH_SEC, .stream = stream_s * PH_SEC, .earliest = PH_NEVER};
}

void sim_conntrack_fini(struct sim_conntrack *t)
{
    free(t->flows);
    free(t->heads);
    *t = (struct sim_conntrack){0};
}

void sim_conntrack_flush(struct sim_conntrack *t)
{
    if (t->heads != NULL)
        memset(t->heads, 0, t->chains * sizeof(*t->heads));
    t->count = t->used = t->free = 0;
    t->counted = 0;
    t->earliest = PH_NEVER;
}

/* In use: it has not been removed. */
static bool lives(const struct sim_flow *f)
{
    return f->expires != 0;
}

size_t sim_conntrack_sweep(struct sim_conntrack *t, ph_ns now)
{
    if (now < t->earliest)
        return t->count;
    t->earliest = PH_NEVER;
    for (uint32_t i = 1; i <= t->used; i++) {
        if (!lives(&t->flows[i]))
            continue;
        if (now >= t->flows[i].expires)
            remove_flow(t, i);
        else
            t->earliest = ph_min_ns(t->earliest, t->flows[i].expires);
    }
    return t->count;
}

/* Twice the room, with all chains laid anew, each from its end: the newest flow of a source must
 * come first again. */
static bool grow(struct sim_conntrack *t)
{
    uint32_t cap = t->cap == 0 ? FLOWS_MIN : 2 * t->cap;
    uint32_t *heads = calloc(SIM_FLOW_CHAINS * (size_t)cap, sizeof(*heads));
    struct sim_flow *flows =
        heads == NULL ? NULL : reallocarray(t->flows, (size_t)cap + 1, sizeof(*flows));
    if (flows == NULL) {
        free(heads);
        return false;
    }
    t->flows = flows;
    t->cap = cap;
    uint32_t *old = t->heads;
    uint32_t old_chains = t->chains;
    t->heads = heads;
    t->chains = SIM_FLOW_CHAINS * cap;
    for (uint32_t c = 0; c < old_chains; c++) {
        uint32_t node = old[c];
        while (node != 0 && *next_of(t, node) != 0)
            node = *next_of(t, node);
        while (node != 0) {
            uint32_t newer = *prev_of(t, node);
            link_in(t, node / SIM_FLOW_CHAINS, kind_at(node));
            node = newer;
        }
    }
    free(old);
    return true;
}

/* The number of a flow that may be written; 0: there is no room. */
static uint32_t take_flow(struct sim_conntrack *t, ph_ns now)
{
    uint32_t flow = t->free;
    if (flow == 0 && t->used == t->cap) {
        (void)sim_conntrack_sweep(t, now);
        if (t->free == 0 && (t->cap == FLOWS_MAX || !grow(t)))
            return 0;
        flow = t->free;
    }
    if (flow != 0)
        t->free = t->flows[flow].next[0];
    else
        flow = ++t->used;
    t->count++;
    return flow;
}

static bool tuple_is(const struct sim_tuple *a, const struct sim_tuple *b)
{
    return a->src == b->src && a->dst == b->dst;
}

struct sim_flow *sim_conntrack_find(struct sim_conntrack *t, ph_ns now, const struct sim_tuple *p,
                                    enum sim_dir *dir)
{
    uint32_t node = first_of(t, sim_hash(p->src, p->dst));
    while (node != 0) {
        enum chain kind = kind_at(node);
        struct sim_flow *f = flow_at(t, node);
        uint32_t next = f->next[kind];
        if (kind <= CHAIN_REPLY && tuple_is(&f->tuple[kind], p)) {
            if (now < f->expires) {
                if (dir != NULL)
                    *dir = (enum sim_dir)kind;
                return f;
            }
            /* The chain may have lost its next node too: that of the flow's other tuple. */
            remove_flow(t, node / SIM_FLOW_CHAINS);
            next = *head_of(t, sim_hash(p->src, p->dst));
        }
        node = next;
    }
    return NULL;
}

void sim_conntrack_touch(const struct sim_conntrack *t, ph_ns now, struct sim_flow *f,
                         enum sim_dir dir)
{
    ph_ns left = t->udp;
    if (f->replied && now > f->stream_from) {
        left = t->stream;
        f->assured = true;
    }
    f->expires = now + left;
    /* The first answer itself does not make a stream yet. */
    if (dir == SIM_REPLY)
        f->replied = true;
}

struct sim_flow *sim_conntrack_confirm(struct sim_conntrack *t, ph_ns now, const struct sim_flow *f)
{
    if (sim_conntrack_find(t, now, &f->tuple[SIM_ORIGINAL], NULL) != NULL ||
        sim_conntrack_find(t, now, &f->tuple[SIM_REPLY], NULL) != NULL)
        return NULL;
    uint32_t flow = take_flow(t, now);
    if (flow == 0)
        return NULL;
    struct sim_flow *to = &t->flows[flow];
    *to = *f;
    to->replied = to->assured = false;
    to->expires = now + t->udp;
    to->stream_from = now + STREAM_AFTER;
    t->earliest = ph_min_ns(t->earliest, to->expires);
    if (to->counted)
        t->counted++;
    for (int kind = 0; kind < SIM_FLOW_CHAINS; kind++)
        link_in(t, flow, (enum chain)kind);
    return to;
}

struct sim_flow *sim_conntrack_of_source(struct sim_conntrack *t, ph_ns now, sim_end src,
                                         const struct sim_flow *after)
{
    uint32_t node =
        after != NULL ? after->next[CHAIN_SOURCE] : first_of(t, sim_hash(src, CHAIN_SOURCE));
    for (; node != 0; node = *next_of(t, node)) {
        struct sim_flow *f = flow_at(t, node);
        if (kind_at(node) == CHAIN_SOURCE && f->tuple[SIM_ORIGINAL].src == src && now < f->expires)
            return f;
    }
    return NULL;
}

bool sim_conntrack_holds(struct sim_conntrack *t, ph_ns now, sim_end outside)
{
    uint32_t node = first_of(t, sim_hash(outside, CHAIN_OUTSIDE));
    for (; node != 0; node = *next_of(t, node)) {
        const struct sim_flow *f = flow_at(t, node);
        if (kind_at(node) == CHAIN_OUTSIDE && f->tuple[SIM_REPLY].dst == outside &&
            now < f->expires)
            return true;
    }
    return false;
}
