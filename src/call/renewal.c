#include "call/renewal.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"
#include "call/terms.h"

#include <string.h>

/* A path that only seemed dead answers a probe sooner than this. */
#define AFTER_DEATH (300 * PH_MS)
#define RETRY_FIRST PH_SEC
#define RETRY_MAX   (60 * PH_SEC)
/* As long as a new call waits for its servers. */
#define GATHER_MAX (600 * PH_MS)
/* Rounds follow each other no faster, whatever a peer says. */
#define ROUND_MIN (500 * PH_MS)

static void set_state(struct ph_renewal *r, enum ph_renewal_state state)
{
    static const char *const names[] = {"idle", "gathering", "asked"};
    if (r->state == state)
        return;
    ph_call_trace(r->call, "renewal", names[r->state], names[state]);
    r->state = state;
}

void ph_renewal_init(struct ph_renewal *r, struct ph_call *call)
{
    *r = (struct ph_renewal){
        .call = call, .due = PH_NEVER, .gathered_by = PH_NEVER, .begun = PH_NEVER};
}

static void want(struct ph_renewal *r, ph_ns when)
{
    if (r->call->no_direct)
        return;
    if (r->begun != PH_NEVER)
        when = ph_max_ns(when, r->begun + ROUND_MIN);
    r->due = ph_min_ns(r->due, when);
}

void ph_renewal_on_network(struct ph_renewal *r, ph_ns now)
{
    r->tries = 0;
    want(r, now);
}

void ph_renewal_on_dead(struct ph_renewal *r, ph_ns now)
{
    want(r, now + AFTER_DEATH);
}

void ph_renewal_on_proved(struct ph_renewal *r)
{
    /* A round that is under way goes on: it was begun since there is something to tell. */
    r->tries = 0;
    r->due = PH_NEVER;
}

/* The callee leaves it to the caller, and tries itself when nothing comes of that. */
static void plan_next(struct ph_renewal *r, ph_ns now)
{
    ph_ns wait = r->tries < 6 ? RETRY_FIRST << r->tries : RETRY_MAX;
    r->tries++;
    r->due = PH_NEVER;
    if (!r->call->steering.path)
        want(r, now + (r->call->caller ? wait : 2 * wait));
}

static void begin(struct ph_renewal *r, ph_ns now)
{
    r->due = PH_NEVER;
    r->begun = now;
    r->gathered_by = now + GATHER_MAX;
    ph_network_renew(&r->call->agent->network, now);
    set_state(r, PH_RENEWAL_GATHERING);
}

/* What the own side is now, to the peer. */
static void tell(struct ph_renewal *r, ph_ns now)
{
    struct ph_call *c = r->call;
    struct ph_signal m = {
        .type = PH_SIGNAL_CANDIDATE_UPDATE, .generation = ++r->generation, .answers = r->answers};
    bool answering = r->answers != 0 && !c->caller;
    r->gathered_by = PH_NEVER;
    ph_agent_gather(c->agent);
    ph_terms_candidates(c, &m);
    if (answering) /* holes first: the caller checks when it has this */
        ph_punch_renew(&c->punch, now, &r->update, true);
    ph_hard_renew(&c->hard, now);
    r->answers = 0;
    (void)ph_talk_say(c, &m);
    set_state(r, c->caller ? PH_RENEWAL_ASKED : PH_RENEWAL_IDLE);
    plan_next(r, now);
}

void ph_renewal_on_update(struct ph_renewal *r, ph_ns now, const struct ph_signal *m)
{
    struct ph_call *c = r->call;
    if (m->generation <= r->peer_generation || c->no_direct)
        return;
    r->peer_generation = m->generation;
    if (!c->caller) {
        r->update = *m;
        r->answers = m->generation;
        if (r->state != PH_RENEWAL_GATHERING)
            want(r, now);
        return;
    }
    if (m->answers != 0 && m->answers == r->generation) {
        if (r->state == PH_RENEWAL_ASKED)
            set_state(r, PH_RENEWAL_IDLE);
        ph_punch_renew(&c->punch, now, m, false);
    } else if (m->answers == 0 && r->state != PH_RENEWAL_GATHERING) {
        want(r, now); /* it has a reason of its own; a late answer is no reason */
    }
}

void ph_renewal_pump(struct ph_renewal *r, ph_ns now)
{
    if (!ph_call_established(r->call))
        return;
    if (now >= r->due)
        begin(r, now);
    if (r->state == PH_RENEWAL_GATHERING &&
        now >= ph_min_ns(r->gathered_by, ph_network_sampled_at(&r->call->agent->network)))
        tell(r, now);
}

ph_ns ph_renewal_deadline(const struct ph_renewal *r)
{
    if (!ph_call_established(r->call))
        return PH_NEVER;
    ph_ns t = r->due;
    if (r->state == PH_RENEWAL_GATHERING)
        t = ph_min_ns(t,
                      ph_min_ns(r->gathered_by, ph_network_sampled_at(&r->call->agent->network)));
    return t;
}
