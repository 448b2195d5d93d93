/* Namespaces, and devices in them by batches of rtnetlink. */
#include "base/addr.h"
#include "lab/net/netns.h"
#include "lab/net/rtnl.h"
#include "lab/world/kernel.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct lab_error cannot;
static bool able;

#define NEEDS_NAMESPACES()                                                                         \
    do {                                                                                           \
        if (!able) {                                                                               \
            print_message("%s\n", cannot.text);                                                    \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static int setup(void **state)
{
    (void)state;
    able = kernel_privileges(&cannot) == 0;
    return 0;
}

static ino_t inode_of(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return st.st_ino;
}

static void test_netns(void **state)
{
    struct lab_error err;
    int home, fd, inside;
    (void)state;

    NEEDS_NAMESPACES();
    home = netns_here(&err);
    fd = netns_new(&err);
    assert_true(home >= 0 && fd >= 0);
    inside = netns_here(&err);
    assert_int_equal(inode_of(inside), inode_of(fd));
    assert_int_not_equal(inode_of(inside), inode_of(home));
    assert_int_equal(netns_enter(home, &err), 0);
    close(inside);
    inside = netns_here(&err);
    assert_int_equal(inode_of(inside), inode_of(home));
    /* What is no namespace is refused, and the thread stays. */
    close(inside);
    inside = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(netns_enter(inside, &err), -1);
    assert_int_equal(err.code, LAB_BROKEN);
    close(inside);
    close(fd);
    close(home);
}

static void test_sysctl(void **state)
{
    struct lab_error err;
    int home, fd;
    long value = -1;
    (void)state;

    NEEDS_NAMESPACES();
    home = netns_here(&err);
    fd = netns_new(&err);
    assert_int_equal(netns_sysctl("net/ipv4/ip_forward", "1", &err), 0);
    assert_int_equal(netns_sysctl_get("net/ipv4/ip_forward", &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(netns_sysctl("net/ipv4/no_such_thing", "1", &err), -1);
    assert_non_null(strstr(err.text, "no_such_thing"));
    assert_int_equal(netns_sysctl("net/ipv4/ip_forward", "many", &err), -1);
    assert_int_equal(netns_sysctl_get("net/ipv4/no_such_thing", &value), -1);
    assert_int_equal(netns_enter(home, &err), 0);
    close(fd);
    close(home);
}

struct pair {
    int home, fd[2];
    struct rtnl *rtnl[2];
};

static void pair_open(struct pair *p)
{
    static const uint8_t mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
    struct rtnl_end ends[2];
    struct lab_error err = {.text = ""};

    p->home = netns_here(&err);
    for (int i = 0; i < 2; i++) {
        p->fd[i] = netns_new(&err);
        assert_true(p->fd[i] >= 0);
        assert_int_equal(rtnl_open(&p->rtnl[i], &err), 0);
        ends[i] = (struct rtnl_end){.netns_fd = p->fd[i], .index = 7 + i, .name = "wire"};
        memcpy(ends[i].mac, mac[i], 6);
    }
    assert_int_equal(netns_enter(p->home, &err), 0);
    rtnl_veth(p->rtnl[0], &ends[0], &ends[1]);
    if (rtnl_commit(p->rtnl[0], &err) != 0) {
        fail_msg("%s", err.text);
    }
    for (int i = 0; i < 2; i++) {
        struct ph_addr own = ph_addr_v4(11, 0, 0, (uint8_t)(1 + i), 0);
        struct ph_addr other = ph_addr_v4(11, 0, 0, (uint8_t)(2 - i), 0);

        rtnl_up(p->rtnl[i], 1, false);
        rtnl_up(p->rtnl[i], 7 + i, false);
        rtnl_addr_add(p->rtnl[i], 7 + i, &own, 30);
        rtnl_neighbour(p->rtnl[i], 7 + i, &other, mac[1 - i]);
        assert_int_equal(rtnl_commit(p->rtnl[i], &err), 0);
    }
    for (int i = 0; i < 2; i++) {
        const int index = 7 + i;

        assert_int_equal(rtnl_wait_ready(p->rtnl[i], &index, 1, &err), 0);
    }
}

static void pair_close(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        rtnl_close(p->rtnl[i]);
        close(p->fd[i]);
    }
    close(p->home);
}

static int udp_in(const struct pair *p, int side, uint8_t last, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd;

    assert_int_equal(netns_enter(p->fd[side], NULL), 0);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(0x0b000000u + last);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(netns_enter(p->home, NULL), 0);
    return fd;
}

static bool sends(int from, int to, uint8_t last, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct pollfd ready = {.fd = to, .events = POLLIN};
    char in[8];

    a.sin_addr.s_addr = htonl(0x0b000000u + last);
    if (sendto(from, "hello", 5, 0, (struct sockaddr *)&a, sizeof(a)) != 5) {
        return false;
    }
    return poll(&ready, 1, 5000) == 1 && recv(to, in, sizeof(in), 0) == 5;
}

static void test_wire(void **state)
{
    struct pair p;
    struct lab_error err;
    int a, b;
    (void)state;

    NEEDS_NAMESPACES();
    pair_open(&p);
    a = udp_in(&p, 0, 1, 4000);
    b = udp_in(&p, 1, 2, 4000);
    assert_true(sends(a, b, 2, 4000));
    assert_true(sends(b, a, 1, 4000));
    assert_int_equal(rtnl_offloads_off(p.rtnl[0], "wire", &err), 0);
    assert_true(sends(a, b, 2, 4000));
    assert_int_equal(rtnl_offloads_off(p.rtnl[0], "none", &err), -1);
    close(a);
    close(b);
    pair_close(&p);
}

/* The devices have the numbers and the names that were asked for. */
static void test_numbers(void **state)
{
    struct pair p;
    char name[IF_NAMESIZE];
    (void)state;

    NEEDS_NAMESPACES();
    pair_open(&p);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(netns_enter(p.fd[i], NULL), 0);
        assert_int_equal(if_nametoindex("wire"), 7 + i);
        assert_string_equal(if_indextoname((unsigned)(7 + i), name), "wire");
    }
    assert_int_equal(netns_enter(p.home, NULL), 0);
    pair_close(&p);
}

/* The first request that fails is named; the batch after it works. */
static void test_failure(void **state)
{
    struct pair p;
    struct lab_error err;
    struct ph_addr addr = ph_addr_v4(11, 9, 9, 9, 0), none = {.family = PH_AF_NONE};
    (void)state;

    NEEDS_NAMESPACES();
    pair_open(&p);
    rtnl_addr_add(p.rtnl[0], 7, &addr, 32);
    rtnl_addr_add(p.rtnl[0], 99, &addr, 32);
    rtnl_route(p.rtnl[0], 98, &addr, 32, &none);
    assert_int_equal(rtnl_commit(p.rtnl[0], &err), -1);
    assert_int_equal(err.code, LAB_BROKEN);
    if (strstr(err.text, "address 11.9.9.9/32 at device 99") == NULL) {
        fail_msg("%s", err.text);
    }
    rtnl_addr_del(p.rtnl[0], 7, &addr, 32);
    assert_int_equal(rtnl_commit(p.rtnl[0], &err), 0);
    /* It is gone: a second time there is nothing to delete. */
    rtnl_addr_del(p.rtnl[0], 7, &addr, 32);
    assert_int_equal(rtnl_commit(p.rtnl[0], &err), -1);
    assert_int_equal(rtnl_commit(p.rtnl[0], &err), 0);
    pair_close(&p);
}

static void test_too_many(void **state)
{
    struct rtnl *r;
    struct lab_error err;
    (void)state;

    NEEDS_NAMESPACES();
    assert_int_equal(rtnl_open(&r, &err), 0);
    for (int i = 0; i < 2000; i++) {
        rtnl_up(r, 1, false);
    }
    assert_int_equal(rtnl_commit(r, &err), -1);
    assert_non_null(strstr(err.text, "too large"));
    rtnl_up(r, 1, false);
    assert_int_equal(rtnl_commit(r, &err), 0);
    rtnl_close(r);
}

static void test_bridge(void **state)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
    static const int ports_first[] = {8, 20};
    struct ph_addr addr = ph_addr_v4(11, 0, 0, 2, 0);
    struct pair p;
    struct lab_error err = {.text = ""};
    int a, b;
    (void)state;

    NEEDS_NAMESPACES();
    pair_open(&p);
    /* The second end becomes a port, and its address moves to the bridge. */
    rtnl_addr_del(p.rtnl[1], 8, &addr, 30);
    rtnl_bridge(p.rtnl[1], 20, "lan", mac);
    rtnl_enslave(p.rtnl[1], 8, 20);
    rtnl_up(p.rtnl[1], 20, true);
    rtnl_addr_add(p.rtnl[1], 20, &addr, 30);
    if (rtnl_commit(p.rtnl[1], &err) != 0) {
        fail_msg("%s", err.text);
    }
    rtnl_neighbour(p.rtnl[0], 7, &addr, mac);
    assert_int_equal(rtnl_commit(p.rtnl[0], &err), 0);
    assert_int_equal(rtnl_wait_ready(p.rtnl[1], ports_first, 2, &err), 0);
    a = udp_in(&p, 0, 1, 4000);
    b = udp_in(&p, 1, 2, 4000);
    assert_true(sends(a, b, 2, 4000));
    close(a);
    close(b);
    pair_close(&p);
}

/* A device is waited for until the other end of its wire is up, which another process does here. */
static void test_wait(void **state)
{
    static const int index = 7, nobody = 77;
    struct pair p;
    struct lab_error err = {.text = ""};
    int go[2], status = -1;
    char c;
    pid_t child;
    (void)state;

    NEEDS_NAMESPACES();
    pair_open(&p);
    rtnl_down(p.rtnl[1], 8);
    assert_int_equal(rtnl_commit(p.rtnl[1], &err), 0);
    assert_int_equal(pipe(go), 0);
    child = fork();
    if (child == 0) {
        struct rtnl *own = NULL;

        if (netns_enter(p.fd[1], NULL) != 0 || rtnl_open(&own, NULL) != 0 ||
            read(go[0], &c, 1) != 1) {
            _exit(1);
        }
        rtnl_up(own, 8, false);
        status = rtnl_commit(own, NULL);
        rtnl_close(own);
        _exit(status == 0 ? 0 : 1);
    }
    assert_true(child > 0);
    assert_int_equal(write(go[1], "g", 1), 1);
    if (rtnl_wait_ready(p.rtnl[0], &index, 1, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(rtnl_wait_ready(p.rtnl[0], &nobody, 1, &err), -1);
    /* Notifications have no part in the batches after it. */
    rtnl_up(p.rtnl[0], 7, false);
    assert_int_equal(rtnl_commit(p.rtnl[0], &err), 0);
    close(go[0]);
    close(go[1]);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_netns),   cmocka_unit_test(test_sysctl),
        cmocka_unit_test(test_wire),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_failure), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_bridge),  cmocka_unit_test(test_wait),
    };

    return cmocka_run_group_tests_name("namespaces and devices", tests, setup, NULL);
}
