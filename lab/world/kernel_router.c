/* The port-mapping servers of a world's routers. */
#include "lab/net/nft.h"
#include "lab/world/kernel_private.h"

static void find_site(const struct kernel_world *w, size_t node, struct router_site *out)
{
    const struct layout_node *n = &w->layout.nodes[node];

    *out = (struct router_site){.netns_fd = w->fds[node],
                                .name = n->name,
                                .wan_if = n->ifs[n->wan_if].name,
                                .lan_if = n->ifs[n->lan_if].name,
                                .wan = n->wan[0],
                                .lan = n->ifs[n->lan_if].addr,
                                .lan_prefix = n->ifs[n->lan_if].prefix};
}

int kernel_routers_start(struct kernel_world *w, struct lab_error *err)
{
    for (size_t i = 0; i < w->layout.node_count; i++) {
        const struct layout_node *n = &w->layout.nodes[i];
        struct router_site site;

        if (n->kind != LAYOUT_NAT || !router_wanted(&n->profile)) {
            continue;
        }
        find_site(w, i, &site);
        if (router_start(&n->profile, &site, &w->routers[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* The table that a server's mappings stand in; a new one makes it anew. */
static const char forget_mappings[] = "table inet pinhole_map\ndelete table inet pinhole_map\n"
                                      "table ip pinhole_map\ndelete table ip pinhole_map\n";

int kernel_router_restart(struct kernel_world *w, size_t node, struct lab_error *err)
{
    struct router_site site;

    if (w->routers[node] == NULL) {
        return 0;
    }
    router_stop(w->routers[node]);
    w->routers[node] = NULL;
    if (nft_run(w->fds[node], forget_mappings, NULL, err) != 0) {
        return -1;
    }
    find_site(w, node, &site);
    return router_start(&w->layout.nodes[node].profile, &site, &w->routers[node], err);
}

int kernel_routers_flush(struct kernel_world *w, struct lab_error *err)
{
    for (size_t i = 0; i < w->layout.node_count; i++) {
        if (w->routers[i] != NULL && router_flush(w->routers[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

void kernel_routers_stop(struct kernel_world *w)
{
    for (size_t i = 0; i < LAYOUT_NODES_MAX; i++) {
        router_stop(w->routers[i]);
        w->routers[i] = NULL;
    }
}

int kernel_world_mappings(struct kernel_world *w, size_t *count, struct lab_error *err)
{
    *count = 0;
    for (size_t i = 0; i < w->layout.node_count; i++) {
        size_t held;

        if (w->routers[i] == NULL) {
            continue;
        }
        if (router_mappings(w->routers[i], &held, err) != 0) {
            return -1;
        }
        *count += held;
    }
    return 0;
}
