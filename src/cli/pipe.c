#include "cli/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CHUNK 16384
/* In one turn of the loop, which then looks at its sockets again. */
#define TURNS_MAX 16

static void pump(struct pipe *p);

static void on_turn(void *user)
{
    pump(user);
}

static void on_ready(void *user, uint32_t events)
{
    (void)events;
    pump(user);
}

void pipe_init(struct pipe *p, struct ph_loop *loop, int in, int out,
               void (*on_over)(void *user, enum pipe_end end), void *user)
{
    *p = (struct pipe){.loop = loop, .in = in, .out = out, .on_over = on_over, .user = user};
    /* A reader that has gone is an error of write, not the end of us. */
    (void)signal(SIGPIPE, SIG_IGN);
}

void pipe_keep_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            (void)open("/dev/null", O_RDWR); /* it gets the lowest number that is free */
        }
    }
}

/* Descriptors that epoll refuses (files, /dev/null) are always ready, and never waited for. */
static void watch(struct pipe *p, int fd, uint32_t events, bool *watched)
{
    if (!*watched) {
        *watched = ph_loop_watch(p->loop, fd, events, on_ready, p) == PH_OK;
    }
}

static void unwatch(struct pipe *p, int fd, bool *watched)
{
    if (*watched) {
        ph_loop_unwatch(p->loop, fd);
        *watched = false;
    }
}

void pipe_fini(struct pipe *p)
{
    if (p->loop) {
        unwatch(p, p->in, &p->in_watched);
        unwatch(p, p->out, &p->out_watched);
        (void)ph_loop_at(p->loop, PH_NEVER, on_turn, p);
    }
}

static void end(struct pipe *p, enum pipe_end how)
{
    if (p->over) {
        return;
    }
    p->over = true;
    pipe_fini(p);
    p->on_over(p->user, how);
}

static void end_broken(struct pipe *p, const char *what)
{
    fprintf(stderr, "pinhole: cannot %s: %s\n", what, strerror(errno));
    end(p, PIPE_BROKEN);
}

/* Whether it would not block. A pipe that is ready for writing takes PIPE_BUF bytes at once. */
static bool is_ready(int fd, short events)
{
    struct pollfd pfd = {.fd = fd, .events = events};

    return poll(&pfd, 1, 0) == 1;
}

/* True: there is more to do than was done in this turn. */
static bool pump_in(struct pipe *p)
{
    uint8_t buf[CHUNK];

    for (int turn = 0; turn < TURNS_MAX && !p->in_ended; turn++) {
        size_t room = ph_call_stream_room(p->call);
        ssize_t n;

        if (room == 0) {
            unwatch(p, p->in, &p->in_watched); /* on_stream says when there is some */
            return false;
        }
        if (!is_ready(p->in, POLLIN)) {
            watch(p, p->in, EPOLLIN, &p->in_watched);
            return false;
        }
        n = read(p->in, buf, room < CHUNK ? room : CHUNK);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (n < 0) {
            end_broken(p, "read the standard input");
            return false;
        }
        if (n == 0) {
            p->in_ended = true;
            unwatch(p, p->in, &p->in_watched);
            ph_call_stream_end(p->call);
        } else if (ph_call_stream_send(p->call, buf, (size_t)n)) { /* there was room for it */
            errno = ENOMEM;
            end_broken(p, "send");
            return false;
        }
    }
    return !p->in_ended;
}

/* The other side has ended, and it is all written: whoever reads there is to see that. */
static void close_out(struct pipe *p)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    unwatch(p, p->out, &p->out_watched);
    p->out_ended = true;
    if (nowhere >= 0) {
        (void)dup2(nowhere, p->out); /* the number is not to mean something else */
        close(nowhere);
    }
}

static bool pump_out(struct pipe *p, const struct ph_stream_report *r)
{
    const uint8_t *data;
    size_t len;

    for (int turn = 0; turn < TURNS_MAX; turn++) {
        ssize_t n;

        len = ph_call_stream_peek(p->call, &data);
        if (len == 0) {
            unwatch(p, p->out, &p->out_watched);
            if (r->ended && !p->out_ended) {
                close_out(p);
            }
            return false;
        }
        if (!is_ready(p->out, POLLOUT)) {
            watch(p, p->out, EPOLLOUT, &p->out_watched);
            return false;
        }
        n = write(p->out, data, len < PIPE_BUF ? len : PIPE_BUF);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            end_broken(p, "write to the standard output");
            return false;
        }
        if (n > 0) {
            ph_call_stream_consume(p->call, (size_t)n);
        }
    }
    return true;
}

static void pump(struct pipe *p)
{
    struct ph_call_report r;
    const uint8_t *data;
    bool more;

    if (p->over || !p->call) {
        return;
    }
    ph_call_report(p->call, &r);
    more = pump_out(p, &r.stream);
    if (!p->over && r.stream.error == PH_OK) {
        more = pump_in(p) || more;
    }
    if (p->over) {
        return;
    }
    if (r.stream.done && p->out_ended) {
        end(p, PIPE_DONE);
    } else if (r.stream.error != PH_OK && ph_call_stream_peek(p->call, &data) == 0) {
        end(p, r.stream.error == PH_ERR_REFUSED ? PIPE_REFUSED : PIPE_CUT);
    } else if (more && ph_loop_at(p->loop, ph_loop_now(p->loop), on_turn, p)) {
        end_broken(p, "go on");
    }
}

void pipe_join(struct pipe *p, struct ph_call *call)
{
    p->call = call;
    pump(p);
}

void pipe_on_stream(struct pipe *p)
{
    pump(p);
}
