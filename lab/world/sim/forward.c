#include "lab/world/sim/forward.h"

#include "lab/world/sim/link.h"
#include "lab/world/sim/private.h"
#include "lab/world/sim/router.h"

#include <string.h>

enum step {
    STEP_TAKEN, /* queued, delivered or gone */
    STEP_HERE,  /* it is at p->node now */
};

static enum step lose(struct sim *s, struct sim_packet *p)
{
    sim_packet_free(s, p);
    return STEP_TAKEN;
}

static bool tapped(struct sim *s, struct sim_packet *p)
{
    struct sim_tap_packet t = {p->node, p->src, p->dst, p->ttl, p->data, p->len};
    return s->tap(s->tap_user, &t) == SIM_DROP;
}

/* Over the node's link, and past what plain routers stand behind it. */
static enum step send_on(struct sim *s, struct sim_packet *p, const struct sim_way *w)
{
    /* A tap may send packets of its own, whose ways take the place of this one. */
    size_t link = w->link;
    int dir = w->dir;
    const struct layout_link *k = &s->layout.links[link];
    ph_ns at;
    if (s->tap && tapped(s, p))
        return lose(s, p);
    if (!sim_link_cross(s, link, dir, p->len, &at))
        return lose(s, p);
    if (s->tap) {
        p->node = k->node[1 - dir];
        p->iface = k->iface[1 - dir];
    } else {
        if (w->lost || p->ttl <= w->hops)
            return lose(s, p);
        p->ttl = (uint8_t)(p->ttl - w->hops);
        p->node = w->to_node;
        p->iface = w->to_iface;
        at += w->delay;
    }
    if (at <= s->now)
        return STEP_HERE;
    sim_packet_at(s, p, at);
    return STEP_TAKEN;
}

/* What a NAT does to a packet before it is routed. False: it goes no further. */
static bool enter_nat(struct sim *s, struct sim_packet *p, bool *hairpinned)
{
    const struct layout_node *n = &s->layout.nodes[p->node];
    struct sim_nat *nat = s->nats[p->node];
    bool dies = p->ttl <= 1;
    if (p->iface == n->wan_if)
        return sim_nat_inbound(nat, s->now, &p->src, &p->dst, dies);
    if (n->profile.mapping == NAT_MAPPING_NONE || !sim_way(s, p->node, &p->dst)->outside)
        return true;
    *hairpinned = true;
    return sim_nat_hairpin(nat, s->now, &p->src, &p->dst, dies);
}

/* What the firewall beside a NAT says of an IPv6 packet. */
static bool pass_firewall(struct sim *s, struct sim_packet *p, const struct sim_way *w)
{
    const struct layout_node *n = &s->layout.nodes[p->node];
    struct sim_firewall *f = s->firewalls[p->node];
    if (p->iface == n->wan_if)
        return w->own || sim_firewall_inbound(f, s->now, &p->src, &p->dst, p->ttl <= 1);
    return w->out != n->wan_if || sim_firewall_outbound(f, s->now, &p->src, &p->dst, p->ttl <= 1);
}

/* A translator between IPv6 and IPv4 (RFC 7915), which takes one from the hop limit as the routers
 * do that lead to it and away from it. False: it goes no further. */
static bool translate(const struct layout_node *n, struct sim_packet *p)
{
    const struct ph_addr *lan = &n->ifs[n->lan_if].addr6;
    struct ph_addr src = p->src, dst = p->dst;
    if (ph_nat64_extract(&layout_nat64, &dst, &p->dst)) {
        p->src = n->xlat_net;
        p->src.ip[3] = src.ip[15];
        p->src.port = src.port;
    } else if (dst.family == PH_AF_V4 && memcmp(dst.ip, n->xlat_net.ip, 3) == 0) {
        p->src = ph_nat64_embed(&layout_nat64, &src);
        p->dst = *lan;
        p->dst.ip[15] = dst.ip[3];
        p->dst.port = dst.port;
    } else {
        return true;
    }
    return p->ttl-- > 1;
}

static enum step forward(struct sim *s, struct sim_packet *p)
{
    const struct layout_node *n = &s->layout.nodes[p->node];
    bool is_nat = n->kind == LAYOUT_NAT;
    bool from_wan = is_nat && p->iface == n->wan_if;
    bool hairpinned = false;
    if (!from_wan && sim_router_take(s, p))
        return STEP_TAKEN;
    bool v6 = p->dst.family == PH_AF_V6;
    if (is_nat && !v6 && !enter_nat(s, p, &hairpinned))
        return lose(s, p);
    if (n->kind == LAYOUT_ROUTER && n->nat64 && !translate(n, p))
        return lose(s, p);
    const struct sim_way *w = sim_way(s, p->node, &p->dst);
    if (is_nat && v6 && !pass_firewall(s, p, w))
        return lose(s, p);
    if (w->own) {
        sim_deliver(s, p);
        return STEP_TAKEN;
    }
    if (n->kind == LAYOUT_HOST || w->out == SIM_NO_IFACE)
        return lose(s, p);
    if (is_nat && !v6 && !from_wan && !hairpinned && w->out == n->wan_if &&
        !sim_nat_outbound(s->nats[p->node], s->now, &p->src, &p->dst, p->ttl <= 1))
        return lose(s, p);
    if (hairpinned || !sim_is_bridged(n, p->iface, w->out)) {
        /* The chain `forwarding` sees what goes from LAN to LAN, too. */
        if (p->ttl <= 1 || (is_nat && sim_nat_blocks(s->nats[p->node])))
            return lose(s, p);
        p->ttl--;
    }
    return send_on(s, p, w);
}

void sim_arrive(struct sim *s, struct sim_packet *p)
{
    while (forward(s, p) == STEP_HERE)
        continue;
}

void sim_originate(struct sim *s, size_t node, struct sim_packet *p)
{
    const struct layout_node *n = &s->layout.nodes[node];
    const struct sim_way *w = sim_way(s, node, &p->dst);
    p->node = node;
    /* Nobody in here listens to IPv6 groups. */
    bool group = p->dst.family == PH_AF_V6 && sim_is_multicast(&p->dst);
    if (w->out == SIM_NO_IFACE || group || p->src.family != p->dst.family) {
        sim_packet_free(s, p);
        return;
    }
    if (ph_addr_is_any(&p->src)) {
        uint16_t port = p->src.port;
        p->src = p->dst.family == PH_AF_V6 ? n->ifs[w->out].addr6 : n->ifs[w->out].addr;
        p->src.port = port;
    }
    p->iface = w->out;
    if (s->trouble.any && sim_is_swallowed(s, p, node, false)) {
        sim_packet_free(s, p);
        return;
    }
    enum step step = w->own ? STEP_HERE : send_on(s, p, w);
    /* An endpoint is not called from inside a call of its own or of another's: what has come to
     * where it may be heard waits for the loop. */
    while (step == STEP_HERE && s->layout.nodes[p->node].kind != LAYOUT_HOST &&
           !sim_way(s, p->node, &p->dst)->own)
        step = forward(s, p);
    if (step == STEP_HERE)
        sim_packet_at(s, p, s->now);
}
