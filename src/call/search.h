/* The search for a callee that is registered with another relay than the caller: when a relay does
 * not know it, the caller registers with the next one that it knows of, and dials there again.
 *
 * A relay that lies about a callee can set off this search, and its ack may have named the relays
 * that are then tried. What it gains is bounded: the addresses are those that relay_map.h lets in,
 * each is tried once, one at a time, for a few seconds in all, and only when the user dials. What
 * every relay that is asked learns is who calls whom, as any relay of a call does. */
#ifndef PH_CALL_SEARCH_H
#define PH_CALL_SEARCH_H

#include "call/relay_map.h"

struct ph_call;

enum ph_search_state {
    PH_SEARCH_IDLE,  /* the call is dialled where it is */
    PH_SEARCH_DUE,   /* its relay does not know the callee: the next one is to be tried */
    PH_SEARCH_GOING, /* registering with the next one, which is the call's relay by now */
};

struct ph_search {
    enum ph_search_state state;
    int error; /* that the call ends with when nobody knows the callee */
    struct ph_addr tried[PH_RELAY_MAP_MAX];
    size_t tried_count;
    ph_ns deadline; /* for all of it; PH_NEVER before the first */
};

void ph_search_init(struct ph_search *s);
/* The call's relay has hung up on the offer. True when the search goes on elsewhere; false when
 * that is no reason to, or not this side's business. */
bool ph_search_on_hangup(struct ph_call *c, ph_ns now, enum ph_hangup_reason reason, int error);
/* Not from inside a callback of a connection's. May end the call. */
void ph_search_pump(struct ph_call *c, ph_ns now);
ph_ns ph_search_deadline(const struct ph_search *s);

#endif
