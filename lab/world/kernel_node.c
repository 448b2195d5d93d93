/* One node of a layout as devices, addresses, neighbours and routes. */
#include "lab/world/kernel_private.h"

#include <string.h>

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

/* An IPv6 network of the layout is a /64, or a wire that no further address is on. */
static bool on_net6(const struct layout_if *at, const struct ph_addr *a)
{
    return at->prefix6 == 64 && memcmp(at->addr6.ip, a->ip, 8) == 0;
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
    if (ph_addr_is_set(&n->ifs[to].addr6) && ph_addr_is_set(&at->addr6)) {
        rtnl_neighbour(r, kernel_if_index(at_index), &n->ifs[to].addr6, mac);
    }
    if (to != n->wan_if) {
        return;
    }
    for (size_t i = 1; i < n->addr_count; i++) {
        if (on_net(&at->addr, at->prefix, &n->addrs[i])) {
            rtnl_neighbour(r, kernel_if_index(at_index), &n->addrs[i], mac);
        }
    }
    for (size_t i = 1; i < n->addr6_count; i++) {
        if (on_net6(at, &n->addrs6[i])) {
            rtnl_neighbour(r, kernel_if_index(at_index), &n->addrs6[i], mac);
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

/* What is routed to the translator goes to the other end of its wire, whose address is not its own.
 */
static void add_translator(const struct layout *l, size_t node, size_t iface, struct rtnl *r)
{
    const struct layout_node *n = &l->nodes[node];
    const struct layout_link *w = &l->links[n->ifs[iface].link];
    uint8_t mac[6];

    kernel_mac(node, w->iface[w->iface[0] == iface ? 1 : 0], mac);
    for (size_t i = 0; i < n->route_count; i++) {
        if (n->routes[i].iface == iface) {
            rtnl_neighbour(r, kernel_if_index(iface), &n->routes[i].via, mac);
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
    if (at->link != SIZE_MAX && l->links[at->link].translates) {
        add_translator(l, node, iface, r);
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
        if (ph_addr_is_set(&n->ifs[i].addr6)) {
            rtnl_addr_add(r, kernel_if_index(i), &n->ifs[i].addr6, n->ifs[i].prefix6);
        }
    }
    for (size_t i = 1; i < n->addr6_count; i++) {
        rtnl_addr_add(r, kernel_if_index(n->wan_if), &n->addrs6[i], 128);
    }
    for (size_t i = 1; i < n->addr_count; i++) {
        rtnl_addr_add(r, kernel_if_index(n->wan_if), &n->addrs[i], 32);
    }
    for (size_t i = 1; i < n->wan_count; i++) {
        rtnl_addr_add(r, kernel_if_index(n->wan_if), &n->wan[i], 32);
    }
}

static void add_route(const struct layout_route *route, struct rtnl *r)
{
    rtnl_route(r, kernel_if_index(route->iface), &route->to, route->prefix, &route->via);
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
        add_route(&n->routes[i], r);
    }
}

static void add_uplink_routes(const struct layout_node *n, enum ph_family family, struct rtnl *r)
{
    for (size_t i = 0; i < n->route_count; i++) {
        if (n->routes[i].iface == n->wan_if && n->routes[i].via.family == family) {
            add_route(&n->routes[i], r);
        }
    }
}

/* Routes of IPv6 stay when an address goes, but for the one of its own network. */
static void change_addrs6(const struct layout_node *n, bool add, struct rtnl *r)
{
    void (*change)(struct rtnl *, int, const struct ph_addr *, unsigned) =
        add ? rtnl_addr_add : rtnl_addr_del;

    if (n->kind != LAYOUT_HOST || n->addr6_count == 0) {
        return;
    }
    change(r, kernel_if_index(n->wan_if), &n->ifs[n->wan_if].addr6, n->ifs[n->wan_if].prefix6);
    for (size_t i = 1; i < n->addr6_count; i++) {
        change(r, kernel_if_index(n->wan_if), &n->addrs6[i], 128);
    }
}

static bool has_v4(const struct layout_node *n)
{
    return n->ifs[n->wan_if].addr.family != PH_AF_NONE;
}

void kernel_node_forget_uplink(const struct layout *l, size_t node, struct rtnl *r)
{
    const struct layout_node *n = &l->nodes[node];

    change_addrs6(n, false, r);
    for (size_t i = 1; i < n->addr_count; i++) {
        rtnl_addr_del(r, kernel_if_index(n->wan_if), &n->addrs[i], 32);
    }
    for (size_t i = 1; i < n->wan_count; i++) {
        rtnl_addr_del(r, kernel_if_index(n->wan_if), &n->wan[i], 32);
    }
    if (has_v4(n)) {
        rtnl_addr_del(r, kernel_if_index(n->wan_if), &n->ifs[n->wan_if].addr,
                      n->ifs[n->wan_if].prefix);
    }
}

void kernel_node_address_uplink(const struct layout *l, size_t node, struct rtnl *r)
{
    const struct layout_node *n = &l->nodes[node];

    change_addrs6(n, true, r);
    if (has_v4(n)) {
        rtnl_addr_add(r, kernel_if_index(n->wan_if), &n->ifs[n->wan_if].addr,
                      n->ifs[n->wan_if].prefix);
    }
    for (size_t i = 1; i < n->addr_count; i++) {
        rtnl_addr_add(r, kernel_if_index(n->wan_if), &n->addrs[i], 32);
    }
    for (size_t i = 1; i < n->wan_count; i++) {
        rtnl_addr_add(r, kernel_if_index(n->wan_if), &n->wan[i], 32);
    }
    add_neighbours(l, node, n->wan_if, r);
    add_uplink_routes(n, PH_AF_V4, r);
}

void kernel_node_route_uplink(const struct layout *l, size_t node, struct rtnl *r)
{
    const struct layout_node *n = &l->nodes[node];

    add_neighbours(l, node, n->wan_if, r);
    add_uplink_routes(n, PH_AF_V4, r);
    add_uplink_routes(n, PH_AF_V6, r);
}

/* The interface of its upstream node that it is met at: a port of a bridge has no address, the
 * bridge has. */
static size_t met_at(const struct layout *l, size_t node)
{
    const struct layout_node *n = &l->nodes[node];
    size_t m, to;

    other_end(l, n->ifs[n->wan_if].link, node, &m, &to);
    return l->nodes[m].ifs[to].port ? l->nodes[m].lan_if : to;
}

void kernel_node_meet(const struct layout *l, size_t node, struct rtnl *r)
{
    const struct layout_node *n = &l->nodes[node];
    size_t at = met_at(l, node);

    add_neighbour(l, &l->nodes[n->upstream].ifs[at], at, node, n->wan_if, r);
}

void kernel_node_part(const struct layout *l, size_t node, struct rtnl *r)
{
    const struct layout_node *n = &l->nodes[node];

    if (has_v4(n)) {
        rtnl_neighbour_del(r, kernel_if_index(met_at(l, node)), &n->ifs[n->wan_if].addr);
    }
    if (n->kind == LAYOUT_HOST && n->addr6_count > 0) {
        rtnl_neighbour_del(r, kernel_if_index(met_at(l, node)), &n->ifs[n->wan_if].addr6);
    }
}
