/* Which trial runs when and where. Pure: it does nothing itself; the runner tells it what has
 * happened and does what it says.
 *
 * Building worlds and letting them die costs the kernel long moments in which nothing else runs, so
 * with `rounds` nothing is built while a trial runs: all slots are filled, then all their trials
 * are made, then the next round begins.
 *
 * A slot is a world that is alive. A cell takes a slot for all its trials:
 *   EMPTY -> BUILDING -> READY -> RUNNING -> RESETTING -> READY ... RUNNING -> FREEING -> EMPTY */
#ifndef LAB_RUN_SCHEDULER_H
#define LAB_RUN_SCHEDULER_H

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>

struct scheduler_config {
    size_t cells;
    const unsigned *trials; /* of each cell, at least one; they outlive the scheduler */
    size_t slots;
    size_t workers;
    size_t builds_max; /* under way at once */
    bool rounds;
    ph_ns start_gap; /* between two starts of trials, so that their bursts do not pile up */
};

enum scheduler_do {
    SCHEDULER_WAIT, /* for an event, or until `when` (PH_NEVER: an event alone) */
    SCHEDULER_BUILD,
    SCHEDULER_START,
    SCHEDULER_OVER,
};

struct scheduler_action {
    enum scheduler_do what;
    size_t slot, cell, worker;
    unsigned trial;
    ph_ns when;
};

/* What is to be done with a slot's world after a trial. */
enum scheduler_after {
    SCHEDULER_RESET,
    SCHEDULER_FREE,
};

struct scheduler;

struct scheduler *scheduler_new(const struct scheduler_config *config);
void scheduler_free(struct scheduler *s);

/* The next thing to do; it counts as begun. */
void scheduler_next(struct scheduler *s, ph_ns now, struct scheduler_action *out);

/* The world of a slot stands, or could not be built: then the cell is over. */
void scheduler_built(struct scheduler *s, size_t slot, bool ok);
enum scheduler_after scheduler_trial_ended(struct scheduler *s, size_t slot);
/* The world is clean again, or cannot be used any more: then the cell is over and the slot must be
 * freed. */
void scheduler_reset_done(struct scheduler *s, size_t slot, bool ok);
void scheduler_freed(struct scheduler *s, size_t slot);
/* No new build and no new start from here on; it is over when nothing is under way. Worlds that
 * stand ready are left standing. */
void scheduler_stop(struct scheduler *s);

/* The cell and trial that a slot is at. */
void scheduler_where(const struct scheduler *s, size_t slot, size_t *cell, unsigned *trial,
                     size_t *worker);
/* True while a trial of the slot runs. */
bool scheduler_running(const struct scheduler *s, size_t slot);

#endif
