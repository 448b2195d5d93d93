/* IPv6 beside what a layout has of IPv4: nothing of it is translated, so every NAT is a router
 * here, and each LAN has a /64 of its site's /48:
 *
 *     2b0b:0:S:0::/64            a site's own link and further addresses, where 11.S.0.0 is its
 * block 2b0b:0:S:(100 + node)::/64 the LAN of a node 2b0b:0:N:W::/64            the W-th wire
 * between the routers of a network (a /126 of it)
 *
 * and the last byte of an IPv4 address is the last of the IPv6 one beside it. 2b00::/8 is global
 * unicast space that nobody has been given, for the reason that 11.0.0.0/8 is taken (layout.c). */
#include "lab/topo/layout_build.h"

#include <string.h>

#define LAN_FIRST 0x100u

const struct ph_nat64 layout_nat64 = {
    .prefix = {.family = PH_AF_V6, .ip = {0x00, 0x64, 0xff, 0x9b}}, .bits = 96};

bool layout_nat64_of(const struct layout *l, size_t node, struct ph_nat64 *out)
{
    const struct layout_node *n = &l->nodes[node];

    *out = n->nat64 && n->kind == LAYOUT_HOST ? layout_nat64 : (struct ph_nat64){0};
    return out->bits != 0;
}

static struct ph_addr v6(unsigned block, unsigned subnet, unsigned host)
{
    struct ph_addr a = {.family = PH_AF_V6, .ip = {0x2b, 0x0b}};

    a.ip[4] = (uint8_t)(block >> 8);
    a.ip[5] = (uint8_t)block;
    a.ip[6] = (uint8_t)(subnet >> 8);
    a.ip[7] = (uint8_t)subnet;
    a.ip[15] = (uint8_t)host;
    return a;
}

/* Of a wire between routers, or a router and a site: /30s of IPv4. */
static struct ph_addr beside_wire(const struct ph_addr *v4)
{
    return v6(v4->ip[1], ((unsigned)v4->ip[2] << 8 | v4->ip[3]) >> 2, v4->ip[3] & 3u);
}

static bool has_lan(const struct layout_node *n)
{
    return n->lan_if != SIZE_MAX;
}

/* The block of the site that a node belongs to. */
static unsigned site_of(const struct layout *l, size_t node)
{
    while (has_lan(&l->nodes[l->nodes[node].upstream])) {
        node = l->nodes[node].upstream;
    }
    return l->nodes[node].ifs[l->nodes[node].wan_if].addr.ip[1];
}

static size_t network_of(const struct layout_build *b, size_t node)
{
    size_t i = 0;

    while (b->l->nodes[node].upstream != SIZE_MAX) {
        node = b->l->nodes[node].upstream;
    }
    while (b->core[i] != node) {
        i++;
    }
    return i;
}

static unsigned lan_families(const struct layout_build *b, size_t node);

/* The families on the wire between a node and what is above it, as bits of enum topo_family. */
static unsigned uplink_families(const struct layout_build *b, size_t node)
{
    size_t up = b->l->nodes[node].upstream;

    if (up == SIZE_MAX || !has_lan(&b->l->nodes[up])) {
        enum topo_family family = b->spec->topology.networks[network_of(b, node)].family;

        return family == TOPO_FAMILY_UNSET ? TOPO_FAMILY_V4 : (unsigned)family;
    }
    return lan_families(b, up);
}

/* The families on the LAN of a NAT, a home NAT or an access router. Where several of a declared NAT
 * stand behind each other, what is declared is of the innermost one's. */
static unsigned lan_families(const struct layout_build *b, size_t node)
{
    const struct topology *t = &b->spec->topology;
    unsigned above = uplink_families(b, node);

    for (size_t i = 0; i < t->nat_count; i++) {
        size_t innermost = b->access_node[i] != SIZE_MAX ? b->access_node[i]
                           : b->home_node[i] != SIZE_MAX ? b->home_node[i]
                                                         : b->nat_node[i];
        enum topo_family family = t->nats[i].family;

        if (innermost != node || family == TOPO_FAMILY_UNSET) {
            continue;
        }
        return above & (family == TOPO_FAMILY_NAT64 ? TOPO_FAMILY_V6 : (unsigned)family);
    }
    return above;
}

static unsigned families_of(const struct layout_build *b, size_t node)
{
    unsigned families = uplink_families(b, node);

    if (b->l->nodes[node].kind == LAYOUT_HOST &&
        b->spec->topology.hosts[node].family != TOPO_FAMILY_UNSET) {
        families &= b->spec->topology.hosts[node].family;
    }
    return families;
}

static void add_route(struct layout_build *b, size_t node, const struct ph_addr *to,
                      unsigned prefix, const struct ph_addr *via, size_t iface)
{
    struct layout_node *n = &b->l->nodes[node];

    if (n->route_count == sizeof(n->routes) / sizeof(n->routes[0])) {
        b->full = true;
        return;
    }
    n->routes[n->route_count++] =
        (struct layout_route){.to = *to, .prefix = prefix, .via = *via, .iface = iface};
}

static void set_address(struct layout_node *n, size_t iface, struct ph_addr a, unsigned prefix)
{
    n->ifs[iface].addr6 = a;
    n->ifs[iface].prefix6 = prefix;
}

static size_t uplink_if(const struct layout_node *n)
{
    return n->wan_if != SIZE_MAX ? n->wan_if : 0; /* of an arm's router it is the first */
}

/* Both ends of the wire to what is above, and the default route. */
static void add_uplink(struct layout_build *b, size_t node)
{
    static const struct ph_addr any = {.family = PH_AF_V6};
    struct layout *l = b->l;
    struct layout_node *n = &l->nodes[node];
    struct layout_node *up = &l->nodes[n->upstream];
    size_t own = uplink_if(n);
    const struct layout_link *wire = &l->links[n->ifs[own].link];
    const struct ph_addr *v4 = &n->ifs[own].addr;
    size_t theirs = wire->iface[wire->node[0] == node ? 1 : 0];

    if (has_lan(up)) {
        unsigned subnet = LAN_FIRST + (unsigned)n->upstream;

        theirs = up->lan_if;
        set_address(n, own, v6(site_of(l, node), subnet, v4->ip[3]), 64);
        set_address(up, theirs, v6(site_of(l, node), subnet, 1), 64);
    } else {
        set_address(n, own, beside_wire(v4), 126);
        set_address(up, theirs, beside_wire(&up->ifs[theirs].addr), 126);
    }
    add_route(b, node, &any, 0, &up->ifs[theirs].addr6, own);
    if (n->kind == LAYOUT_HOST) {
        struct ph_addr beside = n->ifs[own].addr6;

        n->addr6_count = n->addr_count;
        for (size_t i = 0; i < n->addr_count; i++) {
            n->addrs6[i] = beside;
            n->addrs6[i].ip[15] = i == 0 ? beside.ip[15] : n->addrs[i].ip[3];
        }
    }
}

/* What lies behind a node, a whole site or one LAN, is routed to it by all those above. */
static void route_down(struct layout_build *b, size_t node, const struct ph_addr *to,
                       unsigned prefix, bool inside)
{
    struct layout *l = b->l;

    for (size_t child = node; l->nodes[child].upstream != SIZE_MAX;
         child = l->nodes[child].upstream) {
        const struct layout_node *c = &l->nodes[child];
        const struct layout_node *up = &l->nodes[c->upstream];
        const struct layout_link *wire = &l->links[c->ifs[uplink_if(c)].link];

        if (has_lan(up) != inside) {
            return;
        }
        add_route(b, c->upstream, to, prefix, &c->ifs[uplink_if(c)].addr6,
                  inside ? up->lan_if : wire->iface[wire->node[0] == child ? 1 : 0]);
    }
}

static void add_routes(struct layout_build *b, size_t node)
{
    struct layout *l = b->l;
    const struct layout_node *n = &l->nodes[node];
    bool site = n->upstream != SIZE_MAX && !has_lan(&l->nodes[n->upstream]) &&
                (n->kind != LAYOUT_ROUTER || has_lan(n));

    if (site) {
        struct ph_addr block = v6(site_of(l, node), 0, 0);

        route_down(b, node, &block, 48, false);
    }
    if (has_lan(n) && ph_addr_is_set(&n->ifs[n->lan_if].addr6)) {
        struct ph_addr lan = n->ifs[n->lan_if].addr6;

        lan.ip[15] = 0;
        route_down(b, node, &lan, 64, true);
    }
}

/* Its IPv4 address was planned, and the one of IPv6 made after it. */
static void drop_ipv4(struct layout_node *n)
{
    size_t kept = 0;

    n->ifs[n->wan_if].addr = (struct ph_addr){0};
    n->ifs[n->wan_if].prefix = 0;
    n->addr_count = 0;
    memset(n->addrs, 0, sizeof(n->addrs));
    for (size_t i = 0; i < n->route_count; i++) {
        if (n->routes[i].to.family != PH_AF_V4) {
            n->routes[kept++] = n->routes[i];
        }
    }
    n->route_count = kept;
}

/* The LAN of the translator's router has IPv6 alone; its IPv4 block is the translator's. */
static void set_translator(struct layout_build *b, size_t node)
{
    /* RFC 8215 and RFC 7335: for what a translator has to itself. The second of each is nobody's;
     * the frames to it are what the translator takes. */
    static const struct ph_addr own6 = {.family = PH_AF_V6,
                                        .ip = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01, [15] = 1}};
    struct ph_addr via6 = own6, own4 = ph_addr_v4(192, 0, 0, 1, 0), via4 = own4;
    struct layout_node *n = &b->l->nodes[node];
    size_t link = b->l->link_count;
    size_t six = layout_add_if(b, node, "xlat6", 0, 0);
    size_t four = layout_add_if(b, node, "xlat4", ph_addr_v4_get(&own4), 30);

    n->xlat_net = n->ifs[n->lan_if].addr;
    n->xlat_net.ip[3] = 0;
    n->ifs[n->lan_if].addr = (struct ph_addr){0};
    n->ifs[n->lan_if].prefix = 0;
    via6.ip[15] = via4.ip[3] = 2;
    set_address(n, six, own6, 126);
    layout_add_link(b, node, six, node, four);
    if (!b->full) {
        b->l->links[link].translates = true;
    }
    add_route(b, node, &layout_nat64.prefix, layout_nat64.bits, &via6, six);
    add_route(b, node, &n->xlat_net, 24, &via4, four);
}

struct ph_addr layout_translated(const struct layout *l, size_t node)
{
    const struct layout_node *n = &l->nodes[node];
    struct ph_addr a = {0};

    if (n->nat64 && n->kind == LAYOUT_HOST) {
        a = l->nodes[n->upstream].xlat_net;
        a.ip[3] = n->addrs6[0].ip[15];
    }
    return a;
}

bool layout_has_ipv6(const struct layout *l)
{
    for (size_t i = 0; i < l->node_count; i++) {
        for (size_t k = 0; k < l->nodes[i].if_count; k++) {
            if (ph_addr_is_set(&l->nodes[i].ifs[k].addr6)) {
                return true;
            }
        }
    }
    return false;
}

int layout_add_ipv6(struct layout_build *b)
{
    struct layout *l = b->l;

    for (size_t i = 0; i < l->node_count; i++) {
        if (l->nodes[i].upstream != SIZE_MAX && (families_of(b, i) & TOPO_FAMILY_V6) != 0) {
            add_uplink(b, i);
        }
    }
    for (size_t i = 0; i < l->node_count; i++) {
        if (l->nodes[i].upstream != SIZE_MAX && (families_of(b, i) & TOPO_FAMILY_V6) != 0) {
            add_routes(b, i);
        }
    }
    for (size_t i = 0; i < l->node_count; i++) {
        struct layout_node *n = &l->nodes[i];
        unsigned families = families_of(b, i);

        if (families == 0) {
            return lab_fail(b->err, LAB_USAGE,
                            "topology %s: %s has no address family that what is around it has too",
                            b->spec->topology.name, n->name);
        }
        if (n->kind == LAYOUT_HOST && (families & TOPO_FAMILY_V4) == 0) {
            n->nat64 = l->nodes[n->upstream].nat64;
            drop_ipv4(n);
        }
        if (n->kind == LAYOUT_ROUTER && n->nat64) {
            set_translator(b, i);
        }
    }
    return 0;
}
