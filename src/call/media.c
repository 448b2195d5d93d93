#include "call/media.h"

#include <string.h>

#define CATCH_UP_MAX        3
#define TRANSIT_STEP_MAX_US 10000000

void ph_media_init(struct ph_media *m)
{
    *m = (struct ph_media){.next = PH_NEVER};
}

void ph_media_start(struct ph_media *m, ph_ns now)
{
    if (m->next == PH_NEVER)
        m->next = now;
}

void ph_media_stop(struct ph_media *m)
{
    m->next = PH_NEVER;
}

bool ph_media_next(struct ph_media *m, ph_ns now, struct ph_inband *out)
{
    if (now < m->next)
        return false;
    if (now - m->next > CATCH_UP_MAX * PH_MEDIA_INTERVAL)
        m->next = now;
    m->next += PH_MEDIA_INTERVAL;
    m->report.sent++;
    *out = (struct ph_inband){
        .kind = PH_INBAND_MEDIA,
        .number = ++m->next_number,
        .sent_us = now / PH_US,
    };
    return true;
}

/* Makes room for numbers up to n. */
static void advance(struct ph_media *m, uint64_t n)
{
    if (n - m->highest >= PH_MEDIA_WINDOW)
        memset(m->seen, 0, sizeof(m->seen));
    else
        for (uint64_t i = m->highest + 1; i <= n; i++)
            for (int lane = 0; lane < 2; lane++)
                m->seen[lane][i % PH_MEDIA_WINDOW / 64] &= ~((uint64_t)1 << (i % 64));
    m->highest = n;
}

/* True the first time that a number is seen, by whichever lane; too old to tell counts as a
 * duplicate. */
static bool take_number(struct ph_media *m, uint64_t n, enum ph_lane lane)
{
    uint64_t bit = (uint64_t)1 << (n % 64);
    size_t word = n % PH_MEDIA_WINDOW / 64;
    if (n > m->highest)
        advance(m, n);
    bool known = m->highest - n >= PH_MEDIA_WINDOW || m->seen[lane][word] & bit;
    bool copy = !known && m->seen[1 - lane][word] & bit;
    m->report.duplicates += known;
    m->report.copies += copy;
    if (!known)
        m->seen[lane][word] |= bit;
    return !known && !copy;
}

void ph_media_on_frame(struct ph_media *m, ph_ns now, const struct ph_inband *frame)
{
    struct ph_media_report *r = &m->report;
    if (frame->number == 0)
        return;
    if (!take_number(m, frame->number, frame->lane))
        return;
    r->received++;
    /* The clocks differ by a constant, which the difference of two transit times does not have. */
    int64_t transit_us = (int64_t)(now / PH_US - frame->sent_us);
    if (m->last_arrival) {
        if (now - m->last_arrival > r->max_gap)
            r->max_gap = now - m->last_arrival;
        int64_t d = (int64_t)((uint64_t)transit_us - (uint64_t)m->last_transit_us);
        if (d < -TRANSIT_STEP_MAX_US || d > TRANSIT_STEP_MAX_US)
            d = TRANSIT_STEP_MAX_US; /* the peer's clock jumped, or it lies */
        int64_t jitter_us = (int64_t)(r->jitter / PH_US);
        jitter_us += ((d < 0 ? -d : d) - jitter_us) / 16;
        r->jitter = (ph_ns)jitter_us * PH_US;
    }
    m->last_arrival = now;
    m->last_transit_us = transit_us;
}
