#include "lab/run/verdict.h"

#include <string.h>

static bool node_has(const struct layout_node *node, const struct ph_addr *a)
{
    for (size_t i = 0; i < node->addr_count; i++)
        if (ph_addr_ip_eq(&node->addrs[i], a))
            return true;
    for (size_t i = 0; i < node->wan_count; i++)
        if (ph_addr_ip_eq(&node->wan[i], a))
            return true;
    for (size_t i = 0; i < node->addr6_count; i++)
        if (ph_addr_ip_eq(&node->addrs6[i], a))
            return true;
    for (size_t i = 0; i < node->if_count; i++)
        if (ph_addr_ip_eq(&node->ifs[i].addr, a) || ph_addr_ip_eq(&node->ifs[i].addr6, a))
            return true;
    return false;
}

/* A peer is heard from its own address or from that of a NAT, from nowhere else. */
static bool may_be_a_peer(const struct layout *layout, const struct ph_addr *remote)
{
    bool peer = false;
    for (size_t i = 0; i < layout->node_count; i++) {
        const struct layout_node *node = &layout->nodes[i];
        struct ph_addr translated = layout_translated(layout, i);
        if (!node_has(node, remote) && !ph_addr_ip_eq(&translated, remote))
            continue;
        if (node->runs == TOPO_RUNS_RELAY || node->runs == TOPO_RUNS_STUN ||
            node->kind == LAYOUT_ROUTER)
            return false;
        peer = peer || node->kind == LAYOUT_NAT || node->runs == TOPO_RUNS_PEER;
    }
    return peer;
}

static bool side_direct(const struct layout *layout, const struct ph_call_report *r)
{
    return r->direct && ph_addr_is_set(&r->remote) && !ph_addr_ip_eq(&r->remote, &r->relay) &&
           may_be_a_peer(layout, &r->remote);
}

bool verdict_direct(const struct layout *layout, const struct ph_call_report *caller,
                    const struct ph_call_report *callee)
{
    return side_direct(layout, caller) && side_direct(layout, callee);
}

/* The later of two instants, from the dial; absent unless both are there. */
static ph_ns later(ph_ns a, ph_ns b, ph_ns dial)
{
    if (a == PH_NEVER || b == PH_NEVER)
        return PH_NEVER;
    ph_ns t = ph_max_ns(a, b);
    return t > dial ? t - dial : 0;
}

static ph_ns since(ph_ns t, ph_ns dial)
{
    if (t == PH_NEVER)
        return PH_NEVER;
    return t > dial ? t - dial : 0;
}

/* Which of two peers' states tells more about the call; the higher, the more. */
static int weight(enum ph_stage_state state)
{
    switch (state) {
    case PH_STAGE_WON:
    case PH_STAGE_BEATEN:
        return 4;
    case PH_STAGE_LOST:
        return 3;
    case PH_STAGE_RUNNING:
        return 2;
    case PH_STAGE_SKIPPED:
        return 1;
    case PH_STAGE_IDLE:
        return 0;
    }
    return 0;
}

static void set_reason(struct ph_stage_report *r, const char *text)
{
    size_t len = strnlen(text, sizeof(r->reason) - 1);
    memcpy(r->reason, text, len);
    r->reason[len] = '\0';
}

/* The call's word on a stage: one is won exactly when the path at the end is its. */
static void settle_state(struct ph_stage_report *r, bool won)
{
    if (won) {
        r->state = PH_STAGE_WON;
        return;
    }
    switch (r->state) {
    case PH_STAGE_WON:
        r->state = PH_STAGE_BEATEN;
        break;
    case PH_STAGE_RUNNING:
        r->state = PH_STAGE_LOST;
        set_reason(r, "still running at the end");
        break;
    case PH_STAGE_IDLE:
        r->state = PH_STAGE_SKIPPED;
        if (r->reason[0] == '\0')
            set_reason(r, "not started");
        break;
    default:
        break;
    }
}

/* One of them probes, the other opens; where both do, who hit first. 0: neither hit. */
static uint32_t first_hit(uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

static void merge_stage(const struct ph_stage_report *a, const struct ph_stage_report *b,
                        ph_ns dial, struct ph_stage_report *out)
{
    *out = weight(b->state) > weight(a->state) ? *b : *a;
    if (out->reason[0] == '\0')
        set_reason(out, a->reason[0] != '\0' ? a->reason : b->reason);
    /* PH_NEVER is the largest time: the first start is the smaller, and an end needs both. */
    out->start = since(ph_min_ns(a->start, b->start), dial);
    ph_ns a_end = a->start == PH_NEVER ? 0 : a->end, b_end = b->start == PH_NEVER ? 0 : b->end;
    out->end = out->start == PH_NEVER ? PH_NEVER : since(ph_max_ns(a_end, b_end), dial);
    out->packets = a->packets + b->packets;
    out->bytes = a->bytes + b->bytes;
    out->sockets = a->sockets + b->sockets;
    out->openers = a->openers + b->openers;
    out->probes = a->probes + b->probes;
    out->probes_to_hit = first_hit(a->probes_to_hit, b->probes_to_hit);
    out->mappings = a->mappings + b->mappings;
}

/* Which direction lost the larger share, or, of equal ones, had the longer gap. */
static struct ph_media_report worse(const struct ph_media_report *x,
                                    const struct ph_media_report *y)
{
    uint64_t x_lost = x->sent > x->received ? x->sent - x->received : 0;
    uint64_t y_lost = y->sent > y->received ? y->sent - y->received : 0;
    uint64_t left = x_lost * (y->sent > 0 ? y->sent : 1);
    uint64_t right = y_lost * (x->sent > 0 ? x->sent : 1);
    if (x->received == 0 || y->received == 0)
        return x->received == 0 ? *x : *y;
    if (left != right)
        return left > right ? *x : *y;
    return x->max_gap >= y->max_gap ? *x : *y;
}

void verdict(const struct layout *layout, const struct ph_call_report *caller,
             const struct ph_call_report *callee, struct trial_result *out)
{
    static const struct ph_call_report nothing = {
        .relay_at = PH_NEVER,
        .direct_at = PH_NEVER,
        .media_at = PH_NEVER,
        .stage = PH_STAGE_NONE,
    };
    struct ph_call_report none = nothing;
    for (int i = 0; i < PH_STAGE_COUNT; i++)
        none.stages[i].start = none.stages[i].end = PH_NEVER;
    const struct ph_call_report *a = caller != NULL ? caller : &none;
    const struct ph_call_report *b = callee != NULL ? callee : &none;
    ph_ns dial = a->started;
    out->setup_relay = later(a->relay_at, b->relay_at, dial);
    out->setup_direct = later(a->direct_at, b->direct_at, dial);
    out->setup_media = later(a->media_at, b->media_at, dial);
    out->connected = out->setup_media != PH_NEVER && a->media.received > 0 && b->media.received > 0;
    out->direct = out->connected && verdict_direct(layout, a, b);
    out->stage = PH_STAGE_NONE;
    if (out->direct)
        out->stage = a->stage;
    else if (out->connected)
        out->stage = PH_STAGE_RELAY;
    if (!out->direct)
        out->setup_direct = PH_NEVER;
    const struct ph_stage_report *portmap = &a->stages[PH_STAGE_PORTMAP];
    out->portmap_took = PH_NEVER;
    if (portmap->start != PH_NEVER && portmap->end != PH_NEVER && portmap->end >= portmap->start)
        out->portmap_took = portmap->end - portmap->start;
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        merge_stage(&a->stages[i], &b->stages[i], dial, &out->stages[i]);
        settle_state(&out->stages[i], out->stage == (enum ph_stage)i);
    }
    /* A direction is what one side sent and the other received. */
    struct ph_media_report to_b = b->media, to_a = a->media;
    to_b.sent = a->media.sent;
    to_a.sent = b->media.sent;
    out->media = worse(&to_b, &to_a);
}
