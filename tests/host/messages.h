/* Messages of rtnetlink, made as the kernel takes and tells them. */
#ifndef TESTS_HOST_MESSAGES_H
#define TESTS_HOST_MESSAGES_H

#include "peer.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

static inline struct ph_addr ip(const char *text)
{
    struct ph_addr a = {0};

    if (text) {
        assert_int_equal(ph_addr_parse(text, &a), PH_OK);
    }
    return a;
}

static inline void put_ip(struct nl_msg *m, int type, const char *text)
{
    struct ph_addr a = ip(text);

    if (text) {
        assert_int_equal(nla_put(m, type, a.family == PH_AF_V4 ? 4 : 16, a.ip), 0);
    }
}

static inline struct nl_msg *message(int type, const void *header, size_t len)
{
    struct nl_msg *m = nlmsg_alloc_simple(type, NLM_F_CREATE | NLM_F_REPLACE);

    assert_non_null(m);
    assert_int_equal(nlmsg_append(m, (void *)(uintptr_t)header, len, NLMSG_ALIGNTO), 0);
    return m;
}

struct route {
    const char *gateway; /* NULL: on the link */
    uint32_t index;
    uint32_t metric;
    const char *source;
    uint8_t dst_len, type; /* type 0: RTN_UNICAST */
    uint32_t table, flags; /* table 0: the main one */
};

static inline struct nl_msg *route_message(const struct route *r)
{
    struct ph_addr gateway = ip(r->gateway);
    struct rtmsg rtm = {
        .rtm_family = gateway.family == PH_AF_V6 ? AF_INET6 : AF_INET,
        .rtm_dst_len = r->dst_len,
        .rtm_table =
            r->table > 255 ? RT_TABLE_COMPAT : (uint8_t)(r->table ? r->table : RT_TABLE_MAIN),
        .rtm_protocol = RTPROT_STATIC,
        .rtm_type = r->type ? r->type : RTN_UNICAST,
        .rtm_flags = r->flags,
    };
    struct nl_msg *m = message(RTM_NEWROUTE, &rtm, sizeof(rtm));

    put_ip(m, RTA_GATEWAY, r->gateway);
    put_ip(m, RTA_PREFSRC, r->source);
    nla_put_u32(m, RTA_OIF, r->index);
    if (r->metric) {
        nla_put_u32(m, RTA_PRIORITY, r->metric);
    }
    if (r->table) {
        nla_put_u32(m, RTA_TABLE, r->table);
    }
    return m;
}

static inline struct nl_msg *link_message(int index, const char *name, unsigned flags)
{
    struct ifinfomsg ifi = {.ifi_index = index, .ifi_flags = flags};
    struct nl_msg *m = message(RTM_NEWLINK, &ifi, sizeof(ifi));

    nla_put_string(m, IFLA_IFNAME, name);
    return m;
}

static inline struct nl_msg *addr_message(int index, const char *addr, uint8_t prefix,
                                          uint32_t flags)
{
    struct ph_addr a = ip(addr);
    struct ifaddrmsg ifa = {.ifa_family = a.family == PH_AF_V6 ? AF_INET6 : AF_INET,
                            .ifa_prefixlen = prefix,
                            .ifa_index = (uint32_t)index};
    struct nl_msg *m = message(RTM_NEWADDR, &ifa, sizeof(ifa));

    put_ip(m, IFA_LOCAL, addr);
    put_ip(m, IFA_ADDRESS, addr);
    nla_put_u32(m, IFA_FLAGS, flags);
    return m;
}

#endif
