/* Proof of every NAT of a world, before its links are on.
 *
 * A NAT is probed by a host inside it and from just outside: from the servers of the internet where
 * it is the outermost, else from the router above it, so that no other NAT stands between. What the
 * probes need beyond the layout's addresses is added for the time of the check and taken away. */
#include "lab/net/netns.h"
#include "lab/world/kernel_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUTSIDE_MIN     3 /* addresses, for nat_check */
#define OUTSIDE_ADDED   4
#define SECOND_HOST     250 /* in the last byte; members of a LAN stay below .240 */
#define OUTSIDE_OF_LAN  251
#define CORE_FURTHER    0x0b3fff00u /* 11.63.255.0, in the last block of the first network */
#define PROBE_ADDED_MAX (OUTSIDE_ADDED + 1)

/* An address that was added for the time of the check. */
struct added {
    size_t node, iface;
    struct ph_addr addr;
};

struct probe {
    const struct kernel_world *w;
    size_t nat, host, outside;
    struct nat_check_site site;
    struct added added[PROBE_ADDED_MAX];
    size_t added_count;
};

static bool is_inside(const struct layout *l, size_t node, size_t nat)
{
    size_t at = l->nodes[node].upstream;

    while (at != SIZE_MAX && at != nat) {
        at = l->nodes[at].upstream;
    }
    return at == nat;
}

/* The host with the fewest NATs between. */
static size_t inside_host(const struct layout *l, size_t nat)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < l->node_count; i++) {
        if (l->nodes[i].kind == LAYOUT_HOST && is_inside(l, i, nat) &&
            (best == SIZE_MAX || layout_nats_above(l, i) < layout_nats_above(l, best))) {
            best = i;
        }
    }
    return best;
}

/* What the NAT and those between it and the host look like together. */
static struct nat_profile seen_from(const struct layout *l, size_t nat, size_t host)
{
    struct nat_profile inner, all = l->nodes[host].profile;
    bool any = false;

    for (size_t at = l->nodes[host].upstream;; at = l->nodes[at].upstream) {
        if (l->nodes[at].kind == LAYOUT_NAT) {
            inner = all;
            all = any ? nat_profile_compose(&l->nodes[at].profile, &inner) : l->nodes[at].profile;
            any = true;
        }
        if (at == nat) {
            break;
        }
    }
    /* The home NAT has been counted, and nat_check is not to count it again. */
    all.inside[0] = '\0';
    return all;
}

static size_t core_of(const struct layout *l, size_t node)
{
    while (l->nodes[node].upstream != SIZE_MAX) {
        node = l->nodes[node].upstream;
    }
    return node;
}

static size_t server_on(const struct layout *l, size_t core)
{
    for (size_t i = 0; i < l->node_count; i++) {
        const struct layout_node *n = &l->nodes[i];

        if (n->kind == LAYOUT_HOST && n->addr_count >= OUTSIDE_MIN && n->upstream == core) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void want(struct probe *p, size_t node, size_t iface, uint32_t ip)
{
    p->added[p->added_count++] =
        (struct added){.node = node, .iface = iface, .addr = ph_addr_v4_u32(ip, 0)};
}

static void choose_outside(struct probe *p)
{
    const struct layout *l = &p->w->layout;
    const struct layout_node *above = &l->nodes[l->nodes[p->nat].upstream];
    size_t core = core_of(l, p->nat);
    size_t server = server_on(l, core);

    if (above->lan_if == SIZE_MAX && server != SIZE_MAX) {
        const struct layout_node *s = &l->nodes[server];

        p->outside = server;
        for (size_t i = 0; i < s->addr_count && i < NAT_CHECK_OUTSIDE_MAX; i++) {
            p->site.outside[p->site.outside_count++] = s->addrs[i];
        }
        return;
    }
    if (above->lan_if == SIZE_MAX) {
        uint32_t first = CORE_FURTHER + (ph_addr_v4_get(&l->nodes[core].ifs[0].addr) & 0xc00000u);

        p->outside = core;
        for (uint32_t i = 0; i < OUTSIDE_ADDED; i++) {
            want(p, core, 0, first + i + 1);
        }
    } else {
        uint32_t lan = ph_addr_v4_get(&above->ifs[above->lan_if].addr) & 0xffffff00u;

        p->outside = l->nodes[p->nat].upstream;
        for (uint32_t i = 0; i < OUTSIDE_ADDED; i++) {
            want(p, p->outside, above->lan_if, lan + OUTSIDE_OF_LAN + i);
        }
    }
    for (size_t i = 0; i < OUTSIDE_ADDED; i++) {
        p->site.outside[p->site.outside_count++] = p->added[i].addr;
    }
}

static void choose_inside(struct probe *p)
{
    const struct layout *l = &p->w->layout;
    const struct layout_node *h = &l->nodes[p->host];
    uint32_t lan = ph_addr_v4_get(&h->addrs[0]) & 0xffffff00u;
    bool alone = true;

    p->site.inside_fd = p->w->fds[p->host];
    p->site.inside = h->addrs[0];
    p->site.inside2_fd = -1;
    for (size_t at = h->upstream; at != p->nat; at = l->nodes[at].upstream) {
        alone = alone && l->nodes[at].kind == LAYOUT_ROUTER;
    }
    /* Two hosts that clash behind another NAT would show that one's ways. */
    if (alone) {
        want(p, p->host, h->wan_if, lan + SECOND_HOST);
        p->site.inside2_fd = p->w->fds[p->host];
        p->site.inside2 = p->added[p->added_count - 1].addr;
    }
}

static int change_addresses(const struct probe *p, bool add, struct lab_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < p->added_count && rc == 0; i++) {
        const struct added *a = &p->added[i];
        struct rtnl *r = NULL;

        rc = netns_enter(p->w->fds[a->node], err);
        if (rc == 0) {
            rc = rtnl_open(&r, err);
        }
        /* All of one node at once. */
        for (size_t k = i; rc == 0 && k < p->added_count && p->added[k].node == a->node; k++) {
            i = k;
            if (add) {
                rtnl_addr_add(r, kernel_if_index(a->iface), &p->added[k].addr, 32);
            } else {
                rtnl_addr_del(r, kernel_if_index(a->iface), &p->added[k].addr, 32);
            }
        }
        if (rc == 0) {
            rc = rtnl_commit(r, err);
        }
        rtnl_close(r);
    }
    return netns_enter(p->w->lab->home, err) != 0 ? -1 : rc;
}

static int check_nat(const struct kernel_world *w, size_t nat, struct lab_error *err)
{
    const struct layout *l = &w->layout;
    struct probe p = {.w = w, .nat = nat, .host = inside_host(l, nat)};
    struct nat_profile declared;
    struct nat_check_result result = {.ok = false};
    int rc;

    if (p.host == SIZE_MAX) {
        return lab_fail(err, LAB_USAGE, "NAT %s has no host inside to probe it from",
                        l->nodes[nat].name);
    }
    declared = seen_from(l, nat, p.host);
    choose_outside(&p);
    choose_inside(&p);
    p.site.outside_fd = w->fds[p.outside];
    p.site.nat_fd = w->fds[nat];
    rc = change_addresses(&p, true, err);
    if (rc == 0) {
        rc = nat_check(&declared, &p.site, 0, &result, err);
    }
    if (change_addresses(&p, false, rc == 0 ? err : NULL) != 0) {
        rc = -1;
    }
    if (rc == 0 && !result.ok) {
        rc = lab_fail(err, LAB_BROKEN, "NAT %s (profile %s) is not what it declares: %s; seen: %s",
                      l->nodes[nat].name, l->nodes[nat].profile.name, result.mismatch,
                      result.observed);
    }
    return rc;
}

int kernel_world_check(struct kernel_world *w, struct lab_error *err)
{
    for (size_t i = 0; i < w->layout.node_count; i++) {
        if (w->layout.nodes[i].kind == LAYOUT_NAT && check_nat(w, i, err) != 0) {
            return -1;
        }
    }
    return kernel_world_reset(w, w->layout.seed, err);
}
