/* From a declaration to nodes, wires, addresses and routes.
 *
 * A network is a star with long arms: one core router, and for each site an arm of routers, so that
 * between any two sites lie at least `hops` of them; servers hang off the core itself. Every site
 * has a block of its own, routed to it as a whole:
 *
 *     core --- arm --- [site: NAT or host]      11.S.0.0/16
 *
 * 11.0.0.0/8 is public space that is not reserved for anything (RFC 6890), which matters: port
 * mapping servers refuse to work behind a WAN address out of RFC 1918, 100.64/10 or the test
 * networks. Nothing leaves the namespaces, so that it belongs to somebody does no harm.
 *
 * What lies inside a NAT that translates has a private block, 10.N.0.0/16, or 100.(64+N).0.0/16
 * (RFC 6598) where another NAT stands inside; a LAN is a /24 of it. A NAT that does not translate
 * (mapping none) is a router: its LAN is a /24 of the block that it stands in itself. */
#include "lab/topo/layout_build.h"
#include "portmap/portmap.h"

#include <stdio.h>
#include <string.h>

#define PUBLIC_BASE     0x0b000000u /* 11.0.0.0 */
#define PRIVATE_BASE    0x0a000000u /* 10.0.0.0 */
#define CARRIER_BASE    0x64400000u /* 100.64.0.0 */
#define SITES_MAX       62 /* of a network: 64 blocks of 16 bits, the first is the routers' */
#define MEMBERS_MAX     11 /* of a LAN, so that each has 16 further addresses below .240 */
#define FIRST_MEMBER    10
#define FURTHER_ADDRESS 64 /* of the first member of a LAN */
#define FURTHER_OF_SITE 16

/* A node gets its interface towards the internet, with its addresses. */
static size_t set_uplink(struct layout_build *b, size_t node, size_t upstream, size_t region,
                         uint32_t ip, unsigned prefix, uint32_t further, uint32_t gateway)
{
    struct layout_node *n = &b->l->nodes[node];
    size_t iface = layout_add_if(b, node, n->kind == LAYOUT_HOST ? "eth0" : "wan", ip, prefix);

    n->wan_if = iface;
    n->upstream = upstream;
    b->region_of[node] = region;
    layout_add_route(b, node, 0, 0, gateway, iface);
    if (n->kind == LAYOUT_HOST) {
        for (size_t i = 0; i < n->addr_count; i++) {
            n->addrs[i] = layout_v4(i == 0 ? ip : further + (uint32_t)i);
        }
    } else if (n->kind == LAYOUT_NAT) {
        for (size_t i = 0; i < n->wan_count; i++) {
            n->wan[i] = layout_v4(i == 0 ? ip : further + (uint32_t)i);
        }
    }
    return iface;
}

/* The LAN of a router that does not translate is reached through it, from everything above it that
 * stands in the same block. */
static void route_down(struct layout_build *b, size_t owner, size_t region, uint32_t lan)
{
    size_t child = owner, holder = b->regions[region].holder;

    while (child != holder) {
        const struct layout_node *c = &b->l->nodes[child];
        size_t parent = c->upstream;
        const struct layout_node *p = &b->l->nodes[parent];

        if (p->lan_if == SIZE_MAX) {
            return; /* a network's router: it routes the whole block */
        }
        layout_add_route(b, parent, lan, 24, ph_addr_v4_get(&c->ifs[c->wan_if].addr), p->lan_if);
        child = parent;
    }
}

static bool translates(const struct layout_node *n)
{
    return n->kind == LAYOUT_NAT && n->profile.mapping != NAT_MAPPING_NONE;
}

/* Opens the LAN of `owner` with these members on it. */
static void add_lan(struct layout_build *b, size_t owner, const size_t *members, size_t count)
{
    struct layout_node *o = &b->l->nodes[owner];
    size_t region = b->region_of[owner];
    uint32_t lan;

    if (b->full) {
        return;
    }
    if (translates(o)) {
        /* Carrier space where another NAT stands inside, also behind an access router. */
        bool carrier = false;
        for (size_t i = 0; i < count; i++) {
            const struct layout_node *m = &b->l->nodes[members[i]];
            carrier = carrier || translates(m) || m->kind == LAYOUT_ROUTER;
        }
        region = layout_add_region(
            b, (carrier ? CARRIER_BASE : PRIVATE_BASE) + ((uint32_t)owner << 16), owner);
    }
    lan = layout_take_lan(b, region);
    o->lan_if = layout_add_if(b, owner, "lan", lan + 1, 24);
    o->lan_net = layout_v4(translates(o) ? b->regions[region].base : lan);
    o->lan_net_prefix = translates(o) ? 16 : 24;
    if (!translates(o)) {
        route_down(b, owner, region, lan);
    }
    if (count > MEMBERS_MAX) {
        b->full = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t ip = lan + FIRST_MEMBER + (uint32_t)i;
        uint32_t further = lan + FURTHER_ADDRESS + 16 * (uint32_t)i;
        size_t iface = set_uplink(b, members[i], owner, region, ip, 24, further, lan + 1);
        size_t port = o->lan_if;

        if (count > 1) {
            char name[16];

            snprintf(name, sizeof(name), "lan%zu", i + 1);
            port = layout_add_if(b, owner, name, 0, 0);
            o->ifs[port].port = true;
        }
        layout_add_link(b, members[i], iface, owner, port);
    }
}

/* Everything inside a NAT whose outside is done. */
static int add_inside(struct layout_build *b, size_t nat)
{
    const struct topology *t = &b->spec->topology;
    size_t members[TOPO_HOSTS_MAX + TOPO_NATS_MAX], count = 0;
    size_t owner = b->nat_node[nat];

    b->attached[nat] = true;
    if (b->home_node[nat] != SIZE_MAX) {
        add_lan(b, owner, &b->home_node[nat], 1);
        owner = b->home_node[nat];
    }
    if (b->access_node[nat] != SIZE_MAX) {
        add_lan(b, owner, &b->access_node[nat], 1);
        owner = b->access_node[nat];
    }
    for (size_t i = 0; i < t->host_count; i++) {
        if (strcmp(t->hosts[i].inside, t->nats[nat].name) == 0) {
            members[count++] = i;
        }
    }
    for (size_t i = 0; i < t->nat_count; i++) {
        if (strcmp(t->nats[i].outside, t->nats[nat].name) == 0) {
            members[count++] = b->nat_node[i];
        }
    }
    if (count == 0) {
        return lab_fail(b->err, LAB_USAGE, "topology %s: nothing is inside NAT \"%s\"", t->name,
                        t->nats[nat].name);
    }
    add_lan(b, owner, members, count);
    for (size_t i = 0; i < t->nat_count; i++) {
        if (strcmp(t->nats[i].outside, t->nats[nat].name) == 0 && !b->full &&
            add_inside(b, i) != 0) {
            return -1;
        }
    }
    return 0;
}

static size_t add_router(struct layout_build *b, size_t network)
{
    return layout_add_node(b, LAYOUT_ROUTER, "%s.%u", b->spec->topology.networks[network].name,
                           ++b->routers[network]);
}

/* An arm's length: any two together, and the core, are `hops` routers or more; with just two sites
 * exactly that many. */
static unsigned arm_length(struct layout_build *b, size_t network)
{
    unsigned others = b->spec->topology.networks[network].hops - 1;

    return b->arms[network]++ == 1 ? others / 2 : (others + 1) / 2;
}

static void add_site(struct layout_build *b, size_t network, size_t node, bool server)
{
    uint32_t first = PUBLIC_BASE + ((uint32_t)network << 22);
    uint32_t block = first + ((b->sites[network] + 1) << 16);
    size_t at = b->core[network], iface;
    unsigned arm = server ? 0 : arm_length(b, network);

    if (b->sites[network]++ == SITES_MAX) {
        b->full = true;
        return;
    }
    for (unsigned i = 0; i < arm; i++) {
        size_t next = add_router(b, network);
        uint32_t wire = first + (b->wires[network]++ << 2);
        char name[16];
        size_t up, down;

        snprintf(name, sizeof(name), "eth%zu", b->l->nodes[at].if_count);
        up = layout_add_if(b, at, name, wire + 1, 30);
        down = layout_add_if(b, next, "eth0", wire + 2, 30);
        layout_add_link(b, next, down, at, up);
        layout_add_route(b, at, block, 16, wire + 2, up);
        layout_add_route(b, next, 0, 0, wire + 1, down);
        b->l->nodes[next].upstream = at;
        at = next;
    }
    {
        char name[16];
        size_t region = layout_add_region(b, block, SIZE_MAX);

        /* The site's first /24 numbers its own link and further addresses. */
        b->regions[region].next = 1;
        snprintf(name, sizeof(name), "eth%zu", b->l->nodes[at].if_count);
        iface = layout_add_if(b, at, name, block + 1, 30);
        layout_add_route(b, at, block, 16, block + 2, iface);
        layout_add_link(
            b, node,
            set_uplink(b, node, at, region, block + 2, 30, block + FURTHER_OF_SITE, block + 1), at,
            iface);
    }
}

static size_t network_named(const struct topology *t, const char *name)
{
    for (size_t i = 0; i < t->network_count; i++) {
        if (strcmp(t->networks[i].name, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void add_hosts(struct layout_build *b)
{
    const struct topology *t = &b->spec->topology;

    for (size_t i = 0; i < t->host_count; i++) {
        struct layout_node *n =
            &b->l->nodes[layout_add_node(b, LAYOUT_HOST, "%s", t->hosts[i].name)];

        n->runs = t->hosts[i].runs;
        n->addr_count = t->hosts[i].addresses;
    }
}

/* A NAT's router speaks what the spec says, whatever its profile does. */
static int set_port_mapping(const struct layout_build *b, size_t nat, struct nat_profile *p)
{
    const char *fault = b->spec->routers[nat].fault;
    unsigned protocols = b->spec->routers[nat].protocols;

    if (!b->spec->routers[nat].set) {
        return 0;
    }
    if (p->mapping == NAT_MAPPING_NONE && protocols != 0) {
        return lab_fail(b->err, LAB_USAGE,
                        "profile %s does not translate, so its router has no ports to map; exclude "
                        "it, or let it have none",
                        p->name);
    }
    p->port_mapping.pcp = (protocols & 1u << PH_PORTMAP_PCP) != 0;
    p->port_mapping.nat_pmp = (protocols & 1u << PH_PORTMAP_NATPMP) != 0;
    p->port_mapping.upnp = (protocols & 1u << PH_PORTMAP_UPNP) != 0;
    p->port_mapping.fault_count = fault[0] != '\0' ? 1 : 0;
    snprintf(p->port_mapping.faults[0], sizeof(p->port_mapping.faults[0]), "%s", fault);
    return nat_profile_validate(p, b->err);
}

static int add_home(struct layout_build *b, size_t nat)
{
    const struct nat_profile *outer = &b->spec->profiles[nat];
    struct layout_node *n;

    b->home_node[nat] = layout_add_node(b, LAYOUT_NAT, "%s.home", b->spec->topology.nats[nat].name);
    n = &b->l->nodes[b->home_node[nat]];
    if (nat_profile_find(outer->inside, &n->profile, b->err) != 0) {
        return -1;
    }
    if (n->profile.inside[0] != '\0') {
        return lab_fail(b->err, LAB_USAGE, "profile %s: its inside NAT %s has one inside itself",
                        outer->name, outer->inside);
    }
    if (b->spec->gateway_set) {
        n->profile.gateway = b->spec->gateway;
    }
    if (set_port_mapping(b, nat, &n->profile) != 0) {
        return -1;
    }
    n->nat = nat;
    n->home = true;
    n->wan_count = n->profile.pool.addresses;
    return 0;
}

/* The customers of a carrier do not stand on its NAT's own wire: routers lie between. Without one,
 * a packet that was meant to die just past the carrier's NAT would be turned round there and reach
 * the neighbour's home router. */
static bool needs_access(const struct world_spec *spec, size_t nat)
{
    for (size_t i = 0; i < spec->topology.nat_count; i++) {
        if (strcmp(spec->topology.nats[i].outside, spec->topology.nats[nat].name) == 0 &&
            spec->profiles[i].mapping != NAT_MAPPING_NONE) {
            return true;
        }
    }
    return false;
}

static int add_nats(struct layout_build *b)
{
    const struct topology *t = &b->spec->topology;

    for (size_t i = 0; i < t->nat_count; i++) {
        struct layout_node *n;

        b->nat_node[i] = layout_add_node(b, LAYOUT_NAT, "%s.nat", t->nats[i].name);
        b->home_node[i] = b->access_node[i] = SIZE_MAX;
        n = &b->l->nodes[b->nat_node[i]];
        n->profile = b->spec->profiles[i];
        n->nat = i;
        n->wan_count = n->profile.pool.addresses;
        if (n->wan_count == 0 || n->wan_count > sizeof(n->wan) / sizeof(n->wan[0])) {
            return lab_fail(b->err, LAB_USAGE, "profile %s: a pool of %zu addresses; 1 to %zu fit",
                            n->profile.name, n->wan_count, sizeof(n->wan) / sizeof(n->wan[0]));
        }
        if (n->profile.inside[0] != '\0' ? add_home(b, i) != 0
                                         : set_port_mapping(b, i, &n->profile) != 0) {
            return -1;
        }
        bool nat64 = t->nats[i].family == TOPO_FAMILY_NAT64;
        if (nat64 || needs_access(b->spec, i)) {
            b->access_node[i] = layout_add_node(b, LAYOUT_ROUTER, nat64 ? "%s.nat64" : "%s.access",
                                                t->nats[i].name);
            b->l->nodes[b->access_node[i]].nat64 = nat64;
        }
    }
    return 0;
}

static int add_sites(struct layout_build *b)
{
    const struct topology *t = &b->spec->topology;

    for (size_t i = 0; i < t->network_count; i++) {
        b->core[i] = add_router(b, i);
    }
    for (size_t i = 0; i < t->nat_count; i++) {
        size_t network = network_named(t, t->nats[i].outside);

        if (network != SIZE_MAX) {
            add_site(b, network, b->nat_node[i], false);
            if (!b->full && add_inside(b, i) != 0) {
                return -1;
            }
        }
    }
    for (size_t i = 0; i < t->host_count; i++) {
        size_t network = network_named(t, t->hosts[i].on);

        if (network != SIZE_MAX) {
            add_site(b, network, i,
                     t->hosts[i].runs == TOPO_RUNS_RELAY || t->hosts[i].runs == TOPO_RUNS_STUN);
        } else if (t->hosts[i].inside[0] == '\0') {
            return lab_fail(b->err, LAB_USAGE, "topology %s: host \"%s\" is on no network", t->name,
                            t->hosts[i].name);
        }
    }
    return 0;
}

static int check_complete(const struct layout_build *b)
{
    const struct topology *t = &b->spec->topology;

    if (b->full) {
        return lab_fail(b->err, LAB_USAGE,
                        "topology %s is too large: %d nodes, %d wires, %d interfaces of a node and "
                        "%d members of a LAN fit",
                        t->name, LAYOUT_NODES_MAX, LAYOUT_LINKS_MAX, LAYOUT_IFS_MAX, MEMBERS_MAX);
    }
    for (size_t i = 0; i < t->nat_count; i++) {
        if (!b->attached[i]) {
            return lab_fail(b->err, LAB_USAGE,
                            "topology %s: outside of NAT \"%s\" no network is reached", t->name,
                            t->nats[i].name);
        }
    }
    for (size_t i = 0; i < t->host_count; i++) {
        if (b->l->nodes[i].upstream == SIZE_MAX) {
            return lab_fail(b->err, LAB_USAGE, "topology %s: host \"%s\" is inside of nothing",
                            t->name, t->hosts[i].name);
        }
    }
    return 0;
}

int layout_compute(const struct world_spec *spec, struct layout *out, struct lab_error *err)
{
    struct layout_build b = {.spec = spec, .l = out, .err = err};

    memset(out, 0, sizeof(*out));
    out->seed = spec->seed;
    add_hosts(&b);
    if (add_nats(&b) != 0 || add_sites(&b) != 0 || check_complete(&b) != 0 ||
        layout_add_ipv6(&b) != 0 || check_complete(&b) != 0) {
        return -1;
    }
    return layout_apply_links(&spec->topology, out, err);
}
