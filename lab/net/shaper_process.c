#include "lab/net/netns.h"
#include "lab/net/shaper_private.h"
#include "lab/net/shaper_ring.h"
#include "lab/net/shaper_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAMES        32768 /* 50,000 a second, held for half a second */
#define RECEIVE_BATCH 64
/* Small: a frame's whole way through the next namespaces is walked inside the system call that
 * sends it, so the last of a batch waits for all before it. */
#define SEND_BATCH   16
#define BUFFER_BYTES (32 << 20)
/* A stamp older than this is not a late process but a step of the wall clock. */
#define STAMP_AGE_MAX (5 * PH_SEC)

struct process {
    int control;
    int sock;
    struct shaper_table *table;
    struct shaper_ring ring;
    struct shaper_frame *frame; /* an empty one, for the next that comes in */
};

static ph_ns read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (ph_ns)ts.tv_sec * PH_SEC + (ph_ns)ts.tv_nsec;
}

static int open_socket(struct process *p, struct lab_error *err)
{
    static const int one = 1, bytes = BUFFER_BYTES;
    struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    /* Protocol 0: nothing is received before all is set. */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return lab_fail_errno(err, LAB_CANNOT,
                              "no packet socket for the shaper (sudo modprobe af_packet)");
    }
    /* The stamps are asked for here, so that a frame has its own from when it came in, not from
     * when it was put into the ring. */
    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0) {
        lab_fail_errno(err, LAB_CANNOT, "the kernel is too old for the shaper (4.20 or newer)");
        goto fail;
    }
    if (shaper_ring_open(&p->ring, fd, err) != 0) {
        goto fail;
    }
    /* The rest only makes it faster. */
    (void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
    if (bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0) {
        lab_fail_errno(err, LAB_BROKEN, "cannot bind the shaper's packet socket");
        goto fail;
    }
    p->sock = fd;
    return 0;
fail:
    close(fd);
    return -1;
}

/* When the frame came in, by the monotonic clock: nothing but that clock times what is queued, so
 * a step of the wall clock moves no frame. */
static ph_ns monotonic(ph_ns stamp, ph_ns wall, ph_ns mono)
{
    if (stamp < wall && wall - stamp < ph_min_ns(STAMP_AGE_MAX, mono)) {
        return mono - (wall - stamp);
    }
    return mono;
}

static void receive(struct process *p)
{
    size_t n = shaper_ring_ready(&p->ring, RECEIVE_BATCH);
    /* After the stamps of all these. */
    ph_ns wall = read_clock(CLOCK_REALTIME), mono = read_clock(CLOCK_MONOTONIC);

    for (; n > 0; n--) {
        struct shaper_ring_frame in;

        shaper_ring_front(&p->ring, &in);
        if (in.cut || in.len > sizeof(p->frame->data)) {
            shaper_table_lost(p->table, in.if_in);
        } else {
            memcpy(p->frame->data, in.data, in.len);
            p->frame->len = in.len;
            p->frame =
                shaper_table_offer(p->table, p->frame, in.if_in, monotonic(in.stamp, wall, mono));
        }
        shaper_ring_pop(&p->ring);
    }
}

/* An error that waits at the socket would end every wait at once: reading the ring does not take
 * it. */
static void clear_error(const struct process *p)
{
    int error;
    socklen_t len = sizeof(error);

    (void)getsockopt(p->sock, SOL_SOCKET, SO_ERROR, &error, &len);
}

static void send_due(struct process *p)
{
    struct shaper_frame *frames[SEND_BATCH];
    struct mmsghdr msgs[SEND_BATCH];
    struct iovec iovs[SEND_BATCH];
    struct sockaddr_ll to[SEND_BATCH];
    ph_ns now = read_clock(CLOCK_MONOTONIC);
    unsigned n = 0, done = 0;

    while (n < SEND_BATCH && (frames[n] = shaper_table_due(p->table, now)) != NULL) {
        to[n] = (struct sockaddr_ll){.sll_family = AF_PACKET, .sll_ifindex = frames[n]->if_out};
        iovs[n] = (struct iovec){.iov_base = frames[n]->data, .iov_len = frames[n]->len};
        msgs[n] = (struct mmsghdr){.msg_hdr = {.msg_name = &to[n],
                                               .msg_namelen = sizeof(to[n]),
                                               .msg_iov = &iovs[n],
                                               .msg_iovlen = 1}};
        n++;
    }
    while (done < n) {
        int sent = sendmmsg(p->sock, msgs + done, n - done, MSG_DONTWAIT);

        if (sent > 0) {
            unsigned until = done + (unsigned)sent < n ? done + (unsigned)sent : n;

            now = read_clock(CLOCK_MONOTONIC);
            while (done < until) {
                shaper_table_sent(p->table, frames[done++], now);
            }
        } else if (errno != EINTR) {
            /* A device that is down or gone loses its frames like any cable; full buffers are this
             * process's own fault. */
            if (errno == EAGAIN) {
                shaper_table_lost(p->table, frames[done]->if_out);
            }
            done++;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        shaper_table_give_back(p->table, frames[i]);
    }
}

/* Frames that found the ring full: whose they were is not known. */
static void look_for_overflow(struct process *p)
{
    struct tpacket_stats stats;
    socklen_t len = sizeof(stats);

    if (getsockopt(p->sock, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0 &&
        stats.tp_drops > 0) {
        shaper_table_lost(p->table, 0);
    }
}

static int serve(struct process *p, const struct shaper_request *req, struct shaper_reply *reply,
                 struct lab_error *err)
{
    switch (req->op) {
    case SHAPER_ADD:
        return shaper_table_add(p->table, req->world, req->if_a, req->if_b, err);
    case SHAPER_TRANSLATE:
        return shaper_table_translate(p->table, req->if_a, &req->translator, err);
    case SHAPER_SET:
        return shaper_table_set(p->table, req->world, req->links, req->count, req->seed, err);
    case SHAPER_RESET:
        look_for_overflow(p); /* what was lost before is no longer of interest */
        return shaper_table_reset(p->table, req->world, req->seed, err);
    case SHAPER_STATS:
        look_for_overflow(p);
        return shaper_table_drops(p->table, req->world, &reply->drops, err) != 0
                   ? -1
                   : shaper_table_stats(p->table, req->world, &reply->worst, &reply->packets, err);
    case SHAPER_REMOVE:
        return shaper_table_remove(p->table, req->world, err);
    default:
        return lab_fail(err, LAB_BROKEN, "the shaper knows no request %u", req->op);
    }
}

static void answer(const struct process *p, const struct shaper_reply *reply, int fd)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)reply, .iov_len = sizeof(*reply)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } space = {0};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd >= 0) {
        struct cmsghdr *c;

        msg.msg_control = space.bytes;
        msg.msg_controllen = sizeof(space.bytes);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    if (sendmsg(p->control, &msg, MSG_NOSIGNAL) < 0) {
        _exit(0); /* nobody is there any more */
    }
}

static void answer_error(const struct process *p, const struct lab_error *err)
{
    struct shaper_reply reply = {.status = -1, .code = (int32_t)err->code};

    (void)snprintf(reply.text, sizeof(reply.text), "%.*s", (int)sizeof(reply.text) - 1, err->text);
    answer(p, &reply, -1);
}

static void control(struct process *p)
{
    static struct shaper_request req;
    struct shaper_reply reply = {0};
    struct lab_error err = {0};
    ssize_t n = recv(p->control, &req, sizeof(req), MSG_DONTWAIT);

    if (n <= 0) {
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        _exit(0); /* the other side has closed it or is gone */
    }
    if ((size_t)n < offsetof(struct shaper_request, links) || req.count > SHAPER_LINKS_MAX ||
        (size_t)n < offsetof(struct shaper_request, links) + req.count * sizeof(req.links[0])) {
        lab_fail(&err, LAB_BROKEN, "the shaper was sent a short request");
        answer_error(p, &err);
    } else if (serve(p, &req, &reply, &err) != 0) {
        answer_error(p, &err);
    } else {
        answer(p, &reply, -1);
    }
}

/* Leaves behind what the parent has open and how it takes signals. */
static void detach(int *control_fd, pid_t parent)
{
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t none;
    int null;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(0);
    }
    for (int sig = 1; sig < NSIG; sig++) {
        (void)sigaction(sig, &act, NULL);
    }
    /* An interrupt from the terminal is the parent's to handle: its trials still need the links. */
    act.sa_handler = SIG_IGN;
    (void)sigaction(SIGINT, &act, NULL);
    (void)sigaction(SIGQUIT, &act, NULL);
    (void)sigaction(SIGHUP, &act, NULL);
    (void)sigaction(SIGPIPE, &act, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);

    if (*control_fd != 3) {
        if (dup2(*control_fd, 3) != 3) {
            _exit(0);
        }
        *control_fd = 3;
    }
    (void)close_range(4, ~0u, 0);
    null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        close(null);
    }
}

static void be_punctual(void)
{
    struct sched_param param = {.sched_priority = 10};

    (void)prctl(PR_SET_NAME, "natlab-shaper");
    (void)prctl(PR_SET_TIMERSLACK, 1ul);
    (void)sched_setscheduler(0, SCHED_FIFO, &param);
}

static int start(struct process *p, int *netns, struct lab_error *err)
{
    *netns = netns_new(err);
    if (*netns < 0 || open_socket(p, err) != 0 || shaper_table_new(FRAMES, &p->table, err) != 0) {
        return -1;
    }
    p->frame = shaper_table_frame(p->table);
    return 0;
}

void shaper_process(int control_fd, pid_t parent)
{
    static struct process process;
    struct process *p = &process;
    struct shaper_reply reply = {0};
    struct lab_error err = {0};
    int netns = -1;

    detach(&control_fd, parent);
    p->control = control_fd;
    if (start(p, &netns, &err) != 0) {
        answer_error(p, &err);
        _exit(0);
    }
    be_punctual();
    answer(p, &reply, netns);
    close(netns); /* the process is inside, and its parent holds it */

    for (;;) {
        struct pollfd fds[2] = {{.fd = p->sock, .events = POLLIN},
                                {.fd = p->control, .events = POLLIN}};
        ph_ns next = shaper_table_next(p->table);
        struct timespec wait = {0};

        if (next != PH_NEVER) {
            ph_ns now = read_clock(CLOCK_MONOTONIC);
            ph_ns left = next > now ? next - now : 0;

            wait.tv_sec = (time_t)(left / PH_SEC);
            wait.tv_nsec = (long)(left % PH_SEC);
        }
        if (ppoll(fds, 2, next == PH_NEVER ? NULL : &wait, NULL) < 0 && errno != EINTR) {
            _exit(1);
        }
        if ((fds[0].revents & POLLERR) != 0) {
            clear_error(p);
        }
        if (fds[0].revents != 0) {
            receive(p);
        }
        send_due(p);
        if (fds[1].revents != 0) {
            control(p);
        }
    }
}
