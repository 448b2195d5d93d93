/* Where the other addresses lie: a site's in its own first /24, whose low 64 addresses layout.c
 * gives out; a LAN's members between that one's first ones and further ones. */
#include "lab/topo/renumber.h"

#define OF_SITE         64u
#define OF_LAN          11u /* as many members as a LAN has room for */
#define SITE_PREFIX     30  /* as layout.c has it; a later turn's address is outside of that /30 */
#define FURTHER_PREFIX  24
#define SITE_PREFIX6    126 /* as layout_v6.c has it */
#define FURTHER_PREFIX6 64

static void move(struct ph_addr *a, int by)
{
    if (a->family == PH_AF_V4)
        *a = ph_addr_v4_u32((uint32_t)((int64_t)ph_addr_v4_get(a) + by), a->port);
}

/* The last byte of a host's IPv6 address is that of the IPv4 address beside it (layout_v6.c), and
 * goes with it; a NAT's is nobody's to see. */
static void move_v6(struct layout_node *n, bool lan, int by, unsigned to)
{
    size_t count = lan && n->addr6_count > 1 ? 1 : n->addr6_count;
    if (n->kind != LAYOUT_HOST || count == 0)
        return;
    if (!lan)
        n->ifs[n->wan_if].prefix6 = to == 0 ? SITE_PREFIX6 : FURTHER_PREFIX6;
    n->ifs[n->wan_if].addr6.ip[15] = (uint8_t)(n->ifs[n->wan_if].addr6.ip[15] + by);
    for (size_t i = 0; i < count; i++)
        n->addrs6[i].ip[15] = (uint8_t)(n->addrs6[i].ip[15] + by);
}

void layout_renumber(struct layout *l, size_t node, unsigned from, unsigned to)
{
    struct layout_node *n = &l->nodes[node];
    struct layout_if *uplink = &n->ifs[n->wan_if];
    bool lan = l->nodes[n->upstream].lan_if != SIZE_MAX;
    int by = ((int)to - (int)from) * (int)(lan ? OF_LAN : OF_SITE);
    struct ph_addr old = uplink->addr;
    /* A member's further addresses on a LAN stay: there is no room for others. */
    size_t addrs = lan && n->addr_count > 1 ? 1 : n->addr_count;
    size_t wans = lan && n->wan_count > 1 ? 1 : n->wan_count;
    struct ph_addr old6 = uplink->addr6;
    move(&uplink->addr, by);
    move_v6(n, lan, by, to);
    if (!lan)
        uplink->prefix = to == 0 ? SITE_PREFIX : FURTHER_PREFIX;
    for (size_t i = 0; i < addrs; i++)
        move(&n->addrs[i], by);
    for (size_t i = 0; i < wans; i++)
        move(&n->wan[i], by);
    for (size_t i = 0; i < l->node_count; i++)
        for (size_t k = 0; k < l->nodes[i].route_count; k++)
            if (ph_addr_is_set(&old) && ph_addr_ip_eq(&l->nodes[i].routes[k].via, &old))
                l->nodes[i].routes[k].via = uplink->addr;
            else if (ph_addr_is_set(&old6) && ph_addr_ip_eq(&l->nodes[i].routes[k].via, &old6))
                l->nodes[i].routes[k].via = uplink->addr6;
}
