#include "call/adapt.h"

#include "call/call.h"

#include <stdio.h>

/* The first seconds with media do not count: frames may have waited for the end of the handshake,
 * of which few were kept, and the call moves to its direct path. */
#define FIRST_SECONDS 2
/* So long the peer's last report counts: two may be lost. */
#define REPORT_COUNTS (3 * PH_SEC + PH_SEC / 2)
/* What a peer says of itself is believed up to here. */
#define TIME_MAX_US 60000000u
/* When the profiles in force differ for so long an answer was lost for good. */
#define DIFFER_MAX (3 * PH_SEC)

void ph_adapt_init(struct ph_adapt *a, struct ph_call *call)
{
    *a = (struct ph_adapt){.call = call, .next = PH_NEVER, .heard_at = PH_NEVER};
    ph_quality_init(&a->quality);
    ph_agreement_init(&a->agreement, call->caller);
}

void ph_adapt_start(struct ph_adapt *a, ph_ns now)
{
    a->next = now + PH_SEC;
    (void)ph_media_take_second(&a->call->media, now);
}

void ph_adapt_stop(struct ph_adapt *a)
{
    a->next = PH_NEVER;
    ph_agreement_stop(&a->agreement);
}

/* The round trip by the path in use. A direct one is probed each second (call/warm.h). By the relay
 * it is QUIC's smoothed one, which takes some 50 samples a second, so that a second after a change
 * of path it is the new one's. */
static ph_ns path_rtt(const struct ph_call *c)
{
    if (c->steering.path && c->steering.path->rtt)
        return c->steering.path->rtt;
    return c->quic && !c->quic_closed ? ph_quic_conn_rtt(c->quic) : 0;
}

static uint64_t next_frame(const struct ph_adapt *a)
{
    return a->call->media.next_number + 1;
}

static bool is_heard(const struct ph_adapt *a, ph_ns now)
{
    /* It may have come in the middle of an event whose time is an earlier one. */
    return a->heard_at != PH_NEVER && now <= a->heard_at + REPORT_COUNTS;
}

static enum ph_profile worse(enum ph_profile x, enum ph_profile y)
{
    return x > y ? x : y;
}

/* ---- What is said */

/* Adds a message to a datagram's body. */
static size_t add(uint8_t *body, size_t cap, size_t len, const struct ph_quality_message *m)
{
    int n = ph_quality_encode(m, body + len, cap - len);
    return n > 0 ? len + (size_t)n : len;
}

static void say(struct ph_adapt *a, ph_ns now, const uint8_t *body, size_t len)
{
    struct ph_inband m = {
        .kind = PH_INBAND_QUALITY, .number = ++a->said, .body = body, .body_len = len};
    ph_call_send_as_media(a->call, now, &m, 0);
}

static void say_one(struct ph_adapt *a, ph_ns now, const struct ph_quality_message *m)
{
    uint8_t body[PH_QUALITY_MESSAGE_MAX];
    say(a, now, body, add(body, sizeof(body), 0, m));
}

static uint32_t to_us(ph_ns t)
{
    return (uint32_t)(ph_min_ns(t, TIME_MAX_US * PH_US) / PH_US);
}

static void report(struct ph_adapt *a, ph_ns now, const struct ph_media_second *s)
{
    const struct ph_call *c = a->call;
    struct ph_quality_message path = {.type = PH_MEDIA_PATH_REPORT},
                              numbers = {.type = PH_QUALITY_REPORT};
    uint8_t body[2 * PH_QUALITY_MESSAGE_MAX];
    path.path = (struct ph_media_path_report){
        .direct = c->steering.path != NULL,
        .stage = (uint8_t)c->waterfall.carrying,
        .sent = (uint32_t)s->sent,
        .received = (uint32_t)s->received,
        .duplicates = (uint32_t)s->duplicates,
        .loss = a->in.loss,
        .jitter_us = to_us(a->in.jitter),
        .rtt_us = to_us(a->in.rtt),
    };
    numbers.report = (struct ph_quality_report){
        .measured = a->in.known,
        .rtt_us = path.path.rtt_us,
        .loss = a->in.loss,
        .jitter_us = path.path.jitter_us,
        .profile = (uint8_t)a->quality.profile,
        .wanted = (uint8_t)a->wanted,
    };
    size_t len = add(body, sizeof(body), 0, &path);
    say(a, now, body, add(body, sizeof(body), len, &numbers));
}

/* ---- The change */

/* Another profile is in force from this frame on. */
static void follow(struct ph_adapt *a, uint64_t number)
{
    char to[64];
    snprintf(to, sizeof(to), "%s from frame %llu", ph_profile_name(a->agreement.profile),
             (unsigned long long)number);
    ph_call_trace(a->call, "quality", ph_profile_name(a->quality.profile), to);
    ph_quality_set(&a->quality, a->agreement.profile);
    a->wanted = a->quality.profile;
    a->call->changed = true;
}

size_t ph_adapt_frame_bytes(struct ph_adapt *a, ph_ns now, uint64_t number)
{
    if (ph_agreement_on_frame(&a->agreement, now, number))
        follow(a, number);
    return ph_media_frame_bytes(a->quality.profile, number);
}

/* What both want, or what puts right that the two are not of one profile: the worse in either case.
 */
static enum ph_profile both_want(const struct ph_adapt *a, ph_ns now)
{
    enum ph_profile in_force = a->quality.profile;
    if (!is_heard(a, now))
        return in_force; /* nobody to agree with */
    enum ph_profile want = worse(a->wanted, (enum ph_profile)a->peer.wanted);
    bool differ = a->peer.profile != in_force && a->quality.since * PH_SEC >= DIFFER_MAX;
    return differ ? worse(want, (enum ph_profile)a->peer.profile) : want;
}

/* ---- What is heard */

static void take_reported(struct ph_adapt *a, ph_ns now, const struct ph_quality_report *r)
{
    a->peer = *r;
    if (a->peer.profile >= PH_PROFILE_COUNT)
        a->peer.profile = (uint8_t)a->quality.profile;
    if (a->peer.wanted >= PH_PROFILE_COUNT)
        a->peer.wanted = a->peer.profile;
    a->heard_at = now;
    a->out = (struct ph_quality_numbers){
        .known = r->measured,
        .rtt = (r->rtt_us < TIME_MAX_US ? r->rtt_us : TIME_MAX_US) * PH_US,
        .jitter = (r->jitter_us < TIME_MAX_US ? r->jitter_us : TIME_MAX_US) * PH_US,
        .loss = r->loss < 1000 ? r->loss : 1000,
    };
}

static void on_message(struct ph_adapt *a, ph_ns now, bool newest,
                       const struct ph_quality_message *m)
{
    struct ph_quality_message answer = {.type = PH_QUALITY_ACK};
    switch (m->type) {
    case PH_MEDIA_PATH_REPORT:
        if (newest)
            a->peer_path = m->path;
        break;
    case PH_QUALITY_REPORT:
        if (newest)
            take_reported(a, now, &m->report);
        break;
    case PH_QUALITY_PROPOSE:
        if (ph_agreement_on_propose(&a->agreement, now, &m->propose, next_frame(a),
                                    path_rtt(a->call), a->wanted, &answer.ack))
            say_one(a, now, &answer);
        break;
    case PH_QUALITY_ACK:
        ph_agreement_on_ack(&a->agreement, now, &m->ack, next_frame(a));
        break;
    }
}

void ph_adapt_on_datagram(struct ph_adapt *a, ph_ns now, const struct ph_inband *m)
{
    bool newest = m->number > a->heard;
    if (a->next == PH_NEVER)
        return;
    if (newest)
        a->heard = m->number;
    for (size_t at = 0; at < m->body_len;) {
        struct ph_quality_message message;
        int took = ph_quality_decode(m->body + at, m->body_len - at, &message);
        if (took <= 0)
            return;
        on_message(a, now, newest, &message);
        at += (size_t)took;
    }
}

/* ---- Each second */

static void measure(struct ph_adapt *a, ph_ns now, const struct ph_media_second *s)
{
    /* Silence of a peer that says that it sends nothing is no loss. */
    bool stopped = s->silent &&
                   (a->call->steering.peer.paused || (is_heard(a, now) && a->peer_path.sent == 0));
    bool early = a->first_seconds < FIRST_SECONDS;
    a->first_seconds += early && s->expected > 0;
    a->in = (struct ph_quality_numbers){
        .known = s->expected > 0 && !stopped && !early,
        .rtt = path_rtt(a->call),
        .jitter = s->jitter,
    };
    if (a->in.known && s->received < s->expected)
        a->in.loss = (uint32_t)((s->expected - s->received) * 1000 / s->expected);
}

static void end_second(struct ph_adapt *a, ph_ns now)
{
    struct ph_media_second s = ph_media_take_second(&a->call->media, now);
    measure(a, now, &s);
    if (!is_heard(a, now))
        a->out = (struct ph_quality_numbers){0};
    a->wanted = ph_quality_take(&a->quality, (const struct ph_quality_numbers[2]){a->in, a->out});
    report(a, now, &s);
}

void ph_adapt_pump(struct ph_adapt *a, ph_ns now)
{
    struct ph_quality_message m = {.type = PH_QUALITY_PROPOSE};
    if (a->next == PH_NEVER)
        return;
    if (now >= a->next) {
        a->next = now - a->next < PH_SEC ? a->next + PH_SEC : now + PH_SEC;
        end_second(a, now);
        ph_agreement_want(&a->agreement, now, both_want(a, now), next_frame(a), path_rtt(a->call));
    }
    if (ph_agreement_pump(&a->agreement, now, &m.propose))
        say_one(a, now, &m);
    /* Nothing is being sent that could be of the one profile or of the other. */
    if (a->agreement.state == PH_AGREEMENT_AGREED && a->call->media.next == PH_NEVER)
        (void)ph_adapt_frame_bytes(a, now, a->agreement.at);
}

ph_ns ph_adapt_deadline(const struct ph_adapt *a)
{
    return a->next == PH_NEVER ? PH_NEVER
                               : ph_min_ns(a->next, ph_agreement_deadline(&a->agreement));
}

void ph_adapt_report(const struct ph_adapt *a, ph_ns now, struct ph_call_report *out)
{
    bool told = is_heard(a, now) && a->peer_path.stage < PH_STAGE_COUNT;
    out->profile = a->quality.profile;
    out->profile_since = a->agreement.since;
    out->in = a->in;
    out->out = a->out;
    out->peer_stage = told ? (enum ph_stage)a->peer_path.stage : PH_STAGE_NONE;
    out->peer_direct = told && a->peer_path.direct;
}
