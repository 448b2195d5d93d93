#include "lab/world/sim/firewall.h"

#include "base/err.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024u /* a power of two */
/* A flow is a stream from the first packet after two seconds on, if there was an answer before. */
#define STREAM_AFTER (2 * PH_SEC)

struct flow {
    struct ph_addr inside, outside;
    ph_ns begun, until;
    bool replied, stream;
    uint32_t next; /* in its bucket, or of the free ones; number + 1, 0: none */
};

struct sim_firewall {
    enum nat_ipv6 kind;
    bool udp_blocked;
    ph_ns udp, udp_stream;
    struct flow *flows; /* grows up to SIM_FIREWALL_FLOWS */
    uint32_t cap, used, free;
    uint32_t buckets[BUCKETS];
};

int sim_firewall_new(const struct nat_profile *profile, struct sim_firewall **out)
{
    struct sim_firewall *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return PH_ERR_NOMEM;
    f->kind = nat_profile_ipv6(profile);
    f->udp_blocked = profile->udp_blocked;
    f->udp = profile->timeout.udp_s * PH_SEC;
    f->udp_stream = profile->timeout.udp_stream_s * PH_SEC;
    *out = f;
    return PH_OK;
}

void sim_firewall_free(struct sim_firewall *f)
{
    if (f == NULL)
        return;
    free(f->flows);
    free(f);
}

void sim_firewall_flush(struct sim_firewall *f)
{
    memset(f->buckets, 0, sizeof(f->buckets));
    f->used = f->free = 0;
}

static uint32_t *bucket_of(struct sim_firewall *f, const struct ph_addr *inside,
                           const struct ph_addr *outside)
{
    uint64_t h = ph_addr_hash(inside) * 31 + ph_addr_hash(outside);
    return &f->buckets[h & (BUCKETS - 1)];
}

/* The flow, if it still lives. On the way the dead ones of its bucket are taken out. */
static struct flow *find(struct sim_firewall *f, ph_ns now, const struct ph_addr *inside,
                         const struct ph_addr *outside)
{
    uint32_t *at = bucket_of(f, inside, outside);
    while (*at != 0) {
        struct flow *flow = &f->flows[*at - 1];
        if (now >= flow->until) {
            uint32_t gone = *at;
            *at = flow->next;
            flow->next = f->free;
            f->free = gone;
            continue;
        }
        if (ph_addr_eq(&flow->inside, inside) && ph_addr_eq(&flow->outside, outside))
            return flow;
        at = &flow->next;
    }
    return NULL;
}

static bool grow(struct sim_firewall *f)
{
    uint32_t cap = f->cap == 0 ? 64 : 2 * f->cap;
    struct flow *flows;
    if (cap > SIM_FIREWALL_FLOWS)
        return false;
    flows = realloc(f->flows, cap * sizeof(*flows));
    if (flows == NULL)
        return false;
    f->flows = flows;
    f->cap = cap;
    return true;
}

static bool begin(struct sim_firewall *f, ph_ns now, const struct ph_addr *inside,
                  const struct ph_addr *outside)
{
    uint32_t *bucket = bucket_of(f, inside, outside), i;
    if (f->free != 0) {
        i = f->free;
        f->free = f->flows[i - 1].next;
    } else {
        if (f->used == f->cap && !grow(f))
            return false;
        i = ++f->used;
    }
    f->flows[i - 1] = (struct flow){.inside = *inside,
                                    .outside = *outside,
                                    .begun = now,
                                    .until = now + f->udp,
                                    .next = *bucket};
    *bucket = i;
    return true;
}

static void touch(const struct sim_firewall *f, ph_ns now, struct flow *flow)
{
    flow->stream = flow->stream || (flow->replied && now - flow->begun > STREAM_AFTER);
    flow->until = now + (flow->stream ? f->udp_stream : f->udp);
}

/* Without looking at flows: 1 all, -1 nothing, 0 as they are. */
static int always(const struct sim_firewall *f)
{
    if (f->udp_blocked || f->kind == NAT_IPV6_BLOCK)
        return -1;
    return f->kind == NAT_IPV6_OPEN ? 1 : 0;
}

bool sim_firewall_outbound(struct sim_firewall *f, ph_ns now, const struct ph_addr *src,
                           const struct ph_addr *dst, bool dies)
{
    if (always(f) != 0)
        return always(f) > 0;
    struct flow *flow = find(f, now, src, dst);
    if (flow != NULL)
        touch(f, now, flow);
    else if (dies || !begin(f, now, src, dst))
        return false;
    return true;
}

bool sim_firewall_inbound(struct sim_firewall *f, ph_ns now, const struct ph_addr *src,
                          const struct ph_addr *dst, bool dies)
{
    (void)dies;
    if (always(f) != 0)
        return always(f) > 0;
    struct flow *flow = find(f, now, dst, src);
    if (flow == NULL)
        return false;
    flow->replied = true;
    touch(f, now, flow);
    return true;
}
