/* Calls whose relay is lost: they get it back, or another one.
 *
 * An agent stays registered with the relays of its calls. When such a registration ends it tries to
 * get it back, and meanwhile tells of the call, by CallResume, where it is registered: at its home,
 * and at the other relays that it knows, for the peer may be at any of them. A relay at which both
 * ends have said so confirms it to both. From then on frames from there count as the call's too;
 * this end's own go that way as soon as, and for as long as, the old relay is not to be had. So the
 * ends need not agree on when they change, nor on which of two relays to take.
 *
 * A relay that dies says nothing. While a call has no other path, frames that do not come are a
 * reason to ask the relay whether it is there (call/registrar.h). */
#ifndef PH_CALL_RESUMPTION_H
#define PH_CALL_RESUMPTION_H

#include "base/addr.h"
#include "base/time.h"
#include "wire/signal.h"

struct ph_agent;
struct ph_call;
struct ph_registrar;

struct ph_resumption {
    struct ph_agent *agent;
    ph_ns at;         /* the next attempt; PH_NEVER: all calls have their relay */
    ph_ns wait;       /* until the one after that */
    ph_ns noticed_at; /* when a notice last cut that short; 0: never */
};

void ph_resumption_init(struct ph_resumption *r, struct ph_agent *agent);
/* The registration with this relay has ended, or could not be had. */
void ph_resumption_on_lost(struct ph_resumption *r, ph_ns now, const struct ph_addr *relay);
/* There is one now, or it was confirmed. */
void ph_resumption_on_registered(struct ph_resumption *r, ph_ns now, struct ph_registrar *at);
/* The relay says that it does not know a tag of ours, or not from where our frames come. */
void ph_resumption_on_notice(struct ph_resumption *r, ph_ns now, const struct ph_addr *relay);
/* The relay says that both ends have resumed the call. */
void ph_resumption_on_confirmed(struct ph_resumption *r, struct ph_call *c,
                                const struct ph_registrar *at, const struct ph_signal *m);
void ph_resumption_pump(struct ph_resumption *r, ph_ns now);
ph_ns ph_resumption_deadline(const struct ph_resumption *r);

#endif
