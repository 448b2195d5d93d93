/* A netcheck from the caller's host, held against what its world declares. */
#include "lab/run/trial_kind.h"
#include "netcheck/netcheck.h"

#include <string.h>

/* Beyond what a netcheck gives itself; one that needs more hangs. */
#define NETCHECK_MAX (5 * PH_SEC)
/* Above the ports that Linux draws by itself (32768-60999), so that nobody else on the host has it:
 * by it is known what its NAT made of it. */
#define PORT_LOW 61000u

struct netcheck {
    struct trial base; /* first */
    size_t node;
    struct ph_host *host;
    struct ph_netcheck *netcheck;
    uint16_t port;
    bool done;
    ph_ns deadline;
};

static void on_done(void *user)
{
    struct netcheck *t = user;
    t->done = true;
    trial_look_now(&t->base);
}

static void fill(const struct netcheck *t, struct netcheck_result *out)
{
    struct ph_netcheck_report r;
    struct truth truth;
    ph_netcheck_report(t->netcheck, &r);
    out->ended = t->done;
    out->took = t->done ? r.took : PH_NEVER;
    out->udp = r.v4.udp == PH_YES;
    out->mapping = r.v4.mapping;
    out->mapping_guessed = r.v4.mapping_guessed;
    out->filtering = r.v4.filtering;
    out->allocation = r.v4.allocation;
    out->hairpin = r.v4.hairpin;
    out->double_nat = r.double_nat;
    out->reflexive = r.v4.reflexive;
    out->liars = r.v4.liars;
    out->mapped = r.mapped;
    out->protocol = r.mapped ? r.mapping.protocol : PH_PORTMAP_NONE;
    for (int i = 0; i < PH_PORTMAP_PROTOCOLS; i++)
        out->said[i] = r.portmap[i].said;
    truth_of(t->base.world->layout, t->node, &truth);
    truth_compare(&truth, &r.v4, t->port, &out->verdict);
}

static void step(struct trial *base, ph_ns now)
{
    struct netcheck *t = (struct netcheck *)base;
    struct trial_result result;
    if (!t->done && now < t->deadline) {
        trial_look(base, t->deadline);
        return;
    }
    trial_result_init(&result, SUBJECT_NETCHECK);
    fill(t, &result.netcheck);
    trial_finish(base, &result);
}

static int start(struct trial *base, struct ph_rng *rng)
{
    struct netcheck *t = (struct netcheck *)base;
    struct world *w = base->world;
    t->node = layout_find_host(w->layout, TOPO_RUNS_PEER, 0);
    if (t->node == SIZE_MAX)
        return PH_ERR_INVAL;
    int rc = w->ops->host_new(w, t->node, NULL, NULL, &t->host);
    if (rc != PH_OK)
        return rc;
    t->port = (uint16_t)(PORT_LOW + ph_rng_below(rng, 65536 - PORT_LOW));
    struct ph_netcheck_config config = {
        .host = t->host,
        .bind = {ph_addr_v4(0, 0, 0, 0, t->port)},
        .relays = {{.addr = trial_relay_addr(base), .region = "lab"}},
        .relay_count = 1,
        .no_portmap = (base->spec.stages & 1u << PH_STAGE_PORTMAP) == 0,
        .done = on_done,
        .user = t,
    };
    config.stun_count = trial_stun_addrs(base, config.stuns, PH_SURVEY_SERVERS_MAX);
    rc = ph_netcheck_new(&config, &t->netcheck);
    if (rc != PH_OK)
        return rc;
    t->deadline = w->ops->now(w) + NETCHECK_MAX;
    trial_look(base, t->deadline);
    return PH_OK;
}

static void stop(struct trial *base)
{
    struct netcheck *t = (struct netcheck *)base;
    if (t->netcheck != NULL)
        ph_netcheck_free(t->netcheck);
    if (t->host != NULL)
        base->world->ops->host_free(base->world, t->host);
}

const struct trial_kind trial_netcheck = {
    .size = sizeof(struct netcheck),
    .start = start,
    .step = step,
    .stop = stop,
};
