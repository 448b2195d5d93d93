/* QUIC (RFC 9000) with datagrams (RFC 9221) and mutual TLS 1.3, pinned by key. ngtcp2 and OpenSSL
 * stop at this door: no type of theirs stands in a header.
 *
 * A ph_quic is one endpoint's QUIC: its identity, its connection-ID map, its connections in both
 * roles. It knows no socket and no address. Its owner hands it packets and gets packets to send,
 * each with the connection that they belong to; where a connection's packets go is the owner's
 * business (RFC 9000's path validation and migration are not used: ngtcp2 sees one constant path).
 *
 * A connection carries one bidirectional stream for messages (the client opens it), datagrams and,
 * where both ends want it, a second stream, the pipe, for as many bytes as its owner likes. */
#ifndef PH_QUIC_QUIC_H
#define PH_QUIC_QUIC_H

#include "base/addr.h"
#include "base/time.h"
#include "quic/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_QUIC_CID_LEN       8
#define PH_QUIC_PACKET_MAX    1200
#define PH_QUIC_DATAGRAM_MAX  1100 /* application bytes of one datagram that always fit a packet */
#define PH_QUIC_RESET_KEY_LEN 32
#define PH_QUIC_RESET_MAX     42 /* bytes of a stateless reset */
/* Bytes of the pipe that the peer may send beyond what was consumed. By a relay far away (320 ms
 * there and back) it lets 800 kB a second through. */
#define PH_QUIC_PIPE_WINDOW 262144

struct ph_quic;
struct ph_quic_conn;

enum ph_quic_state {
    PH_QUIC_HANDSHAKE,   /* not trusted yet */
    PH_QUIC_ESTABLISHED, /* the peer's key is verified and our side may send application data: the
                          * client when it has verified the server's pin, the server when it has
                          * verified the client's */
    PH_QUIC_CONFIRMED,   /* the peer is known to have accepted us too (RFC 9001 section 4.1.2) */
    PH_QUIC_CLOSED,      /* closing, draining or dead: nothing is sent any more, but our own
                          * CONNECTION_CLOSE again, in answer to packets that still come */
};

enum ph_quic_pipe_event {
    PH_QUIC_PIPE_ROOM,   /* there is room: for the first time, or again after there was none */
    PH_QUIC_PIPE_ENDED,  /* the peer sends no more, and all of it was told */
    PH_QUIC_PIPE_DONE,   /* both have ended, and all of ours has arrived */
    PH_QUIC_PIPE_BROKEN, /* the peer does not take it, or has given it up */
};

/* What a connection tells its owner. None may free the connection; all may send on it. `user` is
 * the connection's. */
struct ph_quic_callbacks {
    /* A packet to send, at most PH_QUIC_PACKET_MAX bytes; gone when this returns. */
    void (*on_packet)(void *user, const uint8_t *data, size_t len);
    void (*on_state)(void *user, enum ph_quic_state state);
    void (*on_stream)(void *user, const uint8_t *data, size_t len);
    void (*on_datagram)(void *user, const uint8_t *data, size_t len);
    /* Bytes of the pipe: at most PH_QUIC_PIPE_WINDOW come before ph_quic_pipe_consumed is called.
     */
    void (*on_pipe)(void *user, const uint8_t *data, size_t len);
    void (*on_pipe_event)(void *user, enum ph_quic_pipe_event event);
};

/* Who a server's peer may be: asked once the client's certificate is there. Return false to refuse.
 */
typedef bool (*ph_quic_accept_peer)(void *user, const uint8_t fingerprint[PH_FINGERPRINT_LEN]);

struct ph_quic_config {
    const struct ph_identity *identity; /* borrowed */
    void (*random)(void *user, void *out, size_t len);
    void *random_user;
    ph_ns initial_rtt; /* 0: 100 ms */
    /* For servers that want to tell clients of an earlier run that they have forgotten them
     * (stateless reset, RFC 9000 section 10.3): PH_QUIC_RESET_KEY_LEN secret bytes that are the
     * same in each run, copied. NULL: none. */
    const uint8_t *reset_key;
    /* Also make OpenSSL draw from `random` (process-wide from then on): exact repetition in the
     * simulator. Left false everywhere else. */
    bool deterministic;
};

int ph_quic_new(const struct ph_quic_config *config, struct ph_quic **out);
/* Frees the connections too. */
void ph_quic_free(struct ph_quic *q);

struct ph_quic_conn_config {
    const char *alpn;                /* names the protocol and its version, e.g. "pinhole-call/1" */
    const uint8_t *peer_fingerprint; /* pinned: PH_FINGERPRINT_LEN bytes, copied; NULL: any key
                                      * (then accept_peer decides on a server) */
    ph_quic_accept_peer accept_peer; /* server only; may be NULL */
    struct ph_quic_callbacks callbacks;
    void *user;
    bool pipe;               /* this end takes a pipe, and as the client opens it */
    ph_ns idle_timeout;      /* 0: 30 s */
    ph_ns keep_alive;        /* 0: none */
    ph_ns handshake_timeout; /* 0: 10 s */
};

/* Starts a client connection; its first packets come out of the next ph_quic_flush. */
int ph_quic_connect(struct ph_quic *q, ph_ns now, const struct ph_quic_conn_config *config,
                    struct ph_quic_conn **out);

/* Sorts a packet by its destination connection ID: a connection of this endpoint, or NULL.
 * *new_initial is set when it is none of ours and a valid client Initial that ph_quic_accept would
 * take. */
struct ph_quic_conn *ph_quic_route(struct ph_quic *q, const uint8_t *data, size_t len,
                                   bool *new_initial);

/* Address validation (RFC 9000 section 8.1.2), for servers on open ports: a client Initial without
 * a valid token gets a Retry, which is shorter than the Initial, and no state is kept. */
enum ph_quic_token {
    PH_QUIC_TOKEN_VALID,
    PH_QUIC_TOKEN_NONE, /* answer with ph_quic_retry's packet */
    PH_QUIC_TOKEN_BAD,  /* drop */
};
enum ph_quic_token ph_quic_check_token(struct ph_quic *q, ph_ns now, const uint8_t *data,
                                       size_t len, const struct ph_addr *from);
/* Writes a Retry packet that answers the Initial. Returns its length or an error. */
int ph_quic_retry(struct ph_quic *q, ph_ns now, const uint8_t *data, size_t len,
                  const struct ph_addr *from, uint8_t *out, size_t cap);

/* Takes a new server connection from a client Initial (which is then also read). `from` is the
 * address to check a Retry token against, or NULL where no Retry was used. */
int ph_quic_accept(struct ph_quic *q, ph_ns now, const uint8_t *data, size_t len,
                   const struct ph_addr *from, const struct ph_quic_conn_config *config,
                   struct ph_quic_conn **out);

/* A stateless reset in answer to a packet of no connection that ph_quic_route knows. Returns its
 * length, less than `len` and at most PH_QUIC_RESET_MAX; 0: this packet deserves none, or there is
 * no key. How often one may go out is for the owner to say. */
size_t ph_quic_reset(struct ph_quic *q, const uint8_t *data, size_t len,
                     uint8_t out[PH_QUIC_RESET_MAX]);

/* Reads a packet that ph_quic_route gave to this connection, or that it gave to none and that came
 * from where the connection's packets go: a stateless reset looks like that. Errors close the
 * connection. Answers come out of the next flush. */
void ph_quic_read(struct ph_quic_conn *c, ph_ns now, const uint8_t *data, size_t len);

/* Queues bytes on the stream (PH_ERR_SPACE above 64 kB unsent, PH_ERR_CLOSED). Before the handshake
 * ends they wait. */
int ph_quic_stream_send(struct ph_quic_conn *c, const void *data, size_t len);
/* Queues bytes on the pipe, all or none. PH_ERR_SPACE: more than ph_quic_pipe_room; PH_ERR_AGAIN:
 * it is not there yet; PH_ERR_CLOSED: ended, gone, or never wanted; PH_ERR_NOMEM. */
int ph_quic_pipe_send(struct ph_quic_conn *c, const void *data, size_t len);
/* How many it would take now. Once this has said too few (under PH_QUIC_PIPE_LOW), or a send has
 * found no room, PH_QUIC_PIPE_ROOM is told when there is some. */
size_t ph_quic_pipe_room(struct ph_quic_conn *c);
#define PH_QUIC_PIPE_LOW 16384
/* Nothing more will be sent on it. */
void ph_quic_pipe_end(struct ph_quic_conn *c);
/* So many bytes that came are done with: the peer may send as many more. */
void ph_quic_pipe_consumed(struct ph_quic_conn *c, size_t len);
/* From now on the pipe sends so many packets a second at most, retransmissions aside; 0: as many as
 * congestion control lets through, as at first. For ways that drop what is more. */
void ph_quic_pipe_limit(struct ph_quic_conn *c, uint32_t packets_per_second);
/* Sends one datagram at once, in a packet of its own, through on_packet, at most
 * PH_QUIC_DATAGRAM_MAX bytes. PH_ERR_AGAIN: not established yet, or congestion control or the
 * anti-amplification limit holds it back (the datagram is then dropped: it was media). */
int ph_quic_datagram_send(struct ph_quic_conn *c, ph_ns now, const void *data, size_t len);
/* Writes out all that may be sent now. */
void ph_quic_flush(struct ph_quic_conn *c, ph_ns now);

/* When ph_quic_on_timer must be called, PH_NEVER for never. It is in the past while a flush is due
 * (after ph_quic_connect, _accept, _read, _stream_send): on_timer flushes too. */
ph_ns ph_quic_conn_deadline(const struct ph_quic_conn *c);
/* The earliest of all connections. */
ph_ns ph_quic_deadline(const struct ph_quic *q);
/* Handles the expiry of every connection that is due, and flushes those. */
void ph_quic_on_timer(struct ph_quic *q, ph_ns now);

enum ph_quic_state ph_quic_conn_state(const struct ph_quic_conn *c);
/* PH_OK while open; afterwards why it ended: PH_ERR_AUTH (a pin did not match, on either side),
 * PH_ERR_TIMEOUT, PH_ERR_CLOSED (by application), PH_ERR_RESET (stateless), PH_ERR_PROTO,
 * PH_ERR_CRYPTO. */
int ph_quic_conn_error(const struct ph_quic_conn *c);
/* The peer's fingerprint once established, else NULL. */
const uint8_t *ph_quic_conn_peer(const struct ph_quic_conn *c);
/* The smoothed round-trip time; 0 before the first sample. */
ph_ns ph_quic_conn_rtt(const struct ph_quic_conn *c);
/* The `user` of its config. */
void *ph_quic_conn_user(const struct ph_quic_conn *c);
/* How many packets it has taken: authenticated, and seen for the first time. When this has grown,
 * the packet's source is where the peer is (for owners that follow their peers). */
uint64_t ph_quic_conn_taken(const struct ph_quic_conn *c);
/* Keys for the layer beneath, from the TLS exporter (RFC 8446 section 7.5). PH_ERR_AGAIN before the
 * connection is established. */
int ph_quic_export(struct ph_quic_conn *c, const char *label, uint8_t *out, size_t len);
/* A short-header packet: needs 1-RTT keys. */
bool ph_quic_is_short_header(const uint8_t *data, size_t len);

/* Sends CONNECTION_CLOSE (application code 0) and frees. Not from inside a callback. */
void ph_quic_conn_close(struct ph_quic_conn *c, ph_ns now);
/* Frees without a word. Not from inside a callback. */
void ph_quic_conn_free(struct ph_quic_conn *c);

#endif
