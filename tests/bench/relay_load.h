/* Load for a relay: two namespaces on one wire, peers on one side of it that send frames of many
 * calls, and what comes of it: packets, processor time, delay. In a header, for one program. */
#ifndef TESTS_BENCH_RELAY_LOAD_H
#define TESTS_BENCH_RELAY_LOAD_H

#include "base/time.h"
#include "lab/net/netns.h"
#include "lab/net/rtnl.h"
#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOAD_CALLS    1000
#define LOAD_FLOWS    (2 * LOAD_CALLS)
#define LOAD_PAYLOAD  160
#define LOAD_HEADER   16 /* of the relay's framing, at most */
#define LOAD_FRAME    (14 + 20 + 8 + LOAD_HEADER + LOAD_PAYLOAD)
#define LOAD_DELAYS   (1 << 20)
#define LOAD_PORT     3478
#define LOAD_WIRE     10
#define LOAD_RELAY_IP "198.18.0.1"
#define LOAD_PEERS_IP "198.18.0.2"
#define LOAD_MAGIC    0x6c6f6164

static const uint8_t load_mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

/* One direction of a call: what is sent, and the socket of the one who sends it. */
struct load_flow {
    int fd;        /* what the other end sends arrives here */
    uint16_t port; /* of that */
    size_t frame_len, payload_at;
    uint8_t frame[LOAD_FRAME];
};

struct load {
    int ns[2]; /* the relay's, the peers' */
    int raw;   /* sends frames onto the wire */
    int epoll;
    int cpu_relay, cpu_peers;
    int steering;
    size_t flows;
    struct load_flow flow[LOAD_FLOWS];
};

struct load_result {
    double seconds;
    uint64_t sent, forwarded, heard;
    double cpu;     /* seconds of the relay's process */
    ph_ns p50, p99; /* of the delay, where it was measured */
};

static ph_ns load_delays[LOAD_DELAYS];
static size_t load_delay_count;

static inline ph_ns load_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ph_ns)t.tv_sec * PH_SEC + (ph_ns)t.tv_nsec;
}

static inline void load_pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        bench_die("the machine has too few processors for this");
    }
}

static inline struct ph_addr load_addr(const char *ip, uint16_t port)
{
    struct ph_addr a;

    if (ph_addr_parse(ip, &a) != 0) {
        bench_die(ip);
    }
    a.port = port;
    return a;
}

/* Where it can be said which processor handles what arrives at the peers (receive packet steering);
 * -1: this machine does not let us say so. */
static inline int load_steering(void)
{
    char folder[] = "/tmp/bench-relay-sys-XXXXXX";
    char path[96];
    int fd = -1;

    if (!mkdtemp(folder)) {
        return -1;
    }
    /* A view of this namespace's devices, for this process alone. */
    if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("sysfs", folder, "sysfs", 0, NULL) == 0) {
        snprintf(path, sizeof(path), "%s/class/net/wire/queues/rx-0/rps_cpus", folder);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        umount2(folder, MNT_DETACH);
    }
    rmdir(folder);
    return fd;
}

/* The peers' kernel works on their processor, as on another machine; or on that of the relay that
 * sends to them, as is usual with virtual links. False: it cannot be told. */
static inline bool load_steer(const struct load *l, bool apart)
{
    char mask[16];

    snprintf(mask, sizeof(mask), "%x", apart ? 1u << l->cpu_peers : 0u);
    return l->steering >= 0 && pwrite(l->steering, mask, strlen(mask), 0) > 0;
}

/* False, with the reason printed, where the machine makes no namespaces. */
static inline bool load_open(struct load *l)
{
    struct lab_error err = {0};
    struct rtnl *r[2] = {NULL, NULL};
    static const int one = 1;
    static const int index[1] = {LOAD_WIRE};
    struct sockaddr_ll wire = {.sll_family = AF_PACKET, .sll_ifindex = LOAD_WIRE};

    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        printf("skipped: this machine makes no namespaces here\n");
        return false;
    }
    l->cpu_relay = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0;
    l->cpu_peers = 0;
    for (int i = 0; i < 2; i++) {
        l->ns[i] = netns_new(&err);
        if (l->ns[i] < 0 || rtnl_open(&r[i], &err) != 0) {
            bench_die(err.text);
        }
    }
    rtnl_veth(
        r[1],
        &(struct rtnl_end){
            .netns_fd = l->ns[0], .index = LOAD_WIRE, .name = "wire", .mac = {2, 0, 0, 0, 0, 1}},
        &(struct rtnl_end){
            .netns_fd = l->ns[1], .index = LOAD_WIRE, .name = "wire", .mac = {2, 0, 0, 0, 0, 2}});
    if (rtnl_commit(r[1], &err) != 0) {
        bench_die(err.text);
    }
    for (int i = 0; i < 2; i++) {
        struct ph_addr own = load_addr(i == 0 ? LOAD_RELAY_IP : LOAD_PEERS_IP, 0);
        struct ph_addr other = load_addr(i == 0 ? LOAD_PEERS_IP : LOAD_RELAY_IP, 0);

        rtnl_quiet_ipv6(r[i], LOAD_WIRE);
        rtnl_addr_add(r[i], LOAD_WIRE, &own, 24);
        rtnl_up(r[i], LOAD_WIRE, false);
        rtnl_neighbour(r[i], LOAD_WIRE, &other, load_mac[1 - i]);
        if (rtnl_commit(r[i], &err) != 0) {
            bench_die(err.text);
        }
    }
    for (int i = 0; i < 2; i++) {
        if (rtnl_wait_ready(r[i], index, 1, &err) != 0) {
            bench_die(err.text);
        }
        rtnl_close(r[i]);
    }
    if (netns_enter(l->ns[1], &err) != 0) {
        bench_die(err.text);
    }
    l->steering = load_steering();
    /* Sends only: protocol 0 hears nothing. */
    l->raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->raw < 0 || l->epoll < 0 || bind(l->raw, (struct sockaddr *)&wire, sizeof(wire)) != 0) {
        bench_die(strerror(errno));
    }
    (void)setsockopt(l->raw, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
    load_pin(l->cpu_peers);
    return true;
}

/* Sockets for so many calls, at fixed ports. Those that nobody will read hold next to nothing: what
 * arrives goes at once, and does not fill the memory. */
static inline void load_calls(struct load *l, size_t calls, bool read)
{
    for (size_t i = 0; i < l->flows; i++) {
        close(l->flow[i].fd);
    }
    l->flows = 2 * calls;
    for (size_t i = 0; i < l->flows; i++) {
        struct sockaddr_in sa = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)(10000 + i)),
                                 .sin_addr.s_addr = inet_addr(LOAD_PEERS_IP)};
        struct epoll_event ev = {.events = EPOLLIN, .data.u64 = i};

        l->flow[i].port = (uint16_t)(10000 + i);
        l->flow[i].fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (l->flow[i].fd < 0 || bind(l->flow[i].fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
            (read && epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->flow[i].fd, &ev) != 0)) {
            bench_die(strerror(errno));
        }
        if (!read) {
            (void)setsockopt(l->flow[i].fd, SOL_SOCKET, SO_RCVBUF, &(int){1}, sizeof(int));
        }
    }
}

static inline uint16_t load_ip_checksum(const uint8_t *ip)
{
    uint32_t sum = 0;

    for (int i = 0; i < 20; i += 2) {
        sum += (uint32_t)ip[i] << 8 | ip[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

static inline void load_put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* The frame of one flow: from its port to this port of the relay, with this header before the
 * payload; and where the payload begins in what arrives at the flow's own socket. */
static inline void load_frame(struct load_flow *f, uint16_t to, const uint8_t *header, size_t len,
                              size_t payload_at)
{
    size_t udp = 8 + len + LOAD_PAYLOAD;
    uint8_t *ip = f->frame + 14;

    memset(f->frame, 0, sizeof(f->frame));
    memcpy(f->frame, load_mac[0], 6);
    memcpy(f->frame + 6, load_mac[1], 6);
    load_put16(f->frame + 12, ETH_P_IP);
    ip[0] = 0x45;
    load_put16(ip + 2, (unsigned)(20 + udp));
    ip[6] = 0x40; /* do not fragment */
    ip[8] = 64;
    ip[9] = IPPROTO_UDP;
    memcpy(ip + 12, &(in_addr_t){inet_addr(LOAD_PEERS_IP)}, 4);
    memcpy(ip + 16, &(in_addr_t){inet_addr(LOAD_RELAY_IP)}, 4);
    load_put16(ip + 10, load_ip_checksum(ip));
    load_put16(ip + 20, f->port);
    load_put16(ip + 22, to);
    load_put16(ip + 24, (unsigned)udp);
    memcpy(ip + 28, header, len);
    f->frame_len = 14 + 20 + udp;
    f->payload_at = payload_at;
}

static inline void load_stamp(struct load_flow *f, ph_ns now)
{
    uint8_t *payload = f->frame + f->frame_len - LOAD_PAYLOAD;

    memcpy(payload, &(uint32_t){LOAD_MAGIC}, 4);
    memcpy(payload + 8, &now, 8);
}

/* Reads what has come for the flows of one epoll event. */
static inline void load_hear(struct load *l, size_t flow, struct load_result *r)
{
    uint8_t in[LOAD_FRAME];
    ssize_t n;

    while ((n = recv(l->flow[flow].fd, in, sizeof(in), MSG_DONTWAIT)) > 0) {
        const uint8_t *payload = in + l->flow[flow].payload_at;
        uint32_t magic;
        ph_ns sent;

        if ((size_t)n < l->flow[flow].payload_at + LOAD_PAYLOAD) {
            continue;
        }
        memcpy(&magic, payload, 4);
        memcpy(&sent, payload + 8, 8);
        if (magic != LOAD_MAGIC) {
            continue;
        }
        r->heard++;
        if (load_delay_count < LOAD_DELAYS) {
            load_delays[load_delay_count++] = load_now() - sent;
        }
    }
}

/* What the peers' end of the wire has got. One that the sender has joined counts once there, with
 * the bytes of all and the headers of one. */
struct load_wire {
    uint64_t bytes, packets;
};

static inline struct load_wire load_wire(void)
{
    FILE *f = fopen("/proc/thread-self/net/dev", "re");
    char line[512];
    unsigned long long bytes = 0, packets = 0;

    while (f && fgets(line, sizeof(line), f)) {
        const char *at = strstr(line, "wire:");

        if (at && sscanf(at + 5, "%llu %llu", &bytes, &packets) == 2) {
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return (struct load_wire){bytes, packets};
}

/* How many datagrams that is, of so many bytes each on average. */
static inline uint64_t load_datagrams(struct load_wire before, struct load_wire after, double each)
{
    double headers = 42.0 * (double)(after.packets - before.packets);

    return (uint64_t)(((double)(after.bytes - before.bytes) - headers) / each + 0.5);
}

/* Of all threads of the process, in seconds. */
static inline double load_cpu_of(pid_t pid)
{
    char path[64];
    struct dirent *e;
    double sum = 0;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    d = opendir(path);
    while (d && (e = readdir(d)) != NULL) {
        char file[400];
        unsigned long long ns;
        FILE *f;

        snprintf(file, sizeof(file), "%s/%s/schedstat", path, e->d_name);
        f = e->d_name[0] != '.' ? fopen(file, "re") : NULL;
        if (f && fscanf(f, "%llu", &ns) == 1) {
            sum += (double)ns / 1e9;
        }
        if (f) {
            fclose(f);
        }
    }
    if (d) {
        closedir(d);
    }
    return sum;
}

/* Frames of all flows in turn, as fast as they go; nobody reads what arrives. */
static inline void load_blast(struct load *l, ph_ns until, struct load_result *r)
{
    enum {
        BATCH = 64
    };
    struct mmsghdr out[BATCH];
    struct iovec iov[BATCH];
    size_t next = 0;

    memset(out, 0, sizeof(out));
    while (load_now() < until) {
        int n;

        for (size_t i = 0; i < BATCH; i++) {
            struct load_flow *f = &l->flow[(next + i) % l->flows];

            iov[i] = (struct iovec){f->frame, f->frame_len};
            out[i].msg_hdr.msg_iov = &iov[i];
            out[i].msg_hdr.msg_iovlen = 1;
        }
        n = sendmmsg(l->raw, out, BATCH, 0);
        r->sent += n > 0 ? (uint64_t)n : 0;
        next += n > 0 ? (size_t)n : 0;
    }
}

/* So many packets a second of all flows in turn, evenly spaced; and `flood` a second more of a
 * frame that the relay does not know (0: none). */
static inline void load_pace(struct load *l, ph_ns until, unsigned per_second, unsigned flood,
                             struct load_flow *stranger, struct load_result *r)
{
    struct epoll_event events[64];
    ph_ns start = load_now(), now = start;
    uint64_t sent = 0, strange = 0;
    size_t next = 0;

    while (now < until) {
        uint64_t due = (now - start) * per_second / PH_SEC;
        uint64_t strange_due = (now - start) * flood / PH_SEC;
        ph_ns wait = start + (sent + 1) * PH_SEC / per_second;
        int n;

        for (; sent < due; sent++) {
            struct load_flow *f = &l->flow[next++ % l->flows];

            load_stamp(f, load_now());
            (void)send(l->raw, f->frame, f->frame_len, 0);
        }
        for (; strange < strange_due; strange++) {
            (void)send(l->raw, stranger->frame, stranger->frame_len, 0);
        }
        now = load_now();
        wait = wait > now ? wait - now : 0;
        n = epoll_pwait2(l->epoll, events, 64, &(struct timespec){.tv_nsec = (long)(wait % PH_SEC)},
                         NULL);
        for (int i = 0; i < n; i++) {
            load_hear(l, events[i].data.u64, r);
        }
        now = load_now();
    }
    r->sent += sent;
}

static inline int load_by_size(const void *a, const void *b)
{
    ph_ns x = *(const ph_ns *)a, y = *(const ph_ns *)b;

    return x < y ? -1 : x > y;
}

static inline void load_percentiles(struct load_result *r)
{
    if (load_delay_count == 0) {
        return;
    }
    qsort(load_delays, load_delay_count, sizeof(load_delays[0]), load_by_size);
    r->p50 = load_delays[load_delay_count / 2];
    r->p99 = load_delays[load_delay_count * 99 / 100];
}

/* The relay under test gets a processor and a namespace of its own. */
static inline pid_t load_start(const struct load *l, const char *const argv[], int *out_fd)
{
    int fds[2];
    pid_t pid = -1;

    if (pipe2(fds, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
        bench_die(strerror(errno));
    }
    if (pid == 0) {
        struct lab_error err = {0};

        if (netns_enter(l->ns[0], &err) != 0) {
            _exit(126);
        }
        load_pin(l->cpu_relay);
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    *out_fd = fds[0];
    return pid;
}

static inline void load_stop(pid_t pid, int out_fd)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(out_fd);
}

#endif
