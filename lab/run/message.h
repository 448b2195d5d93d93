/* Messages between the runner and its builder and workers: one SEQPACKET datagram each, with
 * descriptors of namespaces beside it. All ends are the same program, forked. */
#ifndef LAB_RUN_MESSAGE_H
#define LAB_RUN_MESSAGE_H

#include "lab/run/trial.h"

#define MESSAGE_FDS_MAX 16

enum message_type {
    MESSAGE_BUILD = 1,  /* to the builder: slot, cell, seed of the world and of its first trial */
    MESSAGE_BUILT,      /* back, with the descriptors of the nodes that run something */
    MESSAGE_RESET,      /* slot, seed of the next trial */
    MESSAGE_RESET_DONE, /* back: of the trial that was, the shaper's lateness and the mappings left
                         */
    MESSAGE_FREE,
    MESSAGE_FREED,      /* these too */
    MESSAGE_START,      /* to a worker: slot, cell, trial, seed, and descriptors */
    MESSAGE_ENDED,      /* back, with the result */
    MESSAGE_FAULT,      /* from a worker, and on to the builder: slot, cell, trial, incident */
    MESSAGE_FAULT_DONE, /* back the same way: when it was done, or why it could not be */
};

struct message {
    enum message_type type;
    uint32_t slot, cell, trial;
    uint64_t seed;
    uint64_t world_seed;
    bool ok;
    ph_ns lateness;
    int mappings; /* RESET_DONE, FREED: that the world's routers held after the trial; -1: unknown
                   */
    ph_ns took;
    struct incident incident;
    ph_ns at;                /* FAULT_DONE: by CLOCK_MONOTONIC */
    struct link_drops drops; /* RESET_DONE, FREED: of the trial that was */
    bool drops_known;
    size_t fd_count;
    int fds[MESSAGE_FDS_MAX]; /* the receiver owns them */
    enum lab_exit code;       /* not ok: what kind of failure */
    char text[512];           /* and why */
    struct trial_result result;
};

/* Blocks until it is sent; -1 when the other end is gone. */
int message_send(int sock, const struct message *m);
/* 1: received; 0: nothing there (with MSG_DONTWAIT in flags) or interrupted; -1: the other end is
 * gone. */
int message_receive(int sock, struct message *m, int flags);
void message_close_fds(struct message *m);

#endif
