#include "lab/report/expect.h"

#include "lab/report/summary.h"
#include "lab/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct judge {
    const struct run *run;
    const struct expectation *e;
    struct expect_result *out;
    bool *cell_failed;
    size_t failures;
    size_t without; /* cells that have no time to hold against the limit, or no such rate */
};

const char *expect_status_name(enum expect_status status)
{
    static const char *const names[] = {"ok", "failed", "too few"};
    return names[status];
}

/* Keeps the gravest status, and the text of the first that had it. */
__attribute__((format(printf, 3, 4))) static void note(struct judge *j, enum expect_status status,
                                                       const char *fmt, ...)
{
    static const int gravity[] = {0, 2, 1};
    if (gravity[status] <= gravity[j->out->status] && j->out->detail[0] != '\0')
        return;
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(j->out->detail, sizeof(j->out->detail), fmt, ap) < 0)
        j->out->detail[0] = '\0';
    va_end(ap);
    if (gravity[status] > gravity[j->out->status])
        j->out->status = status;
}

static const struct rate_summary *rate_of(const struct expectation *e, const struct summary *s)
{
    return &s->rates[e->rate];
}

static const struct time_summary *time_of(const struct expectation *e, const struct summary *s)
{
    return &s->times[e->time];
}

/* Of fewer trials than the file's: the same share of all of the file's would be enough. */
static bool would_reach(const struct judge *j, uint64_t k, uint64_t n)
{
    unsigned made = j->run->trials, meant = j->run->scenario->trials;
    double low, high;
    if (made >= meant || n == 0)
        return false;
    double times = (double)meant / (double)made;
    stats_wilson((uint64_t)((double)k * times), (uint64_t)((double)n * times), &low, &high);
    return low >= j->e->at_least;
}

/* where: a cell's key, or "" for all matching cells together. Returns whether it failed. */
static bool judge_share(struct judge *j, const struct summary *s, const char *where)
{
    const struct expectation *e = j->e;
    uint64_t k = rate_of(e, s)->good, n = rate_of(e, s)->of;
    double low, high, best, unused;
    if (!(e->at_least > 0.0))
        return false;
    stats_wilson(k, n, &low, &high);
    stats_wilson(n, n, &best, &unused);
    const char *sep = where[0] != '\0' ? ": " : "";
    if (low >= e->at_least) {
        note(j, EXPECT_PASSED, "%s%s%llu of %llu, at least %.3f", where, sep, (unsigned long long)k,
             (unsigned long long)n, low);
        return false;
    }
    if (j->run->partial && best < e->at_least) {
        note(j, EXPECT_TOO_FEW, "%s%s%llu of %llu; %llu trials would do", where, sep,
             (unsigned long long)k, (unsigned long long)n,
             (unsigned long long)stats_wilson_trials(e->at_least));
        return false;
    }
    if (would_reach(j, k, n)) {
        note(j, EXPECT_TOO_FEW,
             "%s%s%llu of %llu; as good in all of the file's trials, it would do", where, sep,
             (unsigned long long)k, (unsigned long long)n);
        return false;
    }
    note(j, EXPECT_FAILED, "%s%s%llu of %llu; the 95%% interval begins at %.3f", where, sep,
         (unsigned long long)k, (unsigned long long)n, low);
    return true;
}

/* The plain shares. Of fewer trials than the file asks for they are coarser than the file meant. */
static bool judge_observed(struct judge *j, uint64_t k, uint64_t n, const char *key)
{
    const struct expectation *e = j->e;
    bool low = e->observed > 0.0 && (double)k < e->observed * (double)n - 1e-9;
    bool high = e->at_most < 1.0 && (double)k > e->at_most * (double)n + 1e-9;
    if (!low && !high)
        return false;
    bool few = j->run->trials < j->run->scenario->trials;
    note(j, few ? EXPECT_TOO_FEW : EXPECT_FAILED, "%s: %llu of %llu observed", key,
         (unsigned long long)k, (unsigned long long)n);
    return !few;
}

static bool judge_cell_rate(struct judge *j, const struct summary *s, const char *key)
{
    const struct expectation *e = j->e;
    uint64_t k = rate_of(e, s)->good, n = rate_of(e, s)->of;
    bool failed = false;
    if (s->trials == 0 && j->run->interrupted) {
        note(j, EXPECT_TOO_FEW, "%s: not run", key);
        return false;
    }
    if (n == 0 && s->counted > 0) {
        j->without++; /* such as the step of a NAT that does not count */
        return false;
    }
    if (n == 0) {
        note(j, EXPECT_FAILED, "%s: no counted trial", key);
        return true;
    }
    bool whole = e->is == EXPECT_IS_UNSET || (e->is == EXPECT_IS_ALL ? k == n : k == 0);
    if (!whole) {
        note(j, EXPECT_FAILED, "%s: %llu of %llu", key, (unsigned long long)k,
             (unsigned long long)n);
        failed = true;
    }
    failed = judge_observed(j, k, n, key) || failed;
    if (!e->pool)
        failed = judge_share(j, s, key) || failed;
    return failed;
}

/* A value that may not be above a limit. */
struct limit {
    const char *name;
    bool asked;
    double value, most;
};

/* where: a cell's key, or "" for all matching cells together. Returns whether it failed. */
static bool judge_limits(struct judge *j, const struct limit *limits, size_t n, const char *where,
                         const char *unit, size_t trials)
{
    const char *sep = where[0] != '\0' ? ": " : "";
    int decimals = unit[0] != '\0' ? 1 : 0; /* a plain number is a whole one */
    bool failed = false;
    for (size_t i = 0; i < n; i++) {
        if (!limits[i].asked)
            continue;
        bool over = limits[i].value > limits[i].most;
        if (over || where[0] == '\0')
            note(j, over ? EXPECT_FAILED : EXPECT_PASSED, "%s%s%s %.*f%s of %zu trials", where, sep,
                 limits[i].name, decimals, limits[i].value, unit, trials);
        failed = failed || over;
    }
    return failed;
}

static struct limit time_limit(const char *name, ph_ns most, double value)
{
    return (struct limit){name, most != PH_NEVER, value, ph_ns_to_ms(most)};
}

static bool judge_time(struct judge *j, const struct summary *s, const char *where)
{
    const struct expectation *e = j->e;
    const struct time_summary *t = time_of(e, s);
    const struct limit limits[] = {
        time_limit("the longest is", e->each, t->max), time_limit("p50", e->p50, t->p50),
        time_limit("p95", e->p95, t->p95), time_limit("p99", e->p99, t->p99)};
    return t->count > 0 &&
           judge_limits(j, limits, sizeof(limits) / sizeof(limits[0]), where, " ms", t->count);
}

static struct limit count_limit(const char *name, uint32_t most, double value)
{
    return (struct limit){name, most != EXPECTATION_NO_LIMIT, value, (double)most};
}

static bool judge_count(struct judge *j, const struct summary *s, const char *where)
{
    const struct expectation *e = j->e;
    const struct time_summary *t = &s->counts[e->count];
    const struct limit limits[] = {count_limit("the most are", e->limits.each, t->max),
                                   count_limit("p50", e->limits.p50, t->p50),
                                   count_limit("p95", e->limits.p95, t->p95),
                                   count_limit("p99", e->limits.p99, t->p99)};
    return t->count > 0 &&
           judge_limits(j, limits, sizeof(limits) / sizeof(limits[0]), where, "", t->count);
}

/* How many trials of the summary have what is expected of them at all. */
static size_t measured(const struct expectation *e, const struct summary *s)
{
    return e->kind == EXPECTATION_TIME    ? s->times[e->time].count
           : e->kind == EXPECTATION_COUNT ? s->counts[e->count].count
                                          : s->rates[e->rate].of;
}

static bool judge_cell(struct judge *j, const struct summary *s, const char *key)
{
    switch (j->e->kind) {
    case EXPECTATION_TIME:
        return !j->e->pool && judge_time(j, s, key);
    case EXPECTATION_COUNT:
        return !j->e->pool && judge_count(j, s, key);
    case EXPECTATION_RATE:
        break;
    }
    return judge_cell_rate(j, s, key);
}

static int judge_cells(struct judge *j, const bool *cells)
{
    struct summary s;
    for (size_t c = 0; c < j->run->matrix.count; c++) {
        if (!cells[c])
            continue;
        if (summary_of_cell(j->run, c, &s) != 0)
            return -1;
        bool failed = judge_cell(j, &s, j->run->matrix.cells[c].key);
        if (j->e->kind != EXPECTATION_RATE && measured(j->e, &s) == 0)
            j->without++;
        if (!failed)
            continue;
        j->failures++;
        if (j->cell_failed != NULL)
            j->cell_failed[c] = true;
    }
    return 0;
}

/* Trials that have the time, but were made while the machine was too busy for it to count. */
static size_t inconclusive_times(const struct judge *j, const bool *cells)
{
    const struct run *run = j->run;
    size_t n = 0;
    for (size_t c = 0; c < run->matrix.count; c++) {
        for (unsigned t = 0; cells[c] && t < run_trials(run, c); t++) {
            const struct record *r = run_record(run, c, t);
            if (r->present && r->status == TRIAL_INCONCLUSIVE && r->times[j->e->time] != PH_NEVER)
                n++;
        }
    }
    return n;
}

/* What the expectation says of all its cells together, where none of them had a time. */
static void judge_no_time(struct judge *j, const bool *cells)
{
    size_t busy = inconclusive_times(j, cells);
    if (busy > 0)
        note(j, EXPECT_TOO_FEW, "all %zu trials with this time are inconclusive", busy);
    else
        note(j, j->run->partial ? EXPECT_TOO_FEW : EXPECT_FAILED, "no trial has this time");
}

__attribute__((format(printf, 2, 3))) static void append(struct judge *j, const char *fmt, ...)
{
    size_t len = strlen(j->out->detail);
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(j->out->detail + len, sizeof(j->out->detail) - len, fmt, ap) < 0)
        j->out->detail[len] = '\0';
    va_end(ap);
}

/* Two cells' medians. Returns whether the first is slower by more than the file allows. */
static bool judge_pair(struct judge *j, size_t cell, const struct time_summary *mine,
                       const struct time_summary *other, double *worst)
{
    const struct expectation *e = j->e;
    double slower = mine->p50 - other->p50;
    double by_time = ph_ns_to_ms(e->within), by_share = e->or_share * other->p50;
    if (slower > *worst)
        *worst = slower;
    if (slower <= (by_time > by_share ? by_time : by_share) + 1e-9)
        return false;
    bool few = j->run->trials < j->run->scenario->trials;
    note(j, few ? EXPECT_TOO_FEW : EXPECT_FAILED, "%s: p50 %.1f ms, %.1f ms above %.1f",
         j->run->matrix.cells[cell].key, mine->p50, slower, other->p50);
    return !few;
}

static int judge_comparison(struct judge *j, const bool *cells, size_t matching)
{
    const struct run *run = j->run;
    size_t compared = 0;
    double worst = -1e9;
    for (size_t c = 0; c < run->matrix.count; c++) {
        struct summary mine, other;
        size_t k =
            cells[c] ? matrix_counterpart(&run->matrix, c, &j->e->not_slower_than) : SIZE_MAX;
        if (!cells[c])
            continue;
        if (k == SIZE_MAX) {
            note(j, EXPECT_TOO_FEW, "%s: what it is compared with was not run",
                 run->matrix.cells[c].key);
            continue;
        }
        if (summary_of_cell(run, c, &mine) != 0 || summary_of_cell(run, k, &other) != 0)
            return -1;
        if (time_of(j->e, &mine)->count == 0 || time_of(j->e, &other)->count == 0) {
            j->without++;
            continue;
        }
        compared++;
        if (!judge_pair(j, c, time_of(j->e, &mine), time_of(j->e, &other), &worst))
            continue;
        j->failures++;
        if (j->cell_failed != NULL)
            j->cell_failed[c] = true;
    }
    if (compared == 0)
        note(j, run->partial ? EXPECT_TOO_FEW : EXPECT_FAILED, "no two medians to compare");
    else
        note(j, EXPECT_PASSED, "at worst %+.1f ms in %zu of %zu cells", worst, compared, matching);
    return 0;
}

static void judge_counts_together(struct judge *j, const struct summary *all)
{
    const struct time_summary *t = &all->counts[j->e->count];
    if (t->count == 0)
        note(j, j->run->partial ? EXPECT_TOO_FEW : EXPECT_FAILED, "no trial has this count");
    else if (j->e->pool)
        judge_count(j, all, "");
    else
        note(j, EXPECT_PASSED, "p50 %.0f, p95 %.0f, the most %.0f over all %zu trials", t->p50,
             t->p95, t->max, t->count);
}

static void judge_together(struct judge *j, const bool *cells, const struct summary *all,
                           size_t matching)
{
    if (j->e->kind == EXPECTATION_COUNT) {
        judge_counts_together(j, all);
        return;
    }
    if (j->e->kind == EXPECTATION_TIME) {
        const struct time_summary *t = time_of(j->e, all);
        if (t->count == 0)
            judge_no_time(j, cells);
        else if (j->e->pool)
            judge_time(j, all, "");
        else
            note(j, EXPECT_PASSED, "p50 %.1f, p95 %.1f, p99 %.1f ms over all %zu trials", t->p50,
                 t->p95, t->p99, t->count);
        return;
    }
    if (j->without == matching) {
        note(j, EXPECT_FAILED, "no trial has this rate");
        return;
    }
    if (j->e->pool)
        judge_share(j, all, "");
    note(j, EXPECT_PASSED, "%llu of %llu in %zu cells",
         (unsigned long long)rate_of(j->e, all)->good, (unsigned long long)rate_of(j->e, all)->of,
         matching - j->without);
}

static int judge_all(struct judge *j, bool *cells)
{
    const struct run *run = j->run;
    struct summary all;
    size_t matching = 0;
    for (size_t c = 0; c < run->matrix.count; c++) {
        cells[c] = run_trials(run, c) > 0 &&
                   scenario_match(run->scenario, &j->e->when, run->matrix.cells[c].values);
        matching += cells[c] ? 1 : 0;
    }
    if (matching == 0) {
        note(j, EXPECT_TOO_FEW, "none of its cells was run");
        return 0;
    }
    if (expectation_is_comparison(j->e)) {
        if (judge_comparison(j, cells, matching) != 0)
            return -1;
    } else {
        if (summary_of(run, cells, &all) != 0 || judge_cells(j, cells) != 0)
            return -1;
        judge_together(j, cells, &all, matching);
    }
    if (j->failures > 1)
        append(j, " (and %zu cells more)", j->failures - 1);
    if (!j->e->pool && j->e->kind != EXPECTATION_RATE && j->without > 0 && j->without < matching)
        append(j, "; %zu cell%s without", j->without, j->without == 1 ? "" : "s");
    return 0;
}

int expect_all(const struct run *run, struct expect_result *out, bool *cell_failed)
{
    int rc = 0;
    bool *cells = calloc(run->matrix.count, sizeof(*cells));
    if (cells == NULL)
        return -1;
    if (cell_failed != NULL)
        memset(cell_failed, 0, run->matrix.count * sizeof(*cell_failed));
    for (size_t i = 0; rc == 0 && i < run->scenario->expect_count; i++) {
        memset(&out[i], 0, sizeof(out[i]));
        struct judge j = {
            .run = run,
            .e = &run->scenario->expects[i],
            .out = &out[i],
            .cell_failed = cell_failed,
        };
        rc = judge_all(&j, cells);
    }
    free(cells);
    return rc;
}
