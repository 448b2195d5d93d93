/* Which media profile the numbers of a call call for. Pure: a second's numbers of both directions
 * come in, the wanted profile comes out; one call of ph_quality_take is one second.
 *
 * Down fast: after two bad seconds, and at once as far as they call for. Up slow, one step at a
 * time: after ten seconds that are together well within what the step up may have. The limits for
 * going up lie so far below those for going down that chance alone does not carry the numbers of a
 * steady path from the one to the other, and where a step up brings the trouble back (a link that
 * is too narrow for it) each following one waits twice as long, up to 80 s. */
#ifndef PH_CALL_QUALITY_H
#define PH_CALL_QUALITY_H

#include "pinhole.h"

#define PH_QUALITY_DOWN_SECONDS 2
#define PH_QUALITY_LOSS_SECONDS 3 /* over which loss is taken that calls for less */
#define PH_QUALITY_UP_SECONDS   10
#define PH_QUALITY_UP_MOST      80

struct ph_quality {
    enum ph_profile profile; /* in force */
    /* The last seconds of it, a ring; [0]: what comes in, [1]: what the peer says comes to it. */
    struct ph_quality_numbers seconds[PH_QUALITY_UP_SECONDS][2];
    size_t count, next;
    unsigned well;     /* seconds since all of them are well */
    unsigned patience; /* how many seconds all must be well before a step up */
    bool rose;         /* the last change was a step up ... */
    unsigned since;    /* ... so many seconds ago */
};

void ph_quality_init(struct ph_quality *q);
/* A second is over. Returns the profile that is wanted. */
enum ph_profile ph_quality_take(struct ph_quality *q, const struct ph_quality_numbers both[2]);
/* This profile is in force from now on. What was measured of another one is forgotten. */
void ph_quality_set(struct ph_quality *q, enum ph_profile profile);

#endif
