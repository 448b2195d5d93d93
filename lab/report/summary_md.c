#include "lab/report/population.h"

#include <inttypes.h>

static void print_time(FILE *out, const struct time_summary *t)
{
    if (t->count == 0)
        (void)fputs(" | |", out);
    else
        (void)fprintf(out, " %.1f | %.1f |", t->p50, t->p95);
}

/* Columns of a table of cells: rates, then times. */
struct columns {
    enum rate rates[RATE_COUNT];
    size_t rate_count;
    enum subject_time times[SUBJECT_TIME_COUNT];
    size_t time_count;
    bool floor;
};

/* Of calls those that every run has; of other subjects all that this run has. */
static void choose_columns(const struct run *run, const struct summary *all, struct columns *out)
{
    enum subject subject = run->scenario->subject;
    *out = (struct columns){.floor = subject == SUBJECT_PINHOLE};
    if (subject == SUBJECT_PINHOLE) {
        out->rates[out->rate_count++] = RATE_CONNECTED;
        out->rates[out->rate_count++] = RATE_DIRECT;
        out->times[out->time_count++] = SUBJECT_TIME_DIRECT;
        out->times[out->time_count++] = SUBJECT_TIME_RELAY;
        if (all->rates[RATE_SURVIVED].of == 0)
            return;
        out->rates[out->rate_count++] = RATE_SURVIVED;
        out->times[out->time_count++] = SUBJECT_TIME_GAP;
        out->times[out->time_count++] = SUBJECT_TIME_RECOVERY;
        return;
    }
    for (int i = 0; i < RATE_COUNT; i++)
        if (subject_has_rate(subject, (enum rate)i) && all->rates[i].of > 0)
            out->rates[out->rate_count++] = (enum rate)i;
    for (int i = 0; i < SUBJECT_TIME_COUNT; i++)
        if (subject_has_time(subject, (enum subject_time)i))
            out->times[out->time_count++] = (enum subject_time)i;
}

static void print_head(const struct run *run, const struct columns *cols, FILE *out)
{
    const struct axes *axes = &run->scenario->axes;
    size_t count = axes->count + cols->rate_count + 2 * cols->time_count + (cols->floor ? 1 : 0);
    (void)fputs("\n| ", out);
    for (size_t i = 0; i < axes->count; i++)
        (void)fprintf(out, "%s | ", axes->items[i].name);
    for (size_t i = 0; i < cols->rate_count; i++)
        (void)fprintf(out, "%s | ", rate_name(cols->rates[i]));
    if (cols->floor)
        (void)fputs("floor ms | ", out);
    for (size_t i = 0; i < cols->time_count; i++)
        (void)fprintf(out, "%s p50 | p95 | ", subject_time_name(cols->times[i]));
    (void)fputs("\n|", out);
    for (size_t i = 0; i < count; i++)
        (void)fputs("---|", out);
    (void)fputc('\n', out);
}

static void print_row(const struct run *run, size_t c, const struct columns *cols, FILE *out)
{
    const struct axes *axes = &run->scenario->axes;
    struct summary s;
    if (summary_of_cell(run, c, &s) != 0)
        return;
    (void)fputs("| ", out);
    for (size_t i = 0; i < axes->count; i++)
        (void)fprintf(out, "%s | ", axes->items[i].values[run->matrix.cells[c].values[i]]);
    for (size_t i = 0; i < cols->rate_count; i++)
        (void)fprintf(out, "%s%" PRIu64 "/%" PRIu64 " |", i == 0 ? "" : " ",
                      s.rates[cols->rates[i]].good, s.rates[cols->rates[i]].of);
    if (cols->floor && run->floor_direct[c] == PH_NEVER)
        (void)fputs(" |", out);
    else if (cols->floor)
        (void)fprintf(out, " %.1f |", ph_ns_to_ms(run->floor_direct[c]));
    for (size_t i = 0; i < cols->time_count; i++)
        print_time(out, &s.times[cols->times[i]]);
    (void)fputc('\n', out);
}

static void print_stages(const struct summary *s, FILE *out)
{
    (void)fputs(
        "\n| stage | won | lost | beaten | skipped | took p50 ms | p95 ms | probes to the hit "
        "p50 | p95 |\n|---|---|---|---|---|---|---|---|---|\n",
        out);
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        const struct stage_summary *st = &s->stages[i];
        (void)fprintf(out, "| %s | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " |",
                      ph_stage_name((enum ph_stage)i), st->won, st->lost, st->beaten, st->skipped);
        print_time(out, &st->time);
        if (st->to_hit.count > 0)
            (void)fprintf(out, " %.0f | %.0f |\n", st->to_hit.p50, st->to_hit.p95);
        else
            (void)fputs(" | |\n", out);
    }
}

int summary_markdown(const struct run *run, const struct expect_result *expects, FILE *out)
{
    struct summary s;
    if (summary_of(run, NULL, &s) != 0)
        return -1;
    bool call = run->scenario->subject == SUBJECT_PINHOLE;
    (void)fprintf(out, "# %s\n\n%s world, %zu cells, %" PRIu64 " trials", run->scenario->name,
                  run->world, run_cells(run), s.trials);
    if (call)
        (void)fprintf(out, ": %" PRIu64 " connected, %" PRIu64 " direct", s.connected, s.direct);
    else
        (void)fprintf(out, " of %s", subject_name(run->scenario->subject));
    (void)fprintf(out, ", %" PRIu64 " inconclusive in time, %" PRIu64 " lab errors.%s\n",
                  s.inconclusive, s.lab_errors, run->interrupted ? " Interrupted." : "");
    (void)fputs("\n| expectation | | measured |\n|---|---|---|\n", out);
    for (size_t i = 0; i < run->scenario->expect_count; i++)
        (void)fprintf(out, "| %s | %s | %s |\n", run->scenario->expects[i].text,
                      expect_status_name(expects[i].status), expects[i].detail);
    if (call)
        print_stages(&s, out);
    if (run->scenario->population.count > 0 && population_markdown(run, out) != 0)
        return -1;
    struct columns cols;
    choose_columns(run, &s, &cols);
    print_head(run, &cols, out);
    for (size_t c = 0; c < run->matrix.count; c++)
        if (run_trials(run, c) > 0)
            print_row(run, c, &cols, out);
    return ferror(out) ? -1 : 0;
}
