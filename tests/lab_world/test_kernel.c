/* Kernel worlds: real packets through real namespaces and NATs. */
#include "lab/net/netns.h"
#include "lab/net/nft.h"
#include "lab/world/kernel_private.h"
#include "tests/kernel_lab.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PORT     4000
#define WAIT_MS  5000
#define QUIET_MS 60 /* how long nothing must come, in a world without delays */

static struct world_spec spec;
static struct layout layout;

static void load(const char *topology, const char *profile_a, const char *profile_b)
{
    struct topology t;
    struct lab_error err = {.text = ""};

    if (topology_find(topology, &t, &err) != 0 || world_spec_init(&spec, &t, &err) != 0 ||
        (profile_a != NULL && world_spec_set_profile(&spec, "a", profile_a, &err) != 0) ||
        (profile_b != NULL && world_spec_set_profile(&spec, "b", profile_b, &err) != 0) ||
        layout_compute(&spec, &layout, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static struct kernel_world *build(void)
{
    struct kernel_world *w = NULL;
    struct lab_error err = {.text = ""};

    if (kernel_world_build(kernel_lab_needed(), &layout, &w, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return w;
}

static struct sockaddr_in to_system(const struct ph_addr *a, uint16_t port)
{
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = htons(port)};

    memcpy(&s.sin_addr, a->ip, 4);
    return s;
}

static struct ph_addr address(const struct kernel_world *w, const char *node)
{
    return kernel_world_layout(w)->nodes[layout_find(kernel_world_layout(w), node)].addrs[0];
}

static int open_udp(const struct kernel_world *w, const char *node, uint16_t port)
{
    size_t n = layout_find(kernel_world_layout(w), node);
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);
    struct sockaddr_in a = to_system(&any, port);
    int fd;

    assert_int_not_equal(n, SIZE_MAX);
    assert_int_equal(netns_enter(kernel_world_netns(w, n), NULL), 0);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(netns_enter(w->lab->home, NULL), 0);
    return fd;
}

static void send_to(int fd, const struct sockaddr_in *to, int ttl)
{
    if (ttl > 0) {
        assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
    }
    assert_int_equal(sendto(fd, "hello", 5, 0, (const struct sockaddr *)to, sizeof(*to)), 5);
}

static bool hears(int fd, int wait_ms, struct sockaddr_in *from)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    char in[16];

    if (poll(&p, 1, wait_ms) != 1 ||
        recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&a, &len) != 5) {
        return false;
    }
    if (from != NULL) {
        *from = a;
    }
    return true;
}

/* One packet there and its answer back; where the server saw it come from. */
static struct sockaddr_in ask(const struct kernel_world *w, const char *client, const char *server)
{
    int c = open_udp(w, client, 0), s = open_udp(w, server, PORT);
    struct ph_addr at = address(w, server);
    struct sockaddr_in to = to_system(&at, PORT), seen;

    send_to(c, &to, 0);
    if (!hears(s, WAIT_MS, &seen)) {
        fail_msg("nothing came from %s to %s", client, server);
    }
    send_to(s, &seen, 0);
    if (!hears(c, WAIT_MS, NULL)) {
        fail_msg("nothing came back from %s to %s", server, client);
    }
    close(c);
    close(s);
    return seen;
}

static void test_two_nats(void **state)
{
    struct kernel_world *w;
    struct sockaddr_in seen;
    const struct layout_node *nat;
    struct lab_error err = {.text = ""};
    (void)state;

    load("two-nats", NULL, NULL);
    w = build();
    nat = &layout.nodes[layout_find(&layout, "a.nat")];
    seen = ask(w, "a", "relay");
    assert_memory_equal(&seen.sin_addr, nat->wan[0].ip, 4);
    (void)ask(w, "b", "stun");
    (void)ask(w, "relay", "stun");
    if (kernel_world_check(w, &err) != 0) {
        fail_msg("%s", err.text);
    }
    /* The addresses that the check needed are gone: the host has its own alone. */
    seen = ask(w, "a", "relay");
    assert_memory_equal(&seen.sin_addr, nat->wan[0].ip, 4);
    kernel_world_free(w);
}

static void test_every_address(void **state)
{
    struct kernel_world *w;
    int c, s;
    (void)state;

    load("two-nats", NULL, NULL);
    w = build();
    c = open_udp(w, "a", 0);
    s = open_udp(w, "stun", PORT);
    for (size_t i = 0; i < 5; i++) {
        size_t stun = layout_find(&layout, "stun");
        struct sockaddr_in to = to_system(&layout.nodes[stun].addrs[i], PORT);

        send_to(c, &to, 0);
        assert_true(hears(s, WAIT_MS, NULL));
    }
    close(c);
    close(s);
    kernel_world_free(w);
}

/* Between the two NATs lie three routers: with both as mere routers, a packet needs one hop for
 * each of the five to arrive, and dies with one less. */
static void test_hops(void **state)
{
    struct kernel_world *w;
    struct ph_addr b;
    struct sockaddr_in to;
    int from, at;
    (void)state;

    load("two-nats", "open", "open");
    w = build();
    b = address(w, "b");
    to = to_system(&b, PORT);
    from = open_udp(w, "a", 0);
    at = open_udp(w, "b", PORT);
    send_to(from, &to, 5);
    assert_false(hears(at, QUIET_MS, NULL));
    send_to(from, &to, 6);
    assert_true(hears(at, WAIT_MS, NULL));
    close(from);
    close(at);
    kernel_world_free(w);
}

static void test_same_lan(void **state)
{
    struct kernel_world *w;
    struct ph_addr b;
    struct sockaddr_in to;
    int from, at;
    (void)state;

    load("same-lan", NULL, NULL);
    w = build();
    b = address(w, "b");
    to = to_system(&b, PORT);
    from = open_udp(w, "a", 0);
    at = open_udp(w, "b", PORT);
    send_to(from, &to, 1); /* no router between */
    assert_true(hears(at, WAIT_MS, NULL));
    (void)ask(w, "a", "relay");
    (void)ask(w, "b", "relay");
    close(from);
    close(at);
    kernel_world_free(w);
}

/* Both hosts learn their outside address; each opens toward the other's, and both are heard. */
static void punch(const struct kernel_world *w)
{
    int a = open_udp(w, "a", PORT), b = open_udp(w, "b", PORT), s = open_udp(w, "relay", PORT);
    struct ph_addr relay = address(w, "relay");
    struct sockaddr_in to = to_system(&relay, PORT), seen_a, seen_b;

    send_to(a, &to, 0);
    assert_true(hears(s, WAIT_MS, &seen_a));
    send_to(b, &to, 0);
    assert_true(hears(s, WAIT_MS, &seen_b));
    send_to(a, &seen_b, 0);
    send_to(b, &seen_a, 0);
    assert_true(hears(a, WAIT_MS, NULL));
    send_to(a, &seen_b, 0);
    assert_true(hears(b, WAIT_MS, NULL));
    close(a);
    close(b);
    close(s);
}

static void test_punch(void **state)
{
    static const char *const names[] = {"two-nats", "same-nat", "same-cgnat", "no-nat"};
    (void)state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct kernel_world *w;
        struct lab_error err = {.text = ""};

        load(names[i], NULL, NULL);
        w = build();
        if (kernel_world_check(w, &err) != 0) {
            fail_msg("%s: %s", names[i], err.text);
        }
        punch(w);
        kernel_world_free(w);
    }
}

/* A home NAT inside a carrier's: two hops of the packet's life are the NATs', and what the server
 * sees is the carrier. */
static void test_home(void **state)
{
    struct kernel_world *w;
    struct sockaddr_in seen;
    struct lab_error err = {.text = ""};
    (void)state;

    load("two-nats", "cgnat", "double-nat");
    w = build();
    if (kernel_world_check(w, &err) != 0) {
        fail_msg("%s", err.text);
    }
    seen = ask(w, "a", "relay");
    assert_memory_equal(&seen.sin_addr, layout.nodes[layout_find(&layout, "a.nat")].wan[0].ip, 4);
    seen = ask(w, "b", "relay");
    assert_memory_equal(&seen.sin_addr, layout.nodes[layout_find(&layout, "b.nat")].wan[0].ip, 4);
    kernel_world_free(w);
}

/* A NAT built as one thing and declared as another does not pass. */
static void test_mismatch(void **state)
{
    struct kernel_world *w;
    struct lab_error err = {.text = ""};
    (void)state;

    load("two-nats", "random", "port-preserving");
    w = build();
    assert_int_equal(nat_profile_find("port-preserving",
                                      &w->layout.nodes[layout_find(&w->layout, "a.nat")].profile,
                                      &err),
                     0);
    assert_int_equal(kernel_world_check(w, &err), -1);
    assert_int_equal(err.code, LAB_BROKEN);
    assert_non_null(strstr(err.text, "a.nat"));
    kernel_world_free(w);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void test_links(void **state)
{
    struct kernel_world *w;
    struct lab_error err = {.text = ""};
    ph_ns worst;
    uint64_t packets, start;
    (void)state;

    load("two-nats", NULL, NULL);
    w = build();
    assert_int_equal(kernel_world_links_on(w, 1, &err), 0);
    start = now_ns();
    (void)ask(w, "a", "relay");
    /* One way each over the access link; never less. */
    assert_true(now_ns() - start >= 40000000);
    assert_int_equal(kernel_world_lateness(w, &worst, &packets, &err), 0);
    /* Nothing else is on the wire: no ARP, no IPv6. */
    assert_int_equal(packets, 2);
    assert_int_equal(kernel_world_reset(w, 2, &err), 0);
    assert_int_equal(kernel_world_lateness(w, &worst, &packets, &err), 0);
    assert_int_equal(packets, 0);
    start = now_ns();
    (void)ask(w, "b", "relay");
    assert_true(now_ns() - start >= 40000000);
    kernel_world_free(w);
}

/* A reset forgets what a NAT has learnt: what came in before does not any more. */
static void test_reset(void **state)
{
    struct kernel_world *w;
    struct ph_addr relay;
    struct sockaddr_in to, seen;
    struct lab_error err = {.text = ""};
    int a, s;
    (void)state;

    load("two-nats", "full-cone", NULL);
    w = build();
    relay = address(w, "relay");
    to = to_system(&relay, PORT);
    a = open_udp(w, "a", PORT);
    s = open_udp(w, "relay", PORT);
    send_to(a, &to, 0);
    assert_true(hears(s, WAIT_MS, &seen));
    send_to(s, &seen, 0);
    assert_true(hears(a, WAIT_MS, NULL));
    assert_int_equal(kernel_world_reset(w, 1, &err), 0);
    send_to(s, &seen, 0);
    assert_false(hears(a, QUIET_MS, NULL));
    close(a);
    close(s);
    kernel_world_free(w);
}

static void test_many(void **state)
{
    enum {
        MANY = 64
    };
    struct kernel_world *worlds[MANY];
    (void)state;

    load("two-nats", NULL, NULL);
    for (size_t i = 0; i < MANY; i++) {
        worlds[i] = build();
    }
    for (size_t i = 0; i < MANY; i++) {
        struct sockaddr_in seen = ask(worlds[i], "a", "relay");

        assert_memory_equal(&seen.sin_addr, layout.nodes[layout_find(&layout, "a.nat")].wan[0].ip,
                            4);
        (void)ask(worlds[i], "b", "stun");
    }
    for (size_t i = 0; i < MANY; i++) {
        kernel_world_free(worlds[i]);
    }
}

struct ear {
    struct ph_endpoint endpoint;
    struct ph_host *host;
    unsigned heard;
};

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct ear *e = (struct ear *)ep;

    (void)now;
    if (e->heard++ == 0) {
        struct ph_datagram answer = {.peer = in->peer, .data = in->data, .len = in->len};

        assert_int_equal(n, 1);
        e->host->ops->udp_send(e->host, sock, &answer, 1);
    }
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    (void)ep;
    (void)now;
}

static void told_by_kernel(struct ph_loop *loop, int fd, const struct ph_gateway *want)
{
    struct ph_loop_host_config config = {.netns_fd = fd};
    struct ph_gateway got[2];
    struct ph_host *host;

    assert_int_equal(ph_loop_host_new(loop, &config, &host), 0);
    assert_int_equal(host->ops->gateways(host, got, 2), 1);
    assert_true(ph_addr_eq(&got[0].gateway, &want->gateway));
    assert_true(ph_addr_eq(&got[0].local, &want->local));
    assert_int_equal(got[0].scope, want->scope);
    assert_string_equal(got[0].interface, want->interface);
    ph_loop_host_free(host);
}

/* The attached half: hosts of one loop in a world that is known by descriptors alone. */
static void test_attach(void **state)
{
    static const uint8_t hello[] = "hello";
    struct ear ears[2] = {{.heard = 0}};
    int fds[LAYOUT_NODES_MAX];
    struct kernel_world *w;
    struct world *world = NULL;
    struct ph_loop *loop = NULL;
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, PORT);
    struct ph_datagram d = {.data = hello, .len = sizeof(hello)};
    struct ph_gateway gateway;
    struct ph_addr local;
    size_t nodes[2];
    ph_sock socks[2];
    ph_ns deadline;
    (void)state;

    load("two-nats", NULL, NULL);
    w = build();
    nodes[0] = layout_find(&layout, "a");
    nodes[1] = layout_find(&layout, "relay");
    for (size_t i = 0; i < layout.node_count; i++) {
        fds[i] = i == nodes[0] || i == nodes[1] ? dup(kernel_world_netns(w, i)) : -1;
    }
    assert_int_equal(ph_loop_new(&loop), 0);
    assert_int_equal(kernel_world_attach(loop, &layout, fds, &world, NULL), 0);
    assert_int_equal(world->layout->node_count, layout.node_count);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(world->ops->host_new(world, nodes[i], NULL, NULL, &ears[i].host), 0);
        ears[i].endpoint.on_datagrams = on_datagrams;
        ears[i].endpoint.on_timer = on_timer;
        ears[i].host->endpoint = &ears[i].endpoint;
        assert_int_equal(ears[i].host->ops->udp_open(ears[i].host, &any, &socks[i]), 0);
    }
    assert_int_equal(ears[0].host->ops->local_addrs(ears[0].host, &local, 1), 1);
    assert_true(ph_addr_ip_eq(&local, &layout.nodes[nodes[0]].addrs[0]));
    {
        const struct layout_node *nat = &layout.nodes[layout_find(&layout, "a.nat")];

        assert_int_equal(ears[0].host->ops->gateways(ears[0].host, &gateway, 1), 1);
        assert_true(ph_addr_eq(&gateway.gateway, &nat->ifs[nat->lan_if].addr));
        assert_true(ph_addr_eq(&gateway.local, &local));
        assert_int_equal(gateway.scope, 2);
        assert_string_equal(gateway.interface, layout.nodes[nodes[0]].ifs[0].name);
        /* The same as a host that asks the kernel. */
        told_by_kernel(loop, fds[nodes[0]], &gateway);
    }
    d.peer = layout.nodes[nodes[1]].addrs[0];
    d.peer.port = PORT;
    ears[0].heard = 1; /* it is not to answer the answer */
    ears[0].host->ops->udp_send(ears[0].host, socks[0], &d, 1);
    deadline = world->ops->now(world) + 5 * PH_SEC;
    while (ears[0].heard < 2 && world->ops->now(world) < deadline) {
        assert_int_equal(ph_loop_step(loop, 100 * PH_MS), 0);
    }
    assert_int_equal(ears[1].heard, 1);
    assert_int_equal(ears[0].heard, 2);
    /* A node without a descriptor has no host. */
    assert_int_not_equal(
        world->ops->host_new(world, layout_find(&layout, "b"), NULL, NULL, &ears[0].host), 0);
    for (size_t i = 0; i < 2; i++) {
        world->ops->host_free(world, ears[i].host);
    }
    world->ops->free(world);
    ph_loop_free(loop);
    kernel_world_free(w);
}

static void run_until_killed(int ready)
{
    struct kernel_lab *own = NULL;
    struct kernel_world *w = NULL;

    /* The group's lab is the parent's: its shaper is not this process's child. */
    if (kernel_lab_open(&own, NULL) != 0 || kernel_world_build(own, &layout, &w, NULL) != 0 ||
        write(ready, "r", 1) != 1) {
        _exit(1);
    }
    for (;;) {
        pause();
    }
}

static pid_t child_of(pid_t pid)
{
    char path[64], text[64] = "";
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    f = fopen(path, "re");
    if (f == NULL) {
        return -1;
    }
    if (fgets(text, sizeof(text), f) == NULL) {
        text[0] = '\0';
    }
    fclose(f);
    return text[0] == '\0' ? -1 : (pid_t)strtol(text, NULL, 10);
}

/* A killed builder takes its shaper along, and with both go all descriptors of namespaces. */
static void test_killed(void **state)
{
    struct pollfd gone = {.events = POLLIN};
    pid_t builder, shaper;
    int ready[2];
    char c;
    (void)state;

    (void)kernel_lab_needed();
    load("two-nats", NULL, NULL);
    assert_int_equal(pipe(ready), 0);
    builder = fork();
    assert_true(builder >= 0);
    if (builder == 0) {
        close(ready[0]);
        run_until_killed(ready[1]);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    shaper = child_of(builder);
    if (shaper > 0) {
        gone.fd = (int)syscall(SYS_pidfd_open, shaper, 0);
    }
    assert_int_equal(kill(builder, SIGKILL), 0);
    assert_int_equal(waitpid(builder, NULL, 0), builder);
    close(ready[0]);
    if (shaper <= 0 || gone.fd < 0) {
        print_message("the kernel does not tell a process's children\n");
        skip();
    }
    assert_int_equal(poll(&gone, 1, WAIT_MS), 1);
    close(gone.fd);
}

/* The proof sees a firewall that is none, in either direction. */
static void test_ipv6_mismatch(void **state)
{
    static const struct {
        const char *family, *rules, *want;
    } cases[] = {
        {"dual", "flush table ip6 pinhole\n",
         "IPv6 of a is not what its NATs declare: declared firewall, and a stranger is let in"},
        {"v6", "flush table ip6 pinhole\n",
         "IPv6 of a is not what its NATs declare: declared firewall, and a stranger is let in"},
        {"dual",
         "add rule ip6 pinhole forwarding drop\n"
         "insert rule ip6 pinhole forwarding drop\n",
         "IPv6 of a is not what its NATs declare: a packet does not get out"},
    };
    (void)state;
    (void)kernel_lab_needed();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lab_error err = {.text = ""};
        struct topology t;
        struct kernel_world *w;

        if (topology_find("two-nats", &t, &err) != 0 || world_spec_init(&spec, &t, &err) != 0 ||
            world_spec_set_family(&spec, cases[i].family, &err) != 0 ||
            layout_compute(&spec, &layout, &err) != 0) {
            fail_msg("%s", err.text);
        }
        w = build();
        if (kernel_world_check(w, &err) != 0 ||
            nft_run(kernel_world_netns(w, layout_find(&layout, "a.nat")), cases[i].rules, NULL,
                    &err) != 0) {
            fail_msg("%s", err.text);
        }
        assert_int_not_equal(kernel_world_check(w, &err), 0);
        assert_string_equal(err.text, cases[i].want);
        kernel_world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_nats),      cmocka_unit_test(test_every_address),
        cmocka_unit_test(test_hops),          cmocka_unit_test(test_same_lan),
        cmocka_unit_test(test_punch),         cmocka_unit_test(test_home),
        cmocka_unit_test(test_mismatch),      cmocka_unit_test(test_links),
        cmocka_unit_test(test_reset),         cmocka_unit_test(test_many),
        cmocka_unit_test(test_attach),        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_ipv6_mismatch),
    };

    return cmocka_run_group_tests_name("kernel worlds", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
