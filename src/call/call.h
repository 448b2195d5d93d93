/* One call: its terms (from signalling), its end-to-end connection, its paths, its stages.
 *
 *   caller: DIALING -> CONNECTING (the answer is there) -> CONNECTED -> ENDED
 *   callee: RINGING -> CONNECTING (answered)            -> CONNECTED -> ENDED
 *
 * The end-to-end handshake starts with the offer, by way of the relay, so that by the time the
 * answer arrives the caller holds verified keys, and both media and sealed probes can go out at
 * once. */
#ifndef PH_CALL_CALL_H
#define PH_CALL_CALL_H

#include "call/adapt.h"
#include "call/carrier.h"
#include "call/hard.h"
#include "call/media.h"
#include "call/pipe.h"
#include "call/portmap_stage.h"
#include "call/punch.h"
#include "call/renewal.h"
#include "call/search.h"
#include "call/steering.h"
#include "call/talk.h"
#include "call/warm.h"
#include "call/waterfall.h"
#include "path/check.h"
#include "path/table.h"
#include "pinhole.h"
#include "quic/quic.h"

struct ph_agent;

struct ph_call {
    struct ph_agent *agent;
    uint8_t id[PH_CALL_ID_LEN];
    uint8_t peer[PH_FINGERPRINT_LEN];
    bool caller;
    enum ph_call_state state;
    int error;
    enum ph_answer_mode mode;
    struct ph_signal offer;       /* callee: what is answered */
    struct ph_addr relay;         /* that it is set up by, or that has it now */
    struct ph_addr refuge;        /* another one that has it, too; NONE (call/resumption.h) */
    ph_ns relay_heard;            /* the last frame by either; 0: none yet */
    ph_ns relay_asked;            /* when silence was last a reason to ask; 0: never */
    uint64_t tag;                 /* of this peer's leg at the relay */
    ph_ns peer_relay_rtt;         /* 0: not known */
    struct ph_addr peer_observed; /* the peer's address as the relay sees it; NONE: not told */
    struct ph_addr peer_also;     /* and of the other family, as it has shown to the relay */
    struct ph_quic_conn *quic;    /* NULL before the first flight, and when ended */
    bool quic_closed;             /* it has ended and waits to be freed outside its callbacks */
    struct ph_checker checker;
    struct ph_path_table paths;
    struct ph_carrier carrier;
    struct ph_steering steering;
    struct ph_warm warm;
    struct ph_waterfall waterfall;
    struct ph_portmap_stage portmap;
    struct ph_punch punch;
    struct ph_hard hard;
    struct ph_search search;
    struct ph_talk talk;
    struct ph_renewal renewal;
    struct ph_media media;
    struct ph_adapt adapt;
    struct ph_pipe pipe;
    ph_ns started, relay_at, direct_at, media_at;
    ph_ns deadline;  /* for the answer; PH_NEVER */
    bool terms_sent; /* the offer or answer is out */
    bool no_direct;  /* no direct path is wanted: a privacy answer, or the stages are off */
    bool changed;    /* on_call is owed */
    bool released;   /* to be freed at the end of this event */
};

/* Caller: creates the call and sends the offer and the first flight. */
int ph_call_dial(struct ph_agent *a, ph_ns now, const uint8_t peer[PH_FINGERPRINT_LEN],
                 struct ph_call **out);
/* Caller: sends the offer and the first flight by the call's relay. PH_ERR_AGAIN: not registered
 * with it; PH_ERR_NOMEM, PH_ERR_CRYPTO. */
int ph_call_offer(struct ph_call *c, ph_ns now);
/* Callee: from an offer that came by this relay; answers it at once. */
int ph_call_from_offer(struct ph_agent *a, ph_ns now, const struct ph_addr *relay,
                       const struct ph_signal *offer, enum ph_answer_mode mode,
                       struct ph_call **out);
void ph_call_free(struct ph_call *c);
/* For terms.c: a call without terms yet; the one place where its state changes; how its end-to-end
 * connection is to be. */
struct ph_call *ph_call_new(struct ph_agent *a, ph_ns now, bool caller,
                            const struct ph_addr *relay);
void ph_call_set_state(struct ph_call *c, enum ph_call_state state);
struct ph_quic_conn_config ph_call_quic_config(struct ph_call *c);

void ph_call_on_signal(struct ph_call *c, ph_ns now, const struct ph_signal *m);
/* A STUN request addressed to this call's credentials, or a response that may be for it (true: it
 * was). */
bool ph_call_on_check(struct ph_call *c, ph_ns now, const struct ph_stun *msg, const uint8_t *data,
                      size_t len, const struct ph_source *from);
/* A QUIC packet of this call: from NULL means that it came by the relay. */
void ph_call_on_quic(struct ph_call *c, ph_ns now, const uint8_t *data, size_t len,
                     const struct ph_source *from);
/* Timers, retransmissions, media, flushing. */
void ph_call_pump(struct ph_call *c, ph_ns now);
ph_ns ph_call_deadline(const struct ph_call *c);
/* Ends it: the state is ENDED, nothing is sent any more. */
void ph_call_end(struct ph_call *c, ph_ns now, int error);

/* Round trip to the call's relay, 0: not known. */
ph_ns ph_call_relay_rtt(struct ph_call *c);
/* From one peer to the other and back, by way of the relay; what is not known of it is left out. */
ph_ns ph_call_signalling_rtt(struct ph_call *c);
bool ph_call_established(const struct ph_call *c);
/* Sends one in-band message on a given path, NULL for the relay. The lane is filled in.
 * PH_ERR_AGAIN while keys are not there. Returns the bytes of the packet, or an error. */
int ph_call_send_inband(struct ph_call *c, ph_ns now, struct ph_inband *m, size_t total,
                        struct ph_path *path);
/* Sends one the way that media takes now, or both. */
void ph_call_send_as_media(struct ph_call *c, ph_ns now, struct ph_inband *m, size_t total);
/* The last frame once more, by a direct path that has just been taken: the next one may be 20 ms
 * away, or be lost. */
void ph_call_repeat_media(struct ph_call *c, ph_ns now);
/* Says something to the relay that the call is set up by. PH_ERR_AGAIN while not registered there.
 */
int ph_call_tell(struct ph_call *c, const struct ph_signal *m);
void ph_call_trace(struct ph_call *c, const char *who, const char *from, const char *to);

#endif
