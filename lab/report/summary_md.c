#include "lab/report/summary.h"

#include <inttypes.h>

static void print_time(FILE *out, const struct time_summary *t)
{
    if (t->count == 0)
        (void)fputs(" | |", out);
    else
        (void)fprintf(out, " %.1f | %.1f |", t->p50, t->p95);
}

static void print_cells(const struct run *run, FILE *out)
{
    const struct axes *axes = &run->scenario->axes;
    struct summary s;
    (void)fputs("\n| ", out);
    for (size_t i = 0; i < axes->count; i++)
        (void)fprintf(out, "%s | ", axes->items[i].name);
    (void)fputs("connected | direct | floor ms | direct p50 | p95 | relay p50 | p95 |\n|", out);
    for (size_t i = 0; i < axes->count + 7; i++)
        (void)fputs("---|", out);
    (void)fputc('\n', out);
    for (size_t c = 0; c < run->matrix.count; c++) {
        if (summary_of_cell(run, c, &s) != 0)
            return;
        (void)fputs("| ", out);
        for (size_t i = 0; i < axes->count; i++)
            (void)fprintf(out, "%s | ", axes->items[i].values[run->matrix.cells[c].values[i]]);
        (void)fprintf(out, "%" PRIu64 "/%" PRIu64 " | %" PRIu64 "/%" PRIu64 " |", s.connected,
                      s.counted, s.direct, s.counted);
        if (run->floor_direct[c] == PH_NEVER)
            (void)fputs(" |", out);
        else
            (void)fprintf(out, " %.1f |", ph_ns_to_ms(run->floor_direct[c]));
        print_time(out, &s.times[SUBJECT_TIME_DIRECT]);
        print_time(out, &s.times[SUBJECT_TIME_RELAY]);
        (void)fputc('\n', out);
    }
}

int summary_markdown(const struct run *run, const struct expect_result *expects, FILE *out)
{
    struct summary s;
    if (summary_of(run, NULL, &s) != 0)
        return -1;
    (void)fprintf(out,
                  "# %s\n\n%s world, %zu cells, %" PRIu64 " trials: %" PRIu64 " connected, %" PRIu64
                  " direct, %" PRIu64 " inconclusive in time, %" PRIu64 " lab errors.%s\n",
                  run->scenario->name, run->world, run->matrix.count, s.trials, s.connected,
                  s.direct, s.inconclusive, s.lab_errors, run->interrupted ? " Interrupted." : "");
    (void)fputs("\n| expectation | | measured |\n|---|---|---|\n", out);
    for (size_t i = 0; i < run->scenario->expect_count; i++)
        (void)fprintf(out, "| %s | %s | %s |\n", run->scenario->expects[i].text,
                      expect_status_name(expects[i].status), expects[i].detail);
    (void)fputs("\n| stage | won | lost | beaten | skipped | took p50 ms | p95 ms |\n"
                "|---|---|---|---|---|---|---|\n",
                out);
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        const struct stage_summary *st = &s.stages[i];
        (void)fprintf(out, "| %s | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " |",
                      ph_stage_name((enum ph_stage)i), st->won, st->lost, st->beaten, st->skipped);
        print_time(out, &st->time);
        (void)fputc('\n', out);
    }
    print_cells(run, out);
    return ferror(out) ? -1 : 0;
}
