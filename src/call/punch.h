/* The stage *punch*: host and reflexive candidates, simultaneous open, trap-proof by its order.
 *
 * A router whose own INPUT accepts takes a packet that comes before its hole for a flow to itself,
 * and gives the later outbound packet another port. So no packet may come before its hole:
 *
 *   callee, on the offer:     openers of low TTL to the caller's candidates (they make the holes
 * and die before the caller's NAT), then the answer caller, on the answer:    checks at full TTL;
 * they find the callee's holes open, and make the caller's own callee, on a check:       its
 * response, and a check of its own the same way callee, on the caller's word by the relay that its
 * checks are under way (or long after the answer, where that word is lost): checks at full TTL to
 * all candidates, for pairs in which the callee's NAT gives another port to each destination and
 * the caller's lets it in all the same
 *
 * An address with no NAT before it has no such router: it is checked at full TTL at once, and so is
 * one that a router has mapped to the peer, since its packets go to the peer and not to the router.
 *
 * Openers and checks may cross a flow that comes in by a mapping of the own side's. The router then
 * gives that flow's source another port on its way in (netfilter has one place for the pair of
 * inside and remote address), and turns it back for the replies: the path works, only its address
 * is one that the peer never named. */
#ifndef PH_CALL_PUNCH_H
#define PH_CALL_PUNCH_H

#include "path/table.h"
#include "pinhole.h"

struct ph_call;

enum ph_punch_state {
    PH_PUNCH_IDLE,
    PH_PUNCH_OPENING, /* callee: holes are open, nothing goes out at full TTL */
    PH_PUNCH_CHECKING,
    PH_PUNCH_WON,
    PH_PUNCH_LOST,
};

struct ph_punch {
    struct ph_call *call;
    enum ph_punch_state state;
    ph_ns full_ttl_at; /* callee: when its own checks begin */
    ph_ns deadline;    /* when it is lost; PH_NEVER */
    uint64_t rounds;   /* of PUNCHING, said by the caller */
    ph_ns next_word;   /* when the caller says it again */
};

void ph_punch_init(struct ph_punch *p, struct ph_call *call);
/* Callee, before its answer goes out. */
void ph_punch_open(struct ph_punch *p, ph_ns now, const struct ph_signal *offer);
/* Caller, with the answer. */
void ph_punch_start(struct ph_punch *p, ph_ns now, const struct ph_signal *answer);
/* Candidates that came later. */
void ph_punch_add(struct ph_punch *p, ph_ns now, const struct ph_candidate *candidates, size_t n);

/* The call is renewed, and these are the peer's candidates now: what was named before, and leads
 * nowhere, is forgotten. open: the callee's turn, whose holes come first; otherwise the checks
 * begin.
 */
void ph_punch_renew(struct ph_punch *p, ph_ns now, const struct ph_signal *update, bool open);
/* Callee: the caller's word that its checks are under way. */
void ph_punch_on_word(struct ph_punch *p, ph_ns now);
/* The call has a direct path, whichever stage found it. */
void ph_punch_on_proved(struct ph_punch *p);
void ph_punch_on_established(struct ph_punch *p, ph_ns now);

/* Also for a mapping of the peer's alone, when neither stage runs here. */
bool ph_punch_is_running(const struct ph_punch *p);
void ph_punch_pump(struct ph_punch *p, ph_ns now);
ph_ns ph_punch_deadline(const struct ph_punch *p);

#endif
