#include "host/gateway.h"

#include "base/err.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>

/* A dump during which something changed is asked for again, so often. */
#define DUMPS_MAX 4

static bool family_of(uint8_t af, enum ph_family *out)
{
    *out = af == AF_INET ? PH_AF_V4 : PH_AF_V6;
    return af == AF_INET || af == AF_INET6;
}

static bool take_ip(struct nlattr *attr, enum ph_family family, struct ph_addr *out)
{
    size_t len = family == PH_AF_V4 ? 4 : 16;

    memset(out, 0, sizeof(*out));
    if (attr == NULL || nla_len(attr) != (int)len) {
        return false;
    }
    out->family = (uint8_t)family;
    memcpy(out->ip, nla_data(attr), len);
    return true;
}

/* Link-local, multicast and the like. */
static bool is_own_address(const struct ph_addr *a)
{
    struct ph_addr with_port = *a;

    with_port.port = 1; /* the port must not be what makes it unusable */
    return !ph_addr_is_unusable(&with_port) && !ph_addr_is_loopback(a);
}

static bool is_u32(struct nlattr *attr)
{
    return attr != NULL && nla_len(attr) == (int)sizeof(uint32_t);
}

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
    return h ^ (h >> 33);
}

/* The sum does not depend on the order in which the kernel tells. */
static void note(struct ph_network *net, uint16_t kind, uint32_t index, uint64_t what)
{
    net->digest += mix(((uint64_t)kind << 32 | index) * 0x9e3779b97f4a7c15u ^ mix(what));
}

static void add_route(struct ph_network *net, const struct ph_network_route *route)
{
    note(net, RTM_NEWROUTE, route->index,
         ph_addr_hash(&route->gateway) + ph_addr_hash(&route->source) * 3 + route->metric);
    if (net->route_count < PH_NETWORK_ROUTES_MAX) {
        net->routes[net->route_count++] = *route;
    }
}

/* RTA_MULTIPATH: next hops one behind the other, each with its attributes. */
static void take_multipath(struct ph_network *net, struct nlattr *attr, enum ph_family family,
                           struct ph_network_route *route)
{
    uint8_t *at = nla_data(attr);
    size_t left = (size_t)nla_len(attr);
    struct rtnexthop hop;

    while (left >= sizeof(hop)) {
        struct nlattr *gateway;
        size_t step;

        memcpy(&hop, at, sizeof(hop));
        if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left) {
            return;
        }
        gateway = nla_find((struct nlattr *)(void *)(at + sizeof(hop)),
                           (int)(hop.rtnh_len - sizeof(hop)), RTA_GATEWAY);
        route->index = (uint32_t)hop.rtnh_ifindex;
        if (!(hop.rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) &&
            take_ip(gateway, family, &route->gateway)) {
            add_route(net, route);
        }
        step = (hop.rtnh_len + RTNH_ALIGNTO - 1u) / RTNH_ALIGNTO * RTNH_ALIGNTO;
        step = step < left ? step : left;
        at += step;
        left -= step;
    }
}

/* A next hop of the other family (RTA_VIA) is a gateway by that family's own default route, if it
 * is one; and one without address (a point-to-point line) cannot be asked anything. */
static void take_route(struct ph_network *net, struct nlmsghdr *message)
{
    struct rtmsg *rtm = nlmsg_data(message);
    struct nlattr *tb[RTA_MAX + 1];
    struct ph_network_route route = {0};
    enum ph_family family;
    uint32_t table;

    if (nlmsg_parse(message, sizeof(*rtm), tb, RTA_MAX, NULL) < 0 ||
        !family_of(rtm->rtm_family, &family)) {
        return;
    }
    table = is_u32(tb[RTA_TABLE]) ? nla_get_u32(tb[RTA_TABLE]) : rtm->rtm_table;
    if (table != RT_TABLE_MAIN || rtm->rtm_dst_len != 0 || rtm->rtm_src_len != 0 ||
        rtm->rtm_type != RTN_UNICAST ||
        (rtm->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD | RTNH_F_LINKDOWN))) {
        return;
    }
    route.metric = is_u32(tb[RTA_PRIORITY]) ? nla_get_u32(tb[RTA_PRIORITY]) : 0;
    if (!take_ip(tb[RTA_PREFSRC], family, &route.source) || !is_own_address(&route.source)) {
        route.source = (struct ph_addr){0};
    }
    if (tb[RTA_MULTIPATH]) {
        take_multipath(net, tb[RTA_MULTIPATH], family, &route);
    } else if (is_u32(tb[RTA_OIF]) && take_ip(tb[RTA_GATEWAY], family, &route.gateway)) {
        route.index = nla_get_u32(tb[RTA_OIF]);
        add_route(net, &route);
    }
}

static void take_link(struct ph_network *net, struct nlmsghdr *message)
{
    struct ifinfomsg *ifi = nlmsg_data(message);
    struct nlattr *tb[IFLA_MAX + 1];

    if (nlmsg_parse(message, sizeof(*ifi), tb, IFLA_MAX, NULL) < 0 || !tb[IFLA_IFNAME]) {
        return;
    }
    note(net, RTM_NEWLINK, (uint32_t)ifi->ifi_index, ifi->ifi_flags & (IFF_UP | IFF_RUNNING));
    for (size_t i = 0; i < net->route_count; i++) {
        struct ph_network_route *route = &net->routes[i];

        if (route->index == (uint32_t)ifi->ifi_index) {
            route->up = (ifi->ifi_flags & IFF_UP) != 0;
            nla_strlcpy(route->name, tb[IFLA_IFNAME], sizeof(route->name));
        }
    }
}

/* Which of an interface's addresses is rather ours towards a router: one that stays. For IPv6 a
 * global one is, a unique local one (RFC 4193) leads nowhere beyond the site. */
static uint8_t rank_of(const struct ph_addr *a, uint32_t flags)
{
    unsigned rank = 0;

    if (flags & IFA_F_DEPRECATED) {
        rank += 4;
    }
    if (a->family == PH_AF_V6 && ph_addr_is_private(a)) {
        rank += 2;
    }
    if (flags & IFA_F_SECONDARY) { /* of IPv6 the same bit says temporary (RFC 8981) */
        rank += 1;
    }
    return (uint8_t)rank;
}

static void take_addr(struct ph_network *net, struct nlmsghdr *message)
{
    struct ifaddrmsg *ifa = nlmsg_data(message);
    struct nlattr *tb[IFA_MAX + 1];
    struct ph_network_addr a = {0};
    enum ph_family family;
    uint32_t flags;

    if (nlmsg_parse(message, sizeof(*ifa), tb, IFA_MAX, NULL) < 0 ||
        !family_of(ifa->ifa_family, &family)) {
        return;
    }
    /* Of a point-to-point link IFA_ADDRESS is the other end's. */
    if (!take_ip(tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], family, &a.addr) ||
        !is_own_address(&a.addr)) {
        return;
    }
    flags = is_u32(tb[IFA_FLAGS]) ? nla_get_u32(tb[IFA_FLAGS]) : ifa->ifa_flags;
    /* Nobody may send from it yet (RFC 4862), or ever. */
    if ((flags & IFA_F_DADFAILED) ||
        (flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) == IFA_F_TENTATIVE) {
        return;
    }
    a.index = ifa->ifa_index;
    a.prefix = ifa->ifa_prefixlen;
    a.rank = rank_of(&a.addr, flags);
    note(net, RTM_NEWADDR, a.index, ph_addr_hash(&a.addr) + a.rank);
    for (size_t i = 0; i < net->route_count; i++) {
        if (net->routes[i].index == a.index && net->addr_count < PH_NETWORK_ADDRS_MAX) {
            net->addrs[net->addr_count++] = a;
            return;
        }
    }
}

void ph_network_take(struct ph_network *net, struct nlmsghdr *message)
{
    switch (message->nlmsg_type) {
    case RTM_NEWROUTE:
        take_route(net, message);
        return;
    case RTM_NEWLINK:
        take_link(net, message);
        return;
    case RTM_NEWADDR:
        take_addr(net, message);
        return;
    default:
        return;
    }
}

static bool same_prefix(const struct ph_addr *a, const struct ph_addr *b, uint8_t bits)
{
    size_t whole = bits / 8u;
    unsigned rest = bits % 8u;

    if (bits > (a->family == PH_AF_V4 ? 32 : 128) || memcmp(a->ip, b->ip, whole) != 0) {
        return false;
    }
    return rest == 0 || ((a->ip[whole] ^ b->ip[whole]) >> (8u - rest)) == 0;
}

/* The route's own word first, then an address of the gateway's subnet, then rank. */
static struct ph_addr local_for(const struct ph_network *net, const struct ph_network_route *route)
{
    const struct ph_network_addr *best = NULL;
    unsigned best_rank = 0;

    if (ph_addr_is_set(&route->source)) {
        return route->source;
    }
    for (size_t i = 0; i < net->addr_count; i++) {
        const struct ph_network_addr *a = &net->addrs[i];
        unsigned rank = a->rank;

        if (a->index != route->index || a->addr.family != route->gateway.family) {
            continue;
        }
        /* What is on its way out is the last choice even there. */
        if (!same_prefix(&a->addr, &route->gateway, a->prefix)) {
            rank += 3;
        }
        if (best == NULL || rank < best_rank) {
            best = a;
            best_rank = rank;
        }
    }
    return best ? best->addr : (struct ph_addr){0};
}

static bool is_before(const struct ph_network_route *a, const struct ph_network_route *b)
{
    if (a->metric != b->metric) {
        return a->metric < b->metric;
    }
    return a->gateway.family < b->gateway.family;
}

static bool is_known(const struct ph_gateway *list, size_t n, const struct ph_network_route *route)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].scope == route->index && ph_addr_eq(&list[i].gateway, &route->gateway)) {
            return true;
        }
    }
    return false;
}

size_t ph_network_gateways(const struct ph_network *net, struct ph_gateway *out, size_t cap)
{
    const struct ph_network_route *sorted[PH_NETWORK_ROUTES_MAX];
    size_t count = 0, n = 0;

    for (size_t i = 0; i < net->route_count; i++) {
        const struct ph_network_route *route = &net->routes[i];
        size_t at = count;

        if (!route->up) {
            continue;
        }
        while (at > 0 && is_before(route, sorted[at - 1])) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = route;
        count++;
    }
    for (size_t i = 0; i < count && n < cap; i++) {
        if (is_known(out, n, sorted[i])) {
            continue;
        }
        out[n] = (struct ph_gateway){
            .gateway = sorted[i]->gateway,
            .local = local_for(net, sorted[i]),
            .scope = sorted[i]->index,
            .metric = sorted[i]->metric,
        };
        memcpy(out[n].interface, sorted[i]->name, sizeof(out[n].interface));
        n++;
    }
    return n;
}

static int on_message(struct nl_msg *message, void *user)
{
    ph_network_take(user, nlmsg_hdr(message));
    return NL_OK;
}

static int dump(struct nl_sock *sock, int type, size_t header, uint8_t family)
{
    union {
        struct rtmsg route;
        struct ifinfomsg link;
        struct ifaddrmsg addr;
    } body;
    int err;

    memset(&body, 0, sizeof(body));
    /* The family is the first byte of each. */
    body.route.rtm_family = family;
    if (type == RTM_GETROUTE) {
        body.route.rtm_table = RT_TABLE_MAIN;
    }
    err = nl_send_simple(sock, type, NLM_F_DUMP, &body, header);
    return err < 0 ? err : nl_recvmsgs_default(sock);
}

/* All of them, also when one was disturbed by a change. */
static int dump_all(struct nl_sock *sock)
{
    static const struct {
        size_t header;
        int type;
        uint8_t family;
    } dumps[] = {
        {sizeof(struct rtmsg), RTM_GETROUTE, AF_INET},
        {sizeof(struct rtmsg), RTM_GETROUTE, AF_INET6},
        {sizeof(struct ifinfomsg), RTM_GETLINK, AF_UNSPEC},
        {sizeof(struct ifaddrmsg), RTM_GETADDR, AF_UNSPEC},
    };
    int result = 0;

    for (size_t i = 0; i < sizeof(dumps) / sizeof(dumps[0]); i++) {
        int err = dump(sock, dumps[i].type, dumps[i].header, dumps[i].family);

        if (err < 0 && err != -NLE_DUMP_INTR) {
            return err;
        }
        result = err < 0 ? err : result;
    }
    return result;
}

int ph_network_ask(struct ph_network *net)
{
    struct nl_sock *sock = nl_socket_alloc();
    int strict = 1;
    int err;

    memset(net, 0, sizeof(*net));
    if (sock == NULL) {
        return PH_ERR_NOMEM;
    }
    nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_message, net);
    err = nl_connect(sock, NETLINK_ROUTE);
    if (err == 0) {
        /* The kernel then sends the main table alone (from 4.20 on; before, all of them). */
        setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict,
                   sizeof(strict));
        err = dump_all(sock);
    }
    for (int i = 1; err == -NLE_DUMP_INTR && i < DUMPS_MAX; i++) {
        memset(net, 0, sizeof(*net));
        err = dump_all(sock);
    }
    nl_socket_free(sock);
    /* One that was disturbed each time is still the best that is known. */
    return err == 0 || err == -NLE_DUMP_INTR ? PH_OK : PH_ERR_SYS;
}
