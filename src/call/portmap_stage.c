#include "call/portmap_stage.h"

#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"

#include <string.h>

/* However slow a router is, a call does not wait longer for it. */
#define PATIENCE_MAX (100 * PH_MS)

static void set_state(struct ph_portmap_stage *s, enum ph_portmap_stage_state state)
{
    static const char *const names[] = {"idle", "asking", "offered", "over"};
    if (s->state == state)
        return;
    ph_call_trace(s->call, "portmap", names[s->state], names[state]);
    s->state = state;
    s->call->changed = true;
}

void ph_portmap_stage_init(struct ph_portmap_stage *s, struct ph_call *call)
{
    *s = (struct ph_portmap_stage){.call = call, .patience = PH_NEVER};
}

static struct ph_mapper *mapper(const struct ph_portmap_stage *s)
{
    return s->call->agent->network.mapper;
}

static void over(struct ph_portmap_stage *s, ph_ns now, const char *why)
{
    s->patience = PH_NEVER;
    set_state(s, PH_PORTMAP_STAGE_OVER);
    /* The peer may still have a mapping of its own: that is for its own report, and for
     * ph_waterfall_carry. */
    ph_waterfall_end(&s->call->waterfall, PH_STAGE_PORTMAP, PH_STAGE_LOST, now, why);
}

/* What the mapper has sent since the last look is this stage's, with the checks by its paths. */
static void count(struct ph_portmap_stage *s)
{
    struct ph_stage_report *r = &s->call->waterfall.stages[PH_STAGE_PORTMAP];
    uint64_t packets = s->packets, bytes = s->bytes;
    ph_mapper_sent(mapper(s), &s->packets, &s->bytes);
    r->packets += s->packets - packets;
    r->bytes += s->bytes - bytes;
}

void ph_portmap_stage_start(struct ph_portmap_stage *s, ph_ns now)
{
    struct ph_waterfall *w = &s->call->waterfall;
    if (w->stages[PH_STAGE_PORTMAP].state != PH_STAGE_IDLE)
        return;
    if (!mapper(s)) {
        ph_waterfall_end(w, PH_STAGE_PORTMAP, PH_STAGE_SKIPPED, now, "not to be had here");
        return;
    }
    if (ph_mapper_found_nobody(mapper(s))) {
        ph_waterfall_end(w, PH_STAGE_PORTMAP, PH_STAGE_SKIPPED, now, "no router answers");
        ph_network_look_again(&s->call->agent->network, now);
        return;
    }
    ph_mapper_sent(mapper(s), &s->packets, &s->bytes);
    ph_waterfall_start(w, PH_STAGE_PORTMAP, now);
    set_state(s, PH_PORTMAP_STAGE_ASKING);
    ph_mapper_acquire(mapper(s), now);
    ph_ns expected = ph_mapper_expected(mapper(s));
    if (expected > 0)
        s->patience = now + ph_min_ns(expected, PATIENCE_MAX);
    ph_portmap_stage_pump(s, now);
}

bool ph_portmap_stage_waits(const struct ph_portmap_stage *s, ph_ns now)
{
    return s->state == PH_PORTMAP_STAGE_ASKING && s->patience != PH_NEVER && now < s->patience;
}

/* The candidate that a mapping makes. Behind another NAT the router's word is no address that
 * anybody could reach; the world's view of us with the mapped port is a guess that holds where the
 * outer NAT hands everything on (a DMZ host, one-to-one translation). */
static bool candidate(const struct ph_portmap_stage *s, struct ph_candidate *out)
{
    const struct ph_mapping *m = ph_mapper_mapping(mapper(s));
    if (!m)
        return false;
    *out = (struct ph_candidate){.type = PH_CANDIDATE_MAPPED, .addr = m->external};
    if (m->reach == PH_PORTMAP_REACH_DOUBLE) {
        struct ph_addr seen =
            ph_agent_reflexive(s->call->agent, (enum ph_family)m->external.family);
        if (!ph_addr_is_set(&seen))
            return false;
        seen.port = m->external.port;
        out->type = PH_CANDIDATE_PREDICTED;
        out->addr = seen;
    }
    out->priority = ph_candidate_priority(out->type, &out->addr, 0);
    return !ph_addr_is_unusable(&out->addr);
}

void ph_portmap_stage_offer(struct ph_portmap_stage *s, struct ph_candidate_set *set,
                            struct ph_addr *mapped_addr)
{
    struct ph_candidate c;
    s->patience = PH_NEVER;
    if (s->state != PH_PORTMAP_STAGE_OFFERED || !candidate(s, &c))
        return;
    s->told = c.addr;
    if (c.type == PH_CANDIDATE_MAPPED)
        *mapped_addr = c.addr;
    ph_candidate_add(set, c.type, &c.addr);
}

static void tell(struct ph_portmap_stage *s, ph_ns now)
{
    struct ph_candidate c;
    if (!s->call->terms_sent || !candidate(s, &c) || ph_addr_eq(&c.addr, &s->told))
        return;
    struct ph_signal m = {.type = PH_SIGNAL_ICE_CANDIDATE, .candidate_count = 1};
    memcpy(m.call_id, s->call->id, PH_CALL_ID_LEN);
    m.candidates[0] = c;
    if (ph_call_tell(s->call, &m) != PH_OK)
        return;
    s->told = c.addr;
    ph_checks_reconsider(s->call, now);
}

void ph_portmap_stage_pump(struct ph_portmap_stage *s, ph_ns now)
{
    if (s->state == PH_PORTMAP_STAGE_ASKING || s->state == PH_PORTMAP_STAGE_OFFERED)
        count(s);
    if (s->state == PH_PORTMAP_STAGE_ASKING) {
        if (ph_mapper_mapping(mapper(s))) {
            s->patience = PH_NEVER;
            ph_waterfall_mark(&s->call->waterfall, PH_STAGE_PORTMAP, now);
            set_state(s, PH_PORTMAP_STAGE_OFFERED);
        } else if (ph_mapper_state(mapper(s)) == PH_MAPPER_FAILED) {
            over(s, now, "no router gave a port");
        }
    }
    if (s->state == PH_PORTMAP_STAGE_OFFERED)
        tell(s, now);
}

ph_ns ph_portmap_stage_deadline(const struct ph_portmap_stage *s)
{
    return s->patience;
}

bool ph_portmap_stage_is_own(const struct ph_portmap_stage *s, const struct ph_addr *seen)
{
    return ph_addr_is_set(&s->told) && ph_addr_eq(&s->told, seen);
}
