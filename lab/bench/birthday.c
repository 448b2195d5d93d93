/* The birthday move: after how many probes a share of all trials has hit, over the exact chances of
 * nat/birthday.h. One run with the greatest number of probes gives the whole curve, since a trial
 * that hit at its 87th probe would have hit with any budget from 87 on. */
#include "nat/birthday.h"
#include "lab/bench/sweep_private.h"
#include "lab/run/score.h"
#include "lab/stats.h"

#include <stdlib.h>

#define LINE_POINTS 80
#define POINTS      12
#define STEPS       4 /* columns of the table: the whole budget, its half, ... */

struct curve {
    const struct run *run;
    size_t cell, n;
    uint32_t ports, probes;
    uint32_t sockets; /* that the trials had, the median; 0: no trial had any */
    /* The fans of the plan, one after the other. */
    struct ph_plan plan;
    struct ph_allocation allocation; /* of the side that opens them */
    uint32_t planned;                /* sockets of the first one; 0: there is none */
};

static bool is_fan(const struct ph_move *m)
{
    return m->kind == PH_MOVE_FAN_IN && !m->predicted;
}

static int find_plan(struct curve *c)
{
    struct ph_plan_input in;
    if (plan_of(c->run, c->cell, &in, &c->plan) != 0)
        return -1;
    for (size_t i = c->plan.count; i-- > 0;) {
        const struct ph_move *m = &c->plan.moves[i];
        if (!is_fan(m))
            continue;
        c->allocation = in.side[m->acceptor].allocation;
        c->planned = m->sockets;
        c->ports = ph_birthday_ports(&c->allocation);
    }
    return 0;
}

/* The trials' own median, for the plan may use fewer than it may. */
static uint32_t sockets_of(const struct run *run, size_t cell)
{
    double *all = calloc((size_t)run_trials(run, cell) + 1, sizeof(*all));
    size_t n = 0;
    for (unsigned t = 0; all != NULL && t < run_trials(run, cell); t++) {
        const struct record *r = run_record(run, cell, t);
        uint32_t sockets = r->counts[SUBJECT_COUNT_SOCKETS];
        if (record_is_counted(r) && sockets > 0 && sockets != SCORE_ABSENT)
            all[n++] = (double)sockets;
    }
    if (n > 0)
        stats_sort(all, n);
    uint32_t sockets = n > 0 ? (uint32_t)stats_percentile(all, n, 50) : 0;
    free(all);
    return sockets;
}

static int make_curve(const struct run *run, size_t cell, struct curve *c)
{
    *c = (struct curve){.run = run, .cell = cell, .n = counted(run, cell)};
    c->probes = number_of(run, cell, "probes", PH_BUDGET_PROBES);
    c->sockets = sockets_of(run, cell);
    return find_plan(c);
}

/* Of several moves the fan is the first one. Its openers are one packet of each of its sockets:
 * where there are more, another move has followed it, and the hit is that one's. The number of the
 * probe does not show that: a mirror's guesses are the other peer's, who counts from one. */
static bool hit_by_the_fan(const struct record *r)
{
    return r->counts[SUBJECT_COUNT_OPENERS] <= r->counts[SUBJECT_COUNT_SOCKETS];
}

/* Trials that the fan has joined by one of its first `probes` probes. */
static size_t hits_within(const struct curve *c, uint32_t probes)
{
    size_t n = 0;
    for (unsigned t = 0; t < run_trials(c->run, c->cell); t++) {
        const struct record *r = run_record(c->run, c->cell, t);
        uint32_t hit = r->stages[PH_STAGE_BIRTHDAY].probes_to_hit;
        n += record_is_counted(r) && hit > 0 && hit <= probes && hit_by_the_fan(r) ? 1 : 0;
    }
    return n;
}

/* The chance that one fan is hit by its first `probes`: all of it is open before the first. */
static double fan_success(const struct curve *c, const struct ph_move *m, uint32_t probes)
{
    return ph_birthday_order_success(&c->allocation, &m->order, m->sockets, probes);
}

/* One fan after the other, each in the order of the plan. */
static double theory(const struct curve *c, uint32_t probes)
{
    double missed = 1.0;
    for (size_t i = 0; i < c->plan.count && probes > 0; i++) {
        const struct ph_move *m = &c->plan.moves[i];
        if (!is_fan(m))
            continue;
        uint32_t here = probes < m->probes ? probes : m->probes;
        missed *= 1.0 - fan_success(c, m, here);
        probes -= here;
    }
    return 1.0 - missed;
}

/* In any order, of ports that are all alike. */
static double uniform(const struct curve *c, uint32_t probes)
{
    if (c->planned == 0)
        return 0.0;
    return ph_birthday_success(c->ports, c->planned, probes < c->ports ? probes : c->ports);
}

/* The fewest probes by which half of all trials have hit; 0: fewer than half do. */
static uint32_t median_of(const struct curve *c, bool measured)
{
    for (uint32_t m = 1; m <= c->probes; m++) {
        if (measured ? c->n > 0 && 2 * hits_within(c, m) >= c->n : theory(c, m) >= 0.5)
            return m;
    }
    return 0;
}

static void draw_line(const struct curve *c, double (*of)(const struct curve *, uint32_t),
                      struct chart_series *line)
{
    for (unsigned i = 0; line != NULL && i <= LINE_POINTS; i++) {
        uint32_t m = c->probes * i / LINE_POINTS;
        (void)chart_point(line, m, of(c, m), 0.0, 0.0);
    }
}

/* How many of the points' intervals miss the line: one in twenty is what intervals of 95% do. */
static unsigned draw(const struct curve *c, unsigned colour, const char *name, struct chart *chart)
{
    char text[CHART_TEXT_MAX];
    unsigned missed = 0;
    (void)snprintf(text, sizeof(text), "%s: %u sockets, measured (n=%zu)", name,
                   (unsigned)c->sockets, c->n);
    struct chart_series *points = chart_add(chart, text, false, colour);
    if (c->planned > 0) {
        (void)snprintf(text, sizeof(text), "%s: exact, %u sockets of %u ports", name,
                       (unsigned)c->planned, (unsigned)c->ports);
        draw_line(c, theory, chart_add(chart, text, true, colour));
        (void)snprintf(text, sizeof(text), "%s: all open at once, any order", name);
        struct chart_series *line = chart_add(chart, text, true, colour);
        draw_line(c, uniform, line);
        if (line != NULL)
            line->dashed = true;
    }
    for (unsigned i = 1; points != NULL && i <= POINTS && c->n > 0; i++) {
        uint32_t m = c->probes * i / POINTS;
        size_t k = hits_within(c, m);
        double low, high;
        stats_wilson(k, c->n, &low, &high);
        (void)chart_point(points, m, (double)k / (double)c->n, low, high);
        missed += theory(c, m) < low || theory(c, m) > high ? 1 : 0;
    }
    return missed;
}

static void add_columns(struct sheet_table *t, uint32_t probes)
{
    static const char *const heads[] = {"openers", "planned", "sockets", "ports",
                                        "n",       "hit p50", "exact"};
    char text[SHEET_TEXT_MAX];
    sheet_columns(t, heads, sizeof(heads) / sizeof(heads[0]));
    for (unsigned i = 0; i < STEPS; i++) {
        (void)snprintf(text, sizeof(text), "by %u", (unsigned)(probes >> (STEPS - 1 - i)));
        sheet_column(t, text);
        sheet_column(t, "exact");
    }
    sheet_column(t, "points off");
}

static int add_row(struct sheet_table *t, const struct curve *c, unsigned missed)
{
    char text[64];
    uint32_t measured = median_of(c, true), exact = median_of(c, false);
    if (sheet_row(t) != 0)
        return -1;
    sheet_cell(t, 0, "%u", (unsigned)number_of(c->run, c->cell, "openers", PH_BUDGET_OPENERS));
    sheet_cell(t, 1, "%u", (unsigned)c->planned);
    sheet_cell(t, 2, "%u", (unsigned)c->sockets);
    sheet_cell(t, 3, "%u", (unsigned)c->ports);
    sheet_cell(t, 4, "%zu", c->n);
    sheet_cell(t, 5, measured > 0 ? "%u" : "-", (unsigned)measured);
    sheet_cell(t, 6, exact > 0 ? "%u" : "-", (unsigned)exact);
    for (unsigned i = 0; i < STEPS; i++) {
        uint32_t m = c->probes >> (STEPS - 1 - i);
        size_t k = hits_within(c, m);
        sheet_cell(t, 7 + 2 * i, "%s", share_text(k, c->n, text));
        sheet_cell(t, 8 + 2 * i, "%.1f%%", 100.0 * theory(c, m));
    }
    sheet_cell(t, 7 + 2 * STEPS, "%u of %u", missed, POINTS);
    return 0;
}

static int add_group(const struct run *run, size_t first, size_t along, struct sheet *out)
{
    struct sheet_table *t;
    struct chart *chart;
    unsigned colour = 0;
    if (group_add(run, first, along, SIZE_MAX, out, &t, &chart) != 0)
        return -1;
    (void)snprintf(chart->x_label, sizeof(chart->x_label), "probes to different ports");
    (void)snprintf(chart->y_label, sizeof(chart->y_label), "trials that have hit");
    for (size_t c = first; c < run->matrix.count; c++) {
        struct curve curve;
        char label[32];
        if (group_first(run, c, along, SIZE_MAX) != first)
            continue;
        if (make_curve(run, c, &curve) != 0)
            return -1;
        if (t->column_count == 0)
            add_columns(t, curve.probes);
        chart->x_max = (double)curve.probes > chart->x_max ? (double)curve.probes : chart->x_max;
        (void)snprintf(label, sizeof(label), "%u openers",
                       (unsigned)number_of(run, c, "openers", PH_BUDGET_OPENERS));
        if (add_row(t, &curve, draw(&curve, colour++, label, chart)) != 0)
            return -1;
    }
    return 0;
}

int birthday_sheet(const struct run *run, struct sheet *out)
{
    size_t along = axes_find(&run->scenario->axes, "openers");
    (void)snprintf(
        out->about, sizeof(out->about),
        "Fresh sockets behind the harder NAT, all towards one endpoint; probes from that "
        "endpoint to ports that may be theirs, none twice. Points are trials of the "
        "stage birthday in the %s world, with their 95%% Wilson intervals: the share "
        "that the fan alone has joined. Lines are without loss. Dashed: "
        "1 - C(S-N, M) / C(S, M), for N sockets, M probes and S ports that the NAT draws "
        "from, all alike. Whole: the same for the plan's own order (netfilter draws "
        "1024-2047 twice as often, so they come first). A plan keeps some of its budget "
        "for what may go wrong.\nTrials of a curve are the same at each of its points, so "
        "points that are off come in a row.",
        run->world);
    for (size_t c = 0; c < run->matrix.count; c++)
        if (group_first(run, c, along, SIZE_MAX) == c && add_group(run, c, along, out) != 0)
            return -1;
    return 0;
}
