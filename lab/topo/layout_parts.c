/* Nodes, interfaces, wires, routes and blocks of addresses, each with its cap. */
#include "lab/topo/layout_build.h"

#include <stdarg.h>
#include <stdio.h>

struct ph_addr layout_v4(uint32_t ip)
{
    return ph_addr_v4_u32(ip, 0);
}

size_t layout_add_node(struct layout_build *b, enum layout_kind kind, const char *fmt, ...)
{
    struct layout *l = b->l;
    struct layout_node *n;
    va_list ap;

    if (l->node_count == LAYOUT_NODES_MAX) {
        b->full = true;
        return LAYOUT_NODES_MAX - 1;
    }
    n = &l->nodes[l->node_count];
    va_start(ap, fmt);
    vsnprintf(n->name, sizeof(n->name), fmt, ap);
    va_end(ap);
    n->kind = kind;
    n->wan_if = n->lan_if = n->upstream = n->nat = SIZE_MAX;
    return l->node_count++;
}

size_t layout_add_if(struct layout_build *b, size_t node, const char *name, uint32_t ip,
                     unsigned prefix)
{
    struct layout_node *n = &b->l->nodes[node];
    struct layout_if *f;

    if (n->if_count == LAYOUT_IFS_MAX) {
        b->full = true;
        return LAYOUT_IFS_MAX - 1;
    }
    f = &n->ifs[n->if_count];
    snprintf(f->name, sizeof(f->name), "%s", name);
    f->addr = ip != 0 ? layout_v4(ip) : (struct ph_addr){0};
    f->prefix = prefix;
    f->link = SIZE_MAX;
    return n->if_count++;
}

void layout_add_link(struct layout_build *b, size_t lower, size_t lower_if, size_t upper,
                     size_t upper_if)
{
    struct layout *l = b->l;
    struct layout_link *w;

    if (l->link_count == LAYOUT_LINKS_MAX) {
        b->full = true;
        return;
    }
    w = &l->links[l->link_count];
    w->node[0] = lower;
    w->iface[0] = lower_if;
    w->node[1] = upper;
    w->iface[1] = upper_if;
    l->nodes[lower].ifs[lower_if].link = l->link_count;
    l->nodes[upper].ifs[upper_if].link = l->link_count;
    l->link_count++;
}

void layout_add_route(struct layout_build *b, size_t node, uint32_t to, unsigned prefix,
                      uint32_t via, size_t iface)
{
    struct layout_node *n = &b->l->nodes[node];

    if (n->route_count == sizeof(n->routes) / sizeof(n->routes[0])) {
        b->full = true;
        return;
    }
    n->routes[n->route_count++] = (struct layout_route){
        .to = layout_v4(to), .prefix = prefix, .via = layout_v4(via), .iface = iface};
}

size_t layout_add_region(struct layout_build *b, uint32_t base, size_t holder)
{
    if (b->region_count == LAYOUT_REGIONS_MAX) {
        b->full = true;
        return LAYOUT_REGIONS_MAX - 1;
    }
    b->regions[b->region_count] = (struct layout_region){.base = base, .holder = holder};
    return b->region_count++;
}

uint32_t layout_take_lan(struct layout_build *b, size_t region)
{
    struct layout_region *r = &b->regions[region];

    if (r->next == 256) {
        b->full = true;
        return r->base;
    }
    return r->base + (r->next++ << 8);
}
