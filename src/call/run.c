#include "call/run.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"
#include "call/run_private.h"

#include <stdlib.h>
#include <string.h>

/* While a hit is being proved nothing more is guessed. */
#define PROOF_GAPS 4

static const char *phase_name(enum ph_run_phase p)
{
    static const char *const names[] = {"none",     "awaiting",       "sampling",
                                        "opening",  "measuring",      "probing",
                                        "draining", "awaiting-round", "finished"};
    return names[p];
}

void ph_run_set_phase(struct ph_run *r, enum ph_run_phase phase, ph_ns deadline)
{
    r->deadline = deadline;
    if (r->phase == phase)
        return;
    ph_call_trace(r->hard->call, "phase", phase_name(r->phase), phase_name(phase));
    r->phase = phase;
}

void ph_run_init(struct ph_run *r, struct ph_hard *hard)
{
    struct ph_host *host = hard->call->agent->host;
    *r = (struct ph_run){.hard = hard, .deadline = PH_NEVER};
    ph_fan_init(&r->fan, host);
    ph_volley_init(&r->volley);
    for (size_t i = 0; i < PH_RUN_SOUNDINGS; i++)
        ph_sounding_init(&r->soundings[i], host);
}

void ph_run_stop(struct ph_run *r)
{
    ph_hard_keep_warm(r->hard);
    ph_fan_close(&r->fan);
    ph_volley_fini(&r->volley);
    for (size_t i = 0; i < PH_RUN_SOUNDINGS; i++)
        ph_sounding_fini(&r->soundings[i]);
    free(r->initial);
    r->initial = NULL;
    r->canary_out = false;
    ph_run_set_phase(r, PH_RUN_NONE, PH_NEVER);
}

void ph_run_fini(struct ph_run *r)
{
    ph_run_stop(r);
    ph_fan_fini(&r->fan);
}

ph_ns ph_run_gap(const struct ph_run *r)
{
    return ph_checks_gap(r->hard->call, 0);
}

bool ph_run_is_leader(const struct ph_run *r)
{
    return r->move.kind == PH_MOVE_RENDEZVOUS ||
           (r->move.kind == PH_MOVE_MIRROR ? !r->acceptor : r->acceptor);
}

void ph_run_finish(struct ph_run *r)
{
    ph_run_set_phase(r, PH_RUN_FINISHED, PH_NEVER);
}

void ph_run_await(struct ph_run *r, ph_ns now, ph_ns turn)
{
    ph_run_set_phase(r, PH_RUN_AWAITING, now + ph_run_patience(r, turn));
}

void ph_run_begin(struct ph_run *r, ph_ns now, const struct ph_move *move, bool acceptor)
{
    ph_run_stop(r);
    r->move = *move;
    r->target = r->hard->peer.external;
    r->round = 1;
    r->acceptor = acceptor;
    if (r->hard->call->agent->config.probe == PH_PROBE_QUIC_INITIAL)
        ph_run_make_initial(r, now);
    if (ph_run_is_leader(r))
        ph_run_lead(r, now);
    else if (move->probes_first && move->kind == PH_MOVE_FAN_IN)
        ph_run_probe_fan(r, now, NULL);
    else
        ph_run_await(r, now, ph_run_time_of_lead(r));
}

/* ---- Events */

bool ph_run_owns(const struct ph_run *r, ph_sock sock)
{
    if (ph_fan_find(&r->fan, sock) != SIZE_MAX)
        return true;
    for (size_t i = 0; sock && i < PH_RUN_SOUNDINGS; i++) {
        if (r->soundings[i].sock == sock)
            return true;
    }
    return false;
}

bool ph_run_on_datagram(struct ph_run *r, ph_ns now, ph_sock sock, const struct ph_datagram *in)
{
    for (size_t i = 0; i < PH_RUN_SOUNDINGS; i++) {
        if (ph_sounding_on_datagram(&r->soundings[i], now, sock, in))
            return true;
    }
    return false;
}

uint64_t ph_run_answered(const struct ph_run *r, const uint8_t tid[PH_STUN_TID_LEN],
                         const struct ph_source *from)
{
    if (memcmp(tid, r->prefix, sizeof(r->prefix)) != 0)
        return 0;
    uint32_t counter = (uint32_t)tid[8] << 24 | (uint32_t)tid[9] << 16 | (uint32_t)tid[10] << 8 |
                       (uint32_t)tid[11];
    uint64_t number = counter - r->counter;
    if (number >= r->volley.next)
        return 0;
    struct ph_volley_shot shot = ph_volley_shot_at(&r->volley, number);
    ph_sock sock = r->main_socket ? 0 : r->fan.items[shot.socket].sock;
    bool same_place = sock == from->sock && shot.port == from->addr.port &&
                      ph_addr_ip_eq(&from->addr, &r->target);
    return same_place ? number + 1 : 0;
}

uint64_t ph_run_aimed_at(const struct ph_run *r, uint16_t port)
{
    if (!r->main_socket)
        return 0;
    for (uint64_t i = 0; i < r->volley.next; i++) {
        if (ph_volley_shot_at(&r->volley, i).port == port)
            return i + 1;
    }
    return 0;
}

void ph_run_on_hit(struct ph_run *r, ph_ns now)
{
    ph_call_trace(r->hard->call, "move", ph_move_kind_name(r->move.kind), "hit");
    ph_ns until = now + PROOF_GAPS * ph_run_gap(r);
    ph_volley_pause(&r->volley, until);
    if (r->deadline != PH_NEVER)
        r->deadline = ph_max_ns(r->deadline, until);
}

/* Between waves: others behind this router must still be able to open flows. */
static void watch_canary(struct ph_run *r, ph_ns now)
{
    struct ph_sounding *canary = &r->soundings[PH_RUN_CANARY];
    if (!ph_volley_waits(&r->volley))
        return;
    if (!r->canary_out) {
        r->canary_out = true;
        ph_run_sound(r, now, canary, 0);
        /* The other side knows that it goes on. */
        if (r->phase == PH_RUN_OPENING && r->move.kind == PH_MOVE_FAN_IN &&
            r->volley.until == r->volley.config.burst)
            ph_run_tell_open(r, PH_HARD_OPENING);
    }
    if (!ph_sounding_is_over(canary))
        return;
    r->canary_out = false;
    if (canary->query.state == PH_QUERY_ANSWERED) {
        ph_volley_go_on(&r->volley);
        return;
    }
    r->hard->router_full = true;
    ph_call_trace(r->hard->call, "move", "canary", "nobody can open flows any more");
    ph_run_tell_over(r);
    ph_run_finish(r);
}

void ph_run_pump(struct ph_run *r, ph_ns now)
{
    if (r->phase == PH_RUN_NONE || r->phase == PH_RUN_FINISHED)
        return;
    for (size_t i = 0; i < PH_RUN_SOUNDINGS; i++)
        ph_sounding_on_timer(&r->soundings[i], now);
    if (r->phase == PH_RUN_OPENING || r->phase == PH_RUN_PROBING) {
        bool room = ph_run_fire(r, now);
        if (ph_volley_done(&r->volley) || !room) {
            if (r->phase == PH_RUN_OPENING)
                ph_run_opened(r, now);
            else if (now >= r->volley.paused_until)
                ph_run_probed(r, now);
        } else {
            watch_canary(r, now);
        }
    }
    if (r->phase == PH_RUN_SAMPLING && ph_run_all_over(r, PH_RUN_BEFORE))
        ph_run_sampled(r, now);
    if (r->phase == PH_RUN_MEASURING && ph_run_all_over(r, PH_RUN_BEFORE) &&
        ph_run_all_over(r, PH_RUN_AFTER))
        ph_run_measured(r, now);
    if (now >= r->deadline)
        ph_run_expired(r, now);
}

ph_ns ph_run_deadline(const struct ph_run *r, ph_ns now)
{
    if (r->phase == PH_RUN_NONE || r->phase == PH_RUN_FINISHED)
        return PH_NEVER;
    ph_ns t = r->deadline;
    for (size_t i = 0; i < PH_RUN_SOUNDINGS; i++)
        t = ph_min_ns(t, ph_sounding_deadline(&r->soundings[i]));
    if (r->phase == PH_RUN_OPENING || r->phase == PH_RUN_PROBING) {
        if (ph_volley_done(&r->volley))
            t = ph_min_ns(t, ph_max_ns(now, r->volley.paused_until));
        t = ph_min_ns(t, ph_volley_deadline(&r->volley, now));
    }
    return t;
}
