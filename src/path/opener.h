/* Which TTL an opener needs: enough to pass the own NATs, not enough to reach the peer's.
 *
 * Learnt on throwaway sockets: from each, a packet with TTL t goes to a STUN server's second
 * address, then a request (CHANGE-REQUEST, RFC 5780) to its first one to let that second address
 * knock. The smallest t that lets the knock in has passed every NAT that filters.
 * Endpoint-independent filtering lets every t in, so nothing below 2 (one NAT and one hop) is
 * tried; address- and port-dependent mapping lets none in, since each destination has a port of its
 * own: the default stays. */
#ifndef PH_PATH_OPENER_H
#define PH_PATH_OPENER_H

#include "host/host.h"
#include "wire/stun.h"

#define PH_OPENER_TTL_DEFAULT 3
#define PH_OPENER_TTL_MIN     2
#define PH_OPENER_TTL_MAX     6
#define PH_OPENER_SOCKETS     (PH_OPENER_TTL_MAX - PH_OPENER_TTL_MIN + 1)

enum ph_opener_state {
    PH_OPENER_IDLE,
    PH_OPENER_LEARNING,
    PH_OPENER_LEARNT,
    PH_OPENER_UNKNOWN, /* nothing was let in: the default holds */
};

struct ph_opener {
    struct ph_host *host;
    enum ph_opener_state state;
    uint8_t ttl;
    struct ph_addr server;
    struct ph_addr other;
    struct {
        ph_sock sock;
        uint8_t tid[PH_STUN_TID_LEN];
        bool let_in;
    } probe[PH_OPENER_SOCKETS];
    unsigned tries;
    ph_ns rto;
    ph_ns next;
};

/* Writes what an opener is: a STUN indication (RFC 8445 section 11), which dies on the way, read by
 * nobody, and costs no signature. Its length. */
int ph_opener_packet(uint8_t *out, size_t cap);

void ph_opener_init(struct ph_opener *o, struct ph_host *host);
void ph_opener_fini(struct ph_opener *o);
/* `local`: the address to bind throwaway sockets to, port ignored. rtt: to the server. */
void ph_opener_start(struct ph_opener *o, ph_ns now, const struct ph_addr *local,
                     const struct ph_addr *server, const struct ph_addr *other, ph_ns rtt);
/* True when the socket is one of these (the datagram is then taken). */
bool ph_opener_on_datagram(struct ph_opener *o, ph_ns now, ph_sock sock,
                           const struct ph_datagram *in);
void ph_opener_on_timer(struct ph_opener *o, ph_ns now);
ph_ns ph_opener_deadline(const struct ph_opener *o);

#endif
