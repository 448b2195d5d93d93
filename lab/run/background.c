#include "lab/run/background.h"

#include "base/err.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

#define DISCARD_PORT 9 /* RFC 863; nobody listens */
#define SOURCES_MAX  8
/* However late the machine is, it makes up for this many flows at once and no more. */
#define BURST_MAX 16

struct source {
    struct ph_endpoint endpoint; /* first */
    struct ph_host *host;
    struct ph_rng rng;
    struct ph_addr local, to;
    double mean_gap_ns;
    ph_ns next;
};

struct background {
    struct world *world;
    struct source sources[SOURCES_MAX];
    size_t count;
};

static ph_ns gap(struct source *s)
{
    double g = -log(1.0 - ph_rng_unit(&s->rng)) * s->mean_gap_ns;
    return g < 60e9 ? (ph_ns)g : 60 * PH_SEC;
}

static void open_flow(struct source *s)
{
    static const uint8_t nothing[12] = {0};
    struct ph_datagram d = {.peer = s->to, .data = nothing, .len = sizeof(nothing)};
    ph_sock sock;
    if (s->host->ops->udp_open(s->host, &s->local, &sock) != PH_OK)
        return;
    s->host->ops->udp_send(s->host, sock, &d, 1);
    s->host->ops->udp_close(s->host, sock);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct source *s = (struct source *)(void *)ep;
    for (int i = 0; i < BURST_MAX && s->next <= now; i++) {
        open_flow(s);
        s->next += gap(s);
    }
    s->next = ph_max_ns(s->next, now);
    s->host->ops->wake_at(s->host, s->next);
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    (void)ep, (void)now, (void)sock, (void)in, (void)n;
}

/* A host behind the NAT; of several NATs one behind another, the innermost's. */
static size_t host_behind(const struct layout *l, size_t nat)
{
    for (size_t i = 0; i < l->node_count; i++) {
        if (l->nodes[i].kind != LAYOUT_HOST || l->nodes[i].runs != TOPO_RUNS_PEER)
            continue;
        for (size_t at = l->nodes[i].upstream; at != SIZE_MAX; at = l->nodes[at].upstream)
            if (at == nat)
                return i;
    }
    return SIZE_MAX;
}

int background_start(struct world *w, size_t to, uint64_t seed, struct background **out)
{
    const struct layout *l = w->layout;
    *out = NULL;
    struct background *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return PH_ERR_NOMEM;
    b->world = w;
    for (size_t i = 0; i < l->node_count && b->count < SOURCES_MAX; i++) {
        const struct layout_node *n = &l->nodes[i];
        size_t node = n->kind == LAYOUT_NAT ? host_behind(l, i) : SIZE_MAX;
        if (node == SIZE_MAX || n->profile.background.hosts == 0 ||
            n->profile.background.flows_per_second == 0)
            continue;
        struct source *s = &b->sources[b->count];
        int rc = w->ops->host_new(w, node, NULL, NULL, &s->host);
        if (rc != PH_OK) {
            background_stop(b);
            return rc;
        }
        b->count++;
        uint64_t parts[2] = {seed, i};
        ph_rng_seed(&s->rng, ph_hash64(3, parts, sizeof(parts)));
        s->endpoint = (struct ph_endpoint){.on_datagrams = on_datagrams, .on_timer = on_timer};
        s->host->endpoint = &s->endpoint;
        s->local = ph_addr_v4(0, 0, 0, 0, 0);
        s->to = l->nodes[to].addrs[0];
        s->to.port = DISCARD_PORT;
        s->mean_gap_ns = 1e9 / (double)n->profile.background.flows_per_second;
        s->next = w->ops->now(w) + gap(s);
        s->host->ops->wake_at(s->host, s->next);
    }
    if (b->count == 0) {
        free(b);
        return PH_OK;
    }
    *out = b;
    return PH_OK;
}

void background_stop(struct background *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->count; i++)
        b->world->ops->host_free(b->world, b->sources[i].host);
    free(b);
}
