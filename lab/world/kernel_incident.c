/* Incidents in a kernel world. What drops packets is a table of rules of its own, named by the
 * incident's number, beside the NAT's rules; what changes addresses follows lab/topo/renumber.h.
 * All of it is taken back before the next trial. */
#include "lab/net/netns.h"
#include "lab/net/nft.h"
#include "lab/topo/renumber.h"
#include "lab/world/kernel_private.h"
#include "lab/world/site.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TABLE_TEXT 8192

/* Netlink in one node's namespace. */
static int with_rtnl(const struct kernel_world *w, size_t node,
                     void (*write)(const struct layout *l, size_t node, struct rtnl *r),
                     const struct layout *l, size_t of, struct lab_error *err)
{
    struct rtnl *r = NULL;
    int rc;

    if (netns_enter(w->fds[node], err) != 0) {
        return -1;
    }
    rc = rtnl_open(&r, err);
    if (netns_enter(w->lab->home, err) != 0) {
        rc = -1;
    }
    if (rc == 0) {
        write(l, of, r);
        rc = rtnl_commit(r, err);
    }
    rtnl_close(r);
    return rc;
}

/* ---- Addresses */

static int reload(const struct kernel_world *w, size_t nat, struct lab_error *err)
{
    struct nat_site site;

    world_nat_site(&w->layout, nat, &site);
    return nat_reload(w->fds[nat], &w->layout.nodes[nat].profile, &site, err);
}

/* NATs above a node that give each inside address a block of ports know them by their rules. */
static int reload_blocks(const struct kernel_world *w, size_t node, struct lab_error *err)
{
    for (size_t at = w->layout.nodes[node].upstream; at != SIZE_MAX;
         at = w->layout.nodes[at].upstream) {
        const struct layout_node *n = &w->layout.nodes[at];

        if (n->kind == LAYOUT_NAT && n->profile.allocation.type == NAT_ALLOC_BLOCK &&
            (reload(w, at, err) != 0 || nat_flush(w->fds[at], &n->profile, err) != 0)) {
            return -1;
        }
    }
    return 0;
}

static int turn_to(struct kernel_world *w, size_t node, unsigned to, struct lab_error *err)
{
    const struct layout_node *n = &w->layout.nodes[node];

    if (with_rtnl(w, node, kernel_node_forget_uplink, &w->layout, node, err) != 0) {
        return -1;
    }
    /* Its provider's routes lead to what it was in turn 0, on a wire where nobody else is. */
    if (w->trouble.turns[node] != 0 &&
        with_rtnl(w, n->upstream, kernel_node_part, &w->layout, node, err) != 0) {
        return -1;
    }
    layout_renumber(&w->layout, node, w->trouble.turns[node], to);
    w->trouble.turns[node] = to;
    if ((to != 0 && with_rtnl(w, n->upstream, kernel_node_meet, &w->layout, node, err) != 0) ||
        with_rtnl(w, node, kernel_node_address_uplink, &w->layout, node, err) != 0 ||
        reload_blocks(w, node, err) != 0) {
        return -1;
    }
    if (n->kind != LAYOUT_NAT) {
        return 0;
    }
    /* Its rules name its addresses, and no flow over the old ones can go on. */
    if (reload(w, node, err) != 0 || nat_flush(w->fds[node], &n->profile, err) != 0) {
        return -1;
    }
    return kernel_router_restart(w, node, err);
}

static int turn(struct kernel_world *w, size_t node, struct lab_error *err)
{
    return turn_to(w, node, (w->trouble.turns[node] + 1) % RENUMBER_TURNS, err);
}

/* ---- A pulled wire */

static void write_down(const struct layout *l, size_t node, struct rtnl *r)
{
    rtnl_down(r, kernel_if_index(l->nodes[node].wan_if));
}

/* IPv4's addresses stay at a device that is down, and so may IPv6's; neighbours and routes go. */
static int keep_addresses(const struct kernel_world *w, size_t host, struct lab_error *err)
{
    const struct layout_node *n = &w->layout.nodes[host];
    char path[80];
    int rc;

    if (!w->lab->ipv6) {
        return 0;
    }
    snprintf(path, sizeof(path), "net/ipv6/conf/%s/keep_addr_on_down", n->ifs[n->wan_if].name);
    if (netns_enter(w->fds[host], err) != 0) {
        return -1;
    }
    rc = netns_sysctl(path, "1", err);
    return netns_enter(w->lab->home, err) != 0 ? -1 : rc;
}

static void write_up(const struct layout *l, size_t node, struct rtnl *r)
{
    rtnl_up(r, kernel_if_index(l->nodes[node].wan_if), false);
    kernel_node_route_uplink(l, node, r);
}

static int pull(struct kernel_world *w, uint8_t side, bool over, struct lab_error *err)
{
    size_t host = incident_host(&w->layout, side);
    unsigned *down = &w->trouble.down[side];

    if (over ? *down != 1 : *down != 0) {
        *down += over ? (*down > 0 ? -1u : 0u) : 1u;
        return 0;
    }
    *down = over ? 0 : 1;
    if (!over && keep_addresses(w, host, err) != 0) {
        return -1;
    }
    return with_rtnl(w, host, over ? write_up : write_down, &w->layout, host, err);
}

/* ---- Tables that drop */

static int add_table(struct kernel_world *w, size_t node, uint32_t number, bool ingress,
                     const char *chain, struct lab_error *err)
{
    struct kernel_trouble *t = &w->trouble;
    char text[TABLE_TEXT];
    int n;

    if (t->table_count == KERNEL_TROUBLES_MAX) {
        return lab_fail(err, LAB_BROKEN, "more than %d faults go on at once", KERNEL_TROUBLES_MAX);
    }
    n = snprintf(text, sizeof(text), "table %s incident%" PRIu32 " {\n%s}\n",
                 ingress ? "netdev" : "inet", number, chain);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        return lab_fail(err, LAB_BROKEN, "a fault's rules are too long");
    }
    if (nft_run(w->fds[node], text, NULL, err) != 0) {
        return -1;
    }
    t->tables[t->table_count].number = number;
    t->tables[t->table_count].node = node;
    t->tables[t->table_count++].ingress = ingress;
    return 0;
}

static int delete_table(struct kernel_world *w, size_t index, struct lab_error *err)
{
    struct kernel_trouble *t = &w->trouble;
    char text[64];

    snprintf(text, sizeof(text), "delete table %s incident%" PRIu32 "\n",
             t->tables[index].ingress ? "netdev" : "inet", t->tables[index].number);
    if (nft_run(w->fds[t->tables[index].node], text, NULL, err) != 0) {
        return -1;
    }
    t->tables[index] = t->tables[--t->table_count];
    return 0;
}

static int delete_tables(struct kernel_world *w, uint32_t number, struct lab_error *err)
{
    for (size_t i = w->trouble.table_count; i > 0; i--) {
        if (w->trouble.tables[i - 1].number == number && delete_table(w, i - 1, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int block_udp(struct kernel_world *w, const struct incident *what, struct lab_error *err)
{
    return add_table(w, incident_nat(&w->layout, what->side), what->number, false,
                     "\tchain forwarding {\n\t\ttype filter hook forward priority raw\n"
                     "\t\tmeta l4proto udp drop\n\t}\n",
                     err);
}

/* What one peer sends is lost at the other's door, so that NATs on the way see it as before. */
static int swallow(struct kernel_world *w, uint8_t from, uint32_t number, struct lab_error *err)
{
    struct ph_addr addrs[INCIDENT_ADDRESSES_MAX];
    size_t n = incident_addresses(&w->layout, from, addrs, INCIDENT_ADDRESSES_MAX);
    char chain[TABLE_TEXT - 64];
    size_t used = (size_t)snprintf(chain, sizeof(chain),
                                   "\tchain arrival {\n"
                                   "\t\ttype filter hook prerouting priority raw\n");

    for (size_t i = 0; i < n && used < sizeof(chain); i++) {
        char ip[PH_ADDR_STRLEN];

        used += (size_t)snprintf(chain + used, sizeof(chain) - used, "\t\t%s saddr %s drop\n",
                                 addrs[i].family == PH_AF_V6 ? "ip6" : "ip",
                                 ph_addr_format_ip(&addrs[i], ip));
    }
    if (used < sizeof(chain)) {
        used += (size_t)snprintf(chain + used, sizeof(chain) - used, "\t}\n");
    }
    if (used >= sizeof(chain)) {
        return lab_fail(err, LAB_BROKEN, "a peer has too many addresses");
    }
    return add_table(w, incident_host(&w->layout, 1 - from), number, false, chain, err);
}

static int blackhole(struct kernel_world *w, const struct incident *what, struct lab_error *err)
{
    if (what->direction != INCIDENT_DOWN && swallow(w, 0, what->number, err) != 0) {
        return -1;
    }
    return what->direction == INCIDENT_UP ? 0 : swallow(w, 1, what->number, err);
}

static int darken(struct kernel_world *w, size_t node, size_t iface, uint32_t number,
                  struct lab_error *err)
{
    struct lab_error why = {.text = ""};
    char chain[160];

    snprintf(chain, sizeof(chain),
             "\tchain arrival {\n\t\ttype filter hook ingress device \"%s\" priority 0\n"
             "\t\tdrop\n\t}\n",
             w->layout.nodes[node].ifs[iface].name);
    if (add_table(w, node, number, true, chain, &why) == 0) {
        return 0;
    }
    return lab_fail(
        err, LAB_CANNOT,
        "a blackout needs nftables at a device's ingress (CONFIG_NF_TABLES_NETDEV), and "
        "this kernel has it not: %.200s",
        why.text);
}

/* Both ends of the host's wire drop what comes in: the host is told of nothing. */
static int blackout(struct kernel_world *w, const struct incident *what, struct lab_error *err)
{
    size_t host = incident_host(&w->layout, what->side);
    size_t iface = w->layout.nodes[host].wan_if;
    const struct layout_link *wire = &w->layout.links[w->layout.nodes[host].ifs[iface].link];
    size_t far = wire->node[0] == host ? 1 : 0;

    return darken(w, host, iface, what->number, err) != 0
               ? -1
               : darken(w, wire->node[far], wire->iface[far], what->number, err);
}

/* ---- All of them */

static int befall(struct kernel_world *w, const struct incident *what, struct lab_error *err)
{
    size_t nat = incident_nat(&w->layout, what->side);

    switch (what->kind) {
    case INCIDENT_FLUSH_CONNTRACK:
        return nat_flush(w->fds[nat], &w->layout.nodes[nat].profile, err);
    case INCIDENT_REBOOT_NAT:
        if (reload(w, nat, err) != 0 ||
            nat_flush(w->fds[nat], &w->layout.nodes[nat].profile, err) != 0) {
            return -1;
        }
        return kernel_router_restart(w, nat, err);
    case INCIDENT_RENUMBER_WAN:
    case INCIDENT_CHANGE_INTERFACE:
        return turn(w, incident_renumbers(&w->layout, what), err);
    case INCIDENT_LINK_DOWN:
        return pull(w, what->side, what->over, err);
    case INCIDENT_BLOCK_UDP:
        return what->over ? delete_tables(w, what->number, err) : block_udp(w, what, err);
    case INCIDENT_BLACKHOLE:
        return what->over ? delete_tables(w, what->number, err) : blackhole(w, what, err);
    case INCIDENT_BLACKOUT:
        return what->over ? delete_tables(w, what->number, err) : blackout(w, what, err);
    case INCIDENT_KILL_RELAY:
    case INCIDENT_RESTART_RELAY:
    case INCIDENT_KINDS:
        break;
    }
    return lab_fail(err, LAB_BROKEN, "%s is the trial's to do", incident_name(what->kind));
}

int kernel_world_disturb(struct kernel_world *w, const struct incident *what, ph_ns *at,
                         struct lab_error *err)
{
    struct timespec ts;

    if (incident_check(&w->layout, what, err) != 0) {
        return -1;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    *at = (ph_ns)ts.tv_sec * PH_SEC + (ph_ns)ts.tv_nsec;
    return befall(w, what, err);
}

bool kernel_world_is_calm(const struct kernel_world *w)
{
    const struct kernel_trouble *t = &w->trouble;

    for (size_t i = 0; i < w->layout.node_count; i++) {
        if (t->turns[i] != 0) {
            return false;
        }
    }
    return t->down[0] == 0 && t->down[1] == 0 && t->table_count == 0;
}

int kernel_world_calm(struct kernel_world *w, struct lab_error *err)
{
    struct kernel_trouble *t = &w->trouble;

    while (t->table_count > 0) {
        if (delete_table(w, t->table_count - 1, err) != 0) {
            return -1;
        }
    }
    for (uint8_t side = 0; side < 2; side++) {
        if (t->down[side] > 0) {
            t->down[side] = 1;
            if (pull(w, side, true, err) != 0) {
                return -1;
            }
        }
    }
    for (size_t i = 0; i < w->layout.node_count; i++) {
        if (t->turns[i] != 0 && turn_to(w, i, 0, err) != 0) {
            return -1;
        }
    }
    return 0;
}
