#include "call/quality.h"

/* What calls for a profile (down), and what its leaving for a better one must stay within (up).
 *
 * Loss, thousandths. At a tenth speech suffers whatever conceals it, at three tenths words are
 * lost. Over three seconds of 50 frames a tenth is 15 frames: a gap of a quarter of a second, which
 * a path that dies may cost, is less, and a steady loss of 3% comes to it once in some hours. One
 * of 5% passes for less than 2% over ten seconds once in half an hour, so that between the two
 * limits minutes go by in either profile.
 *
 * Jitter. Frames come every 20 ms: at 60 ms a receiver must hold back three or four of them, at
 * 200 ms a word.
 *
 * Round trip. A long way is not shortened by sending less, but a queue is, and in seconds no way is
 * that long: two geostationary satellites one behind the other make 1.12 s. */
static const struct limits {
    uint32_t loss_down, loss_up;
    ph_ns jitter_down, jitter_up;
    ph_ns rtt_down, rtt_up;
} limits[PH_PROFILE_COUNT] = {
    [PH_PROFILE_DEGRADED] = {100, 20, 60 * PH_MS, 30 * PH_MS, 1500 * PH_MS, 1200 * PH_MS},
    [PH_PROFILE_CATASTROPHIC] = {300, 120, 200 * PH_MS, 100 * PH_MS, 3000 * PH_MS, 2000 * PH_MS},
};

/* A step up that lasts so many times its patience was a good one. */
#define RELAPSE 3

const char *ph_profile_name(enum ph_profile profile)
{
    static const char *const names[PH_PROFILE_COUNT] = {"good", "degraded", "catastrophic"};
    return (unsigned)profile < PH_PROFILE_COUNT ? names[profile] : "unknown";
}

void ph_quality_init(struct ph_quality *q)
{
    *q = (struct ph_quality){.patience = PH_QUALITY_UP_SECONDS};
}

/* The numbers of one direction `ago` seconds ago; 0: of the last one. */
static const struct ph_quality_numbers *at(const struct ph_quality *q, int dir, size_t ago)
{
    size_t i = (q->next + PH_QUALITY_UP_SECONDS - 1 - ago) % PH_QUALITY_UP_SECONDS;
    return &q->seconds[i][dir];
}

/* The mean loss of the last n seconds, as far as there are so many. */
static uint32_t mean_loss(const struct ph_quality *q, int dir, size_t n)
{
    uint32_t sum = 0, known = 0;
    for (size_t i = 0; i < n && i < q->count; i++) {
        const struct ph_quality_numbers *s = at(q, dir, i);
        if (s->known) {
            sum += s->loss;
            known++;
        }
    }
    return known ? sum / known : 0;
}

static bool calls_for(const struct ph_quality *q, int dir, const struct limits *l)
{
    bool loss = true, jitter = true, rtt = true;
    for (size_t i = 0; i < PH_QUALITY_DOWN_SECONDS; i++) {
        const struct ph_quality_numbers *s = at(q, dir, i);
        if (!s->known)
            return false;
        loss = loss && 2 * s->loss >= l->loss_down; /* not one gap in one second */
        jitter = jitter && s->jitter >= l->jitter_down;
        rtt = rtt && s->rtt >= l->rtt_down;
    }
    return jitter || rtt || (loss && mean_loss(q, dir, PH_QUALITY_LOSS_SECONDS) >= l->loss_down);
}

static bool stays_within(const struct ph_quality *q, int dir, const struct limits *l)
{
    for (size_t i = 0; i < PH_QUALITY_UP_SECONDS; i++) {
        const struct ph_quality_numbers *s = at(q, dir, i);
        if (s->known && (s->jitter > l->jitter_up || s->rtt > l->rtt_up))
            return false;
    }
    return mean_loss(q, dir, PH_QUALITY_UP_SECONDS) <= l->loss_up;
}

enum ph_profile ph_quality_take(struct ph_quality *q, const struct ph_quality_numbers both[2])
{
    q->seconds[q->next][0] = both[0];
    q->seconds[q->next][1] = both[1];
    q->next = (q->next + 1) % PH_QUALITY_UP_SECONDS;
    if (q->count < PH_QUALITY_UP_SECONDS)
        q->count++;
    q->since++;
    if (q->rose && q->since >= RELAPSE * q->patience) {
        q->rose = false;
        q->patience = PH_QUALITY_UP_SECONDS;
    }

    for (unsigned p = PH_PROFILE_CATASTROPHIC;
         q->count >= PH_QUALITY_DOWN_SECONDS && p > q->profile; p--) {
        if (calls_for(q, 0, &limits[p]) || calls_for(q, 1, &limits[p]))
            return (enum ph_profile)p;
    }
    if (q->profile == PH_PROFILE_GOOD)
        return q->profile;
    const struct limits *l = &limits[q->profile];
    bool well = q->count == PH_QUALITY_UP_SECONDS && stays_within(q, 0, l) && stays_within(q, 1, l);
    q->well = well ? q->well + 1 : 0;
    return q->well > q->patience - PH_QUALITY_UP_SECONDS ? q->profile - 1 : q->profile;
}

void ph_quality_set(struct ph_quality *q, enum ph_profile profile)
{
    if (profile == q->profile)
        return;
    if (profile > q->profile && q->rose)
        q->patience = q->patience < PH_QUALITY_UP_MOST / 2 ? 2 * q->patience : PH_QUALITY_UP_MOST;
    q->rose = profile < q->profile;
    q->profile = profile;
    q->since = 0;
    q->count = 0;
    q->well = 0;
}
