/* `pinhole map` behind a router of our own: a namespace for each, and a NAT-PMP server (RFC 6886)
 * of a few lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab/net/netns.h"
#include "lab/net/rtnl.h"
#include "lab/world/kernel.h"
#include "tests/program.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define PMP_PORT    5351

enum manner {
    MAPS,
    MAPS_BRIEFLY, /* for two seconds at a time, whatever is asked */
    REFUSES,
    SAYS_NOTHING,
};

/* The server, and a line for each request that it heard. */
static struct {
    pid_t pid; /* 0: none runs */
    int fd;
} server;

static struct {
    int home, host_fd, router_fd;
} net;

static struct lab_error cannot;
static bool able;

static const char *needs(void)
{
    const char *pinhole = program_built(program_pinhole());

    if (!able) {
        print_message("skipped: %s\n", cannot.text);
        skip();
    }
    return pinhole;
}

/* ---- The server */

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t value)
{
    uint32_t be = htonl(value);

    memcpy(p, &be, sizeof(be));
}

/* Returns the length of the answer. */
static size_t answer(enum manner manner, const uint8_t *in, size_t len, uint8_t out[16])
{
    uint32_t lifetime;

    memset(out, 0, 16);
    put32(out + 4, 1000); /* seconds of the server's epoch: all within one here */
    out[1] = 128;
    if (in[0] != 0) { /* PCP */
        out[3] = 1;   /* unsupported version */
        return 8;
    }
    if (in[1] == 0 && len == 2) { /* what is the outside address? */
        memcpy(out + 8, (const uint8_t[]){203, 0, 113, 7}, 4);
        return 12;
    }
    if (in[1] != 1 || len != 12) {
        return 0;
    }
    lifetime = get32(in + 8);
    printf("%s %u\n", lifetime ? "map" : "delete", (unsigned)(in[4] << 8 | in[5]));
    out[1] = 129;
    memcpy(out + 8, in + 4, 2); /* inside */
    if (manner == REFUSES) {
        out[3] = 2; /* not authorized */
    } else if (lifetime) {
        out[10] = 0xc3; /* outside: 50000 */
        out[11] = 0x50;
        put32(out + 12, manner == MAPS_BRIEFLY ? 2 : lifetime);
    }
    return 16;
}

static void serve(enum manner manner, int fd)
{
    for (;;) {
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        uint8_t in[1100], out[16];
        ssize_t n = recvfrom(fd, in, sizeof(in), 0, (struct sockaddr *)&from, &from_len);
        size_t len;

        if (n < 2) {
            continue;
        }
        len = answer(manner, in, (size_t)n, out);
        if (len && manner != SAYS_NOTHING) {
            sendto(fd, out, len, 0, (struct sockaddr *)&from, from_len);
        }
    }
}

static void start_server(enum manner manner)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PMP_PORT)};
    int fds[2], fd;

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(netns_enter(net.router_fd, NULL), 0);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(netns_enter(net.home, NULL), 0);
    fflush(stdout);
    server.pid = fork();
    assert_true(server.pid >= 0);
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fds[1], 1);
        close(fds[0]);
        setvbuf(stdout, NULL, _IOLBF, 0);
        serve(manner, fd);
        _exit(0);
    }
    close(fds[1]);
    close(fd);
    server.fd = fds[0];
}

/* Ends it, and returns what it noted. */
static const char *stop_server(void)
{
    static char text[4096];
    size_t len = 0;
    ssize_t n;

    kill(server.pid, SIGKILL);
    waitpid(server.pid, NULL, 0);
    server.pid = 0;
    while ((n = read(server.fd, text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    close(server.fd);
    return text;
}

/* ---- The command, in the host's namespace */

struct running {
    pid_t pid;
    int fd;
    char out[16384];
    size_t len;
};

static void start(struct running *r, const char *const argv[])
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(netns_enter(net.host_fd, NULL), 0);
    r->pid = program_start(argv, fds[1]);
    assert_int_equal(netns_enter(net.home, NULL), 0);
    close(fds[1]);
    assert_true(r->pid > 0);
    r->fd = fds[0];
    r->len = 0;
    r->out[0] = '\0';
}

/* False at its end. */
static bool read_more(struct running *r)
{
    struct pollfd pfd = {.fd = r->fd, .events = POLLIN};
    ssize_t n;

    if (poll(&pfd, 1, PATIENCE_MS) != 1) {
        fail_msg("nothing comes after '%s'", r->out);
    }
    n = read(r->fd, r->out + r->len, sizeof(r->out) - 1 - r->len);
    if (n > 0) {
        r->len += (size_t)n;
        r->out[r->len] = '\0';
    }
    return n > 0;
}

static void await(struct running *r, const char *text)
{
    while (!strstr(r->out, text)) {
        if (!read_more(r)) {
            fail_msg("it ended without '%s': '%s'", text, r->out);
        }
    }
}

static int finish(struct running *r)
{
    int status;

    while (read_more(r)) {
    }
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    close(r->fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void assert_says(const struct running *r, const char *text)
{
    if (!strstr(r->out, text)) {
        fail_msg("'%s' is not in '%s'", text, r->out);
    }
}

/* ---- */

static void add(struct rtnl *r, int index, const uint8_t ip[4], const uint8_t gateway[4])
{
    struct ph_addr addr = ph_addr_v4(ip[0], ip[1], ip[2], ip[3], 0);
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);

    rtnl_up(r, index, false);
    rtnl_addr_add(r, index, &addr, 24);
    if (gateway) {
        struct ph_addr via = ph_addr_v4(gateway[0], gateway[1], gateway[2], gateway[3], 0);

        rtnl_route(r, index, &any, 0, &via);
    }
}

static void bring_up(int fd, const uint8_t ip[4], const uint8_t gateway[4])
{
    struct rtnl *r;

    assert_int_equal(netns_enter(fd, NULL), 0);
    assert_int_equal(rtnl_open(&r, NULL), 0);
    add(r, 2, ip, gateway);
    assert_int_equal(rtnl_commit(r, NULL), 0);
    rtnl_close(r);
    assert_int_equal(netns_enter(net.home, NULL), 0);
}

static int group_setup(void **state)
{
    static const uint8_t router[4] = {10, 0, 0, 1}, host[4] = {10, 0, 0, 2};
    static const int wires[] = {2};
    struct rtnl_end a = {.index = 2, .name = "lan0", .mac = {2, 0, 0, 0, 0, 1}};
    struct rtnl_end b = {.index = 2, .name = "eth0", .mac = {2, 0, 0, 0, 0, 2}};
    struct rtnl *r;

    (void)state;
    able = kernel_privileges(&cannot) == 0;
    if (!able) {
        return 0;
    }
    net.home = netns_here(NULL);
    net.router_fd = netns_new(NULL);
    net.host_fd = netns_new(NULL);
    assert_int_equal(rtnl_open(&r, NULL), 0);
    a.netns_fd = net.router_fd;
    b.netns_fd = net.host_fd;
    rtnl_veth(r, &a, &b);
    assert_int_equal(rtnl_commit(r, NULL), 0);
    assert_int_equal(netns_enter(net.home, NULL), 0);
    bring_up(net.router_fd, router, NULL);
    bring_up(net.host_fd, host, router);
    assert_int_equal(rtnl_wait_ready(r, wires, 1, NULL), 0);
    rtnl_close(r);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    if (able) {
        close(net.host_fd);
        close(net.router_fd);
        close(net.home);
    }
    return 0;
}

/* What a failure left. */
static int teardown(void **state)
{
    (void)state;
    if (server.pid > 0) {
        stop_server();
    }
    return 0;
}

static void once_maps_and_gives_back(void **state)
{
    const char *const argv[] = {needs(), "map", "--once", "--port", "40000", NULL};
    static struct running r;

    (void)state;
    start_server(MAPS);
    start(&r, argv);
    assert_int_equal(finish(&r), 0);
    assert_says(&r, "port 40000\n");
    assert_says(&r, "pcp      10.0.0.1:5351 does not speak it: unsupported version (1)");
    assert_says(&r, "nat-pmp  10.0.0.1:5351 maps");
    assert_says(&r, "\n203.0.113.7:50000 -> 10.0.0.2:40000 by nat-pmp, 7200 s\n");
    assert_says(&r, "\nreleased\n");
    assert_string_equal(stop_server(), "map 40000\ndelete 40000\n");
}

static void it_holds_until_it_is_told(void **state)
{
    static const struct {
        int signal, code;
    } rows[] = {{SIGTERM, 0}, {SIGINT, 130}};
    const char *const argv[] = {needs(),      "map", "--json", "--protocol", "nat-pmp",
                                "--lifetime", "600", "--port", "40001",      NULL};
    static struct running r;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {

        start_server(MAPS);
        start(&r, argv);
        await(&r, "\"reach\":");
        kill(r.pid, rows[i].signal);
        assert_int_equal(finish(&r), rows[i].code);
        assert_says(&r,
                    "{\"event\":\"started\",\"t_ms\":0.000,\"port\":40001,\"family\":\"ipv4\"}");
        assert_says(&r,
                    "\"protocol\":\"nat-pmp\",\"said\":\"mapped\",\"server\":\"10.0.0.1:5351\"");
        assert_null(strstr(r.out, "\"pcp\"")); /* not asked for, so not told of */
        assert_says(&r, "\"protocol\":\"nat-pmp\",\"external\":\"203.0.113.7:50000\","
                        "\"internal\":\"10.0.0.2:40001\",");
        assert_says(&r, "\"lifetime_s\":600,");
        assert_says(&r, "{\"event\":\"released\",");
        assert_says(&r, "\"confirmed\":true}");
        assert_string_equal(stop_server(), "map 40001\ndelete 40001\n");
    }
}

static void it_renews(void **state)
{
    const char *const argv[] = {needs(), "map", "--port", "40002", NULL};
    static struct running r;
    const char *heard;

    (void)state;
    start_server(MAPS_BRIEFLY);
    start(&r, argv);
    await(&r, "renewed: 203.0.113.7:50000 -> 10.0.0.2:40002 by nat-pmp, 2 s\n");
    kill(r.pid, SIGTERM);
    assert_int_equal(finish(&r), 0);
    heard = stop_server();
    assert_int_equal(strncmp(heard, "map 40002\nmap 40002\n", 20), 0);
    assert_non_null(strstr(heard, "delete 40002\n"));
}

static void a_duration_ends_it(void **state)
{
    const char *const argv[] = {needs(), "map", "--duration", "0.05", "--port", "40003", NULL};
    static struct running r;

    (void)state;
    start_server(MAPS);
    start(&r, argv);
    assert_int_equal(finish(&r), 0);
    assert_says(&r, "\nreleased\n");
    assert_string_equal(stop_server(), "map 40003\ndelete 40003\n");
}

static void what_each_said_is_told_where_nobody_maps(void **state)
{
    const char *const argv[] = {needs(), "map", NULL};
    static struct running r;

    (void)state;
    start_server(REFUSES);
    start(&r, argv);
    assert_int_equal(finish(&r), 1);
    assert_says(&r, "pcp      10.0.0.1:5351 does not speak it: unsupported version (1)");
    assert_says(&r, "nat-pmp  10.0.0.1:5351 refused");
    assert_says(&r, "(2)");
    assert_says(&r, "upnp     nobody answered\n");
    assert_says(&r, "failed: no router maps a port; switch ");
    assert_null(strstr(r.out, "released"));
    stop_server();
    start_server(SAYS_NOTHING);
    start(&r, argv);
    assert_int_equal(finish(&r), 1);
    assert_says(&r, "pcp      nobody answered\n");
    assert_says(&r, "nat-pmp  nobody answered\n");
    stop_server();
    /* A protocol that is not asked for is not spoken. */
    start_server(MAPS);
    start(&r, (const char *[]){program_pinhole(), "map", "--protocol", "upnp", NULL});
    assert_int_equal(finish(&r), 1);
    assert_null(strstr(r.out, "pmp"));
    assert_string_equal(stop_server(), "");
}

static void without_a_gateway_it_says_so(void **state)
{
    const char *const argv[] = {needs(), "map", NULL};
    static struct running r;
    int host_fd = net.host_fd;

    (void)state;
    net.host_fd = net.router_fd; /* which has no default route */
    start(&r, argv);
    net.host_fd = host_fd;
    assert_int_equal(finish(&r), 1);
    assert_says(&r, "failed: there is no default gateway to ask; connect ");
    /* A way out by IPv4 leads no IPv6 anywhere. */
    start(&r, (const char *[]){program_pinhole(), "map", "-6", NULL});
    assert_int_equal(finish(&r), 1);
    assert_says(&r, "upnp     was not asked\n");
    assert_says(&r, "failed: there is no default gateway of IPv6 to ask; connect ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(once_maps_and_gives_back, teardown),
        cmocka_unit_test_teardown(it_holds_until_it_is_told, teardown),
        cmocka_unit_test_teardown(it_renews, teardown),
        cmocka_unit_test_teardown(a_duration_ends_it, teardown),
        cmocka_unit_test_teardown(what_each_said_is_told_where_nobody_maps, teardown),
        cmocka_unit_test_teardown(without_a_gateway_it_says_so, teardown),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
