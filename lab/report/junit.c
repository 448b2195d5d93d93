#include "lab/report/junit.h"

#include "lab/report/escape.h"
#include "lab/report/summary.h"

#include <inttypes.h>
#include <stdlib.h>

static void open_case(FILE *out, const struct run *run, const char *kind, const char *name)
{
    (void)fputs("  <testcase classname=\"", out);
    escape_xml(run->scenario->name, out);
    (void)fprintf(out, ".%s\" name=\"", kind);
    escape_xml(name, out);
    (void)fputs("\"", out);
}

static void write_expectation(FILE *out, const struct run *run, const struct expectation *e,
                              const struct expect_result *r)
{
    static const char *const tags[] = {"", "failure", "skipped"};
    open_case(out, run, "expectation", e->text);
    if (r->status == EXPECT_PASSED) {
        (void)fputs("/>\n", out);
        return;
    }
    (void)fprintf(out, ">\n   <%s message=\"", tags[r->status]);
    escape_xml(r->detail, out);
    (void)fputs("\"/>\n  </testcase>\n", out);
}

static void write_cell(FILE *out, const struct run *run, size_t cell, const struct summary *s,
                       bool failed)
{
    char brief[SUMMARY_BRIEF_MAX];
    summary_brief(run, s, brief);
    open_case(out, run, "cell", run->matrix.cells[cell].key);
    (void)fputs(">\n", out);
    if (s->lab_errors > 0)
        (void)fprintf(out, "   <error message=\"%" PRIu64 " of %" PRIu64 " trials: lab error\"/>\n",
                      s->lab_errors, s->trials);
    else if (failed)
        (void)fprintf(out, "   <failure message=\"%s\"/>\n", brief);
    else if (s->trials == 0)
        (void)fputs("   <skipped message=\"not run\"/>\n", out);
    (void)fprintf(out, "   <system-out>%s</system-out>\n  </testcase>\n", brief);
}

int junit_write(const struct run *run, const struct expect_result *expects, const bool *cell_failed,
                FILE *out)
{
    int rc = -1;
    size_t cells = run->matrix.count, cases = run_cells(run), failures = 0, errors = 0, skipped = 0;
    struct summary *all = calloc(cells, sizeof(*all));
    if (all == NULL)
        return -1;
    for (size_t c = 0; c < cells; c++) {
        if (summary_of_cell(run, c, &all[c]) != 0)
            goto cleanup;
        if (all[c].lab_errors > 0)
            errors++;
        else if (cell_failed[c])
            failures++;
        else if (all[c].trials == 0 && run_trials(run, c) > 0)
            skipped++;
    }
    for (size_t i = 0; i < run->scenario->expect_count; i++) {
        failures += expects[i].status == EXPECT_FAILED ? 1 : 0;
        skipped += expects[i].status == EXPECT_TOO_FEW ? 1 : 0;
    }
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n <testsuite name=\"",
                out);
    escape_xml(run->scenario->name, out);
    (void)fprintf(out,
                  "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" "
                  "time=\"%.3f\">\n",
                  cases + run->scenario->expect_count, failures, errors, skipped,
                  (double)run->duration / 1e9);
    for (size_t i = 0; i < run->scenario->expect_count; i++)
        write_expectation(out, run, &run->scenario->expects[i], &expects[i]);
    for (size_t c = 0; c < cells; c++)
        if (run_trials(run, c) > 0)
            write_cell(out, run, c, &all[c], cell_failed[c]);
    (void)fputs(" </testsuite>\n</testsuites>\n", out);
    rc = ferror(out) ? -1 : 0;
cleanup:
    free(all);
    return rc;
}
