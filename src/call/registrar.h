/* One connection of the agent's with one relay: registration, and the stream that signalling runs
 * on. Which relay, when, and what after a failure is for call/presence.h to say. */
#ifndef PH_CALL_REGISTRAR_H
#define PH_CALL_REGISTRAR_H

#include "base/addr.h"
#include "base/time.h"
#include "quic/quic.h"
#include "wire/signal.h"

struct ph_agent;

enum ph_registrar_state {
    PH_REGISTRAR_IDLE,
    PH_REGISTRAR_CONNECTING, /* QUIC handshake with the relay */
    PH_REGISTRAR_WAITING,    /* RegisterPresence is out */
    PH_REGISTRAR_REGISTERED,
};

struct ph_registrar {
    struct ph_agent *agent;
    enum ph_registrar_state state;
    struct ph_addr relay;
    struct ph_quic_conn *conn; /* NULL in IDLE */
    bool closed;               /* conn has ended and waits to be freed outside its callbacks */
    int error;                 /* why, where it was not the connection that ended it */
    ph_ns give_up_at;          /* for the ack: WAITING, or REGISTERED and asked again; PH_NEVER */
    bool asking;               /* whether the relay still knows us */
    ph_ns asked_at;            /* the last time */
    ph_ns started;             /* the connection */
    ph_ns unused_since;        /* presence.h: PH_NEVER while it is used */
    struct ph_addr
        observed; /* our own address as the relay sees it; family NONE until registered */
    uint8_t in[PH_SIGNAL_MAX];
    size_t in_len;
};

void ph_registrar_init(struct ph_registrar *r, struct ph_agent *agent);
/* Starts to register. It must be IDLE. PH_ERR_NOMEM, PH_ERR_CRYPTO: it still is. */
int ph_registrar_start(struct ph_registrar *r, ph_ns now, const struct ph_addr *relay);
/* Ends the registration, with a word to the relay; IDLE afterwards. */
void ph_registrar_stop(struct ph_registrar *r, ph_ns now);
/* There is reason to doubt that the relay knows us, or knows where we are: asks it at once. Its
 * answer is another ack; without one the registration is over in a second and a few round trips,
 * or at once, where the relay has forgotten it (PH_ERR_RESET). */
void ph_registrar_ask(struct ph_registrar *r, ph_ns now);
/* PH_ERR_AGAIN while not registered. */
int ph_registrar_send(struct ph_registrar *r, const struct ph_signal *m);
/* Round trip to the relay, 0: not known. */
ph_ns ph_registrar_rtt(const struct ph_registrar *r);
/* Flushes, and frees what has ended: then it is IDLE, and this says why (once); PH_OK otherwise. */
int ph_registrar_pump(struct ph_registrar *r, ph_ns now);
ph_ns ph_registrar_deadline(const struct ph_registrar *r);

#endif
