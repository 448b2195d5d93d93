/* The real loop over loopback. Everything waits on an event with a deadline of ten seconds that
 * only a failure meets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "host/loop.h"

#define PATIENCE (10 * PH_SEC)

struct peer {
    struct ph_endpoint ep; /* first */
    struct ph_host *host;
    ph_sock sock;
    struct ph_addr addr;
    size_t received;
    size_t largest_batch;
    uint64_t sum; /* of the first four bytes of all datagrams */
    uint8_t last[PH_DATAGRAM_MAX];
    size_t last_len;
    struct ph_addr from;
    ph_sock last_sock;
    bool echo;
    bool free_host_on_receipt;
    unsigned fired;
    ph_ns fired_at;
    ph_ns again_at; /* wake_at from inside on_timer; 0: none */
    bool free_host_on_timer;
    unsigned *order; /* where timers note their turn */
    unsigned turn;
};

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct peer *p = (struct peer *)ep;

    assert_true(now > 0);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t word = 0;

        assert_true(in[i].len <= PH_DATAGRAM_MAX);
        memcpy(&word, in[i].data, in[i].len < 4 ? in[i].len : 4);
        p->sum += word;
        assert_int_equal(in[i].ttl, 0);
    }
    p->received += n;
    p->largest_batch = n > p->largest_batch ? n : p->largest_batch;
    memcpy(p->last, in[n - 1].data, in[n - 1].len);
    p->last_len = in[n - 1].len;
    p->from = in[n - 1].peer;
    p->last_sock = sock;
    if (p->echo) {
        p->host->ops->udp_send(p->host, sock, in, n);
    }
    if (p->free_host_on_receipt) {
        ph_loop_host_free(p->host);
        p->host = NULL;
    }
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct peer *p = (struct peer *)ep;

    p->fired++;
    p->fired_at = now;
    if (p->order) {
        p->turn = ++*p->order;
    }
    if (p->again_at) {
        p->host->ops->wake_at(p->host, p->again_at);
        p->again_at = 0;
    }
    if (p->free_host_on_timer) {
        ph_loop_host_free(p->host);
        p->host = NULL;
    }
}

static void peer_host(struct peer *p, struct ph_loop *loop, int netns_fd)
{
    struct ph_loop_host_config config = {.netns_fd = netns_fd};

    memset(p, 0, sizeof(*p));
    p->ep.on_datagrams = on_datagrams;
    p->ep.on_timer = on_timer;
    assert_int_equal(ph_loop_host_new(loop, &config, &p->host), PH_OK);
    p->host->endpoint = &p->ep;
}

static void peer_init(struct peer *p, struct ph_loop *loop)
{
    struct ph_addr any = ph_addr_v4(127, 0, 0, 1, 0);

    peer_host(p, loop, -1);
    assert_int_equal(p->host->ops->udp_open(p->host, &any, &p->sock), PH_OK);
    p->addr = p->host->ops->udp_local(p->host, p->sock);
    assert_int_not_equal(p->addr.port, 0);
}

static void send_one(struct peer *p, const struct ph_addr *to, const void *data, size_t len,
                     uint8_t ttl)
{
    struct ph_datagram d = {.peer = *to, .data = data, .len = len, .ttl = ttl};

    p->host->ops->udp_send(p->host, p->sock, &d, 1);
}

static void run_until(struct ph_loop *loop, const size_t *counter, size_t want)
{
    ph_ns end = ph_loop_now(loop) + PATIENCE;

    while (*counter < want && ph_loop_now(loop) < end) {
        assert_int_equal(ph_loop_step(loop, end - ph_loop_now(loop)), PH_OK);
    }
    assert_true(*counter >= want);
}

static int setup(void **state)
{
    struct ph_loop *loop;

    if (ph_loop_new(&loop)) {
        return -1;
    }
    *state = loop;
    return 0;
}

static int teardown(void **state)
{
    ph_loop_free(*state);
    return 0;
}

static void datagrams_go_both_ways(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b;

    peer_init(&a, loop);
    peer_init(&b, loop);
    b.echo = true;
    send_one(&a, &b.addr, "hello", 5, 0);
    run_until(loop, &a.received, 1);
    assert_int_equal(b.received, 1);
    assert_true(ph_addr_eq(&b.from, &a.addr));
    assert_int_equal(b.last_len, 5);
    assert_memory_equal(b.last, "hello", 5);
    assert_true(ph_addr_eq(&a.from, &b.addr));
    assert_memory_equal(a.last, "hello", 5);
    assert_int_equal(a.last_sock, a.sock);
}

static void an_empty_datagram_arrives(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b;

    peer_init(&a, loop);
    peer_init(&b, loop);
    send_one(&a, &b.addr, "", 0, 0);
    run_until(loop, &b.received, 1);
    assert_int_equal(b.last_len, 0);
}

static void ipv6_is_a_socket_of_its_own(void **state)
{
    struct ph_loop *loop = *state;
    struct ph_addr any6 = {.family = PH_AF_V6, .ip = {[15] = 1}};
    struct ph_addr four;
    struct peer a, b;

    peer_host(&a, loop, -1);
    peer_host(&b, loop, -1);
    if (a.host->ops->udp_open(a.host, &any6, &a.sock)) {
        print_message("skipped: this machine has no IPv6 on loopback\n");
        skip();
    }
    assert_int_equal(b.host->ops->udp_open(b.host, &any6, &b.sock), PH_OK);
    a.addr = a.host->ops->udp_local(a.host, a.sock);
    b.addr = b.host->ops->udp_local(b.host, b.sock);
    four = ph_addr_v4(127, 0, 0, 1, b.addr.port);
    send_one(&a, &four, "x", 1, 0); /* of another family: skipped */
    send_one(&a, &b.addr, "six", 3, 5);
    run_until(loop, &b.received, 1);
    assert_int_equal(b.received, 1);
    assert_memory_equal(b.last, "six", 3);
    assert_true(ph_addr_eq(&b.from, &a.addr));
}

/* A plain socket beside the loop, which sees the TTL that a datagram arrived with. */
static int plain_socket(struct ph_addr *addr)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(in);
    int on = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *addr = ph_addr_v4(127, 0, 0, 1, ntohs(in.sin_port));
    return fd;
}

static int receive_ttl(int fd, uint32_t *word)
{
    union {
        char bytes[64];
        struct cmsghdr align;
    } control;
    struct iovec iov = {word, sizeof(*word)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&pfd, 1, 10000), 1);
    *word = 0;
    assert_true(recvmsg(fd, &msg, 0) > 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
            int ttl;

            memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
            return ttl;
        }
    }
    return -1;
}

static void each_datagram_has_its_own_ttl(void **state)
{
    static const uint8_t ttls[] = {3, 0, 255, 1, 0, 64, 2};
    struct ph_loop *loop = *state;
    struct ph_datagram out[sizeof(ttls)];
    uint32_t words[sizeof(ttls)];
    struct ph_addr to;
    struct peer a;
    int fd = plain_socket(&to);
    int usual;
    uint32_t word;

    peer_init(&a, loop);
    word = 0xffff;
    send_one(&a, &to, &word, sizeof(word), 0);
    usual = receive_ttl(fd, &word);
    assert_true(usual > 3);
    for (uint32_t i = 0; i < sizeof(ttls); i++) {
        words[i] = i;
        out[i] = (struct ph_datagram){
            .peer = to, .data = (uint8_t *)&words[i], .len = sizeof(words[i]), .ttl = ttls[i]};
    }
    a.host->ops->udp_send(a.host, a.sock, out, sizeof(ttls));
    for (uint32_t i = 0; i < sizeof(ttls); i++) {
        int ttl = receive_ttl(fd, &word);

        assert_int_equal(word, i);
        assert_int_equal(ttl, ttls[i] ? ttls[i] : usual);
    }
    close(fd);
}

static void a_burst_arrives_whole_and_in_batches(void **state)
{
    enum {
        COUNT = 150
    };
    struct ph_loop *loop = *state;
    struct ph_datagram out[COUNT];
    uint32_t words[COUNT];
    struct peer a, b;
    uint64_t sum = 0;

    peer_init(&a, loop);
    peer_init(&b, loop);
    for (uint32_t i = 0; i < COUNT; i++) {
        words[i] = i * i;
        sum += words[i];
        out[i] = (struct ph_datagram){
            .peer = b.addr, .data = (uint8_t *)&words[i], .len = sizeof(words[i])};
    }
    a.host->ops->udp_send(a.host, a.sock, out, COUNT);
    run_until(loop, &b.received, COUNT);
    assert_int_equal(b.received, COUNT);
    assert_int_equal(b.sum, sum);
    assert_int_equal(b.largest_batch, 64);
    assert_int_equal(b.last_len, 4);
    assert_memory_equal(b.last, &words[COUNT - 1], 4);
}

static void the_longest_arrives_and_a_longer_one_does_not(void **state)
{
    static const uint8_t bytes[PH_DATAGRAM_MAX + 1];
    struct ph_loop *loop = *state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct ph_addr ignored;
    struct peer a, b;
    int fd = plain_socket(&ignored);

    peer_init(&a, loop);
    peer_init(&b, loop);
    in.sin_port = htons(b.addr.port);
    assert_int_equal(sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&in, sizeof(in)),
                     sizeof(bytes));
    send_one(&a, &b.addr, bytes, sizeof(bytes), 0);
    send_one(&a, &b.addr, bytes, PH_DATAGRAM_MAX, 0);
    run_until(loop, &b.received, 1);
    assert_int_equal(b.received, 1);
    assert_int_equal(b.last_len, PH_DATAGRAM_MAX);
    close(fd);
}

static void an_icmp_error_loses_no_later_datagram(void **state)
{
    struct ph_loop *loop = *state;
    struct ph_addr shut;
    struct peer a, b;
    int fd = plain_socket(&shut);

    close(fd); /* nobody there now: the system answers port unreachable */
    peer_init(&a, loop);
    peer_init(&b, loop);
    for (size_t i = 1; i <= 40; i++) {
        send_one(&a, &shut, "x", 1, 0);
        send_one(&a, &b.addr, "y", 1, 0);
        run_until(loop, &b.received, i);
    }
    assert_int_equal(b.received, 40);
}

static void a_refused_datagram_does_not_hold_up_the_rest(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b;
    struct ph_datagram out[3];

    peer_init(&a, loop);
    peer_init(&b, loop);
    for (size_t i = 0; i < 3; i++) {
        out[i] = (struct ph_datagram){.peer = b.addr, .data = (const uint8_t *)"abc", .len = 3};
    }
    /* Broadcast without SO_BROADCAST: EACCES each time. */
    out[1].peer = ph_addr_v4(255, 255, 255, 255, 9);
    a.host->ops->udp_send(a.host, a.sock, out, 3);
    run_until(loop, &b.received, 2);
    assert_int_equal(b.received, 2);
}

static void timers_come_in_order(void **state)
{
    struct ph_loop *loop = *state;
    struct peer p[5];
    static const unsigned delay_ms[] = {9, 1, 5, 3, 7};
    static const unsigned turn[] = {5, 1, 3, 2, 4};
    ph_ns start = ph_loop_now(loop);
    ph_ns end = start + PATIENCE;
    unsigned order = 0;

    for (size_t i = 0; i < 5; i++) {
        peer_host(&p[i], loop, -1);
        p[i].order = &order;
        p[i].host->ops->wake_at(p[i].host, start + delay_ms[i] * PH_MS);
    }
    while (order < 5 && ph_loop_now(loop) < end) {
        assert_int_equal(ph_loop_step(loop, PATIENCE), PH_OK);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(p[i].fired, 1);
        assert_int_equal(p[i].turn, turn[i]);
        assert_true(p[i].fired_at >= start + delay_ms[i] * PH_MS);
    }
    assert_true(ph_loop_take_lateness(loop) > 0);
    assert_true(ph_loop_take_lateness(loop) == 0);
}

static void wake_at_replaces_and_cancels(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b, c;
    ph_ns start = ph_loop_now(loop);
    ph_ns end = start + PATIENCE;

    peer_host(&a, loop, -1);
    peer_host(&b, loop, -1);
    peer_host(&c, loop, -1);
    a.host->ops->wake_at(a.host, start + PH_MS);
    a.host->ops->wake_at(a.host, start + 4 * PH_MS); /* later */
    b.host->ops->wake_at(b.host, start + PATIENCE);
    b.host->ops->wake_at(b.host, start + 2 * PH_MS); /* sooner */
    b.again_at = start + 3 * PH_MS;                  /* and once more, from inside */
    c.host->ops->wake_at(c.host, start + PH_MS);
    c.host->ops->wake_at(c.host, PH_NEVER);
    while (a.fired < 1 && ph_loop_now(loop) < end) {
        assert_int_equal(ph_loop_step(loop, PATIENCE), PH_OK);
    }
    assert_int_equal(a.fired, 1);
    assert_true(a.fired_at >= start + 4 * PH_MS);
    assert_int_equal(b.fired, 2);
    assert_int_equal(c.fired, 0);
    /* Spent: nothing is left, so a step of no time fires nothing. */
    assert_int_equal(ph_loop_step(loop, 0), PH_OK);
    assert_int_equal(a.fired + b.fired + c.fired, 3);
}

static void a_timer_that_is_set_for_now_starves_nobody(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b;
    ph_ns past = ph_loop_now(loop);

    peer_init(&a, loop);
    peer_init(&b, loop);
    send_one(&a, &b.addr, "x", 1, 0);
    a.host->ops->wake_at(a.host, past);
    for (int i = 0; i < 100; i++) {
        a.again_at = past;
        assert_int_equal(ph_loop_step(loop, PATIENCE), PH_OK);
    }
    assert_int_equal(b.received, 1);
    assert_int_equal(a.fired, 100);
}

static void a_host_may_be_freed_in_its_callbacks(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b, c;
    ph_ns end = ph_loop_now(loop) + PATIENCE;

    peer_init(&a, loop);
    peer_init(&b, loop);
    peer_init(&c, loop);
    b.free_host_on_receipt = true;
    c.free_host_on_timer = true;
    for (int i = 0; i < 100; i++) {
        send_one(&a, &b.addr, "x", 1, 0); /* more than a batch: events stay behind */
    }
    run_until(loop, &b.received, 1);
    assert_in_range(b.received, 1, 64);
    assert_null(b.host);
    c.host->ops->wake_at(c.host, ph_loop_now(loop));
    while (c.fired < 1 && ph_loop_now(loop) < end) {
        assert_int_equal(ph_loop_step(loop, PATIENCE), PH_OK);
    }
    assert_int_equal(c.fired, 1);
    assert_null(c.host);
    assert_int_equal(ph_loop_step(loop, 0), PH_OK);
    assert_in_range(b.received, 1, 64);
}

static void a_closed_socket_is_gone(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b;
    ph_sock old, next;
    struct ph_addr any = ph_addr_v4(127, 0, 0, 1, 0);
    struct ph_addr none;

    peer_init(&a, loop);
    peer_init(&b, loop);
    send_one(&a, &b.addr, "x", 1, 0); /* waits in the socket that is closed now */
    old = b.sock;
    b.host->ops->udp_close(b.host, old);
    assert_int_equal(b.host->ops->udp_open(b.host, &any, &next), PH_OK);
    assert_int_not_equal(next, old);
    none = b.host->ops->udp_local(b.host, old);
    assert_false(ph_addr_is_set(&none));
    send_one(&b, &a.addr, "x", 1, 0); /* through the old name: nothing happens */
    assert_int_equal(ph_loop_step(loop, 0), PH_OK);
    assert_int_equal(a.received + b.received, 0);
    /* A socket of another host is not this host's. */
    none = b.host->ops->udp_local(b.host, a.sock);
    assert_false(ph_addr_is_set(&none));
}

static void many_sockets_each_hear_their_own(void **state)
{
    enum {
        COUNT = 600
    };
    struct ph_loop *loop = *state;
    static ph_sock socks[COUNT];
    static struct ph_datagram out[COUNT];
    static uint32_t words[COUNT];
    struct ph_addr any = ph_addr_v4(127, 0, 0, 1, 0);
    struct peer a, b;
    uint64_t sum = 0;

    peer_init(&a, loop);
    peer_init(&b, loop);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(b.host->ops->udp_open(b.host, &any, &socks[i]), PH_OK);
        words[i] = 1000 + i;
        sum += words[i];
        out[i] = (struct ph_datagram){.peer = b.host->ops->udp_local(b.host, socks[i]),
                                      .data = (uint8_t *)&words[i],
                                      .len = sizeof(words[i])};
    }
    a.host->ops->udp_send(a.host, a.sock, out, COUNT);
    run_until(loop, &b.received, COUNT);
    assert_int_equal(b.sum, sum);
    for (uint32_t i = 0; i < COUNT; i++) {
        b.host->ops->udp_close(b.host, socks[i]);
    }
}

static void a_taken_port_is_refused(void **state)
{
    struct ph_loop *loop = *state;
    struct ph_addr nothing = {0};
    ph_sock sock;
    struct peer a;

    peer_init(&a, loop);
    assert_int_equal(a.host->ops->udp_open(a.host, &a.addr, &sock), PH_ERR_SYS);
    assert_int_equal(a.host->ops->udp_open(a.host, &nothing, &sock), PH_ERR_INVAL);
}

struct watched {
    struct ph_loop *loop;
    int fd;
    size_t ready;
    uint32_t events;
    bool unwatch;
};

static void on_ready(void *user, uint32_t events)
{
    struct watched *w = user;
    uint64_t value;

    w->ready++;
    w->events = events;
    assert_int_equal(read(w->fd, &value, sizeof(value)), sizeof(value));
    if (w->unwatch) {
        ph_loop_unwatch(w->loop, w->fd);
    }
}

static void other_descriptors_are_watched(void **state)
{
    struct ph_loop *loop = *state;
    struct watched w = {.loop = loop, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    uint64_t one = 1;

    assert_true(w.fd >= 0);
    assert_int_equal(ph_loop_watch(loop, w.fd, EPOLLIN, on_ready, &w), PH_OK);
    assert_int_equal(write(w.fd, &one, sizeof(one)), sizeof(one));
    run_until(loop, &w.ready, 1);
    assert_true(w.events & EPOLLIN);
    w.unwatch = true;
    assert_int_equal(write(w.fd, &one, sizeof(one)), sizeof(one));
    run_until(loop, &w.ready, 2);
    assert_int_equal(write(w.fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(ph_loop_step(loop, 0), PH_OK);
    assert_int_equal(w.ready, 2);
    ph_loop_unwatch(loop, w.fd); /* twice does no harm */
    close(w.fd);
    assert_int_equal(ph_loop_watch(loop, -1, EPOLLIN, on_ready, &w), PH_ERR_SYS);
}

struct noted {
    struct ph_loop *loop;
    size_t called;
    ph_ns again;
};

static void note(void *user)
{
    struct noted *n = user;

    n->called++;
    if (n->again) {
        assert_int_equal(ph_loop_at(n->loop, n->again, note, n), PH_OK);
        n->again = 0;
    } else {
        ph_loop_stop(n->loop);
    }
}

static void calls_at_a_time(void **state)
{
    struct ph_loop *loop = *state;
    ph_ns start = ph_loop_now(loop);
    struct noted a = {.loop = loop, .again = start + 3 * PH_MS};
    struct noted b = {.loop = loop};

    assert_int_equal(ph_loop_at(loop, start + PATIENCE, note, &a), PH_OK);
    assert_int_equal(ph_loop_at(loop, start + PH_MS, note, &a), PH_OK); /* one slot each */
    assert_int_equal(ph_loop_at(loop, start + PH_MS, note, &b), PH_OK);
    assert_int_equal(ph_loop_at(loop, PH_NEVER, note, &b), PH_OK);
    assert_int_equal(ph_loop_run(loop), PH_OK);
    assert_int_equal(a.called, 2);
    assert_int_equal(b.called, 0);
    assert_true(ph_loop_now(loop) >= start + 3 * PH_MS);
}

static void a_loop_may_go_with_all_that_waits(void **state)
{
    struct ph_loop *loop;
    struct noted n = {0};
    struct watched w = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    struct peer p;

    (void)state;
    assert_int_equal(ph_loop_new(&loop), PH_OK);
    peer_init(&p, loop);
    p.host->ops->wake_at(p.host, ph_loop_now(loop) + PATIENCE);
    assert_int_equal(ph_loop_at(loop, ph_loop_now(loop) + PATIENCE, note, &n), PH_OK);
    assert_int_equal(ph_loop_watch(loop, w.fd, EPOLLIN, on_ready, &w), PH_OK);
    ph_loop_free(loop);
    assert_int_equal(n.called, 0);
    close(w.fd);
    ph_loop_free(NULL);
}

static void addresses_of_interfaces(void **state)
{
    struct ph_loop *loop = *state;
    struct ph_addr out[32];
    struct peer a;
    size_t n;

    peer_host(&a, loop, -1);
    n = a.host->ops->local_addrs(a.host, out, 32);
    assert_true(n <= 32);
    for (size_t i = 0; i < n; i++) {
        assert_true(out[i].family == PH_AF_V4 || out[i].family == PH_AF_V6);
        assert_false(ph_addr_is_loopback(&out[i]));
        assert_false(ph_addr_is_any(&out[i]));
        assert_int_equal(out[i].port, 0);
    }
    assert_int_equal(a.host->ops->local_addrs(a.host, out, 0), 0);
}

/* A host in a new namespace, where loopback is still down: sends fail there and work here. */
static void sockets_are_made_in_the_namespace(void **state)
{
    struct ph_loop *loop = *state;
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);
    struct ph_addr out[8];
    struct peer inside, here;
    int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int other;

    assert_true(home >= 0);
    if (unshare(CLONE_NEWNET) < 0) {
        print_message("skipped: no right to make a network namespace (%s)\n", strerror(errno));
        close(home);
        skip();
    }
    other = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(setns(home, CLONE_NEWNET), 0);

    peer_host(&inside, loop, other);
    assert_int_equal(inside.host->ops->udp_open(inside.host, &any, &inside.sock), PH_OK);
    inside.addr = inside.host->ops->udp_local(inside.host, inside.sock);
    assert_int_equal(inside.host->ops->local_addrs(inside.host, out, 8), 0);

    /* The same port is free here, which shows that the other socket lives elsewhere. */
    peer_host(&here, loop, -1);
    assert_int_equal(here.host->ops->udp_open(here.host, &inside.addr, &here.sock), PH_OK);
    here.addr = ph_addr_v4(127, 0, 0, 1, inside.addr.port);
    send_one(&inside, &here.addr, "x", 1, 0);
    assert_int_equal(ph_loop_step(loop, 0), PH_OK);
    assert_int_equal(here.received, 0);
    send_one(&here, &here.addr, "x", 1, 0);
    run_until(loop, &here.received, 1);
    assert_int_equal(inside.received, 0);

    close(other);
    close(home);
}

static void traced(void *user, const char *line)
{
    snprintf(user, 64, "%s", line);
}

static void traces_go_where_the_config_says(void **state)
{
    struct ph_loop *loop = *state;
    char seen[64] = "";
    struct ph_loop_host_config config = {.netns_fd = -1, .trace = traced, .trace_user = seen};
    struct ph_host *h;
    struct peer quiet;

    assert_int_equal(ph_loop_host_new(loop, &config, &h), PH_OK);
    h->ops->trace(h, "{\"event\":\"x\"}");
    assert_string_equal(seen, "{\"event\":\"x\"}");
    peer_host(&quiet, loop, -1);
    assert_null(quiet.host->ops->trace);
}

static void random_bytes_differ(void **state)
{
    struct ph_loop *loop = *state;
    uint8_t a[600] = {0}, b[600] = {0}; /* more than getrandom gives at once for sure */
    struct peer p;

    peer_host(&p, loop, -1);
    ph_host_random(p.host, a, sizeof(a));
    ph_host_random(p.host, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + 568, b + 568, 32);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(datagrams_go_both_ways),
        T(an_empty_datagram_arrives),
        T(ipv6_is_a_socket_of_its_own),
        T(each_datagram_has_its_own_ttl),
        T(a_burst_arrives_whole_and_in_batches),
        T(the_longest_arrives_and_a_longer_one_does_not),
        T(an_icmp_error_loses_no_later_datagram),
        T(a_refused_datagram_does_not_hold_up_the_rest),
        T(timers_come_in_order),
        T(wake_at_replaces_and_cancels),
        T(a_timer_that_is_set_for_now_starves_nobody),
        T(a_host_may_be_freed_in_its_callbacks),
        T(a_closed_socket_is_gone),
        T(many_sockets_each_hear_their_own),
        T(a_taken_port_is_refused),
        T(other_descriptors_are_watched),
        T(calls_at_a_time),
        T(a_loop_may_go_with_all_that_waits),
        T(addresses_of_interfaces),
        T(sockets_are_made_in_the_namespace),
        T(traces_go_where_the_config_says),
        T(random_bytes_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
