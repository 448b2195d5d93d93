/* The scripted router: a port-mapping server that speaks NAT-PMP, PCP and UPnP IGD with the faults
 * that it is given (fault.h), as a state machine over bytes. No sockets, no clock: the program on a
 * router (scripted_process.h) and the simulator carry what goes in and comes out.
 *
 * It has its own reading and writing of bytes and shares nothing with src/wire, so that a mistake
 * in our codecs does not find its like here. */
#ifndef LAB_ROUTER_SCRIPTED_H
#define LAB_ROUTER_SCRIPTED_H

#include "base/addr.h"
#include "base/time.h"
#include "lab/nat/profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPTED_PORT      5351 /* NAT-PMP and PCP */
#define SCRIPTED_SSDP_PORT 1900
/* Host part of its second address on the LAN, which some faults answer from; the lab gives it to
 * nobody. */
#define SCRIPTED_ELSEWHERE   245
#define SCRIPTED_REQUEST_MAX 8192 /* bytes of an HTTP request */

struct scripted;

struct scripted_config {
    const struct nat_profile *profile; /* its port_mapping; read by scripted_new alone */
    struct ph_addr lan, wan;           /* IPv4, port 0 */
    uint16_t http_ports[2];            /* where HTTP is served, and where after a reboot */
    uint64_t seed;
};

struct scripted_datagram {
    ph_ns at; /* when it leaves; not before now */
    struct ph_addr from, to;
    const uint8_t *data; /* until the call returns */
    size_t len;
};

struct scripted_mapping {
    bool tcp;
    bool wildcard;         /* all ports; external is 0 */
    uint16_t external;     /* at the WAN address */
    struct ph_addr inside; /* with its port */
};

/* Called from inside the functions below. */
struct scripted_ops {
    void (*send)(void *user, const struct scripted_datagram *d);
    /* A mapping of a client's begins or ends to work. */
    void (*map)(void *user, const struct scripted_mapping *m, bool on);
};

/* PH_ERR_NOMEM; PH_ERR_INVAL: a fault that it does not know. */
int scripted_new(const struct scripted_config *config, const struct scripted_ops *ops, void *user,
                 ph_ns now, struct scripted **out);
void scripted_free(struct scripted *s);

/* A datagram that came to a port of its own, from the LAN; `to` is the address that it was sent to,
 * the multicast group's or its own. */
void scripted_take(struct scripted *s, ph_ns now, const struct ph_addr *from,
                   const struct ph_addr *to, const uint8_t *data, size_t len);

/* How an HTTP answer goes out: `bytes`, `chunk` of them every `pause` (0: all at once), from the
 * first on; then the connection is closed, or the bytes from `again` on follow for ever. */
struct scripted_http {
    char *
        bytes; /* malloc'ed; NULL: closed without a word, or (silent) neither closed nor answered */
    size_t len;
    size_t head; /* of them, up to the empty line and with it */
    int status;
    bool chunked; /* the body is in HTTP's chunks */
    bool cut;     /* it ends before its Content-Length */
    bool silent;
    size_t chunk;
    ph_ns pause;
    size_t again; /* SIZE_MAX: it ends */
};

/* How long the request at the start of these bytes is; 0: it is not whole yet. */
size_t scripted_http_whole(const char *data, size_t len);
/* server: the address and port that the client has connected to. PH_ERR_NOMEM. */
int scripted_http_take(struct scripted *s, ph_ns now, const struct ph_addr *client,
                       const struct ph_addr *server, const char *request, size_t len,
                       struct scripted_http *out);
void scripted_http_fini(struct scripted_http *h);
/* The port where it serves HTTP now. */
uint16_t scripted_http_port(const struct scripted *s);

/* When something happens by itself (a mapping runs out, a reboot); PH_NEVER. */
ph_ns scripted_next(const struct scripted *s);
void scripted_tick(struct scripted *s, ph_ns now);

/* Mappings that clients made. */
size_t scripted_count(const struct scripted *s);
/* Forgets them all and what the faults remember, as before the first request. */
void scripted_flush(struct scripted *s, ph_ns now);
/* Whether what a client sends from a mapped port by itself leaves from the external one. */
bool scripted_translates_back(const struct scripted *s);
/* Its second address on the LAN, where one of its faults needs it; family NONE: it has none. */
struct ph_addr scripted_elsewhere(const struct scripted *s);

#endif
