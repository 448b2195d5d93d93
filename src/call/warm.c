#include "call/warm.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"

#define IN_USE PH_SEC
/* Half of 30 s, the shortest UDP timeout that is common (RFC 4787 section 4.3 asks for two
 * minutes), so that one may be lost; where the lifetime is measured, three quarters of it. */
#define SPARE        (15 * PH_SEC)
#define SPARE_MIN    (3 * PH_SEC)
#define SPARE_MAX    (60 * PH_SEC)
#define DEAD_FIRST   (500 * PH_MS)
#define DEAD_MAX     (30 * PH_SEC)
#define NEARER_TIMES 3

void ph_warm_init(struct ph_warm *w, struct ph_call *call)
{
    *w = (struct ph_warm){.call = call};
}

static ph_ns spare_interval(const struct ph_warm *w)
{
    const struct ph_nat_facts *f = ph_network_facts(&w->call->agent->network);
    ph_ns alive = f->lifetime.at_least;
    return alive == 0 ? SPARE : ph_max_ns(ph_min_ns(alive / 4 * 3, SPARE_MAX), SPARE_MIN);
}

static ph_ns dead_interval(const struct ph_path *p)
{
    unsigned n = p->unanswered > PH_PATH_UNANSWERED ? p->unanswered - PH_PATH_UNANSWERED : 0;
    return n < 6 ? DEAD_FIRST << n : DEAD_MAX;
}

/* Among the three best of those that answer, beside the one in use. */
static bool is_spare(const struct ph_warm *w, const struct ph_path *p)
{
    const struct ph_path_table *t = &w->call->paths;
    size_t better = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct ph_path *q = &t->items[i];
        better += q != p && q != w->call->steering.path && q->state >= PH_PATH_VALID &&
                  q->unanswered < PH_PATH_UNANSWERED && ph_path_better(q, p);
    }
    return better < PH_PATHS_WARM;
}

static void plan(struct ph_warm *w, ph_ns now, struct ph_path *p)
{
    ph_ns wait;
    bool in_use = p == w->call->steering.path;
    if (p->unanswered >= PH_PATH_UNANSWERED && !in_use)
        wait = p->proved ? dead_interval(p) : PH_NEVER;
    else if (p->unanswered > 0 && p->unanswered <= PH_PATH_UNANSWERED)
        wait = ph_checks_gap(w->call, 0);
    else if (in_use)
        wait = IN_USE;
    else if (!w->call->steering.path && p->proved) /* it may be taken again then */
        wait = p->not_before > now ? p->not_before - now : DEAD_FIRST;
    else
        wait = is_spare(w, p) ? spare_interval(w) : PH_NEVER;
    p->next_warm = wait == PH_NEVER ? PH_NEVER : now + wait;
}

void ph_warm_on_taken(struct ph_warm *w, ph_ns now)
{
    struct ph_path_table *t = &w->call->paths;
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].state >= PH_PATH_VALID)
            plan(w, now, &t->items[i]);
    }
}

void ph_warm_on_dead(struct ph_warm *w, ph_ns now, struct ph_path *p)
{
    if (p->unanswered < PH_PATH_UNANSWERED)
        p->unanswered = PH_PATH_UNANSWERED;
    plan(w, now, p);
}

static bool is_nearer(const struct ph_path *p, const struct ph_path *than)
{
    return p->type == than->type && p->rtt + than->rtt / 5 + 2 * PH_MS < than->rtt;
}

void ph_warm_on_echo(struct ph_warm *w, ph_ns now, struct ph_path *p)
{
    const struct ph_path *use = w->call->steering.path;
    p->unanswered = 0;
    p->nearer = use && use != p && is_nearer(p, use) ? p->nearer + 1 : 0;
    plan(w, now, p);
    if (p->nearer >= NEARER_TIMES && p->state == PH_PATH_PROVED) {
        p->nearer = 0;
        ph_checks_use(w->call, now, p);
    } else if (p->nearer > 0) {
        p->next_warm = now + IN_USE;
    }
}

struct ph_path *ph_warm_spare(struct ph_warm *w)
{
    struct ph_path_table *t = &w->call->paths;
    struct ph_path *best = NULL;
    for (size_t i = 0; i < t->count; i++) {
        struct ph_path *p = &t->items[i];
        if (p != w->call->steering.path && p->state == PH_PATH_PROVED && p->unanswered == 0 &&
            (!best || ph_path_better(p, best)))
            best = p;
    }
    return best;
}

static void probe(struct ph_warm *w, ph_ns now, struct ph_path *p)
{
    struct ph_call *c = w->call;
    bool in_use = p == c->steering.path;
    if (p->unanswered >= PH_PATH_UNANSWERED && in_use && !ph_steering_hears(&c->steering, now)) {
        ph_checks_give_up(c, now, "no probe is answered");
        return;
    }
    if (p->unanswered >= PH_PATH_UNANSWERED && !in_use && p->state == PH_PATH_PROVED)
        p->state = PH_PATH_VALID;
    (void)ph_carrier_probe(&c->carrier, now, p);
    p->unanswered++;
    plan(w, now, p);
}

void ph_warm_pump(struct ph_warm *w, ph_ns now)
{
    struct ph_path_table *t = &w->call->paths;
    for (size_t i = 0; i < t->count; i++) {
        if (now >= t->items[i].next_warm)
            probe(w, now, &t->items[i]);
    }
}

ph_ns ph_warm_deadline(const struct ph_warm *w)
{
    const struct ph_path_table *t = &w->call->paths;
    ph_ns when = PH_NEVER;
    for (size_t i = 0; i < t->count; i++)
        when = ph_min_ns(when, t->items[i].next_warm);
    return when;
}
