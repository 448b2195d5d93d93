/* Hosts of the real loop: their sockets, their namespaces, their end. */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

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
    const struct CMUnitTest tests[] = {
        LOOP_TEST(a_host_may_be_freed_in_its_callbacks),
        LOOP_TEST(a_closed_socket_is_gone),
        LOOP_TEST(many_sockets_each_hear_their_own),
        LOOP_TEST(a_taken_port_is_refused),
        LOOP_TEST(addresses_of_interfaces),
        LOOP_TEST(sockets_are_made_in_the_namespace),
        LOOP_TEST(traces_go_where_the_config_says),
        LOOP_TEST(random_bytes_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
