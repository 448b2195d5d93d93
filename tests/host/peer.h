/* An endpoint on a host of the real loop, which notes what happens to it. Everything waits on an
 * event with a deadline of ten seconds that only a failure meets. */
#ifndef TESTS_HOST_PEER_H
#define TESTS_HOST_PEER_H

#include "base/err.h"
#include "host/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE (10 * PH_SEC)

struct peer {
    struct ph_endpoint ep; /* first */
    struct ph_host *host;
    ph_sock sock;
    struct ph_addr addr;
    size_t received;
    size_t largest_batch;
    uint64_t sum; /* of the first four bytes of all datagrams */
    uint8_t last[PH_DATAGRAM_MAX];
    size_t last_len;
    struct ph_addr from;
    ph_sock last_sock;
    bool echo;
    bool free_host_on_receipt;
    unsigned fired;
    ph_ns fired_at;
    ph_ns again_at; /* wake_at from inside on_timer; 0: none */
    bool free_host_on_timer;
    unsigned *order; /* where timers note their turn */
    unsigned turn;
};

static inline void peer_on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                                     const struct ph_datagram *in, size_t n)
{
    struct peer *p = (struct peer *)ep;

    assert_true(now > 0);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t word = 0;

        assert_true(in[i].len <= PH_DATAGRAM_MAX);
        memcpy(&word, in[i].data, in[i].len < 4 ? in[i].len : 4);
        p->sum += word;
        assert_int_equal(in[i].ttl, 0);
    }
    p->received += n;
    p->largest_batch = n > p->largest_batch ? n : p->largest_batch;
    memcpy(p->last, in[n - 1].data, in[n - 1].len);
    p->last_len = in[n - 1].len;
    p->from = in[n - 1].peer;
    p->last_sock = sock;
    if (p->echo) {
        p->host->ops->udp_send(p->host, sock, in, n);
    }
    if (p->free_host_on_receipt) {
        ph_loop_host_free(p->host);
        p->host = NULL;
    }
}

static inline void peer_on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct peer *p = (struct peer *)ep;

    p->fired++;
    p->fired_at = now;
    if (p->order) {
        p->turn = ++*p->order;
    }
    if (p->again_at) {
        p->host->ops->wake_at(p->host, p->again_at);
        p->again_at = 0;
    }
    if (p->free_host_on_timer) {
        ph_loop_host_free(p->host);
        p->host = NULL;
    }
}

static inline void peer_on(struct peer *p, struct ph_loop *loop,
                           const struct ph_loop_host_config *config)
{
    memset(p, 0, sizeof(*p));
    p->ep.on_datagrams = peer_on_datagrams;
    p->ep.on_timer = peer_on_timer;
    assert_int_equal(ph_loop_host_new(loop, config, &p->host), PH_OK);
    p->host->endpoint = &p->ep;
}

static inline void peer_host(struct peer *p, struct ph_loop *loop, int netns_fd)
{
    peer_on(p, loop, &(struct ph_loop_host_config){.netns_fd = netns_fd});
}

static inline void peer_open(struct peer *p)
{
    struct ph_addr any = ph_addr_v4(127, 0, 0, 1, 0);

    assert_int_equal(p->host->ops->udp_open(p->host, &any, &p->sock), PH_OK);
    p->addr = p->host->ops->udp_local(p->host, p->sock);
    assert_int_not_equal(p->addr.port, 0);
}

static inline void peer_init(struct peer *p, struct ph_loop *loop)
{
    peer_host(p, loop, -1);
    peer_open(p);
}

static inline void send_one(struct peer *p, const struct ph_addr *to, const void *data, size_t len,
                            uint8_t ttl)
{
    struct ph_datagram d = {.peer = *to, .data = data, .len = len, .ttl = ttl};

    p->host->ops->udp_send(p->host, p->sock, &d, 1);
}

static inline void run_until(struct ph_loop *loop, const size_t *counter, size_t want)
{
    ph_ns end = ph_loop_now(loop) + PATIENCE;

    while (*counter < want && ph_loop_now(loop) < end) {
        assert_int_equal(ph_loop_step(loop, end - ph_loop_now(loop)), PH_OK);
    }
    assert_true(*counter >= want);
}

static inline int loop_setup(void **state)
{
    struct ph_loop *loop;

    if (ph_loop_new(&loop)) {
        return -1;
    }
    *state = loop;
    return 0;
}

static inline int loop_teardown(void **state)
{
    ph_loop_free(*state);
    return 0;
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, loop_setup, loop_teardown)

#endif
