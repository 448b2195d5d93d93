#include "lab/run/trial.h"

#include "base/rng.h"
#include "lab/run/background.h"
#include "lab/run/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELAY_PORT      4433
#define STUN_PORT       3478
#define STUN_OTHER_PORT 3479
#define REGISTER_MAX    (10 * PH_SEC)
#define GRACE           (2 * PH_SEC)  /* beyond give_up, for hands that are still busy */
#define DRAIN_MAX       (400 * PH_MS) /* for the last media frames to arrive */
#define TICK            (100 * PH_MS) /* media is not worth an event of the agent's */
#define DRAIN_TICK      (10 * PH_MS)

enum trial_state {
    TRIAL_REGISTERING,
    TRIAL_CALLING,
    TRIAL_DRAINING,
    TRIAL_OVER,
};

/* One of the two: 0 is the caller. */
struct peer {
    struct trial *trial;
    size_t node;
    struct ph_host *host;
    struct ph_agent *agent;
    struct ph_call *call;
    bool registered;
    int register_error;
};

struct trial {
    struct world *world;
    struct trial_spec spec;
    void (*done)(void *user, const struct trial_result *result);
    void *user;
    enum trial_state state;
    size_t relay_node, stun_node;
    struct ph_host *relay_host, *stun_host;
    struct ph_relay *relay;
    struct ph_stun_server *stun;
    struct background *background;
    struct peer peers[2];
    ph_ns deadline;
};

static void step(void *user);

static void look(struct trial *t, ph_ns when)
{
    t->world->ops->at(t->world, when, step, t);
}

/* The agents' callbacks only ask for a look: what follows may call back into the agents, which must
 * not happen from inside them. */
static void look_now(struct trial *t)
{
    look(t, t->world->ops->now(t->world));
}

static void on_registered(void *user, int err, const struct ph_addr *reflexive)
{
    (void)reflexive;
    struct peer *p = user;
    p->registered = err == PH_OK;
    p->register_error = err;
    if (p->trial->state == TRIAL_REGISTERING)
        look_now(p->trial);
}

static void on_call(void *user, struct ph_call *call)
{
    struct peer *p = user;
    p->call = call;
    if (p->trial->state == TRIAL_CALLING)
        look_now(p->trial);
}

static void tear_down(struct trial *t)
{
    const struct world_ops *ops = t->world->ops;
    look(t, PH_NEVER);
    for (size_t i = 0; i < 2; i++) {
        if (t->peers[i].agent != NULL)
            ph_agent_free(t->peers[i].agent);
        if (t->peers[i].host != NULL)
            ops->host_free(t->world, t->peers[i].host);
    }
    background_stop(t->background);
    if (t->relay != NULL)
        ph_relay_free(t->relay);
    if (t->stun != NULL)
        ph_stun_server_free(t->stun);
    if (t->relay_host != NULL)
        ops->host_free(t->world, t->relay_host);
    if (t->stun_host != NULL)
        ops->host_free(t->world, t->stun_host);
}

/* The world may be gone when done returns, and so nothing of the trial may stand in it then. */
static void finish(struct trial *t, struct trial_result *result)
{
    t->state = TRIAL_OVER;
    for (size_t i = 0; i < 2; i++)
        result->ttl[i] = ph_agent_opener_ttl(t->peers[i].agent);
    result->lateness = t->world->ops->take_lateness(t->world);
    for (size_t i = 0; i < 2; i++)
        if (t->peers[i].call != NULL)
            ph_call_hangup(t->peers[i].call);
    tear_down(t);
    t->done(t->user, result);
    free(t);
}

static bool udp_is_blocked(const struct layout *l)
{
    for (size_t i = 0; i < l->node_count; i++)
        if (l->nodes[i].kind == LAYOUT_NAT && l->nodes[i].profile.udp_blocked)
            return true;
    return false;
}

static void finish_call(struct trial *t)
{
    struct ph_call_report reports[2];
    struct trial_result result;
    memset(&result, 0, sizeof(result));
    for (size_t i = 0; i < 2; i++)
        if (t->peers[i].call != NULL)
            ph_call_report(t->peers[i].call, &reports[i]);
    verdict(t->world->layout, t->peers[0].call != NULL ? &reports[0] : NULL,
            t->peers[1].call != NULL ? &reports[1] : NULL, &result);
    finish(t, &result);
}

static void finish_lab_error(struct trial *t, const char *why, int err)
{
    struct trial_result result;
    memset(&result, 0, sizeof(result));
    verdict(t->world->layout, NULL, NULL, &result);
    result.status = TRIAL_LAB_ERROR;
    if (snprintf(result.error, sizeof(result.error), "%s%s%s", why, err != PH_OK ? ": " : "",
                 err != PH_OK ? ph_strerror(err) : "") < 0)
        result.error[0] = '\0';
    finish(t, &result);
}

static void step_registering(struct trial *t, ph_ns now)
{
    if (!t->peers[0].registered || !t->peers[1].registered) {
        if (now < t->deadline) {
            look(t, t->deadline);
            return;
        }
        /* Without UDP nothing gets through, and that is what such a NAT is there to show. */
        if (udp_is_blocked(t->world->layout)) {
            finish_call(t);
            return;
        }
        const struct peer *p = &t->peers[t->peers[0].registered ? 1 : 0];
        char why[160];
        if (snprintf(why, sizeof(why), "registration: %s was not registered after %u s",
                     t->world->layout->nodes[p->node].name, (unsigned)(REGISTER_MAX / PH_SEC)) < 0)
            why[0] = '\0';
        finish_lab_error(t, why, p->register_error);
        return;
    }
    t->state = TRIAL_CALLING;
    t->deadline = now + t->spec.give_up + GRACE;
    int rc = ph_agent_call(t->peers[0].agent, ph_agent_fingerprint(t->peers[1].agent),
                           &t->peers[0].call);
    if (rc != PH_OK) {
        t->peers[0].call = NULL;
        finish_lab_error(t, "the caller could not dial", rc);
        return;
    }
    look(t, now + TICK);
}

static bool is_settled(const struct ph_call_report *r)
{
    if (!r->settled)
        return false;
    for (int i = 0; i < PH_STAGE_RELAY; i++)
        if (r->stages[i].state == PH_STAGE_IDLE || r->stages[i].state == PH_STAGE_RUNNING)
            return false;
    return true;
}

static void step_calling(struct trial *t, ph_ns now)
{
    struct ph_call_report reports[2];
    bool ended = false, both = t->peers[0].call != NULL && t->peers[1].call != NULL;
    bool settled = both, media = both;
    ph_ns media_at = 0;
    for (size_t i = 0; i < 2; i++) {
        if (t->peers[i].call == NULL)
            continue;
        ph_call_report(t->peers[i].call, &reports[i]);
        ended = ended || reports[i].state == PH_CALL_ENDED;
        settled = settled && is_settled(&reports[i]);
        media = media && reports[i].media_at != PH_NEVER;
        if (reports[i].media_at != PH_NEVER)
            media_at = ph_max_ns(media_at, reports[i].media_at);
    }
    bool flowed = media && now >= media_at + t->spec.media;
    if (!ended && !(settled && flowed) && now < t->deadline) {
        ph_ns next = ph_min_ns(now + TICK, t->deadline);
        if (media && settled)
            next = ph_min_ns(next, media_at + t->spec.media);
        look(t, next);
        return;
    }
    for (size_t i = 0; i < 2; i++)
        if (t->peers[i].call != NULL)
            ph_call_media_stop(t->peers[i].call);
    if (ended || !media) {
        finish_call(t);
        return;
    }
    t->state = TRIAL_DRAINING;
    t->deadline = now + DRAIN_MAX;
    look(t, now + DRAIN_TICK);
}

static void step_draining(struct trial *t, ph_ns now)
{
    struct ph_call_report a, b;
    ph_call_report(t->peers[0].call, &a);
    ph_call_report(t->peers[1].call, &b);
    bool empty = a.media.received >= b.media.sent && b.media.received >= a.media.sent;
    bool ended = a.state == PH_CALL_ENDED || b.state == PH_CALL_ENDED;
    if (!empty && !ended && now < t->deadline) {
        look(t, now + DRAIN_TICK);
        return;
    }
    finish_call(t);
}

static void step(void *user)
{
    struct trial *t = user;
    ph_ns now = t->world->ops->now(t->world);
    switch (t->state) {
    case TRIAL_REGISTERING:
        step_registering(t, now);
        break;
    case TRIAL_CALLING:
        step_calling(t, now);
        break;
    case TRIAL_DRAINING:
        step_draining(t, now);
        break;
    case TRIAL_OVER:
        break;
    }
}

/* The first node that runs a thing, from `from` on; SIZE_MAX when none does. */
static size_t find_node(const struct layout *l, enum topo_runs runs, size_t from)
{
    for (size_t i = from; i < l->node_count; i++)
        if (l->nodes[i].kind == LAYOUT_HOST && l->nodes[i].runs == runs)
            return i;
    return SIZE_MAX;
}

static struct ph_addr with_port(struct ph_addr a, uint16_t port)
{
    a.port = port;
    return a;
}

static int start_servers(struct trial *t, struct ph_rng *rng)
{
    const struct layout *l = t->world->layout;
    const struct layout_node *relay = &l->nodes[t->relay_node], *stun = &l->nodes[t->stun_node];
    int rc = t->world->ops->host_new(t->world, t->relay_node, NULL, NULL, &t->relay_host);
    if (rc != PH_OK)
        return rc;
    rc = t->world->ops->host_new(t->world, t->stun_node, NULL, NULL, &t->stun_host);
    if (rc != PH_OK)
        return rc;
    struct ph_relay_config config = {
        .host = t->relay_host,
        .region = "lab",
        .deterministic = t->spec.deterministic,
    };
    ph_rng_fill(rng, config.seed, sizeof(config.seed));
    for (size_t i = 0; i < relay->addr_count && i < 2; i++)
        config.listen[i] = with_port(relay->addrs[i], RELAY_PORT);
    rc = ph_relay_new(&config, &t->relay);
    if (rc != PH_OK)
        return rc;
    /* Two ports for each address: what RFC 5780 asks of a server. */
    struct ph_addr addrs[2 * TOPO_ADDRESSES_MAX];
    for (size_t i = 0; i < stun->addr_count; i++) {
        addrs[i] = with_port(stun->addrs[i], STUN_PORT);
        addrs[stun->addr_count + i] = with_port(stun->addrs[i], STUN_OTHER_PORT);
    }
    return ph_stun_server_new(t->stun_host, addrs, 2 * stun->addr_count, &t->stun);
}

static int start_peer(struct trial *t, struct peer *p, struct ph_rng *rng)
{
    const struct layout *l = t->world->layout;
    const struct layout_node *stun = &l->nodes[t->stun_node];
    p->trial = t;
    int rc = t->world->ops->host_new(t->world, p->node, NULL, NULL, &p->host);
    if (rc != PH_OK)
        return rc;
    struct ph_agent_config config = {
        .host = p->host,
        .relay_count = 1,
        .stages = t->spec.stages,
        .give_up = t->spec.give_up,
        .answer_mode = PH_ANSWER_FULL,
        .deterministic = t->spec.deterministic,
        .callbacks = {.on_registered = on_registered, .on_call = on_call},
        .user = p,
    };
    config.relays[0] = with_port(l->nodes[t->relay_node].addrs[0], RELAY_PORT);
    for (size_t i = 0; i < stun->addr_count && i < PH_STUNS_MAX; i++)
        config.stuns[config.stun_count++] = with_port(stun->addrs[i], STUN_PORT);
    ph_rng_fill(rng, config.seed, sizeof(config.seed));
    return ph_agent_new(&config, &p->agent);
}

int trial_start(struct world *w, const struct trial_spec *spec,
                void (*done)(void *user, const struct trial_result *result), void *user,
                struct trial **out)
{
    *out = NULL;
    const struct layout *l = w->layout;
    struct trial *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return PH_ERR_NOMEM;
    t->world = w;
    t->spec = *spec;
    t->done = done;
    t->user = user;
    t->relay_node = find_node(l, TOPO_RUNS_RELAY, 0);
    t->stun_node = find_node(l, TOPO_RUNS_STUN, 0);
    t->peers[0].node = find_node(l, TOPO_RUNS_PEER, 0);
    if (t->peers[0].node != SIZE_MAX)
        t->peers[1].node = find_node(l, TOPO_RUNS_PEER, t->peers[0].node + 1);
    if (t->relay_node == SIZE_MAX || t->stun_node == SIZE_MAX || t->peers[0].node == SIZE_MAX ||
        t->peers[1].node == SIZE_MAX) {
        free(t);
        return PH_ERR_INVAL;
    }
    struct ph_rng rng;
    ph_rng_seed(&rng, spec->seed);
    int rc = start_servers(t, &rng);
    if (rc == PH_OK)
        rc = background_start(w, t->stun_node, spec->seed, &t->background);
    for (size_t i = 0; rc == PH_OK && i < 2; i++)
        rc = start_peer(t, &t->peers[i], &rng);
    if (rc != PH_OK) {
        tear_down(t);
        free(t);
        return rc;
    }
    (void)w->ops->take_lateness(w); /* what was before is not this trial's */
    t->deadline = w->ops->now(w) + REGISTER_MAX;
    look(t, t->deadline);
    *out = t;
    return PH_OK;
}

void trial_cancel(struct trial *t)
{
    if (t == NULL)
        return;
    t->state = TRIAL_OVER;
    tear_down(t);
    free(t);
}
