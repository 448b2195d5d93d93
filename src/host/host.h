/* ph_host: all that the core asks of the world it runs in.
 *
 * The core never opens a socket, reads a clock or draws a random number by itself. A host gives one
 * endpoint (an agent, a relay, a STUN server) these few services and calls the endpoint back with
 * datagrams and with the expiry of its one timer. Three hosts exist: the epoll loop (host/loop.h),
 * the same loop with its sockets inside a lab's namespaces, and the lab's simulator.
 *
 * Everything happens on one thread. A host never calls an endpoint from inside a call that the
 * endpoint makes to it. */
#ifndef PH_HOST_HOST_H
#define PH_HOST_HOST_H

#include "base/addr.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest datagram that the core sends or takes: 1,200 bytes of QUIC and the relay's framing.
 */
#define PH_DATAGRAM_MAX 1252

/* A UDP socket of this host. Zero is no socket. */
typedef uint32_t ph_sock;

struct ph_datagram {
    struct ph_addr peer; /* where it goes to, or came from */
    const uint8_t *data; /* the host's own on receipt: gone when the callback returns */
    size_t len;
    uint8_t ttl; /* hop limit to send with; 0 is the system's default. 0 on receipt */
};

/* What a host calls. */
struct ph_endpoint {
    void (*on_datagrams)(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n);
    /* Once at or after the time of the last wake_at, which is then spent. */
    void (*on_timer)(struct ph_endpoint *ep, ph_ns now);
};

struct ph_host;

struct ph_host_ops {
    ph_ns (*now)(struct ph_host *h);
    /* Unpredictable bytes (in the simulator: seeded ones). */
    void (*random)(struct ph_host *h, void *out, size_t len);
    /* Opens a UDP socket bound to `local`; port 0 lets the system choose; an unspecified IP binds
     * to all. PH_ERR_SYS when the system refuses. */
    int (*udp_open)(struct ph_host *h, const struct ph_addr *local, ph_sock *out);
    void (*udp_close)(struct ph_host *h, ph_sock sock);
    /* The address that the socket is bound to, with its real port. */
    struct ph_addr (*udp_local)(struct ph_host *h, ph_sock sock);
    /* Sends all n datagrams, each to its own peer with its own ttl. What the system cannot take at
     * once is lost, as on any network; nothing is reported. */
    void (*udp_send)(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n);
    /* Asks for on_timer at `when`, in place of what was asked before; PH_NEVER cancels. */
    void (*wake_at)(struct ph_host *h, ph_ns when);
    /* The addresses of the interfaces that are up, without loopback, port 0; returns how many. */
    size_t (*local_addrs)(struct ph_host *h, struct ph_addr *out, size_t cap);
    /* One line of JSON, without its newline, for the trace; NULL when nobody listens. */
    void (*trace)(struct ph_host *h, const char *line);
};

struct ph_host {
    const struct ph_host_ops *ops;
    struct ph_endpoint *endpoint; /* set by the endpoint when it starts */
};

static inline ph_ns ph_host_now(struct ph_host *h)
{
    return h->ops->now(h);
}

static inline void ph_host_random(struct ph_host *h, void *out, size_t len)
{
    h->ops->random(h, out, len);
}

#endif
