/* Calls at the relay: two legs each, found by the call's id together with an end's fingerprint, and
 * by the legs' tags.
 *
 * A leg belongs to a fingerprint, not to a connection. When its client goes the leg is *away*: it
 * keeps its address, and is forwarded to and from, until the owner registers again or its time is
 * over. If that is not where a handshake was, nobody knows that the owner is there: then it gets at
 * most three times what comes from there (RFC 9000 section 8). A call that one end has resumed and
 * the other not yet has a leg without a tag, which is away from the start. */
#ifndef PH_RELAY_SESSION_H
#define PH_RELAY_SESSION_H

#include "base/heap.h"
#include "relay/registry.h"

/* How a call that nobody answers ends. */
#define PH_SESSION_UNANSWERED (120 * PH_SEC)
/* How long a leg may be away. */
#define PH_SESSION_AWAY (30 * PH_SEC)

struct ph_session;

enum {
    PH_LEG_CALLER = 0,
    PH_LEG_CALLEE = 1,
};

struct ph_leg {
    struct ph_table_node by_tag;   /* first */
    struct ph_table_node by_owner; /* while it is away */
    struct ph_session *session;
    struct ph_leg *prev, *next; /* of the same client */
    struct ph_client *client;   /* NULL: away ... */
    ph_ns away_until;           /* ... until then; PH_NEVER: it is not */
    uint8_t owner[PH_FINGERPRINT_LEN];
    uint64_t tag;        /* 0: its end has not resumed the call yet */
    struct ph_addr addr; /* where its frames come from and go to ... */
    size_t listen;       /* ... and by which of the relay's sockets */
    bool unproved;       /* away: see above */
    uint64_t came, went; /* away: bytes of its frames, since then */
    struct ph_bucket packets;
};

struct ph_session {
    struct ph_table_node by_call;   /* first */
    struct ph_heap_node deadline;   /* PH_NEVER: none */
    struct ph_session *prev, *next; /* all of them */
    uint8_t call_id[PH_CALL_ID_LEN];
    struct ph_leg leg[2];
    struct ph_signal *offer; /* NULL once it is answered */
    enum ph_answer_mode mode;
    ph_ns since;
};

struct ph_sessions {
    struct ph_table by_call;
    struct ph_table by_tag;
    struct ph_table away; /* legs, by owner */
    struct ph_heap deadlines;
    struct ph_session *first;
    uint32_t count;
};

/* PH_ERR_NOMEM. */
int ph_sessions_init(struct ph_sessions *s, uint64_t secret);
/* Closes all that are left, without a word. */
void ph_sessions_fini(struct ph_sessions *s);

/* The offer is copied, its relay_token is the caller's tag. PH_ERR_SPACE: one of them has a call of
 * this id, or a tag is taken, or zero. PH_ERR_NOMEM. */
int ph_sessions_open(struct ph_sessions *s, ph_ns now, const struct ph_signal *offer,
                     struct ph_client *caller, struct ph_client *callee, uint64_t callee_tag,
                     struct ph_session **out);
/* What a running call was elsewhere, or before: both ends are away. A leg of tag 0 is one that has
 * not been heard of. Errors as above. */
struct ph_session_facts {
    uint8_t call_id[PH_CALL_ID_LEN];
    enum ph_answer_mode mode;
    struct {
        uint8_t owner[PH_FINGERPRINT_LEN];
        uint64_t tag;
        struct ph_addr addr;
        size_t listen;
        bool unproved;
    } leg[2];
};
int ph_sessions_restore(struct ph_sessions *s, ph_ns now, const struct ph_session_facts *facts,
                        struct ph_session **out);
void ph_sessions_close(struct ph_sessions *s, struct ph_session *session);
/* Forgets the offer. */
void ph_sessions_answered(struct ph_sessions *s, struct ph_session *session,
                          enum ph_answer_mode mode);
/* Of the calls with this id, the one that has this end; NULL. */
struct ph_session *ph_sessions_find(const struct ph_sessions *s,
                                    const uint8_t call_id[PH_CALL_ID_LEN],
                                    const uint8_t end[PH_FINGERPRINT_LEN]);
/* Whether this one has a leg that is away. */
bool ph_sessions_awaits(const struct ph_sessions *s, const uint8_t owner[PH_FINGERPRINT_LEN]);
struct ph_leg *ph_sessions_leg(const struct ph_sessions *s, uint64_t tag);
struct ph_leg *ph_leg_other(struct ph_leg *leg);
struct ph_leg *ph_session_leg_of(struct ph_session *session, const uint8_t end[PH_FINGERPRINT_LEN]);

/* The leg's client goes, or has lost its connection. */
void ph_sessions_leave(struct ph_sessions *s, ph_ns now, struct ph_leg *leg);
/* The client has registered: its legs are its own again, at its address. Those that are still
 * without a tag stay away. Returns how many came back. */
size_t ph_sessions_return(struct ph_sessions *s, struct ph_client *c);
/* A leg that was not heard of is: its tag is this, its client c. PH_ERR_SPACE: the tag is taken, or
 * zero. */
int ph_sessions_arrive(struct ph_sessions *s, struct ph_leg *leg, struct ph_client *c,
                       uint64_t tag);
/* The client is at another address. */
void ph_sessions_move(struct ph_client *c);

/* The call that has been unanswered, or without one of its ends, for longest, and for too long;
 * NULL: none. And when there will be one. */
struct ph_session *ph_sessions_overdue(const struct ph_sessions *s, ph_ns now);
ph_ns ph_sessions_deadline(const struct ph_sessions *s);

#endif
