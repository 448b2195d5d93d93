/* What can be asked for in a batch. */
#include "lab/net/rtnl_private.h"

#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>

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
    struct nl_msg *msg = rtnl_request(r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
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
        rtnl_append(r, msg, true, "veth");
        return;
    }
    nla_nest_end(msg, peer);
    nla_nest_end(msg, data);
    nla_nest_end(msg, info);
    rtnl_append(r, msg, false, "veth pair %s, %s", a->name, b->name);
}

void rtnl_bridge(struct rtnl *r, int index, const char *name, const uint8_t mac[6])
{
    struct nl_msg *msg = rtnl_request(r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
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
        rtnl_append(r, msg, true, "bridge");
        return;
    }
    nla_nest_end(msg, data);
    nla_nest_end(msg, info);
    rtnl_append(r, msg, false, "bridge %s", name);
}

void rtnl_enslave(struct rtnl *r, int index, int bridge)
{
    struct nl_msg *msg = rtnl_request(r, RTM_NEWLINK, 0);
    bool ok;

    if (msg == NULL) {
        return;
    }
    ok = put_link_header(msg, index, 0) && nla_put_u32(msg, IFLA_MASTER, (uint32_t)bridge) == 0;
    rtnl_append(r, msg, !ok, "device %d into bridge %d", index, bridge);
}

void rtnl_up(struct rtnl *r, int index, bool forward)
{
    struct nl_msg *msg = rtnl_request(r, RTM_NEWLINK, 0);
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
        rtnl_append(r, msg, true, "up");
        return;
    }
    nla_nest_end(msg, conf);
    nla_nest_end(msg, inet);
    nla_nest_end(msg, spec);
    rtnl_append(r, msg, false, "device %d up", index);
}

void rtnl_quiet_ipv6(struct rtnl *r, int index)
{
    struct nl_msg *msg = rtnl_request(r, RTM_NEWLINK, 0);
    struct nlattr *spec, *inet6;

    if (msg == NULL) {
        return;
    }
    if (!put_link_header(msg, index, 0) || (spec = nla_nest_start(msg, IFLA_AF_SPEC)) == NULL ||
        (inet6 = nla_nest_start(msg, AF_INET6)) == NULL ||
        nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE) != 0) {
        rtnl_append(r, msg, true, "quiet");
        return;
    }
    nla_nest_end(msg, inet6);
    nla_nest_end(msg, spec);
    rtnl_append(r, msg, false, "device %d without IPv6", index);
}

void rtnl_down(struct rtnl *r, int index)
{
    struct nl_msg *msg = rtnl_request(r, RTM_NEWLINK, 0);
    struct ifinfomsg info = {.ifi_index = index, .ifi_change = IFF_UP};

    if (msg != NULL) {
        rtnl_append(r, msg, nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) != 0,
                    "device %d down", index);
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
    struct nl_msg *msg = rtnl_request(r, type, flags);
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
    rtnl_append(r, msg, !ok, "address %s/%u at device %d", ph_addr_format_ip(addr, text), prefix,
                index);
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
    struct nl_msg *msg = rtnl_request(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
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
    rtnl_append(r, msg, !ok, "route to %s/%u", ph_addr_format_ip(to, text), prefix);
}

void rtnl_neighbour(struct rtnl *r, int index, const struct ph_addr *addr, const uint8_t mac[6])
{
    struct nl_msg *msg = rtnl_request(r, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
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
    rtnl_append(r, msg, !ok, "neighbour %s", ph_addr_format_ip(addr, text));
}

void rtnl_neighbour_del(struct rtnl *r, int index, const struct ph_addr *addr)
{
    struct nl_msg *msg = rtnl_request(r, RTM_DELNEIGH, 0);
    struct ndmsg header = {.ndm_family = family_of(addr), .ndm_ifindex = index};
    char text[PH_ADDR_STRLEN];
    bool ok;

    if (msg == NULL) {
        return;
    }
    ok = nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
         nla_put(msg, NDA_DST, ip_len(addr), addr->ip) == 0;
    rtnl_append(r, msg, !ok, "no neighbour %s", ph_addr_format_ip(addr, text));
}
