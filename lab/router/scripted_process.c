#include "lab/router/scripted_process.h"

#include "lab/router/router_process.h"
#include "lab/router/scripted_child.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A request takes milliseconds; a process that says nothing for so long never will. */
#define REPLY_TIMEOUT_MS 10000

struct scripted_process {
    pid_t pid;
    int control;
    char name[64];
};

static int take_reply(const struct scripted_process *p, struct scripted_reply *reply,
                      struct lab_error *err)
{
    struct pollfd f = {.fd = p->control, .events = POLLIN};
    int ready;
    do
        ready = poll(&f, 1, REPLY_TIMEOUT_MS);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        return lab_fail(err, LAB_BROKEN, "the scripted router %s does not answer", p->name);
    if (recv(p->control, reply, sizeof(*reply), 0) != (ssize_t)sizeof(*reply))
        return lab_fail(err, LAB_BROKEN, "the process of the scripted router %s has ended",
                        p->name);
    reply->text[sizeof(reply->text) - 1] = '\0';
    if (reply->status != 0)
        return lab_fail(err, (enum lab_exit)reply->code, "router %s: %s", p->name, reply->text);
    return 0;
}

static int ask(struct scripted_process *p, enum scripted_request what, struct scripted_reply *reply,
               struct lab_error *err)
{
    uint32_t request = what;
    ssize_t n;
    do
        n = send(p->control, &request, sizeof(request), MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(request))
        return lab_fail_errno(err, LAB_BROKEN, "the process of the scripted router %s has ended",
                              p->name);
    return take_reply(p, reply, err);
}

int scripted_process_start(const struct nat_profile *profile, const struct router_site *site,
                           struct scripted_process **out, struct lab_error *err)
{
    struct scripted_process *p = calloc(1, sizeof(*p));
    struct scripted_reply reply;
    pid_t parent = getpid();
    int pair[2] = {-1, -1};
    *out = NULL;
    if (p == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    p->pid = -1;
    p->control = -1;
    (void)snprintf(p->name, sizeof(p->name), "%s", site->name);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        (void)lab_fail_errno(err, LAB_BROKEN, "no socket pair for a scripted router");
        goto fail;
    }
    p->control = pair[0];
    (void)fflush(NULL); /* what is buffered must not come out twice */
    p->pid = fork();
    if (p->pid == 0)
        scripted_child(pair[1], parent, profile, site);
    (void)close(pair[1]);
    if (p->pid < 0) {
        (void)lab_fail_errno(err, LAB_BROKEN, "cannot start a scripted router");
        goto fail;
    }
    if (take_reply(p, &reply, err) != 0)
        goto fail;
    *out = p;
    return 0;
fail:
    scripted_process_stop(p);
    return -1;
}

int scripted_process_mappings(struct scripted_process *p, size_t *count, struct lab_error *err)
{
    struct scripted_reply reply;
    if (ask(p, SCRIPTED_COUNT, &reply, err) != 0)
        return -1;
    *count = (size_t)reply.count;
    return 0;
}

int scripted_process_flush(struct scripted_process *p, struct lab_error *err)
{
    struct scripted_reply reply;
    return ask(p, SCRIPTED_FLUSH, &reply, err);
}

void scripted_process_stop(struct scripted_process *p)
{
    if (p == NULL)
        return;
    if (p->control >= 0)
        (void)close(p->control);
    if (p->pid > 0)
        router_process_end(p->pid);
    free(p);
}
