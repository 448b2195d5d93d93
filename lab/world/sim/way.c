/* Where packets go from a node: routes, worked out once for each address, and the stretch of plain
 * routers that follows. */
#include "lab/world/sim/hash.h"
#include "lab/world/sim/link.h"
#include "lab/world/sim/private.h"

static bool in_prefix(const struct ph_addr *a, const struct ph_addr *net, unsigned bits)
{
    if (a->family != net->family)
        return false;
    for (unsigned i = 0; i < bits / 8; i++) {
        if (a->ip[i] != net->ip[i])
            return false;
    }
    unsigned rest = bits % 8;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return (a->ip[bits / 8] & mask) == (net->ip[bits / 8] & mask);
}

static bool is_own(const struct layout_node *n, const struct ph_addr *a)
{
    for (size_t i = 0; i < n->if_count; i++) {
        if (ph_addr_is_set(a) &&
            (ph_addr_ip_eq(&n->ifs[i].addr, a) || ph_addr_ip_eq(&n->ifs[i].addr6, a)))
            return true;
    }
    for (size_t i = 0; i < n->addr_count; i++) {
        if (ph_addr_ip_eq(&n->addrs[i], a))
            return true;
    }
    for (size_t i = 0; i < n->addr6_count; i++) {
        if (ph_addr_ip_eq(&n->addrs6[i], a))
            return true;
    }
    return false;
}

/* The node at the other end of an interface's link. */
static void other_end(const struct layout *l, size_t node, size_t iface, size_t *link, int *dir,
                      size_t *to_node, size_t *to_iface)
{
    *link = l->nodes[node].ifs[iface].link;
    const struct layout_link *k = &l->links[*link];
    *dir = k->node[0] == node && k->iface[0] == iface ? 0 : 1;
    *to_node = k->node[1 - *dir];
    *to_iface = k->iface[1 - *dir];
}

/* The port of a bridge behind which a neighbour has the address. */
static size_t bridge_port(const struct layout *l, size_t node, const struct ph_addr *a)
{
    const struct layout_node *n = &l->nodes[node];
    for (size_t i = 0; i < n->if_count; i++) {
        size_t link, to_node, to_iface;
        int dir;
        if (!n->ifs[i].port)
            continue;
        other_end(l, node, i, &link, &dir, &to_node, &to_iface);
        if (is_own(&l->nodes[to_node], a))
            return i;
    }
    return SIM_NO_IFACE;
}

/* The interface that leads to an address: the longest prefix among the links and the routes. */
static size_t route(const struct layout *l, size_t node, const struct ph_addr *dst)
{
    const struct layout_node *n = &l->nodes[node];
    size_t best = SIM_NO_IFACE;
    int best_bits = -1;
    const struct ph_addr *next_hop = dst;
    for (size_t i = 0; i < n->if_count; i++) {
        bool v6 = dst->family == PH_AF_V6;
        const struct ph_addr *own = v6 ? &n->ifs[i].addr6 : &n->ifs[i].addr;
        unsigned prefix = v6 ? n->ifs[i].prefix6 : n->ifs[i].prefix;
        if ((int)prefix > best_bits && in_prefix(dst, own, prefix)) {
            best = i;
            best_bits = (int)prefix;
        }
    }
    for (size_t i = 0; i < n->route_count; i++) {
        const struct layout_route *r = &n->routes[i];
        if ((int)r->prefix > best_bits && in_prefix(dst, &r->to, r->prefix)) {
            best = r->iface;
            best_bits = (int)r->prefix;
            next_hop = &r->via;
        }
    }
    if (best != SIM_NO_IFACE && n->ifs[best].link == SIZE_MAX)
        return bridge_port(l, node, next_hop);
    return best;
}

static bool is_outside_address(const struct layout_node *n, const struct ph_addr *a)
{
    for (size_t i = 0; n->kind == LAYOUT_NAT && i < n->wan_count; i++) {
        if (ph_addr_ip_eq(&n->wan[i], a))
            return true;
    }
    return false;
}

bool sim_is_multicast(const struct ph_addr *a)
{
    return (a->family == PH_AF_V4 && a->ip[0] >= 224 && a->ip[0] < 240) ||
           (a->family == PH_AF_V6 && a->ip[0] == 0xff);
}

bool sim_is_bridged(const struct layout_node *n, size_t in, size_t out)
{
    return n->ifs[in].port && n->ifs[out].port;
}

/* Follows the wires from the node's link on. A router of a network forwards and does nothing else,
 * and a link that only delays keeps no state. */
static void follow(const struct sim *s, struct sim_way *w, const struct ph_addr *dst)
{
    const struct layout *l = &s->layout;
    other_end(l, w->node, w->out, &w->link, &w->dir, &w->to_node, &w->to_iface);
    while (l->nodes[w->to_node].kind == LAYOUT_ROUTER && !l->nodes[w->to_node].nat64 &&
           !is_own(&l->nodes[w->to_node], dst) && !sim_is_multicast(dst)) {
        size_t at = w->to_node;
        size_t in = w->to_iface;
        size_t out = route(l, at, dst);
        if (out == SIM_NO_IFACE || w->hops == UINT8_MAX) {
            w->lost = true;
            return;
        }
        size_t link, to_node, to_iface;
        int dir;
        other_end(l, at, out, &link, &dir, &to_node, &to_iface);
        const struct link_direction *d = sim_link_direction(l, link, dir);
        if (!sim_link_only_delays(d))
            return;
        w->delay += d->delay_ns;
        w->hops = (uint8_t)(w->hops + (sim_is_bridged(&l->nodes[at], in, out) ? 0 : 1));
        w->to_node = to_node;
        w->to_iface = to_iface;
    }
}

static void work_out(const struct sim *s, struct sim_way *w, size_t node, const struct ph_addr *dst)
{
    const struct layout_node *n = &s->layout.nodes[node];
    *w = (struct sim_way){.known = true,
                          .own = is_own(n, dst),
                          .outside = is_outside_address(n, dst),
                          .node = (uint32_t)node,
                          .dst = *dst,
                          .out = route(&s->layout, node, dst)};
    if (w->out != SIM_NO_IFACE)
        follow(s, w, dst);
}

const struct sim_way *sim_way(struct sim *s, size_t node, const struct ph_addr *dst)
{
    uint64_t ip = dst->family == PH_AF_V4 ? ph_addr_v4_get(dst) : ph_hash64(0, dst->ip, 16);
    struct sim_way *w = &s->ways[sim_hash(node, ip) & (SIM_WAYS - 1)];
    if (!w->known || w->node != node || !ph_addr_ip_eq(&w->dst, dst))
        work_out(s, w, node, dst);
    return w;
}
