/* The call: two peers register, one dials, media flows. */
#include "lab/run/call_flow.h"
#include "lab/run/trial_kind.h"
#include "lab/run/verdict.h"

#include <stdio.h>
#include <string.h>

#define REGISTER_MAX (10 * PH_SEC)
#define GRACE        (2 * PH_SEC)   /* beyond give_up, for hands that are still busy */
#define DRAIN_MAX    (400 * PH_MS)  /* for the last media frames to arrive */
#define CLOSE_MAX    (1500 * PH_MS) /* for routers to take back what they gave */
#define TICK         (100 * PH_MS)  /* media is not worth an event of the agent's */
#define DRAIN_TICK   (10 * PH_MS)

enum call_state {
    CALL_REGISTERING,
    CALL_CALLING,
    CALL_DRAINING,
    CALL_CLOSING,
};

struct call;

/* One of the two: 0 is the caller. */
struct peer {
    struct call *trial;
    size_t node;
    struct ph_host *host;
    struct ph_agent *agent;
    struct ph_call *call;
    bool registered;
    int register_error;
};

struct call {
    struct trial base; /* first */
    enum call_state state;
    struct peer peers[2];
    ph_ns deadline;
    struct call_flow flow;
    char fault_error[256];       /* why the lab could not do a fault */
    struct bystander *bystander; /* from CALLING on */
    struct trial_result result;  /* from CLOSING on */
};

static void on_registered(void *user, int err, const struct ph_addr *reflexive)
{
    (void)reflexive;
    struct peer *p = user;
    p->registered = err == PH_OK;
    p->register_error = err;
    if (p->trial->state == CALL_REGISTERING)
        trial_look_now(&p->trial->base);
}

static void on_call(void *user, struct ph_call *call)
{
    struct peer *p = user;
    struct call *t = p->trial;
    struct ph_call_report report;
    p->call = call;
    ph_call_report(call, &report);
    if (report.decided_at != PH_NEVER)
        call_flow_switched(&t->flow, p == &t->peers[1], report.decided_at);
    if (p->trial->state == CALL_CALLING)
        trial_look_now(&p->trial->base);
}

static void on_media(void *user, struct ph_call *call, const struct ph_media_frame *frame)
{
    struct peer *p = user;
    (void)call;
    media_meter_frame(&p->trial->flow.hears[p == &p->trial->peers[1]], frame);
}

static int on_relay_fault(void *user, bool comes_back)
{
    struct call *t = user;
    if (comes_back)
        return trial_relay_start(&t->base);
    trial_relay_stop(&t->base);
    return PH_OK;
}

static void on_fault_failed(void *user, const char *why)
{
    struct call *t = user;
    if (snprintf(t->fault_error, sizeof(t->fault_error), "%s", why) < 0)
        t->fault_error[0] = '\0';
    trial_look_now(&t->base);
}

static void on_closed(void *user)
{
    struct peer *p = user;
    if (p->trial->state == CALL_CLOSING)
        trial_look_now(&p->trial->base);
}

static void stop(struct trial *base)
{
    struct call *t = (struct call *)base;
    bystander_stop(t->bystander);
    call_flow_fini(&t->flow);
    for (size_t i = 0; i < 2; i++) {
        if (t->peers[i].agent != NULL)
            ph_agent_free(t->peers[i].agent);
        if (t->peers[i].host != NULL)
            base->world->ops->host_free(base->world, t->peers[i].host);
    }
}

static bool udp_is_blocked(const struct layout *l)
{
    for (size_t i = 0; i < l->node_count; i++)
        if (l->nodes[i].kind == LAYOUT_NAT && l->nodes[i].profile.udp_blocked)
            return true;
    return false;
}

static void finish(struct call *t)
{
    for (size_t i = 0; i < 2; i++)
        t->result.ttl[i] = ph_agent_opener_ttl(t->peers[i].agent);
    t->result.bystander = bystander_count(t->bystander);
    trial_finish(&t->base, &t->result);
}

static bool is_closed(const struct call *t)
{
    return ph_agent_closed(t->peers[0].agent) && ph_agent_closed(t->peers[1].agent);
}

static void step_closing(struct call *t, ph_ns now)
{
    bool closed = is_closed(t), settled = bystander_settled(t->bystander);
    if ((closed && settled) || now >= t->deadline)
        finish(t);
    else
        trial_look(&t->base, closed ? ph_min_ns(now + TICK, t->deadline) : t->deadline);
}

/* What there is to measure has been: the peers say goodbye, and give back what routers gave. */
static void finish_call(struct call *t, ph_ns now)
{
    struct ph_call_report reports[2] = {0};
    trial_result_init(&t->result, SUBJECT_PINHOLE);
    for (size_t i = 0; i < 2; i++)
        if (t->peers[i].call != NULL)
            ph_call_report(t->peers[i].call, &reports[i]);
    uint64_t sent[2] = {reports[0].media.sent, reports[1].media.sent};
    call_flow_end(&t->flow, now, false);
    call_flow_result(&t->flow, sent, reports[0].started, &t->result);
    verdict(t->base.world->layout, t->peers[0].call != NULL ? &reports[0] : NULL,
            t->peers[1].call != NULL ? &reports[1] : NULL, &t->result);
    if (!ph_agent_mapping(t->peers[0].agent, &t->result.mapping))
        t->result.mapping = (struct ph_mapping){.protocol = PH_PORTMAP_NONE};
    bystander_ask_no_more(t->bystander);
    t->state = CALL_CLOSING;
    t->deadline =
        now + (t->bystander != NULL ? ph_max_ns(CLOSE_MAX, BYSTANDER_PATIENCE + TICK) : CLOSE_MAX);
    for (size_t i = 0; i < 2; i++)
        ph_agent_close(t->peers[i].agent);
    step_closing(t, now);
}

static int start_bystander(struct call *t)
{
    struct ph_addr server;
    if (trial_stun_addrs(&t->base, &server, 1) == 0)
        return PH_ERR_INVAL;
    return bystander_start(t->base.world, &server, t->base.spec.bystander, t->base.spec.seed,
                           &t->bystander);
}

static void step_registering(struct call *t, ph_ns now)
{
    if (!t->peers[0].registered || !t->peers[1].registered) {
        if (now < t->deadline) {
            trial_look(&t->base, t->deadline);
            return;
        }
        /* Without UDP nothing gets through, and that is what such a NAT is there to show. */
        if (udp_is_blocked(t->base.world->layout)) {
            finish_call(t, now);
            return;
        }
        const struct peer *p = &t->peers[t->peers[0].registered ? 1 : 0];
        char why[160];
        if (snprintf(why, sizeof(why), "registration: %s was not registered after %u s",
                     t->base.world->layout->nodes[p->node].name,
                     (unsigned)(REGISTER_MAX / PH_SEC)) < 0)
            why[0] = '\0';
        trial_finish_lab_error(&t->base, why, p->register_error);
        return;
    }
    t->state = CALL_CALLING;
    t->deadline = now + t->base.spec.give_up + GRACE;
    int rc = ph_agent_call(t->peers[0].agent, ph_agent_fingerprint(t->peers[1].agent),
                           &t->peers[0].call);
    if (rc != PH_OK) {
        t->peers[0].call = NULL;
        trial_finish_lab_error(&t->base, "the caller could not dial", rc);
        return;
    }
    rc = start_bystander(t);
    if (rc != PH_OK) {
        trial_finish_lab_error(&t->base, "no bystander could start", rc);
        return;
    }
    trial_look(&t->base, now + TICK);
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

/* With faults the call is held for longer than it takes to settle. */
static void begin_flow(struct call *t, ph_ns media_at)
{
    const struct fault_plan *plan = t->base.spec.faults;
    call_flow_begin(&t->flow, media_at);
    if (plan != NULL)
        t->deadline =
            ph_max_ns(t->deadline, media_at + fault_plan_over(plan) + t->base.spec.media + GRACE);
}

static void step_calling(struct call *t, ph_ns now)
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
    if (media)
        begin_flow(t, media_at);
    ph_ns enough = call_flow_enough(&t->flow, t->base.spec.media);
    /* After a fault peers may look for a better path as long as the call goes on. */
    settled = settled || t->base.spec.faults != NULL;
    if (!ended && !(settled && media && now >= enough) && now < t->deadline) {
        ph_ns next = ph_min_ns(now + TICK, t->deadline);
        if (media && settled)
            next = ph_min_ns(next, enough);
        trial_look(&t->base, next);
        return;
    }
    if (media && !ended && enough == PH_NEVER) {
        trial_finish_lab_error(&t->base, "a fault was asked for, and nobody did it", PH_OK);
        return;
    }
    call_flow_end(&t->flow, now, !ended);
    for (size_t i = 0; i < 2; i++)
        if (t->peers[i].call != NULL)
            ph_call_media_stop(t->peers[i].call);
    if (ended || !media) {
        finish_call(t, now);
        return;
    }
    t->state = CALL_DRAINING;
    t->deadline = now + DRAIN_MAX;
    trial_look(&t->base, now + DRAIN_TICK);
}

static void step_draining(struct call *t, ph_ns now)
{
    struct ph_call_report a, b;
    ph_call_report(t->peers[0].call, &a);
    ph_call_report(t->peers[1].call, &b);
    bool empty = a.media.received >= b.media.sent && b.media.received >= a.media.sent;
    bool ended = a.state == PH_CALL_ENDED || b.state == PH_CALL_ENDED;
    if (!empty && !ended && now < t->deadline) {
        trial_look(&t->base, now + DRAIN_TICK);
        return;
    }
    finish_call(t, now);
}

static void step(struct trial *base, ph_ns now)
{
    struct call *t = (struct call *)base;
    if (t->fault_error[0] != '\0') {
        trial_finish_lab_error(base, t->fault_error, PH_OK);
        return;
    }
    switch (t->state) {
    case CALL_REGISTERING:
        step_registering(t, now);
        break;
    case CALL_CALLING:
        step_calling(t, now);
        break;
    case CALL_DRAINING:
        step_draining(t, now);
        break;
    case CALL_CLOSING:
        step_closing(t, now);
        break;
    }
}

static int start_peer(struct call *t, struct peer *p, struct ph_rng *rng)
{
    struct world *w = t->base.world;
    p->trial = t;
    int rc = w->ops->host_new(w, p->node, NULL, NULL, &p->host);
    if (rc != PH_OK)
        return rc;
    struct ph_agent_config config = {
        .host = p->host,
        .stages = t->base.spec.stages,
        .give_up = t->base.spec.give_up,
        .answer_mode = p == &t->peers[1] ? t->base.spec.answer : PH_ANSWER_FULL,
        .plan = t->base.spec.plan,
        .budget = t->base.spec.budget,
        .probe = t->base.spec.probe,
        .no_canary = t->base.spec.no_canary,
        .deterministic = t->base.spec.deterministic,
        .callbacks = {.on_registered = on_registered,
                      .on_call = on_call,
                      .on_media = on_media,
                      .on_closed = on_closed},
        .user = p,
    };
    config.relay_count = trial_relay_addrs6(&t->base, config.relays, 1);
    config.relays[config.relay_count++] = trial_relay_addr(&t->base);
    config.stun_count = trial_stun_addrs6(&t->base, config.stuns, PH_STUNS_MAX / 2);
    config.stun_count += trial_stun_addrs(&t->base, config.stuns + config.stun_count,
                                          PH_STUNS_MAX - config.stun_count);
    ph_rng_fill(rng, config.seed, sizeof(config.seed));
    return ph_agent_new(&config, &p->agent);
}

static int start(struct trial *base, struct ph_rng *rng)
{
    struct call *t = (struct call *)base;
    size_t nodes[2];
    struct fault_run_config faults = {.world = base->world,
                                      .plan = base->spec.faults,
                                      .seed = base->spec.seed,
                                      .relay = on_relay_fault,
                                      .failed = on_fault_failed,
                                      .user = t};
    int err = call_flow_init(&t->flow, faults.plan != NULL ? &faults : NULL);
    if (err != PH_OK)
        return err;
    if (!layout_find_peers(base->world->layout, nodes))
        return PH_ERR_INVAL;
    for (size_t i = 0; i < 2; i++) {
        t->peers[i].node = nodes[i];
        int rc = start_peer(t, &t->peers[i], rng);
        if (rc != PH_OK)
            return rc;
    }
    t->deadline = base->world->ops->now(base->world) + REGISTER_MAX;
    trial_look(base, t->deadline);
    return PH_OK;
}

const struct trial_kind trial_call = {
    .size = sizeof(struct call),
    .start = start,
    .step = step,
    .stop = stop,
};
