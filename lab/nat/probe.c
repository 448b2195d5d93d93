#include "lab/nat/probe.h"

#include "lab/net/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAGIC_LEN 8
#define PROBE_LEN (MAGIC_LEN + 4 + 2)

static const uint8_t magic[MAGIC_LEN] = {'n', 'a', 't', 'c', 'h', 'e', 'c', 'k'};

ph_ns probe_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (ph_ns)t.tv_sec * PH_SEC + (ph_ns)t.tv_nsec;
}

static struct sockaddr_in to_sockaddr(const struct ph_addr *a)
{
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    s.sin_addr.s_addr = htonl(ph_addr_v4_get(a));
    return s;
}

static struct ph_addr from_sockaddr(const struct sockaddr_in *s)
{
    return ph_addr_v4_u32(ntohl(s->sin_addr.s_addr), ntohs(s->sin_port));
}

void probe_init(struct probe *x, unsigned round_trip_ms, struct lab_error *err)
{
    memset(x, 0, sizeof(*x));
    x->err = err;
    x->round_trip_ms = round_trip_ms;
    x->wait_ms = 60 + round_trip_ms;
    if (getrandom(&x->nonce, sizeof(x->nonce), GRND_NONBLOCK) != sizeof(x->nonce))
        x->nonce = (uint32_t)probe_now();
}

void probe_fini(struct probe *x)
{
    for (size_t i = 0; i < x->socket_count; i++)
        (void)close(x->sockets[i].fd);
    x->socket_count = 0;
}

/* In the thread's namespace. */
static int open_one(struct probe *x, const struct ph_addr *addr)
{
    struct sockaddr_in s = to_sockaddr(addr);
    socklen_t len = sizeof(s);
    if (x->socket_count == PROBE_SOCKETS_MAX)
        return lab_fail(x->err, LAB_BROKEN, "the check of a NAT has too many sockets");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return lab_fail_errno(x->err, LAB_CANNOT, "a socket to check a NAT with");
    if (bind(fd, (struct sockaddr *)&s, sizeof(s)) != 0 ||
        getsockname(fd, (struct sockaddr *)&s, &len) != 0) {
        char text[PH_ADDR_STRLEN];
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return lab_fail_errno(x->err, LAB_BROKEN, "a socket at %s to check a NAT with",
                              ph_addr_format(addr, text));
    }
    x->sockets[x->socket_count].fd = fd;
    x->sockets[x->socket_count].addr = from_sockaddr(&s);
    return (int)x->socket_count++;
}

/* Enters a namespace; the descriptor of the one that it left, or -1. */
static int enter(struct probe *x, int netns_fd)
{
    int home = netns_here(x->err);
    if (home >= 0 && netns_enter(netns_fd, x->err) != 0) {
        (void)close(home);
        home = -1;
    }
    return home;
}

static int leave(struct probe *x, int home)
{
    int rc = netns_enter(home, x->err);
    (void)close(home);
    return rc;
}

int probe_open(struct probe *x, int netns_fd, const struct ph_addr *addr, size_t count)
{
    int home = enter(x, netns_fd);
    int first = -1;
    if (home < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int s = open_one(x, addr);
        if (s < 0) {
            first = -1;
            break;
        }
        if (i == 0)
            first = s;
    }
    return leave(x, home) == 0 ? first : -1;
}

int probe_open_in(struct probe *x, int netns_fd, const struct ph_addr *addr, uint16_t lo,
                  uint16_t hi)
{
    struct ph_addr at = *addr;
    unsigned size = (unsigned)hi - lo + 1u;
    int home = enter(x, netns_fd);
    int s = -1;
    if (home < 0)
        return -1;
    for (unsigned i = 0; i < 16 && s < 0; i++) {
        unsigned offset = (x->nonce + (unsigned)x->socket_count * 40503u + i * 7919u) % size;
        at.port = (uint16_t)(lo + offset);
        s = open_one(x, &at);
    }
    return leave(x, home) == 0 ? s : -1;
}

int probe_connect(struct probe *x, int socket, const struct ph_addr *to)
{
    struct sockaddr_in s = to_sockaddr(to);
    if (connect(x->sockets[socket].fd, (struct sockaddr *)&s, sizeof(s)) != 0)
        return lab_fail_errno(x->err, LAB_BROKEN, "connecting a socket to check a NAT with");
    return 0;
}

static void send_tag(struct probe *x, size_t tag)
{
    const struct probe_tag *t = &x->tags[tag];
    struct sockaddr_in s = to_sockaddr(&t->to);
    uint8_t b[PROBE_LEN];
    memcpy(b, magic, MAGIC_LEN);
    memcpy(b + MAGIC_LEN, &x->nonce, 4);
    b[MAGIC_LEN + 4] = (uint8_t)(tag >> 8);
    b[MAGIC_LEN + 5] = (uint8_t)tag;
    /* What is refused here (no route, a full queue) shows as a datagram that nobody heard. */
    (void)sendto(x->sockets[t->socket].fd, b, sizeof(b), MSG_NOSIGNAL, (struct sockaddr *)&s,
                 sizeof(s));
}

int probe_send(struct probe *x, int socket, const struct ph_addr *to)
{
    if (x->tag_count == PROBE_TAGS_MAX)
        return lab_fail(x->err, LAB_BROKEN, "the check of a NAT sends too much");
    x->tags[x->tag_count] = (struct probe_tag){.socket = socket, .to = *to};
    send_tag(x, x->tag_count);
    return (int)x->tag_count++;
}

static void receive(struct probe *x, size_t socket)
{
    for (;;) {
        struct sockaddr_in s = {.sin_family = AF_INET};
        socklen_t len = sizeof(s);
        uint8_t b[64];
        ssize_t n = recvfrom(x->sockets[socket].fd, b, sizeof(b), 0, (struct sockaddr *)&s, &len);
        if (n < 0 && errno == ECONNREFUSED) {
            x->sockets[socket].refused = true;
            continue;
        }
        if (n < 0)
            return;
        if (n != PROBE_LEN || memcmp(b, magic, MAGIC_LEN) != 0 ||
            memcmp(b + MAGIC_LEN, &x->nonce, 4) != 0)
            continue;
        size_t tag = (size_t)b[MAGIC_LEN + 4] << 8 | b[MAGIC_LEN + 5];
        if (tag >= x->tag_count || x->tags[tag].heard)
            continue;
        x->tags[tag].heard = true;
        x->tags[tag].on = (int)socket;
        x->tags[tag].from = from_sockaddr(&s);
    }
}

static bool all_heard(const struct probe *x, size_t first)
{
    for (size_t i = first; i < x->tag_count; i++)
        if (!x->tags[i].heard)
            return false;
    return true;
}

/* Receives until the deadline, or until all from tag `first` on are heard. */
static void receive_until(struct probe *x, ph_ns deadline, size_t first)
{
    struct pollfd fds[PROBE_SOCKETS_MAX];
    for (size_t i = 0; i < x->socket_count; i++)
        fds[i] = (struct pollfd){.fd = x->sockets[i].fd, .events = POLLIN};
    while (first >= x->tag_count || !all_heard(x, first)) {
        ph_ns now = probe_now();
        ph_ns left = now < deadline ? deadline - now : 0;
        struct timespec wait = {.tv_sec = (time_t)(left / PH_SEC),
                                .tv_nsec = (long)(left % PH_SEC)};
        int ready = ppoll(fds, x->socket_count, &wait, NULL);
        if (ready < 0 && errno != EINTR)
            return;
        for (size_t i = 0; ready > 0 && i < x->socket_count; i++)
            if (fds[i].revents != 0)
                receive(x, i);
        if (ready <= 0 && left == 0)
            return;
    }
}

bool probe_wait(struct probe *x, int first)
{
    if (first < 0)
        return false;
    for (int i = 0; i < PROBE_TRIES; i++) {
        if (i > 0)
            for (size_t t = (size_t)first; t < x->tag_count; t++)
                if (!x->tags[t].heard)
                    send_tag(x, t);
        unsigned ms = i == 0 ? x->wait_ms / 4 : x->wait_ms << (i - 1);
        receive_until(x, probe_now() + (x->round_trip_ms + ms) * PH_MS, (size_t)first);
        if (all_heard(x, (size_t)first))
            return true;
    }
    return false;
}

bool probe_ask(struct probe *x, int socket, const struct ph_addr *to, int *tag)
{
    *tag = probe_send(x, socket, to);
    return probe_wait(x, *tag);
}

void probe_rest(struct probe *x, ph_ns deadline)
{
    receive_until(x, deadline, x->tag_count);
}

/* A SYN that is lost would come again after a second: fresh ones come sooner. */
static int connect_often(struct probe *x, int from_fd, const struct sockaddr_in *to, int listener)
{
    static const int waits_ms[] = {20, 50, 100, 200, 400, 1000};
    int callers[sizeof(waits_ms) / sizeof(waits_ms[0])];
    size_t count = 0;
    int rc = 0;
    while (rc == 0 && count < sizeof(waits_ms) / sizeof(waits_ms[0])) {
        int home = enter(x, from_fd);
        if (home < 0)
            break;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* Its outcome shows at the listener. */
        if (fd >= 0)
            (void)connect(fd, (const struct sockaddr *)to, sizeof(*to));
        callers[count] = fd;
        if (leave(x, home) != 0 || fd < 0) {
            rc = -1;
        } else {
            struct pollfd p = {.fd = listener, .events = POLLIN};
            int left = waits_ms[count] + (int)(2 * x->round_trip_ms);
            rc = poll(&p, 1, left) == 1 ? 1 : 0;
        }
        count++;
    }
    for (size_t i = 0; i < count; i++)
        if (callers[i] >= 0)
            (void)close(callers[i]);
    return rc;
}

int probe_tcp(struct probe *x, int from_fd, int to_fd, const struct ph_addr *to)
{
    struct sockaddr_in s = to_sockaddr(to);
    socklen_t len = sizeof(s);
    int rc = -1;
    int home = enter(x, to_fd);
    if (home < 0)
        return -1;
    s.sin_port = 0;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&s, sizeof(s)) != 0 ||
        listen(listener, 8) != 0 || getsockname(listener, (struct sockaddr *)&s, &len) != 0)
        (void)lab_fail_errno(x->err, LAB_BROKEN, "a TCP listener to check a NAT with");
    else
        rc = 0;
    if (leave(x, home) != 0)
        rc = -1;
    if (rc == 0)
        rc = connect_often(x, from_fd, &s, listener);
    if (listener >= 0)
        (void)close(listener);
    return rc;
}
