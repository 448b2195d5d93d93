#include "path/clat.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define LOCALS_MAX 64
#define BATCH      64
/* More than a call may open (nat/plan.h) with all surveys. */
#define SOCKETS_MAX 4096

struct ph_clat {
    struct ph_host base;         /* first: what stands on top sees this */
    struct ph_endpoint endpoint; /* what the host below calls */
    struct ph_host *below;
    struct ph_nat64 nat64;
    ph_sock *v4; /* the sockets that are IPv4 ones to the top */
    size_t v4_count, v4_cap;
};

static struct ph_clat *of_host(struct ph_host *h)
{
    return (struct ph_clat *)(void *)h;
}

static struct ph_clat *of_endpoint(struct ph_endpoint *ep)
{
    return (struct ph_clat *)(void *)((char *)ep - offsetof(struct ph_clat, endpoint));
}

/* The address of its own that the host has in the translated world: nobody else can use it. */
static struct ph_addr own_v4(void)
{
    return ph_addr_v4(192, 0, 0, 1, 0); /* RFC 7335 */
}

/* ---- Down */

static ph_ns op_now(struct ph_host *h)
{
    return ph_host_now(of_host(h)->below);
}

static void op_random(struct ph_host *h, void *out, size_t len)
{
    ph_host_random(of_host(h)->below, out, len);
}

static size_t find_v4(const struct ph_clat *c, ph_sock sock)
{
    size_t i = 0;
    while (i < c->v4_count && c->v4[i] != sock)
        i++;
    return i;
}

static bool room_for_v4(struct ph_clat *c)
{
    if (c->v4_count < c->v4_cap)
        return true;
    size_t cap = c->v4_cap == 0 ? 16 : 2 * c->v4_cap;
    ph_sock *wider = cap <= SOCKETS_MAX ? realloc(c->v4, cap * sizeof(*wider)) : NULL;
    if (!wider)
        return false;
    c->v4 = wider;
    c->v4_cap = cap;
    return true;
}

static int op_udp_open(struct ph_host *h, const struct ph_addr *local, ph_sock *out)
{
    struct ph_clat *c = of_host(h);
    struct ph_addr any = {.family = PH_AF_V6, .port = local->port};
    struct ph_addr own = own_v4();
    if (local->family != PH_AF_V4)
        return c->below->ops->udp_open(c->below, local, out);
    if (!ph_addr_is_any(local) && !ph_addr_ip_eq(local, &own))
        return PH_ERR_SYS;
    if (!room_for_v4(c))
        return PH_ERR_NOMEM;
    int err = c->below->ops->udp_open(c->below, &any, out);
    if (err != PH_OK && any.port != 0) {
        /* A port that an IPv6 socket of ours may have; which one it is nobody counts on. */
        any.port = 0;
        err = c->below->ops->udp_open(c->below, &any, out);
    }
    if (err == PH_OK)
        c->v4[c->v4_count++] = *out;
    return err;
}

static void op_udp_close(struct ph_host *h, ph_sock sock)
{
    struct ph_clat *c = of_host(h);
    size_t i = find_v4(c, sock);
    if (i < c->v4_count)
        c->v4[i] = c->v4[--c->v4_count];
    c->below->ops->udp_close(c->below, sock);
}

static struct ph_addr op_udp_local(struct ph_host *h, ph_sock sock)
{
    struct ph_clat *c = of_host(h);
    struct ph_addr a = c->below->ops->udp_local(c->below, sock);
    return find_v4(c, sock) < c->v4_count ? ph_addr_v4(0, 0, 0, 0, a.port) : a;
}

static void op_udp_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n)
{
    struct ph_clat *c = of_host(h);
    struct ph_datagram batch[BATCH];
    while (n > 0) {
        size_t k = n < BATCH ? n : BATCH;
        for (size_t i = 0; i < k; i++) {
            batch[i] = out[i];
            if (out[i].peer.family == PH_AF_V4)
                batch[i].peer = ph_nat64_embed(&c->nat64, &out[i].peer);
        }
        c->below->ops->udp_send(c->below, sock, batch, k);
        out += k;
        n -= k;
    }
}

static void op_wake_at(struct ph_host *h, ph_ns when)
{
    struct ph_clat *c = of_host(h);
    c->below->ops->wake_at(c->below, when);
}

static size_t op_local_addrs(struct ph_host *h, struct ph_addr *out, size_t cap)
{
    struct ph_clat *c = of_host(h);
    size_t n = c->below->ops->local_addrs(c->below, out, cap);
    if (n < cap)
        out[n++] = own_v4();
    return n;
}

static size_t op_gateways(struct ph_host *h, struct ph_gateway *out, size_t cap)
{
    struct ph_clat *c = of_host(h);
    return c->below->ops->gateways ? c->below->ops->gateways(c->below, out, cap) : 0;
}

static int op_watch_network(struct ph_host *h, bool on)
{
    struct ph_clat *c = of_host(h);
    return c->below->ops->watch_network ? c->below->ops->watch_network(c->below, on) : PH_ERR_SYS;
}

static int op_http_start(struct ph_host *h, const struct ph_http_request *request, ph_http *out)
{
    struct ph_clat *c = of_host(h);
    return c->below->ops->http_start ? c->below->ops->http_start(c->below, request, out)
                                     : PH_ERR_SYS;
}

static void op_http_cancel(struct ph_host *h, ph_http id)
{
    struct ph_clat *c = of_host(h);
    if (c->below->ops->http_cancel)
        c->below->ops->http_cancel(c->below, id);
}

static void op_trace(struct ph_host *h, const char *line)
{
    struct ph_clat *c = of_host(h);
    c->below->ops->trace(c->below, line);
}

#define OPS                                                                                        \
    .now = op_now, .random = op_random, .udp_open = op_udp_open, .udp_close = op_udp_close,        \
    .udp_local = op_udp_local, .udp_send = op_udp_send, .wake_at = op_wake_at,                     \
    .local_addrs = op_local_addrs, .gateways = op_gateways, .watch_network = op_watch_network,     \
    .http_start = op_http_start, .http_cancel = op_http_cancel

static const struct ph_host_ops quiet_ops = {OPS};
static const struct ph_host_ops traced_ops = {OPS, .trace = op_trace};

/* ---- Up */

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct ph_clat *c = of_endpoint(ep);
    struct ph_datagram batch[BATCH];
    bool v4 = find_v4(c, sock) < c->v4_count;
    while (n > 0 && c->base.endpoint) {
        size_t taken = n < BATCH ? n : BATCH, k = 0;
        for (size_t i = 0; i < taken; i++) {
            batch[k] = in[i];
            /* To an IPv4 socket nobody comes by IPv6. */
            if (!v4 || ph_nat64_extract(&c->nat64, &in[i].peer, &batch[k].peer))
                k++;
        }
        if (k > 0)
            c->base.endpoint->on_datagrams(c->base.endpoint, now, sock, batch, k);
        in += taken;
        n -= taken;
    }
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct ph_endpoint *top = of_endpoint(ep)->base.endpoint;
    if (top)
        top->on_timer(top, now);
}

static void on_http(struct ph_endpoint *ep, ph_ns now, ph_http id,
                    const struct ph_http_answer *answer)
{
    struct ph_endpoint *top = of_endpoint(ep)->base.endpoint;
    if (top && top->on_http)
        top->on_http(top, now, id, answer);
}

static void on_network(struct ph_endpoint *ep, ph_ns now)
{
    struct ph_endpoint *top = of_endpoint(ep)->base.endpoint;
    if (top && top->on_network)
        top->on_network(top, now);
}

/* ---- Life */

static bool has_v4(struct ph_host *h)
{
    struct ph_addr local[LOCALS_MAX];
    size_t n = h->ops->local_addrs(h, local, LOCALS_MAX);
    for (size_t i = 0; i < n; i++) {
        local[i].port = 1;
        if (local[i].family == PH_AF_V4 && !ph_addr_is_unusable(&local[i]))
            return true;
    }
    return false;
}

int ph_clat_new(struct ph_host *below, struct ph_clat **out)
{
    struct ph_nat64 nat64;
    *out = NULL;
    if (!below->ops->nat64 || !below->ops->nat64(below, &nat64) || nat64.bits == 0 || has_v4(below))
        return PH_OK;
    struct ph_clat *c = calloc(1, sizeof(*c));
    if (!c)
        return PH_ERR_NOMEM;
    c->base.ops = below->ops->trace ? &traced_ops : &quiet_ops;
    c->endpoint = (struct ph_endpoint){on_datagrams, on_timer, on_http, on_network};
    c->below = below;
    c->nat64 = nat64;
    below->endpoint = &c->endpoint;
    *out = c;
    return PH_OK;
}

void ph_clat_free(struct ph_clat *c)
{
    if (!c)
        return;
    if (c->below->endpoint == &c->endpoint)
        c->below->endpoint = NULL;
    free(c->v4);
    free(c);
}

struct ph_host *ph_clat_host(struct ph_clat *c)
{
    return &c->base;
}
