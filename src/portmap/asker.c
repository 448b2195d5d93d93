#include "portmap/asker.h"

#define HINT_EVERY (5 * PH_SEC)

static struct ph_asker *of(struct ph_client *c)
{
    return (struct ph_asker *)c;
}

void ph_asker_init(struct ph_asker *a, const struct ph_asker_rules *rules,
                   const struct ph_client_ops *ops, struct ph_outlet *outlet,
                   const struct ph_gateway *gateway, const struct ph_addr *local)
{
    *a = (struct ph_asker){.rules = rules};
    ph_client_init(&a->base, ops, rules->protocol, outlet);
    a->base.server = gateway->gateway;
    a->base.server.port = rules->port;
    a->base.local = *local;
    a->base.local.port = 0;
    ph_retry_stop(&a->retry);
}

/* ---- What is asked */

static void send_questions(struct ph_asker *a)
{
    for (unsigned bit = PH_ASKS_WHO; bit <= PH_ASKS_DELETE; bit *= 2) {
        if (a->questions & bit)
            a->rules->send(a, (enum ph_question)bit);
    }
}

static void ask(struct ph_asker *a, ph_ns now, unsigned questions)
{
    a->questions = questions;
    ph_retry_start(&a->retry, now);
    if (ph_retry_take(&a->retry, now))
        send_questions(a);
}

void ph_asker_begin(struct ph_asker *a, ph_ns now, enum ph_client_state state, unsigned questions)
{
    a->hollow = false;
    ph_client_asks(&a->base, now, state);
    ask(a, now, questions);
}

void ph_asker_answered(struct ph_asker *a, enum ph_question question)
{
    a->questions &= ~(unsigned)question;
    if (a->questions == 0)
        ph_retry_stop(&a->retry);
}

void ph_asker_stop(struct ph_asker *a)
{
    a->questions = 0;
    ph_retry_stop(&a->retry);
}

/* ---- What the mapper wants */

void ph_asker_drop(struct ph_client *c, ph_ns now)
{
    (void)now;
    ph_asker_stop(of(c));
    /* Who never answers has most likely nothing; should it have after all, its late answer says
     * so. */
    if (c->answered == PH_NEVER)
        c->held = PH_HELD_NOTHING;
    ph_client_dropped(c, c->answered != PH_NEVER);
}

void ph_asker_release(struct ph_client *c, ph_ns now)
{
    struct ph_asker *a = of(c);
    if (c->answered == PH_NEVER && c->held == PH_HELD_PERHAPS) {
        a->rules->send(a, PH_ASKS_DELETE); /* in case; not waited for */
        ph_asker_drop(c, now);
        return;
    }
    if (c->held == PH_HELD_NOTHING) {
        if (c->state != PH_CLIENT_DOWN)
            ph_asker_drop(c, now);
        return;
    }
    ph_lease_none(&c->lease);
    ph_client_set_state(c, PH_CLIENT_RELEASING);
    ask(a, now, PH_ASKS_DELETE);
}

void ph_asker_forget(struct ph_client *c, ph_ns now)
{
    struct ph_asker *a = of(c);
    if (c->held != PH_HELD_NOTHING)
        a->rules->send(a, PH_ASKS_DELETE);
    ph_asker_drop(c, now);
    c->held = PH_HELD_NOTHING;
    a->rules->forgotten(a);
}

void ph_asker_watch(struct ph_client *c, ph_ns now)
{
    struct ph_asker *a = of(c);
    if (c->state == PH_CLIENT_MAPPED && a->questions == 0)
        ask(a, now, a->rules->checks);
}

/* ---- Silence and time */

static void silent(struct ph_asker *a, ph_ns now)
{
    struct ph_client *c = &a->base;
    unsigned questions = a->questions;
    ph_asker_stop(a);
    switch (c->state) {
    case PH_CLIENT_MAPPED:
        if (questions & PH_ASKS_MAP)
            ph_lease_renew_failed(&c->lease, now);
        if (questions & PH_ASKS_WHO)
            ph_lease_watched(&c->lease, now, false);
        return;
    case PH_CLIENT_RELEASING:
        c->held = PH_HELD_NOTHING;
        ph_client_set_state(c, PH_CLIENT_IDLE);
        return;
    case PH_CLIENT_MAPPING:
        if (c->answered != PH_NEVER)
            break;
        /* It may have made one all the same, and said so in words that nobody understands (another
         * nonce, half an answer). The last word costs a packet. */
        a->rules->send(a, PH_ASKS_DELETE);
        c->held = PH_HELD_NOTHING;
        break;
    default:
        break;
    }
    c->answered = PH_NEVER;
    if (a->hollow && c->state == PH_CLIENT_MAPPING)
        ph_client_down(c, PH_PORTMAP_BROKEN, 0, "a mapping for 0 seconds");
    else
        ph_client_down(c, PH_PORTMAP_SILENT, 0, "no answer");
}

static void keep_up(struct ph_asker *a, ph_ns now)
{
    struct ph_client *c = &a->base;
    if (now >= c->lease.expires) {
        ph_asker_stop(a);
        c->held = PH_HELD_NOTHING;
        c->answered = PH_NEVER;
        ph_client_down(c, PH_PORTMAP_SILENT, 0, "it was not renewed in time");
        return;
    }
    if (a->questions != 0)
        return;
    if (now >= c->lease.renew)
        ask(a, now, PH_ASKS_MAP);
    else if (now >= c->lease.watch)
        ask(a, now, PH_ASKS_WHO);
}

void ph_asker_on_timer(struct ph_client *c, ph_ns now)
{
    struct ph_asker *a = of(c);
    if (ph_retry_over(&a->retry, now))
        silent(a, now);
    else if (ph_retry_take(&a->retry, now))
        send_questions(a);
    if (c->state == PH_CLIENT_MAPPED)
        keep_up(a, now);
}

ph_ns ph_asker_deadline(const struct ph_client *c)
{
    const struct ph_asker *a = (const struct ph_asker *)c;
    if (c->state == PH_CLIENT_MAPPED && a->questions == 0)
        return ph_lease_deadline(&c->lease);
    return ph_min_ns(ph_retry_deadline(&a->retry), c->lease.expires);
}

/* ---- What is answered */

void ph_asker_heard(struct ph_asker *a, ph_ns now)
{
    /* Of what was sent more than once nobody knows which one was answered. */
    bool once = a->questions != 0 && a->retry.sent == a->retry.started;
    ph_client_heard(&a->base, now, once ? now - a->retry.sent : 0);
}

bool ph_asker_on_other_version(struct ph_asker *a, ph_ns now, int code, const char *text)
{
    if (a->questions == 0 || a->base.state == PH_CLIENT_MAPPED)
        return false;
    ph_asker_heard(a, now);
    ph_asker_stop(a);
    a->base.held = PH_HELD_NOTHING;
    ph_client_down(&a->base, PH_PORTMAP_UNSUPPORTED, code, text);
    return true;
}

void ph_asker_on_hint(struct ph_asker *a, ph_ns now, uint32_t epoch_s)
{
    struct ph_epoch e = a->epoch;
    if (a->base.state != PH_CLIENT_MAPPED || a->questions != 0 ||
        a->rules->epoch_kept(&e, now, epoch_s) || now < a->hinted + HINT_EVERY)
        return;
    a->hinted = now;
    ask(a, now, a->rules->checks);
}

void ph_asker_on_refused(struct ph_asker *a, ph_ns now, bool unsupported, int code,
                         const char *text)
{
    struct ph_client *c = &a->base;
    ph_asker_stop(a);
    if (c->state == PH_CLIENT_MAPPED) {
        ph_lease_renew_failed(&c->lease, now);
        c->report.code = code;
        return;
    }
    c->held = PH_HELD_NOTHING;
    ph_client_down(c, unsupported ? PH_PORTMAP_UNSUPPORTED : PH_PORTMAP_REFUSED, code, text);
}

void ph_asker_on_deleted(struct ph_asker *a, bool granted)
{
    struct ph_client *c = &a->base;
    if (granted) {
        /* The answer to the request before; the deletion may have been overtaken by it. */
        if (c->surplus++ < PH_CLIENT_SURPLUS_MAX)
            a->rules->send(a, PH_ASKS_DELETE);
        return;
    }
    ph_asker_stop(a);
    a->rules->forgotten(a);
    ph_client_released(c); /* refused: it cannot be helped; its lifetime ends it */
}

void ph_asker_on_surplus(struct ph_asker *a, const struct ph_addr *external)
{
    a->base.held = PH_HELD_SURE;
    a->base.mapping.external = *external;
}

void ph_asker_on_forgotten(struct ph_asker *a)
{
    if (a->base.state != PH_CLIENT_MAPPED)
        return;
    ph_asker_stop(a);
    ph_client_lost(&a->base);
}
