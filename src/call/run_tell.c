/* What a side says of its move, and how long the other may wait for it. */
#include "call/run_private.h"

#include "call/call.h"
#include "nat/predict.h"

/* Beside what its packets take: for messages that are lost and sent again. */
#define SLACK (500 * PH_MS)

const struct ph_allocation *ph_run_own_allocation(struct ph_run *r, struct ph_plan_side *side)
{
    ph_hard_facts_side(&r->hard->own, side);
    return &side->allocation;
}

/* ---- What is said */

void ph_run_tell(struct ph_run *r, enum ph_hard_phase phase, struct ph_hard_start *s)
{
    s->move = (uint8_t)r->move.kind;
    s->phase = (uint8_t)phase;
    s->index = (uint16_t)r->hard->index;
    s->round = r->round;
    ph_hard_tell_start(r->hard, s);
}

void ph_run_tell_open(struct ph_run *r, enum ph_hard_phase phase)
{
    struct ph_hard_start s = {.acceptor_port_count = (uint16_t)r->volley.next};
    for (size_t i = 0; r->move.ports == PH_PORTS_OWN && i < r->fan.count; i++) {
        if (s.port_count < PH_HARD_PORTS_MAX)
            s.acceptor_ports[s.port_count++] = r->fan.items[i].port;
    }
    ph_run_tell(r, phase, &s);
}

/* The openers lie between the soundings before and those after; in a range that has ports of other
 * people's, too, where some came in between. */
void ph_run_tell_measured(struct ph_run *r, uint16_t opened)
{
    struct ph_plan_side side;
    const struct ph_allocation *a = ph_run_own_allocation(r, &side);
    struct ph_hard_start s = {.acceptor_port_count = opened};
    uint16_t before = ph_run_last_of(r, PH_RUN_BEFORE), after = ph_run_first_of(r, PH_RUN_AFTER);
    int32_t moves = before && after ? ph_predict_moves(a, before, after) : -1;
    if (before && (moves < 0 || moves > opened + 1024))
        moves =
            opened + 1 + PH_RUN_AROUND; /* no answer to those after: what was opened, and a few */
    if (before && moves > 1) {
        s.low = ph_predict_port(a, before, 1);
        s.high = ph_predict_port(a, before, moves - 1);
        s.stride = (uint16_t)(a->step < 0 ? -a->step : a->step);
        for (int32_t i = 1; i < moves && s.port_count < PH_HARD_PORTS_MAX; i++)
            s.acceptor_ports[s.port_count++] = ph_predict_port(a, before, i);
    }
    ph_run_tell(r, PH_HARD_OPENED, &s);
}

void ph_run_tell_over(struct ph_run *r)
{
    struct ph_hard_start s = {0};
    ph_run_tell(r, PH_HARD_OVER, &s);
}

/* ---- How long things take */

static ph_ns time_of_openers(const struct ph_run *r)
{
    struct ph_budget pace = ph_run_pace(r, true);
    uint64_t n = r->move.sockets;
    if (r->move.kind == PH_MOVE_SWEEP)
        n *= ph_port_order_count(&r->move.back);
    ph_ns t = ph_pace_until(&pace, n * (1u + r->move.repeats));
    return t + r->move.repeats * r->move.repeat_after;
}

static ph_ns time_of_probes(const struct ph_run *r)
{
    struct ph_budget pace = ph_run_pace(r, false);
    uint64_t passes = r->move.passes ? r->move.passes : 1;
    return ph_pace_until(&pace, r->move.probes * passes) + passes * 2 * ph_run_gap(r);
}

ph_ns ph_run_time_of_lead(const struct ph_run *r)
{
    return r->move.kind == PH_MOVE_MIRROR ? time_of_probes(r) : time_of_openers(r);
}

ph_ns ph_run_time_of_answer(const struct ph_run *r)
{
    return r->move.kind == PH_MOVE_MIRROR ? time_of_openers(r) : time_of_probes(r);
}

/* The other side's whole turn, and the way there and back. */
ph_ns ph_run_patience(const struct ph_run *r, ph_ns turn)
{
    return 2 * turn + 4 * ph_run_gap(r) + SLACK;
}
