#include "lab/report/summary.h"

#include "lab/run/score.h"
#include "lab/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Times on their way into a time_summary. */
struct bag {
    double *values;
    size_t count;
};

static void put(struct bag *b, ph_ns t)
{
    if (t != PH_NEVER)
        b->values[b->count++] = (double)t / 1e6;
}

static void close_bag(struct bag *b, struct time_summary *out)
{
    out->count = b->count;
    if (b->count > 0) {
        stats_sort(b->values, b->count);
        out->p50 = stats_percentile(b->values, b->count, 50);
        out->p95 = stats_percentile(b->values, b->count, 95);
        out->p99 = stats_percentile(b->values, b->count, 99);
        out->max = b->values[b->count - 1];
    }
    b->count = 0;
}

static bool chosen(const bool *cells, size_t cell)
{
    return cells == NULL || cells[cell];
}

/* What is gathered: the times of a subject (enum subject_time), and behind them ... */
enum {
    TIME_OVER_FLOOR = SUBJECT_TIME_COUNT,
    TIME_STAGE,                                       /* and up, by stage */
    COUNT_TO_HIT = TIME_STAGE + PH_STAGE_COUNT,       /* and up, by stage */
    COUNT_OF_SUBJECT = COUNT_TO_HIT + PH_STAGE_COUNT, /* and up: enum subject_count */
};

static void put_count(const struct record *r, unsigned which, struct bag *bag)
{
    if (which < COUNT_OF_SUBJECT) {
        uint32_t n = r->stages[which - COUNT_TO_HIT].probes_to_hit;
        if (n > 0)
            bag->values[bag->count++] = (double)n;
        return;
    }
    uint32_t n = r->counts[which - COUNT_OF_SUBJECT];
    if (n != SCORE_ABSENT)
        bag->values[bag->count++] = (double)n;
}

static void put_time(const struct run *run, size_t cell, const struct record *r, unsigned which,
                     struct bag *bag)
{
    if (which < SUBJECT_TIME_COUNT) {
        put(bag, r->times[which]);
        return;
    }
    if (which == TIME_OVER_FLOOR) {
        ph_ns direct = r->times[SUBJECT_TIME_DIRECT], floor = run->floor_direct[cell];
        if (direct != PH_NEVER && floor != PH_NEVER && floor > 0)
            bag->values[bag->count++] = (double)direct / (double)floor;
        return;
    }
    unsigned stage = which - TIME_STAGE;
    if (r->stages[stage].state == PH_STAGE_WON && r->stages[stage].start != PH_NEVER &&
        r->stages[stage].end != PH_NEVER && r->stages[stage].end >= r->stages[stage].start)
        put(bag, r->stages[stage].end - r->stages[stage].start);
}

static void gather(const struct run *run, const bool *cells, unsigned which, struct bag *bag,
                   struct time_summary *out)
{
    for (size_t c = 0; c < run->matrix.count; c++) {
        if (!chosen(cells, c))
            continue;
        for (unsigned t = 0; t < run_trials(run, c); t++) {
            const struct record *r = run_record(run, c, t);
            if (!record_is_counted(r))
                continue;
            if (which >= COUNT_TO_HIT)
                put_count(r, which, bag);
            else if (r->status == TRIAL_OK)
                put_time(run, c, r, which, bag);
        }
    }
    close_bag(bag, out);
}

static void count_stage(struct stage_summary *s, uint8_t state)
{
    switch ((enum ph_stage_state)state) {
    case PH_STAGE_WON:
        s->won++;
        break;
    case PH_STAGE_LOST:
        s->lost++;
        break;
    case PH_STAGE_BEATEN:
        s->beaten++;
        break;
    default:
        s->skipped++;
        break;
    }
}

static void count_record(const struct record *r, struct summary *out)
{
    out->trials++;
    if (r->status == TRIAL_LAB_ERROR) {
        out->lab_errors++;
        return;
    }
    out->counted++;
    out->inconclusive += r->status == TRIAL_INCONCLUSIVE ? 1 : 0;
    for (int i = 0; i < RATE_COUNT; i++) {
        out->rates[i].of += (r->asked & 1u << i) != 0 ? 1 : 0;
        out->rates[i].good += record_is(r, (enum rate)i) ? 1 : 0;
    }
    if (r->protocol < PH_PORTMAP_PROTOCOLS && record_is(r, RATE_MAPPED))
        out->by[r->protocol]++;
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        count_stage(&out->stages[i], r->stages[i].state);
        out->stages[i].packets += r->stages[i].packets;
    }
}

int summary_of(const struct run *run, const bool *cells, struct summary *out)
{
    memset(out, 0, sizeof(*out));
    size_t chosen_trials = 0;
    for (size_t c = 0; c < run->matrix.count; c++) {
        if (!chosen(cells, c))
            continue;
        chosen_trials += run_trials(run, c);
        for (unsigned t = 0; t < run_trials(run, c); t++)
            if (run_record(run, c, t)->present)
                count_record(run_record(run, c, t), out);
    }
    out->connected = out->rates[RATE_CONNECTED].good;
    out->direct = out->rates[RATE_DIRECT].good;
    struct bag bag = {.values = calloc(chosen_trials + 1, sizeof(double))};
    if (bag.values == NULL)
        return -1;
    for (unsigned i = 0; i < SUBJECT_TIME_COUNT; i++)
        gather(run, cells, i, &bag, &out->times[i]);
    gather(run, cells, TIME_OVER_FLOOR, &bag, &out->direct_floor);
    for (unsigned i = 0; i < PH_STAGE_COUNT; i++) {
        gather(run, cells, TIME_STAGE + i, &bag, &out->stages[i].time);
        gather(run, cells, COUNT_TO_HIT + i, &bag, &out->stages[i].to_hit);
    }
    for (unsigned i = 0; i < SUBJECT_COUNT_COUNT; i++)
        gather(run, cells, COUNT_OF_SUBJECT + i, &bag, &out->counts[i]);
    free(bag.values);
    return 0;
}

int summary_of_cell(const struct run *run, size_t cell, struct summary *out)
{
    /* A run of this one cell, in the same memory. */
    size_t none = 0;
    struct run one = *run;
    one.matrix.cells = &run->matrix.cells[cell];
    one.matrix.count = 1;
    one.records = &run->records[run->first[cell]];
    one.outlook = &run->outlook[cell];
    one.first = &none;
    one.total = run_trials(run, cell);
    one.floor_direct = &run->floor_direct[cell];
    one.floor_relay = &run->floor_relay[cell];
    return summary_of(&one, NULL, out);
}

char *summary_brief(const struct run *run, const struct summary *s, char out[SUMMARY_BRIEF_MAX])
{
    static const struct {
        enum rate rate;
        const char *name;
    } briefs[SUBJECT_COUNT][3] = {
        [SUBJECT_PINHOLE] = {{RATE_CONNECTED, "connected"}, {RATE_DIRECT, "direct"}},
        [SUBJECT_NETCHECK] = {{RATE_MAPPING_RIGHT, "right: mapping"},
                              {RATE_FILTERING_RIGHT, "filtering"},
                              {RATE_ALLOCATION_RIGHT, "allocation"}},
        [SUBJECT_MAP] = {{RATE_AS_EXPECTED, "as expected"}, {RATE_RELEASED, "released"}},
    };
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < 3 && briefs[run->scenario->subject][i].name != NULL; i++) {
        const struct rate_summary *r = &s->rates[briefs[run->scenario->subject][i].rate];
        int n =
            snprintf(out + used, SUMMARY_BRIEF_MAX - used, "%s%s %" PRIu64 "/%" PRIu64,
                     used == 0 ? "" : ", ", briefs[run->scenario->subject][i].name, r->good, r->of);
        if (n < 0 || (size_t)n >= SUMMARY_BRIEF_MAX - used)
            break;
        used += (size_t)n;
    }
    return out;
}

enum subject_time summary_first_time(const struct run *run)
{
    static const enum subject_time first[SUBJECT_COUNT] = {
        [SUBJECT_PINHOLE] = SUBJECT_TIME_DIRECT,
        [SUBJECT_NETCHECK] = SUBJECT_TIME_NETCHECK,
        [SUBJECT_MAP] = SUBJECT_TIME_MAP,
    };
    return first[run->scenario->subject];
}
