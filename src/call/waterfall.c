#include "call/waterfall.h"

#include <stdio.h>

const char *ph_stage_name(enum ph_stage stage)
{
    static const char *const names[] = {"portmap", "punch", "predict", "birthday", "relay"};
    return (unsigned)stage < PH_STAGE_COUNT ? names[stage] : "none";
}

const char *ph_stage_state_name(enum ph_stage_state state)
{
    static const char *const names[] = {"idle", "running", "won", "lost", "beaten", "skipped"};
    return (unsigned)state < 6 ? names[state] : "?";
}

void ph_waterfall_init(struct ph_waterfall *w, ph_ns now, unsigned stages)
{
    *w = (struct ph_waterfall){.carrying = PH_STAGE_NONE};
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        w->stages[i].start = PH_NEVER;
        w->stages[i].end = PH_NEVER;
    }
    for (int i = PH_STAGE_PORTMAP; i < PH_STAGE_RELAY; i++) {
        if (!(stages & (1u << i)))
            ph_waterfall_end(w, (enum ph_stage)i, PH_STAGE_SKIPPED, now, "switched off");
    }
    ph_waterfall_start(w, PH_STAGE_RELAY, now);
}

void ph_waterfall_start(struct ph_waterfall *w, enum ph_stage stage, ph_ns now)
{
    struct ph_stage_report *r = &w->stages[stage];
    if (r->state != PH_STAGE_IDLE)
        return;
    r->state = PH_STAGE_RUNNING;
    r->start = now;
}

void ph_waterfall_start_after_all(struct ph_waterfall *w, enum ph_stage stage, ph_ns now)
{
    struct ph_stage_report *r = &w->stages[stage];
    if (r->state == PH_STAGE_SKIPPED) {
        r->state = PH_STAGE_IDLE;
        r->reason[0] = '\0';
    }
    ph_waterfall_start(w, stage, now);
}

void ph_waterfall_start_again(struct ph_waterfall *w, enum ph_stage stage, ph_ns now)
{
    struct ph_stage_report *r = &w->stages[stage];
    if (stage == w->carrying)
        return;
    r->state = PH_STAGE_RUNNING;
    r->start = now;
    r->end = PH_NEVER;
    r->reason[0] = '\0';
}

void ph_waterfall_mark(struct ph_waterfall *w, enum ph_stage stage, ph_ns now)
{
    if (w->stages[stage].state == PH_STAGE_RUNNING && w->stages[stage].end == PH_NEVER)
        w->stages[stage].end = now;
}

void ph_waterfall_end(struct ph_waterfall *w, enum ph_stage stage, enum ph_stage_state state,
                      ph_ns now, const char *reason)
{
    struct ph_stage_report *r = &w->stages[stage];
    if (r->state != PH_STAGE_IDLE && r->state != PH_STAGE_RUNNING)
        return;
    r->state = state;
    if (state != PH_STAGE_SKIPPED && r->end == PH_NEVER)
        r->end = now;
    snprintf(r->reason, sizeof(r->reason), "%s", reason);
}

void ph_waterfall_carry(struct ph_waterfall *w, enum ph_stage stage, ph_ns now)
{
    if (w->carrying == stage)
        return;
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        struct ph_stage_report *other = &w->stages[i];
        /* The first direct path ends the race of the stages that seek one. */
        bool racing = other->state == PH_STAGE_RUNNING && i != PH_STAGE_RELAY && i != (int)stage &&
                      stage != PH_STAGE_RELAY;
        if (i != (int)w->carrying && !racing)
            continue;
        if (racing && other->end == PH_NEVER)
            other->end = now;
        other->state = PH_STAGE_BEATEN;
        snprintf(other->reason, sizeof(other->reason), "by %s", ph_stage_name(stage));
    }
    struct ph_stage_report *r = &w->stages[stage];
    if (stage == PH_STAGE_PORTMAP) {
        /* Its time is that of the own mapping; where there is none yet, this one is the peer's. */
        if (r->end == PH_NEVER)
            r->start = PH_NEVER;
    } else {
        if (r->start == PH_NEVER)
            r->start = now;
        if (r->end == PH_NEVER)
            r->end = now;
    }
    r->state = PH_STAGE_WON;
    r->reason[0] = '\0';
    w->carrying = stage;
}

void ph_waterfall_fall_back(struct ph_waterfall *w, ph_ns now, const char *reason)
{
    struct ph_stage_report *r = &w->stages[w->carrying];
    if (w->carrying >= PH_STAGE_RELAY)
        return;
    r->state = PH_STAGE_LOST;
    r->end = r->end == PH_NEVER ? now : r->end;
    snprintf(r->reason, sizeof(r->reason), "%s", reason);
    w->carrying = PH_STAGE_NONE;
    ph_waterfall_carry(w, PH_STAGE_RELAY, now);
}

bool ph_waterfall_settled(const struct ph_waterfall *w)
{
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        if (i != PH_STAGE_RELAY && w->stages[i].state == PH_STAGE_RUNNING)
            return false;
    }
    return w->carrying != PH_STAGE_NONE;
}
