/* Every strategy on the same NATs: how often it joins the pair, at which price, how fast. */
#include "lab/bench/sweep_private.h"
#include "lab/report/summary.h"
#include "lab/run/strategy.h"
#include "lab/stats.h"

static void add_columns(struct sheet_table *t)
{
    static const char *const heads[] = {
        "strategy", "n",        "direct", "hit p50",       "packets p50",
        "p95",      "peak p50", "max",    "to direct p50", "p95 ms",
    };
    sheet_columns(t, heads, sizeof(heads) / sizeof(heads[0]));
}

static void put_number(struct sheet_table *t, size_t column, const struct time_summary *s,
                       double value)
{
    if (s->count > 0)
        sheet_cell(t, column, "%.0f", value);
    else
        sheet_cell(t, column, "-");
}

static int add_row(const struct run *run, size_t cell, struct sheet_table *t, struct chart *bars,
                   unsigned colour)
{
    struct summary s;
    char text[64];
    double low, high;
    const char *name = matrix_value(run->scenario, &run->matrix.cells[cell], "strategy");
    if (summary_of_cell(run, cell, &s) != 0 || sheet_row(t) != 0)
        return -1;
    const struct time_summary *packets = &s.counts[SUBJECT_COUNT_PACKETS];
    const struct time_summary *peak = &s.counts[SUBJECT_COUNT_PEAK_MAPPINGS];
    const struct time_summary *direct = &s.times[SUBJECT_TIME_DIRECT];
    const struct time_summary *hit = &s.counts[SUBJECT_COUNT_PROBES_TO_HIT];
    sheet_cell(t, 0, "%s", name != NULL ? name : "pinhole");
    sheet_cell(t, 1, "%zu", (size_t)s.counted);
    sheet_cell(t, 2, "%s", share_text((size_t)s.direct, (size_t)s.counted, text));
    put_number(t, 3, hit, hit->p50);
    put_number(t, 4, packets, packets->p50);
    put_number(t, 5, packets, packets->p95);
    put_number(t, 6, peak, peak->p50);
    put_number(t, 7, peak, peak->max);
    put_number(t, 8, direct, direct->p50);
    put_number(t, 9, direct, direct->p95);
    struct chart_series *bar = chart_add(bars, name != NULL ? name : "pinhole", false, colour);
    stats_wilson(s.direct, s.counted, &low, &high);
    if (bar == NULL || s.counted == 0)
        return 0;
    return chart_point(bar, 0.0, (double)s.direct / (double)s.counted, low, high);
}

/* Once for all tables. */
static int add_names(const struct run *run, size_t along, struct sheet *out)
{
    struct sheet_table *t = sheet_table(out, "what each does where a punch does not suffice");
    if (along == SIZE_MAX || t == NULL)
        return t == NULL ? -1 : 0;
    sheet_column(t, "strategy");
    sheet_column(t, "moves");
    const struct axis *axis = &run->scenario->axes.items[along];
    for (size_t i = 0; i < axis->count; i++) {
        const struct strategy *s = strategy_find(axis->values[i]);
        if (s == NULL || sheet_row(t) != 0)
            return -1;
        sheet_cell(t, 0, "%s", s->name);
        sheet_cell(t, 1, "%s", s->what);
    }
    return 0;
}

int strategies_sheet(const struct run *run, struct sheet *out)
{
    size_t along = axes_find(&run->scenario->axes, "strategy");
    (void)snprintf(
        out->about, sizeof(out->about),
        "What others do for the same pairs, by what they have published, as plans of one "
        "executor: the same NATs, links, checks and clocks for all, in the %s world. "
        "direct: the share of calls that became so, with its 95%% Wilson interval; hit: "
        "probes until the first that was answered; packets: of both peers, in all stages "
        "but the relay's; peak: new mappings at once, of both peers' routers; times count "
        "from the dial, of the calls that became direct.",
        run->world);
    for (size_t first = 0; first < run->matrix.count; first++) {
        struct sheet_table *t;
        struct chart *bars;
        unsigned colour = 0;
        if (group_first(run, first, along, SIZE_MAX) != first)
            continue;
        if (group_add(run, first, along, SIZE_MAX, out, &t, &bars) != 0)
            return -1;
        bars->bars = true;
        add_columns(t);
        for (size_t c = first; c < run->matrix.count; c++)
            if (group_first(run, c, along, SIZE_MAX) == first &&
                add_row(run, c, t, bars, colour++) != 0)
                return -1;
    }
    return add_names(run, along, out);
}
