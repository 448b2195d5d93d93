#include "lab/run/record.h"

#include "lab/run/outlook.h"
#include "lab/run/record_json.h"
#include "lab/run/score.h"

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
        run->outlook[i] = (uint8_t)outlook_of(layout);
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
    for (size_t c = 0; c < run->matrix.count; c++) {
        if (scenario->population.count == 0)
            run->matrix.cells[c].trials = trials;
        run->total += run->matrix.cells[c].trials;
    }
    if (run->matrix.count == 0 || run->total == 0 || run->total > RUN_TRIALS_MAX) {
        lab_fail(err, LAB_USAGE, "%s: %zu trials; a run has from 1 to %d", scenario->path,
                 run->total, RUN_TRIALS_MAX);
        run_fini(run);
        return -1;
    }
    run->floor_direct = calloc(run->matrix.count, sizeof(*run->floor_direct));
    run->floor_relay = calloc(run->matrix.count, sizeof(*run->floor_relay));
    run->outlook = calloc(run->matrix.count, sizeof(*run->outlook));
    run->first = calloc(run->matrix.count, sizeof(*run->first));
    run->records = calloc(run->total, sizeof(*run->records));
    if (run->floor_direct == NULL || run->floor_relay == NULL || run->outlook == NULL ||
        run->first == NULL || run->records == NULL) {
        run_fini(run);
        return lab_fail(err, LAB_CANNOT, "%s: out of memory", scenario->path);
    }
    for (size_t c = 1; c < run->matrix.count; c++)
        run->first[c] = run->first[c - 1] + run->matrix.cells[c - 1].trials;
    if (compute_floors(run, err) != 0) {
        run_fini(run);
        return -1;
    }
    return 0;
}

size_t run_cells(const struct run *run)
{
    size_t n = 0;
    for (size_t c = 0; c < run->matrix.count; c++)
        n += run_trials(run, c) > 0 ? 1 : 0;
    return n;
}

void run_fini(struct run *run)
{
    matrix_free(&run->matrix);
    free(run->floor_direct);
    free(run->floor_relay);
    free(run->records);
    free(run->first);
    free(run->outlook);
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
    struct record *r = run_record(run, cell, trial);
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
    r->protocol = (uint8_t)(result->subject == SUBJECT_MAP        ? result->map.protocol
                            : result->subject == SUBJECT_NETCHECK ? result->netcheck.protocol
                                                                  : result->mapping.protocol);
    score_times(result, r->times);
    score_counts(result, r->counts);
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        r->stages[i].state = (uint8_t)result->stages[i].state;
        r->stages[i].start = result->stages[i].start;
        r->stages[i].end = result->stages[i].end;
        r->stages[i].packets = result->stages[i].packets;
        r->stages[i].probes_to_hit = result->stages[i].probes_to_hit;
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

static json_t *cell_json(const struct run *run, size_t cell)
{
    json_t *o = json_object();
    const struct axes *axes = &run->scenario->axes;
    for (size_t i = 0; i < axes->count; i++)
        json_object_set_new(o, axes->items[i].name,
                            json_string(axes->items[i].values[run->matrix.cells[cell].values[i]]));
    return o;
}

static void add_measurements(json_t *o, enum subject subject, const struct trial_result *r)
{
    switch (subject) {
    case SUBJECT_PINHOLE:
        record_call(o, r);
        break;
    case SUBJECT_NETCHECK:
        record_netcheck(o, &r->netcheck);
        break;
    case SUBJECT_MAP:
        record_map(o, &r->map);
        break;
    case SUBJECT_COUNT:
        break;
    }
    if (r->router_mappings != ROUTER_MAPPINGS_UNKNOWN)
        json_object_set_new(o, "router_mappings", json_integer(r->router_mappings));
}

char *record_json(const struct run *run, size_t cell, unsigned trial, uint64_t seed,
                  const struct trial_result *r)
{
    char seed_text[17];
    const struct record *kept = run_record(run, cell, trial);
    json_t *o = json_object();
    json_t *lateness = json_object();
    if (snprintf(seed_text, sizeof(seed_text), "%016llx", (unsigned long long)seed) < 0)
        seed_text[0] = '\0';
    json_object_set_new(o, "schema", json_integer(1));
    json_object_set_new(o, "scenario", json_string(run->scenario->name));
    json_object_set_new(o, "world", json_string(run->world));
    json_object_set_new(o, "subject", json_string(subject_name(run->scenario->subject)));
    json_object_set_new(o, "cell", cell_json(run, cell));
    json_object_set_new(o, "trial", json_integer(trial));
    json_object_set_new(o, "seed", json_string(seed_text));
    json_object_set_new(o, "status", json_string(trial_status_name(kept->status)));
    if (r->error[0] != '\0')
        json_object_set_new(o, "error", json_string(r->error));
    else if (kept->status == TRIAL_LAB_ERROR)
        json_object_set_new(o, "error", json_string("the lab slept through the call"));
    if (run->scenario->subject == SUBJECT_PINHOLE) {
        json_t *floors = json_object();
        json_object_set_new(floors, "direct", record_ms(run->floor_direct[cell]));
        json_object_set_new(floors, "relay", record_ms(run->floor_relay[cell]));
        json_object_set_new(o, "floor_ms", floors);
    }
    add_measurements(o, run->scenario->subject, r);
    json_object_set_new(o, "lateness_ms", record_ms(kept->lateness));
    json_object_set_new(lateness, "loop", record_ms(r->lateness));
    json_object_set_new(lateness, "shaper", record_ms(r->shaper_lateness));
    json_object_set_new(o, "lateness_of_ms", lateness);
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(10));
    json_decref(o);
    return text;
}
