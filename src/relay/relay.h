/* The inside of ph_relay (pinhole.h): one endpoint that ties the registry, the sessions and the
 * STUN responder to QUIC. Only this room includes it.
 *
 *   relay.c       sockets, demultiplexing, timers
 *   clients.c     connections with clients: accepted, followed, dropped
 *   signalling.c  messages of clients, and who is told what
 *   forward.c     relay frames from one leg to the other
 *   service.c     draining, and what is left to the next process (state.h) */
#ifndef PH_RELAY_RELAY_H
#define PH_RELAY_RELAY_H

#include "pinhole.h"
#include "quic/quic.h"
#include "relay/outbox.h"
#include "relay/overload.h"
#include "relay/registry.h"
#include "relay/session.h"
#include "relay/source_limit.h"
#include "relay/stun_responder.h"

#define PH_RELAY_ALPN "pinhole-signal/1"

/* Handshakes under way from one IP; sources are counted in a table of fixed size. */
#define PH_RELAY_HANDSHAKES_MAX 64
#define PH_RELAY_SOURCES        1024
/* Clients of one IP in all, so that one host cannot take every place. Carriers put thousands of
 * people behind an address, but few of them run this at a time. */
#define PH_RELAY_CLIENTS_PER_SOURCE 512
/* A connection that does not register within this time is closed. */
#define PH_RELAY_REGISTER_TIME (10 * PH_SEC)
/* Notices and stateless resets, to strangers: of one source IP, and in all. */
#define PH_RELAY_NOTICE_RATE      10
#define PH_RELAY_NOTICE_BURST     20
#define PH_RELAY_NOTICE_RATE_ALL  2000
#define PH_RELAY_NOTICE_BURST_ALL 2000
/* Connections in all while the relay is overloaded: those whose calls run here must come back. */
#define PH_RELAY_ARRIVALS_RATE  50
#define PH_RELAY_ARRIVALS_BURST 50
/* Signalling messages of one client. */
#define PH_RELAY_MESSAGE_RATE  100
#define PH_RELAY_MESSAGE_BURST 200

struct ph_relay {
    struct ph_endpoint ep; /* first */
    struct ph_relay_config config;
    struct ph_host *host;
    ph_sock socks[PH_RELAY_LISTENS];
    struct ph_addr addrs[PH_RELAY_LISTENS];
    size_t listen_count;
    struct ph_identity *identity;
    struct ph_quic *quic;
    struct ph_registry registry;
    struct ph_sessions sessions;
    struct ph_stun_responder stun;
    struct ph_source_limit notices;
    struct ph_bucket notices_all;
    struct ph_bucket packets_all;
    struct ph_bucket arrivals;                         /* connections while overloaded */
    struct ph_overload overload[PH_RELAY_LISTENS + 1]; /* of each socket; of the timer */
    ph_ns wake;                                        /* what the timer is set to */
    struct ph_outbox outbox;
    uint64_t secret;
    bool draining;
    uint16_t handshakes[PH_RELAY_SOURCES];
    uint16_t clients_of[PH_RELAY_SOURCES];
    struct ph_relay_stats stats;

    /* Of the event that is being handled. */
    ph_ns now;
    struct ph_client *reading; /* the client whose packet QUIC is reading ... */
    const struct ph_addr *reading_from;
    size_t reading_on;
    struct ph_client *dirty; /* clients that may have something to send */
    bool any_gone;
    ph_ns register_due; /* when the next client must have registered */
};

/* relay.c */
/* Sends one datagram at the end of the event, at the latest. */
void ph_relay_send(struct ph_relay *relay, size_t listen, const struct ph_addr *to,
                   const uint8_t *data, size_t len);
/* The end of an event: sends what it caused, closes whom it ended, sets the timer. */
void ph_relay_settle(struct ph_relay *relay);
/* Whether nothing new is taken now. */
bool ph_relay_overloaded(const struct ph_relay *relay);
/* Whether a stranger at this address may be told something: a notice or a reset. */
bool ph_relay_may_notify(struct ph_relay *relay, const struct ph_addr *to);

/* clients.c */
/* A QUIC packet. */
void ph_relay_on_quic(struct ph_relay *relay, size_t listen, const struct ph_datagram *d);
/* Something is to be sent to the client when the event is over. */
void ph_relay_touch(struct ph_client *c);
/* Whether `len` more bytes may go to the client's address; counts them then. */
bool ph_relay_may_send(struct ph_client *c, size_t len);
/* Takes the client out of the registry at once, and closes it when the event is over. Calls that
 * wait for an answer end. The others wait for it to register again, for a time, unless it has taken
 * its leave. */
void ph_relay_drop(struct ph_client *c);
/* Closes and frees those that were dropped. */
void ph_relay_free_gone(struct ph_relay *relay);

/* signalling.c */
void ph_relay_on_stream(struct ph_client *c, const uint8_t *data, size_t len);
void ph_relay_tell_drain(struct ph_client *c);
/* Tells both ends, or one (not `except`), and closes the session. */
void ph_relay_end_session(struct ph_relay *relay, struct ph_session *session,
                          const struct ph_client *except, enum ph_hangup_reason reason);

/* forward.c */
void ph_relay_forward(struct ph_relay *relay, size_t listen, const struct ph_datagram *d);

#endif
