/* What the real host knows of the network, inside two namespaces, near and far, that are joined by
 * the wires 2 (one) and 3 (two). */
#include "messages.h"

#include "host/sockaddr.h"
#include "host/watch.h"
#include "lab/net/netns.h"
#include "lab/net/rtnl.h"
#include "lab/world/kernel.h"

#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <unistd.h>

struct listener {
    struct peer peer; /* first */
    size_t changes;
    size_t answers;
    int http_error, http_status;
    uint32_t scope;
};

static struct fixture {
    struct ph_loop *loop;
    int home, near_fd, far_fd;
    struct listener here; /* a host of the near end */
    bool past;            /* the fence */
} fix;

static struct lab_error cannot;
static bool able, has_ipv6;

#define NEEDS_NAMESPACES()                                                                         \
    do {                                                                                           \
        if (!able) {                                                                               \
            print_message("skipped: %s\n", cannot.text);                                           \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static void on_network(struct ph_endpoint *ep, ph_ns now)
{
    (void)now;
    ((struct listener *)ep)->changes++;
}

static void on_http(struct ph_endpoint *ep, ph_ns now, ph_http id, const struct ph_http_answer *a)
{
    struct listener *l = (struct listener *)ep;

    (void)now;
    (void)id;
    l->answers++;
    l->http_error = a->error;
    l->http_status = a->status;
}

static void on_scoped(struct ph_endpoint *ep, ph_ns now, ph_sock sock, const struct ph_datagram *in,
                      size_t n)
{
    ((struct listener *)ep)->scope = in[n - 1].scope;
    peer_on_datagrams(ep, now, sock, in, n);
}

static void in_namespace(int fd, int type, struct nl_msg *m)
{
    struct nl_sock *sock = nl_socket_alloc();
    int err;

    assert_int_equal(netns_enter(fd, NULL), 0);
    assert_int_equal(nl_connect(sock, NETLINK_ROUTE), 0);
    nlmsg_hdr(m)->nlmsg_type = (uint16_t)type;
    err = nl_send_sync(sock, m); /* frees it */
    if (err < 0) {
        fail_msg("rtnetlink: %s", nl_geterror(err));
    }
    nl_socket_free(sock);
    assert_int_equal(netns_enter(fix.home, NULL), 0);
}

static void add_addr(int fd, int index, const char *addr, uint8_t prefix)
{
    in_namespace(fd, RTM_NEWADDR, addr_message(index, addr, prefix, IFA_F_NODAD));
}

static void add_route(int fd, const struct route *route)
{
    in_namespace(fd, RTM_NEWROUTE, route_message(route));
}

static void wire(struct rtnl *r, int index, const char *name)
{
    struct rtnl_end a = {fix.near_fd, index, name, {2, 0, 0, 0, 1, (uint8_t)index}};
    struct rtnl_end b = {fix.far_fd, index, name, {2, 0, 0, 0, 2, (uint8_t)index}};

    rtnl_veth(r, &a, &b);
}

static void bring_up(int fd)
{
    struct rtnl *r;

    assert_int_equal(netns_enter(fd, NULL), 0);
    assert_int_equal(rtnl_open(&r, NULL), 0);
    for (int index = 2; index <= 3; index++) {
        if (has_ipv6) {
            rtnl_quiet_ipv6(r, index);
        }
        rtnl_up(r, index, false);
    }
    assert_int_equal(rtnl_commit(r, NULL), 0);
    rtnl_close(r);
    assert_int_equal(netns_enter(fix.home, NULL), 0);
}

static int net_setup(void **state)
{
    static const int wires[] = {2, 3};
    struct rtnl *r;
    long value;

    if (!able) {
        return 0;
    }
    memset(&fix, 0, sizeof(fix));
    assert_int_equal(loop_setup(state), 0);
    fix.loop = *state;
    fix.home = netns_here(NULL);
    fix.far_fd = netns_new(NULL);
    fix.near_fd = netns_new(NULL);
    has_ipv6 = netns_sysctl_get("net/ipv6/conf/all/disable_ipv6", &value) == 0 && value == 0;
    assert_int_equal(rtnl_open(&r, NULL), 0);
    wire(r, 2, "one");
    wire(r, 3, "two");
    assert_int_equal(rtnl_commit(r, NULL), 0);
    assert_int_equal(netns_enter(fix.home, NULL), 0);
    bring_up(fix.far_fd);
    bring_up(fix.near_fd);
    assert_int_equal(rtnl_wait_ready(r, wires, 2, NULL), 0);
    rtnl_close(r);
    add_addr(fix.near_fd, 2, "10.0.0.2", 24);
    add_addr(fix.near_fd, 3, "10.1.0.2", 24);
    add_addr(fix.far_fd, 2, "10.0.0.1", 24);
    add_addr(fix.far_fd, 3, "10.1.0.1", 24);
    peer_host(&fix.here.peer, fix.loop, fix.near_fd);
    fix.here.peer.ep.on_network = on_network;
    fix.here.peer.ep.on_http = on_http;
    fix.here.peer.ep.on_datagrams = on_scoped;
    return 0;
}

static int net_teardown(void **state)
{
    if (!able) {
        return 0;
    }
    netns_enter(fix.home, NULL); /* where a failure left it */
    loop_teardown(state);
    close(fix.near_fd);
    close(fix.far_fd);
    close(fix.home);
    return 0;
}

#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

static void the_kernel_tells_its_gateways(void **state)
{
    static const struct ph_addr v4_of_one = {.family = PH_AF_V4, .ip = {10, 0, 0, 1}};
    struct ph_gateway out[PH_GATEWAYS_MAX];
    struct ph_host *h;
    struct ph_addr local;
    (void)state;

    NEEDS_NAMESPACES();
    h = fix.here.peer.host;
    assert_int_equal(h->ops->gateways(h, out, PH_GATEWAYS_MAX), 0);
    add_route(fix.near_fd, &(struct route){.gateway = "10.1.0.1", .index = 3, .metric = 600});
    add_route(fix.near_fd, &(struct route){.gateway = "10.0.0.1", .index = 2, .metric = 100});
    add_route(fix.near_fd, &(struct route){.gateway = "10.1.0.1", .index = 3, .table = 100});
    assert_int_equal(h->ops->gateways(h, out, PH_GATEWAYS_MAX), 2);
    assert_true(ph_addr_eq(&out[0].gateway, &v4_of_one));
    local = ip("10.0.0.2");
    assert_true(ph_addr_eq(&out[0].local, &local));
    assert_string_equal(out[0].interface, "one");
    assert_int_equal(out[0].scope, 2);
    assert_int_equal(out[0].metric, 100);
    assert_string_equal(out[1].interface, "two");
    assert_int_equal(out[1].metric, 600);
    assert_int_equal(h->ops->gateways(h, out, 1), 1);
    if (has_ipv6) {
        add_addr(fix.near_fd, 3, "fe80::2", 64);
        add_addr(fix.near_fd, 3, "2001:db8::2", 64);
        add_route(fix.near_fd, &(struct route){.gateway = "fe80::1", .index = 3, .metric = 300});
        assert_int_equal(h->ops->gateways(h, out, PH_GATEWAYS_MAX), 3);
        local = ip("2001:db8::2");
        assert_true(ph_addr_eq(&out[1].local, &local));
        local = ip("fe80::1");
        assert_true(ph_addr_eq(&out[1].gateway, &local));
        assert_int_equal(out[1].scope, 3);
    }
    /* A route goes with the address that it stood on. */
    in_namespace(fix.near_fd, RTM_DELADDR, addr_message(2, "10.0.0.2", 24, 0));
    assert_int_equal(h->ops->gateways(h, out, PH_GATEWAYS_MAX), has_ipv6 ? 2 : 1);
    assert_string_equal(out[0].interface, "two");
}

static void pass(void *user)
{
    ((struct fixture *)user)->past = true;
}

/* Until a timer that is due after every burst that has begun by now. */
static void run_past_a_burst(void)
{
    fix.past = false;
    assert_int_equal(ph_loop_at(fix.loop, ph_loop_now(fix.loop) + 2 * PH_WATCH_BURST, pass, &fix),
                     PH_OK);
    while (!fix.past) {
        assert_int_equal(ph_loop_step(fix.loop, PATIENCE), PH_OK);
    }
}

static void changes_are_told_once(void **state)
{
    struct ph_host *h;
    (void)state;

    NEEDS_NAMESPACES();
    h = fix.here.peer.host;
    assert_int_equal(h->ops->watch_network(h, true), PH_OK);
    assert_int_equal(h->ops->watch_network(h, true), PH_OK); /* the same again */
    add_addr(fix.near_fd, 2, "10.0.0.7", 24);
    add_addr(fix.near_fd, 2, "10.0.0.8", 24);
    add_route(fix.near_fd, &(struct route){.gateway = "10.0.0.1", .index = 2});
    assert_int_equal(fix.here.changes, 0); /* from the loop alone */
    run_until(fix.loop, &fix.here.changes, 1);
    run_past_a_burst();
    assert_int_equal(fix.here.changes, 1);
    /* What changes nothing is nothing: an address said again, a route of another table. */
    add_addr(fix.near_fd, 2, "10.0.0.7", 24);
    add_route(fix.near_fd, &(struct route){.gateway = "10.0.0.1", .index = 2, .table = 100});
    run_past_a_burst();
    assert_int_equal(fix.here.changes, 1);
    in_namespace(fix.near_fd, RTM_DELADDR, addr_message(2, "10.0.0.7", 24, 0));
    run_until(fix.loop, &fix.here.changes, 2);
    /* Of another namespace nothing is heard. */
    add_addr(fix.far_fd, 2, "10.0.0.9", 24);
    run_past_a_burst();
    assert_int_equal(fix.here.changes, 2);
    /* One that is under way when it is given up is not told. */
    add_addr(fix.near_fd, 2, "10.0.0.10", 24);
    assert_int_equal(ph_loop_step(fix.loop, PATIENCE), PH_OK);
    assert_int_equal(h->ops->watch_network(h, false), PH_OK);
    assert_int_equal(h->ops->watch_network(h, false), PH_OK);
    run_past_a_burst();
    assert_int_equal(fix.here.changes, 2);
}

/* A socket of the far end that has joined SSDP's group on both wires. */
static int ssdp_listener(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(1900)};
    int on = 1;
    int fd;

    assert_int_equal(netns_enter(fix.far_fd, NULL), 0);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    for (int index = 2; index <= 3; index++) {
        struct ip_mreqn group = {.imr_multiaddr = {htonl(0xeffffffau)}, .imr_ifindex = index};

        assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)), 0);
    }
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), 0);
    assert_int_equal(netns_enter(fix.home, NULL), 0);
    return fd;
}

static void hear(int fd, int *index, int *ttl)
{
    union {
        char bytes[256];
        struct cmsghdr align;
    } control;
    char data[64];
    struct iovec iov = {data, sizeof(data)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    assert_int_equal(poll(&wait, 1, (int)(PATIENCE / PH_MS)), 1);
    assert_true(recvmsg(fd, &msg, 0) > 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        struct in_pktinfo info;

        if (c->cmsg_type == IP_PKTINFO) {
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            *index = info.ipi_ifindex;
        } else if (c->cmsg_type == IP_TTL) {
            memcpy(ttl, CMSG_DATA(c), sizeof(*ttl));
        }
    }
}

/* Without a word about the interface but the address that the socket is bound to, and without a
 * route to the group. */
static void multicast_leaves_by_the_sockets_interface(void **state)
{
    struct ph_addr group = ph_addr_v4(239, 255, 255, 250, 1900);
    struct ph_host *h;
    int fd;
    (void)state;

    NEEDS_NAMESPACES();
    h = fix.here.peer.host;
    fd = ssdp_listener();
    for (int i = 0; i < 4; i++) {
        struct ph_addr local = ip(i % 2 ? "10.1.0.2" : "10.0.0.2");
        struct ph_datagram d = {.peer = group, .data = (const uint8_t *)"M-SEARCH", .len = 8};
        int index = 0, ttl = 0;
        ph_sock sock;

        d.ttl = i < 2 ? 0 : 4;
        assert_int_equal(h->ops->udp_open(h, &local, &sock), PH_OK);
        h->ops->udp_send(h, sock, &d, 1);
        hear(fd, &index, &ttl);
        assert_int_equal(index, i % 2 ? 3 : 2);
        assert_int_equal(ttl, i < 2 ? 2 : 4); /* UPnP's default, or what was asked for */
        h->ops->udp_close(h, sock);
    }
    close(fd);
}

/* The same link-local address is at the far end of both wires: the scope alone says which. */
static void link_local_peers_have_a_scope(void **state)
{
    struct ph_addr any = {.family = PH_AF_V6, .port = 5351};
    struct listener far = {0};
    struct ph_host *h;
    (void)state;

    NEEDS_NAMESPACES();
    if (!has_ipv6) {
        print_message("skipped: this kernel has no IPv6\n");
        skip();
    }
    h = fix.here.peer.host;
    for (int index = 2; index <= 3; index++) {
        add_addr(fix.near_fd, index, "fe80::2", 64);
        add_addr(fix.far_fd, index, "fe80::1", 64);
    }
    peer_host(&far.peer, fix.loop, fix.far_fd);
    far.peer.ep.on_datagrams = on_scoped;
    far.peer.echo = true;
    assert_int_equal(far.peer.host->ops->udp_open(far.peer.host, &any, &far.peer.sock), PH_OK);
    assert_int_equal(h->ops->udp_open(h, &any, &fix.here.peer.sock), PH_OK);
    for (uint32_t i = 1; i <= 2; i++) {
        struct ph_datagram d = {.data = (const uint8_t *)"map?", .len = 4, .scope = 1 + i};

        d.peer = ip("fe80::1");
        d.peer.port = 5351;
        h->ops->udp_send(h, fix.here.peer.sock, &d, 1);
        run_until(fix.loop, &fix.here.peer.received, i);
        assert_int_equal(far.scope, 1 + i);
        assert_int_equal(fix.here.scope, 1 + i);
        assert_int_equal(far.peer.received, i);
    }
}

static void http_goes_through_the_namespace(void **state)
{
    struct ph_http_request q = {
        .host = "10.0.0.1", .path = "/", .answer_max = 100, .timeout = PATIENCE};
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct ph_addr from;
    union ph_sockaddr sa;
    socklen_t len = sizeof(sa);
    struct ph_host *h;
    int listener, fd;
    ph_http id;
    (void)state;

    NEEDS_NAMESPACES();
    h = fix.here.peer.host;
    assert_int_equal(netns_enter(fix.far_fd, NULL), 0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(netns_enter(fix.home, NULL), 0);
    q.server = ip("10.0.0.1");
    q.server.port = 80;
    q.local = ip("10.0.0.2");
    assert_int_equal(h->ops->http_start(h, &q, &id), PH_OK);
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0 && fix.here.answers == 0) {
        assert_int_equal(ph_loop_step(fix.loop, PH_MS), PH_OK);
    }
    assert_true(fd >= 0);
    assert_int_equal(getpeername(fd, &sa.sa, &len), 0);
    assert_true(ph_sockaddr_to(&sa.sa, &from) && ph_addr_ip_eq(&from, &q.local));
    assert_int_equal(send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL), (ssize_t)sizeof(text) - 1);
    run_until(fix.loop, &fix.here.answers, 1);
    assert_int_equal(fix.here.http_error, PH_OK);
    assert_int_equal(fix.here.http_status, 200);
    close(fd);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(the_kernel_tells_its_gateways),
        NET_TEST(changes_are_told_once),
        NET_TEST(multicast_leaves_by_the_sockets_interface),
        NET_TEST(link_local_peers_have_a_scope),
        NET_TEST(http_goes_through_the_namespace),
    };

    able = kernel_privileges(&cannot) == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
