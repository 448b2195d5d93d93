/* ph_host: all that the core asks of the world it runs in.
 *
 * The core never opens a socket, reads a clock or draws a random number by itself. A host gives one
 * endpoint (an agent, a relay, a STUN server) these few services and calls the endpoint back with
 * datagrams and with the expiry of its one timer. Three hosts exist: the epoll loop (host/loop.h),
 * the same loop with its sockets inside a lab's namespaces, and the lab's simulator.
 *
 * Everything happens on one thread. A host never calls an endpoint from inside a call that the
 * endpoint makes to it.
 *
 * Two services are asked for by few: a note when the machine's network changes (watch_network), and
 * HTTP to a router in the neighbourhood (http_start), for UPnP alone. */
#ifndef PH_HOST_HOST_H
#define PH_HOST_HOST_H

#include "base/addr.h"
#include "base/nat64.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest datagram that the core sends or takes: 1,200 bytes of QUIC and the relay's framing.
 */
#define PH_DATAGRAM_MAX 1252

/* The most datagrams that on_datagrams is given at once: when it is so many, more may be waiting.
 */
#define PH_DATAGRAMS_MAX 64

/* A UDP socket of this host. Zero is no socket. */
typedef uint32_t ph_sock;

struct ph_datagram {
    struct ph_addr peer; /* where it goes to, or came from */
    const uint8_t *data; /* the host's own on receipt: gone when the callback returns */
    size_t len;
    uint8_t ttl; /* hop limit to send with; 0 is the system's default. 0 on receipt */
    /* Interface index that a link-local IPv6 peer is meant on (RFC 4007); 0: none. Set on receipt
     * from such a peer. */
    uint32_t scope;
};

/* A default route's next hop. */
struct ph_gateway {
    struct ph_addr gateway; /* port 0; of IPv6 often link-local: then `scope` says on which link */
    struct ph_addr local; /* this host's own address on that link, port 0; never link-local; family
                           * NONE where it has none of the gateway's family */
    uint32_t scope;       /* the interface's index */
    uint32_t metric;      /* the lower, the better */
    char interface[16];   /* its name, NUL-terminated */
};

#define PH_GATEWAYS_MAX 8

/* A request to a server in the neighbourhood: a router's description, or a SOAP call. All pointers
 * are borrowed until http_start returns. */
struct ph_http_request {
    struct ph_addr server;
    struct ph_addr local;    /* to send from, port ignored; family NONE: any */
    const char *host;        /* of the Host field, with the port where it was written */
    const char *path;        /* the request target, "/" first */
    const char *soap_action; /* NULL: GET. Otherwise POST, with this, quoted, as SOAPAction */
    const char *body;        /* of the POST */
    size_t body_len;
    size_t answer_max; /* bytes of the answer's body; at most PH_HTTP_ANSWER_MAX */
    ph_ns timeout;     /* for all of it, from the connection to the last byte */
};

#define PH_HTTP_ANSWER_MAX 65536
#define PH_HTTP_MAX        8

struct ph_http_answer {
    /* PH_OK: a whole answer, whatever its status. PH_ERR_SPACE: longer than answer_max.
     * PH_ERR_TIMEOUT: out of time. PH_ERR_PROTO: what came is no HTTP, or it ended too early.
     * PH_ERR_REFUSED: no connection. PH_ERR_SYS: anything else. What came of the body so far is
     * given in each of these cases. */
    int error;
    int status; /* 0: no status line came */
    const uint8_t *body;
    size_t len;
};

/* A request under way. Zero is none. */
typedef uint32_t ph_http;

/* What a host calls. */
struct ph_endpoint {
    void (*on_datagrams)(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n);
    /* Once at or after the time of the last wake_at, which is then spent. */
    void (*on_timer)(struct ph_endpoint *ep, ph_ns now);
    /* These may be NULL where they are not asked for. */
    void (*on_http)(struct ph_endpoint *ep, ph_ns now, ph_http id,
                    const struct ph_http_answer *answer);
    /* Addresses or default routes are not what they were. Changes that come together are told once.
     */
    void (*on_network)(struct ph_endpoint *ep, ph_ns now);
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
    /* The addresses of the interfaces that are up, port 0, the likeliest sources first; without
     * loopback, link-local and deprecated ones. Returns how many. */
    size_t (*local_addrs)(struct ph_host *h, struct ph_addr *out, size_t cap);
    /* The default gateways of both families, the best first; returns how many. */
    size_t (*gateways)(struct ph_host *h, struct ph_gateway *out, size_t cap);
    /* Whether on_network is wanted. PH_ERR_SYS where the system cannot tell. */
    int (*watch_network)(struct ph_host *h, bool on);
    /* on_http is called once for each request that was started and not cancelled. NULL where this
     * host has no HTTP. PH_ERR_SPACE: too many at once (PH_HTTP_MAX for one host); PH_ERR_INVAL,
     * PH_ERR_NOMEM, PH_ERR_SYS. */
    int (*http_start)(struct ph_host *h, const struct ph_http_request *request, ph_http *out);
    void (*http_cancel)(struct ph_host *h, ph_http id);
    /* The translator by which this host's network leads to IPv4 (RFC 7050); false: none is known.
     * NULL where the host cannot know. */
    bool (*nat64)(struct ph_host *h, struct ph_nat64 *out);
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
