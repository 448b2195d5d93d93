/* The lab half of the kernel world: building, switching links on, putting back in order. */
#include "lab/net/netns.h"
#include "lab/world/kernel_private.h"
#include "lab/world/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_INNER_INDEX 16

/* What a namespace starts with depends on the machine; asked once, in the shaper's. */
static int look_around(struct kernel_lab *lab, struct lab_error *err)
{
    long value = 0;
    int rc = -1;

    if (netns_enter(shaper_netns(lab->shaper), err) != 0) {
        return -1;
    }
    if (rtnl_open(&lab->rtnl, err) == 0) {
        lab->ipv6 = netns_sysctl_get("net/ipv6/conf/all/disable_ipv6", &value) == 0;
        lab->ipv6_off = lab->ipv6 && value != 0;
        lab->rp_filter = netns_sysctl_get("net/ipv4/conf/all/rp_filter", &value) == 0 && value != 0;
        lab->bridge_nft = netns_sysctl_get("net/bridge/bridge-nf-call-iptables", &value) == 0;
        rc = 0;
    }
    return netns_enter(lab->home, err) != 0 ? -1 : rc;
}

int kernel_lab_open(struct kernel_lab **out, struct lab_error *err)
{
    struct kernel_lab *lab = calloc(1, sizeof(*lab));

    *out = NULL;
    if (lab == NULL) {
        return lab_fail(err, LAB_BROKEN, "out of memory");
    }
    lab->next_index = FIRST_INNER_INDEX;
    lab->home = netns_here(err);
    if (lab->home < 0 || shaper_start(&lab->shaper, err) != 0 || look_around(lab, err) != 0) {
        kernel_lab_close(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

void kernel_lab_close(struct kernel_lab *lab)
{
    if (lab == NULL) {
        return;
    }
    rtnl_close(lab->rtnl);
    shaper_stop(lab->shaper);
    if (lab->home >= 0) {
        close(lab->home);
    }
    free(lab);
}

/* Before there are devices, which begin as the namespace says. */
static int set_ipv6(const struct kernel_lab *lab, const struct layout_node *n,
                    struct lab_error *err)
{
    if (lab->ipv6_off && (netns_sysctl("net/ipv6/conf/all/disable_ipv6", "0", err) != 0 ||
                          netns_sysctl("net/ipv6/conf/default/disable_ipv6", "0", err) != 0)) {
        return -1;
    }
    return n->kind == LAYOUT_HOST ? 0 : netns_sysctl("net/ipv6/conf/all/forwarding", "1", err);
}

static int set_sysctls(const struct kernel_lab *lab, const struct layout_node *n, bool ipv6,
                       struct lab_error *err)
{
    if (ipv6 && set_ipv6(lab, n, err) != 0) {
        return -1;
    }
    if (lab->rp_filter && netns_sysctl("net/ipv4/conf/all/rp_filter", "0", err) != 0) {
        return -1;
    }
    for (size_t i = 0; lab->bridge_nft && i < n->if_count; i++) {
        if (n->ifs[i].port) {
            return netns_sysctl("net/bridge/bridge-nf-call-iptables", "0", err);
        }
    }
    return 0;
}

/* A namespace and a netlink socket in it for each node. The thread ends up back at home. */
static int make_namespaces(struct kernel_world *w, struct rtnl **rtnl, struct lab_error *err)
{
    bool ipv6 = layout_has_ipv6(&w->layout);
    int rc = 0;

    if (ipv6 && !w->lab->ipv6) {
        return lab_fail(err, LAB_CANNOT,
                        "this kernel has no IPv6 (ipv6.disable=1 on its command line?), and the "
                        "world wants it: boot without that, or run it with --world sim");
    }
    for (size_t i = 0; i < w->layout.node_count && rc == 0; i++) {
        w->fds[i] = netns_new(err);
        if (w->fds[i] < 0 || rtnl_open(&rtnl[i], err) != 0 ||
            set_sysctls(w->lab, &w->layout.nodes[i], ipv6, err) != 0) {
            rc = -1;
        }
    }
    return netns_enter(w->lab->home, err) != 0 ? -1 : rc;
}

static void node_end(const struct kernel_world *w, size_t node, size_t iface, struct rtnl_end *out)
{
    out->netns_fd = w->fds[node];
    out->index = kernel_if_index(iface);
    out->name = w->layout.nodes[node].ifs[iface].name;
    kernel_mac(node, iface, out->mac);
}

/* A shaped wire is two veth pairs that meet in the shaper's namespace. */
static void add_shaped(struct kernel_world *w, size_t link, const struct rtnl_end ends[2])
{
    struct kernel_lab *lab = w->lab;

    w->inner[link] = lab->next_index;
    for (int side = 0; side < 2; side++) {
        struct rtnl_end inner = {.netns_fd = shaper_netns(lab->shaper)};
        char name[16];

        inner.index = lab->next_index++;
        snprintf(name, sizeof(name), "s%d", inner.index);
        inner.name = name;
        memcpy(inner.mac, ends[side].mac, sizeof(inner.mac));
        inner.mac[3] = 's'; /* it never sends, but two ends must not be the same */
        rtnl_veth(lab->rtnl, &ends[side], &inner);
        if (lab->ipv6) {
            rtnl_quiet_ipv6(lab->rtnl, inner.index);
        }
        rtnl_up(lab->rtnl, inner.index, false);
    }
}

static bool in_shaper(const struct layout_link *link)
{
    return link->shaped || link->translates;
}

/* The wire whose two ends are one router's: the translator of a NAT64. */
static int translate(struct kernel_world *w, size_t link, struct lab_error *err)
{
    const struct layout_node *n = &w->layout.nodes[w->layout.links[link].node[0]];
    struct translator translator = {
        .nat64 = layout_nat64, .lan6 = n->ifs[n->lan_if].addr6, .net4 = n->xlat_net};

    return shaper_link_translate(w->lab->shaper, w->inner[link], &translator, err);
}

static int make_wires(struct kernel_world *w, struct lab_error *err)
{
    const struct layout *l = &w->layout;

    for (size_t i = 0; i < l->link_count; i++) {
        const struct layout_link *link = &l->links[i];
        struct rtnl_end ends[2];

        for (int side = 0; side < 2; side++) {
            node_end(w, link->node[side], link->iface[side], &ends[side]);
        }
        if (in_shaper(link)) {
            add_shaped(w, i, ends);
        } else {
            rtnl_veth(w->lab->rtnl, &ends[0], &ends[1]);
        }
    }
    if (rtnl_commit(w->lab->rtnl, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < l->link_count; i++) {
        if (!in_shaper(&l->links[i])) {
            continue;
        }
        if (shaper_link_add(w->lab->shaper, w->id, w->inner[i], w->inner[i] + 1, err) != 0 ||
            (l->links[i].translates && translate(w, i, err) != 0)) {
            return -1;
        }
        w->shaped = true;
    }
    return 0;
}

/* What enters the shaper must be complete frames. */
static int complete_frames(const struct kernel_world *w, struct rtnl *const *rtnl,
                           struct lab_error *err)
{
    for (size_t i = 0; i < w->layout.link_count; i++) {
        const struct layout_link *link = &w->layout.links[i];

        for (int side = 0; in_shaper(link) && side < 2; side++) {
            size_t node = link->node[side];

            if (rtnl_offloads_off(rtnl[node], w->layout.nodes[node].ifs[link->iface[side]].name,
                                  err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int wait_ready(const struct layout_node *n, struct rtnl *rtnl, struct lab_error *err)
{
    int indexes[LAYOUT_IFS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < n->if_count; i++) {
        if (n->ifs[i].link != SIZE_MAX) {
            indexes[count++] = kernel_if_index(i);
        }
    }
    for (size_t i = 0; i < n->if_count; i++) {
        if (n->ifs[i].link == SIZE_MAX) {
            indexes[count++] = kernel_if_index(i);
        }
    }
    return rtnl_wait_ready(rtnl, indexes, count, err);
}

/* The addresses of IPv6, which come up behind our back. */
static int wait_addresses(const struct layout_node *n, struct rtnl *rtnl, struct lab_error *err)
{
    for (size_t i = 0; i < n->if_count; i++) {
        if (ph_addr_is_set(&n->ifs[i].addr6) &&
            rtnl_wait_address(rtnl, &n->ifs[i].addr6, err) != 0) {
            return -1;
        }
    }
    for (size_t i = 1; i < n->addr6_count; i++) {
        if (rtnl_wait_address(rtnl, &n->addrs6[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int configure(struct kernel_world *w, struct rtnl *const *rtnl, struct lab_error *err)
{
    if (complete_frames(w, rtnl, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < w->layout.node_count; i++) {
        kernel_node_configure(&w->layout, i, w->lab->ipv6, rtnl[i]);
        if (rtnl_commit(rtnl[i], err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < w->layout.node_count; i++) {
        if (wait_ready(&w->layout.nodes[i], rtnl[i], err) != 0 ||
            wait_addresses(&w->layout.nodes[i], rtnl[i], err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < w->layout.node_count; i++) {
        const struct layout_node *n = &w->layout.nodes[i];
        struct nat_site site;

        if (n->kind != LAYOUT_NAT) {
            continue;
        }
        world_nat_site(&w->layout, i, &site);
        if (nat_apply(w->fds[i], &n->profile, &site, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int kernel_world_build(struct kernel_lab *lab, const struct layout *layout,
                       struct kernel_world **out, struct lab_error *err)
{
    struct kernel_world *w = calloc(1, sizeof(*w));
    struct rtnl *rtnl[LAYOUT_NODES_MAX] = {NULL};
    int rc = -1;

    *out = NULL;
    if (w == NULL) {
        return lab_fail(err, LAB_BROKEN, "out of memory");
    }
    w->lab = lab;
    w->layout = *layout;
    w->id = ++lab->next_world;
    for (size_t i = 0; i < LAYOUT_NODES_MAX; i++) {
        w->fds[i] = -1;
    }
    if (make_namespaces(w, rtnl, err) == 0 && make_wires(w, err) == 0 &&
        configure(w, rtnl, err) == 0 && kernel_routers_start(w, err) == 0) {
        rc = 0;
    }
    for (size_t i = 0; i < LAYOUT_NODES_MAX; i++) {
        rtnl_close(rtnl[i]);
    }
    if (rc != 0) {
        kernel_world_free(w);
        return -1;
    }
    *out = w;
    return 0;
}

/* Devices are never deleted one by one, which would wait for RCU each time: they go when the kernel
 * takes the namespaces down, behind our back. */
void kernel_world_free(struct kernel_world *w)
{
    if (w == NULL) {
        return;
    }
    kernel_routers_stop(w);
    if (w->shaped) {
        (void)shaper_world_remove(w->lab->shaper, w->id, NULL);
    }
    for (size_t i = 0; i < LAYOUT_NODES_MAX; i++) {
        if (w->fds[i] >= 0) {
            close(w->fds[i]);
        }
    }
    free(w);
}

const struct layout *kernel_world_layout(const struct kernel_world *w)
{
    return &w->layout;
}

int kernel_world_netns(const struct kernel_world *w, size_t node)
{
    return w->fds[node];
}

int kernel_world_links_on(struct kernel_world *w, uint64_t seed, struct lab_error *err)
{
    struct shaper_link links[LAYOUT_LINKS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < w->layout.link_count; i++) {
        if (w->layout.links[i].shaped) {
            links[n++] =
                (struct shaper_link){.if_a = w->inner[i], .params = w->layout.links[i].params};
        }
    }
    return n == 0 ? 0 : shaper_world_set(w->lab->shaper, w->id, links, n, seed, err);
}

int kernel_world_reset(struct kernel_world *w, uint64_t seed, struct lab_error *err)
{
    if (kernel_world_calm(w, err) != 0 || kernel_routers_flush(w, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < w->layout.node_count; i++) {
        const struct layout_node *n = &w->layout.nodes[i];

        if (n->kind == LAYOUT_NAT && nat_flush(w->fds[i], &n->profile, err) != 0) {
            return -1;
        }
    }
    return w->shaped ? shaper_world_reset(w->lab->shaper, w->id, seed, err) : 0;
}

int kernel_world_lateness(struct kernel_world *w, ph_ns *worst, uint64_t *packets,
                          struct lab_error *err)
{
    *worst = 0;
    *packets = 0;
    return w->shaped ? shaper_world_stats(w->lab->shaper, w->id, worst, packets, err) : 0;
}

int kernel_world_drops(struct kernel_world *w, struct link_drops *out, struct lab_error *err)
{
    *out = (struct link_drops){0};
    return w->shaped ? shaper_world_drops(w->lab->shaper, w->id, out, err) : 0;
}
