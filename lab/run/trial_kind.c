#include "lab/run/trial_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void step(void *user)
{
    struct trial *t = user;
    if (!t->over)
        t->kind->step(t, t->world->ops->now(t->world));
}

void trial_look(struct trial *t, ph_ns when)
{
    t->world->ops->at(t->world, when, step, t);
}

void trial_look_now(struct trial *t)
{
    trial_look(t, t->world->ops->now(t->world));
}

static struct ph_addr with_port(struct ph_addr a, uint16_t port)
{
    a.port = port;
    return a;
}

struct ph_addr trial_relay_addr(const struct trial *t)
{
    return with_port(t->world->layout->nodes[t->servers.relay_node].addrs[0], TRIAL_RELAY_PORT);
}

size_t trial_stun_addrs(const struct trial *t, struct ph_addr *out, size_t cap)
{
    const struct layout_node *stun = &t->world->layout->nodes[t->servers.stun_node];
    size_t n = stun->addr_count < cap ? stun->addr_count : cap;
    for (size_t i = 0; i < n; i++)
        out[i] = with_port(stun->addrs[i], TRIAL_STUN_PORT);
    return n;
}

static size_t addrs6_of(const struct trial *t, size_t node, uint16_t port, struct ph_addr *out,
                        size_t cap)
{
    const struct layout_node *n = &t->world->layout->nodes[node];
    size_t count = n->addr6_count < cap ? n->addr6_count : cap;
    for (size_t i = 0; i < count; i++)
        out[i] = with_port(n->addrs6[i], port);
    return count;
}

size_t trial_relay_addrs6(const struct trial *t, struct ph_addr *out, size_t cap)
{
    return addrs6_of(t, t->servers.relay_node, TRIAL_RELAY_PORT, out, cap);
}

size_t trial_stun_addrs6(const struct trial *t, struct ph_addr *out, size_t cap)
{
    return addrs6_of(t, t->servers.stun_node, TRIAL_STUN_PORT, out, cap);
}

int trial_relay_start(struct trial *t)
{
    struct trial_servers *s = &t->servers;
    if (s->relay != NULL)
        return PH_OK;
    const struct layout_node *relay = &t->world->layout->nodes[s->relay_node];
    int rc = t->world->ops->host_new(t->world, s->relay_node, NULL, NULL, &s->relay_host);
    if (rc != PH_OK)
        return rc;
    struct ph_relay_config config = {
        .host = s->relay_host,
        .region = "lab",
        .deterministic = t->spec.deterministic,
    };
    memcpy(config.seed, s->relay_seed, sizeof(config.seed));
    size_t listens = relay->addr_count < 2 ? relay->addr_count : 2;
    for (size_t i = 0; i < listens; i++)
        config.listen[i] = with_port(relay->addrs[i], TRIAL_RELAY_PORT);
    (void)trial_relay_addrs6(t, config.listen + listens, 2);
    return ph_relay_new(&config, &s->relay);
}

void trial_relay_stop(struct trial *t)
{
    struct trial_servers *s = &t->servers;
    if (s->relay != NULL)
        ph_relay_free(s->relay);
    if (s->relay_host != NULL)
        t->world->ops->host_free(t->world, s->relay_host);
    s->relay = NULL;
    s->relay_host = NULL;
}

/* Two ports for each address: what RFC 5780 asks of a server. */
static int start_stun(struct trial *t)
{
    struct trial_servers *s = &t->servers;
    struct ph_addr addrs[4 * TOPO_ADDRESSES_MAX];
    size_t n = trial_stun_addrs(t, addrs, TOPO_ADDRESSES_MAX);
    n += trial_stun_addrs6(t, addrs + n, TOPO_ADDRESSES_MAX);
    for (size_t i = 0; i < n; i++)
        addrs[n + i] = with_port(addrs[i], TRIAL_STUN_OTHER_PORT);
    int rc = t->world->ops->host_new(t->world, s->stun_node, NULL, NULL, &s->stun_host);
    return rc != PH_OK ? rc : ph_stun_server_new(s->stun_host, addrs, 2 * n, &s->stun);
}

static void stop_servers(struct trial *t)
{
    const struct world_ops *ops = t->world->ops;
    struct trial_servers *s = &t->servers;
    background_stop(t->background);
    trial_relay_stop(t);
    if (s->stun != NULL)
        ph_stun_server_free(s->stun);
    if (s->stun_host != NULL)
        ops->host_free(t->world, s->stun_host);
}

static void tear_down(struct trial *t)
{
    t->over = true;
    trial_look(t, PH_NEVER);
    t->kind->stop(t);
    stop_servers(t);
}

/* The world may be gone when done returns, and so nothing of the trial may stand in it then. */
void trial_finish(struct trial *t, struct trial_result *result)
{
    result->lateness = t->world->ops->take_lateness(t->world);
    tear_down(t);
    t->done(t->user, result);
    free(t);
}

void trial_finish_lab_error(struct trial *t, const char *why, int err)
{
    struct trial_result result;
    trial_result_init(&result, t->spec.subject);
    result.status = TRIAL_LAB_ERROR;
    if (snprintf(result.error, sizeof(result.error), "%s%s%s", why, err != PH_OK ? ": " : "",
                 err != PH_OK ? ph_strerror(err) : "") < 0)
        result.error[0] = '\0';
    trial_finish(t, &result);
}

void trial_result_init(struct trial_result *r, enum subject subject)
{
    memset(r, 0, sizeof(*r));
    r->subject = subject;
    r->stage = PH_STAGE_NONE;
    r->setup_relay = r->setup_direct = r->setup_media = r->portmap_took = PH_NEVER;
    r->router_mappings = ROUTER_MAPPINGS_UNKNOWN;
    r->faults.gap = r->faults.recovery = PH_NEVER;
    for (int i = 0; i < 2; i++) {
        struct flow_result *f = &r->flow[i];
        f->max_gap = f->switched = f->first_direct = f->switch_gap = PH_NEVER;
    }
    r->netcheck.took = r->map.took = r->map.release_took = PH_NEVER;
    r->netcheck.protocol = r->map.protocol = r->mapping.protocol = PH_PORTMAP_NONE;
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        r->stages[i].state = PH_STAGE_SKIPPED;
        r->stages[i].start = r->stages[i].end = PH_NEVER;
    }
}

static const struct trial_kind *kind_of(enum subject subject)
{
    switch (subject) {
    case SUBJECT_PINHOLE:
        return &trial_call;
    case SUBJECT_NETCHECK:
        return &trial_netcheck;
    case SUBJECT_MAP:
        return &trial_map;
    case SUBJECT_COUNT:
        break;
    }
    return NULL;
}

int trial_start(struct world *w, const struct trial_spec *spec,
                void (*done)(void *user, const struct trial_result *result), void *user,
                struct trial **out)
{
    const struct trial_kind *kind = kind_of(spec->subject);
    *out = NULL;
    if (kind == NULL)
        return PH_ERR_INVAL;
    struct trial *t = calloc(1, kind->size);
    if (t == NULL)
        return PH_ERR_NOMEM;
    t->kind = kind;
    t->world = w;
    t->spec = *spec;
    t->done = done;
    t->user = user;
    t->servers.relay_node = layout_find_host(w->layout, TOPO_RUNS_RELAY, 0);
    t->servers.stun_node = layout_find_host(w->layout, TOPO_RUNS_STUN, 0);
    if (t->servers.relay_node == SIZE_MAX || t->servers.stun_node == SIZE_MAX) {
        free(t);
        return PH_ERR_INVAL;
    }
    struct ph_rng rng;
    ph_rng_seed(&rng, spec->seed);
    ph_rng_fill(&rng, t->servers.relay_seed, sizeof(t->servers.relay_seed));
    int rc = trial_relay_start(t);
    if (rc == PH_OK)
        rc = start_stun(t);
    if (rc == PH_OK)
        rc = background_start(w, t->servers.stun_node, spec->seed, &t->background);
    if (rc == PH_OK)
        rc = kind->start(t, &rng);
    if (rc != PH_OK) {
        tear_down(t);
        free(t);
        return rc;
    }
    (void)w->ops->take_lateness(w); /* what was before is not this trial's */
    *out = t;
    return PH_OK;
}

void trial_cancel(struct trial *t)
{
    if (t == NULL)
        return;
    tear_down(t);
    free(t);
}
