#include "lab/world/incident.h"

#include <string.h>

static const struct {
    const char *name;
    bool relay, lasts, side, nat;
} kinds[INCIDENT_KINDS] = {
    [INCIDENT_FLUSH_CONNTRACK] = {"flush-conntrack", false, false, true, true},
    [INCIDENT_REBOOT_NAT] = {"reboot-nat", false, false, true, true},
    [INCIDENT_RENUMBER_WAN] = {"renumber-wan", false, false, true, true},
    [INCIDENT_CHANGE_INTERFACE] = {"change-interface", false, false, true, false},
    [INCIDENT_LINK_DOWN] = {"link-down", false, true, true, false},
    [INCIDENT_BLOCK_UDP] = {"block-udp", false, true, true, true},
    [INCIDENT_BLACKHOLE] = {"blackhole", false, true, false, false},
    [INCIDENT_BLACKOUT] = {"blackout", false, true, true, false},
    [INCIDENT_KILL_RELAY] = {"kill-relay", true, false, false, false},
    [INCIDENT_RESTART_RELAY] = {"restart-relay", true, true, false, false},
};

const char *incident_name(enum incident_kind kind)
{
    return kinds[kind].name;
}

const char *incident_direction_name(enum incident_direction d)
{
    static const char *const names[] = {"both", "up", "down"};
    return names[d];
}

bool incident_is_of_relay(enum incident_kind kind)
{
    return kinds[kind].relay;
}

bool incident_lasts(enum incident_kind kind)
{
    return kinds[kind].lasts;
}

bool incident_has_side(enum incident_kind kind)
{
    return kinds[kind].side;
}

size_t incident_host(const struct layout *l, uint8_t side)
{
    size_t peers[2];
    return side < 2 && layout_find_peers(l, peers) ? peers[side] : SIZE_MAX;
}

size_t incident_nat(const struct layout *l, uint8_t side)
{
    size_t host = incident_host(l, side), firewall = SIZE_MAX;
    if (host == SIZE_MAX)
        return SIZE_MAX;
    for (size_t at = l->nodes[host].upstream; at != SIZE_MAX; at = l->nodes[at].upstream) {
        const struct layout_node *n = &l->nodes[at];
        if (n->kind != LAYOUT_NAT)
            continue;
        if (n->profile.mapping != NAT_MAPPING_NONE)
            return at;
        if (n->profile.firewall && firewall == SIZE_MAX)
            firewall = at;
    }
    return firewall;
}

size_t incident_renumbers(const struct layout *l, const struct incident *what)
{
    if (what->kind == INCIDENT_RENUMBER_WAN)
        return incident_nat(l, what->side);
    return what->kind == INCIDENT_CHANGE_INTERFACE ? incident_host(l, what->side) : SIZE_MAX;
}

int incident_check(const struct layout *l, const struct incident *what, struct lab_error *err)
{
    const char *name = kinds[what->kind].name;
    size_t nat = incident_nat(l, what->side);
    if (incident_host(l, what->side) == SIZE_MAX)
        return lab_fail(err, LAB_USAGE, "%s: this world has no two peers", name);
    const struct layout_node *peer = &l->nodes[incident_host(l, what->side)];
    const char *host = peer->name;
    if (!kinds[what->kind].nat)
        return 0;
    if (nat == SIZE_MAX)
        return lab_fail(err, LAB_USAGE, "%s: no NAT stands before %s", name, host);
    if (what->kind == INCIDENT_RENUMBER_WAN && l->nodes[nat].profile.mapping == NAT_MAPPING_NONE)
        return lab_fail(err, LAB_USAGE,
                        "%s: what stands before %s (%s) does not translate, so it has no address "
                        "that others see",
                        name, host, l->nodes[nat].profile.name);
    return 0;
}

static size_t add(struct ph_addr *out, size_t n, size_t cap, const struct ph_addr *a)
{
    if (n < cap && a->family != PH_AF_NONE)
        out[n++] = *a;
    return n;
}

size_t incident_addresses(const struct layout *l, uint8_t side, struct ph_addr *out, size_t cap)
{
    size_t host = incident_host(l, side), n = 0;
    if (host == SIZE_MAX)
        return 0;
    for (size_t i = 0; i < l->nodes[host].addr_count; i++)
        n = add(out, n, cap, &l->nodes[host].addrs[i]);
    for (size_t i = 0; i < l->nodes[host].addr6_count; i++)
        n = add(out, n, cap, &l->nodes[host].addrs6[i]);
    for (size_t at = l->nodes[host].upstream; at != SIZE_MAX; at = l->nodes[at].upstream)
        for (size_t i = 0; i < l->nodes[at].wan_count; i++)
            n = add(out, n, cap, &l->nodes[at].wan[i]);
    return n;
}
