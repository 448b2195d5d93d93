/* The stage *portmap*: a port that the own router opens for the asking, as a candidate of its own.
 *
 * The agent finds out beforehand who could map (its mapper has asked the routers). When a call
 * begins a mapping is asked for, beside everything else; where a router is known to answer, the
 * offer or the answer waits for it, three round trips of the router's and 10 ms at most. Where none
 * is known nothing waits. A mapping that comes later follows as a candidate.
 *
 * The stage's time is that of the mapping: from the call's start to the moment it is there. It wins
 * when the call's path leads through a mapping of either peer's. */
#ifndef PH_CALL_PORTMAP_STAGE_H
#define PH_CALL_PORTMAP_STAGE_H

#include "path/candidate.h"
#include "path/table.h"
#include "pinhole.h"

struct ph_call;

enum ph_portmap_stage_state {
    PH_PORTMAP_STAGE_IDLE,    /* not started, or not wanted */
    PH_PORTMAP_STAGE_ASKING,  /* the router is asked */
    PH_PORTMAP_STAGE_OFFERED, /* the mapping is there, and the peer knows or will know of it */
    PH_PORTMAP_STAGE_OVER,    /* no mapping is to be had */
};

struct ph_portmap_stage {
    struct ph_call *call;
    enum ph_portmap_stage_state state;
    ph_ns patience;          /* until then the offer or answer waits; PH_NEVER: it does not */
    uint64_t packets, bytes; /* that the mapper had sent when this was last counted */
    struct ph_addr told;     /* the mapped address that the peer knows; family NONE: none */
};

void ph_portmap_stage_init(struct ph_portmap_stage *s, struct ph_call *call);
/* With the dial, or with the offer that is to be answered in full. */
void ph_portmap_stage_start(struct ph_portmap_stage *s, ph_ns now);
/* Whether the offer or answer had better wait. */
bool ph_portmap_stage_waits(const struct ph_portmap_stage *s, ph_ns now);
/* Adds what the router gave us to the candidates of an offer or answer, and to its own field. */
void ph_portmap_stage_offer(struct ph_portmap_stage *s, struct ph_candidate_set *set,
                            struct ph_addr *mapped_addr);
/* Follows the mapper; tells the peer what is new. */
void ph_portmap_stage_pump(struct ph_portmap_stage *s, ph_ns now);
ph_ns ph_portmap_stage_deadline(const struct ph_portmap_stage *s);
/* Whether an address that the peer has seen us come from is our mapped one. */
bool ph_portmap_stage_is_own(const struct ph_portmap_stage *s, const struct ph_addr *seen);

#endif
