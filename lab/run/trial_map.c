/* A mapper on one socket of the caller's host: it acquires, holds, gives back. STUN on the same
 * socket tells it what the world sees of it, as a call's agent does. */
#include "lab/run/trial_kind.h"
#include "path/survey.h"

#include <stdio.h>
#include <string.h>

/* Beyond the mapper's own deadlines; what comes later than that hangs. */
#define SLACK (250 * PH_MS)
/* For a mapping that was lost shortly before the hold's end to be made again. */
#define AGAIN_MAX PH_PORTMAP_ACQUIRE_MAX
/* A stranger's packet, said again in case it is lost. */
#define KNOCK_AGAIN (200 * PH_MS)
#define KNOCK_MAX   PH_SEC
#define KNOCK_LEN   16

enum map_state {
    MAP_ACQUIRING,
    MAP_HOLDING,
    MAP_KNOCKING, /* from outside, at the port that is mapped */
    MAP_RELEASING,
    MAP_OVER,
};

struct map;

struct map_endpoint {
    struct ph_endpoint ep; /* first */
    struct map *map;
};

struct map {
    struct trial base; /* first */
    struct map_endpoint endpoint;
    enum map_state state;
    struct ph_host *host;
    ph_sock sock;
    struct ph_mapper *mapper;
    struct ph_survey *survey; /* for the reflexive address alone */
    bool reflexive_known;
    struct truth truth;
    struct map_result out;
    struct ph_host *stranger; /* on the STUN servers' node */
    ph_sock stranger_sock;
    uint8_t knock[KNOCK_LEN];
    uint32_t changes;
    ph_ns renew; /* of the mapping, as last seen */
    bool again;  /* the hold was prolonged for another mapping */
    ph_ns began; /* the state */
    ph_ns deadline;
};

static void enter(struct map *t, enum map_state state, ph_ns now, ph_ns deadline)
{
    t->state = state;
    t->began = now;
    t->deadline = deadline;
    trial_look(&t->base, deadline);
}

static void observe(struct map *t, ph_ns now);

static void release(struct map *t, ph_ns now)
{
    for (int i = 0; i < PH_PORTMAP_PROTOCOLS; i++) {
        struct ph_portmap_protocol_report r;
        ph_mapper_report(t->mapper, (enum ph_portmap_protocol)i, &r);
        t->out.said[i] = r.said;
        t->out.code[i] = r.code;
    }
    enter(t, MAP_RELEASING, now, now + PH_PORTMAP_RELEASE_MAX + SLACK);
    ph_mapper_release(t->mapper, now);
    observe(t, now); /* with nothing to give back it is idle at once */
}

static void note_mapping(struct map *t)
{
    const struct ph_mapping *m = ph_mapper_mapping(t->mapper);
    uint32_t changes = ph_mapper_changes(t->mapper);
    if (m == NULL)
        return;
    if (t->out.mapped && changes != t->changes)
        t->out.changes++;
    else if (t->out.mapped && m->renew > t->renew)
        t->out.renewals++;
    t->changes = changes;
    t->renew = m->renew;
    t->out.mapped = true;
    t->out.protocol = m->protocol;
    t->out.external = m->external;
    t->out.lifetime_s = m->lifetime_s;
    t->out.reach = m->reach;
}

/* Looks at the mapper after each of its events. */
static void observe(struct map *t, ph_ns now)
{
    enum ph_mapper_state state = ph_mapper_state(t->mapper);
    switch (t->state) {
    case MAP_ACQUIRING:
        if (state != PH_MAPPER_MAPPED && state != PH_MAPPER_FAILED)
            return;
        note_mapping(t);
        t->out.took = now - t->began;
        if (state == PH_MAPPER_MAPPED)
            enter(t, MAP_HOLDING, now, now + t->base.spec.hold);
        else
            release(t, now);
        break;
    case MAP_HOLDING:
    case MAP_KNOCKING:
        note_mapping(t);
        break;
    case MAP_RELEASING:
        if (state != PH_MAPPER_IDLE)
            return;
        t->out.released = true;
        t->out.release_took = now - t->began;
        t->state = MAP_OVER;
        trial_look_now(&t->base);
        break;
    case MAP_OVER:
        break;
    }
}

static void pump(struct map *t, ph_ns now)
{
    struct ph_host *h = t->host;
    if (ph_mapper_deadline(t->mapper) <= now)
        ph_mapper_on_timer(t->mapper, now);
    if (ph_survey_deadline(t->survey) <= now)
        ph_survey_on_timer(t->survey, now);
    observe(t, now);
    h->ops->wake_at(h, ph_min_ns(ph_mapper_deadline(t->mapper), ph_survey_deadline(t->survey)));
}

/* True: it was an answer of a STUN server's. */
static bool on_stun(struct map *t, ph_ns now, ph_sock sock, const struct ph_datagram *in)
{
    if (!ph_survey_on_datagram(t->survey, now, sock, in))
        return false;
    struct ph_addr reflexive = ph_survey_reflexive(t->survey);
    if (!t->reflexive_known && ph_addr_is_set(&reflexive)) {
        t->reflexive_known = true;
        ph_mapper_set_reflexive(t->mapper, &reflexive);
    }
    return true;
}

/* Whoever stands outside reaches the socket by the mapped port, or the mapping is none. Where
 * another NAT stands before the router it leads nowhere, and nobody tries. */
static bool start_knocking(struct map *t, ph_ns now)
{
    const struct ph_mapping *m = ph_mapper_mapping(t->mapper);
    struct world *w = t->base.world;
    const struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);
    if (m == NULL || m->reach != PH_PORTMAP_REACH_PUBLIC)
        return false;
    if (w->ops->host_new(w, t->base.servers.stun_node, NULL, NULL, &t->stranger) != PH_OK ||
        t->stranger->ops->udp_open(t->stranger, &any, &t->stranger_sock) != PH_OK)
        return false;
    t->out.open = PH_NO;
    t->state = MAP_KNOCKING;
    t->began = now;
    return true;
}

static void knock(struct map *t, ph_ns now)
{
    const struct ph_mapping *m = ph_mapper_mapping(t->mapper);
    struct ph_datagram d = {.data = t->knock, .len = sizeof(t->knock)};
    if (m != NULL) {
        d.peer = m->external;
        t->stranger->ops->udp_send(t->stranger, t->stranger_sock, &d, 1);
    }
    trial_look(&t->base, now + KNOCK_AGAIN);
}

static bool is_knock(const struct map *t, const struct ph_datagram *in)
{
    return in->len == sizeof(t->knock) && memcmp(in->data, t->knock, sizeof(t->knock)) == 0;
}

static void on_knock(struct map *t)
{
    if (t->state != MAP_KNOCKING)
        return;
    t->out.open = PH_YES;
    trial_look_now(&t->base);
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct map *t = ((struct map_endpoint *)ep)->map;
    for (size_t i = 0; i < n; i++) {
        if (!ph_mapper_on_datagram(t->mapper, now, sock, &in[i]) &&
            !on_stun(t, now, sock, &in[i]) && sock == t->sock && is_knock(t, &in[i]))
            on_knock(t);
    }
    pump(t, now);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    pump(((struct map_endpoint *)ep)->map, now);
}

static void on_http(struct ph_endpoint *ep, ph_ns now, ph_http id,
                    const struct ph_http_answer *answer)
{
    struct map *t = ((struct map_endpoint *)ep)->map;
    (void)ph_mapper_on_http(t->mapper, now, id, answer);
    pump(t, now);
}

static void on_network(struct ph_endpoint *ep, ph_ns now)
{
    struct map *t = ((struct map_endpoint *)ep)->map;
    ph_mapper_on_network(t->mapper, now);
    pump(t, now);
}

/* NULL: it is as expected. */
static const char *what_is_unexpected(const struct map *t)
{
    const struct map_result *r = &t->out;
    if (r->took == PH_NEVER)
        return "it neither mapped nor gave up in time";
    if (!r->released)
        return "it did not release in time";
    if (!t->truth.maps)
        return r->mapped ? "there was a mapping to be had from nobody" : NULL;
    if (!r->mapped)
        return "no mapping";
    if (!r->kept)
        return "the mapping was lost";
    if (r->open == PH_NO)
        return "nobody outside gets in by the mapped port";
    if (t->truth.by != PH_PORTMAP_NONE && r->protocol != t->truth.by)
        return "mapped by another protocol than expected";
    return NULL;
}

static void finish(struct map *t)
{
    struct trial_result result;
    const char *why = what_is_unexpected(t);
    trial_result_init(&result, SUBJECT_MAP);
    t->out.as_expected = why == NULL;
    if (snprintf(t->out.unexpected, sizeof(t->out.unexpected), "%s", why != NULL ? why : "") < 0)
        t->out.unexpected[0] = '\0';
    result.map = t->out;
    trial_finish(&t->base, &result);
}

static void step_knocking(struct map *t, ph_ns now)
{
    if (t->out.open != PH_YES && now < t->began + KNOCK_MAX) {
        knock(t, now);
        return;
    }
    release(t, now);
    pump(t, now);
}

static void step(struct trial *base, ph_ns now)
{
    struct map *t = (struct map *)base;
    if (t->state == MAP_OVER || (t->state == MAP_RELEASING && now >= t->deadline)) {
        finish(t);
        return;
    }
    if (t->state == MAP_KNOCKING) {
        step_knocking(t, now);
        return;
    }
    if (now < t->deadline) {
        trial_look(base, t->deadline);
        return;
    }
    t->out.kept = t->state == MAP_HOLDING && ph_mapper_state(t->mapper) == PH_MAPPER_MAPPED;
    if (t->state == MAP_HOLDING && !t->out.kept && !t->again) {
        t->again = true;
        t->deadline = now + AGAIN_MAX;
        trial_look(base, t->deadline);
        return;
    }
    if (t->state == MAP_HOLDING && start_knocking(t, now)) {
        knock(t, now);
        return;
    }
    release(t, now);
    pump(t, now);
}

static int start_survey(struct map *t, ph_ns now)
{
    struct ph_survey_config config = {
        .host = t->host, .sock = t->sock, .no_filtering = true, .no_hairpin = true};
    config.servers[0] = trial_relay_addr(&t->base);
    config.server_count = 1 + trial_stun_addrs(&t->base, config.servers + 1, 1);
    return ph_survey_new(&config, now, &t->survey);
}

static int start(struct trial *base, struct ph_rng *rng)
{
    struct map *t = (struct map *)base;
    struct world *w = base->world;
    const struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);
    size_t node = layout_find_host(w->layout, TOPO_RUNS_PEER, 0);
    if (node == SIZE_MAX)
        return PH_ERR_INVAL;
    truth_of(w->layout, node, &t->truth);
    ph_rng_fill(rng, t->knock, sizeof(t->knock));
    t->knock[0] = 0xff; /* neither STUN nor an answer of a router's */
    t->out.protocol = PH_PORTMAP_NONE;
    t->out.took = t->out.release_took = PH_NEVER;
    int rc = w->ops->host_new(w, node, NULL, NULL, &t->host);
    if (rc == PH_OK)
        rc = t->host->ops->udp_open(t->host, &any, &t->sock);
    if (rc != PH_OK)
        return rc;
    t->endpoint.ep = (struct ph_endpoint){
        .on_datagrams = on_datagrams,
        .on_timer = on_timer,
        .on_http = on_http,
        .on_network = on_network,
    };
    t->endpoint.map = t;
    t->host->endpoint = &t->endpoint.ep;
    struct ph_mapper_config config = {
        .host = t->host, .sock = t->sock, .lifetime_s = base->spec.lifetime_s};
    rc = ph_mapper_new(&config, &t->mapper);
    if (rc != PH_OK)
        return rc;
    ph_ns now = w->ops->now(w);
    rc = start_survey(t, now);
    if (rc != PH_OK)
        return rc;
    enter(t, MAP_ACQUIRING, now, now + PH_PORTMAP_ACQUIRE_MAX + SLACK);
    ph_mapper_acquire(t->mapper, now);
    pump(t, now);
    return PH_OK;
}

static void stop(struct trial *base)
{
    struct map *t = (struct map *)base;
    if (t->mapper != NULL)
        ph_mapper_free(t->mapper);
    ph_survey_free(t->survey);
    if (t->stranger != NULL)
        base->world->ops->host_free(base->world, t->stranger);
    if (t->host == NULL)
        return;
    if (t->sock != 0)
        t->host->ops->udp_close(t->host, t->sock);
    t->host->endpoint = NULL;
    base->world->ops->host_free(base->world, t->host);
}

const struct trial_kind trial_map = {
    .size = sizeof(struct map),
    .start = start,
    .step = step,
    .stop = stop,
};
