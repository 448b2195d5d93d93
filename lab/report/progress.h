/* Progress of a run: a bar with the time that is left on a terminal, a line for each finished cell
 * elsewhere. */
#ifndef LAB_REPORT_PROGRESS_H
#define LAB_REPORT_PROGRESS_H

#include "lab/run/record.h"

#include <stdio.h>

struct progress {
    const struct run *run;
    FILE *out; /* NULL: quiet */
    bool terminal;
    size_t done, total, cells_done;
    size_t connected, direct, lab_errors;
    size_t good;    /* of other subjects than a call: trials in which all was right */
    unsigned *left; /* trials of each cell still to come */
};

int progress_init(struct progress *p, const struct run *run, FILE *out);
void progress_fini(struct progress *p);
/* After the trial's record is in the run. */
void progress_trial(struct progress *p, size_t cell, unsigned trial);
void progress_tick(struct progress *p, ph_ns elapsed);
/* Takes the bar away. */
void progress_end(struct progress *p);

#endif
