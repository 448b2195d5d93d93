/* What a run does in which order, and how much of it at once. */
#ifndef LAB_RUN_AGENDA_H
#define LAB_RUN_AGENDA_H

#include "lab/run/record.h"

/* Trials that are made one after the other in one world: in the kernel all of a cell, since a world
 * that is built is kept for them. A simulated one costs nothing to share out: there each trial is a
 * piece, so that those of one cell keep all cores busy. */
struct agenda_piece {
    size_t cell;    /* of the run */
    unsigned trial; /* its first one */
};

struct agenda {
    struct agenda_piece *pieces; /* in the order in which they are run */
    unsigned *trials;            /* of each piece, at least one */
    size_t count;
};

/* -1: out of memory. agenda_fini is for that too. */
int agenda_init(struct agenda *a, const struct run *run, bool sim);
void agenda_fini(struct agenda *a);

/* How many worlds are alive at once: the size of a round of a kernel run. wanted 0: the default. */
size_t agenda_jobs(const struct run *run, size_t wanted, bool sim);
/* That this process may run on. */
size_t agenda_cores(void);

#endif
