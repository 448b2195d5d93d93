#include "lab/run/matrix.h"

#include "lab/run/spread.h"
#include "lab/run/strategy.h"
#include "lab/run/trial.h"
#include "pinhole.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int make_key(const struct scenario *s, struct cell *cell)
{
    size_t at = 0;
    for (size_t i = 0; i < s->axes.count; i++) {
        int n = snprintf(cell->key + at, sizeof(cell->key) - at, "%s%s=%s", i == 0 ? "" : ",",
                         s->axes.items[i].name, s->axes.items[i].values[cell->values[i]]);
        if (n < 0 || (size_t)n >= sizeof(cell->key) - at)
            return -1;
        at += (size_t)n;
    }
    return 0;
}

static int add(const struct scenario *s, struct matrix *m, const uint16_t *values,
               struct lab_error *err)
{
    for (size_t i = 0; i < s->exclude_count; i++)
        if (scenario_match(s, &s->excludes[i], values))
            return 0;
    if (m->count >= CELLS_MAX)
        return lab_fail(err, LAB_USAGE, "%s: more than %d cells", s->path, CELLS_MAX);
    if ((m->count & (m->count - 1)) == 0) {
        size_t cap = m->count == 0 ? 1 : m->count * 2;
        struct cell *wider = realloc(m->cells, cap * sizeof(*wider));
        if (wider == NULL)
            return lab_fail(err, LAB_CANNOT, "%s: out of memory", s->path);
        m->cells = wider;
    }
    struct cell *cell = &m->cells[m->count];
    memset(cell, 0, sizeof(*cell));
    memcpy(cell->values, values, sizeof(cell->values));
    cell->weight = s->population.count > 0 ? spread_weight(s, cell) : 1.0;
    if (!(cell->weight > 0.0))
        return 0;
    if (make_key(s, cell) != 0)
        return lab_fail(err, LAB_USAGE, "%s: a cell's values are longer than %d characters in all",
                        s->path, CELL_KEY_MAX - 1);
    m->count++;
    return 0;
}

static size_t find_values(const struct matrix *m, const uint16_t *values)
{
    for (size_t i = 0; i < m->count; i++)
        if (memcmp(m->cells[i].values, values, sizeof(m->cells[i].values)) == 0)
            return i;
    return SIZE_MAX;
}

int matrix_expand(const struct scenario *s, struct matrix *out, struct lab_error *err)
{
    memset(out, 0, sizeof(*out));
    uint16_t values[AXES_MAX] = {0};
    size_t a = axes_find(&s->axes, "a.nat"), b = axes_find(&s->axes, "b.nat");
    for (;;) {
        if (!s->unordered || values[a] <= values[b])
            if (add(s, out, values, err) != 0)
                goto fail;
        size_t i = s->axes.count;
        while (i > 0 && ++values[i - 1] >= s->axes.items[i - 1].listed)
            values[--i] = 0;
        if (i == 0)
            break;
    }
    for (size_t i = 0; i < s->include_count; i++)
        if (find_values(out, s->includes[i]) == SIZE_MAX && add(s, out, s->includes[i], err) != 0)
            goto fail;
    if (out->count == 0) {
        lab_fail(err, LAB_USAGE, "%s: the matrix has no cell left", s->path);
        goto fail;
    }
    if (spread_trials(s, out, s->trials, 0) == 0)
        return 0;
    lab_fail(err, LAB_CANNOT, "%s: out of memory", s->path);
fail:
    matrix_free(out);
    return -1;
}

void matrix_free(struct matrix *m)
{
    free(m->cells);
    memset(m, 0, sizeof(*m));
}

static int set_axis(const struct scenario *s, const struct axis *axis, const char *value,
                    struct world_spec *out, struct lab_error *err)
{
    enum nat_gateway gateway = NAT_GATEWAY_DROP;
    char profile[NAT_PATH_MAX];
    switch (axis->kind) {
    case AXIS_NAT:
        if (nat_profile_resolve(value, s->path, profile, sizeof(profile)) != 0)
            return lab_fail(err, LAB_USAGE, "%s \"%s\": the path is too long", axis->name, value);
        return world_spec_set_profile(out, s->topology.nats[axis->nat].name, profile, err);
    case AXIS_FIELD:
        return nat_profile_set(&out->profiles[axis->nat], axis->field, value, err);
    case AXIS_LINK:
        return world_spec_set_link(out, value, err);
    case AXIS_LOSS:
        return world_spec_set_loss(out, strtod(value, NULL) / 100.0, err);
    case AXIS_FAMILY:
        return world_spec_set_family(out, value, err);
    case AXIS_GATEWAY:
        if (strcmp(value, "accept") == 0)
            gateway = NAT_GATEWAY_ACCEPT;
        else if (strcmp(value, "reject") == 0)
            gateway = NAT_GATEWAY_REJECT;
        return world_spec_set_gateway(out, gateway);
    case AXIS_SIDE_MAPPING:
        world_spec_set_router(out, axis->nat, axis_port_mapping(value)->protocols, NULL);
        return 0;
    case AXIS_PORT_MAPPING:
    case AXIS_FAULT:
        return 0; /* set_router, for both together */
    case AXIS_MAPPING_ROUTERS:
        return 0; /* spread_weight */
    case AXIS_BYSTANDER:
    case AXIS_STRATEGY:
    case AXIS_PROBE:
    case AXIS_GUESSING: /* matrix_stages */
    case AXIS_CANARY:
    case AXIS_OPENERS:
    case AXIS_PROBES:
    case AXIS_RATE:
        return 0; /* matrix_trial */
    case AXIS_BACKGROUND:
        world_spec_set_background(out, (uint32_t)strtoul(value, NULL, 10));
        return 0;
    }
    return lab_fail(err, LAB_USAGE, "%s: no such axis", axis->name);
}

const char *matrix_value(const struct scenario *s, const struct cell *cell, const char *axis)
{
    size_t i = axes_find(&s->axes, axis);
    return i == SIZE_MAX ? NULL : s->axes.items[i].values[cell->values[i]];
}

/* Where a NAT is its own router, the axes of routers take the place of what stands in its profile;
 * and those of the caller's that of the one of its side. */
static int check_others(const struct scenario *s, const struct world_spec *spec, size_t nat,
                        const char *by, struct lab_error *err)
{
    for (size_t i = 0; i < s->axes.count; i++) {
        const struct axis *axis = &s->axes.items[i];
        bool field = axis->kind == AXIS_FIELD && strncmp(axis->field, "port_mapping.", 13) == 0 &&
                     spec->profiles[nat].inside[0] == '\0';
        bool side = axis->kind == AXIS_SIDE_MAPPING && strchr(by, '.') == NULL;
        if (axis->nat == nat && (field || side))
            return lab_fail(err, LAB_USAGE,
                            "the axis %s says what the router in front of the %s speaks, so %s "
                            "means nothing to it; leave out the one or the other",
                            by, nat == world_spec_caller_nat(spec) ? "caller" : "callee",
                            axis->name);
    }
    return 0;
}

/* The router in front of the caller: what it speaks, and how badly. */
static int set_router(const struct scenario *s, const struct cell *cell, struct world_spec *out,
                      struct lab_error *err)
{
    const char *mapping = matrix_value(s, cell, "port_mapping");
    const char *name = matrix_value(s, cell, "fault");
    const struct axis_port_mapping *pm = mapping != NULL ? axis_port_mapping(mapping) : NULL;
    /* What befalls a call says nothing of its router, and then neither does "none". */
    if (name != NULL && s->faults.count > 0 && axis_fault(name) == NULL)
        name = NULL;
    const struct fault *fault = name != NULL ? axis_fault(name) : NULL;
    unsigned protocols = fault != NULL ? fault->protocols : pm != NULL ? pm->protocols : 0;
    if (mapping == NULL && name == NULL)
        return 0;
    if (fault != NULL && pm != NULL && (pm->protocols != 0 || pm->off))
        return lab_fail(
            err, LAB_USAGE,
            "a router with the fault %s speaks what the fault is about, so port_mapping "
            "%s means nothing to it; exclude the one or the other, or write none",
            name, mapping);
    if (world_spec_set_port_mapping(out, protocols, fault != NULL ? fault->name : NULL, err) != 0)
        return -1;
    return check_others(s, out, world_spec_caller_nat(out),
                        mapping != NULL ? "port_mapping" : "fault", err);
}

static int pass_of(enum axis_kind kind)
{
    return kind == AXIS_NAT ? 0 : kind == AXIS_LOSS ? 2 : 1;
}

int matrix_world(const struct scenario *s, const struct cell *cell, uint64_t seed,
                 struct world_spec *out, struct lab_error *err)
{
    if (world_spec_init(out, &s->topology, err) != 0)
        return -1;
    out->seed = seed;
    /* Profiles first: what the other axes set stands in them. Loss last: a link has its own. */
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < s->axes.count; i++) {
            const struct axis *axis = &s->axes.items[i];
            if (pass_of(axis->kind) != pass)
                continue;
            if (set_axis(s, axis, axis->values[cell->values[i]], out, err) != 0)
                return -1;
        }
    }
    if (set_router(s, cell, out, err) != 0)
        return -1;
    for (size_t i = 0; i < s->axes.count; i++)
        if (s->axes.items[i].kind == AXIS_SIDE_MAPPING &&
            check_others(s, out, s->axes.items[i].nat, s->axes.items[i].name, err) != 0)
            return -1;
    for (size_t i = 0; i < out->topology.nat_count; i++)
        if (nat_profile_validate(&out->profiles[i], err) != 0)
            return -1;
    return 0;
}

/* 0 where there is no such axis: the default. */
static uint16_t number(const struct scenario *s, const struct cell *cell, const char *axis)
{
    const char *value = matrix_value(s, cell, axis);
    return value != NULL ? (uint16_t)strtoul(value, NULL, 10) : 0;
}

static bool is_value(const struct scenario *s, const struct cell *cell, const char *axis,
                     const char *wanted)
{
    const char *value = matrix_value(s, cell, axis);
    return value != NULL && strcmp(value, wanted) == 0;
}

unsigned matrix_stages(const struct scenario *s, const struct cell *cell)
{
    const char *value = matrix_value(s, cell, "port_mapping");
    const struct axis_port_mapping *pm = value != NULL ? axis_port_mapping(value) : NULL;
    unsigned stages = s->stages;
    if (pm != NULL && pm->off)
        stages &= ~(1u << PH_STAGE_PORTMAP);
    if (is_value(s, cell, "guessing", "off"))
        stages &= ~(1u << PH_STAGE_PREDICT | 1u << PH_STAGE_BIRTHDAY);
    return stages;
}

const struct fault_plan *matrix_faults(const struct scenario *s, const struct cell *cell)
{
    const char *name = matrix_value(s, cell, "fault");
    return name != NULL ? fault_plan_find(&s->faults, name) : NULL;
}

const struct strategy *matrix_strategy(const struct scenario *s, const struct cell *cell)
{
    const char *name = matrix_value(s, cell, "strategy");
    const struct strategy *strategy = name != NULL ? strategy_find(name) : NULL;
    return strategy != NULL && strategy->plan != NULL ? strategy : NULL;
}

void matrix_trial(const struct scenario *s, const struct cell *cell, struct trial_spec *out)
{
    const struct strategy *strategy = matrix_strategy(s, cell);
    memset(out, 0, sizeof(*out));
    out->faults = matrix_faults(s, cell);
    out->subject = s->subject;
    out->stages = matrix_stages(s, cell);
    out->give_up = s->give_up;
    out->media = s->media;
    out->hold = s->hold;
    out->lifetime_s = s->lifetime_s;
    out->plan = strategy != NULL ? strategy->plan : NULL;
    out->probe =
        is_value(s, cell, "probe", "quic-initial") ? PH_PROBE_QUIC_INITIAL : PH_PROBE_CHECK;
    out->bystander = number(s, cell, "bystander");
    out->no_canary =
        is_value(s, cell, "canary", "off") || (strategy != NULL && strategy->no_canary);
    if (strategy != NULL)
        out->budget = *strategy->budget;
    else
        out->budget = (struct ph_budget){.openers = number(s, cell, "openers"),
                                         .probes = number(s, cell, "probes"),
                                         .rate = number(s, cell, "rate")};
}

size_t matrix_counterpart(const struct matrix *m, size_t cell, const struct counterpart *of)
{
    uint16_t values[AXES_MAX];
    memcpy(values, m->cells[cell].values, sizeof(values));
    for (size_t i = 0; i < of->count; i++)
        values[of->terms[i].axis] = of->terms[i].value;
    return find_values(m, values);
}

bool matrix_cell_matches(const struct scenario *s, const struct cell *cell, const char *glob)
{
    if (fnmatch(glob, cell->key, 0) == 0)
        return true;
    char copy[CELL_KEY_MAX];
    if (strlen(glob) >= sizeof(copy) || strchr(glob, '=') == NULL)
        return false;
    memcpy(copy, glob, strlen(glob) + 1);
    char *save = NULL;
    for (char *term = strtok_r(copy, ",", &save); term != NULL; term = strtok_r(NULL, ",", &save)) {
        char *eq = strchr(term, '=');
        if (eq == NULL)
            return false;
        *eq = '\0';
        size_t axis = axes_find(&s->axes, term);
        if (axis == SIZE_MAX ||
            fnmatch(eq + 1, s->axes.items[axis].values[cell->values[axis]], 0) != 0)
            return false;
    }
    return true;
}
