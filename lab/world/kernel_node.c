/* One node of a layout as devices, addresses, neighbours and routes. */
#include "base/rng.h"
#include "lab/world/kernel_private.h"

#include <string.h>

/* The address with which a host can also speak for a second one on its LAN (kernel_check.c); it
 * must have a block of its own where ports are given out in blocks. */
#define SECOND_HOST 250

/* Known beforehand, so that neighbours can be. Only ever seen on one wire or one LAN. */
void kernel_mac(size_t node, size_t iface, uint8_t mac[6])
{
    const uint8_t out[6] = {0x02, 'p', 'i', 'n', (uint8_t)node, (uint8_t)iface};

    memcpy(mac, out, sizeof(out));
}

static bool on_net(const struct ph_addr *net, unsigned prefix, const struct ph_addr *a)
{
    uint32_t mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);

    return (ph_addr_v4_get(net) & mask) == (ph_addr_v4_get(a) & mask);
}

/* The addresses of the interface `to` of node `m` become neighbours at interface `at` of a node. */
static void add_neighbour(const struct layout *l, const struct layout_if *at, size_t at_index,
                          size_t m, size_t to, struct rtnl *r)
{
    const struct layout_node *n = &l->nodes[m];
    uint8_t mac[6];

    kernel_mac(m, to, mac);
    if (n->ifs[to].addr.family != PH_AF_NONE) {
        rtnl_neighbour(r, kernel_if_index(at_index), &n->ifs[to].addr, mac);
    }
    if (to != n->wan_if) {
        return;
    }
    for (size_t i = 1; i < n->addr_count; i++) {
        if (on_net(&at->addr, at->prefix, &n->addrs[i])) {
            rtnl_neighbour(r, kernel_if_index(at_index), &n->addrs[i], mac);
        }
    }
    for (size_t i = 1; i < n->wan_count; i++) {
        if (on_net(&at->addr, at->prefix, &n->wan[i])) {
            rtnl_neighbour(r, kernel_if_index(at_index), &n->wan[i], mac);
        }
    }
}

static void other_end(const struct layout *l, size_t link, size_t node, size_t *m, size_t *to)
{
    const struct layout_link *w = &l->links[link];
    size_t side = w->node[0] == node ? 1 : 0;

    *m = w->node[side];
    *to = w->iface[side];
}

/* Who is at the far ends of a bridge's ports, but for one. */
static void add_members(const struct layout *l, size_t bridge, size_t except,
                        const struct layout_if *at, size_t at_index, struct rtnl *r)
{
    const struct layout_node *n = &l->nodes[bridge];

    for (size_t i = 0; i < n->if_count; i++) {
        size_t m, to;

        if (!n->ifs[i].port) {
            continue;
        }
        other_end(l, n->ifs[i].link, bridge, &m, &to);
        if (m != except) {
            add_neighbour(l, at, at_index, m, to, r);
        }
    }
}

/* ARP would cross the delay of a link too, and twice. */
static void add_neighbours(const struct layout *l, size_t node, size_t iface, struct rtnl *r)
{
    const struct layout_if *at = &l->nodes[node].ifs[iface];
    size_t m, to;

    if (at->port) {
        return;
    }
    if (at->link == SIZE_MAX) {
        add_members(l, node, SIZE_MAX, at, iface, r);
        return;
    }
    other_end(l, at->link, node, &m, &to);
    if (l->nodes[m].ifs[to].port) {
        add_neighbour(l, at, iface, m, l->nodes[m].lan_if, r);
        add_members(l, m, node, at, iface, r);
    } else {
        add_neighbour(l, at, iface, m, to, r);
    }
}

static void add_addresses(const struct layout_node *n, struct rtnl *r)
{
    for (size_t i = 0; i < n->if_count; i++) {
        if (n->ifs[i].addr.family != PH_AF_NONE) {
            rtnl_addr_add(r, kernel_if_index(i), &n->ifs[i].addr, n->ifs[i].prefix);
        }
    }
    for (size_t i = 1; i < n->addr_count; i++) {
        rtnl_addr_add(r, kernel_if_index(n->wan_if), &n->addrs[i], 32);
    }
    for (size_t i = 1; i < n->wan_count; i++) {
        rtnl_addr_add(r, kernel_if_index(n->wan_if), &n->wan[i], 32);
    }
}

void kernel_node_configure(const struct layout *l, size_t node, bool ipv6, struct rtnl *r)
{
    const struct layout_node *n = &l->nodes[node];
    bool forward = n->kind != LAYOUT_HOST;

    rtnl_up(r, 1, false);
    for (size_t i = 0; i < n->if_count; i++) {
        if (n->ifs[i].link == SIZE_MAX) {
            uint8_t mac[6];

            kernel_mac(node, i, mac);
            rtnl_bridge(r, kernel_if_index(i), n->ifs[i].name, mac);
        }
    }
    for (size_t i = 0; i < n->if_count; i++) {
        if (n->ifs[i].port) {
            rtnl_enslave(r, kernel_if_index(i), kernel_if_index(n->lan_if));
        }
        if (ipv6) {
            rtnl_quiet_ipv6(r, kernel_if_index(i));
        }
        rtnl_up(r, kernel_if_index(i), forward);
    }
    add_addresses(n, r);
    for (size_t i = 0; i < n->if_count; i++) {
        add_neighbours(l, node, i, r);
    }
    for (size_t i = 0; i < n->route_count; i++) {
        const struct layout_route *route = &n->routes[i];

        rtnl_route(r, kernel_if_index(route->iface), &route->to, route->prefix, &route->via);
    }
}

static void add_subscriber(struct nat_site *s, struct ph_addr a)
{
    const size_t max = sizeof(s->subscribers) / sizeof(s->subscribers[0]);

    for (size_t i = 0; i < s->subscriber_count; i++) {
        if (ph_addr_ip_eq(&s->subscribers[i], &a)) {
            return;
        }
    }
    if (s->subscriber_count < max) {
        s->subscribers[s->subscriber_count++] = a;
    }
}

/* The addresses that arrive at a NAT from inside: of hosts, of NATs that translate, and of an
 * access router, from which the NAT is probed. */
static void find_subscribers(const struct layout *l, size_t nat, struct nat_site *s)
{
    for (size_t i = 0; i < l->node_count; i++) {
        const struct layout_node *n = &l->nodes[i];
        bool access = n->kind == LAYOUT_ROUTER && n->lan_if != SIZE_MAX;
        bool speaks = n->kind == LAYOUT_HOST || access ||
                      (n->kind == LAYOUT_NAT && n->profile.mapping != NAT_MAPPING_NONE);
        size_t at = n->upstream;

        while (at != SIZE_MAX && at != nat &&
               (l->nodes[at].kind == LAYOUT_ROUTER ||
                l->nodes[at].profile.mapping == NAT_MAPPING_NONE)) {
            at = l->nodes[at].upstream;
        }
        if (!speaks || at != nat) {
            continue;
        }
        for (size_t k = 0; k < n->addr_count; k++) {
            add_subscriber(s, n->addrs[k]);
        }
        for (size_t k = 0; k < n->wan_count; k++) {
            add_subscriber(s, n->wan[k]);
        }
        if (n->kind == LAYOUT_HOST || access) {
            uint32_t lan = ph_addr_v4_get(&n->ifs[n->wan_if].addr) & 0xffffff00u;

            if (access) {
                add_subscriber(s, n->ifs[n->wan_if].addr);
            }
            add_subscriber(s, ph_addr_v4_u32(lan + SECOND_HOST, 0));
        }
    }
}

void kernel_nat_site(const struct layout *l, size_t node, struct nat_site *out)
{
    const struct layout_node *n = &l->nodes[node];

    memset(out, 0, sizeof(*out));
    out->wan_if = n->ifs[n->wan_if].name;
    out->lan_if = n->ifs[n->lan_if].name;
    for (size_t i = 0; i < n->wan_count && i < NAT_POOL_MAX; i++) {
        out->wan[out->wan_count++] = n->wan[i];
    }
    out->lan = n->ifs[n->lan_if].addr;
    out->lan_prefix = n->lan_net_prefix;
    find_subscribers(l, node, out);
    out->seed = ph_hash64(l->seed, n->name, strlen(n->name));
}
