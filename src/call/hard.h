/* The stages *predict* and *birthday*: what punching cannot join is joined by guessing ports.
 *
 * On the end-to-end connection each peer tells what its NAT does (HardNatProbe); both make the same
 * plan of it (nat/plan.h) and go through its moves in order (call/run.h), telling each other where
 * they stand (HardNatBirthdayStart). Punching has its turn first where the plan expects something
 * of it. When more becomes known of either NAT the plan is made again.
 *
 *   IDLE -> LEARNING  the end-to-end keys are there
 *        -> HOLDING   both sides' facts are, and punching has its turn
 *        -> MOVING    a move is under way, or its leader is waited for
 *        -> RESTING   the plan has no (more) moves; new facts may make others
 *        -> WON       there is a direct path, whoever found it
 *
 * What a peer, or a relay, can make of this is bounded. Facts come on the end-to-end connection
 * alone, so a relay can neither make nor change them. Packets to guessed ports go to the one IP
 * that the peer named as its own in this call, and to no more than a handful of ports unless the
 * relay saw the peer come from that IP, too: a hostile peer can have nobody else sprayed, and nor
 * can a hostile relay, unless the two are in league, or the relay is all that tells an honest peer
 * where it is (no other STUN server is named). Whatever the peers agree on, the own budget is never
 * exceeded, and the peer's words begin moves only a few times. */
#ifndef PH_CALL_HARD_H
#define PH_CALL_HARD_H

#include "call/run.h"
#include "nat/plan.h"
#include "path/table.h"
#include "wire/hardnat.h"

struct ph_call;

enum ph_hard_state {
    PH_HARD_IDLE,
    PH_HARD_LEARNING,
    PH_HARD_HOLDING,
    PH_HARD_MOVING,
    PH_HARD_RESTING,
    PH_HARD_WON,
};

/* Packets to an IP that nobody but the peer says is its own. */
#define PH_HARD_HANDFUL 8

struct ph_hard {
    struct ph_call *call;
    /* Carries a message to the peer, in place of the call's stream: for a bench of the stages
     * alone. NULL: the stream. */
    void (*carry)(struct ph_hard *h, const uint8_t *message, size_t len);
    enum ph_hard_state state;
    struct ph_hard_probe own, peer; /* as they were told */
    bool told, heard;
    unsigned facts;    /* how often the peer's were taken */
    uint32_t surveyed; /* what the survey had seen when `own` was made */
    struct ph_plan plan;
    size_t index; /* of the move that is under way, or next */
    struct ph_run run;
    /* Sockets of moves that are over, by whose paths the peer may be sending: until the call ends,
     * since it may have proved another path than this side uses. */
    ph_sock warm[PH_PATHS_MAX];
    size_t warm_count;
    ph_ns patience; /* LEARNING: for facts; HOLDING: for punching; PH_NEVER */
    uint32_t probes_left, openers_left, handful_left;
    uint64_t guesses; /* full-TTL packets to guessed ports so far, in all moves */
    bool router_full; /* the canary has died: nothing is sprayed in this call any more */
    ph_ns since;      /* it seeks: the call's beginning, or its last renewal */
    ph_ns refilled;   /* when the budget was whole */
};

void ph_hard_init(struct ph_hard *h, struct ph_call *call);
void ph_hard_fini(struct ph_hard *h);
void ph_hard_on_established(struct ph_hard *h, ph_ns now);
/* What the peer says of its NAT, and of a move. */
void ph_hard_on_message(struct ph_hard *h, ph_ns now, const struct ph_hard_message *m);
/* The call is renewed: what was known of both NATs counts no more. A budget that was begun long ago
 * is whole again. */
void ph_hard_renew(struct ph_hard *h, ph_ns now);
/* True when the socket is one of the stage's, and the datagram was for the stage alone; what it
 * leaves is a check, or a sealed packet. */
bool ph_hard_owns(const struct ph_hard *h, ph_sock sock);
bool ph_hard_on_datagram(struct ph_hard *h, ph_ns now, ph_sock sock, const struct ph_datagram *in);
/* A QUIC Initial that belongs to no connection: true when it is the peer's probe. */
bool ph_hard_on_initial(struct ph_hard *h, ph_ns now, const struct ph_source *from, size_t len);
/* The path that a response to a guess opens; NULL: it answers none. */
struct ph_path *ph_hard_take_response(struct ph_hard *h, ph_ns now,
                                      const uint8_t tid[PH_STUN_TID_LEN],
                                      const struct ph_source *from);
/* Something authenticated came by a path that was not known: perhaps a move's doing. */
void ph_hard_on_heard(struct ph_hard *h, struct ph_path *path);
void ph_hard_on_proved(struct ph_hard *h, ph_ns now);
/* Whether checks to the peer's reflexive address had better wait. They leave from a port that it
 * cannot know, so unless its filter lets them in all the same they are worth nothing; and where its
 * router accepts, such a packet spoils that port for its guesses (nat/plan.h): one in a block of a
 * few hundred is too much. */
bool ph_hard_spares(struct ph_hard *h, const struct ph_path *path);
/* One of its stages is on. */
bool ph_hard_is_wanted(const struct ph_hard *h);
/* It seeks a path, or may yet. */
bool ph_hard_is_running(const struct ph_hard *h);
void ph_hard_pump(struct ph_hard *h, ph_ns now);
ph_ns ph_hard_deadline(const struct ph_hard *h, ph_ns now);

/* For call/run.c. */
/* One more packet of a move: within the budget and, where nobody but the peer says that the IP is
 * its own, within the handful. free_of_charge: the first one of a fresh socket, which was counted
 * when it was opened. */
bool ph_hard_may_fire(struct ph_hard *h, bool free_of_charge);
/* Takes the sockets of proved paths out of the move's fan. */
void ph_hard_keep_warm(struct ph_hard *h);
void ph_hard_tell_start(struct ph_hard *h, const struct ph_hard_start *s);

/* The facts of this agent's NAT as they go out (call/hard_facts.c); `final`: as far as they will be
 * known. And what a plan makes of those that came in. */
void ph_hard_facts_own(struct ph_call *c, ph_ns now, struct ph_hard_probe *out);
void ph_hard_facts_side(const struct ph_hard_probe *p, struct ph_plan_side *out);

#endif
