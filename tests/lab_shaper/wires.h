/* Two namespaces joined by links through a shaper, with frames of a protocol that no kernel sends.
 * In a header, so that the test and the benchmark share it. */
#ifndef TESTS_LAB_SHAPER_WIRES_H
#define TESTS_LAB_SHAPER_WIRES_H

#include "base/time.h"
#include "lab/net/netns.h"
#include "lab/net/rtnl.h"
#include "lab/net/shaper.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WIRES_MAX      200
#define WIRES_PROTOCOL 0x88b5 /* IEEE 802: local experiments */
#define WIRES_END(i)   (10 + (i))
#define WIRES_IF_A(i)  (1000 + 2 * (i))
#define WIRES_IF_B(i)  (1001 + 2 * (i))

struct wires {
    struct shaper *shaper;
    int home, ns[2]; /* the two sides' namespaces */
    int sock[2];     /* a raw socket in each */
    size_t count;
};

struct wires_note {
    ph_ns sent;
    uint32_t number, stream;
};

static inline ph_ns wires_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (ph_ns)ts.tv_sec * PH_SEC + (ph_ns)ts.tv_nsec;
}

/* Makes the process able to build; false with the reason printed. */
static inline bool wires_possible(void)
{
    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        printf("this machine makes no namespaces here\n");
        return false;
    }
    return true;
}

static inline int wires_raw_socket(void)
{
    struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(WIRES_PROTOCOL)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    static const int one = 1, bytes = 8 << 20;

    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
    /* A device whose peer came up after it gets its queue some time later; until then frames would
     * be lost there. */
    (void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
    if (bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline int wires_side(struct wires *w, struct rtnl *r, int side, struct lab_error *err)
{
    for (size_t i = 0; i < w->count; i++) {
        char name[16], inner[16];
        struct rtnl_end ends[2] = {{.netns_fd = w->ns[side],
                                    .index = WIRES_END((int)i),
                                    .mac = {2, 0, 0, (uint8_t)i, 0, (uint8_t)side}},
                                   {.netns_fd = shaper_netns(w->shaper),
                                    .index = side == 0 ? WIRES_IF_A((int)i) : WIRES_IF_B((int)i),
                                    .mac = {2, 0, 0, (uint8_t)i, 1, (uint8_t)side}}};

        (void)snprintf(name, sizeof(name), "end%d", (int)i);
        (void)snprintf(inner, sizeof(inner), "%c%d", side == 0 ? 'a' : 'b', (int)i);
        ends[0].name = name;
        ends[1].name = inner;
        rtnl_veth(r, &ends[0], &ends[1]);
        if (rtnl_commit(r, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static inline int wires_up(const struct wires *w, int ns, int first, int step,
                           struct lab_error *err)
{
    struct rtnl *r;
    int status;

    if (netns_enter(ns, err) != 0 || rtnl_open(&r, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < w->count; i++) {
        rtnl_up(r, first + step * (int)i, false);
        if (i % 50 == 49 && rtnl_commit(r, err) != 0) {
            rtnl_close(r);
            return -1;
        }
    }
    status = rtnl_commit(r, err);
    rtnl_close(r);
    return status;
}

/* Links 0 to count - 1, all of world 1; nothing delays them yet. */
static inline int wires_open(struct wires *w, size_t count, struct lab_error *err)
{
    struct rtnl *r = NULL;
    int status = -1;

    *w = (struct wires){.home = netns_here(err), .ns = {-1, -1}, .sock = {-1, -1}, .count = count};
    if (w->home < 0 || shaper_start(&w->shaper, err) != 0) {
        return -1;
    }
    for (int side = 0; side < 2; side++) {
        w->ns[side] = netns_new(err);
        w->sock[side] = wires_raw_socket();
        if (w->ns[side] < 0 || w->sock[side] < 0) {
            goto cleanup;
        }
    }
    if (netns_enter(w->home, err) != 0 || rtnl_open(&r, err) != 0 ||
        wires_side(w, r, 0, err) != 0 || wires_side(w, r, 1, err) != 0 ||
        wires_up(w, w->ns[0], WIRES_END(0), 1, err) != 0 ||
        wires_up(w, w->ns[1], WIRES_END(0), 1, err) != 0 ||
        wires_up(w, shaper_netns(w->shaper), WIRES_IF_A(0), 2, err) != 0 ||
        wires_up(w, shaper_netns(w->shaper), WIRES_IF_B(0), 2, err) != 0) {
        goto cleanup;
    }
    for (size_t i = 0; i < count; i++) {
        if (shaper_link_add(w->shaper, 1, WIRES_IF_A((int)i), WIRES_IF_B((int)i), err) != 0) {
            goto cleanup;
        }
    }
    status = 0;
cleanup:
    if (r != NULL) {
        rtnl_close(r);
    }
    (void)netns_enter(w->home, err);
    return status;
}

static inline void wires_close(struct wires *w)
{
    shaper_stop(w->shaper);
    for (int side = 0; side < 2; side++) {
        if (w->sock[side] >= 0) {
            close(w->sock[side]);
        }
        if (w->ns[side] >= 0) {
            close(w->ns[side]);
        }
    }
    if (w->home >= 0) {
        close(w->home);
    }
}

static inline int wires_set(const struct wires *w, struct link_params params, uint64_t seed,
                            struct lab_error *err)
{
    struct shaper_link links[WIRES_MAX];

    for (size_t i = 0; i < w->count; i++) {
        links[i] = (struct shaper_link){.if_a = WIRES_IF_A((int)i), .params = params};
    }
    return shaper_world_set(w->shaper, 1, links, w->count, seed, err);
}

/* A frame into `side` of a link; group: to everybody, which no link loses. */
static inline bool wires_send(const struct wires *w, int side, size_t link, uint32_t stream,
                              uint32_t number, size_t len, bool group)
{
    uint8_t frame[1514] = {0x02, 0, 0, 0, 0, 9, 0x02, 0, 0, 0, 0, 8};
    struct wires_note note = {.sent = wires_now(), .number = number, .stream = stream};
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = WIRES_END((int)link)};

    if (group) {
        memset(frame, 0xff, 6);
    }
    frame[12] = WIRES_PROTOCOL >> 8;
    frame[13] = WIRES_PROTOCOL & 0xff;
    memcpy(frame + 14, &note, sizeof(note));
    return sendto(w->sock[side], frame, len, 0, (struct sockaddr *)&to, sizeof(to)) == (ssize_t)len;
}

/* The next frame that comes out at `side`; false after ten seconds of nothing. */
static inline bool wires_take(const struct wires *w, int side, struct wires_note *note,
                              ph_ns *arrived, size_t *link)
{
    struct pollfd p = {.fd = w->sock[side], .events = POLLIN};
    struct sockaddr_ll from;
    socklen_t from_len = sizeof(from);
    uint8_t frame[1514];
    ssize_t n;

    if (poll(&p, 1, 10000) != 1) {
        return false;
    }
    n = recvfrom(w->sock[side], frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_len);
    *arrived = wires_now();
    if (n < (ssize_t)(14 + sizeof(*note))) {
        return false;
    }
    memcpy(note, frame + 14, sizeof(*note));
    if (link != NULL) {
        *link = (size_t)(from.sll_ifindex - WIRES_END(0));
    }
    return true;
}

#endif
