/* The runner's other processes: forked, joined by a socket, and gone when it is. */
#ifndef LAB_RUN_CHILDREN_H
#define LAB_RUN_CHILDREN_H

#include "lab/run/record.h"

#include <sys/types.h>

enum child_kind {
    CHILD_BUILDER,
    CHILD_WORKER,
    CHILD_SIM_WORKER,
};

struct child_task {
    enum child_kind kind;
    const struct run *run;
    size_t slots;
};

struct child {
    pid_t pid; /* 0: none */
    int sock;  /* this end; -1: none */
};

/* A killed parent takes its children with it: by PDEATHSIG, and by the end of their sockets. */
int child_start(const struct child_task *task, struct child *out, struct lab_error *err);
/* Closes its socket, ends it, and waits until it is gone. `how` says what became of it: "a process
 * that ran trials was killed by signal 11"; may be NULL. */
void child_end(struct child *c, char *how, size_t cap);

#endif
