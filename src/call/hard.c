#include "call/hard.h"

#include "base/err.h"
#include "base/rng.h"
#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"

#include <string.h>

/* How long the own facts may keep the peer waiting: the survey's second burst is in by then. */
#define FACTS_PATIENCE (500 * PH_MS)
/* A peer that says nothing of its NAT in this time never will: it is an older one. */
#define PEER_PATIENCE (3 * PH_SEC)
/* A peer tells once early, once finally, and when its network changes. With each of its words that
 * is taken the moves may begin anew, so this bounds what beginnings cost. */
#define FACTS_MOST 8
/* What a call may spend on its routers it may spend again after this long. */
#define REFILL (60 * PH_SEC)
/* Below this punching is not expected to succeed, and gets no turn of its own. */
#define PUNCH_LIKELY 0.5

static void set_state(struct ph_hard *h, enum ph_hard_state state)
{
    static const char *const names[] = {"idle", "learning", "holding", "moving", "resting", "won"};
    if (h->state == state)
        return;
    ph_call_trace(h->call, "hard", names[h->state], names[state]);
    h->state = state;
    h->call->changed = true;
}

void ph_hard_init(struct ph_hard *h, struct ph_call *call)
{
    struct ph_budget budget = ph_budget_resolve(&call->agent->config.budget);
    *h = (struct ph_hard){
        .call = call,
        .patience = PH_NEVER,
        .since = call->started,
        .refilled = call->started,
        .probes_left = budget.probes,
        .openers_left = budget.openers,
        .handful_left = PH_HARD_HANDFUL,
    };
    ph_run_init(&h->run, h);
}

void ph_hard_fini(struct ph_hard *h)
{
    struct ph_host *host = h->call->agent->host;
    ph_run_fini(&h->run);
    while (h->warm_count > 0)
        host->ops->udp_close(host, h->warm[--h->warm_count]);
    set_state(h, PH_HARD_IDLE);
}

bool ph_hard_is_wanted(const struct ph_hard *h)
{
    return h->call->agent->config.stages & (1u << PH_STAGE_PREDICT | 1u << PH_STAGE_BIRTHDAY);
}

bool ph_hard_is_running(const struct ph_hard *h)
{
    return h->state == PH_HARD_LEARNING || h->state == PH_HARD_HOLDING ||
           h->state == PH_HARD_MOVING;
}

static ph_ns gives_up_at(const struct ph_hard *h)
{
    return h->since + h->call->agent->config.give_up;
}

static int side_of_own(const struct ph_hard *h)
{
    return h->call->caller ? 0 : 1;
}

/* ---- What is told */

static void say(struct ph_hard *h, struct ph_hard_message *m)
{
    uint8_t buf[PH_HARD_MESSAGE_MAX];
    int len = ph_hard_encode(m, buf, sizeof(buf));
    if (len > 0 && h->carry)
        h->carry(h, buf, (size_t)len);
    else if (len > 0 && ph_call_established(h->call))
        (void)ph_quic_stream_send(h->call->quic, buf, (size_t)len);
}

void ph_hard_tell_start(struct ph_hard *h, const struct ph_hard_start *s)
{
    struct ph_hard_message m = {.type = PH_HARD_NAT_BIRTHDAY_START, .start = *s};
    memcpy(m.start.call_id, h->call->id, PH_CALL_ID_LEN);
    say(h, &m);
}

/* What the peer will read is what the own plan is made of. */
static void tell_facts(struct ph_hard *h, ph_ns now)
{
    struct ph_hard_message m = {.type = PH_HARD_NAT_PROBE};
    h->surveyed = ph_network_changes(&h->call->agent->network);
    ph_hard_facts_own(h->call, now, &m.probe);
    m.probe.generation = h->own.generation + 1;
    h->own = m.probe;
    if (!h->told && !h->heard)
        h->patience = now + PEER_PATIENCE;
    h->told = true;
    say(h, &m);
}

/* When the own facts are to go out: as soon as the ports are sampled, or patience is at an end; and
 * again when the survey has come to its end. */
static bool facts_are_due(const struct ph_hard *h, ph_ns now)
{
    const struct ph_network *n = &h->call->agent->network;
    if (!h->told)
        return ph_network_ports_sampled(n) || now >= h->patience;
    return ph_network_surveyed(n) && h->surveyed != ph_network_changes(n);
}

/* ---- The plan */

static ph_ns one_way(const struct ph_hard *h)
{
    return ((ph_ns)h->own.relay_rtt_ms + h->peer.relay_rtt_ms) * PH_MS / 2;
}

static void plan(struct ph_hard *h)
{
    const struct ph_agent_config *config = &h->call->agent->config;
    struct ph_plan_input in = {.signalling = one_way(h)};
    int own = side_of_own(h);
    uint64_t seed = ph_hash64(1, h->call->id, PH_CALL_ID_LEN);
    ph_hard_facts_side(&h->own, &in.side[own]);
    ph_hard_facts_side(&h->peer, &in.side[1 - own]);
    in.stun = (ph_ns)(h->own.stun_rtt_ms > h->peer.stun_rtt_ms ? h->own.stun_rtt_ms
                                                               : h->peer.stun_rtt_ms) *
              PH_MS;
    in.direct = 2 * in.signalling;
    if (config->plan)
        config->plan(config->user, &in, seed, &h->plan);
    else
        ph_plan_make(&in, seed, &h->plan);
    ph_call_trace(h->call, "plan", ph_plan_outlook_name(h->plan.outlook), h->plan.why);
}

static bool may_make(const struct ph_hard *h, const struct ph_move *m)
{
    enum ph_stage stage = ph_stage_of_guesses(m->predicted);
    return m->kind != PH_MOVE_PUNCH && h->call->agent->config.stages & (1u << stage);
}

/* The next move from `from` on that this call may make; plan.count: none. */
static size_t next_move(const struct ph_hard *h, size_t from)
{
    while (from < h->plan.count && !may_make(h, &h->plan.moves[from]))
        from++;
    return from;
}

/* The IP that guesses would go to is one that may be sent to at all. */
static bool may_target(const struct ph_hard *h)
{
    const struct ph_addr *at = &h->peer.external;
    struct ph_agent *a = h->call->agent;
    return ph_addr_is_set(at) && at->family == a->local.family && !ph_addr_is_unusable(at) &&
           !ph_addr_is_loopback(at) && !ph_agent_is_relay(a, at) && !ph_agent_is_own_ip(a, at);
}

static void skip(struct ph_hard *h, ph_ns now, enum ph_stage stage, const char *why)
{
    ph_waterfall_end(&h->call->waterfall, stage, PH_STAGE_SKIPPED, now, why);
}

static bool has_move(const struct ph_hard *h, bool predicted)
{
    for (size_t i = 0; i < h->plan.count; i++) {
        if (may_make(h, &h->plan.moves[i]) && h->plan.moves[i].predicted == predicted)
            return true;
    }
    return false;
}

/* Says of the stages that will not run why they do not. */
static void say_skipped(struct ph_hard *h, ph_ns now)
{
    const char *target = may_target(h) ? NULL : "the peer's address is no target";
    if (target || !has_move(h, true))
        skip(h, now, PH_STAGE_PREDICT, target ? target : h->plan.no_predict);
    if (target || !has_move(h, false))
        skip(h, now, PH_STAGE_BIRTHDAY, target ? target : h->plan.no_birthday);
}

/* Nothing is left to try: what has run is lost, what has not is skipped. */
static void rest(struct ph_hard *h, ph_ns now, const char *why)
{
    for (int i = PH_STAGE_PREDICT; i <= PH_STAGE_BIRTHDAY; i++) {
        bool ran = h->call->waterfall.stages[i].state == PH_STAGE_RUNNING;
        ph_waterfall_end(&h->call->waterfall, (enum ph_stage)i,
                         ran ? PH_STAGE_LOST : PH_STAGE_SKIPPED, now, why);
    }
    ph_run_stop(&h->run);
    h->index = h->plan.count;
    h->patience = PH_NEVER;
    set_state(h, PH_HARD_RESTING);
}

/* Which move of the own plan the peer speaks of. Plans differ when one side's facts have changed
 * and the other does not know yet. */
static size_t move_of(const struct ph_hard *h, const struct ph_hard_start *s)
{
    size_t i = s->index;
    if (i < h->plan.count && may_make(h, &h->plan.moves[i]) && h->plan.moves[i].kind == s->move)
        return i;
    i = next_move(h, 0);
    while (i < h->plan.count && h->plan.moves[i].kind != s->move)
        i = next_move(h, i + 1);
    return i;
}

static void begin_move(struct ph_hard *h, ph_ns now, size_t index)
{
    const struct ph_move *m = &h->plan.moves[index];
    h->index = index;
    h->patience = PH_NEVER;
    set_state(h, PH_HARD_MOVING);
    ph_waterfall_start_after_all(&h->call->waterfall, ph_stage_of_guesses(m->predicted), now);
    ph_call_trace(h->call, "move", ph_move_kind_name(m->kind), m->why);
    ph_run_begin(&h->run, now, m, m->acceptor == side_of_own(h));
}

static void move_on(struct ph_hard *h, ph_ns now, size_t from)
{
    size_t index = next_move(h, from);
    if (h->router_full)
        rest(h, now, "the router has no room for more flows");
    else if (index == h->plan.count)
        rest(h, now, "no guess was answered");
    else
        begin_move(h, now, index);
}

/* How long punching has its turn before anything is guessed. */
static ph_ns hold_for(const struct ph_hard *h)
{
    const struct ph_plan *p = &h->plan;
    ph_ns gap = ph_checks_gap(h->call, 0);
    bool unsure = false;
    for (int i = 0; i < 2; i++) {
        const struct ph_hard_probe *f = i ? &h->peer : &h->own;
        bool easy = f->mapping == PH_MAPPING_NONE || f->mapping == PH_MAPPING_EIM;
        unsure = unsure || (easy && f->filtering == PH_FILTERING_UNKNOWN);
    }
    if (p->count > 0 && p->moves[0].kind == PH_MOVE_PUNCH && p->moves[0].success >= PUNCH_LIKELY)
        return 6 * gap; /* with a lost check or two */
    return unsure ? gap : 0;
}

static bool same_move(const struct ph_move *a, const struct ph_move *b)
{
    bool guesses = a->ports == PH_PORTS_ORDER && a->kind != PH_MOVE_RENDEZVOUS;
    return a->kind == b->kind && a->acceptor == b->acceptor && a->ports == b->ports &&
           (!guesses ||
            (ph_port_order_eq(&a->order, &b->order) && ph_port_order_eq(&a->back, &b->back)));
}

static void replan(struct ph_hard *h, ph_ns now)
{
    struct ph_move before = h->run.move;
    bool moving = h->state == PH_HARD_MOVING;
    plan(h);
    if (moving) {
        /* What is under way goes on, if it still is what to do, and where. */
        bool same_place = may_target(h) && ph_addr_ip_eq(&h->run.target, &h->peer.external);
        for (size_t i = 0; same_place && i < h->plan.count; i++) {
            if (same_move(&h->plan.moves[i], &before)) {
                h->index = i;
                return;
            }
        }
        ph_run_stop(&h->run);
    }
    h->index = 0;
    if (next_move(h, 0) == h->plan.count || !may_target(h)) {
        say_skipped(h, now);
        if (h->own.final && h->peer.final)
            rest(h, now, h->plan.why);
        else
            set_state(h, PH_HARD_LEARNING); /* more is coming */
        h->patience = PH_NEVER;
        return;
    }
    if (h->own.final && h->peer.final)
        say_skipped(h, now);
    if (moving) {
        move_on(h, now, 0);
        return;
    }
    if (h->patience == PH_NEVER || h->state != PH_HARD_HOLDING)
        h->patience = now + hold_for(h);
    set_state(h, PH_HARD_HOLDING);
}

/* ---- Events */

void ph_hard_on_established(struct ph_hard *h, ph_ns now)
{
    if (h->state != PH_HARD_IDLE || h->call->no_direct || !ph_hard_is_wanted(h))
        return;
    set_state(h, PH_HARD_LEARNING);
    h->patience = now + FACTS_PATIENCE;
}

static void on_facts(struct ph_hard *h, ph_ns now, const struct ph_hard_probe *p)
{
    if ((h->heard && p->generation <= h->peer.generation) || h->facts == FACTS_MOST ||
        now >= gives_up_at(h))
        return;
    h->peer = *p;
    h->heard = true;
    h->facts++;
    if (h->told && h->state != PH_HARD_WON)
        replan(h, now);
}

static void on_start(struct ph_hard *h, ph_ns now, const struct ph_hard_start *s)
{
    if (h->state == PH_HARD_WON || !h->told || !h->heard || !may_target(h) || s->phase == 0 ||
        h->router_full || now >= gives_up_at(h))
        return;
    size_t i = move_of(h, s);
    /* None of our plan, or one that we are done with. Of facts that we lack it cannot be: they
     * would have come before it. */
    if (i == h->plan.count || i < h->index)
        return;
    if (h->state != PH_HARD_MOVING || i > h->index)
        begin_move(h, now, i); /* the leader is ahead of us */
    ph_run_on_start(&h->run, now, s);
}

void ph_hard_on_message(struct ph_hard *h, ph_ns now, const struct ph_hard_message *m)
{
    if (m->type == PH_HARD_NAT_PROBE && memcmp(m->probe.call_id, h->call->id, PH_CALL_ID_LEN) == 0)
        on_facts(h, now, &m->probe);
    if (m->type == PH_HARD_NAT_BIRTHDAY_START &&
        memcmp(m->start.call_id, h->call->id, PH_CALL_ID_LEN) == 0)
        on_start(h, now, &m->start);
}

void ph_hard_renew(struct ph_hard *h, ph_ns now)
{
    const struct ph_budget budget = ph_budget_resolve(&h->call->agent->config.budget);
    if (h->state == PH_HARD_IDLE)
        return;
    ph_run_stop(&h->run);
    if (now >= h->refilled + REFILL) {
        h->refilled = now;
        h->probes_left = budget.probes;
        h->openers_left = budget.openers;
        h->handful_left = PH_HARD_HANDFUL;
        h->router_full = false;
    }
    h->since = now;
    h->told = h->heard = false;
    h->facts = 0;
    h->index = 0;
    h->patience = now + FACTS_PATIENCE;
    set_state(h, PH_HARD_LEARNING);
}

void ph_hard_on_proved(struct ph_hard *h, ph_ns now)
{
    for (int i = PH_STAGE_PREDICT; i <= PH_STAGE_BIRTHDAY; i++)
        skip(h, now, (enum ph_stage)i, "a path was there before");
    if (h->state == PH_HARD_IDLE)
        return;
    ph_run_stop(&h->run);
    h->patience = PH_NEVER;
    set_state(h, PH_HARD_WON);
}

void ph_hard_pump(struct ph_hard *h, ph_ns now)
{
    if (h->state == PH_HARD_IDLE || h->state == PH_HARD_WON)
        return;
    if (facts_are_due(h, now)) {
        tell_facts(h, now);
        if (h->heard)
            replan(h, now);
    }
    if (h->state == PH_HARD_LEARNING && h->told && now >= h->patience)
        rest(h, now, "the peer says nothing of its NAT");
    if (now >= gives_up_at(h) && ph_hard_is_running(h))
        rest(h, now, "out of time");
    bool punch_over =
        h->call->punch.state == PH_PUNCH_LOST || h->call->punch.state == PH_PUNCH_IDLE;
    if (h->state == PH_HARD_HOLDING && (now >= h->patience || punch_over))
        move_on(h, now, 0);
    if (h->state == PH_HARD_MOVING) {
        ph_run_pump(&h->run, now);
        if (h->run.phase == PH_RUN_FINISHED)
            move_on(h, now, h->index + 1);
    }
}

ph_ns ph_hard_deadline(const struct ph_hard *h, ph_ns now)
{
    if (!ph_hard_is_running(h))
        return PH_NEVER;
    ph_ns t = ph_min_ns(h->patience, gives_up_at(h));
    if (facts_are_due(h, now))
        t = now;
    return h->state == PH_HARD_MOVING ? ph_min_ns(t, ph_run_deadline(&h->run, now)) : t;
}
