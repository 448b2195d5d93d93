#include "lab/router/miniupnpd_process.h"

#include "base/time.h"
#include "lab/net/netns.h"
#include "lab/router/router_process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_MAX     (10 * PH_SEC)
#define NATPMP_PORT   5351
#define ANSWER_MS     20
#define AGAIN_MS      1
#define CONFIG_FD     3
#define PID_FD        4
#define EXIT_MISSING  127
#define EXIT_CONFINED 126
#define INSTALL       "sudo apt-get install miniupnpd-nftables"

static const char *const places[] = {"/usr/sbin/miniupnpd", "/usr/local/sbin/miniupnpd",
                                     "/sbin/miniupnpd"};

/* Low 32 bits of an argument of a system call. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARGUMENT(n) offsetof(struct seccomp_data, args[n])
#else
#define ARGUMENT(n) (offsetof(struct seccomp_data, args[n]) + 4)
#endif

#define REFUSE(call, error)                                                                        \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),                                             \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

/* Without -d (with it every mapping costs a walk through its log) it forks and goes to the
 * background, where nobody's death would end it. A refused fork it takes for no reason to stop: it
 * goes on in the foreground. And it is kept from the machine's syslog, and from a minissdpd there,
 * which both are sockets of the file system: no network namespace keeps those apart. Nor may it
 * write to the console, where the C library says what syslog did not take (it alone opens anything
 * with O_NOCTTY here); where that is a serial line, a start took 60 ms instead of 5. */
static bool confine(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        REFUSE(__NR_clone, EPERM),
#ifdef __NR_clone3
        REFUSE(__NR_clone3, EPERM),
#endif
#ifdef __NR_fork
        REFUSE(__NR_fork, EPERM),
#endif
#ifdef __NR_vfork
        REFUSE(__NR_vfork, EPERM),
#endif
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(0)),
        REFUSE(AF_UNIX, EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(2)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_NOCTTY, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static __attribute__((noreturn)) void child(int netns_fd, int config, int pid_file, pid_t parent)
{
    char path_of_config[32], path_of_pid[32];
    if (!router_process_detach(netns_fd, parent, config, pid_file) ||
        dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
        _exit(EXIT_CONFINED);
    if (!confine())
        _exit(EXIT_CONFINED);
    (void)snprintf(path_of_config, sizeof(path_of_config), "/proc/self/fd/%d", CONFIG_FD);
    (void)snprintf(path_of_pid, sizeof(path_of_pid), "/proc/self/fd/%d", PID_FD);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        (void)execl(places[i], "miniupnpd", "-f", path_of_config, "-P", path_of_pid, (char *)NULL);
    _exit(EXIT_MISSING);
}

/* A file of no file system: nothing is left of it when the process is gone, whichever way. */
static int memory_file(const char *text, struct lab_error *err)
{
    size_t len = strlen(text);
    int fd = memfd_create("miniupnpd", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0) {
        (void)lab_fail_errno(err, LAB_BROKEN, "no memory file for miniupnpd");
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    return fd;
}

static bool installed(void)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], X_OK) == 0)
            return true;
    return false;
}

int miniupnpd_spawn(int netns_fd, const char *config, pid_t *out, struct lab_error *err)
{
    pid_t parent = getpid();
    int file = -1;
    int pid_file = -1;
    int rc = -1;
    if (!installed())
        return lab_fail(err, LAB_CANNOT,
                        "a router with port mapping needs miniupnpd, which is not installed: "
                        "%s",
                        INSTALL);
    file = memory_file(config, err);
    /* Left empty: it looks in it for the process that it could be already. */
    pid_file = file < 0 ? -1 : memory_file("", err);
    if (pid_file < 0)
        goto cleanup;
    (void)fflush(NULL); /* what is buffered must not come out twice */
    *out = fork();
    if (*out == 0)
        child(netns_fd, file, pid_file, parent);
    rc = *out < 0 ? lab_fail_errno(err, LAB_BROKEN, "cannot start miniupnpd") : 0;
cleanup:
    if (file >= 0)
        (void)close(file);
    if (pid_file >= 0)
        (void)close(pid_file);
    return rc;
}

static ph_ns clock_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (ph_ns)t.tv_sec * PH_SEC + (ph_ns)t.tv_nsec;
}

static struct sockaddr_in to_sockaddr(const struct ph_addr *a, uint16_t port)
{
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&s.sin_addr, a->ip, sizeof(s.sin_addr));
    return s;
}

/* A socket of the router's own, toward a port of its LAN address. */
static int open_inside(int netns_fd, const struct ph_addr *lan, uint16_t port,
                       struct lab_error *err)
{
    struct sockaddr_in from = to_sockaddr(lan, 0);
    struct sockaddr_in to = to_sockaddr(lan, port);
    int home = netns_here(err);
    int fd = -1;
    if (home < 0)
        return -1;
    if (netns_enter(netns_fd, err) == 0) {
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
            connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
            (void)lab_fail_errno(err, LAB_BROKEN, "no socket in a router's namespace");
            if (fd >= 0)
                (void)close(fd);
            fd = -1;
        }
        if (netns_enter(home, err) != 0 && fd >= 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    (void)close(home);
    return fd;
}

/* code: of its exit; -1: a signal ended it. */
static int ended(int code, const char *name, struct lab_error *err)
{
    if (code == EXIT_MISSING)
        return lab_fail(err, LAB_CANNOT, "miniupnpd cannot be run: %s", INSTALL);
    if (code == EXIT_CONFINED)
        return lab_fail(err, LAB_CANNOT,
                        "miniupnpd cannot be confined to router %s (this kernel has no seccomp "
                        "filters)",
                        name);
    return lab_fail(err, LAB_BROKEN,
                    "miniupnpd ended at once on router %s (is it the nftables build? %s)", name,
                    INSTALL);
}

static bool has_ended(pid_t pid, const char *name, struct lab_error *err)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return false;
    (void)ended(info.si_code == CLD_EXITED ? info.si_status : -1, name, err);
    return true;
}

/* Where nobody listens yet the kernel says so at once; then the next question waits a moment. */
int miniupnpd_await(int netns_fd, pid_t pid, const struct router_site *site, struct lab_error *err)
{
    /* RFC 6886 section 3.2: the external address; success. */
    static const uint8_t question[2] = {0, 0};
    static const uint8_t success[4] = {0, 128, 0, 0};
    ph_ns end = clock_now() + READY_MAX;
    int fd = open_inside(netns_fd, &site->lan, NATPMP_PORT, err);
    int rc = 1;
    if (fd < 0)
        return -1;
    while (rc > 0) {
        struct pollfd answer = {.fd = fd, .events = POLLIN};
        struct pollfd nothing = {.fd = -1};
        uint8_t in[64];
        ssize_t n;
        (void)send(fd, question, sizeof(question), MSG_NOSIGNAL);
        (void)poll(&answer, 1, ANSWER_MS);
        n = recv(fd, in, sizeof(in), 0);
        if (n >= (ssize_t)sizeof(success) && memcmp(in, success, sizeof(success)) == 0)
            rc = 0;
        else if (has_ended(pid, site->name, err))
            rc = -1;
        else if (clock_now() > end)
            rc = lab_fail(err, LAB_BROKEN, "miniupnpd on router %s does not serve", site->name);
        else
            (void)poll(&nothing, 1, AGAIN_MS);
    }
    (void)close(fd);
    return rc;
}
