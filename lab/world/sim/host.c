/* ph_host in the simulator: an endpoint's clock, chance, sockets and timer. */
#include "base/err.h"
#include "lab/world/gateways.h"
#include "lab/world/sim/forward.h"
#include "lab/world/sim/private.h"
#include "lab/world/sim/router.h"

#include <stdlib.h>

struct sim_host *sim_host_of(struct ph_host *h)
{
    return (struct sim_host *)(void *)h;
}

static ph_ns host_now(struct ph_host *h)
{
    return sim_host_of(h)->sim->now;
}

static void host_random(struct ph_host *h, void *out, size_t len)
{
    ph_rng_fill(&sim_host_of(h)->rng, out, len);
}

static int host_udp_open(struct ph_host *h, const struct ph_addr *local, ph_sock *out)
{
    return sim_socket_open(sim_host_of(h), local, out);
}

static void host_udp_close(struct ph_host *h, ph_sock sock)
{
    sim_socket_close(sim_host_of(h), sock);
}

static struct ph_addr host_udp_local(struct ph_host *h, ph_sock sock)
{
    const struct sim_socket *k = sim_socket_of(sim_host_of(h), sock);
    return k != NULL ? k->local : (struct ph_addr){0};
}

static void host_udp_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n)
{
    struct sim_host *host = sim_host_of(h);
    const struct sim_socket *k = sim_socket_of(host, sock);
    if (k == NULL)
        return;
    struct ph_addr local = k->local;
    for (size_t i = 0; i < n; i++) {
        struct sim_packet *p = sim_packet_new(host->sim, out[i].data, out[i].len);
        if (p == NULL)
            continue;
        p->src = local;
        p->dst = out[i].peer;
        p->ttl = out[i].ttl != 0 ? out[i].ttl : 64;
        sim_originate(host->sim, host->node, p);
    }
}

static void on_timer(struct sim *s, void *user)
{
    struct sim_host *host = user;
    if (host->base.endpoint)
        host->base.endpoint->on_timer(host->base.endpoint, s->now);
}

static void host_wake_at(struct ph_host *h, ph_ns when)
{
    sim_call_at(sim_host_of(h)->sim, &sim_host_of(h)->timer, when);
}

static size_t host_local_addrs(struct ph_host *h, struct ph_addr *out, size_t cap)
{
    struct sim_host *host = sim_host_of(h);
    const struct layout_node *n = &host->sim->layout.nodes[host->node];
    size_t count = 0;
    if (sim_is_down(host->sim, host->node))
        return 0;
    for (size_t i = 0; i < n->if_count && count < cap; i++) {
        if (ph_addr_is_set(&n->ifs[i].addr))
            out[count++] = n->ifs[i].addr;
        if (ph_addr_is_set(&n->ifs[i].addr6) && count < cap)
            out[count++] = n->ifs[i].addr6;
    }
    return count;
}

static size_t host_gateways(struct ph_host *h, struct ph_gateway *out, size_t cap)
{
    struct sim_host *host = sim_host_of(h);
    if (sim_is_down(host->sim, host->node))
        return 0;
    return world_gateways(&host->sim->layout, host->node, out, cap);
}

static int host_watch_network(struct ph_host *h, bool on)
{
    sim_host_of(h)->watches = on;
    return PH_OK;
}

static void on_network(struct sim *s, void *user)
{
    struct sim_host *host = user;
    struct ph_endpoint *ep = host->base.endpoint;
    if (host->watches && ep && ep->on_network)
        ep->on_network(ep, s->now);
}

void sim_hosts_changed(struct sim *s, size_t node)
{
    for (struct sim_host *h = s->hosts; h; h = h->next)
        if (h->node == node)
            sim_call_at(s, &h->network, s->now);
}

static bool host_nat64(struct ph_host *h, struct ph_nat64 *out)
{
    struct sim_host *host = sim_host_of(h);
    return layout_nat64_of(&host->sim->layout, host->node, out);
}

static void host_trace(struct ph_host *h, const char *line)
{
    struct sim_host *host = sim_host_of(h);
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
    .nat64 = host_nat64,
    .trace = host_trace,
};

int sim_host_new(struct world *w, size_t node, void (*trace)(void *user, const char *line),
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
    sim_call_init(&h->timer, on_timer, h);
    sim_call_init(&h->network, on_network, h);
    uint64_t seed[3] = {s->seed, node, s->next_host++};
    ph_rng_seed(&h->rng, ph_hash64(0, seed, sizeof(seed)));
    h->next = s->hosts;
    s->hosts = h;
    *out = &h->base;
    return PH_OK;
}

void sim_host_free(struct world *w, struct ph_host *host)
{
    struct sim *s = sim_of(w);
    struct sim_host *h = sim_host_of(host);
    sim_http_drop(h);
    struct sim_host **at = &s->hosts;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    sim_call_at(s, &h->timer, PH_NEVER);
    sim_call_at(s, &h->network, PH_NEVER);
    sim_sockets_drop(h);
    free(h);
}
