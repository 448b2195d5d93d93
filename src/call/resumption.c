#include "call/resumption.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"
#include "call/calls.h"

#include <string.h>

#define WAIT_FIRST PH_SEC
#define WAIT_MAX   (30 * PH_SEC)
/* So many frames of media that do not come; and how often that is a reason to ask. */
#define SILENCE   (500 * PH_MS)
#define ASK_EVERY (2 * PH_SEC)

void ph_resumption_init(struct ph_resumption *r, struct ph_agent *agent)
{
    *r = (struct ph_resumption){.agent = agent, .at = PH_NEVER, .wait = WAIT_FIRST};
}

static bool runs(const struct ph_call *c)
{
    return c && (c->state == PH_CALL_CONNECTING || c->state == PH_CALL_CONNECTED);
}

static bool registered(struct ph_agent *a, const struct ph_addr *relay)
{
    const struct ph_registrar *r = ph_presence_at(&a->presence, relay);
    return r && r->state == PH_REGISTRAR_REGISTERED;
}

static void later(struct ph_resumption *r, ph_ns now)
{
    r->at = ph_min_ns(r->at, now + r->wait);
    r->wait = ph_min_ns(2 * r->wait, WAIT_MAX);
}

static void say(const struct ph_call *c, struct ph_registrar *at)
{
    struct ph_signal m = {.type = PH_SIGNAL_CALL_RESUME, .relay_token = c->tag};
    memcpy(m.call_id, c->id, PH_CALL_ID_LEN);
    memcpy(m.fingerprint, c->peer, PH_FINGERPRINT_LEN);
    (void)ph_registrar_send(at, &m);
}

/* By the relay that is there, where it is another one than so far. */
static void take_refuge(struct ph_call *c)
{
    struct ph_addr lost = c->relay;
    char addr[PH_ADDR_STRLEN];
    if (!ph_addr_is_set(&c->refuge) || registered(c->agent, &c->relay) ||
        !registered(c->agent, &c->refuge))
        return;
    c->relay = c->refuge;
    c->refuge = lost;
    ph_call_trace(c, "relay", "lost", ph_addr_format(&c->relay, addr));
}

void ph_resumption_on_lost(struct ph_resumption *r, ph_ns now, const struct ph_addr *relay)
{
    struct ph_agent *a = r->agent;
    if (!ph_calls_any(a, relay))
        return;
    if (!ph_presence_at(&a->presence, relay))
        later(r, now);
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        struct ph_call *c = a->calls[i];
        if (!runs(c) || !ph_addr_eq(&c->relay, relay))
            continue;
        take_refuge(c);
        for (size_t k = 0; k < PH_REGISTRARS_MAX; k++) {
            struct ph_registrar *at = &a->presence.registrars[k];
            if (at->state == PH_REGISTRAR_REGISTERED && !at->closed)
                say(c, at);
        }
    }
}

void ph_resumption_on_registered(struct ph_resumption *r, ph_ns now, struct ph_registrar *at)
{
    struct ph_agent *a = r->agent;
    (void)now;
    r->wait = WAIT_FIRST;
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        const struct ph_call *c = a->calls[i];
        if (!runs(c))
            continue;
        if (ph_addr_eq(&c->relay, &at->relay) || ph_addr_eq(&c->refuge, &at->relay) ||
            !registered(a, &c->relay))
            say(c, at);
    }
}

void ph_resumption_on_notice(struct ph_resumption *r, ph_ns now, const struct ph_addr *relay)
{
    struct ph_registrar *at = ph_presence_at(&r->agent->presence, relay);
    if (at && at->state == PH_REGISTRAR_REGISTERED) {
        ph_registrar_ask(at, now);
        return;
    }
    if (now < r->noticed_at + WAIT_FIRST)
        return;
    /* It is there again: no reason to wait, nor for QUIC to repeat what was said to nobody. */
    if (at && at->state == PH_REGISTRAR_CONNECTING && now >= at->started + SILENCE) {
        struct ph_addr addr = at->relay;
        r->noticed_at = now;
        ph_registrar_stop(at, now);
        if (ph_registrar_start(at, now, &addr) != PH_OK)
            later(r, now);
    } else if (!at && r->at != PH_NEVER) {
        r->noticed_at = now;
        r->at = now;
    }
}

void ph_resumption_on_confirmed(struct ph_resumption *r, struct ph_call *c,
                                const struct ph_registrar *at, const struct ph_signal *m)
{
    (void)r;
    if (!runs(c) || m->relay_token != c->tag || ph_addr_eq(&c->relay, &at->relay) ||
        memcmp(m->fingerprint, c->peer, PH_FINGERPRINT_LEN) != 0)
        return;
    c->refuge = at->relay;
    take_refuge(c);
}

/* Back to the relays of the calls that run, and to others where the peer may be. */
static void try_again(struct ph_resumption *r, ph_ns now)
{
    struct ph_agent *a = r->agent;
    struct ph_presence *p = &a->presence;
    size_t order[PH_RELAY_MAP_MAX], n = ph_relay_map_order(&p->map, order);
    r->at = PH_NEVER;
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        const struct ph_call *c = a->calls[i];
        if (!c || c->state == PH_CALL_ENDED || registered(a, &c->relay))
            continue;
        if (ph_presence_go(p, now, &c->relay) != PH_OK)
            later(r, now);
        for (size_t k = 0; runs(c) && k < n; k++) {
            const struct ph_relay_entry *e = &p->map.items[order[k]];
            if (e->failures == 0)
                (void)ph_presence_go(p, now, &e->addr);
        }
    }
}

/* Nothing has come by the relay of a call that has no other path. */
static ph_ns silent_at(const struct ph_call *c)
{
    return c && c->state == PH_CALL_CONNECTED && !c->steering.path && c->relay_heard
               ? ph_max_ns(c->relay_heard + SILENCE, c->relay_asked + ASK_EVERY)
               : PH_NEVER;
}

void ph_resumption_pump(struct ph_resumption *r, ph_ns now)
{
    struct ph_agent *a = r->agent;
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        struct ph_call *c = a->calls[i];
        struct ph_registrar *at;
        if (now < silent_at(c))
            continue;
        c->relay_asked = now;
        at = ph_presence_at(&a->presence, &c->relay);
        if (at)
            ph_registrar_ask(at, now);
    }
    if (now >= r->at)
        try_again(r, now);
}

ph_ns ph_resumption_deadline(const struct ph_resumption *r)
{
    ph_ns t = r->at;
    for (size_t i = 0; i < PH_CALLS_MAX; i++)
        t = ph_min_ns(t, silent_at(r->agent->calls[i]));
    return t;
}
