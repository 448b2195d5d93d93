#include "lab/run/record.h"

#include "lab/run/score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *trial_status_name(enum trial_status status)
{
    static const char *const names[] = {"ok", "inconclusive", "lab-error"};
    return names[status];
}

static int compute_floors(struct run *run, struct lab_error *err)
{
    int rc = -1;
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct layout *layout = calloc(1, sizeof(*layout));
    if (spec == NULL || layout == NULL) {
        lab_fail(err, LAB_CANNOT, "out of memory");
        goto cleanup;
    }
    for (size_t i = 0; i < run->matrix.count; i++) {
        if (matrix_world(run->scenario, &run->matrix.cells[i], 0, spec, err) != 0 ||
            layout_compute(spec, layout, err) != 0)
            goto cleanup;
        trial_floors(layout, &run->floor_direct[i], &run->floor_relay[i]);
    }
    rc = 0;
cleanup:
    free(layout);
    free(spec);
    return rc;
}

int run_init(struct run *run, const struct scenario *scenario, struct matrix *matrix,
             unsigned trials, struct lab_error *err)
{
    memset(run, 0, sizeof(*run));
    run->scenario = scenario;
    run->world = "kernel";
    run->matrix = *matrix;
    memset(matrix, 0, sizeof(*matrix));
    run->trials = trials;
    if (trials == 0 || trials > RUN_TRIALS_MAX / run->matrix.count) {
        run_fini(run);
        return lab_fail(err, LAB_USAGE, "%s: more than %d trials in one run", scenario->path,
                        RUN_TRIALS_MAX);
    }
    run->floor_direct = calloc(run->matrix.count, sizeof(*run->floor_direct));
    run->floor_relay = calloc(run->matrix.count, sizeof(*run->floor_relay));
    run->records = calloc(run->matrix.count * trials, sizeof(*run->records));
    if (run->floor_direct == NULL || run->floor_relay == NULL || run->records == NULL) {
        run_fini(run);
        return lab_fail(err, LAB_CANNOT, "%s: out of memory", scenario->path);
    }
    if (compute_floors(run, err) != 0) {
        run_fini(run);
        return -1;
    }
    return 0;
}

void run_fini(struct run *run)
{
    matrix_free(&run->matrix);
    free(run->floor_direct);
    free(run->floor_relay);
    free(run->records);
    memset(run, 0, sizeof(*run));
}

/* How long a subject waits for what does not come. */
static ph_ns patience(const struct scenario *s)
{
    return s->subject == SUBJECT_PINHOLE ? s->give_up : 2 * PH_SEC;
}

struct record *run_add(struct run *run, size_t cell, unsigned trial,
                       const struct trial_result *result)
{
    struct record *r = &run->records[cell * run->trials + trial];
    memset(r, 0, sizeof(*r));
    r->present = true;
    r->status = result->status;
    r->lateness = ph_max_ns(result->lateness, result->shaper_lateness);
    if (r->status == TRIAL_OK && r->lateness > LATENESS_MAX)
        r->status = TRIAL_INCONCLUSIVE;
    score(result, &r->asked, &r->good);
    /* One that failed while the lab slept through a good part of its time says nothing of it. */
    if (r->status == TRIAL_INCONCLUSIVE && r->lateness > patience(run->scenario) / 4 &&
        !(result->subject == SUBJECT_PINHOLE && result->connected))
        r->status = TRIAL_LAB_ERROR;
    r->stage = (uint8_t)result->stage;
    score_times(result, r->times);
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        r->stages[i].state = (uint8_t)result->stages[i].state;
        r->stages[i].start = result->stages[i].start;
        r->stages[i].end = result->stages[i].end;
        r->stages[i].packets = result->stages[i].packets;
    }
    return r;
}

void run_lab_error(struct trial_result *out, const char *why)
{
    trial_result_init(out, SUBJECT_PINHOLE);
    out->status = TRIAL_LAB_ERROR;
    if (snprintf(out->error, sizeof(out->error), "%s", why) < 0)
        out->error[0] = '\0';
}

/* Milliseconds to the microsecond, or null. */
static json_t *ms(ph_ns t)
{
    if (t == PH_NEVER)
        return json_null();
    return json_real(round((double)t / 1e3) / 1e3);
}

static json_t *integer(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static json_t *cell_json(const struct run *run, size_t cell)
{
    json_t *o = json_object();
    const struct axes *axes = &run->scenario->axes;
    for (size_t i = 0; i < axes->count; i++)
        json_object_set_new(o, axes->items[i].name,
                            json_string(axes->items[i].values[run->matrix.cells[cell].values[i]]));
    return o;
}

static json_t *stage_json(const struct ph_stage_report *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "state", json_string(ph_stage_state_name(r->state)));
    if (r->reason[0] != '\0')
        json_object_set_new(o, "reason", json_string(r->reason));
    json_object_set_new(o, "start_ms", ms(r->start));
    json_object_set_new(o, "end_ms", ms(r->end));
    json_object_set_new(o, "packets", integer(r->packets));
    json_object_set_new(o, "bytes", integer(r->bytes));
    json_object_set_new(o, "sockets", integer(r->sockets));
    json_object_set_new(o, "openers", integer(r->openers));
    json_object_set_new(o, "probes", integer(r->probes));
    return o;
}

static void add_measurements(json_t *o, const struct trial_result *r)
{
    json_t *setup = json_object(), *stages = json_object(), *media = json_object();
    json_object_set_new(setup, "relay", ms(r->setup_relay));
    json_object_set_new(setup, "direct", ms(r->setup_direct));
    json_object_set_new(setup, "media", ms(r->setup_media));
    json_object_set_new(o, "setup_ms", setup);
    for (int i = 0; i < PH_STAGE_COUNT; i++)
        json_object_set_new(stages, ph_stage_name((enum ph_stage)i), stage_json(&r->stages[i]));
    json_object_set_new(o, "stages", stages);
    json_object_set_new(media, "sent", integer(r->media.sent));
    json_object_set_new(media, "received", integer(r->media.received));
    json_object_set_new(media, "duplicates", integer(r->media.duplicates));
    json_object_set_new(media, "max_gap_ms", ms(r->media.max_gap));
    json_object_set_new(media, "jitter_ms", ms(r->media.jitter));
    json_object_set_new(o, "media", media);
}

char *record_json(const struct run *run, size_t cell, unsigned trial, uint64_t seed,
                  const struct trial_result *r)
{
    char seed_text[17];
    const struct record *kept = &run->records[cell * run->trials + trial];
    json_t *o = json_object(), *floors = json_object(), *ttl = json_array();
    json_t *lateness = json_object();
    if (snprintf(seed_text, sizeof(seed_text), "%016llx", (unsigned long long)seed) < 0)
        seed_text[0] = '\0';
    json_object_set_new(o, "schema", json_integer(1));
    json_object_set_new(o, "scenario", json_string(run->scenario->name));
    json_object_set_new(o, "world", json_string(run->world));
    json_object_set_new(o, "cell", cell_json(run, cell));
    json_object_set_new(o, "trial", json_integer(trial));
    json_object_set_new(o, "seed", json_string(seed_text));
    json_object_set_new(o, "status", json_string(trial_status_name(kept->status)));
    if (r->error[0] != '\0')
        json_object_set_new(o, "error", json_string(r->error));
    else if (kept->status == TRIAL_LAB_ERROR)
        json_object_set_new(o, "error", json_string("the lab slept through the call"));
    json_object_set_new(o, "connected", json_boolean(r->connected));
    json_object_set_new(o, "path",
                        json_string(r->direct      ? "direct"
                                    : r->connected ? "relay"
                                                   : "none"));
    json_object_set_new(
        o, "stage", r->stage < PH_STAGE_COUNT ? json_string(ph_stage_name(r->stage)) : json_null());
    json_object_set_new(floors, "direct", ms(run->floor_direct[cell]));
    json_object_set_new(floors, "relay", ms(run->floor_relay[cell]));
    json_object_set_new(o, "floor_ms", floors);
    add_measurements(o, r);
    json_array_append_new(ttl, json_integer(r->ttl[0]));
    json_array_append_new(ttl, json_integer(r->ttl[1]));
    json_object_set_new(o, "opener_ttl", ttl);
    json_object_set_new(o, "lateness_ms", ms(kept->lateness));
    json_object_set_new(lateness, "loop", ms(r->lateness));
    json_object_set_new(lateness, "shaper", ms(r->shaper_lateness));
    json_object_set_new(o, "lateness_of_ms", lateness);
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(10));
    json_decref(o);
    return text;
}
