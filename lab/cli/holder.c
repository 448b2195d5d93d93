#include "lab/cli/holder.h"

#include "lab/cli/living.h"
#include "lab/nat/profile.h"
#include "lab/world/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VERDICT_FD         3 /* where the holder tells its parent how it went */
#define REQUEST_TIMEOUT_MS 1000

struct holder {
    const char *name;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int listener;
    int user_ns;
    struct kernel_lab *lab;
    struct kernel_world *world;
    struct living_reply info;
};

static void describe_node(const struct layout_node *n, struct living_node *out)
{
    static const char *const runs[] = {"host", "peer", "relay", "STUN server"};
    const struct ph_addr *addrs = n->addrs;
    size_t count = n->addr_count, len = 0;
    char text[PH_ADDR_STRLEN];

    (void)snprintf(out->name, sizeof(out->name), "%s", n->name);
    switch (n->kind) {
    case LAYOUT_HOST:
        (void)snprintf(out->what, sizeof(out->what), "%s", runs[n->runs]);
        break;
    case LAYOUT_NAT:
        (void)snprintf(out->what, sizeof(out->what), "NAT %s", n->profile.name);
        addrs = n->wan;
        count = n->wan_count;
        break;
    default:
        (void)snprintf(out->what, sizeof(out->what), "router");
    }
    for (size_t i = 0; i < count && len < sizeof(out->addresses); i++) {
        len += (size_t)snprintf(out->addresses + len, sizeof(out->addresses) - len, "%s%s",
                                len == 0 ? "" : " ", ph_addr_format_ip(&addrs[i], text));
    }
    for (size_t i = 0; i < n->addr6_count && len < sizeof(out->addresses); i++) {
        len += (size_t)snprintf(out->addresses + len, sizeof(out->addresses) - len, "%s%s",
                                len == 0 ? "" : " ", ph_addr_format_ip(&n->addrs6[i], text));
    }
    /* Routers have no address of their own: those of their devices. */
    for (size_t i = 0; n->kind == LAYOUT_ROUTER && i < n->if_count; i++) {
        if (ph_addr_is_set(&n->ifs[i].addr) && len < sizeof(out->addresses)) {
            len += (size_t)snprintf(out->addresses + len, sizeof(out->addresses) - len, "%s%s",
                                    len == 0 ? "" : " ", ph_addr_format_ip(&n->ifs[i].addr, text));
        }
    }
}

static void describe(struct holder *h, const char *topology, const struct layout *l)
{
    (void)snprintf(h->info.name, sizeof(h->info.name), "%s", h->name);
    (void)snprintf(h->info.topology, sizeof(h->info.topology), "%s", topology);
    h->info.since = (int64_t)time(NULL);
    for (size_t i = 0; i < l->node_count; i++) {
        describe_node(&l->nodes[i], &h->info.nodes[i]);
    }
    h->info.node_count = (uint32_t)l->node_count;
}

static int build(struct holder *h, const struct layout *layout, struct lab_error *err)
{
    if (kernel_privileges(err) != 0 || kernel_lab_open(&h->lab, err) != 0 ||
        kernel_world_build(h->lab, layout, &h->world, err) != 0 ||
        kernel_world_check(h->world, err) != 0 ||
        kernel_world_links_on(h->world, layout->seed, err) != 0) {
        return -1;
    }
    h->user_ns = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    return h->user_ns < 0 ? lab_fail_errno(err, LAB_CANNOT, "cannot open /proc/self/ns/user") : 0;
}

/* The socket bears its name only once somebody listens at it: whoever finds one that refuses may
 * take it for stale. */
static int publish(struct holder *h, struct lab_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int n = snprintf(at.sun_path, sizeof(at.sun_path), "%s.%d", h->path, (int)getpid());
    int rc = -1;

    if (n < 0 || (size_t)n >= sizeof(at.sun_path)) {
        return lab_fail(err, LAB_USAGE, "\"%s\" is too long for a lab's name", h->name);
    }
    h->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->listener < 0 || bind(h->listener, (struct sockaddr *)&at, sizeof(at)) != 0) {
        return lab_fail_errno(err, LAB_CANNOT, "cannot make the socket %s", at.sun_path);
    }
    if (listen(h->listener, 16) != 0) {
        lab_fail_errno(err, LAB_CANNOT, "cannot listen at %s", at.sun_path);
    } else if (link(at.sun_path, h->path) == 0) {
        rc = 0;
    } else if (errno == EEXIST) {
        lab_fail(err, LAB_USAGE,
                 "a lab named \"%s\" is living already (--name gives this one another, "
                 "`natlab down %s` ends that one)",
                 h->name, h->name);
    } else {
        lab_fail_errno(err, LAB_CANNOT, "cannot make %s", h->path);
    }
    (void)unlink(at.sun_path);
    return rc;
}

static void answer(int fd, const struct living_reply *reply, const int *fds)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)reply, .iov_len = sizeof(*reply)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(LIVING_FDS * sizeof(int))];
    } space = {0};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fds != NULL) {
        struct cmsghdr *c;

        msg.msg_control = space.bytes;
        msg.msg_controllen = sizeof(space.bytes);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(LIVING_FDS * sizeof(int));
        memcpy(CMSG_DATA(c), fds, LIVING_FDS * sizeof(int));
    }
    /* Who asked and went away gets none. */
    (void)sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void refuse(int fd, enum lab_exit code, const char *text)
{
    static struct living_reply reply;

    reply = (struct living_reply){.status = -1, .code = (int32_t)code};
    (void)snprintf(reply.text, sizeof(reply.text), "%s", text);
    answer(fd, &reply, NULL);
}

static void no_such_node(const struct holder *h, int fd, const char *node)
{
    const struct layout *l = kernel_world_layout(h->world);
    char text[sizeof(((struct living_reply *)0)->text)];
    size_t len = (size_t)snprintf(text, sizeof(text), "\"%s\" is no node of the lab \"%s\"; it has",
                                  node, h->name);

    for (size_t i = 0; i < l->node_count && len < sizeof(text); i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, " %s", l->nodes[i].name);
    }
    refuse(fd, LAB_USAGE, text);
}

/* False when the lab is to end. */
static bool serve(const struct holder *h, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct living_request req;
    size_t node;
    int fds[LIVING_FDS];

    if (poll(&p, 1, REQUEST_TIMEOUT_MS) != 1 ||
        recv(fd, &req, sizeof(req), MSG_DONTWAIT) != (ssize_t)sizeof(req)) {
        return true;
    }
    req.node[sizeof(req.node) - 1] = '\0';
    switch (req.op) {
    case LIVING_INFO:
        answer(fd, &h->info, NULL);
        return true;
    case LIVING_ENTER:
        node = layout_find(kernel_world_layout(h->world), req.node);
        if (node == SIZE_MAX) {
            no_such_node(h, fd, req.node);
        } else {
            fds[0] = kernel_world_netns(h->world, node);
            fds[1] = h->user_ns;
            answer(fd, &h->info, fds);
        }
        return true;
    case LIVING_DOWN:
        /* Before the answer: whoever got it may use the name again. */
        (void)unlink(h->path);
        answer(fd, &h->info, NULL);
        return false;
    default:
        refuse(fd, LAB_USAGE, "this lab was made by another version of natlab");
        return true;
    }
}

static void hold(const struct holder *h, int signals)
{
    struct pollfd fds[2] = {{.fd = h->listener, .events = POLLIN},
                            {.fd = signals, .events = POLLIN}};

    for (;;) {
        int fd;
        bool go_on;

        if (poll(fds, 2, -1) < 0) {
            continue;
        }
        if (fds[1].revents != 0) {
            (void)unlink(h->path);
            return;
        }
        fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        go_on = serve(h, fd);
        close(fd);
        if (!go_on) {
            return;
        }
    }
}

/* Away from the terminal, from its signals and from all that the parent has open. */
static int detach(int verdict)
{
    sigset_t ends;
    int null = open("/dev/null", O_RDWR);

    (void)setsid();
    (void)chdir("/");
    (void)umask(077);
    for (int fd = 0; null >= 0 && fd < 3; fd++) {
        (void)dup2(null, fd);
    }
    if (verdict != VERDICT_FD) {
        (void)dup2(verdict, VERDICT_FD);
    }
    (void)fcntl(VERDICT_FD, F_SETFD, FD_CLOEXEC);
    (void)close_range(VERDICT_FD + 1, ~0u, 0);
    (void)prctl(PR_SET_NAME, "natlab-holder");
    (void)signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    return signalfd(-1, &ends, SFD_CLOEXEC);
}

static __attribute__((noreturn)) void holder_process(struct holder *h, const char *topology,
                                                     const struct layout *layout, int verdict)
{
    struct lab_error err = {.code = LAB_GOOD};
    int signals = detach(verdict);
    bool good = build(h, layout, &err) == 0;

    if (good) {
        describe(h, topology, layout);
        good = publish(h, &err) == 0;
    }
    /* A parent that was interrupted in the meantime wants no lab. */
    if (write(VERDICT_FD, &err, sizeof(err)) != (ssize_t)sizeof(err) && good) {
        (void)unlink(h->path);
        good = false;
    }
    close(VERDICT_FD);
    if (good) {
        hold(h, signals);
    }
    kernel_world_free(h->world);
    kernel_lab_close(h->lab);
    _exit(good ? 0 : 1);
}

static int await_verdict(int fd, struct lab_error *err)
{
    struct lab_error verdict;
    ssize_t n;

    do {
        n = read(fd, &verdict, sizeof(verdict));
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(verdict)) {
        return lab_fail(err, LAB_BROKEN, "the lab's process ended before the lab was there");
    }
    if (verdict.code != LAB_GOOD) {
        return lab_fail(err, verdict.code, "%s", verdict.text);
    }
    return 0;
}

int holder_start(const char *name, const char *topology, const struct layout *layout,
                 struct lab_error *err)
{
    static struct holder h;
    int verdict[2];
    pid_t pid;
    int rc;

    h = (struct holder){.name = name, .listener = -1, .user_ns = -1};
    if (living_path(name, h.path, sizeof(h.path), err) != 0) {
        return -1;
    }
    if (pipe2(verdict, O_CLOEXEC) != 0) {
        return lab_fail_errno(err, LAB_BROKEN, "no pipe");
    }
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        holder_process(&h, topology, layout, verdict[1]);
    }
    close(verdict[1]);
    rc = pid < 0 ? lab_fail_errno(err, LAB_BROKEN, "cannot start the lab's process")
                 : await_verdict(verdict[0], err);
    close(verdict[0]);
    if (pid > 0 && rc != 0) {
        (void)waitpid(pid, NULL, 0);
    }
    return rc;
}
