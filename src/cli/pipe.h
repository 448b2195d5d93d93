/* --pipe: what comes in on one descriptor goes out by the call's stream, and what comes by the
 * stream goes out on another. Neither end is read faster than the other takes it. The descriptors
 * may be pipes, sockets, terminals or files; they are never set to non-blocking, for others may
 * share them. */
#ifndef PH_CLI_PIPE_H
#define PH_CLI_PIPE_H

#include "host/loop.h"
#include "pinhole.h"

enum pipe_end {
    PIPE_DONE,    /* both directions have ended, and all is where it belongs */
    PIPE_CUT,     /* the call ended before that */
    PIPE_REFUSED, /* the other side takes no stream */
    PIPE_BROKEN,  /* a descriptor failed; what and why was printed */
};

struct pipe {
    struct ph_loop *loop;
    struct ph_call *call; /* NULL: none yet */
    int in, out;
    bool in_watched, out_watched;
    bool in_ended, out_ended;
    bool over;
    void (*on_over)(void *user, enum pipe_end end);
    void *user;
};

/* To be called before anything is opened: a standard descriptor that the program was started
 * without leads nowhere from then on, instead of into whatever is opened next. */
void pipe_keep_descriptors(void);
/* Borrows the descriptors, but for `out`, which is closed when all of the other side's bytes are
 * written, so that whoever reads there sees the end. on_over is called once. */
void pipe_init(struct pipe *p, struct ph_loop *loop, int in, int out,
               void (*on_over)(void *user, enum pipe_end end), void *user);
void pipe_fini(struct pipe *p);
/* Joins it to a call, which must not be released before it is over; NULL: takes it off one that
 * was never connected. */
void pipe_join(struct pipe *p, struct ph_call *call);
/* To be called by the agent's on_stream. */
void pipe_on_stream(struct pipe *p);

#endif
