#include "lab/net/rtnl_private.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netlink/attr.h>
#include <netlink/socket.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define REQUEST_BYTES 1024
#define READY_MS      5000
/* At the latest, something that was announced is looked at again. */
#define LOOK_MS 20

int rtnl_open(struct rtnl **out, struct lab_error *err)
{
    struct rtnl *r = malloc(sizeof(*r));
    int status;

    *out = NULL;
    if (r == NULL || (r->sock = nl_socket_alloc()) == NULL) {
        free(r);
        return lab_fail(err, LAB_BROKEN, "out of memory");
    }
    r->seq = r->first = 1;
    r->len = r->last = 0;
    r->bad = false;
    status = nl_connect(r->sock, NETLINK_ROUTE);
    if (status < 0) {
        nl_socket_free(r->sock);
        free(r);
        return lab_fail(err, LAB_CANNOT, "cannot open a netlink socket: %s", nl_geterror(status));
    }
    *out = r;
    return 0;
}

void rtnl_close(struct rtnl *r)
{
    if (r == NULL) {
        return;
    }
    nl_socket_free(r->sock);
    free(r);
}

struct nl_msg *rtnl_request(struct rtnl *r, int type, int flags)
{
    struct nl_msg *msg = nlmsg_alloc_size(REQUEST_BYTES);

    if (msg == NULL || nlmsg_put(msg, 0, r->seq, type, 0, NLM_F_REQUEST | flags) == NULL) {
        nlmsg_free(msg);
        r->bad = true;
        return NULL;
    }
    return msg;
}

/* Takes the request over. `failed`: an attribute did not fit. */
void rtnl_append(struct rtnl *r, struct nl_msg *msg, bool failed, const char *fmt, ...)
{
    struct nlmsghdr *h = nlmsg_hdr(msg);
    size_t len = NLMSG_ALIGN(h->nlmsg_len);
    va_list ap;

    if (failed || r->len + len > sizeof(r->bytes) || r->seq - r->first >= BATCH_REQUESTS) {
        r->bad = true;
        nlmsg_free(msg);
        return;
    }
    va_start(ap, fmt);
    vsnprintf(r->what[r->seq - r->first], WHAT_LEN, fmt, ap);
    va_end(ap);
    memset(r->bytes + r->len, 0, len);
    memcpy(r->bytes + r->len, h, h->nlmsg_len);
    r->last = r->len;
    r->len += len;
    r->seq++;
    nlmsg_free(msg);
}

static int fail_request(const struct rtnl *r, uint32_t seq, int error, struct lab_error *err)
{
    bool missing = error == EOPNOTSUPP || error == ENOTSUP;

    return lab_fail(err, missing ? LAB_CANNOT : LAB_BROKEN, "netlink: %s: %s%s",
                    seq - r->first < BATCH_REQUESTS ? r->what[seq - r->first] : "?",
                    strerror(error),
                    missing ? " (the kernel lacks it: modprobe veth bridge, or a kernel that has "
                              "them)"
                            : "");
}

/* Errors come by themselves and in order; the last request alone asks for an answer in any case. */
static int await(const struct rtnl *r, struct lab_error *err)
{
    _Alignas(NLMSG_ALIGNTO) uint8_t in[8192];

    for (;;) {
        ssize_t n = recv(nl_socket_get_fd(r->sock), in, sizeof(in), 0);
        struct nlmsghdr *h = (struct nlmsghdr *)(void *)in;
        int left = (int)n;

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return lab_fail_errno(err, LAB_BROKEN, "netlink: no answer");
        }
        for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
            const struct nlmsgerr *e = nlmsg_data(h);

            if (h->nlmsg_type != NLMSG_ERROR || nlmsg_datalen(h) < (int)sizeof(*e)) {
                continue;
            }
            if (e->error != 0) {
                return fail_request(r, h->nlmsg_seq, -e->error, err);
            }
            if (h->nlmsg_seq == r->seq - 1) {
                return 0;
            }
        }
    }
}

/* A failed batch may leave answers behind; they carry older numbers than the next batch's. */
static void drain(const struct rtnl *r)
{
    uint8_t in[8192];

    while (recv(nl_socket_get_fd(r->sock), in, sizeof(in), MSG_DONTWAIT) > 0) {
    }
}

int rtnl_commit(struct rtnl *r, struct lab_error *err)
{
    int status = -1;

    if (r->bad) {
        lab_fail(err, LAB_BROKEN, "netlink: a batch of requests is too large");
    } else if (r->len == 0) {
        status = 0;
    } else {
        struct nlmsghdr *last = (struct nlmsghdr *)(void *)(r->bytes + r->last);
        int sent;

        last->nlmsg_flags |= NLM_F_ACK;
        sent = nl_sendto(r->sock, r->bytes, r->len);
        if (sent < 0) {
            lab_fail(err, LAB_BROKEN, "netlink: cannot send: %s", nl_geterror(sent));
        } else {
            status = await(r, err);
        }
        if (status != 0) {
            drain(r);
        }
    }
    r->first = r->seq;
    r->len = r->last = 0;
    r->bad = false;
    return status;
}

/* Asks, and waits for the one answer; what it says is for `read` to tell, which returns -1 with err
 * or what the caller wants to know. Notifications that come in between are thrown away: whoever
 * waits asks again. The message is taken; NULL, or not whole: out of memory. */
static int ask(struct rtnl *r, struct nl_msg *msg, bool whole,
               int (*read)(struct nlmsghdr *h, struct lab_error *err), struct lab_error *err)
{
    _Alignas(NLMSG_ALIGNTO) uint8_t in[16384];
    uint32_t seq = r->seq;
    int sent;

    if (msg == NULL || !whole) {
        nlmsg_free(msg);
        r->bad = false;
        return lab_fail(err, LAB_BROKEN, "out of memory");
    }
    r->first = ++r->seq;
    sent = nl_sendto(r->sock, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len);
    nlmsg_free(msg);
    if (sent < 0) {
        return lab_fail(err, LAB_BROKEN, "netlink: cannot send: %s", nl_geterror(sent));
    }
    for (;;) {
        ssize_t n = recv(nl_socket_get_fd(r->sock), in, sizeof(in), 0);
        struct nlmsghdr *h = (struct nlmsghdr *)(void *)in;
        int left = (int)n;

        if (n < 0 && (errno == EINTR || errno == ENOBUFS)) {
            continue;
        }
        if (n < 0) {
            return lab_fail_errno(err, LAB_BROKEN, "netlink: no answer");
        }
        for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
            if (h->nlmsg_seq == seq && h->nlmsg_pid == nl_socket_get_local_port(r->sock)) {
                return read(h, err);
            }
        }
    }
}

static int read_state(struct nlmsghdr *h, struct lab_error *err)
{
    struct nlattr *state;

    if (h->nlmsg_type != RTM_NEWLINK) {
        return lab_fail(err, LAB_BROKEN, "netlink: a device is gone");
    }
    state = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_OPERSTATE);
    return state != NULL && nla_len(state) >= 1 ? nla_get_u8(state) : IF_OPER_UNKNOWN;
}

/* A device's operational state. */
static int ask_state(struct rtnl *r, int index, struct lab_error *err)
{
    struct nl_msg *msg = rtnl_request(r, RTM_GETLINK, 0);
    struct ifinfomsg info = {.ifi_index = index};
    bool whole = msg != NULL && nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) == 0 &&
                 nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) == 0;

    return ask(r, msg, whole, read_state, err);
}

/* Since Linux 6.6 the question itself does the worker's work, and the first answer is "up". Before,
 * the change is announced. */
int rtnl_wait_ready(struct rtnl *r, const int *indexes, size_t n, struct lab_error *err)
{
    bool listens = false;

    for (size_t i = 0; i < n; i++) {
        for (;;) {
            struct pollfd p = {.fd = nl_socket_get_fd(r->sock), .events = POLLIN};
            int state = ask_state(r, indexes[i], err);

            if (state < 0) {
                return -1;
            }
            if (state == IF_OPER_UP) {
                break;
            }
            if (!listens) {
                listens = nl_socket_add_membership(r->sock, RTNLGRP_LINK) == 0;
                if (!listens) {
                    return lab_fail(err, LAB_BROKEN, "netlink: cannot listen for devices");
                }
                continue;
            }
            if (poll(&p, 1, READY_MS) == 0) {
                return lab_fail(err, LAB_BROKEN, "netlink: device %d does not come up", indexes[i]);
            }
            drain(r);
        }
    }
    return 0;
}

static int read_route(struct nlmsghdr *h, struct lab_error *err)
{
    (void)err;
    return h->nlmsg_type == RTM_NEWROUTE ? ((struct rtmsg *)nlmsg_data(h))->rtm_type : RTN_UNSPEC;
}

/* The kind of route that leads to an address (RTN_x), RTN_UNSPEC for none. */
static int ask_route(struct rtnl *r, const struct ph_addr *addr, struct lab_error *err)
{
    struct nl_msg *msg = rtnl_request(r, RTM_GETROUTE, 0);
    struct rtmsg header = {.rtm_family = AF_INET6, .rtm_dst_len = 128};
    bool whole = msg != NULL && nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
                 nla_put(msg, RTA_DST, 16, addr->ip) == 0;

    return ask(r, msg, whole, read_route, err);
}

/* The route is announced when it is there. */
int rtnl_wait_address(struct rtnl *r, const struct ph_addr *addr, struct lab_error *err)
{
    char text[PH_ADDR_STRLEN];
    bool listens = false;

    for (unsigned looks = 0; looks < READY_MS / LOOK_MS; looks++) {
        struct pollfd p = {.fd = nl_socket_get_fd(r->sock), .events = POLLIN};
        int type = ask_route(r, addr, err);

        if (type < 0 || type == RTN_LOCAL) {
            return type < 0 ? -1 : 0;
        }
        if (!listens) {
            listens = nl_socket_add_membership(r->sock, RTNLGRP_IPV6_ROUTE) == 0;
            if (!listens) {
                return lab_fail(err, LAB_BROKEN, "netlink: cannot listen for routes");
            }
            continue;
        }
        (void)poll(&p, 1, LOOK_MS);
        drain(r);
    }
    return lab_fail(err, LAB_BROKEN, "netlink: the address %s does not come up",
                    ph_addr_format_ip(addr, text));
}

int rtnl_offloads_off(struct rtnl *r, const char *name, struct lab_error *err)
{
    /* Without the checksum the kernel switches scatter-gather and segmentation off by itself. */
    struct ethtool_value value = {.cmd = ETHTOOL_STXCSUM, .data = 0};
    struct ifreq ifr = {0};

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    ifr.ifr_data = (void *)&value;
    /* Any socket of the namespace will do for an ioctl on a device, netlink's too. */
    if (ioctl(nl_socket_get_fd(r->sock), SIOCETHTOOL, &ifr) != 0) {
        return lab_fail_errno(err, LAB_BROKEN, "cannot switch the offloads of %s off", name);
    }
    return 0;
}
