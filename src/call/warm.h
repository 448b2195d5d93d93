/* Keeping paths warm: sealed probes along the paths that have been proved, so that the NATs'
 * mappings on them live, their round trips are known, and one is at hand when the one in use dies.
 *
 *   in use       a probe a second: its round trip, and its death while no media would show it
 *   spare        up to three more of the best, often enough for the shortest mapping lifetime that
 *                is common, or the measured one
 *   dead         again and again, at growing distances: it may come back
 *
 * A spare path that is nearer than the one in use, by several probes in a row, takes its place. */
#ifndef PH_CALL_WARM_H
#define PH_CALL_WARM_H

#include "path/table.h"

struct ph_call;

struct ph_warm {
    struct ph_call *call;
};

void ph_warm_init(struct ph_warm *w, struct ph_call *call);
/* The path in use is another one. */
void ph_warm_on_taken(struct ph_warm *w, ph_ns now);
/* It is not in use any more: it may have died. */
void ph_warm_on_dead(struct ph_warm *w, ph_ns now, struct ph_path *path);
/* An echo came back by this path; its round trip is up to date. */
void ph_warm_on_echo(struct ph_warm *w, ph_ns now, struct ph_path *path);
/* The best of the spare paths that are proved and answer; NULL: none. */
struct ph_path *ph_warm_spare(struct ph_warm *w);
void ph_warm_pump(struct ph_warm *w, ph_ns now);
ph_ns ph_warm_deadline(const struct ph_warm *w);

#endif
