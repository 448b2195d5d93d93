#include "lab/world/sim/sim.h"

#include "base/err.h"
#include "lab/world/sim/forward.h"
#include "lab/world/sim/private.h"
#include "lab/world/sim/router.h"
#include "lab/world/site.h"

#include <stdlib.h>
#include <string.h>

struct sim *sim_of(struct world *w)
{
    return (struct sim *)(void *)w;
}

/* Events are queued first come, first served within one instant. A failed allocation loses the
 * event, as a network would. */
static bool event_at(struct sim *s, struct sim_event *e, ph_ns when)
{
    return ph_heap_add(&s->events, &e->node, when < s->now ? s->now : when) == PH_OK;
}

struct sim_packet *sim_packet_new(struct sim *s, const uint8_t *data, size_t len)
{
    struct sim_packet *p = s->free_packets;
    if (len > sizeof(p->data))
        return NULL;
    if (p)
        s->free_packets = p->next_free;
    else
        p = malloc(sizeof(*p));
    if (!p)
        return NULL;
    ph_heap_node_init(&p->event.node);
    p->event.kind = SIM_EVENT_PACKET;
    p->len = len;
    memcpy(p->data, data, len);
    return p;
}

void sim_packet_free(struct sim *s, struct sim_packet *p)
{
    p->next_free = s->free_packets;
    s->free_packets = p;
}

void sim_packet_at(struct sim *s, struct sim_packet *p, ph_ns when)
{
    if (!event_at(s, &p->event, when))
        sim_packet_free(s, p);
}

void sim_call_init(struct sim_call *c, void (*fn)(struct sim *s, void *user), void *user)
{
    ph_heap_node_init(&c->event.node);
    c->event.kind = SIM_EVENT_CALL;
    c->fn = fn;
    c->user = user;
}

void sim_call_at(struct sim *s, struct sim_call *c, ph_ns when)
{
    ph_heap_remove(&s->events, &c->event.node);
    if (when != PH_NEVER)
        (void)event_at(s, &c->event, when);
}

/* Of a packet's bytes: four lanes, since one after the other the multiplications would be most of
 * what a large packet costs. */
static uint64_t hash_bytes(const uint8_t *data, size_t len)
{
    uint64_t lane[4] = {len, 1, 2, 3};
    size_t at = 0;
    for (; len - at >= 32; at += 32)
        for (size_t i = 0; i < 4; i++) {
            uint64_t word;
            memcpy(&word, data + at + 8 * i, 8);
            lane[i] = (lane[i] ^ word) * 0x9e3779b97f4a7c15u;
            lane[i] ^= lane[i] >> 32;
        }
    uint64_t h = ph_hash64(0, data + at, len - at);
    return ph_hash64(h, lane, sizeof(lane));
}

static void digest(struct sim *s, const struct sim_packet *p)
{
    struct {
        ph_ns now;
        struct ph_addr src, dst;
        uint64_t data;
    } head = {.now = s->now, .src = p->src, .dst = p->dst, .data = hash_bytes(p->data, p->len)};
    _Static_assert(sizeof(head) == 16 + 2 * sizeof(struct ph_addr), "no padding to be hashed");
    s->digest = ph_hash64(s->digest, &head, sizeof(head));
    s->packets++;
}

/* Endpoints are called from the event loop alone, never from inside a call of theirs. */
void sim_deliver(struct sim *s, struct sim_packet *p)
{
    const struct sim_socket *k = sim_socket_find(s, p->node, &p->dst);
    struct ph_endpoint *ep = k != NULL ? k->host->base.endpoint : NULL;
    if (ep != NULL && !(s->trouble.any && sim_is_swallowed(s, p, p->node, true))) {
        struct ph_datagram d = {.peer = p->src, .data = p->data, .len = p->len};
        digest(s, p);
        ep->on_datagrams(ep, s->now, k->id, &d, 1);
    }
    sim_packet_free(s, p);
}

static ph_ns world_now(struct world *w)
{
    return sim_of(w)->now;
}

static void on_slot(struct sim *s, void *user)
{
    struct sim_slot *slot = user;
    (void)s;
    slot->fn(slot->user);
}

static void world_at(struct world *w, ph_ns when, void (*fn)(void *user), void *user)
{
    struct sim *s = sim_of(w);
    struct sim_slot *slot = s->slots;
    while (slot && (slot->fn != fn || slot->user != user))
        slot = slot->next;
    if (!slot) {
        if (when == PH_NEVER)
            return;
        slot = calloc(1, sizeof(*slot));
        if (!slot)
            return;
        slot->fn = fn;
        slot->user = user;
        sim_call_init(&slot->call, on_slot, slot);
        slot->next = s->slots;
        s->slots = slot;
    }
    sim_call_at(s, &slot->call, when);
}

static ph_ns world_take_lateness(struct world *w)
{
    (void)w;
    return 0;
}

/* Nothing is under way any more. */
static void drop_events(struct sim *s)
{
    struct ph_heap_node *node;
    while ((node = ph_heap_peek(&s->events))) {
        struct sim_event *e = (struct sim_event *)(void *)node;
        ph_heap_remove(&s->events, node);
        if (e->kind == SIM_EVENT_PACKET)
            sim_packet_free(s, (struct sim_packet *)(void *)e);
        else
            sim_router_forget(s, (struct sim_call *)(void *)e);
    }
    while (s->slots) {
        struct sim_slot *slot = s->slots;
        s->slots = slot->next;
        free(slot);
    }
}

static void world_free(struct world *w)
{
    struct sim *s = sim_of(w);
    drop_events(s);
    sim_routers_free(s);
    ph_heap_fini(&s->events);
    while (s->free_packets) {
        struct sim_packet *p = s->free_packets;
        s->free_packets = p->next_free;
        free(p);
    }
    sim_sockets_fini(s);
    for (size_t i = 0; i < s->layout.node_count; i++) {
        sim_nat_free(s->nats[i]);
        sim_firewall_free(s->firewalls[i]);
    }
    free(s->ways);
    free(s);
}

static const struct world_ops world_ops = {
    .host_new = sim_host_new,
    .host_free = sim_host_free,
    .now = world_now,
    .at = world_at,
    .take_lateness = world_take_lateness,
    .disturb = sim_disturb,
    .free = world_free,
};

static uint64_t nat_seed(uint64_t seed, size_t node)
{
    uint64_t parts[2] = {seed, node};
    return ph_hash64(2, parts, sizeof(parts));
}

/* Everything that a seed decides, and the clock. */
static void begin(struct sim *s, uint64_t seed)
{
    s->seed = seed;
    s->now = PH_SEC; /* nothing may depend on zero */
    s->events.next_seq = 0;
    s->next_http = 0;
    s->next_host = 0;
    s->digest = 0;
    s->packets = 0;
    s->drops = (struct link_drops){0};
    for (size_t i = 0; i < s->layout.link_count; i++) {
        for (uint64_t dir = 0; dir < 2; dir++) {
            uint64_t parts[3] = {seed, i, dir};
            s->links[i].dir[dir].last = s->links[i].dir[dir].free_at = 0;
            ph_rng_seed(&s->links[i].dir[dir].rng, ph_hash64(1, parts, sizeof(parts)));
        }
    }
}

int sim_world_new(const struct layout *layout, uint64_t seed, struct world **out,
                  struct lab_error *err)
{
    struct sim *s = calloc(1, sizeof(*s));
    if (!s)
        return lab_fail(err, LAB_BROKEN, "out of memory");
    s->layout = *layout;
    s->base.ops = &world_ops;
    s->base.layout = &s->layout;
    begin(s, seed);
    s->ways = calloc(SIM_WAYS, sizeof(*s->ways));
    bool ok = s->ways != NULL;
    for (size_t i = 0; i < layout->node_count && ok; i++) {
        struct nat_site site;
        if (layout->nodes[i].kind != LAYOUT_NAT)
            continue;
        world_nat_site(&s->layout, i, &site);
        ok = sim_nat_new(&layout->nodes[i].profile, &site, nat_seed(seed, i), &s->nats[i]) ==
                 PH_OK &&
             sim_firewall_new(&layout->nodes[i].profile, &s->firewalls[i]) == PH_OK;
    }
    if (!ok || sim_routers_new(s, err) != 0) {
        world_free(&s->base);
        return lab_fail(err, LAB_BROKEN, "out of memory");
    }
    *out = &s->base;
    return 0;
}

int sim_world_reset(struct world *w, uint64_t seed, struct lab_error *err)
{
    struct sim *s = sim_of(w);
    if (s->hosts != NULL)
        return lab_fail(err, LAB_BROKEN, "hosts still stand in the world");
    drop_events(s);
    sim_routers_free(s);
    sim_sockets_reset(s);
    sim_calm(s);
    s->tap = NULL;
    begin(s, seed);
    for (size_t i = 0; i < s->layout.node_count; i++)
        if (s->nats[i] != NULL) {
            sim_nat_reset(s->nats[i], nat_seed(seed, i));
            sim_firewall_flush(s->firewalls[i]);
        }
    return sim_routers_new(s, err);
}

bool sim_step(struct world *w)
{
    struct sim *s = sim_of(w);
    struct ph_heap_node *node = ph_heap_peek(&s->events);
    if (!node)
        return false;
    if (node->key > s->now)
        s->now = node->key;
    ph_heap_remove(&s->events, node);
    struct sim_event *e = (struct sim_event *)(void *)node;
    switch (e->kind) {
    case SIM_EVENT_PACKET:
        sim_arrive(s, (struct sim_packet *)(void *)e);
        break;
    case SIM_EVENT_CALL: {
        struct sim_call *c = (struct sim_call *)(void *)e;
        c->fn(s, c->user);
        break;
    }
    }
    return true;
}

void sim_run_until(struct world *w, ph_ns until)
{
    struct sim *s = sim_of(w);
    struct ph_heap_node *node;
    while ((node = ph_heap_peek(&s->events)) && node->key <= until)
        sim_step(w);
    if (s->now < until)
        s->now = until;
}

bool sim_run_while(struct world *w, ph_ns limit, bool (*done)(void *user), void *user)
{
    struct sim *s = sim_of(w);
    while (!done(user)) {
        struct ph_heap_node *node = ph_heap_peek(&s->events);
        if (!node || node->key > limit) {
            s->now = limit > s->now ? limit : s->now;
            return done(user);
        }
        sim_step(w);
    }
    return true;
}

uint64_t sim_digest(const struct world *w)
{
    return ((const struct sim *)(const void *)w)->digest;
}

uint64_t sim_packets(const struct world *w)
{
    return ((const struct sim *)(const void *)w)->packets;
}

struct link_drops sim_drops(const struct world *w)
{
    return ((const struct sim *)(const void *)w)->drops;
}

void sim_tap(struct world *w, enum sim_verdict (*tap)(void *user, const struct sim_tap_packet *p),
             void *user)
{
    sim_of(w)->tap = tap;
    sim_of(w)->tap_user = user;
}

void sim_inject(struct world *w, size_t node, const struct ph_addr *src, const struct ph_addr *dst,
                const uint8_t *data, size_t len)
{
    struct sim *s = sim_of(w);
    struct sim_packet *p = sim_packet_new(s, data, len);
    if (!p)
        return;
    p->src = *src;
    p->dst = *dst;
    p->ttl = 64;
    sim_originate(s, node, p);
}
