#include "base/err.h"
#include "host/gateway.h"
#include "host/http.h"
#include "host/loop_private.h"
#include "host/own_addrs.h"
#include "host/sockaddr.h"
#include "host/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

static struct ph_loop_host *host_of(struct ph_host *h)
{
    return (struct ph_loop_host *)h;
}

static struct ph_loop_sock *sock_of(struct ph_host *h, ph_sock name)
{
    struct ph_loop_sock *s = ph_slots_get(&host_of(h)->loop->socks, name);

    return s && s->host == host_of(h) ? s : NULL;
}

static ph_ns op_now(struct ph_host *h)
{
    return ph_loop_now(host_of(h)->loop);
}

static void op_random(struct ph_host *h, void *out, size_t len)
{
    uint8_t *p = out;

    (void)h;
    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);

        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            abort(); /* no secret may ever be made of what was in memory */
        }
        p += got;
        len -= (size_t)got;
    }
}

static void sock_free(struct ph_loop_sock *s)
{
    if (s->prev) {
        s->prev->next = s->next;
    } else {
        s->host->socks = s->next;
    }
    if (s->next) {
        s->next->prev = s->prev;
    }
    ph_slots_remove(&s->host->loop->socks, s->name);
    close(s->fd);
    free(s);
}

static int op_udp_open(struct ph_host *h, const struct ph_addr *local, ph_sock *out)
{
    struct ph_loop_host *host = host_of(h);
    struct ph_loop *loop = host->loop;
    struct ph_loop_sock *s = calloc(1, sizeof(*s));
    struct epoll_event ev = {.events = EPOLLIN};
    int err;

    if (!s) {
        return PH_ERR_NOMEM;
    }
    s->host = host;
    s->fd = -1;
    err = ph_netns_enter(&loop->netns, host->config.netns_fd);
    if (err) {
        goto fail;
    }
    err = ph_udp_open(local, host->config.rcvbuf_bytes, &s->fd, &s->local);
    ph_netns_leave(&loop->netns, host->config.netns_fd);
    if (err) {
        goto fail;
    }
    err = ph_slots_add(&loop->socks, s, &s->name);
    if (err) {
        goto fail;
    }
    ev.data.u64 = PH_LOOP_KIND_SOCK | s->name;
    if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, s->fd, &ev) < 0) {
        ph_slots_remove(&loop->socks, s->name);
        err = PH_ERR_SYS;
        goto fail;
    }
    s->next = host->socks;
    if (s->next) {
        s->next->prev = s;
    }
    host->socks = s;
    *out = s->name;
    return PH_OK;

fail:
    if (s->fd >= 0) {
        close(s->fd);
    }
    free(s);
    return err;
}

static void op_udp_close(struct ph_host *h, ph_sock name)
{
    struct ph_loop_sock *s = sock_of(h, name);

    if (s) {
        sock_free(s);
    }
}

static struct ph_addr op_udp_local(struct ph_host *h, ph_sock name)
{
    struct ph_loop_sock *s = sock_of(h, name);

    return s ? s->local : (struct ph_addr){0};
}

static void op_udp_send(struct ph_host *h, ph_sock name, const struct ph_datagram *out, size_t n)
{
    struct ph_loop_sock *s = sock_of(h, name);

    if (s) {
        ph_udp_send(host_of(h)->loop->io, s->fd, s->local.family, host_of(h)->config.join, out, n);
    }
}

static void op_wake_at(struct ph_host *h, ph_ns when)
{
    struct ph_loop_host *host = host_of(h);
    struct ph_heap_node *node = &host->timer.node;

    /* What was due before it was asked for is not late yet. */
    when = ph_max_ns(when, ph_max_ns(host->loop->floor, ph_loop_now(host->loop)));
    if (host->dead || node->key == when) {
        return;
    }
    /* Every host's node is in the heap for life, at PH_NEVER when idle: taking it out makes the
     * place that it goes back to, so this cannot fail. */
    ph_heap_remove(&host->loop->timers, node);
    ph_heap_add(&host->loop->timers, node, when);
}

static size_t op_local_addrs(struct ph_host *h, struct ph_addr *out, size_t cap)
{
    struct ph_loop_host *host = host_of(h);
    size_t n = 0;

    if (host->config.addrs) {
        while (n < cap && n < host->config.addr_count) {
            out[n] = host->config.addrs[n];
            n++;
        }
        return n;
    }
    if (ph_netns_enter(&host->loop->netns, host->config.netns_fd)) {
        return 0;
    }
    n = ph_own_addrs(out, cap);
    ph_netns_leave(&host->loop->netns, host->config.netns_fd);
    return n;
}

static size_t op_gateways(struct ph_host *h, struct ph_gateway *out, size_t cap)
{
    struct ph_loop_host *host = host_of(h);
    struct ph_network *net;
    size_t n = 0;

    if (host->config.addrs) {
        while (n < cap && n < host->config.gateway_count) {
            out[n] = host->config.gateways[n];
            n++;
        }
        return n;
    }
    net = malloc(sizeof(*net));
    if (net && ph_netns_enter(&host->loop->netns, host->config.netns_fd) == PH_OK) {
        int err = ph_network_ask(net);

        ph_netns_leave(&host->loop->netns, host->config.netns_fd);
        n = err ? 0 : ph_network_gateways(net, out, cap);
    }
    free(net);
    return n;
}

static void network_changed(void *user)
{
    struct ph_loop_host *host = user;
    struct ph_endpoint *ep = host->base.endpoint;

    if (ep && ep->on_network) {
        ep->on_network(ep, ph_loop_now(host->loop));
    }
}

static int op_watch_network(struct ph_host *h, bool on)
{
    struct ph_loop_host *host = host_of(h);
    struct ph_watch_config config = {
        .loop = host->loop,
        .netns = &host->loop->netns,
        .netns_fd = host->config.netns_fd,
        .compare = host->config.addrs == NULL,
        .on_change = network_changed,
        .user = host,
    };

    if (!on) {
        ph_watch_free(host->watch);
        host->watch = NULL;
        return PH_OK;
    }
    return host->watch || host->dead ? PH_OK : ph_watch_new(&config, &host->watch);
}

static void http_done(void *user, ph_http id, const struct ph_http_answer *answer)
{
    struct ph_loop_host *host = user;
    struct ph_endpoint *ep = host->base.endpoint;

    if (ep && ep->on_http) {
        ep->on_http(ep, ph_loop_now(host->loop), id, answer);
    }
}

static int op_http_start(struct ph_host *h, const struct ph_http_request *request, ph_http *out)
{
    struct ph_loop_host *host = host_of(h);
    struct ph_http_config config = {
        .loop = host->loop,
        .netns = &host->loop->netns,
        .netns_fd = host->config.netns_fd,
        .on_done = http_done,
        .user = host,
    };
    int err = PH_OK;

    if (host->dead) {
        return PH_ERR_INVAL;
    }
    if (!host->http) {
        err = ph_http_client_new(&config, &host->http);
    }
    return err ? err : ph_http_client_start(host->http, request, out);
}

static void op_http_cancel(struct ph_host *h, ph_http id)
{
    struct ph_loop_host *host = host_of(h);

    if (host->http) {
        ph_http_client_cancel(host->http, id);
    }
}

static bool op_nat64(struct ph_host *h, struct ph_nat64 *out)
{
    *out = host_of(h)->config.nat64;
    return out->bits != 0;
}

static void op_trace(struct ph_host *h, const char *line)
{
    struct ph_loop_host *host = host_of(h);

    host->config.trace(host->config.trace_user, line);
}

static const struct ph_host_ops quiet_ops = {
    .now = op_now,
    .random = op_random,
    .udp_open = op_udp_open,
    .udp_close = op_udp_close,
    .udp_local = op_udp_local,
    .udp_send = op_udp_send,
    .wake_at = op_wake_at,
    .local_addrs = op_local_addrs,
    .gateways = op_gateways,
    .watch_network = op_watch_network,
    .http_start = op_http_start,
    .http_cancel = op_http_cancel,
    .nat64 = op_nat64,
    .trace = NULL,
};

static const struct ph_host_ops traced_ops = {
    .now = op_now,
    .random = op_random,
    .udp_open = op_udp_open,
    .udp_close = op_udp_close,
    .udp_local = op_udp_local,
    .udp_send = op_udp_send,
    .wake_at = op_wake_at,
    .local_addrs = op_local_addrs,
    .gateways = op_gateways,
    .watch_network = op_watch_network,
    .http_start = op_http_start,
    .http_cancel = op_http_cancel,
    .nat64 = op_nat64,
    .trace = op_trace,
};

int ph_loop_host_new(struct ph_loop *loop, const struct ph_loop_host_config *config,
                     struct ph_host **out)
{
    struct ph_loop_host *host = calloc(1, sizeof(*host));
    int err;

    if (!host) {
        return PH_ERR_NOMEM;
    }
    host->loop = loop;
    host->config = *config;
    host->base.ops = config->trace ? &traced_ops : &quiet_ops;
    host->timer.kind = PH_LOOP_TIMER_HOST;
    ph_heap_node_init(&host->timer.node);
    err = ph_heap_add(&loop->timers, &host->timer.node, PH_NEVER);
    if (err) {
        free(host);
        return err;
    }
    host->next = loop->hosts;
    if (host->next) {
        host->next->prev = host;
    }
    loop->hosts = host;
    *out = &host->base;
    return PH_OK;
}

void ph_loop_host_free(struct ph_host *h)
{
    struct ph_loop_host *host;
    struct ph_loop *loop;

    if (!h) {
        return;
    }
    host = host_of(h);
    loop = host->loop;
    if (host->dead) {
        return;
    }
    host->dead = true;
    host->base.endpoint = NULL;
    while (host->socks) {
        sock_free(host->socks);
    }
    ph_watch_free(host->watch);
    host->watch = NULL;
    ph_http_client_free(host->http);
    host->http = NULL;
    ph_heap_remove(&loop->timers, &host->timer.node);
    if (host->prev) {
        host->prev->next = host->next;
    } else {
        loop->hosts = host->next;
    }
    if (host->next) {
        host->next->prev = host->prev;
    }
    host->next = loop->graveyard;
    loop->graveyard = host;
    if (!loop->dispatching) {
        ph_loop_bury(loop);
    }
}

void ph_loop_bury(struct ph_loop *loop)
{
    while (loop->graveyard) {
        struct ph_loop_host *host = loop->graveyard;

        loop->graveyard = host->next;
        free(host);
    }
}

/* So many datagrams of a host's within its time to gather are fast. */
#define GATHER_WORTH 4
/* How often that is judged anew. */
#define GATHER_JUDGE (5 * PH_MS)

static void gather(struct ph_loop_host *host, ph_ns now, size_t n)
{
    ph_ns elapsed = now - host->counting_since;

    if (host->config.gather == 0) {
        return;
    }
    host->counted += n;
    if (elapsed >= GATHER_JUDGE) {
        host->fast = host->counted * host->config.gather >= GATHER_WORTH * elapsed;
        host->counting_since = now;
        host->counted = 0;
    }
    /* After a full batch more is there already. */
    if (host->fast && n < PH_DATAGRAMS_MAX) {
        host->loop->gather_until = now + host->config.gather;
    }
}

void ph_loop_host_readable(struct ph_loop *loop, uint32_t name)
{
    struct ph_loop_sock *s = ph_slots_get(&loop->socks, name);
    const struct ph_datagram *in;
    struct ph_endpoint *ep;
    size_t n;

    if (!s) {
        return; /* closed by an earlier event of this step */
    }
    n = ph_udp_receive(loop->io, s->fd, &in);
    ep = s->host->base.endpoint;
    if (n > 0 && ep) {
        ph_ns now = ph_loop_now(loop);

        gather(s->host, now, n);
        ep->on_datagrams(ep, now, name, in, n);
    }
}

void ph_loop_host_fire(struct ph_loop_timer *timer, ph_ns now)
{
    struct ph_loop_host *host =
        (struct ph_loop_host *)(void *)((char *)timer - offsetof(struct ph_loop_host, timer));
    struct ph_endpoint *ep = host->base.endpoint;

    op_wake_at(&host->base, PH_NEVER);
    if (ep) {
        ep->on_timer(ep, now);
    }
}
