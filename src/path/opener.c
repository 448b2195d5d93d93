#include "path/opener.h"

#include "base/buf.h"
#include "base/err.h"

#include <string.h>

#define TRIES_MAX 3

int ph_opener_packet(uint8_t *out, size_t cap)
{
    static const uint8_t tid[PH_STUN_TID_LEN] = "pinhole open";
    struct ph_writer w = ph_writer_init(out, cap);
    ph_stun_begin(&w, PH_STUN_BINDING_INDICATION, tid);
    return ph_stun_end(&w, false);
}

void ph_opener_init(struct ph_opener *o, struct ph_host *host)
{
    *o = (struct ph_opener){.host = host, .ttl = PH_OPENER_TTL_DEFAULT, .next = PH_NEVER};
}

static void close_sockets(struct ph_opener *o)
{
    for (size_t i = 0; i < PH_OPENER_SOCKETS; i++) {
        if (o->probe[i].sock)
            o->host->ops->udp_close(o->host, o->probe[i].sock);
        o->probe[i].sock = 0;
    }
}

void ph_opener_fini(struct ph_opener *o)
{
    close_sockets(o);
    o->next = PH_NEVER;
}

static void send_round(struct ph_opener *o)
{
    for (size_t i = 0; i < PH_OPENER_SOCKETS; i++) {
        if (!o->probe[i].sock || o->probe[i].let_in)
            continue;
        uint8_t opener[PH_STUN_HEADER_LEN];
        uint8_t knock[PH_STUN_HEADER_LEN + 16];
        int opener_len = ph_opener_packet(opener, sizeof(opener));
        struct ph_writer w = ph_writer_init(knock, sizeof(knock));
        ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, o->probe[i].tid);
        /* Both: that is what comes from OTHER-ADDRESS itself (RFC 5780 section 6.1). */
        ph_stun_put_change_request(&w, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT);
        int knock_len = ph_stun_end(&w, true);
        if (opener_len < 0 || knock_len < 0)
            return;
        struct ph_datagram out[2] = {
            {.peer = o->other,
             .data = opener,
             .len = (size_t)opener_len,
             .ttl = (uint8_t)(PH_OPENER_TTL_MIN + i)},
            {.peer = o->server, .data = knock, .len = (size_t)knock_len},
        };
        o->host->ops->udp_send(o->host, o->probe[i].sock, out, 2);
    }
}

static void finish(struct ph_opener *o, bool learnt, size_t index)
{
    o->state = learnt ? PH_OPENER_LEARNT : PH_OPENER_UNKNOWN;
    o->ttl = learnt ? (uint8_t)(PH_OPENER_TTL_MIN + index) : PH_OPENER_TTL_DEFAULT;
    close_sockets(o);
    o->next = PH_NEVER;
}

void ph_opener_start(struct ph_opener *o, ph_ns now, const struct ph_addr *local,
                     const struct ph_addr *server, const struct ph_addr *other, ph_ns rtt)
{
    struct ph_addr bind = *local;
    bind.port = 0;
    o->server = *server;
    o->other = *other;
    o->rto = rtt + rtt / 2 + 20 * PH_MS;
    o->state = PH_OPENER_LEARNING;
    o->tries = 1;
    for (size_t i = 0; i < PH_OPENER_SOCKETS; i++) {
        ph_host_random(o->host, o->probe[i].tid, sizeof(o->probe[i].tid));
        if (o->host->ops->udp_open(o->host, &bind, &o->probe[i].sock) != PH_OK)
            o->probe[i].sock = 0;
    }
    send_round(o);
    o->next = now + o->rto;
}

bool ph_opener_on_datagram(struct ph_opener *o, ph_ns now, ph_sock sock,
                           const struct ph_datagram *in)
{
    size_t i = 0;
    while (i < PH_OPENER_SOCKETS && (o->probe[i].sock != sock || !sock))
        i++;
    if (i == PH_OPENER_SOCKETS)
        return false;
    struct ph_stun msg;
    if (ph_stun_parse(in->data, in->len, &msg) != PH_OK ||
        memcmp(msg.tid, o->probe[i].tid, PH_STUN_TID_LEN) != 0 ||
        msg.type != PH_STUN_BINDING_SUCCESS || !ph_addr_ip_eq(&in->peer, &o->other) ||
        ph_addr_ip_eq(&in->peer, &o->server))
        return true;
    o->probe[i].let_in = true;
    if (i == 0) {
        finish(o, true, 0); /* none smaller is tried */
    } else {
        /* A smaller one may only have been lost: it gets one round more. */
        o->next = ph_min_ns(o->next, now + o->rto / 2);
    }
    return true;
}

void ph_opener_on_timer(struct ph_opener *o, ph_ns now)
{
    if (now < o->next)
        return;
    size_t best = 0;
    while (best < PH_OPENER_SOCKETS && !o->probe[best].let_in)
        best++;
    if (o->tries < (best < PH_OPENER_SOCKETS ? 2u : TRIES_MAX)) {
        o->tries++;
        send_round(o);
        o->next = now + o->rto;
        return;
    }
    finish(o, best < PH_OPENER_SOCKETS, best);
}

ph_ns ph_opener_deadline(const struct ph_opener *o)
{
    return o->next;
}
