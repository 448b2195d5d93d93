#include "lab/net/shaper_private.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A request takes microseconds; a process that says nothing for so long never will. */
#define REPLY_TIMEOUT_MS 10000

struct shaper {
    pid_t pid;
    int control;
    int netns;
};

/* Waits for a reply; a descriptor that comes with it goes to *fd, when wanted. */
static int take_reply(int control, struct shaper_reply *reply, int *fd, struct lab_error *err)
{
    struct pollfd p = {.fd = control, .events = POLLIN};
    struct iovec iov = {.iov_base = reply, .iov_len = sizeof(*reply)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } space;
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = space.bytes,
                         .msg_controllen = sizeof(space.bytes)};
    ssize_t n;
    int ready;

    do {
        ready = poll(&p, 1, REPLY_TIMEOUT_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        return lab_fail(err, LAB_BROKEN, "the shaper process does not answer");
    }
    n = recvmsg(control, &msg, MSG_CMSG_CLOEXEC);
    if (n != (ssize_t)sizeof(*reply)) {
        return lab_fail(err, LAB_BROKEN, "the shaper process has ended");
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && fd != NULL) {
            memcpy(fd, CMSG_DATA(c), sizeof(*fd));
        }
    }
    if (reply->status != 0) {
        reply->text[sizeof(reply->text) - 1] = '\0';
        return lab_fail(err, (enum lab_exit)reply->code, "%s", reply->text);
    }
    return 0;
}

int shaper_start(struct shaper **out, struct lab_error *err)
{
    struct shaper *s = calloc(1, sizeof(*s));
    struct shaper_reply reply;
    pid_t parent = getpid();
    int pair[2] = {-1, -1};

    if (s == NULL) {
        return lab_fail(err, LAB_BROKEN, "no memory for the shaper");
    }
    s->pid = -1;
    s->control = -1;
    s->netns = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        lab_fail_errno(err, LAB_BROKEN, "no socket pair for the shaper");
        goto fail;
    }
    s->control = pair[0];
    (void)fflush(NULL); /* what is buffered must not come out twice */
    s->pid = fork();
    if (s->pid < 0) {
        lab_fail_errno(err, LAB_BROKEN, "cannot start the shaper process");
        goto fail;
    }
    if (s->pid == 0) {
        shaper_process(pair[1], parent);
    }
    close(pair[1]);
    pair[1] = -1;
    if (take_reply(s->control, &reply, &s->netns, err) != 0) {
        goto fail;
    }
    *out = s;
    return 0;
fail:
    if (pair[1] >= 0) {
        close(pair[1]);
    }
    shaper_stop(s);
    return -1;
}

int shaper_netns(const struct shaper *s)
{
    return s->netns;
}

static int ask(struct shaper *s, const struct shaper_request *req, struct shaper_reply *reply,
               struct lab_error *err)
{
    size_t len =
        offsetof(struct shaper_request, links) + (size_t)req->count * sizeof(struct shaper_link);
    ssize_t n;

    do {
        n = send(s->control, req, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)len) {
        return lab_fail_errno(err, LAB_BROKEN, "the shaper process has ended");
    }
    return take_reply(s->control, reply, NULL, err);
}

int shaper_link_add(struct shaper *s, uint32_t world, int if_a, int if_b, struct lab_error *err)
{
    struct shaper_request req = {.op = SHAPER_ADD, .world = world, .if_a = if_a, .if_b = if_b};
    struct shaper_reply reply;

    return ask(s, &req, &reply, err);
}

int shaper_link_translate(struct shaper *s, int if_a, const struct translator *translator,
                          struct lab_error *err)
{
    struct shaper_request req = {.op = SHAPER_TRANSLATE, .if_a = if_a, .translator = *translator};
    struct shaper_reply reply;

    return ask(s, &req, &reply, err);
}

int shaper_world_set(struct shaper *s, uint32_t world, const struct shaper_link *links, size_t n,
                     uint64_t seed, struct lab_error *err)
{
    struct shaper_request req = {.op = SHAPER_SET, .world = world, .seed = seed, .count = n};
    struct shaper_reply reply;

    if (n > SHAPER_LINKS_MAX) {
        return lab_fail(err, LAB_BROKEN, "the shaper takes %d links of a world", SHAPER_LINKS_MAX);
    }
    if (n > 0) {
        memcpy(req.links, links, n * sizeof(*links));
    }
    return ask(s, &req, &reply, err);
}

int shaper_world_reset(struct shaper *s, uint32_t world, uint64_t seed, struct lab_error *err)
{
    struct shaper_request req = {.op = SHAPER_RESET, .world = world, .seed = seed};
    struct shaper_reply reply;

    return ask(s, &req, &reply, err);
}

int shaper_world_stats(struct shaper *s, uint32_t world, uint64_t *worst_lateness_ns,
                       uint64_t *packets, struct lab_error *err)
{
    struct shaper_request req = {.op = SHAPER_STATS, .world = world};
    struct shaper_reply reply;

    if (ask(s, &req, &reply, err) != 0) {
        return -1;
    }
    *worst_lateness_ns = reply.worst;
    *packets = reply.packets;
    return 0;
}

int shaper_world_drops(struct shaper *s, uint32_t world, struct link_drops *out,
                       struct lab_error *err)
{
    struct shaper_request req = {.op = SHAPER_STATS, .world = world};
    struct shaper_reply reply;

    if (ask(s, &req, &reply, err) != 0) {
        return -1;
    }
    *out = reply.drops;
    return 0;
}

int shaper_world_remove(struct shaper *s, uint32_t world, struct lab_error *err)
{
    struct shaper_request req = {.op = SHAPER_REMOVE, .world = world};
    struct shaper_reply reply;

    return ask(s, &req, &reply, err);
}

void shaper_stop(struct shaper *s)
{
    if (s == NULL) {
        return;
    }
    if (s->control >= 0) {
        /* The process ends when it reads the end of this, also where a fork holds a copy. */
        (void)shutdown(s->control, SHUT_RDWR);
        close(s->control);
    }
    if (s->netns >= 0) {
        close(s->netns);
    }
    if (s->pid > 0) {
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    free(s);
}
