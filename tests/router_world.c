#include "tests/router_world.h"

#include "lab/net/netns.h"
#include "tests/kernel_lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct world_spec spec;
static struct layout layout;

struct kernel_world *router_world_on(const char *topology, const char *profile,
                                     const char *port_mapping)
{
    struct kernel_lab *lab = kernel_lab_needed();
    struct topology t;
    struct kernel_world *w = NULL;
    struct lab_error err = {.text = ""};
    char field[256];
    if (topology_find(topology, &t, &err) != 0 || world_spec_init(&spec, &t, &err) != 0 ||
        (profile != NULL && world_spec_set_profile(&spec, "a", profile, &err) != 0))
        fail_msg("%s", err.text);
    if (port_mapping != NULL) {
        (void)snprintf(field, sizeof(field), "{%s}", port_mapping);
        for (size_t i = 0; i < t.nat_count; i++)
            if (strcmp(t.nats[i].name, "a") == 0 &&
                nat_profile_set(&spec.profiles[i], "port_mapping", field, &err) != 0)
                fail_msg("%s", err.text);
    }
    if (layout_compute(&spec, &layout, &err) != 0)
        fail_msg("%s", err.text);
    if (kernel_world_build(lab, &layout, &w, &err) != 0) {
        if (err.code == LAB_CANNOT) {
            print_message("%s\n", err.text);
            skip();
        }
        fail_msg("%s", err.text);
    }
    return w;
}

struct kernel_world *router_world_new(const char *profile, const char *port_mapping)
{
    return router_world_on("two-nats", profile, port_mapping);
}

static size_t node_of(const struct kernel_world *w, const char *name)
{
    size_t n = layout_find(kernel_world_layout(w), name);
    if (n == SIZE_MAX)
        fail_msg("no node %s", name);
    return n;
}

struct ph_addr router_world_host(const struct kernel_world *w, const char *host)
{
    return kernel_world_layout(w)->nodes[node_of(w, host)].addrs[0];
}

struct ph_addr router_world_lan(const struct kernel_world *w, const char *nat)
{
    const struct layout_node *n = &kernel_world_layout(w)->nodes[node_of(w, nat)];
    return n->ifs[n->lan_if].addr;
}

struct ph_addr router_world_wan(const struct kernel_world *w, const char *nat)
{
    return kernel_world_layout(w)->nodes[node_of(w, nat)].wan[0];
}

static struct sockaddr_in to_system(const struct ph_addr *a)
{
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    memcpy(&s.sin_addr, a->ip, 4);
    return s;
}

static int open_on(const struct kernel_world *w, const char *node, int type)
{
    int home = netns_here(NULL);
    int fd;
    assert_true(home >= 0);
    assert_int_equal(netns_enter(kernel_world_netns(w, node_of(w, node)), NULL), 0);
    fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_int_equal(netns_enter(home, NULL), 0);
    (void)close(home);
    assert_true(fd >= 0);
    return fd;
}

int router_world_udp(const struct kernel_world *w, const char *node, uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = open_on(w, node, SOCK_DGRAM);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    return fd;
}

void router_world_send(int fd, const struct ph_addr *to, const void *data, size_t len)
{
    struct sockaddr_in a = to_system(to);
    assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&a, sizeof(a)), (ssize_t)len);
}

size_t router_world_hear(int fd, void *out, size_t cap, int wait_ms, struct ph_addr *from)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct sockaddr_in a = {0};
    socklen_t len = sizeof(a);
    ssize_t n;
    if (poll(&p, 1, wait_ms) != 1)
        return 0;
    n = recvfrom(fd, out, cap, 0, (struct sockaddr *)&a, &len);
    if (from != NULL)
        *from = ph_addr_v4_u32(ntohl(a.sin_addr.s_addr), ntohs(a.sin_port));
    return n > 0 ? (size_t)n : 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until its end or the deadline. */
static size_t read_all(int fd, char *out, size_t cap, int64_t end)
{
    size_t len = 0;
    while (len + 1 < cap) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end - now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) != 1)
            break;
        ssize_t n = read(fd, out + len, cap - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    out[len] = '\0';
    return len;
}

size_t router_world_tcp(const struct kernel_world *w, const char *node, const struct ph_addr *to,
                        const char *request, char *out, size_t cap, int wait_ms)
{
    struct sockaddr_in a = to_system(to);
    int fd = open_on(w, node, SOCK_STREAM);
    int64_t end = now_ms() + wait_ms;
    size_t len = 0;
    out[0] = '\0';
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
        assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
                         (ssize_t)strlen(request));
        len = read_all(fd, out, cap, end);
    }
    (void)close(fd);
    return len;
}

size_t router_world_mappings(struct kernel_world *w)
{
    struct lab_error err = {.text = ""};
    size_t count = 0;
    if (kernel_world_mappings(w, &count, &err) != 0)
        fail_msg("%s", err.text);
    return count;
}

static const char *const folders[] = {"/usr/bin", "/usr/sbin", "/usr/local/bin", "/bin"};

static bool find_program(const char *name, char *out, size_t cap)
{
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        (void)snprintf(out, cap, "%s/%s", folders[i], name);
        if (access(out, X_OK) == 0)
            return true;
    }
    return false;
}

bool router_world_has(const char *program)
{
    char path[128];
    return find_program(program, path, sizeof(path));
}

pid_t router_world_start(const struct kernel_world *w, const char *node, const char *const argv[],
                         int *out_fd)
{
    char path[128];
    int netns = kernel_world_netns(w, node_of(w, node));
    int ends[2];
    pid_t pid;
    assert_true(find_program(argv[0], path, sizeof(path)));
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (netns_enter(netns, NULL) != 0 || null < 0 || dup2(null, 0) != 0 ||
            dup2(ends[1], 1) != 1 || dup2(ends[1], 2) != 2)
            _exit(126);
        (void)execv(path, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(ends[1]);
    *out_fd = ends[0];
    return pid;
}

int router_world_finish(pid_t pid, int out_fd, char *out, size_t cap, int wait_ms)
{
    int64_t end = now_ms() + wait_ms;
    int status = 0;
    /* Its output ends when it does. */
    (void)read_all(out_fd, out, cap, end);
    (void)close(out_fd);
    if (now_ms() >= end)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int router_world_run(const struct kernel_world *w, const char *node, const char *const argv[],
                     char *out, size_t cap, int wait_ms)
{
    int fd;
    pid_t pid = router_world_start(w, node, argv, &fd);
    return router_world_finish(pid, fd, out, cap, wait_ms);
}
