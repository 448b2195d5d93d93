#include "lab/world/site.h"

#include "base/rng.h"

#include <string.h>

static void add_subscriber(struct nat_site *s, struct ph_addr a)
{
    for (size_t i = 0; i < s->subscriber_count; i++) {
        if (ph_addr_ip_eq(&s->subscribers[i], &a)) {
            return;
        }
    }
    if (s->subscriber_count < NAT_SUBSCRIBERS_MAX) {
        s->subscribers[s->subscriber_count++] = a;
    }
}

/* The addresses that arrive at a NAT from inside: of hosts, of NATs that translate, and of an
 * access router, from which the NAT is probed. */
static void find_subscribers(const struct layout *l, size_t nat, struct nat_site *s)
{
    for (size_t i = 0; i < l->node_count; i++) {
        const struct layout_node *n = &l->nodes[i];
        bool access = n->kind == LAYOUT_ROUTER && n->lan_if != SIZE_MAX;
        bool speaks = n->kind == LAYOUT_HOST || access ||
                      (n->kind == LAYOUT_NAT && n->profile.mapping != NAT_MAPPING_NONE);
        struct ph_addr translated = layout_translated(l, i);
        size_t at = n->upstream;

        while (at != SIZE_MAX && at != nat &&
               (l->nodes[at].kind == LAYOUT_ROUTER ||
                l->nodes[at].profile.mapping == NAT_MAPPING_NONE)) {
            at = l->nodes[at].upstream;
        }
        if (!speaks || at != nat) {
            continue;
        }
        for (size_t k = 0; k < n->addr_count; k++) {
            add_subscriber(s, n->addrs[k]);
        }
        for (size_t k = 0; k < n->wan_count; k++) {
            add_subscriber(s, n->wan[k]);
        }
        if (ph_addr_is_set(&translated)) {
            add_subscriber(s, translated);
        } else if (ph_addr_is_set(&n->ifs[n->wan_if].addr) && (n->kind == LAYOUT_HOST || access)) {
            uint32_t lan = ph_addr_v4_get(&n->ifs[n->wan_if].addr) & 0xffffff00u;

            if (access) {
                add_subscriber(s, n->ifs[n->wan_if].addr);
            }
            /* It must have a block of its own where ports are given out in blocks. */
            add_subscriber(s, ph_addr_v4_u32(lan + SITE_SECOND_HOST, 0));
        }
    }
}

void world_nat_site(const struct layout *l, size_t node, struct nat_site *out)
{
    const struct layout_node *n = &l->nodes[node];

    memset(out, 0, sizeof(*out));
    out->wan_if = n->ifs[n->wan_if].name;
    out->lan_if = n->ifs[n->lan_if].name;
    for (size_t i = 0; i < n->wan_count && i < NAT_POOL_MAX; i++) {
        out->wan[out->wan_count++] = n->wan[i];
    }
    out->lan = n->ifs[n->lan_if].addr;
    out->lan_prefix = n->lan_net_prefix;
    out->ipv6 = ph_addr_is_set(&n->ifs[n->wan_if].addr6);
    find_subscribers(l, node, out);
    out->seed = ph_hash64(l->seed, n->name, strlen(n->name));
}
