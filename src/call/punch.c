#include "call/punch.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"
#include "call/terms.h"

#define STAGE_TIME      (2500 * PH_MS)
#define STAGE_EXTENSION (500 * PH_MS) /* while something is still under way */
/* The callee's patience where the caller's word is lost: the answer was then sent long ago. */
#define WORD_PATIENCE PH_SEC
static void set_state(struct ph_punch *p, enum ph_punch_state state)
{
    static const char *const names[] = {"idle", "opening", "checking", "won", "lost"};
    if (p->state == state)
        return;
    ph_call_trace(p->call, "punch", names[p->state], names[state]);
    p->state = state;
    p->call->changed = true;
}

void ph_punch_init(struct ph_punch *p, struct ph_call *call)
{
    *p = (struct ph_punch){
        .call = call,
        .full_ttl_at = PH_NEVER,
        .deadline = PH_NEVER,
        .next_word = PH_NEVER,
    };
}

bool ph_punch_is_running(const struct ph_punch *p)
{
    return p->state == PH_PUNCH_OPENING || p->state == PH_PUNCH_CHECKING;
}

/* The peer's candidates, its mapped address among them. */
static void take_terms(struct ph_punch *p, ph_ns now, const struct ph_signal *m)
{
    struct ph_candidate mapped = {.type = PH_CANDIDATE_MAPPED, .addr = m->mapped_addr};
    if (ph_addr_is_set(&m->mapped_addr))
        ph_punch_add(p, now, &mapped, 1);
    ph_punch_add(p, now, m->candidates, m->candidate_count);
}

void ph_punch_open(struct ph_punch *p, ph_ns now, const struct ph_signal *offer)
{
    ph_waterfall_start(&p->call->waterfall, PH_STAGE_PUNCH, now);
    set_state(p, PH_PUNCH_OPENING);
    p->full_ttl_at = now + WORD_PATIENCE;
    p->deadline = now + STAGE_TIME;
    take_terms(p, now, offer);
}

void ph_punch_start(struct ph_punch *p, ph_ns now, const struct ph_signal *answer)
{
    ph_waterfall_start(&p->call->waterfall, PH_STAGE_PUNCH, now);
    set_state(p, PH_PUNCH_CHECKING);
    p->deadline = now + STAGE_TIME;
    take_terms(p, now, answer);
    /* Those that were heard before the answer came could not be checked for want of its password.
     */
    for (size_t i = 0; i < p->call->paths.count; i++)
        ph_checks_now(&p->call->paths.items[i], now);
    ph_punch_pump(p, now);
}

void ph_punch_renew(struct ph_punch *p, ph_ns now, const struct ph_signal *update, bool open)
{
    struct ph_call *c = p->call;
    if (!ph_terms_punches(c))
        return;
    ph_path_forget_dead(&c->paths, now, c->steering.path);
    ph_waterfall_start_again(&c->waterfall, PH_STAGE_PUNCH, now);
    set_state(p, open ? PH_PUNCH_OPENING : PH_PUNCH_CHECKING);
    p->full_ttl_at = open ? now + WORD_PATIENCE : PH_NEVER;
    p->deadline = now + STAGE_TIME;
    p->rounds = 0;
    p->next_word = PH_NEVER;
    take_terms(p, now, update);
    ph_punch_pump(p, now);
}

/* A candidate that this call may use: with the stage off, those of mappings alone. */
static bool wanted(const struct ph_punch *p, const struct ph_candidate *c)
{
    enum ph_stage stage = ph_candidate_is_of_mapping(c->type) ? PH_STAGE_PORTMAP : PH_STAGE_PUNCH;
    if (ph_agent_is_relay(p->call->agent, &c->addr))
        return false;
    return p->call->agent->config.stages & (1u << stage);
}

/* Starts with a path what its turn allows. */
static void begin(struct ph_punch *p, ph_ns now, struct ph_path *path)
{
    bool at_once = path->public_host || path->type == PH_CANDIDATE_MAPPED;
    if (p->state == PH_PUNCH_CHECKING || at_once)
        ph_checks_now(path, now);
    else if (!path->opened)
        ph_checks_send(p->call, now, path, ph_agent_opener_ttl(p->call->agent));
}

void ph_punch_add(struct ph_punch *p, ph_ns now, const struct ph_candidate *candidates, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!wanted(p, &candidates[i]))
            continue;
        /* When the race is over, only what is known already of an address is brought up to date. */
        if (!ph_punch_is_running(p) &&
            !ph_path_find(&p->call->paths, &(struct ph_source){.addr = candidates[i].addr}))
            continue;
        struct ph_path *path = ph_path_add_named(&p->call->paths, &candidates[i]);
        if (path && ph_punch_is_running(p))
            begin(p, now, path);
    }
    ph_checks_reconsider(p->call, now);
}

static void send_word(struct ph_punch *p, ph_ns now)
{
    struct ph_inband m = {.kind = PH_INBAND_PUNCHING, .number = ++p->rounds};
    ph_call_send_inband(p->call, now, &m, 0, NULL);
    p->next_word = p->rounds < 5 ? now + ph_checks_gap(p->call, (unsigned)p->rounds) : PH_NEVER;
}

void ph_punch_on_word(struct ph_punch *p, ph_ns now)
{
    if (p->state != PH_PUNCH_OPENING)
        return;
    p->full_ttl_at = now;
    ph_punch_pump(p, now);
}

void ph_punch_on_established(struct ph_punch *p, ph_ns now)
{
    if (p->call->caller && p->state == PH_PUNCH_CHECKING)
        send_word(p, now);
}

void ph_punch_on_proved(struct ph_punch *p)
{
    if (p->state != PH_PUNCH_IDLE)
        set_state(p, PH_PUNCH_WON);
    p->next_word = p->full_ttl_at = p->deadline = PH_NEVER;
}

void ph_punch_pump(struct ph_punch *p, ph_ns now)
{
    struct ph_call *c = p->call;
    if (now >= p->full_ttl_at) {
        p->full_ttl_at = PH_NEVER;
        set_state(p, PH_PUNCH_CHECKING);
        for (size_t i = 0; i < c->paths.count; i++) {
            if (ph_addr_is_set(&c->paths.items[i].remote) && c->paths.items[i].checks == 0)
                ph_checks_now(&c->paths.items[i], now);
        }
    }
    bool checked = ph_checks_pump(c, now);
    if (ph_punch_is_running(p) && c->caller && ph_call_established(c) &&
        ((checked && p->rounds == 0) || now >= p->next_word))
        send_word(p, now);
    if (now >= p->deadline) {
        if (ph_checks_under_way(c) && now < c->hard.since + c->agent->config.give_up) {
            p->deadline = now + STAGE_EXTENSION;
        } else {
            p->deadline = p->next_word = PH_NEVER;
            set_state(p, PH_PUNCH_LOST);
            ph_waterfall_end(&c->waterfall, PH_STAGE_PUNCH, PH_STAGE_LOST, now,
                             "no check was answered");
            ph_waterfall_end(&c->waterfall, PH_STAGE_PORTMAP, PH_STAGE_LOST, now,
                             "no check was answered");
        }
    }
}

ph_ns ph_punch_deadline(const struct ph_punch *p)
{
    return ph_min_ns(ph_min_ns(p->full_ttl_at, p->deadline), p->next_word);
}
