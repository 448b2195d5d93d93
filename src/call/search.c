#include "call/search.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"

#define SEARCH_TIME (10 * PH_SEC)

void ph_search_init(struct ph_search *s)
{
    *s = (struct ph_search){.deadline = PH_NEVER};
}

bool ph_search_on_hangup(struct ph_call *c, ph_ns now, enum ph_hangup_reason reason, int error)
{
    struct ph_search *s = &c->search;
    /* LOST: it was there a moment ago, and may be moving to another relay. */
    if (!c->caller || c->state != PH_CALL_DIALING ||
        (reason != PH_HANGUP_UNKNOWN_PEER && reason != PH_HANGUP_LOST))
        return false;
    if (s->deadline == PH_NEVER) {
        s->deadline = now + SEARCH_TIME;
        s->error = error;
    }
    s->state = PH_SEARCH_DUE;
    return true;
}

static bool tried(const struct ph_search *s, const struct ph_addr *relay)
{
    for (size_t i = 0; i < s->tried_count; i++) {
        if (ph_addr_eq(&s->tried[i], relay))
            return true;
    }
    return false;
}

/* The next relay that can be gone to becomes the call's. */
static bool next_relay(struct ph_call *c, ph_ns now)
{
    struct ph_search *s = &c->search;
    struct ph_presence *p = &c->agent->presence;
    size_t order[PH_RELAY_MAP_MAX], n = ph_relay_map_order(&p->map, order);
    for (size_t i = 0; i < n; i++) {
        const struct ph_addr *relay = &p->map.items[order[i]].addr;
        if (tried(s, relay) || s->tried_count == PH_RELAY_MAP_MAX)
            continue;
        s->tried[s->tried_count++] = *relay;
        if (ph_addr_eq(relay, &c->relay) || ph_presence_go(p, now, relay) != PH_OK)
            continue;
        c->relay = *relay;
        return true;
    }
    return false;
}

static void next(struct ph_call *c, ph_ns now)
{
    /* Its first flight was for the relay that did not take it. */
    if (c->quic)
        ph_quic_conn_free(c->quic);
    c->quic = NULL;
    c->quic_closed = false;
    if (now >= c->search.deadline || !next_relay(c, now)) {
        ph_call_end(c, now, c->search.error);
        return;
    }
    c->search.state = PH_SEARCH_GOING;
    char addr[PH_ADDR_STRLEN];
    ph_call_trace(c, "search", "unknown", ph_addr_format(&c->relay, addr));
}

void ph_search_pump(struct ph_call *c, ph_ns now)
{
    struct ph_search *s = &c->search;
    if (s->state == PH_SEARCH_IDLE)
        return;
    /* One that cannot be connected with leads to the next. */
    if (s->state == PH_SEARCH_GOING && now < s->deadline &&
        ph_presence_at(&c->agent->presence, &c->relay) == NULL)
        s->state = PH_SEARCH_DUE;
    if (s->state == PH_SEARCH_DUE)
        next(c, now);
    if (s->state != PH_SEARCH_GOING || c->state == PH_CALL_ENDED)
        return;
    struct ph_registrar *r = ph_presence_at(&c->agent->presence, &c->relay);
    if (r && r->state == PH_REGISTRAR_REGISTERED) {
        s->state = PH_SEARCH_IDLE;
        int err = ph_call_offer(c, now);
        if (err != PH_OK)
            ph_call_end(c, now, err);
    } else if (now >= s->deadline) {
        ph_call_end(c, now, s->error);
    }
}

ph_ns ph_search_deadline(const struct ph_search *s)
{
    switch (s->state) {
    case PH_SEARCH_DUE:
        return 0;
    case PH_SEARCH_GOING:
        return s->deadline;
    case PH_SEARCH_IDLE:
        break;
    }
    return PH_NEVER;
}
