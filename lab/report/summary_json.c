#include "lab/report/population.h"
#include "lab/stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *integer(uint64_t v)
{
    return json_integer((json_int_t)v);
}

/* To the third decimal, so that what is read in the file is what was meant. */
static json_t *rounded(double v)
{
    return json_real(round(v * 1000.0) / 1000.0);
}

static json_t *floor_json(ph_ns t)
{
    return t == PH_NEVER ? json_null() : rounded(ph_ns_to_ms(t));
}

static json_t *time_json(const struct time_summary *t)
{
    if (t->count == 0)
        return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "count", integer(t->count));
    json_object_set_new(o, "p50", rounded(t->p50));
    json_object_set_new(o, "p95", rounded(t->p95));
    json_object_set_new(o, "p99", rounded(t->p99));
    json_object_set_new(o, "max", rounded(t->max));
    return o;
}

static json_t *rate_json(uint64_t k, uint64_t n)
{
    double low, high;
    stats_wilson(k, n, &low, &high);
    json_t *o = json_object();
    json_object_set_new(o, "rate", n > 0 ? rounded((double)k / (double)n) : json_null());
    json_object_set_new(o, "low", rounded(low));
    json_object_set_new(o, "high", rounded(high));
    return o;
}

static json_t *stage_json(const struct stage_summary *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "won", integer(s->won));
    json_object_set_new(o, "lost", integer(s->lost));
    json_object_set_new(o, "beaten", integer(s->beaten));
    json_object_set_new(o, "skipped", integer(s->skipped));
    json_object_set_new(o, "packets", integer(s->packets));
    json_object_set_new(o, "won_ms", time_json(&s->time));
    json_object_set_new(o, "probes_to_hit", time_json(&s->to_hit));
    return o;
}

static void fill_call(json_t *o, const struct summary *s)
{
    json_object_set_new(o, "connected", integer(s->connected));
    json_object_set_new(o, "direct", integer(s->direct));
    json_object_set_new(o, "connected_rate", rate_json(s->connected, s->counted));
    json_object_set_new(o, "direct_rate", rate_json(s->direct, s->counted));
    json_t *setup = json_object(), *stages = json_object();
    for (int i = SUBJECT_TIME_RELAY; i <= SUBJECT_TIME_MEDIA; i++)
        json_object_set_new(setup, subject_time_name((enum subject_time)i),
                            time_json(&s->times[i]));
    json_object_set_new(o, "setup_ms", setup);
    json_object_set_new(o, "direct_over_floor", time_json(&s->direct_floor));
    for (int i = 0; i < PH_STAGE_COUNT; i++)
        json_object_set_new(stages, ph_stage_name((enum ph_stage)i), stage_json(&s->stages[i]));
    json_object_set_new(o, "stages", stages);
}

/* Every rate, time and count that the subject has, by name. */
static void fill_subject(json_t *o, enum subject subject, const struct summary *s)
{
    json_t *rates = json_object(), *times = json_object(), *counts = json_object();
    for (int i = 0; i < RATE_COUNT; i++) {
        if (!subject_has_rate(subject, (enum rate)i) || s->rates[i].of == 0)
            continue;
        json_t *r = rate_json(s->rates[i].good, s->rates[i].of);
        json_object_set_new(r, "good", integer(s->rates[i].good));
        json_object_set_new(r, "of", integer(s->rates[i].of));
        json_object_set_new(rates, rate_name((enum rate)i), r);
    }
    for (int i = 0; i < SUBJECT_TIME_COUNT; i++)
        if (subject_has_time(subject, (enum subject_time)i))
            json_object_set_new(times, subject_time_name((enum subject_time)i),
                                time_json(&s->times[i]));
    for (int i = 0; i < SUBJECT_COUNT_COUNT; i++)
        if (subject_has_count(subject, (enum subject_count)i))
            json_object_set_new(counts, subject_count_name((enum subject_count)i),
                                time_json(&s->counts[i]));
    json_object_set_new(o, "rates", rates);
    json_object_set_new(o, "times_ms", times);
    json_object_set_new(o, "counts", counts);
    json_t *by = json_object();
    for (int i = 0; i < PH_PORTMAP_PROTOCOLS; i++)
        json_object_set_new(by, ph_portmap_protocol_name((enum ph_portmap_protocol)i),
                            integer(s->by[i]));
    json_object_set_new(o, "mapped_by", by);
}

static void fill(json_t *o, enum subject subject, const struct summary *s)
{
    json_object_set_new(o, "trials", integer(s->trials));
    json_object_set_new(o, "counted", integer(s->counted));
    json_object_set_new(o, "inconclusive", integer(s->inconclusive));
    json_object_set_new(o, "lab_errors", integer(s->lab_errors));
    if (subject == SUBJECT_PINHOLE)
        fill_call(o, s);
    fill_subject(o, subject, s);
}

static json_t *cell_json(const struct run *run, size_t c, const struct summary *s)
{
    json_t *o = json_object(), *cell = json_object();
    const struct axes *axes = &run->scenario->axes;
    for (size_t i = 0; i < axes->count; i++)
        json_object_set_new(cell, axes->items[i].name,
                            json_string(axes->items[i].values[run->matrix.cells[c].values[i]]));
    json_object_set_new(o, "cell", cell);
    json_object_set_new(o, "key", json_string(run->matrix.cells[c].key));
    fill(o, run->scenario->subject, s);
    if (run->scenario->subject != SUBJECT_PINHOLE)
        return o;
    json_t *floors = json_object();
    json_object_set_new(floors, "direct", floor_json(run->floor_direct[c]));
    json_object_set_new(floors, "relay", floor_json(run->floor_relay[c]));
    json_object_set_new(o, "floor_ms", floors);
    return o;
}

char *summary_json(const struct run *run, const struct expect_result *expects)
{
    char *text = NULL, seed[17];
    struct summary s;
    json_t *root = json_object(), *cells = json_array(), *list = json_array();
    if (snprintf(seed, sizeof(seed), "%016llx", (unsigned long long)run->seed) < 0)
        seed[0] = '\0';
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "scenario", json_string(run->scenario->name));
    json_object_set_new(root, "world", json_string(run->world));
    json_object_set_new(root, "subject", json_string(subject_name(run->scenario->subject)));
    json_object_set_new(root, "seed", json_string(seed));
    json_object_set_new(root, "trials_per_cell", json_integer(run->trials));
    json_object_set_new(root, "partial", json_boolean(run->partial));
    json_object_set_new(root, "interrupted", json_boolean(run->interrupted));
    json_object_set_new(root, "cells", cells);
    json_object_set_new(root, "expectations", list);
    if (summary_of(run, NULL, &s) != 0)
        goto cleanup;
    json_t *total = json_object();
    fill(total, run->scenario->subject, &s);
    json_object_set_new(root, "total", total);
    if (run->scenario->population.count > 0) {
        json_t *population = population_json(run);
        if (population == NULL)
            goto cleanup;
        json_object_set_new(root, "population", population);
    }
    for (size_t c = 0; c < run->matrix.count; c++) {
        if (run_trials(run, c) == 0)
            continue;
        if (summary_of_cell(run, c, &s) != 0)
            goto cleanup;
        json_array_append_new(cells, cell_json(run, c, &s));
    }
    for (size_t i = 0; i < run->scenario->expect_count; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "expect", json_string(run->scenario->expects[i].text));
        json_object_set_new(o, "line", json_integer(run->scenario->expects[i].at->line));
        json_object_set_new(o, "status", json_string(expect_status_name(expects[i].status)));
        json_object_set_new(o, "detail", json_string(expects[i].detail));
        json_array_append_new(list, o);
    }
    text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(10));
cleanup:
    json_decref(root);
    return text;
}
