#include "lab/run/scenario_check.h"

#include "lab/run/matrix.h"
#include "lab/run/media_meter.h"
#include "lab/run/spread.h"
#include "lab/run/strategy.h"
#include "lab/topo/layout.h"
#include "pinhole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After the last fault: a silence that is one, and frames that come late. */
#define FAULT_MEDIA_MIN (METER_SILENCE + 100 * PH_MS)

/* What a strategy spends is part of it. */
static bool strategy_is_nonsense(const struct scenario *s, const struct cell *cell, char *why,
                                 size_t cap)
{
    static const char *const ours[] = {"canary", "openers", "probes", "rate"};
    const struct strategy *strategy = matrix_strategy(s, cell);
    if (strategy == NULL)
        return false;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (axes_find(&s->axes, ours[i]) == SIZE_MAX)
            continue;
        (void)snprintf(why, cap,
                       "the strategy %s is what was published of it, and so %s means nothing to "
                       "it; leave out that axis",
                       strategy->name, ours[i]);
        return true;
    }
    return false;
}

/* What stands in the way of two of a cell's values together; false: nothing. */
static bool cell_is_nonsense(const struct scenario *s, const struct cell *cell, char *why,
                             size_t cap)
{
    const char *mapping = matrix_value(s, cell, "port_mapping");
    const struct axis_port_mapping *pm = mapping != NULL ? axis_port_mapping(mapping) : NULL;
    if (strategy_is_nonsense(s, cell, why, cap))
        return true;
    if (pm == NULL || !pm->off || s->subject != SUBJECT_MAP)
        return false;
    (void)snprintf(why, cap,
                   "port_mapping off is a peer that does not ask for a mapping, and subject map is "
                   "nothing else; leave it out, or write none");
    return true;
}

static int check_axes(const struct yaml_node *matrix, const struct scenario *s,
                      struct lab_error *err)
{
    for (size_t i = 0; i < s->axes.count; i++) {
        const struct yaml_pair *p = &matrix->pairs[i]; /* axes_read keeps their order */
        struct yaml_node at = {.file = matrix->file, .line = p->line, .column = p->column};
        if (s->subject != SUBJECT_PINHOLE && axis_is_of_calls(s->axes.items[i].kind))
            return yaml_fail(&at, err, "the axis %s is of calls, and means nothing to subject %s",
                             p->key, subject_name(s->subject));
        if (s->population.count == 0 && s->axes.items[i].kind == AXIS_MAPPING_ROUTERS)
            return yaml_fail(&at, err,
                             "the axis %s is of a population's routers, and the scenario has no "
                             "population",
                             p->key);
    }
    return 0;
}

static int check_cell(struct yaml_node *root, const struct scenario *s, const struct cell *cell,
                      struct world_spec *spec, struct layout *layout, struct lab_error *err)
{
    struct lab_error why = {0};
    const struct fault_plan *faults = matrix_faults(s, cell);
    if (!cell_is_nonsense(s, cell, why.text, sizeof(why.text)) &&
        matrix_world(s, cell, 0, spec, &why) == 0 && layout_compute(spec, layout, &why) == 0 &&
        (faults == NULL || fault_plan_check(faults, layout, &why) == 0))
        return 0;
    return yaml_fail(yaml_get(root, "matrix"), err, "the cell %s cannot be: %s", cell->key,
                     why.text);
}

/* Whom a comparison compares with must be there. */
static int check_counterparts(const struct scenario *s, const struct matrix *m,
                              const struct expectation *e, struct lab_error *err)
{
    for (size_t i = 0; expectation_is_comparison(e) && i < m->count; i++) {
        if (!scenario_match(s, &e->when, m->cells[i].values))
            continue;
        size_t other = matrix_counterpart(m, i, &e->not_slower_than);
        if (other == SIZE_MAX)
            return yaml_fail(e->at, err, "the matrix has no cell that %s is compared with",
                             m->cells[i].key);
        if (other == i)
            return yaml_fail(e->at, err, "%s is compared with itself; name others in `when`",
                             m->cells[i].key);
    }
    return 0;
}

/* The trials that decide: of all matching cells together, or of the one that has the fewest. */
static int check_reach(const struct scenario *s, const struct matrix *m,
                       const struct expectation *e, struct lab_error *err)
{
    size_t cells = 0;
    uint64_t all = 0, least = UINT64_MAX;
    for (size_t i = 0; i < m->count; i++) {
        if (!scenario_match(s, &e->when, m->cells[i].values))
            continue;
        cells++;
        all += m->cells[i].trials;
        least = m->cells[i].trials < least ? m->cells[i].trials : least;
    }
    return expectation_check_reach(e, e->pool ? all : least, cells, err);
}

/* In each stratum stand all calls of the population, unless the file leaves some out. */
static int check_population(struct yaml_node *root, const struct scenario *s,
                            const struct matrix *m, struct lab_error *err)
{
    struct yaml_node *at = yaml_get(root, "population");
    int rc = 0;
    if (at == NULL)
        return 0;
    if (s->unordered || s->include_count > 0)
        return yaml_fail(at, err,
                         "who calls and who is called are drawn from the population; leave "
                         "out %s",
                         s->unordered ? "pairs: unordered" : "include");
    size_t *of = calloc(m->count + 1, sizeof(*of));
    if (of == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    size_t strata = spread_strata(s, m, of);
    for (size_t k = 0; k < strata && rc == 0 && s->exclude_count == 0; k++) {
        double sum = 0.0;
        for (size_t c = 0; c < m->count; c++)
            sum += of[c] == k ? m->cells[c].weight : 0.0;
        if (sum < 1.0 - 1e-6)
            rc = yaml_fail(
                at, err,
                "the cells of the matrix are %.3g%% of all calls; a.nat and b.nat must be "
                "`population`, and where routers map ports a.port_mapping and "
                "b.port_mapping must have none and one other value",
                sum * 100.0);
    }
    free(of);
    return rc;
}

/* Every cell must be a world that can be, and every expectation one that can be met. */
static int check_cells(struct yaml_node *root, const struct scenario *s, struct lab_error *err)
{
    int rc = -1;
    struct matrix matrix = {0};
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct layout *layout = calloc(1, sizeof(*layout));
    if (spec == NULL || layout == NULL) {
        lab_fail(err, LAB_CANNOT, "out of memory");
        goto cleanup;
    }
    if (matrix_expand(s, &matrix, err) != 0)
        goto cleanup;
    for (size_t i = 0; i < matrix.count; i++)
        if (check_cell(root, s, &matrix.cells[i], spec, layout, err) != 0)
            goto cleanup;
    if (check_population(root, s, &matrix, err) != 0)
        goto cleanup;
    for (size_t k = 0; k < s->expect_count; k++)
        if (check_reach(s, &matrix, &s->expects[k], err) != 0 ||
            check_counterparts(s, &matrix, &s->expects[k], err) != 0)
            goto cleanup;
    rc = 0;
cleanup:
    matrix_free(&matrix);
    free(layout);
    free(spec);
    return rc;
}

/* One that no cell has would be left out without a word. */
static int check_faults(const struct yaml_node *faults, const struct scenario *s,
                        struct lab_error *err)
{
    size_t axis = axes_find(&s->axes, "fault");
    if (faults == NULL)
        return 0;
    if (s->media < FAULT_MEDIA_MIN)
        return yaml_fail(faults, err,
                         "whether a call goes on after a fault shows when media has had %u ms to "
                         "be heard; let `media` be as much at least",
                         (unsigned)(FAULT_MEDIA_MIN / PH_MS));
    for (size_t i = 0; i < s->faults.count; i++) {
        const struct fault_plan *plan = &s->faults.items[i];
        struct yaml_node at = {.file = faults->file, .line = plan->line, .column = plan->column};
        bool used = false;
        for (size_t k = 0; axis != SIZE_MAX && k < s->axes.items[axis].count; k++)
            used = used || strcmp(s->axes.items[axis].values[k], plan->name) == 0;
        if (!used)
            return yaml_fail(&at, err, "\"%s\" is no value of the axis fault: no cell has it",
                             plan->name);
    }
    return 0;
}

int scenario_check(struct yaml_node *root, const struct scenario *s, struct lab_error *err)
{
    if (check_faults(yaml_get(root, "faults"), s, err) != 0)
        return -1;
    return check_axes(yaml_get(root, "matrix"), s, err) != 0 ? -1 : check_cells(root, s, err);
}
