#include "lab/world/gateways.h"

#include "lab/world/kernel_private.h"

#include <string.h>

static bool is_link_local(const struct ph_addr *a)
{
    if (a->family == PH_AF_V4) {
        return a->ip[0] == 169 && a->ip[1] == 254;
    }
    return a->family == PH_AF_V6 && a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

/* The address that the interface itself bears, or of the node's own ones the first of that family
 * (an interface has room for one alone). */
static struct ph_addr local_for(const struct layout_node *n, const struct layout_route *route)
{
    const struct layout_if *f = &n->ifs[route->iface];
    const struct ph_addr *own = route->via.family == f->addr.family ? &f->addr : &f->addr6;

    if (own->family == route->via.family && !is_link_local(own)) {
        return *own;
    }
    for (size_t i = 0; i < n->addr_count; i++) {
        if (n->addrs[i].family == route->via.family && !is_link_local(&n->addrs[i])) {
            return n->addrs[i];
        }
    }
    return (struct ph_addr){0};
}

static size_t of_family(const struct layout_node *n, enum ph_family family, struct ph_gateway *out,
                        size_t cap)
{
    size_t count = 0;

    for (size_t i = 0; i < n->route_count && count < cap; i++) {
        const struct layout_route *route = &n->routes[i];

        if (route->prefix != 0 || route->via.family != family) {
            continue;
        }
        out[count] = (struct ph_gateway){
            .gateway = route->via,
            .local = local_for(n, route),
            .scope = (uint32_t)kernel_if_index(route->iface),
        };
        out[count].gateway.port = 0;
        out[count].local.port = 0;
        memcpy(out[count].interface, n->ifs[route->iface].name, sizeof(out[count].interface));
        count++;
    }
    return count;
}

size_t world_gateways(const struct layout *l, size_t node, struct ph_gateway *out, size_t cap)
{
    size_t n = of_family(&l->nodes[node], PH_AF_V4, out, cap);

    return n + of_family(&l->nodes[node], PH_AF_V6, out + n, cap - n);
}
