/* A little internet in memory for the tests of the relay: hosts, virtual time, a fixed delay, and
 * counters of the bytes that the subject has received and sent. */
#ifndef TESTS_RELAY_FAKE_NET_H
#define TESTS_RELAY_FAKE_NET_H

#include "base/err.h"
#include "base/rng.h"
#include "host/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_SOCKS 64
#define FAKE_HOSTS 80
#define FAKE_QUEUE 8192
#define FAKE_DELAY (10 * PH_MS)

struct fake_net;

struct fake_host {
    struct ph_host base; /* first */
    struct fake_net *net;
    struct ph_addr ip;
    ph_ns wake;
    struct ph_rng rng;
    struct ph_addr socks[FAKE_SOCKS]; /* family NONE: free */
    uint64_t bytes_in, bytes_out, packets_in, packets_out, sends;
    /* What was last sent to a stranger, an address that no host has. */
    struct ph_addr stray_to, stray_from;
    uint8_t stray[PH_DATAGRAM_MAX];
    size_t stray_len;
    unsigned strays;
};

struct fake_packet {
    ph_ns at;
    struct ph_addr from, to;
    size_t len;
    uint8_t data[PH_DATAGRAM_MAX];
};

struct fake_net {
    ph_ns now;
    struct fake_host *hosts[FAKE_HOSTS];
    size_t host_count;
    struct fake_packet *queue; /* in order of time: the delay is the same for all */
    size_t head, tail;
};

static inline struct fake_host *fake_of(struct ph_host *h)
{
    return (struct fake_host *)h;
}

static inline ph_ns fake_now(struct ph_host *h)
{
    return fake_of(h)->net->now;
}

static inline void fake_random(struct ph_host *h, void *out, size_t len)
{
    ph_rng_fill(&fake_of(h)->rng, out, len);
}

static inline int fake_open(struct ph_host *h, const struct ph_addr *local, ph_sock *out)
{
    struct fake_host *host = fake_of(h);

    for (uint32_t i = 0; i < FAKE_SOCKS; i++) {
        if (ph_addr_is_set(&host->socks[i]) && ph_addr_eq(&host->socks[i], local)) {
            return PH_ERR_SYS;
        }
    }
    for (uint32_t i = 0; i < FAKE_SOCKS; i++) {
        if (!ph_addr_is_set(&host->socks[i])) {
            host->socks[i] = *local;
            if (ph_addr_is_any(local)) {
                memcpy(host->socks[i].ip, host->ip.ip, sizeof(host->ip.ip));
            }
            if (local->port == 0) {
                host->socks[i].port = (uint16_t)(50000 + i);
            }
            *out = i + 1;
            return PH_OK;
        }
    }
    return PH_ERR_SYS;
}

static inline void fake_close(struct ph_host *h, ph_sock sock)
{
    fake_of(h)->socks[sock - 1] = (struct ph_addr){0};
}

static inline struct ph_addr fake_local(struct ph_host *h, ph_sock sock)
{
    return fake_of(h)->socks[sock - 1];
}

static inline void fake_inject(struct fake_net *net, const struct ph_addr *from,
                               const struct ph_addr *to, const void *data, size_t len)
{
    struct fake_packet *p = &net->queue[net->tail % FAKE_QUEUE];

    assert_true(net->tail - net->head < FAKE_QUEUE);
    assert_true(len <= sizeof(p->data));
    p->at = net->now + FAKE_DELAY;
    p->from = *from;
    p->to = *to;
    p->len = len;
    if (len > 0) {
        memcpy(p->data, data, len);
    }
    net->tail++;
}

static inline void fake_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out,
                             size_t n)
{
    struct fake_host *host = fake_of(h);

    assert_true(n > 0);
    host->sends++;
    for (size_t i = 0; i < n; i++) {
        assert_true(out[i].len <= PH_DATAGRAM_MAX);
        host->bytes_out += out[i].len;
        host->packets_out++;
        fake_inject(host->net, &host->socks[sock - 1], &out[i].peer, out[i].data, out[i].len);
    }
}

static inline void fake_wake(struct ph_host *h, ph_ns when)
{
    fake_of(h)->wake = when;
}

static inline size_t fake_addrs(struct ph_host *h, struct ph_addr *out, size_t cap)
{
    if (cap == 0) {
        return 0;
    }
    out[0] = fake_of(h)->ip;
    return 1;
}

static const struct ph_host_ops fake_ops = {
    .now = fake_now,
    .random = fake_random,
    .udp_open = fake_open,
    .udp_close = fake_close,
    .udp_local = fake_local,
    .udp_send = fake_send,
    .wake_at = fake_wake,
    .local_addrs = fake_addrs,
};

static inline struct fake_net *fake_net_new(void)
{
    struct fake_net *net = calloc(1, sizeof(*net));

    assert_non_null(net);
    net->queue = calloc(FAKE_QUEUE, sizeof(*net->queue));
    assert_non_null(net->queue);
    net->now = 1000 * PH_SEC;
    return net;
}

static inline void fake_net_free(struct fake_net *net)
{
    for (size_t i = 0; i < net->host_count; i++) {
        free(net->hosts[i]);
    }
    free(net->queue);
    free(net);
}

/* The i-th host is 192.0.2.i, unless its sockets are bound to something else. */
static inline struct fake_host *fake_host_new(struct fake_net *net)
{
    struct fake_host *host = calloc(1, sizeof(*host));

    assert_non_null(host);
    assert_true(net->host_count < FAKE_HOSTS);
    host->base.ops = &fake_ops;
    host->net = net;
    host->wake = PH_NEVER;
    net->hosts[net->host_count++] = host;
    host->ip = ph_addr_v4(192, 0, 2, (uint8_t)net->host_count, 0);
    ph_rng_seed(&host->rng, net->host_count);
    return host;
}

static inline void fake_deliver(struct fake_net *net, const struct fake_packet *p)
{
    for (size_t i = 0; i < net->host_count; i++) {
        struct fake_host *host = net->hosts[i];

        for (uint32_t s = 0; s < FAKE_SOCKS; s++) {
            struct ph_datagram d = {.peer = p->from, .data = p->data, .len = p->len};

            if (!ph_addr_is_set(&host->socks[s]) || !ph_addr_eq(&host->socks[s], &p->to)) {
                continue;
            }
            host->bytes_in += p->len;
            host->packets_in++;
            if (host->base.endpoint) {
                host->base.endpoint->on_datagrams(host->base.endpoint, net->now, s + 1, &d, 1);
            }
            return;
        }
    }
    /* To nobody: noted at the sender. */
    for (size_t i = 0; i < net->host_count; i++) {
        for (uint32_t s = 0; s < FAKE_SOCKS; s++) {
            struct fake_host *host = net->hosts[i];

            if (ph_addr_is_set(&host->socks[s]) && ph_addr_eq(&host->socks[s], &p->from)) {
                host->stray_to = p->to;
                host->stray_from = p->from;
                memcpy(host->stray, p->data, p->len);
                host->stray_len = p->len;
                host->strays++;
            }
        }
    }
}

/* Handles the next event that is due by `end`; false when there is none. */
static inline bool fake_step(struct fake_net *net, ph_ns end)
{
    struct fake_packet *p = net->head < net->tail ? &net->queue[net->head % FAKE_QUEUE] : NULL;
    ph_ns at = p ? p->at : PH_NEVER;
    struct fake_host *timer = NULL;

    for (size_t i = 0; i < net->host_count; i++) {
        if (net->hosts[i]->wake < at) {
            at = net->hosts[i]->wake;
            timer = net->hosts[i];
        }
    }
    if (at > end || at == PH_NEVER) {
        return false;
    }
    net->now = ph_max_ns(net->now, at);
    if (timer) {
        timer->wake = PH_NEVER;
        if (timer->base.endpoint) {
            timer->base.endpoint->on_timer(timer->base.endpoint, net->now);
        }
    } else {
        struct fake_packet copy = *p;

        net->head++;
        fake_deliver(net, &copy);
    }
    return true;
}

static inline void fake_run(struct fake_net *net, ph_ns time)
{
    ph_ns end = net->now + time;

    while (fake_step(net, end)) {
    }
    net->now = end;
}

#endif
