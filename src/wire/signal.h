/* Signalling messages, on the one QUIC stream between a peer and its relay.
 *
 *   message: | length (16) of what follows | type (16) | field ... |
 *   field:   | id (16) | length (16) | value |
 *
 * Types 8 and 9 are what two peers tell each other of their NATs, on the stream of their own
 * connection (wire/hardnat.h), and 10, 11, 17 and 18 what they tell of their call's quality, in its
 * datagrams (wire/quality.h): no relay takes or makes them.
 *
 * Unknown types and fields are skipped and missing fields have the defaults given here, so that old
 * and new peers talk. A field that is repeated is a list where the message has a list; otherwise
 * its last value counts. A value may grow in newer versions: bytes behind its known part are
 * ignored. Numbers that only a newer peer knows: a candidate or an address of such a kind is left
 * out, an answer mode is PRIVACY, a reason is NORMAL. What is at its default is not sent. */
#ifndef PH_WIRE_SIGNAL_H
#define PH_WIRE_SIGNAL_H

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_SIGNAL_MAX            4096 /* bytes of one message, its length field included */
#define PH_SIGNAL_CANDIDATES_MAX 16
#define PH_SIGNAL_RELAYS_MAX     8
#define PH_SIGNAL_REGION_MAX     32
#define PH_FINGERPRINT_LEN       32
#define PH_CALL_ID_LEN           16
#define PH_UFRAG_LEN             8
#define PH_PWD_LEN               16

enum ph_signal_type {
    PH_SIGNAL_REGISTER_PRESENCE = 1,
    PH_SIGNAL_REGISTER_PRESENCE_ACK = 2,
    PH_SIGNAL_DIRECT_CALL_OFFER = 3,
    PH_SIGNAL_DIRECT_CALL_ANSWER = 4,
    PH_SIGNAL_CALL_SETUP = 5,
    PH_SIGNAL_ICE_CANDIDATE = 6,
    PH_SIGNAL_CANDIDATE_UPDATE = 7,
    PH_SIGNAL_HANGUP = 12,
    /* A peer to its relay, of a call that runs: the relay may have forgotten it, or may be another
     * one than before. A session comes of it when the other peer says the same of this one, which
     * is told to both in the same words. */
    PH_SIGNAL_CALL_RESUME = 13,
    /* A relay to its clients: it stops, and takes no new calls; `relays` are others. */
    PH_SIGNAL_DRAIN = 14,
    /* A registered peer to its relay: packets to `observed`, of the other address family than its
     * connection's, reach it, too; `relay_token` is the relay's own voucher for that, which came by
     * STUN (wire/stun.h). */
    PH_SIGNAL_ALSO_AT = 15,
};

/* Kinds of candidates (RFC 8445 section 5.1.1; `mapped` is one that a port-mapping protocol made).
 */
enum ph_candidate_type {
    PH_CANDIDATE_HOST = 1,
    PH_CANDIDATE_MAPPED = 2,
    PH_CANDIDATE_REFLEXIVE = 3,
    PH_CANDIDATE_PREDICTED = 4,
    PH_CANDIDATE_RELAY = 5,
};

struct ph_candidate {
    enum ph_candidate_type type;
    uint32_t priority; /* RFC 8445 section 5.1.2; 0 in a message: absent, by type then */
    struct ph_addr addr;
};

enum ph_answer_mode {
    PH_ANSWER_FULL = 0,    /* candidates are given, direct paths are sought */
    PH_ANSWER_PRIVACY = 1, /* no address is given away: relay only */
    PH_ANSWER_REFUSE = 2,
};

enum ph_hangup_reason {
    PH_HANGUP_NORMAL = 0,
    PH_HANGUP_REFUSED = 1,
    PH_HANGUP_UNKNOWN_PEER = 2, /* by the relay: nobody of that fingerprint is registered */
    PH_HANGUP_BUSY = 3,         /* by the relay: a cap is reached */
    PH_HANGUP_LOST = 4,         /* by the relay: the other peer's connection ended */
};

/* Credentials of connectivity checks (RFC 8445 section 5.3), fresh for each call and side. */
struct ph_check_credentials {
    uint8_t ufrag[PH_UFRAG_LEN]; /* printable ASCII */
    uint8_t pwd[PH_PWD_LEN];
};

/* One struct serves every message; `type` says which fields count. Those that a message does not
 * carry are zero. */
struct ph_signal {
    enum ph_signal_type type;

    uint8_t call_id[PH_CALL_ID_LEN];         /* all but the register ones */
    uint8_t fingerprint[PH_FINGERPRINT_LEN]; /* register: own. offer to the relay: the callee's;
                                              * offer from the relay, setup, resume: the other
                                              * peer's */
    /* RegisterPresenceAck; Drain: the other relays */
    /* Also of offer, answer and setup as they come from the relay: the other peer's, where that
     * names any address. A relay's word for what a peer says of its own (call/hard.h). */
    struct ph_addr observed;           /* the source address that the relay sees */
    struct ph_addr also;               /* and of the other family, by ALSO_AT; family NONE: none */
    char region[PH_SIGNAL_REGION_MAX]; /* NUL-terminated printable ASCII; of this relay */
    struct ph_addr relays[PH_SIGNAL_RELAYS_MAX];                    /* the others */
    char relay_regions[PH_SIGNAL_RELAYS_MAX][PH_SIGNAL_REGION_MAX]; /* theirs; empty: not known */
    size_t relay_count;

    /* Offer, answer, setup (there: the other side's), IceCandidate, CandidateUpdate */
    struct ph_candidate candidates[PH_SIGNAL_CANDIDATES_MAX];
    size_t candidate_count;
    struct ph_check_credentials credentials;
    struct ph_addr mapped_addr;   /* caller_, callee_ or peer_mapped_addr; optional */
    enum ph_answer_mode mode;     /* answer, setup; default FULL */
    uint32_t relay_rtt_ms;        /* offer, answer, setup: the sender's round trip to
                                   * its relay; 0: not known */
    uint64_t relay_token;         /* offer: the tag of the caller's relay leg when it
                                   * comes from the caller, of the callee's when it
                                   * comes from the relay. setup: the receiver's own.
                                   * resume: the peer's own */
    uint32_t generation;          /* CandidateUpdate: only ever grows */
    uint32_t answers;             /* CandidateUpdate: the peer's generation that made this one be
                                   * sent; 0: none did */
    enum ph_hangup_reason reason; /* Hangup */
};

/* Encodes with its length prefix. Returns the length, or PH_ERR_SPACE, PH_ERR_INVAL. */
int ph_signal_encode(const struct ph_signal *m, uint8_t *out, size_t cap);

/* Decodes one message from the start of a stream's bytes. Returns how many bytes it took;
 * PH_ERR_SHORT: the message is not complete yet; PH_ERR_FORMAT: not a message, or longer than
 * PH_SIGNAL_MAX. A type that is not known is taken and gives out->type 0. Lists longer than their
 * cap are cut. */
int ph_signal_decode(const uint8_t *data, size_t len, struct ph_signal *out);

const char *ph_signal_name(enum ph_signal_type type);

#endif
