/* The agent's connection with its relay: registration, and the stream that signalling runs on. */
#ifndef PH_CALL_REGISTRAR_H
#define PH_CALL_REGISTRAR_H

#include "base/addr.h"
#include "base/time.h"
#include "quic/quic.h"
#include "wire/signal.h"

struct ph_agent;

enum ph_registrar_state {
    PH_REGISTRAR_IDLE,
    PH_REGISTRAR_CONNECTING, /* QUIC handshake with a relay */
    PH_REGISTRAR_WAITING,    /* RegisterPresence is out */
    PH_REGISTRAR_REGISTERED,
    PH_REGISTRAR_BACKOFF, /* every relay failed once: again at `retry_at` */
};

struct ph_registrar {
    struct ph_agent *agent;
    enum ph_registrar_state state;
    struct ph_quic_conn *conn; /* NULL in IDLE and BACKOFF */
    bool closed;               /* conn has ended and waits to be freed outside its callbacks */
    size_t relay;              /* index of the relay in the agent's config */
    unsigned failures;         /* in a row */
    int error;                 /* of the last failure */
    ph_ns retry_at;            /* BACKOFF: when it tries again. WAITING: when it gives up */
    struct ph_addr observed;   /* family NONE until registered */
    uint8_t in[PH_SIGNAL_MAX];
    size_t in_len;
};

void ph_registrar_init(struct ph_registrar *r, struct ph_agent *agent);
void ph_registrar_fini(struct ph_registrar *r);
void ph_registrar_start(struct ph_registrar *r, ph_ns now);
/* The relay in use, or being tried. */
const struct ph_addr *ph_registrar_relay(const struct ph_registrar *r);
/* PH_ERR_AGAIN while not registered. */
int ph_registrar_send(struct ph_registrar *r, const struct ph_signal *m);
/* Round trip to the relay, 0: not known. */
ph_ns ph_registrar_rtt(const struct ph_registrar *r);
/* Frees what has ended, tries the next relay, flushes. */
void ph_registrar_pump(struct ph_registrar *r, ph_ns now);
ph_ns ph_registrar_deadline(const struct ph_registrar *r);

#endif
