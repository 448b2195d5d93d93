#include "call/steering.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"
#include "call/checks.h"

/* Frames come every 20 ms. One that is lost makes a pause of 40 ms, which is nothing yet; from here
 * on two are. Doubt costs a few packets more, and nobody hears it. */
#define DOUBT (50 * PH_MS)
/* Four lost in a row: at 5% loss that is once in an hour. Then the peer is told. */
#define DEAF      (90 * PH_MS)
#define WORD_GAP  (100 * PH_MS)
#define WORDS_MAX 20
/* Jitter stretches both, up to this much. */
#define SLACK_MAX (100 * PH_MS)
/* How long direct frames must have come without a doubt before they are relied on again. */
#define WELL (100 * PH_MS)
/* After this long in doubt, and two round trips, a path is given up. Until then both ways carry the
 * call. */
#define GIVE_UP (600 * PH_MS)
/* The news of an epoch may come by a faster way than its first direct frame. */
#define FIRST_GRACE (100 * PH_MS)
#define RTT_MAX     (2 * PH_SEC)

static bool is_direct(uint32_t epoch)
{
    return epoch & 1;
}

static void set_state(struct ph_steering *s, enum ph_steering_state state)
{
    static const char *const names[] = {"relay", "both", "direct"};
    if (s->state == state)
        return;
    ph_call_trace(s->call, "steering", names[s->state], names[state]);
    s->state = state;
    s->call->changed = true;
}

void ph_steering_init(struct ph_steering *s, struct ph_call *call)
{
    *s = (struct ph_steering){
        .call = call,
        .give_up_at = PH_NEVER,
        .decided_at = PH_NEVER,
        .peer = {.heard = PH_NEVER, .well_since = PH_NEVER},
    };
}

/* By the relay, by the path in use, and by the one that the peer uses: any of them may be dead. */
static void say(struct ph_steering *s, ph_ns now, enum ph_inband_kind kind, uint64_t number)
{
    struct ph_inband m = {.kind = kind, .number = number};
    struct ph_path *by = s->peer.by;
    (void)ph_call_send_inband(s->call, now, &m, 0, NULL);
    if (s->path)
        (void)ph_call_send_inband(s->call, now, &m, 0, s->path);
    if (by && by != s->path && ph_addr_is_set(&by->remote))
        (void)ph_call_send_inband(s->call, now, &m, 0, by);
}

static ph_ns slack(const struct ph_steering *s)
{
    return ph_min_ns(2 * s->call->media.report.jitter, SLACK_MAX);
}

static ph_ns longest_rtt(const struct ph_steering *s)
{
    ph_ns rtt = ph_call_signalling_rtt(s->call);
    if (s->path)
        rtt = ph_max_ns(rtt, s->path->rtt);
    return ph_min_ns(rtt, RTT_MAX);
}

/* The peer's direct media is overdue from then on. */
static ph_ns doubt_at(const struct ph_steering *s)
{
    return s->peer.heard == PH_NEVER ? PH_NEVER : s->peer.heard + DOUBT + slack(s);
}

bool ph_steering_hears(const struct ph_steering *s, ph_ns now)
{
    return s->peer.heard != PH_NEVER && s->peer.well_since != PH_NEVER && now < doubt_at(s);
}

/* It has come as it should for a while, or none is to be expected by the direct path. */
static bool hears_well(const struct ph_steering *s, ph_ns now)
{
    return s->peer.heard == PH_NEVER ||
           (ph_steering_hears(s, now) && now >= s->peer.well_since + WELL);
}

static void go_both(struct ph_steering *s, ph_ns now)
{
    s->give_up_at = now + GIVE_UP + 2 * longest_rtt(s);
    set_state(s, PH_STEERING_BOTH);
}

static void go_direct_if_sure(struct ph_steering *s, ph_ns now)
{
    if (s->state != PH_STEERING_BOTH || !s->confirmed || !hears_well(s, now))
        return;
    s->give_up_at = PH_NEVER;
    set_state(s, PH_STEERING_DIRECT);
}

void ph_steering_take(struct ph_steering *s, ph_ns now, struct ph_path *path)
{
    s->upgrades += s->state == PH_STEERING_RELAY;
    s->epoch += s->state == PH_STEERING_RELAY ? 1 : 2;
    if (s->decided_at == PH_NEVER)
        s->decided_at = now;
    s->path = path;
    /* Without media nobody could hear whether it comes: the proof has to do. */
    s->confirmed = s->paused;
    go_both(s, now);
    go_direct_if_sure(s, now);
}

void ph_steering_drop(struct ph_steering *s, ph_ns now, const char *why)
{
    struct ph_path *path = s->path;
    if (s->state == PH_STEERING_RELAY)
        return;
    s->epoch++;
    s->fallbacks++;
    s->path = NULL;
    s->confirmed = false;
    s->give_up_at = PH_NEVER;
    set_state(s, PH_STEERING_RELAY);
    ph_checks_on_dead(s->call, now, path, why);
}

/* Frames overtake each other: only an epoch newer than all before is news. */
static void take_epoch(struct ph_steering *s, ph_ns now, uint32_t epoch)
{
    struct ph_hearing *p = &s->peer;
    if (epoch <= p->epoch)
        return;
    p->epoch = epoch;
    p->deaf = false;
    p->words = 0;
    p->quiet_until = 0;
    p->well_since = PH_NEVER;
    p->heard = is_direct(epoch) ? now + FIRST_GRACE + (s->path ? s->path->rtt : 0) : PH_NEVER;
}

static void take_number(struct ph_steering *s, ph_ns now, uint64_t number)
{
    struct ph_hearing *p = &s->peer;
    if (number <= p->highest)
        return;
    p->highest = number;
    if (p->paused && is_direct(p->epoch))
        p->heard = now;
    p->paused = false;
}

/* That the peer's media comes directly is said with its first direct frame, and again while it
 * comes by the relay, too: then it is sent both ways for want of the word. */
static bool owes_word(const struct ph_steering *s, ph_ns now, enum ph_lane lane)
{
    const struct ph_hearing *p = &s->peer;
    if (lane == PH_LANE_DIRECT)
        return p->quiet_until == 0;
    return ph_steering_hears(s, now) && !p->deaf && now >= p->quiet_until;
}

void ph_steering_on_media(struct ph_steering *s, ph_ns now, const struct ph_inband *frame)
{
    struct ph_hearing *p = &s->peer;
    take_number(s, now, frame->number);
    take_epoch(s, now, frame->epoch);
    if (!is_direct(p->epoch) || frame->epoch != p->epoch || p->paused)
        return;
    if (frame->lane == PH_LANE_DIRECT) {
        if (p->well_since == PH_NEVER || now >= doubt_at(s))
            p->well_since = now;
        /* Again: it is told at once. */
        if (p->deaf)
            p->quiet_until = 0;
        p->deaf = false;
        p->heard = now;
        p->by = ph_path_find(&s->call->paths, &s->call->carrier.reading_from);
    }
    if (owes_word(s, now, frame->lane)) {
        p->quiet_until = now + WORD_GAP;
        p->words = 0;
        say(s, now, PH_INBAND_HEARD, p->epoch);
    }
    go_direct_if_sure(s, now);
}

static void on_deaf(struct ph_steering *s, ph_ns now)
{
    if (s->paused) {
        say(s, now, PH_INBAND_PAUSE, s->last);
        return;
    }
    s->confirmed = false;
    if (s->state == PH_STEERING_DIRECT)
        go_both(s, now);
}

void ph_steering_on_word(struct ph_steering *s, ph_ns now, const struct ph_inband *m)
{
    struct ph_hearing *p = &s->peer;
    if (m->kind == PH_INBAND_PAUSE) {
        if (m->number < p->highest)
            return; /* it has gone on since */
        p->highest = m->number;
        p->paused = true;
        p->deaf = false;
        p->heard = PH_NEVER;
        go_direct_if_sure(s, now);
        return;
    }
    if (m->number != s->epoch || s->state == PH_STEERING_RELAY)
        return; /* about what is over */
    if (m->kind == PH_INBAND_DEAF) {
        on_deaf(s, now);
        return;
    }
    s->confirmed = true;
    go_direct_if_sure(s, now);
}

void ph_steering_pause(struct ph_steering *s, ph_ns now, uint64_t last)
{
    if (s->paused)
        return;
    s->paused = true;
    s->last = last;
    s->confirmed = s->state != PH_STEERING_RELAY;
    say(s, now, PH_INBAND_PAUSE, last);
    go_direct_if_sure(s, now);
}

static ph_ns deaf_at(const struct ph_steering *s)
{
    const struct ph_hearing *p = &s->peer;
    if (p->heard == PH_NEVER || p->words >= WORDS_MAX)
        return PH_NEVER;
    ph_ns overdue = p->heard + DEAF + slack(s);
    return p->deaf ? ph_max_ns(overdue, p->quiet_until) : overdue;
}

void ph_steering_pump(struct ph_steering *s, ph_ns now)
{
    struct ph_hearing *p = &s->peer;
    if (now >= doubt_at(s)) {
        p->well_since = PH_NEVER;
        if (s->state == PH_STEERING_DIRECT)
            go_both(s, now);
    }
    if (now >= deaf_at(s)) {
        p->deaf = true;
        p->words++;
        p->quiet_until = now + WORD_GAP;
        say(s, now, PH_INBAND_DEAF, p->epoch);
    }
    if (now >= s->give_up_at)
        ph_checks_give_up(s->call, now,
                          s->confirmed ? "the peer's media stayed away"
                                       : "the peer hears nothing by it");
}

ph_ns ph_steering_deadline(const struct ph_steering *s)
{
    ph_ns t = ph_min_ns(s->give_up_at, deaf_at(s));
    return s->state == PH_STEERING_DIRECT ? ph_min_ns(t, doubt_at(s)) : t;
}
