/* The process that builds worlds, proves their NATs, and puts them back in order between trials, so
 * that none of that work is done by a process that times a trial. */
#ifndef LAB_RUN_BUILDER_H
#define LAB_RUN_BUILDER_H

#include "lab/run/record.h"

/* Serves requests on a socket until its other end is closed. Returns the process's exit code. */
int builder_main(const struct run *run, size_t slots, int sock);

#endif
