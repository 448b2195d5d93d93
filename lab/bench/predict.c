/* Prediction: how often a counter is met while other people behind the same NAT move it on, over
 * what the plan says of such a pair beforehand. */
#include "lab/bench/sweep_private.h"
#include "lab/stats.h"

/* What is to be expected of a cell; -1: no plan has such a move. */
struct forecast {
    double success;
    uint32_t sockets, probes; /* of its first such move */
};

static int forecast(const struct run *run, size_t cell, struct forecast *out)
{
    struct ph_plan_input in;
    struct ph_plan plan;
    double missed = 1.0;
    *out = (struct forecast){.success = -1.0};
    if (plan_of(run, cell, &in, &plan) != 0)
        return -1;
    for (size_t i = 0; i < plan.count; i++) {
        const struct ph_move *m = &plan.moves[i];
        if (!m->predicted)
            continue;
        if (out->success < 0.0) {
            out->sockets = m->sockets;
            out->probes = m->probes;
        }
        missed *= 1.0 - m->success;
        out->success = 1.0 - missed;
    }
    return 0;
}

static size_t successes(const struct run *run, size_t cell)
{
    size_t n = 0;
    for (unsigned t = 0; t < run_trials(run, cell); t++) {
        const struct record *r = run_record(run, cell, t);
        n += record_is_counted(r) && record_is(r, RATE_BY_PREDICT) ? 1 : 0;
    }
    return n;
}

static unsigned openers_of(const struct run *run, size_t cell)
{
    return number_of(run, cell, "openers", PH_BUDGET_OPENERS);
}

static unsigned drift_of(const struct run *run, size_t cell)
{
    return number_of(run, cell, "background", 0);
}

static int add_cell(const struct run *run, size_t cell, struct sheet_table *t,
                    struct chart_series *points, struct chart_series *line)
{
    struct forecast f;
    char text[64];
    double low, high;
    unsigned drift = drift_of(run, cell);
    size_t n = counted(run, cell), k = successes(run, cell);
    if (forecast(run, cell, &f) != 0 || sheet_row(t) != 0)
        return -1;
    sheet_cell(t, 0, "%u", openers_of(run, cell));
    sheet_cell(t, 1, "%u", drift);
    sheet_cell(t, 2, "%zu", n);
    sheet_cell(t, 3, "%s", share_text(k, n, text));
    stats_wilson(k, n, &low, &high);
    if (points != NULL && n > 0)
        (void)chart_point(points, drift, (double)k / (double)n, low, high);
    if (f.success < 0.0) {
        sheet_cell(t, 4, "no such move");
        return 0;
    }
    sheet_cell(t, 4, "%.1f%%", 100.0 * f.success);
    sheet_cell(t, 5, "%u", (unsigned)f.sockets);
    sheet_cell(t, 6, "%u", (unsigned)f.probes);
    sheet_cell(t, 7, "%s", f.success < low ? "better" : f.success > high ? "worse" : "as planned");
    if (line != NULL)
        (void)chart_point(line, drift, f.success, 0.0, 0.0);
    return 0;
}

/* The cells that differ in the drift alone: a line of the chart. */
static int add_line(const struct run *run, size_t first, size_t drift, struct sheet_table *t,
                    struct chart *chart, unsigned colour)
{
    char text[CHART_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "up to %u sockets, measured", openers_of(run, first));
    struct chart_series *points = chart_add(chart, text, false, colour);
    (void)snprintf(text, sizeof(text), "up to %u sockets, planned", openers_of(run, first));
    struct chart_series *line = chart_add(chart, text, true, colour);
    for (size_t c = first; c < run->matrix.count; c++) {
        if (group_first(run, c, drift, SIZE_MAX) != first)
            continue;
        double x = drift_of(run, c);
        chart->x_max = x > chart->x_max ? x : chart->x_max;
        if (add_cell(run, c, t, points, line) != 0)
            return -1;
    }
    return 0;
}

static int add_group(const struct run *run, size_t first, size_t drift, size_t openers,
                     struct sheet *out)
{
    static const char *const heads[] = {"openers", "flows/s", "n",      "joined",
                                        "planned", "sockets", "probes", ""};
    struct sheet_table *t;
    struct chart *chart;
    unsigned colour = 0;
    if (group_add(run, first, drift, openers, out, &t, &chart) != 0)
        return -1;
    (void)snprintf(chart->x_label, sizeof(chart->x_label), "other people's flows a second");
    (void)snprintf(chart->y_label, sizeof(chart->y_label), "calls joined by prediction");
    sheet_columns(t, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t c = first; c < run->matrix.count; c++)
        if (group_first(run, c, drift, openers) == first &&
            group_first(run, c, drift, SIZE_MAX) == c &&
            add_line(run, c, drift, t, chart, colour++) != 0)
            return -1;
    return 0;
}

int predict_sheet(const struct run *run, struct sheet *out)
{
    size_t drift = axes_find(&run->scenario->axes, "background");
    size_t openers = axes_find(&run->scenario->axes, "openers");
    (void)snprintf(out->about, sizeof(out->about),
                   "A NAT that counts, and other people behind it who open so many flows a second "
                   "(a Poisson process). Points are trials of the stage predict in the %s world, "
                   "with their 95%% Wilson intervals; lines are the chance that the plan gives its "
                   "own moves for that pair, when it knows the drift exactly.",
                   run->world);
    for (size_t c = 0; c < run->matrix.count; c++)
        if (group_first(run, c, drift, openers) == c && add_group(run, c, drift, openers, out) != 0)
            return -1;
    return 0;
}
