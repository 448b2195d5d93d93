#include "lab/run/media_meter.h"

#include <string.h>

void media_meter_init(struct media_meter *m, struct meter_outage *outages, size_t cap)
{
    *m = (struct media_meter){
        .first = PH_NEVER,
        .last = PH_NEVER,
        .switched = PH_NEVER,
        .first_direct = PH_NEVER,
        .outages = outages,
        .outage_cap = cap,
    };
}

/* True the first time. What is older than the window was seen, or is as good as lost. */
static bool is_new(struct media_meter *m, uint64_t number)
{
    uint64_t bit = (uint64_t)1 << (number % 64);
    uint64_t *word = &m->seen[number % METER_WINDOW / 64];
    if (number > m->highest) {
        if (number - m->highest >= METER_WINDOW)
            memset(m->seen, 0, sizeof(m->seen));
        else
            for (uint64_t i = m->highest + 1; i < number; i++)
                m->seen[i % METER_WINDOW / 64] &= ~((uint64_t)1 << (i % 64));
        m->highest = number;
    } else if (m->highest - number >= METER_WINDOW || (*word & bit) != 0) {
        return false;
    }
    *word |= bit;
    return true;
}

/* over: something was heard at its end. */
static void widen(struct meter_outage *o, const struct meter_gap *gap, bool over)
{
    ph_ns length = gap->to - gap->from;
    if (gap->to <= o->at || length <= o->gap)
        return;
    /* The longest of the usual gaps says nothing of when it was over. */
    if (o->gap == 0 || length > METER_USUAL)
        o->again = over ? gap->to : PH_NEVER;
    o->gap = length;
}

/* Each fault that the gap spans, and the one that was done last before it: unless another came as
 * soon as a frame may be waited for, and it is that one's doing alone. */
static void blame(struct media_meter *m, const struct meter_gap *gap, bool over)
{
    ph_ns spanned = PH_NEVER; /* the first of those */
    for (size_t i = m->outage_count; i > 0; i--) {
        struct meter_outage *o = &m->outages[i - 1];
        bool before = o->at <= gap->from;
        if (!before || spanned == PH_NEVER || spanned > gap->from + METER_USUAL)
            widen(o, gap, over);
        if (before)
            return;
        spanned = o->at;
    }
}

static void note_switch(struct media_meter *m, const struct meter_gap *gap)
{
    if (m->switched != PH_NEVER && gap->to >= m->switched &&
        gap->from <= m->switched + METER_SWITCH)
        m->switch_gap = ph_max_ns(m->switch_gap, gap->to - gap->from);
}

void media_meter_frame(struct media_meter *m, const struct ph_media_frame *frame)
{
    struct meter_gap gap = {.from = m->last, .to = frame->arrived};
    if (!is_new(m, frame->number)) {
        m->duplicates++;
        return;
    }
    m->received++;
    m->direct += frame->direct ? 1 : 0;
    if (frame->direct && m->first_direct == PH_NEVER)
        m->first_direct = frame->arrived;
    if (m->first == PH_NEVER)
        m->first = frame->arrived;
    m->last = frame->arrived;
    if (gap.from == PH_NEVER)
        return;
    m->max_gap = ph_max_ns(m->max_gap, gap.to - gap.from);
    m->recent[m->recent_next++ % METER_RECENT] = gap;
    note_switch(m, &gap);
    blame(m, &gap, true);
}

void media_meter_switched(struct media_meter *m, ph_ns at)
{
    if (m->switched != PH_NEVER)
        return;
    m->switched = at;
    for (size_t i = 0; i < m->recent_next && i < METER_RECENT; i++)
        note_switch(m, &m->recent[i]);
}

void media_meter_fault(struct media_meter *m, ph_ns at)
{
    if (m->outage_count == m->outage_cap)
        return;
    struct meter_outage *o = &m->outages[m->outage_count++];
    *o = (struct meter_outage){.at = at, .again = PH_NEVER};
    for (size_t i = 0; i < m->recent_next && i < METER_RECENT; i++)
        widen(o, &m->recent[i], true);
}

bool media_meter_flows(const struct media_meter *m, ph_ns now)
{
    return m->last != PH_NEVER && now < m->last + METER_SILENCE;
}

void media_meter_end(struct media_meter *m, ph_ns now)
{
    struct meter_gap gap = {.from = m->last, .to = now};
    if (m->last == PH_NEVER || m->last >= now)
        return;
    if (!media_meter_flows(m, now)) {
        m->max_gap = ph_max_ns(m->max_gap, now - m->last);
        note_switch(m, &gap);
        blame(m, &gap, false);
        return;
    }
    /* Nothing has come since the last fault: how long that may go on is not known. */
    for (size_t i = m->outage_count; i > 0 && m->outages[i - 1].gap == 0; i--)
        widen(&m->outages[i - 1], &gap, false);
}
