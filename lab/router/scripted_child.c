/* The scripted router's process: sockets on the LAN side, one loop. */
#include "lab/router/scripted_child.h"

#include "base/rng.h"
#include "lab/net/rtnl.h"
#include "lab/router/router_process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_FD   3
#define NETNS_FD     4
#define PENDING_MAX  64
#define DATAGRAM_MAX 1500

struct pending {
    ph_ns at;
    struct ph_addr from, to;
    size_t len;
    uint8_t data[DATAGRAM_MAX];
};

struct child {
    int mapping; /* NAT-PMP and PCP */
    int ssdp;
    struct scripted_web *web;
    struct scripted *scripted;
    struct router_site site;
    struct lab_error trouble; /* rules that the kernel did not take; told at the next request */
    struct pending pending[PENDING_MAX];
    size_t pending_count;
};

static ph_ns clock_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (ph_ns)t.tv_sec * PH_SEC + (ph_ns)t.tv_nsec;
}

static struct sockaddr_in to_sockaddr(const struct ph_addr *a)
{
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    memcpy(&s.sin_addr, a->ip, sizeof(s.sin_addr));
    return s;
}

static int open_udp(const struct ph_addr *local, struct lab_error *err)
{
    struct sockaddr_in a = to_sockaddr(local);
    int on = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        (void)lab_fail_errno(err, LAB_BROKEN, "no UDP socket on port %u", local->port);
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    return fd;
}

/* Hears the group and the router's own addresses, on the LAN alone, and which of them was meant. */
static int open_ssdp(const char *lan_if, struct lab_error *err)
{
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, SCRIPTED_SSDP_PORT);
    struct ip_mreqn group = {.imr_ifindex = (int)if_nametoindex(lan_if)};
    int on = 1;
    int fd = open_udp(&any, err);
    group.imr_multiaddr.s_addr = htonl(0xeffffffau); /* 239.255.255.250 */
    if (fd >= 0 &&
        (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, lan_if, (socklen_t)strlen(lan_if) + 1) != 0 ||
         setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) != 0 ||
         setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) != 0)) {
        (void)lab_fail_errno(err, LAB_BROKEN, "no SSDP socket");
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* From the socket that is bound there, or from one that is made for this datagram. */
static void transmit(struct child *c, const struct ph_addr *from, const struct ph_addr *to,
                     const void *data, size_t len)
{
    struct sockaddr_in a = to_sockaddr(to);
    bool own = ph_addr_ip_eq(from, &c->site.lan);
    int fd = own && from->port == SCRIPTED_PORT        ? c->mapping
             : own && from->port == SCRIPTED_SSDP_PORT ? c->ssdp
                                                       : open_udp(from, NULL);
    if (fd < 0)
        return;
    (void)sendto(fd, data, len, MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof(a));
    if (fd != c->mapping && fd != c->ssdp)
        (void)close(fd);
}

static void on_send(void *user, const struct scripted_datagram *d)
{
    struct child *c = user;
    struct pending *p;
    if (d->at <= clock_now()) {
        transmit(c, &d->from, &d->to, d->data, d->len);
        return;
    }
    if (c->pending_count == PENDING_MAX || d->len > DATAGRAM_MAX)
        return;
    p = &c->pending[c->pending_count++];
    *p = (struct pending){.at = d->at, .from = d->from, .to = d->to, .len = d->len};
    memcpy(p->data, d->data, d->len);
}

static void send_pending(struct child *c, ph_ns now)
{
    for (size_t i = 0; i < c->pending_count;) {
        struct pending *p = &c->pending[i];
        if (now < p->at) {
            i++;
            continue;
        }
        transmit(c, &p->from, &p->to, p->data, p->len);
        memmove(p, p + 1, (--c->pending_count - i) * sizeof(*p));
    }
}

static void on_map(void *user, const struct scripted_mapping *m, bool on)
{
    struct child *c = user;
    if (c->trouble.code == LAB_GOOD)
        (void)scripted_rules_map(&c->site, m, on, &c->trouble);
}

static const struct scripted_ops ops = {.send = on_send, .map = on_map};

static void answer(const struct lab_error *err, uint64_t count)
{
    struct scripted_reply reply = {.count = count};
    if (err->code != LAB_GOOD) {
        reply.status = -1;
        reply.code = (int32_t)err->code;
        (void)snprintf(reply.text, sizeof(reply.text), "%.*s", (int)sizeof(reply.text) - 1,
                       err->text);
    }
    (void)send(CONTROL_FD, &reply, sizeof(reply), MSG_NOSIGNAL);
}

static int add_elsewhere(const struct child *c, struct lab_error *err)
{
    struct ph_addr a = scripted_elsewhere(c->scripted);
    struct rtnl *r = NULL;
    int rc;
    if (a.family == PH_AF_NONE)
        return 0;
    if (rtnl_open(&r, err) != 0)
        return -1;
    rtnl_addr_add(r, (int)if_nametoindex(c->site.lan_if), &a, 32);
    rc = rtnl_commit(r, err);
    rtnl_close(r);
    return rc;
}

static int start(struct child *c, const struct nat_profile *profile, struct lab_error *err)
{
    struct scripted_config config = {.profile = profile,
                                     .lan = c->site.lan,
                                     .wan = c->site.wan,
                                     .seed = ph_hash64(0, c->site.name, strlen(c->site.name))};
    struct ph_addr at = c->site.lan;
    at.port = SCRIPTED_PORT;
    c->mapping = open_udp(&at, err);
    if (c->mapping < 0)
        return -1;
    c->ssdp = open_ssdp(c->site.lan_if, err);
    if (c->ssdp < 0 || scripted_web_open(&c->web, c->site.lan_if, config.http_ports, err) != 0)
        return -1;
    if (scripted_new(&config, &ops, c, clock_now(), &c->scripted) != 0)
        return lab_fail(err, LAB_BROKEN, "it cannot be made");
    if (add_elsewhere(c, err) != 0)
        return -1;
    return scripted_rules_load(&c->site, scripted_translates_back(c->scripted), err);
}

static void take_datagrams(struct child *c, int fd)
{
    for (;;) {
        uint8_t data[DATAGRAM_MAX];
        struct sockaddr_in a;
        struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
        } space;
        struct msghdr msg = {.msg_name = &a,
                             .msg_namelen = sizeof(a),
                             .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = space.bytes,
                             .msg_controllen = sizeof(space.bytes)};
        ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
        struct ph_addr from, to = c->site.lan;
        if (n < 0)
            return;
        from = ph_addr_v4_u32(ntohl(a.sin_addr.s_addr), ntohs(a.sin_port));
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&msg); h != NULL; h = CMSG_NXTHDR(&msg, h)) {
            struct in_pktinfo info;
            if (h->cmsg_level != IPPROTO_IP || h->cmsg_type != IP_PKTINFO)
                continue;
            memcpy(&info, CMSG_DATA(h), sizeof(info));
            to = ph_addr_v4_u32(ntohl(info.ipi_addr.s_addr), 0);
        }
        to.port = fd == c->mapping ? SCRIPTED_PORT : SCRIPTED_SSDP_PORT;
        scripted_take(c->scripted, clock_now(), &from, &to, data, (size_t)n);
    }
}

static void serve_request(struct child *c)
{
    uint32_t request;
    ssize_t n = recv(CONTROL_FD, &request, sizeof(request), 0);
    if (n == 0 || (n < 0 && errno != EINTR))
        _exit(0); /* nobody holds us any more */
    if (n != (ssize_t)sizeof(request))
        return;
    if (request == SCRIPTED_FLUSH)
        scripted_flush(c->scripted, clock_now());
    answer(&c->trouble, scripted_count(c->scripted));
}

static int wait_ms(const struct child *c, ph_ns now)
{
    ph_ns next = scripted_next(c->scripted);
    ph_ns web = scripted_web_next(c->web);
    next = web < next ? web : next;
    for (size_t i = 0; i < c->pending_count; i++)
        next = c->pending[i].at < next ? c->pending[i].at : next;
    if (next == PH_NEVER)
        return -1;
    return next <= now ? 0 : (int)((next - now + PH_MS - 1) / PH_MS);
}

static void loop(struct child *c)
{
    for (;;) {
        struct pollfd fds[3 + WEB_CONNECTIONS + 2] = {{.fd = CONTROL_FD, .events = POLLIN},
                                                      {.fd = c->mapping, .events = POLLIN},
                                                      {.fd = c->ssdp, .events = POLLIN}};
        size_t web = scripted_web_poll(c->web, c->scripted, fds + 3);
        ph_ns now;
        if (poll(fds, 3 + web, wait_ms(c, clock_now())) < 0 && errno != EINTR)
            _exit(1);
        now = clock_now();
        scripted_tick(c->scripted, now);
        if (fds[1].revents != 0)
            take_datagrams(c, c->mapping);
        if (fds[2].revents != 0)
            take_datagrams(c, c->ssdp);
        scripted_web_run(c->web, c->scripted, now, fds + 3, web);
        send_pending(c, now);
        if (fds[0].revents != 0)
            serve_request(c);
    }
}

void scripted_child(int control, pid_t parent, const struct nat_profile *profile,
                    const struct router_site *site)
{
    static struct child child;
    struct lab_error err = {.code = LAB_GOOD};
    if (!router_process_detach(site->netns_fd, parent, control, site->netns_fd))
        _exit(0);
    (void)prctl(PR_SET_NAME, "natlab-router");
    child.site = *site;
    child.site.netns_fd = NETNS_FD;
    if (start(&child, profile, &err) != 0) {
        answer(&err, 0);
        _exit(0);
    }
    answer(&err, 0);
    loop(&child);
    _exit(0);
}
