#include "lab/run/message.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
};

/* What the other end need not be told stays at home: most messages are small. */
static size_t length_of(const struct message *m)
{
    if (m->type == MESSAGE_ENDED)
        return sizeof(*m);
    return m->ok || m->text[0] == '\0' ? offsetof(struct message, text)
                                       : offsetof(struct message, result);
}

int message_send(int sock, const struct message *m)
{
    union control control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = length_of(m)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (m->fd_count > 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(m->fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(m->fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), m->fds, m->fd_count * sizeof(int));
    }
    ssize_t n;
    do {
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

static void take_fds(struct msghdr *msg, struct message *m)
{
    m->fd_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (n > MESSAGE_FDS_MAX)
            n = MESSAGE_FDS_MAX;
        memcpy(m->fds, CMSG_DATA(c), n * sizeof(int));
        m->fd_count = n;
    }
}

int message_receive(int sock, struct message *m, int flags)
{
    union control control;
    memset(m, 0, sizeof(*m));
    struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    take_fds(&msg, m);
    return 1;
}

void message_close_fds(struct message *m)
{
    for (size_t i = 0; i < m->fd_count; i++)
        close(m->fds[i]);
    m->fd_count = 0;
}
