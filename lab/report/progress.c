#include "lab/report/progress.h"

#include "lab/report/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR 30

int progress_init(struct progress *p, const struct run *run, FILE *out)
{
    memset(p, 0, sizeof(*p));
    p->run = run;
    p->out = out;
    p->terminal = out != NULL && isatty(fileno(out)) == 1;
    p->total = run->total;
    p->left = calloc(run->matrix.count, sizeof(*p->left));
    if (p->left == NULL)
        return -1;
    for (size_t c = 0; c < run->matrix.count; c++)
        p->left[c] = run_trials(run, c);
    return 0;
}

void progress_fini(struct progress *p)
{
    free(p->left);
    p->left = NULL;
}

static void print_cell(struct progress *p, size_t cell)
{
    struct summary s;
    if (summary_of_cell(p->run, cell, &s) != 0)
        return;
    char brief[SUMMARY_BRIEF_MAX];
    const struct time_summary *t = &s.times[summary_first_time(p->run)];
    (void)fprintf(p->out, "[%zu/%zu] %s: %s", p->cells_done, run_cells(p->run),
                  p->run->matrix.cells[cell].key, summary_brief(p->run, &s, brief));
    if (t->count > 0)
        (void)fprintf(p->out, ", median %.1f ms", t->p50);
    if (s.lab_errors > 0)
        (void)fprintf(p->out, ", lab errors %" PRIu64, s.lab_errors);
    (void)fputc('\n', p->out);
}

/* Of other subjects than a call: all that is asked of one trial held. */
static bool is_good(const struct run *run, const struct record *r)
{
    if (run->scenario->subject == SUBJECT_MAP)
        return record_is(r, RATE_AS_EXPECTED);
    return record_is(r, RATE_MAPPING_RIGHT) && record_is(r, RATE_FILTERING_RIGHT) &&
           record_is(r, RATE_ALLOCATION_RIGHT);
}

void progress_trial(struct progress *p, size_t cell, unsigned trial)
{
    const struct record *r = run_record(p->run, cell, trial);
    p->done++;
    p->connected += record_is(r, RATE_CONNECTED) ? 1 : 0;
    p->direct += record_is(r, RATE_DIRECT) ? 1 : 0;
    p->good += is_good(p->run, r) ? 1 : 0;
    p->lab_errors += r->status == TRIAL_LAB_ERROR ? 1 : 0;
    if (p->left[cell] == 0 || --p->left[cell] != 0)
        return;
    p->cells_done++;
    if (p->out != NULL && !p->terminal)
        print_cell(p, cell);
}

void progress_tick(struct progress *p, ph_ns elapsed)
{
    if (p->out == NULL || !p->terminal)
        return;
    char bar[BAR + 1];
    size_t filled = p->total > 0 ? BAR * p->done / p->total : 0;
    memset(bar, '.', BAR);
    memset(bar, '#', filled);
    bar[BAR] = '\0';
    (void)fprintf(p->out, "\r[%s] %zu/%zu", bar, p->done, p->total);
    if (p->run->scenario->subject == SUBJECT_PINHOLE)
        (void)fprintf(p->out, "  direct %zu  relay %zu", p->direct, p->connected - p->direct);
    else
        (void)fprintf(p->out, "  %s %zu",
                      p->run->scenario->subject == SUBJECT_MAP ? "as expected" : "all right",
                      p->good);
    (void)fprintf(p->out, "  lab errors %zu", p->lab_errors);
    if (p->done > 0 && p->done < p->total)
        (void)fprintf(p->out, "  %.0f s left",
                      (double)elapsed / 1e9 * (double)(p->total - p->done) / (double)p->done);
    (void)fputs("\033[K", p->out);
    (void)fflush(p->out);
}

void progress_end(struct progress *p)
{
    if (p->out != NULL && p->terminal)
        (void)fputs("\r\033[K", p->out);
}
