/* Calls at the relay: two legs each, found by the call's id and by the legs' tags. */
#ifndef PH_RELAY_SESSION_H
#define PH_RELAY_SESSION_H

#include "relay/registry.h"

/* How a call that nobody answers ends. */
#define PH_SESSION_UNANSWERED (120 * PH_SEC)

struct ph_session;

enum {
    PH_LEG_CALLER = 0,
    PH_LEG_CALLEE = 1,
};

struct ph_leg {
    struct ph_table_node by_tag; /* first */
    struct ph_session *session;
    struct ph_leg *prev, *next; /* of the same client */
    struct ph_client *client;
    uint64_t tag;
    struct ph_bucket packets;
};

struct ph_session {
    struct ph_table_node by_call;   /* first */
    struct ph_session *prev, *next; /* the unanswered ones, the oldest first */
    uint8_t call_id[PH_CALL_ID_LEN];
    struct ph_leg leg[2];
    struct ph_signal *offer; /* NULL once it is answered */
    enum ph_answer_mode mode;
    ph_ns since;
};

struct ph_sessions {
    struct ph_table by_call;
    struct ph_table by_tag;
    struct ph_session *first, *last; /* unanswered */
    uint32_t count;
};

/* PH_ERR_NOMEM. */
int ph_sessions_init(struct ph_sessions *s, uint64_t secret);
/* Every session must be closed by then. */
void ph_sessions_fini(struct ph_sessions *s);

/* The offer is copied, its relay_token is the caller's tag. PH_ERR_SPACE: the call's id or a tag is
 * taken, or zero. PH_ERR_NOMEM. */
int ph_sessions_open(struct ph_sessions *s, ph_ns now, const struct ph_signal *offer,
                     struct ph_client *caller, struct ph_client *callee, uint64_t callee_tag,
                     struct ph_session **out);
void ph_sessions_close(struct ph_sessions *s, struct ph_session *session);
/* Forgets the offer. */
void ph_sessions_answered(struct ph_sessions *s, struct ph_session *session,
                          enum ph_answer_mode mode);
struct ph_session *ph_sessions_find(const struct ph_sessions *s,
                                    const uint8_t call_id[PH_CALL_ID_LEN]);
struct ph_leg *ph_sessions_leg(const struct ph_sessions *s, uint64_t tag);
struct ph_leg *ph_leg_other(struct ph_leg *leg);
/* This client's leg of the call, or NULL when it has none. */
struct ph_leg *ph_session_leg_of(struct ph_session *session, const struct ph_client *c);
/* The oldest unanswered call that is over its time, or NULL; and when there will be one. */
struct ph_session *ph_sessions_overdue(const struct ph_sessions *s, ph_ns now);
ph_ns ph_sessions_deadline(const struct ph_sessions *s);

#endif
