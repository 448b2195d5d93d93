#include "lab/net/rtnl.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define BATCH_BYTES    65536
#define BATCH_REQUESTS 512
#define REQUEST_BYTES  1024
#define WHAT_LEN       64
#define READY_MS       5000

struct rtnl {
    struct nl_sock *sock;
    uint32_t seq;   /* of the next request */
    uint32_t first; /* of the batch */
    size_t len;
    size_t last; /* where the last request of the batch starts */
    bool bad;    /* a request did not fit, or there was no memory */
    char what[BATCH_REQUESTS][WHAT_LEN];
    _Alignas(NLMSG_ALIGNTO) uint8_t bytes[BATCH_BYTES];
};

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

static struct nl_msg *request(struct rtnl *r, int type, int flags)
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
__attribute__((format(printf, 4, 5))) static void append(struct rtnl *r, struct nl_msg *msg,
                                                         bool failed, const char *fmt, ...)
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

static bool put_link_header(struct nl_msg *msg, int index, unsigned flags)
{
    struct ifinfomsg info = {
        .ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = flags, .ifi_change = flags};

    return nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) == 0;
}

static bool put_end(struct nl_msg *msg, const struct rtnl_end *end)
{
    return nla_put_string(msg, IFLA_IFNAME, end->name) == 0 &&
           nla_put(msg, IFLA_ADDRESS, sizeof(end->mac), end->mac) == 0 &&
           nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)end->netns_fd) == 0;
}

void rtnl_veth(struct rtnl *r, const struct rtnl_end *a, const struct rtnl_end *b)
{
    struct nl_msg *msg = request(r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct nlattr *info, *data, *peer;

    if (msg == NULL) {
        return;
    }
    if (!put_link_header(msg, a->index, 0) || !put_end(msg, a) ||
        (info = nla_nest_start(msg, IFLA_LINKINFO)) == NULL ||
        nla_put_string(msg, IFLA_INFO_KIND, "veth") != 0 ||
        (data = nla_nest_start(msg, IFLA_INFO_DATA)) == NULL ||
        (peer = nla_nest_start(msg, VETH_INFO_PEER)) == NULL ||
        !put_link_header(msg, b->index, 0) || !put_end(msg, b)) {
        append(r, msg, true, "veth");
        return;
    }
    nla_nest_end(msg, peer);
    nla_nest_end(msg, data);
    nla_nest_end(msg, info);
    append(r, msg, false, "veth pair %s, %s", a->name, b->name);
}

void rtnl_bridge(struct rtnl *r, int index, const char *name, const uint8_t mac[6])
{
    struct nl_msg *msg = request(r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct nlattr *info, *data;

    if (msg == NULL) {
        return;
    }
    if (!put_link_header(msg, index, 0) || nla_put_string(msg, IFLA_IFNAME, name) != 0 ||
        nla_put(msg, IFLA_ADDRESS, 6, mac) != 0 ||
        (info = nla_nest_start(msg, IFLA_LINKINFO)) == NULL ||
        nla_put_string(msg, IFLA_INFO_KIND, "bridge") != 0 ||
        (data = nla_nest_start(msg, IFLA_INFO_DATA)) == NULL ||
        nla_put_u32(msg, IFLA_BR_STP_STATE, 0) != 0 ||
        nla_put_u8(msg, IFLA_BR_MCAST_SNOOPING, 0) != 0) {
        append(r, msg, true, "bridge");
        return;
    }
    nla_nest_end(msg, data);
    nla_nest_end(msg, info);
    append(r, msg, false, "bridge %s", name);
}

void rtnl_enslave(struct rtnl *r, int index, int bridge)
{
    struct nl_msg *msg = request(r, RTM_NEWLINK, 0);
    bool ok;

    if (msg == NULL) {
        return;
    }
    ok = put_link_header(msg, index, 0) && nla_put_u32(msg, IFLA_MASTER, (uint32_t)bridge) == 0;
    append(r, msg, !ok, "device %d into bridge %d", index, bridge);
}

void rtnl_up(struct rtnl *r, int index, bool forward)
{
    struct nl_msg *msg = request(r, RTM_NEWLINK, 0);
    struct nlattr *spec, *inet, *conf;

    if (msg == NULL) {
        return;
    }
    if (!put_link_header(msg, index, IFF_UP) ||
        (spec = nla_nest_start(msg, IFLA_AF_SPEC)) == NULL ||
        (inet = nla_nest_start(msg, AF_INET)) == NULL ||
        (conf = nla_nest_start(msg, IFLA_INET_CONF)) == NULL ||
        nla_put_u32(msg, IPV4_DEVCONF_FORWARDING, forward) != 0 ||
        nla_put_u32(msg, IPV4_DEVCONF_RP_FILTER, 0) != 0) {
        append(r, msg, true, "up");
        return;
    }
    nla_nest_end(msg, conf);
    nla_nest_end(msg, inet);
    nla_nest_end(msg, spec);
    append(r, msg, false, "device %d up", index);
}

void rtnl_quiet_ipv6(struct rtnl *r, int index)
{
    struct nl_msg *msg = request(r, RTM_NEWLINK, 0);
    struct nlattr *spec, *inet6;

    if (msg == NULL) {
        return;
    }
    if (!put_link_header(msg, index, 0) || (spec = nla_nest_start(msg, IFLA_AF_SPEC)) == NULL ||
        (inet6 = nla_nest_start(msg, AF_INET6)) == NULL ||
        nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE) != 0) {
        append(r, msg, true, "quiet");
        return;
    }
    nla_nest_end(msg, inet6);
    nla_nest_end(msg, spec);
    append(r, msg, false, "device %d without IPv6", index);
}

void rtnl_down(struct rtnl *r, int index)
{
    struct nl_msg *msg = request(r, RTM_NEWLINK, 0);
    struct ifinfomsg info = {.ifi_index = index, .ifi_change = IFF_UP};

    if (msg != NULL) {
        append(r, msg, nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) != 0, "device %d down",
               index);
    }
}

static unsigned char family_of(const struct ph_addr *a)
{
    return a->family == PH_AF_V6 ? AF_INET6 : AF_INET;
}

static int ip_len(const struct ph_addr *a)
{
    return a->family == PH_AF_V6 ? 16 : 4;
}

static void addr_change(struct rtnl *r, int type, int flags, int index, const struct ph_addr *addr,
                        unsigned prefix)
{
    struct nl_msg *msg = request(r, type, flags);
    struct ifaddrmsg header = {.ifa_family = family_of(addr),
                               .ifa_prefixlen = (uint8_t)prefix,
                               .ifa_index = (uint32_t)index};
    char text[PH_ADDR_STRLEN];
    bool ok;

    if (msg == NULL) {
        return;
    }
    /* Duplicate address detection would keep an IPv6 address unusable for a second. */
    header.ifa_flags = addr->family == PH_AF_V6 ? IFA_F_NODAD : 0;
    ok = nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
         nla_put(msg, IFA_LOCAL, ip_len(addr), addr->ip) == 0 &&
         nla_put(msg, IFA_ADDRESS, ip_len(addr), addr->ip) == 0;
    append(r, msg, !ok, "address %s/%u at device %d", ph_addr_format_ip(addr, text), prefix, index);
}

void rtnl_addr_add(struct rtnl *r, int index, const struct ph_addr *addr, unsigned prefix)
{
    addr_change(r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, addr, prefix);
}

void rtnl_addr_del(struct rtnl *r, int index, const struct ph_addr *addr, unsigned prefix)
{
    addr_change(r, RTM_DELADDR, 0, index, addr, prefix);
}

void rtnl_route(struct rtnl *r, int index, const struct ph_addr *to, unsigned prefix,
                const struct ph_addr *via)
{
    struct nl_msg *msg = request(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    bool gateway = via->family != PH_AF_NONE;
    struct rtmsg header = {.rtm_family = family_of(to),
                           .rtm_dst_len = (uint8_t)prefix,
                           .rtm_table = RT_TABLE_MAIN,
                           .rtm_protocol = RTPROT_STATIC,
                           .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                           .rtm_type = RTN_UNICAST};
    char text[PH_ADDR_STRLEN];
    bool ok;

    if (msg == NULL) {
        return;
    }
    ok = nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
         nla_put_u32(msg, RTA_OIF, (uint32_t)index) == 0 &&
         (prefix == 0 || nla_put(msg, RTA_DST, ip_len(to), to->ip) == 0) &&
         (!gateway || nla_put(msg, RTA_GATEWAY, ip_len(via), via->ip) == 0);
    append(r, msg, !ok, "route to %s/%u", ph_addr_format_ip(to, text), prefix);
}

void rtnl_neighbour(struct rtnl *r, int index, const struct ph_addr *addr, const uint8_t mac[6])
{
    struct nl_msg *msg = request(r, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
    struct ndmsg header = {
        .ndm_family = family_of(addr), .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
    char text[PH_ADDR_STRLEN];
    bool ok;

    if (msg == NULL) {
        return;
    }
    ok = nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
         nla_put(msg, NDA_DST, ip_len(addr), addr->ip) == 0 &&
         nla_put(msg, NDA_LLADDR, 6, mac) == 0;
    append(r, msg, !ok, "neighbour %s", ph_addr_format_ip(addr, text));
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

/* The answer to a question about one device: its operational state, or -1 with err. Notifications
 * that come in between are thrown away: whoever waits asks again. */
static int read_state(const struct rtnl *r, uint32_t seq, struct lab_error *err)
{
    _Alignas(NLMSG_ALIGNTO) uint8_t in[16384];

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
            struct nlattr *state;

            if (h->nlmsg_seq != seq || h->nlmsg_pid != nl_socket_get_local_port(r->sock)) {
                continue;
            }
            if (h->nlmsg_type != RTM_NEWLINK) {
                return lab_fail(err, LAB_BROKEN, "netlink: a device is gone");
            }
            state = nlmsg_find_attr(h, sizeof(struct ifinfomsg), IFLA_OPERSTATE);
            return state != NULL && nla_len(state) >= 1 ? nla_get_u8(state) : IF_OPER_UNKNOWN;
        }
    }
}

static int ask_state(struct rtnl *r, int index, struct lab_error *err)
{
    struct nl_msg *msg = request(r, RTM_GETLINK, 0);
    uint32_t seq = r->seq;
    int sent;

    if (msg == NULL || !put_link_header(msg, index, 0) ||
        nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) != 0) {
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
    return read_state(r, seq, err);
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
