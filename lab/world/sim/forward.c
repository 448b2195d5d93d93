#include "lab/world/sim/forward.h"

#include "lab/world/sim/private.h"
#include "lab/world/sim/router.h"

#include <string.h>

#define NO_IFACE  SIZE_MAX
#define QUEUE_MAX (100 * PH_MS)
/* Of Ethernet, IPv4 and UDP, for the rate. */
#define OVERHEAD_BYTES 42

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
        if (n->ifs[i].addr.family != PH_AF_NONE && ph_addr_ip_eq(&n->ifs[i].addr, a))
            return true;
    }
    for (size_t i = 0; i < n->addr_count; i++) {
        if (ph_addr_ip_eq(&n->addrs[i], a))
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
    return NO_IFACE;
}

/* The interface that leads to an address: the longest prefix among the links and the routes. */
static size_t route(const struct layout *l, size_t node, const struct ph_addr *dst)
{
    const struct layout_node *n = &l->nodes[node];
    size_t best = NO_IFACE;
    int best_bits = -1;
    const struct ph_addr *next_hop = dst;
    for (size_t i = 0; i < n->if_count; i++) {
        const struct layout_if *f = &n->ifs[i];
        if (f->addr.family != PH_AF_NONE && (int)f->prefix > best_bits &&
            in_prefix(dst, &f->addr, f->prefix)) {
            best = i;
            best_bits = (int)f->prefix;
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
    if (best != NO_IFACE && n->ifs[best].link == SIZE_MAX)
        return bridge_port(l, node, next_hop);
    return best;
}

static void send_on(struct sim *s, struct sim_packet *p, size_t iface)
{
    if (s->tap) {
        struct sim_tap_packet t = {p->node, p->src, p->dst, p->ttl, p->data, p->len};
        if (s->tap(s->tap_user, &t) == SIM_DROP) {
            sim_packet_free(s, p);
            return;
        }
    }
    size_t link;
    int dir;
    other_end(&s->layout, p->node, iface, &link, &dir, &p->node, &p->iface);
    const struct layout_link *k = &s->layout.links[link];
    const struct link_direction *d = dir == 0 ? &k->params.up : &k->params.down;
    ph_ns at = s->now + d->delay_ns;
    if (d->loss > 0 && ph_rng_unit(&s->links[link].dir[dir].rng) < d->loss) {
        sim_packet_free(s, p);
        return;
    }
    if (d->jitter_ns > 0) {
        uint64_t j = ph_rng_below(&s->links[link].dir[dir].rng, 2 * d->jitter_ns + 1);
        at = at + j > d->jitter_ns ? at + j - d->jitter_ns : 0;
    }
    if (d->rate_bps > 0) {
        ph_ns *free_at = &s->links[link].dir[dir].free_at;
        ph_ns start = ph_max_ns(*free_at, s->now);
        if (start - s->now > QUEUE_MAX) {
            sim_packet_free(s, p);
            return;
        }
        *free_at = start + (p->len + OVERHEAD_BYTES) * 8 * PH_SEC / d->rate_bps;
        at += *free_at - s->now;
    }
    at = ph_max_ns(at, s->links[link].dir[dir].last);
    s->links[link].dir[dir].last = at;
    sim_packet_at(s, p, at);
}

void sim_originate(struct sim *s, size_t node, struct sim_packet *p)
{
    p->node = node;
    const struct layout_node *n = &s->layout.nodes[node];
    size_t iface = route(&s->layout, node, &p->dst);
    if (iface == NO_IFACE) {
        sim_packet_free(s, p);
        return;
    }
    if (ph_addr_is_any(&p->src)) {
        uint16_t port = p->src.port;
        p->src = n->ifs[iface].addr;
        p->src.port = port;
    }
    if (is_own(n, &p->dst)) {
        p->iface = iface;
        sim_packet_at(s, p, s->now);
        return;
    }
    send_on(s, p, iface);
}

static bool is_outside_address(const struct layout_node *n, const struct ph_addr *a)
{
    for (size_t i = 0; i < n->wan_count; i++) {
        if (ph_addr_ip_eq(&n->wan[i], a))
            return true;
    }
    return false;
}

/* From one port of a LAN to another: a switch, no router. */
static bool is_bridged(const struct layout_node *n, size_t in, size_t out)
{
    return n->ifs[in].port && n->ifs[out].port;
}

/* What a NAT does to a packet before it is routed. False: it goes no further. */
static bool arrive(struct sim *s, struct sim_packet *p, bool *hairpinned)
{
    const struct layout_node *n = &s->layout.nodes[p->node];
    struct sim_nat *nat = s->nats[p->node];
    bool dies = p->ttl <= 1;
    if (p->iface == n->wan_if)
        return sim_nat_inbound(nat, s->now, &p->src, &p->dst, dies);
    if (n->profile.mapping == NAT_MAPPING_NONE || !is_outside_address(n, &p->dst))
        return true;
    *hairpinned = true;
    return sim_nat_hairpin(nat, s->now, &p->src, &p->dst, dies);
}

void sim_forward(struct sim *s, struct sim_packet *p)
{
    const struct layout_node *n = &s->layout.nodes[p->node];
    bool is_nat = n->kind == LAYOUT_NAT;
    bool from_wan = is_nat && p->iface == n->wan_if;
    bool hairpinned = false;
    if (!from_wan && sim_router_take(s, p))
        return;
    if (is_nat && !arrive(s, p, &hairpinned)) {
        sim_packet_free(s, p);
        return;
    }
    if (is_own(n, &p->dst)) {
        sim_deliver(s, p);
        return;
    }
    size_t out = n->kind == LAYOUT_HOST ? NO_IFACE : route(&s->layout, p->node, &p->dst);
    bool leaves = is_nat && !from_wan && !hairpinned && out == n->wan_if;
    if (out == NO_IFACE ||
        (leaves && !sim_nat_outbound(s->nats[p->node], s->now, &p->src, &p->dst, p->ttl <= 1))) {
        sim_packet_free(s, p);
        return;
    }
    if (hairpinned || !is_bridged(n, p->iface, out)) {
        if (p->ttl <= 1) {
            sim_packet_free(s, p);
            return;
        }
        p->ttl--;
    }
    send_on(s, p, out);
}
