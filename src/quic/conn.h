/* The inside of quic.h: one endpoint, one connection. Only this room includes it. */
#ifndef PH_QUIC_CONN_H
#define PH_QUIC_CONN_H

#include "base/bucket.h"
#include "base/heap.h"
#include "quic/cid_map.h"
#include "quic/draw.h"
#include "quic/inbox.h"
#include "quic/quic.h"
#include "quic/send_buf.h"
#include "quic/tls.h"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto_ossl.h>

#define PH_QUIC_CONNS_MAX 16384

struct ph_quic {
    struct ph_draw draw;
    bool deterministic;
    ph_ns initial_rtt;
    SSL_CTX *tls;
    struct ph_cid_map cids;
    struct ph_heap deadlines;
    struct ph_quic_conn *conns; /* doubly linked */
    size_t conn_count;
    uint8_t token_secret[32];
    uint8_t reset_secret[PH_QUIC_RESET_KEY_LEN];
    bool resets; /* that secret outlives this run */
};

/* A stream as its sender sees it. */
struct ph_quic_stream {
    int64_t id; /* -1: none yet */
    bool shown; /* the peer has been sent a frame of it */
    bool gone;  /* nothing can be sent on it any more */
    bool end_wanted, end_sent;
    struct ph_send_buf out;
};

struct ph_quic_conn {
    struct ph_tls_peer peer;
    struct ph_quic *q;
    struct ph_quic_conn *prev, *next;
    struct ph_heap_node deadline;
    struct ph_cid_entry *cids;

    ngtcp2_conn *ng;
    ngtcp2_crypto_ossl_ctx *helper;
    SSL *ssl;
    bool server;
    struct ph_quic_callbacks callbacks;
    void *user;

    ph_ns now; /* ngtcp2 must never see time go back */
    bool flush_due;
    int failure; /* what ngtcp2 said when the very first packet ended it: told at the next flush */

    enum ph_quic_state state;
    enum ph_quic_state coming; /* the last one that is in the inbox */
    bool reset;                /* the peer has forgotten it */
    int error;
    struct ph_inbox inbox;
    bool telling; /* the owner is being told: not again from inside */

    struct ph_quic_stream stream;
    bool has_pipe;
    bool pipe_ended;             /* by the peer */
    bool room_owed;              /* a word is due when the pipe has room again */
    uint32_t pipe_rate;          /* packets a second; 0: no limit */
    struct ph_bucket pipe_spent; /* of them */
    ph_ns pipe_due;              /* when it may go on; PH_NEVER: it is not held up by that */
    struct ph_quic_stream pipe;
    uint64_t datagram_id;

    uint8_t *farewell; /* our CONNECTION_CLOSE, for packets that come after it */
    size_t farewell_len;
    unsigned farewell_asked;
};

/* Every call into ngtcp2 and TLS stands between these two. */
const struct ph_draw *ph_quic_enter(struct ph_quic *q);
void ph_quic_leave(const struct ph_draw *before);

/* handshake.c: makes a connection. For a server `initial` is the client's first packet's header,
 * and original_dcid what its very first Destination Connection ID was. */
int ph_quic_conn_new(struct ph_quic *q, ph_ns now, const struct ph_quic_conn_config *config,
                     const ngtcp2_pkt_hd *initial, const ngtcp2_cid *original_dcid,
                     struct ph_quic_conn **out);
/* The same path for every packet: where they really go is not ngtcp2's business. */
const ngtcp2_path *ph_quic_path(void);

/* conn.c */
/* Takes `now` unless it would go back. */
ph_ns ph_quic_conn_tick(struct ph_quic_conn *c, ph_ns now);
/* Gives a packet to ngtcp2, and returns what it says. */
int ph_quic_conn_input(struct ph_quic_conn *c, const uint8_t *data, size_t len);
/* Hands the inbox to the owner, and sets the timer anew. */
void ph_quic_conn_settle(struct ph_quic_conn *c);
void ph_quic_conn_expire(struct ph_quic_conn *c, ph_ns now);

/* pipe.c */
/* Whether its bytes may go out now: within its rate, and leaving datagrams room. */
bool ph_quic_pipe_may_send(struct ph_quic_conn *c);
/* A packet with bytes of the pipe has gone out. */
void ph_quic_pipe_on_sent(struct ph_quic_conn *c);
/* ngtcp2's callbacks, of the pipe's stream. Return 0 or what ends the connection. */
int ph_quic_pipe_on_data(struct ph_quic_conn *c, const uint8_t *data, size_t len, bool end);
int ph_quic_pipe_on_close(struct ph_quic_conn *c, bool clean);
/* It cannot be opened, or was reset. */
int ph_quic_pipe_on_broken(struct ph_quic_conn *c);
/* Says that there is room, when that is due. */
void ph_quic_pipe_tell_room(struct ph_quic_conn *c);

/* end.c */
/* It has ended, though its owner may not have been told yet. */
bool ph_quic_conn_dead(const struct ph_quic_conn *c);
void ph_quic_conn_emit(struct ph_quic_conn *c, const uint8_t *data, size_t len);
/* Ends the connection for a reason of ngtcp2's, and tells the peer unless that is of no use. */
void ph_quic_conn_fail(struct ph_quic_conn *c, int liberr);
/* Answers a packet that comes after our CONNECTION_CLOSE with the same again. */
void ph_quic_conn_repeat_farewell(struct ph_quic_conn *c);

/* retry.c: PH_OK and the very first Destination Connection ID, when the token is one of ours for
 * this address. */
int ph_quic_token_verify(const struct ph_quic *q, ph_ns now, const ngtcp2_pkt_hd *initial,
                         const struct ph_addr *from, ngtcp2_cid *original_dcid);
/* A client Initial that a server may start with. */
bool ph_quic_parse_initial(const uint8_t *data, size_t len, ngtcp2_pkt_hd *out);

#endif
