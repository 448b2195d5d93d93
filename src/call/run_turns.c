/* Whose turn it is, and what it does then. */
#include "call/run_private.h"

#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"
#include "nat/predict.h"

#include <stdlib.h>

/* However late the other side would have us begin. */
#define START_AT_MOST PH_SEC
/* Ports that are known, but for a lost packet. */
#define TOLD_PASSES 2

/* ---- Turns */

/* RENDEZVOUS: how often a port is named anew. */
static uint16_t rounds(const struct ph_run *r)
{
    return r->move.passes ? r->move.passes : 1;
}

static void begin_round(struct ph_run *r, ph_ns now)
{
    r->own_port = r->peer_port = 0;
    r->peer_opened = false;
    ph_volley_fini(&r->volley);
    ph_run_sound_twice(r, now, PH_RUN_BEFORE);
    ph_run_set_phase(r, PH_RUN_SAMPLING, PH_NEVER);
}

/* The acceptor's openers of a FAN_IN or SWEEP, or the prober's holes of a MIRROR. */
void ph_run_lead(struct ph_run *r, ph_ns now)
{
    const struct ph_move *m = &r->move;
    uint16_t to = r->target.port;
    if (m->kind == PH_MOVE_RENDEZVOUS) {
        begin_round(r, now);
        return;
    }
    ph_run_set_phase(r, PH_RUN_OPENING, PH_NEVER);
    if (m->kind == PH_MOVE_MIRROR) {
        ph_run_fire_at_order(r, now, true, &m->order, m->probes, 1, ph_run_opener_ttl(r));
        return;
    }
    ph_run_open_fan(r, m->sockets);
    if (m->ports == PH_PORTS_MEASURED)
        ph_run_sound_twice(r, now, PH_RUN_BEFORE);
    if (m->kind == PH_MOVE_FAN_IN)
        ph_run_fire_at_one(r, now, to, (uint8_t)(1 + m->repeats), ph_run_opener_ttl(r));
    else
        ph_run_fire_at_order(r, now, false, &m->back, ph_port_order_count(&m->back), 1,
                             ph_run_opener_ttl(r));
}

/* What the acceptor has told is tried alone, and twice: it is nearly always right. The plan's own
 * order is for when it is not. */
void ph_run_probe_fan(struct ph_run *r, ph_ns now, const struct ph_hard_start *s)
{
    const struct ph_move *m = &r->move;
    struct ph_port_order told = {0};
    for (size_t i = 0; s && i < s->port_count; i++)
        ph_port_order_add_port(&told, s->acceptor_ports[i]);
    r->told = told.list_count > 0;
    ph_run_set_phase(r, PH_RUN_PROBING, PH_NEVER);
    if (r->told)
        ph_run_fire_at_order(r, now, true, &told, m->probes, TOLD_PASSES, 0);
    else
        ph_run_fire_at_order(r, now, true, &m->order, m->probes, m->passes, 0);
}

static void probe_sweep(struct ph_run *r, ph_ns now, const struct ph_hard_start *s)
{
    const struct ph_move *m = &r->move;
    struct ph_port_order order = m->order;
    if (s->low != 0 && m->ports == PH_PORTS_MEASURED) {
        bool down = s->low > s->high;
        struct ph_port_segment seg = {
            .low = down ? s->high : s->low, .high = down ? s->low : s->high, .stride = s->stride};
        order = (struct ph_port_order){.seed = m->order.seed};
        ph_port_order_add(&order, &seg);
    }
    uint32_t count = ph_port_order_count(&order);
    ph_run_open_fan(r, m->sockets);
    ph_run_set_phase(r, PH_RUN_PROBING, PH_NEVER);
    ph_run_fire_at_order(r, now, false, &order, count, m->passes, 0);
}

/* RENDEZVOUS: both ports are named. */
static void open_rendezvous(struct ph_run *r, ph_ns now)
{
    ph_run_open_fan(r, r->move.sockets);
    ph_run_set_phase(r, PH_RUN_OPENING, PH_NEVER);
    ph_run_fire_at_one(r, now, r->peer_port, 1, ph_run_opener_ttl(r));
}

static void cross(struct ph_run *r, ph_ns now)
{
    ph_run_set_phase(r, PH_RUN_PROBING, PH_NEVER);
    ph_run_fire_at_one(r, now, r->peer_port, 2, 0);
}

/* Callee: the caller begins the next round, when its own patience with this one is at an end. */
static void await_caller(struct ph_run *r, ph_ns now)
{
    ph_run_set_phase(r, PH_RUN_AWAITING_ROUND, now + 2 * ph_run_patience(r, 0));
}

static void next_round(struct ph_run *r, ph_ns now)
{
    if (r->round >= rounds(r)) {
        ph_run_finish(r);
        return;
    }
    r->round++;
    begin_round(r, now);
}

static void rendezvous_on_start(struct ph_run *r, ph_ns now, const struct ph_hard_start *s)
{
    if (s->round > r->round && s->round <= rounds(r)) {
        r->round = s->round;
        begin_round(r, now);
    }
    bool nowhere = s->phase != PH_HARD_OVER && s->low == 0;
    if (s->round != r->round || nowhere)
        return;
    switch ((enum ph_hard_phase)s->phase) {
    case PH_HARD_OPENING:
        r->peer_port = s->low;
        if (r->own_port && r->phase == PH_RUN_AWAITING)
            open_rendezvous(r, now);
        break;
    case PH_HARD_OPENED:
        r->peer_opened = true;
        r->peer_port = s->low;
        if (r->phase == PH_RUN_AWAITING && r->volley.total > 0 && ph_volley_done(&r->volley))
            cross(r, now);
        break;
    case PH_HARD_OVER:
        /* It has seen that its port is missed. The caller begins the next round. */
        if (r->hard->call->caller && r->phase != PH_RUN_FINISHED)
            next_round(r, now);
        break;
    }
}

void ph_run_on_start(struct ph_run *r, ph_ns now, const struct ph_hard_start *s)
{
    bool awaiting = r->phase == PH_RUN_AWAITING;
    if (r->move.kind == PH_MOVE_RENDEZVOUS) {
        rendezvous_on_start(r, now, s);
        return;
    }
    if (s->phase == PH_HARD_OVER) {
        if (ph_run_is_leader(r))
            ph_run_finish(r);
        return;
    }
    if (!awaiting || ph_run_is_leader(r))
        return;
    /* A probe that comes before its opener is wasted, and its port with it. */
    if (s->phase != PH_HARD_OPENED) {
        r->deadline = now + ph_run_patience(r, ph_run_time_of_lead(r));
        return;
    }
    switch (r->move.kind) {
    case PH_MOVE_FAN_IN:
        ph_run_probe_fan(r, now, s);
        break;
    case PH_MOVE_MIRROR:
        ph_run_open_fan(r, r->move.sockets);
        ph_run_set_phase(r, PH_RUN_PROBING, PH_NEVER);
        ph_run_fire_at_one(r, now, r->target.port, (uint8_t)(1 + r->move.repeats), 0);
        break;
    case PH_MOVE_SWEEP:
        probe_sweep(r, now, s);
        break;
    case PH_MOVE_PUNCH:
    case PH_MOVE_RENDEZVOUS:
        break;
    }
    if (r->phase == PH_RUN_PROBING && s->start_at_ms > 0)
        ph_volley_pause(&r->volley, now + ph_min_ns(s->start_at_ms * PH_MS, START_AT_MOST));
}

/* ---- The turn's own end */

void ph_run_opened(struct ph_run *r, ph_ns now)
{
    bool measures = r->move.ports == PH_PORTS_MEASURED || r->move.kind == PH_MOVE_RENDEZVOUS;
    if (measures) {
        ph_run_sound_twice(r, now, PH_RUN_AFTER);
        ph_run_set_phase(r, PH_RUN_MEASURING, PH_NEVER);
        return;
    }
    ph_run_tell_open(r, PH_HARD_OPENED);
    ph_run_await(r, now, ph_run_time_of_answer(r));
}

/* Whether the own port of a rendezvous lies among those that the openers have got. */
static bool is_covered(struct ph_run *r)
{
    struct ph_plan_side side;
    const struct ph_allocation *a = ph_run_own_allocation(r, &side);
    uint16_t after = ph_run_first_of(r, PH_RUN_AFTER), before = ph_run_last_of(r, PH_RUN_BEFORE);
    if (!after || !before)
        return true; /* nobody knows */
    int32_t to_port = ph_predict_moves(a, before, r->own_port);
    int32_t to_after = ph_predict_moves(a, before, after);
    int32_t opened_count = (int32_t)r->fan.count;
    return to_port < to_after && to_port > to_after - opened_count - 1 - PH_RUN_AROUND;
}

void ph_run_measured(struct ph_run *r, ph_ns now)
{
    if (r->move.kind != PH_MOVE_RENDEZVOUS) {
        ph_run_tell_measured(r, (uint16_t)r->fan.count);
        ph_run_await(r, now, ph_run_time_of_answer(r));
        return;
    }
    if (!is_covered(r)) {
        if (r->hard->call->caller) {
            next_round(r, now);
        } else {
            ph_run_tell_over(r);
            await_caller(r, now);
        }
        return;
    }
    struct ph_hard_start s = {
        .acceptor_port_count = (uint16_t)r->fan.count, .low = r->own_port, .high = r->own_port};
    ph_run_tell(r, PH_HARD_OPENED, &s);
    if (r->peer_opened)
        cross(r, now);
    else
        ph_run_await(r, now, ph_run_time_of_lead(r));
}

/* RENDEZVOUS: where the own counter stands is known; the port to meet at is some way ahead. */
void ph_run_sampled(struct ph_run *r, ph_ns now)
{
    struct ph_plan_side side;
    const struct ph_allocation *a = ph_run_own_allocation(r, &side);
    uint16_t at = ph_run_last_of(r, PH_RUN_BEFORE);
    if (!at) {
        ph_run_finish(r);
        return;
    }
    r->own_port = ph_predict_port(a, at, r->move.sockets);
    struct ph_hard_start s = {.low = r->own_port, .high = r->own_port};
    ph_run_tell(r, PH_HARD_OPENING, &s);
    if (r->peer_port)
        open_rendezvous(r, now);
    else
        ph_run_await(r, now, 0);
}

void ph_run_probed(struct ph_run *r, ph_ns now)
{
    ph_run_set_phase(r, PH_RUN_DRAINING, now + 2 * ph_run_gap(r));
}

/* Time is up. */
void ph_run_expired(struct ph_run *r, ph_ns now)
{
    if (r->move.kind == PH_MOVE_RENDEZVOUS && r->phase != PH_RUN_FINISHED) {
        bool caller = r->hard->call->caller;
        if (caller)
            next_round(r, now);
        else if (r->phase != PH_RUN_AWAITING_ROUND && r->round < rounds(r))
            await_caller(r, now);
        else
            ph_run_finish(r);
        return;
    }
    if (r->phase == PH_RUN_DRAINING && r->told && ph_port_order_count(&r->move.order) > 0) {
        ph_run_probe_fan(r, now, NULL);
        return;
    }
    if (r->phase == PH_RUN_DRAINING)
        ph_run_tell_over(r);
    ph_run_finish(r);
}
