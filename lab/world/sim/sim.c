#include "lab/world/sim/sim.h"

#include "base/err.h"
#include "lab/world/gateways.h"
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

static struct sim_host *host_of(struct ph_host *h)
{
    return (struct sim_host *)(void *)h;
}

/* Events are queued first come, first served within one instant. A failed allocation loses the
 * event, as a network would. */
static bool queue(struct sim *s, struct sim_event *e, ph_ns when)
{
    return ph_heap_add(&s->events, &e->node, when < s->now ? s->now : when) == PH_OK;
}

struct sim_packet *sim_packet_new(struct sim *s)
{
    struct sim_packet *p = s->free_packets;
    if (p)
        s->free_packets = p->next_free;
    else
        p = malloc(sizeof(*p));
    if (!p)
        return NULL;
    ph_heap_node_init(&p->event.node);
    p->event.kind = SIM_EVENT_PACKET;
    p->next_free = NULL;
    return p;
}

void sim_packet_free(struct sim *s, struct sim_packet *p)
{
    p->next_free = s->free_packets;
    s->free_packets = p;
}

void sim_packet_at(struct sim *s, struct sim_packet *p, ph_ns when)
{
    if (!queue(s, &p->event, when))
        sim_packet_free(s, p);
}

void sim_call_init(struct sim_call *c, void (*fn)(struct sim *s, void *user), void *user)
{
    ph_heap_node_init(&c->event.node);
    c->event.kind = SIM_EVENT_CALL;
    c->event.owner = c;
    c->fn = fn;
    c->user = user;
}

void sim_call_at(struct sim *s, struct sim_call *c, ph_ns when)
{
    ph_heap_remove(&s->events, &c->event.node);
    if (when != PH_NEVER)
        queue(s, &c->event, when);
}

/* Endpoints are called from the event loop alone, never from inside a call of theirs. */
void sim_deliver(struct sim *s, struct sim_packet *p)
{
    for (struct sim_socket *k = s->sockets; k; k = k->next) {
        if (k->closed || k->host->node != p->node || k->local.port != p->dst.port)
            continue;
        if (!ph_addr_is_any(&k->local) && !ph_addr_ip_eq(&k->local, &p->dst))
            continue;
        struct ph_endpoint *ep = k->host->base.endpoint;
        if (!ep)
            break;
        s->digest = ph_hash64(s->digest, &s->now, sizeof(s->now));
        s->digest = ph_hash64(s->digest, &p->src, sizeof(p->src));
        s->digest = ph_hash64(s->digest, &p->dst, sizeof(p->dst));
        s->digest = ph_hash64(s->digest, p->data, p->len);
        s->packets++;
        struct ph_datagram d = {.peer = p->src, .data = p->data, .len = p->len};
        ep->on_datagrams(ep, s->now, k->id, &d, 1);
        break;
    }
    sim_packet_free(s, p);
}

static ph_ns host_now(struct ph_host *h)
{
    return host_of(h)->sim->now;
}

static void host_random(struct ph_host *h, void *out, size_t len)
{
    ph_rng_fill(&host_of(h)->rng, out, len);
}

static bool port_taken(const struct sim *s, const struct sim_host *h, uint16_t port)
{
    for (const struct sim_socket *k = s->sockets; k; k = k->next) {
        if (!k->closed && k->host->node == h->node && k->local.port == port)
            return true;
    }
    return false;
}

static int host_udp_open(struct ph_host *h, const struct ph_addr *local, ph_sock *out)
{
    struct sim_host *host = host_of(h);
    struct sim *s = host->sim;
    struct sim_socket *k = calloc(1, sizeof(*k));
    if (!k)
        return PH_ERR_NOMEM;
    k->local = *local;
    if (local->port == 0) {
        do
            k->local.port = (uint16_t)(32768 + ph_rng_below(&host->rng, 28232)); /* Linux's range */
        while (port_taken(s, host, k->local.port));
    }
    k->id = ++s->next_socket;
    k->host = host;
    k->next = s->sockets;
    s->sockets = k;
    *out = k->id;
    return PH_OK;
}

static struct sim_socket *socket_of(struct sim_host *h, ph_sock sock)
{
    struct sim_socket *k = h->sim->sockets;
    while (k && (k->id != sock || k->host != h))
        k = k->next;
    return k;
}

/* Removed at once: no event refers to a socket. */
static void host_udp_close(struct ph_host *h, ph_sock sock)
{
    struct sim_socket *k = socket_of(host_of(h), sock);
    if (k)
        k->closed = true;
    host_of(h)->sim->sweep = true;
}

static struct ph_addr host_udp_local(struct ph_host *h, ph_sock sock)
{
    struct sim_socket *k = socket_of(host_of(h), sock);
    return k ? k->local : (struct ph_addr){0};
}

static void host_udp_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n)
{
    struct sim_host *host = host_of(h);
    struct sim_socket *k = socket_of(host, sock);
    if (!k)
        return;
    for (size_t i = 0; i < n; i++) {
        struct sim_packet *p = out[i].len <= sizeof(p->data) ? sim_packet_new(host->sim) : NULL;
        if (!p)
            continue;
        p->src = k->local;
        p->dst = out[i].peer;
        p->ttl = out[i].ttl ? out[i].ttl : 64;
        p->len = out[i].len;
        memcpy(p->data, out[i].data, out[i].len);
        sim_originate(host->sim, host->node, p);
    }
}

static void host_wake_at(struct ph_host *h, ph_ns when)
{
    struct sim_host *host = host_of(h);
    ph_heap_remove(&host->sim->events, &host->timer.node);
    if (when != PH_NEVER)
        queue(host->sim, &host->timer, when);
}

static size_t host_local_addrs(struct ph_host *h, struct ph_addr *out, size_t cap)
{
    struct sim_host *host = host_of(h);
    const struct layout_node *n = &host->sim->layout.nodes[host->node];
    size_t count = 0;
    for (size_t i = 0; i < n->if_count && count < cap; i++) {
        if (n->ifs[i].addr.family != PH_AF_NONE)
            out[count++] = n->ifs[i].addr;
    }
    return count;
}

static size_t host_gateways(struct ph_host *h, struct ph_gateway *out, size_t cap)
{
    return world_gateways(&host_of(h)->sim->layout, host_of(h)->node, out, cap);
}

/* A layout stays as it is. */
static int host_watch_network(struct ph_host *h, bool on)
{
    (void)h;
    (void)on;
    return PH_OK;
}

static void host_trace(struct ph_host *h, const char *line)
{
    struct sim_host *host = host_of(h);
    if (host->trace)
        host->trace(host->trace_user, line);
}

static const struct ph_host_ops host_ops = {
    .now = host_now,
    .random = host_random,
    .udp_open = host_udp_open,
    .udp_close = host_udp_close,
    .udp_local = host_udp_local,
    .udp_send = host_udp_send,
    .wake_at = host_wake_at,
    .local_addrs = host_local_addrs,
    .gateways = host_gateways,
    .watch_network = host_watch_network,
    .http_start = sim_http_start,
    .http_cancel = sim_http_cancel,
    .trace = host_trace,
};

static int world_host_new(struct world *w, size_t node, void (*trace)(void *user, const char *line),
                          void *user, struct ph_host **out)
{
    struct sim *s = sim_of(w);
    if (node >= s->layout.node_count)
        return PH_ERR_INVAL;
    struct sim_host *h = calloc(1, sizeof(*h));
    if (!h)
        return PH_ERR_NOMEM;
    h->base.ops = &host_ops;
    h->sim = s;
    h->node = node;
    h->trace = trace;
    h->trace_user = user;
    ph_heap_node_init(&h->timer.node);
    h->timer.kind = SIM_EVENT_HOST_TIMER;
    h->timer.owner = h;
    uint64_t seed[3] = {s->seed, node, s->next_host++};
    ph_rng_seed(&h->rng, ph_hash64(0, seed, sizeof(seed)));
    *out = &h->base;
    return PH_OK;
}

static void world_host_free(struct world *w, struct ph_host *host)
{
    struct sim *s = sim_of(w);
    struct sim_host *h = host_of(host);
    sim_http_drop(h);
    ph_heap_remove(&s->events, &h->timer.node);
    for (struct sim_socket **p = &s->sockets; *p;) {
        struct sim_socket *k = *p;
        if (k->host == h) {
            *p = k->next;
            free(k);
        } else {
            p = &k->next;
        }
    }
    free(h);
}

static ph_ns world_now(struct world *w)
{
    return sim_of(w)->now;
}

static void world_at(struct world *w, ph_ns when, void (*fn)(void *user), void *user)
{
    struct sim *s = sim_of(w);
    struct sim_slot *slot = s->slots;
    while (slot && (slot->fn != fn || slot->user != user))
        slot = slot->next;
    if (slot)
        ph_heap_remove(&s->events, &slot->event.node);
    if (when == PH_NEVER)
        return;
    if (!slot) {
        slot = calloc(1, sizeof(*slot));
        if (!slot)
            return;
        slot->fn = fn;
        slot->user = user;
        ph_heap_node_init(&slot->event.node);
        slot->event.kind = SIM_EVENT_SLOT;
        slot->event.owner = slot;
        slot->next = s->slots;
        s->slots = slot;
    }
    queue(s, &slot->event, when);
}

static ph_ns world_take_lateness(struct world *w)
{
    (void)w;
    return 0;
}

static void world_free(struct world *w)
{
    struct sim *s = sim_of(w);
    struct ph_heap_node *node;
    while ((node = ph_heap_peek(&s->events))) {
        struct sim_event *e = (struct sim_event *)(void *)node;
        ph_heap_remove(&s->events, node);
        if (e->kind == SIM_EVENT_PACKET)
            sim_packet_free(s, (struct sim_packet *)(void *)e);
        else if (e->kind == SIM_EVENT_CALL)
            sim_router_forget(s, e->owner);
    }
    sim_routers_free(s);
    ph_heap_fini(&s->events);
    while (s->free_packets) {
        struct sim_packet *p = s->free_packets;
        s->free_packets = p->next_free;
        free(p);
    }
    while (s->slots) {
        struct sim_slot *slot = s->slots;
        s->slots = slot->next;
        free(slot);
    }
    while (s->sockets) {
        struct sim_socket *k = s->sockets;
        s->sockets = k->next;
        free(k);
    }
    for (size_t i = 0; i < s->layout.node_count; i++)
        sim_nat_free(s->nats[i]);
    free(s);
}

static const struct world_ops world_ops = {
    .host_new = world_host_new,
    .host_free = world_host_free,
    .now = world_now,
    .at = world_at,
    .take_lateness = world_take_lateness,
    .free = world_free,
};

int sim_world_new(const struct layout *layout, uint64_t seed, struct world **out,
                  struct lab_error *err)
{
    struct sim *s = calloc(1, sizeof(*s));
    if (!s)
        return lab_fail(err, LAB_BROKEN, "out of memory");
    s->layout = *layout;
    s->seed = seed;
    s->now = PH_SEC; /* nothing may depend on zero */
    s->base.ops = &world_ops;
    s->base.layout = &s->layout;
    for (size_t i = 0; i < layout->link_count; i++) {
        for (uint64_t dir = 0; dir < 2; dir++) {
            uint64_t parts[3] = {seed, i, dir};
            ph_rng_seed(&s->links[i].dir[dir].rng, ph_hash64(1, parts, sizeof(parts)));
        }
    }
    for (size_t i = 0; i < layout->node_count; i++) {
        const struct layout_node *n = &layout->nodes[i];
        if (n->kind != LAYOUT_NAT)
            continue;
        uint64_t parts[2] = {seed, i};
        struct nat_site site;
        world_nat_site(&s->layout, i, &site);
        if (sim_nat_new(&n->profile, &site, ph_hash64(2, parts, sizeof(parts)), &s->nats[i]) !=
            PH_OK) {
            world_free(&s->base);
            return lab_fail(err, LAB_BROKEN, "out of memory");
        }
    }
    if (sim_routers_new(s, err) != 0) {
        world_free(&s->base);
        return -1;
    }
    *out = &s->base;
    return 0;
}

static void sweep_sockets(struct sim *s)
{
    for (struct sim_socket **p = &s->sockets; *p;) {
        struct sim_socket *k = *p;
        if (k->closed) {
            *p = k->next;
            free(k);
        } else {
            p = &k->next;
        }
    }
    s->sweep = false;
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
        sim_forward(s, (struct sim_packet *)(void *)e);
        break;
    case SIM_EVENT_HOST_TIMER: {
        struct sim_host *h = e->owner;
        if (h->base.endpoint)
            h->base.endpoint->on_timer(h->base.endpoint, s->now);
        break;
    }
    case SIM_EVENT_SLOT: {
        struct sim_slot *slot = e->owner;
        slot->fn(slot->user);
        break;
    }
    case SIM_EVENT_CALL: {
        struct sim_call *c = e->owner;
        c->fn(s, c->user);
        break;
    }
    }
    if (s->sweep)
        sweep_sockets(s);
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
    struct sim_packet *p = len <= sizeof(p->data) ? sim_packet_new(s) : NULL;
    if (!p)
        return;
    p->src = *src;
    p->dst = *dst;
    p->ttl = 64;
    p->len = len;
    memcpy(p->data, data, len);
    sim_originate(s, node, p);
}
