#include "call/agreement.h"

#include "call/media.h"

/* For a few repetitions, beside what the proposal and its answer take on their way. */
#define LEAD (400 * PH_MS)
/* An answer that comes less than this before the frame might come too late. */
#define HURRY (40 * PH_MS)
/* What is believed of the round trip. */
#define RTT_MAX (2 * PH_SEC)
#define ANSWERS 50 /* a second */

void ph_agreement_init(struct ph_agreement *a, bool caller)
{
    *a = (struct ph_agreement){.caller = caller, .repeat = PH_NEVER};
}

static uint64_t frames(ph_ns time)
{
    return (time + PH_MEDIA_INTERVAL - 1) / PH_MEDIA_INTERVAL;
}

static uint64_t lead(ph_ns rtt)
{
    return frames(2 * ph_min_ns(rtt, RTT_MAX) + LEAD);
}

static void rest(struct ph_agreement *a, ph_ns until)
{
    a->state = PH_AGREEMENT_IDLE;
    a->repeat = PH_NEVER;
    a->not_before = until;
}

void ph_agreement_stop(struct ph_agreement *a)
{
    rest(a, PH_NEVER);
}

static void agree(struct ph_agreement *a, enum ph_profile profile, uint64_t frame)
{
    a->state = PH_AGREEMENT_AGREED;
    a->repeat = PH_NEVER;
    a->coming = profile;
    a->at = frame;
}

void ph_agreement_want(struct ph_agreement *a, ph_ns now, enum ph_profile profile,
                       uint64_t next_frame, ph_ns rtt)
{
    if (a->state != PH_AGREEMENT_IDLE || profile == a->profile || now < a->not_before)
        return;
    a->own.number++;
    a->own.profile = (uint8_t)profile;
    a->own.frame = next_frame + lead(rtt);
    a->tries = 0;
    a->repeat = now;
    a->state = PH_AGREEMENT_PROPOSING;
}

bool ph_agreement_pump(struct ph_agreement *a, ph_ns now, struct ph_quality_propose *out)
{
    if (now < a->repeat)
        return false;
    if (a->tries == PH_AGREEMENT_TRIES) {
        rest(a, now + PH_AGREEMENT_SULK);
        return false;
    }
    a->tries++;
    a->repeat = now + PH_AGREEMENT_REPEAT;
    *out = a->own;
    return true;
}

ph_ns ph_agreement_deadline(const struct ph_agreement *a)
{
    return a->repeat;
}

static bool ours_wins(const struct ph_agreement *a, const struct ph_quality_propose *p)
{
    return a->own.profile != p->profile ? a->own.profile > p->profile : a->caller;
}

static bool are_apart(uint64_t x, uint64_t y)
{
    return x > y ? x - y > PH_AGREEMENT_APART : y - x > PH_AGREEMENT_APART;
}

/* The frame that both begin with. Where the two numberings have come apart each keeps to its own:
 * the peer is told what it has proposed. */
static void take_proposal(struct ph_agreement *a, const struct ph_quality_propose *p,
                          uint64_t next_frame, ph_ns rtt)
{
    uint64_t soonest = next_frame + frames(ph_min_ns(rtt, RTT_MAX) / 2 + HURRY);
    uint64_t at = p->frame;
    if (are_apart(p->frame, next_frame)) {
        at = next_frame + lead(rtt);
    } else if (p->frame < soonest) {
        at = next_frame + lead(rtt);
        a->answered.frame = at;
    }
    agree(a, (enum ph_profile)p->profile, at);
}

bool ph_agreement_on_propose(struct ph_agreement *a, ph_ns now, const struct ph_quality_propose *p,
                             uint64_t next_frame, ph_ns rtt, enum ph_profile worst,
                             struct ph_quality_ack *out)
{
    if (p->profile >= PH_PROFILE_COUNT || p->number < a->answered.number || p->number == 0)
        return false;
    if (p->number != a->answered.number) {
        if (a->state == PH_AGREEMENT_AGREED ||
            (a->state == PH_AGREEMENT_PROPOSING && ours_wins(a, p)))
            return false;
        /* It will be there again when the pause is over. */
        if (p->profile != a->profile && now < a->deaf_until)
            return false;
        a->answered = (struct ph_quality_ack){p->number, p->profile, p->frame};
        if (p->profile < worst && p->profile < a->profile)
            a->answered.profile = (uint8_t)a->profile;
        else if (p->profile != a->profile)
            take_proposal(a, p, next_frame, rtt);
        else if (a->state == PH_AGREEMENT_PROPOSING)
            rest(a, now + PH_AGREEMENT_PAUSE); /* the peer's word is to stay here */
    }
    if (!ph_bucket_take(&a->answers, now, ANSWERS, ANSWERS))
        return false;
    *out = a->answered;
    return true;
}

void ph_agreement_on_ack(struct ph_agreement *a, ph_ns now, const struct ph_quality_ack *ack,
                         uint64_t next_frame)
{
    if (a->state != PH_AGREEMENT_PROPOSING || ack->number != a->own.number)
        return;
    if (ack->profile != a->own.profile) {
        rest(a, now + PH_AGREEMENT_SULK);
        return;
    }
    /* Never so far ahead that it does not come. */
    uint64_t at = ack->frame;
    if (at < a->own.frame || are_apart(at, next_frame))
        at = a->own.frame;
    agree(a, (enum ph_profile)a->own.profile, at);
}

bool ph_agreement_on_frame(struct ph_agreement *a, ph_ns now, uint64_t number)
{
    if (a->state != PH_AGREEMENT_AGREED || number < a->at)
        return false;
    a->profile = a->coming;
    a->since = number;
    rest(a, now + PH_AGREEMENT_PAUSE);
    a->deaf_until = a->not_before;
    return true;
}
