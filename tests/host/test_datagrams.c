/* Datagrams through the real loop, over loopback. */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* Whatever the kernel is handed as one: each arrives as it is, and those to one peer in order. */
static void joined_datagrams_arrive_one_by_one(void **state)
{
    static const struct {
        size_t len;
        int to;
        uint8_t ttl;
    } rows[] = {{100, 0, 0},  {100, 0, 0},  {100, 0, 0}, {40, 0, 0}, {100, 0, 0}, {100, 1, 0},
                {100, 1, 0},  {100, 1, 7},  {100, 1, 7}, {0, 1, 0},  {0, 1, 0},   {1, 0, 0},
                {1252, 0, 0}, {1252, 0, 0}, {7, 1, 0},   {8, 1, 0},  {8, 1, 0},   {1252, 1, 0}};
    enum {
        COUNT = sizeof(rows) / sizeof(rows[0]),
        MANY = 200
    };
    struct ph_loop *loop = *state;
    static uint8_t bytes[MANY][PH_DATAGRAM_MAX];
    struct ph_datagram out[MANY];
    struct ph_addr at[2];
    int fd[2] = {plain_socket(&at[0]), plain_socket(&at[1])};
    struct peer a;

    peer_on(&a, loop, &(struct ph_loop_host_config){.netns_fd = -1, .join = true});
    peer_open(&a);
    for (size_t i = 0; i < COUNT; i++) {
        memset(bytes[i], (int)i, sizeof(bytes[i]));
        out[i] = (struct ph_datagram){
            .peer = at[rows[i].to], .data = bytes[i], .len = rows[i].len, .ttl = rows[i].ttl};
    }
    a.host->ops->udp_send(a.host, a.sock, out, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t in[2048];
        ssize_t n = recv(fd[rows[i].to], in, sizeof(in), 0);

        assert_int_equal(n, rows[i].len);
        assert_memory_equal(in, bytes[i], rows[i].len);
    }
    /* More than the kernel takes at once. */
    assert_int_equal(setsockopt(fd[0], SOL_SOCKET, SO_RCVBUF, &(int){1 << 20}, sizeof(int)), 0);
    for (size_t i = 0; i < MANY; i++) {
        bytes[i][0] = (uint8_t)i;
        out[i] = (struct ph_datagram){.peer = at[0], .data = bytes[i], .len = i < 55 ? 1200 : 3};
    }
    a.host->ops->udp_send(a.host, a.sock, out, MANY);
    for (size_t i = 0; i < MANY; i++) {
        uint8_t in[2048];

        assert_int_equal(recv(fd[0], in, sizeof(in), 0), out[i].len);
        assert_int_equal(in[0], i);
    }
    close(fd[0]);
    close(fd[1]);
}

/* A host that gathers reads many at once where many come, and loses none. */
static void gathered_datagrams_come_in_batches(void **state)
{
    struct ph_loop *loop = *state;
    struct peer a, b;
    uint64_t wakes = 0;

    peer_init(&a, loop);
    peer_on(&b, loop, &(struct ph_loop_host_config){.netns_fd = -1, .gather = 2 * PH_MS});
    peer_open(&b);
    for (uint32_t sent = 0; sent < 20000;) {
        size_t before = b.received;

        for (int k = 0; k < 10; k++, sent++) {
            send_one(&a, &b.addr, &sent, sizeof(sent), 0);
        }
        assert_int_equal(ph_loop_step(loop, 0), PH_OK);
        wakes += b.received > before;
    }
    run_until(loop, &b.received, 20000);
    assert_int_equal(b.received, 20000);
    assert_true(b.sum == 20000ull * 19999 / 2);
    assert_true(wakes > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(datagrams_go_both_ways),
        LOOP_TEST(an_empty_datagram_arrives),
        LOOP_TEST(ipv6_is_a_socket_of_its_own),
        LOOP_TEST(each_datagram_has_its_own_ttl),
        LOOP_TEST(a_burst_arrives_whole_and_in_batches),
        LOOP_TEST(the_longest_arrives_and_a_longer_one_does_not),
        LOOP_TEST(an_icmp_error_loses_no_later_datagram),
        LOOP_TEST(a_refused_datagram_does_not_hold_up_the_rest),
        LOOP_TEST(joined_datagrams_arrive_one_by_one),
        LOOP_TEST(gathered_datagrams_come_in_batches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
