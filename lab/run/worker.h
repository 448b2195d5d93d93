/* The process that runs trials, many at once on one loop. */
#ifndef LAB_RUN_WORKER_H
#define LAB_RUN_WORKER_H

#include "lab/run/record.h"

/* Serve requests on a socket until its other end is closed; return the process's exit code. */
int worker_kernel_main(const struct run *run, size_t slots, int sock);
int worker_sim_main(const struct run *run, int sock);

#endif
