/* Incidents in the simulator: the layout, its NATs and its port-mapping servers are changed in
 * place, and what goes on is asked for each packet at its two ends. */
#include "lab/topo/renumber.h"
#include "lab/world/sim/private.h"
#include "lab/world/sim/router.h"
#include "lab/world/site.h"

#include <string.h>

/* A router's way to an address has been worked out for the addresses of before. */
static void forget_ways(struct sim *s)
{
    memset(s->ways, 0, SIM_WAYS * sizeof(*s->ways));
}

/* NATs give blocks to subscribers by their addresses, and know their own. */
static void readdress_nats(struct sim *s)
{
    for (size_t i = 0; i < s->layout.node_count; i++) {
        struct nat_site site;
        if (s->nats[i] == NULL)
            continue;
        world_nat_site(&s->layout, i, &site);
        sim_nat_readdress(s->nats[i], &site);
    }
}

static void turn_to(struct sim *s, size_t node, unsigned to)
{
    layout_renumber(&s->layout, node, s->trouble.turns[node], to);
    s->trouble.turns[node] = to;
    forget_ways(s);
    readdress_nats(s);
}

static void turn(struct sim *s, size_t node)
{
    turn_to(s, node, (s->trouble.turns[node] + 1) % RENUMBER_TURNS);
}

static const char *reboot(struct sim *s, size_t nat, uint32_t number)
{
    uint64_t parts[3] = {s->seed, nat, number};
    sim_nat_reset(s->nats[nat], ph_hash64(4, parts, sizeof(parts)));
    return sim_router_restart(s, nat) == 0 ? NULL : "out of memory";
}

static const char *renumber(struct sim *s, size_t nat)
{
    turn(s, nat);
    sim_nat_flush(s->nats[nat]);
    return sim_router_restart(s, nat) == 0 ? NULL : "out of memory";
}

static void count(unsigned *n, bool over)
{
    *n += over ? 0u : 1u;
    *n -= over && *n > 0 ? 1u : 0u;
}

static const char *befall(struct sim *s, const struct incident *what)
{
    size_t host = incident_host(&s->layout, what->side);
    size_t nat = incident_nat(&s->layout, what->side);
    struct sim_trouble *t = &s->trouble;
    switch (what->kind) {
    case INCIDENT_FLUSH_CONNTRACK:
        sim_nat_flush(s->nats[nat]);
        break;
    case INCIDENT_REBOOT_NAT:
        return reboot(s, nat, what->number);
    case INCIDENT_RENUMBER_WAN:
        return renumber(s, nat);
    case INCIDENT_CHANGE_INTERFACE:
        turn(s, host);
        sim_hosts_changed(s, host);
        break;
    case INCIDENT_LINK_DOWN:
        count(&t->down[what->side], what->over);
        sim_hosts_changed(s, host);
        break;
    case INCIDENT_BLOCK_UDP:
        sim_nat_block(s->nats[nat], !what->over);
        break;
    case INCIDENT_BLACKHOLE:
        if (what->direction != INCIDENT_DOWN)
            count(&t->blackholes[0], what->over);
        if (what->direction != INCIDENT_UP)
            count(&t->blackholes[1], what->over);
        break;
    case INCIDENT_BLACKOUT:
        count(&t->dark[what->side], what->over);
        break;
    case INCIDENT_KILL_RELAY:
    case INCIDENT_RESTART_RELAY:
    case INCIDENT_KINDS:
        return "it is the trial's to do";
    }
    return NULL;
}

void sim_disturb(struct world *w, const struct incident *what, world_disturbed done, void *user)
{
    struct sim *s = sim_of(w);
    struct lab_error err = {0};
    const char *error;
    s->trouble.any = true;
    if (incident_check(&s->layout, what, &err) != 0)
        error = err.text;
    else
        error = befall(s, what);
    done(user, what, s->now, error);
}

void sim_calm(struct sim *s)
{
    if (!s->trouble.any)
        return;
    for (size_t i = 0; i < s->layout.node_count; i++) {
        if (s->trouble.turns[i] != 0)
            turn_to(s, i, 0);
        if (s->nats[i] != NULL)
            sim_nat_unblock(s->nats[i]);
    }
    s->trouble = (struct sim_trouble){0};
}

static bool is_side(const struct sim *s, uint8_t side, size_t node)
{
    return incident_host(&s->layout, side) == node;
}

bool sim_is_down(const struct sim *s, size_t node)
{
    return s->trouble.any && ((s->trouble.down[0] > 0 && is_side(s, 0, node)) ||
                              (s->trouble.down[1] > 0 && is_side(s, 1, node)));
}

bool sim_is_cut_off(const struct sim *s, size_t node)
{
    return s->trouble.any &&
           (sim_is_down(s, node) || (s->trouble.dark[0] > 0 && is_side(s, 0, node)) ||
            (s->trouble.dark[1] > 0 && is_side(s, 1, node)));
}

/* It comes to one peer's host from any address of the other's, so not by the relay. */
static bool in_blackhole(const struct sim *s, const struct sim_packet *p, size_t node)
{
    struct ph_addr from[INCIDENT_ADDRESSES_MAX];
    for (uint8_t side = 0; side < 2; side++) {
        if (s->trouble.blackholes[side] == 0 || !is_side(s, 1 - side, node))
            continue;
        size_t n = incident_addresses(&s->layout, side, from, INCIDENT_ADDRESSES_MAX);
        for (size_t i = 0; i < n; i++)
            if (ph_addr_ip_eq(&from[i], &p->src))
                return true;
    }
    return false;
}

bool sim_is_swallowed(const struct sim *s, const struct sim_packet *p, size_t node, bool arrives)
{
    return sim_is_cut_off(s, node) || (arrives && in_blackhole(s, p, node));
}
