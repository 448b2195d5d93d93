/* Proof of every NAT of a world, before its links are on.
 *
 * A NAT is probed from inside, where no other NAT stands between if that can be, and from just
 * outside: from the servers of the internet where it is the outermost, else from the router above
 * it, so that no other NAT stands between. What the probes need beyond the layout's addresses is
 * added for the time of the check and taken away. */
#include "lab/net/netns.h"
#include "lab/world/kernel_private.h"
#include "lab/world/site.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUTSIDE_MIN     3 /* addresses, for nat_check */
#define OUTSIDE_ADDED   4
#define OUTSIDE_OF_LAN  251         /* in the last byte, beside SITE_SECOND_HOST */
#define CORE_FURTHER    0x0b3fff00u /* 11.63.255.0, in the last block of the first network */
#define PROBE_ADDED_MAX (OUTSIDE_ADDED + 1)

/* An address that was added for the time of the check. */
struct added {
    size_t node, iface;
    struct ph_addr addr;
};

struct probe {
    const struct kernel_world *w;
    size_t nat, inside, outside;
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

/* A router that lets everything pass as it is shows in nothing. */
static bool shows(const struct layout_node *n)
{
    const struct nat_profile *p = &n->profile;

    return n->kind == LAYOUT_NAT &&
           (p->mapping != NAT_MAPPING_NONE || p->firewall || p->udp_blocked);
}

/* NATs that show, between a node and the one above it that is probed. */
static unsigned between(const struct layout *l, size_t node, size_t nat)
{
    unsigned n = 0;

    for (size_t at = l->nodes[node].upstream; at != nat; at = l->nodes[at].upstream) {
        n += shows(&l->nodes[at]) ? 1 : 0;
    }
    return n;
}

/* From where to probe it from inside: a host with IPv4, the one with the fewest NATs between; or an
 * access router where all hosts are behind further NATs or have IPv6 alone. A home NAT of the same
 * profile cannot be avoided.
 */
static size_t inside_point(const struct layout *l, size_t nat)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < l->node_count; i++) {
        const struct layout_node *n = &l->nodes[i];
        bool can = (n->kind == LAYOUT_HOST && n->addr_count > 0) ||
                   (n->kind == LAYOUT_ROUTER && n->lan_if != SIZE_MAX);

        if (can && is_inside(l, i, nat) &&
            (best == SIZE_MAX || between(l, i, nat) < between(l, best, nat))) {
            best = i;
        }
    }
    return best;
}

/* What the NAT and those between it and a point inside look like together. */
static struct nat_profile seen_from(const struct layout *l, size_t nat, size_t inside)
{
    struct nat_profile all = l->nodes[nat].profile;
    bool any = false;

    for (size_t at = l->nodes[inside].upstream;; at = l->nodes[at].upstream) {
        const struct layout_node *n = &l->nodes[at];

        if (shows(n)) {
            struct nat_profile inner = all;

            all = any ? nat_profile_compose(&n->profile, &inner) : n->profile;
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
    const struct layout_node *h = &l->nodes[p->inside];
    struct ph_addr own = h->ifs[h->wan_if].addr;
    uint32_t lan = ph_addr_v4_get(&own) & 0xffffff00u;

    p->site.inside_fd = p->w->fds[p->inside];
    p->site.inside = own;
    p->site.inside2_fd = -1;
    /* Two hosts that clash behind another NAT would show that one's ways. */
    if (between(l, p->inside, p->nat) == 0) {
        want(p, p->inside, h->wan_if, lan + SITE_SECOND_HOST);
        p->site.inside2_fd = p->w->fds[p->inside];
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
    struct probe p = {.w = w, .nat = nat, .inside = inside_point(l, nat)};
    struct nat_profile declared;
    struct nat_check_result result = {.ok = false};
    int rc;

    if (p.inside == SIZE_MAX && ph_addr_is_set(&l->nodes[nat].ifs[l->nodes[nat].lan_if].addr6)) {
        return 0; /* of its IPv4 nobody sees anything: kernel_check_ipv6 */
    }
    if (p.inside == SIZE_MAX) {
        return lab_fail(err, LAB_USAGE, "NAT %s has no host inside to probe it from",
                        l->nodes[nat].name);
    }
    declared = seen_from(l, nat, p.inside);
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
    /* A NAT that an incident holds down would prove nothing but that. */
    if (!kernel_world_is_calm(w)) {
        return lab_fail(err, LAB_BROKEN, "the world's NATs cannot be proved while a fault is on");
    }
    for (size_t i = 0; i < w->layout.node_count; i++) {
        if (w->layout.nodes[i].kind == LAYOUT_NAT && check_nat(w, i, err) != 0) {
            return -1;
        }
    }
    if (kernel_check_ipv6(w, err) != 0) {
        return -1;
    }
    return kernel_world_reset(w, w->layout.seed, err);
}
