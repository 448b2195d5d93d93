/* Renewal: a call that is up finds its direct path anew, when its own died or the network is not
 * what it was. Both peers look at their NATs again, tell each other where they are to be reached
 * (CandidateUpdate, on their own stream: no relay can name a third party to be checked), and punch
 * again; hard NATs are gone about again, too.
 *
 * The order is that of a new call, since the routers have the same traps (call/punch.h). The caller
 * leads:
 *
 *   caller   gathers -> update (generation g)
 *   callee   gathers -> openers of low TTL -> update that answers g
 *   caller   checks at full TTL
 *
 * A callee that has a reason says its update, and so makes the caller begin. An update of a
 * generation that is not newer than what was heard is ignored. When a round finds nothing the next
 * comes later, and ever later, for as long as the call lasts. */
#ifndef PH_CALL_RENEWAL_H
#define PH_CALL_RENEWAL_H

#include "base/time.h"
#include "wire/signal.h"

#include <stdbool.h>

struct ph_call;

enum ph_renewal_state {
    PH_RENEWAL_IDLE,
    PH_RENEWAL_GATHERING, /* the own addresses are being looked at */
    PH_RENEWAL_ASKED,     /* caller: the callee's answer is to come */
};

struct ph_renewal {
    struct ph_call *call;
    enum ph_renewal_state state;
    uint32_t generation;      /* of the own candidates, as told last; 0: in offer or answer */
    uint32_t peer_generation; /* of the peer's, the newest */
    uint32_t answers;         /* the one that the next update answers; 0: none */
    struct ph_signal update;  /* callee: the update that it answers */
    ph_ns due;                /* the next round; PH_NEVER: none is wanted */
    ph_ns gathered_by;        /* GATHERING: told then at the latest */
    ph_ns begun;              /* the last round; PH_NEVER: there was none */
    unsigned tries;           /* rounds in a row that found nothing */
};

void ph_renewal_init(struct ph_renewal *r, struct ph_call *call);
/* This machine's network has changed. */
void ph_renewal_on_network(struct ph_renewal *r, ph_ns now);
/* The direct path in use has died. */
void ph_renewal_on_dead(struct ph_renewal *r, ph_ns now);
/* There is one (again). */
void ph_renewal_on_proved(struct ph_renewal *r);
void ph_renewal_on_update(struct ph_renewal *r, ph_ns now, const struct ph_signal *m);
void ph_renewal_pump(struct ph_renewal *r, ph_ns now);
ph_ns ph_renewal_deadline(const struct ph_renewal *r);

#endif
