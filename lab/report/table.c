/* Netchecks and mappings on the terminal: a line for each cell. */
#include "lab/report/screen.h"
#include "lab/report/summary.h"

#include <inttypes.h>
#include <string.h>

#define LABEL_MAX 28
#define SHARE     7  /* characters of a share */
#define VERDICT   14 /* and of "98.5 ?1.0 !0.5" */

/* What stands before the numbers: the cell's value on each axis that varies. */
struct labels {
    size_t axes[AXES_MAX];
    int widths[AXES_MAX];
    size_t count;
    bool fixed[AXES_MAX]; /* axes that do not vary: they stand in the heading */
};

static int clip(size_t len)
{
    return len < LABEL_MAX ? (int)len : LABEL_MAX;
}

static void plan_labels(const struct run *run, struct labels *l)
{
    const struct axes *axes = &run->scenario->axes;
    memset(l, 0, sizeof(*l));
    for (size_t i = 0; i < axes->count; i++) {
        l->fixed[i] = !screen_axis_varies(run, i);
        if (l->fixed[i])
            continue;
        int width = clip(strlen(axes->items[i].name));
        for (size_t c = 0; c < run->matrix.count; c++) {
            int w = clip(strlen(axes->items[i].values[run->matrix.cells[c].values[i]]));
            width = w > width ? w : width;
        }
        l->axes[l->count] = i;
        l->widths[l->count++] = width;
    }
}

static void print_label_names(const struct screen *s, const struct labels *l)
{
    for (size_t i = 0; i < l->count; i++)
        (void)fprintf(s->out, "  %-*.*s", l->widths[i], LABEL_MAX,
                      s->run->scenario->axes.items[l->axes[i]].name);
}

static void print_labels(const struct screen *s, const struct labels *l, size_t cell)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct axis *axis = &s->run->scenario->axes.items[l->axes[i]];
        (void)fprintf(s->out, "  %-*.*s", l->widths[i], LABEL_MAX,
                      axis->values[s->run->matrix.cells[cell].values[l->axes[i]]]);
    }
}

static const char *percent(const struct rate_summary *r, char out[16])
{
    if (r->of == 0)
        return "-";
    if (r->good == r->of)
        return "100";
    (void)snprintf(out, 16, r->good == 0 ? "0" : "%.1f", 100.0 * (double)r->good / (double)r->of);
    return out;
}

/* Something that every trial is to have. */
static void print_share(const struct screen *s, const struct rate_summary *r)
{
    char text[16];
    screen_paint(s, r->good == r->of ? PLAIN : r->good > 0 ? YELLOW : RED);
    (void)fprintf(s->out, "%*s", SHARE, percent(r, text));
    screen_paint(s, PLAIN);
}

/* Something that a trial may have or not. */
static void print_fact(const struct screen *s, const struct rate_summary *r)
{
    char text[16];
    (void)fprintf(s->out, "%*s", SHARE, r->good == 0 ? "-" : percent(r, text));
}

/* Three rates that stand in a row: right, and what is not, if any: ?unknown !wrong. */
static void print_verdict(const struct screen *s, const struct rate_summary *r)
{
    char number[16], text[64];
    int n = snprintf(text, sizeof(text), "%s", percent(&r[0], number));
    if (r[1].good > 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, " ?%s", percent(&r[1], number));
    if (r[2].good > 0)
        (void)snprintf(text + n, sizeof(text) - (size_t)n, " !%s", percent(&r[2], number));
    screen_paint(s, r[2].good > 0 ? RED : r[1].good > 0 ? YELLOW : PLAIN);
    (void)fprintf(s->out, "  %-*s", VERDICT, text);
    screen_paint(s, PLAIN);
}

static void print_ms(const struct screen *s, const struct time_summary *t, double value)
{
    if (t->count == 0)
        (void)fprintf(s->out, "%9s", "-");
    else
        (void)fprintf(s->out, "%9.1f", value);
}

/* Which of the further columns a run has anything for. */
static const struct {
    enum rate rate;
    const char *name;
} extras[] = {
    {RATE_STEP_RIGHT, "step"},
    {RATE_DRIFT_RIGHT, "drift"},
    {RATE_BLOCK_RIGHT, "block"},
};

#define EXTRAS (sizeof(extras) / sizeof(extras[0]))

static void print_netcheck_head(const struct screen *s, const struct labels *l,
                                const struct summary *all)
{
    print_label_names(s, l);
    (void)fprintf(s->out, "%8s  %-*s  %-*s  %-*s", "trials", VERDICT, "mapping", VERDICT,
                  "filtering", VERDICT, "allocation");
    for (size_t i = 0; i < EXTRAS; i++)
        if (all->rates[extras[i].rate].of > 0)
            (void)fprintf(s->out, "%*s", SHARE, extras[i].name);
    if (all->rates[RATE_MAPPED].good > 0)
        (void)fprintf(s->out, "%*s%*s", SHARE, "mapped", SHARE, "double");
    (void)fprintf(s->out, "%9s%9s\n", "took p50", "max ms");
}

static void print_netcheck(const struct screen *s, const struct summary *all,
                           const struct summary *c)
{
    const struct time_summary *t = &c->times[SUBJECT_TIME_NETCHECK];
    print_verdict(s, &c->rates[RATE_MAPPING_RIGHT]);
    print_verdict(s, &c->rates[RATE_FILTERING_RIGHT]);
    print_verdict(s, &c->rates[RATE_ALLOCATION_RIGHT]);
    for (size_t i = 0; i < EXTRAS; i++)
        if (all->rates[extras[i].rate].of > 0)
            print_share(s, &c->rates[extras[i].rate]);
    if (all->rates[RATE_MAPPED].good > 0) {
        print_fact(s, &c->rates[RATE_MAPPED]);
        print_fact(s, &c->rates[RATE_DOUBLE_NAT]);
    }
    print_ms(s, t, t->p50);
    print_ms(s, t, t->max);
}

static void print_map_head(const struct screen *s, const struct labels *l)
{
    print_label_names(s, l);
    (void)fprintf(s->out, "%8s%*s%*s%*s%*s%9s%9s  %s\n", "trials", SHARE + 3, "expected", SHARE + 2,
                  "released", SHARE, "mapped", SHARE, "double", "took p50", "max ms", "by");
}

static void print_by(const struct screen *s, const struct summary *c)
{
    bool any = false;
    for (int i = 0; i < PH_PORTMAP_PROTOCOLS; i++) {
        if (c->by[i] == 0)
            continue;
        (void)fprintf(s->out, "%s%s", any ? ", " : "  ",
                      ph_portmap_protocol_name((enum ph_portmap_protocol)i));
        if (c->by[i] < c->rates[RATE_MAPPED].good)
            (void)fprintf(s->out, " %" PRIu64, c->by[i]);
        any = true;
    }
    if (!any)
        (void)fputs("  nobody", s->out);
}

static void print_map(const struct screen *s, const struct summary *c)
{
    const struct time_summary *t = &c->times[SUBJECT_TIME_MAP];
    (void)fputs("   ", s->out);
    print_share(s, &c->rates[RATE_AS_EXPECTED]);
    (void)fputs("  ", s->out);
    print_share(s, &c->rates[RATE_RELEASED]);
    print_fact(s, &c->rates[RATE_MAPPED]);
    print_fact(s, &c->rates[RATE_DOUBLE_NAT]);
    print_ms(s, t, t->p50);
    print_ms(s, t, t->max);
    print_by(s, c);
}

static void print_totals(const struct screen *s, const struct summary *all)
{
    (void)fprintf(s->out,
                  "\n%" PRIu64 " trials: %" PRIu64 " inconclusive in time, %" PRIu64
                  " lab errors; %.1f s%s\n",
                  all->trials, all->inconclusive, all->lab_errors, (double)s->run->duration / 1e9,
                  s->run->interrupted ? "; interrupted" : "");
}

int table_print(const struct screen *s)
{
    const bool netcheck = s->run->scenario->subject == SUBJECT_NETCHECK;
    struct labels labels;
    struct summary all, cell;
    if (summary_of(s->run, NULL, &all) != 0)
        return -1;
    plan_labels(s->run, &labels);
    screen_heading(s, 0, labels.fixed);
    if (netcheck)
        print_netcheck_head(s, &labels, &all);
    else
        print_map_head(s, &labels);
    for (size_t c = 0; c < s->run->matrix.count; c++) {
        if (summary_of_cell(s->run, c, &cell) != 0)
            return -1;
        print_labels(s, &labels, c);
        screen_paint(s, cell.lab_errors > 0 ? MAGENTA : PLAIN);
        (void)fprintf(s->out, "%8" PRIu64, cell.counted);
        screen_paint(s, PLAIN);
        if (cell.counted == 0)
            (void)fprintf(s->out, "  %s", cell.lab_errors > 0 ? "lab errors" : "not run");
        else if (netcheck)
            print_netcheck(s, &all, &cell);
        else
            print_map(s, &cell);
        (void)fputc('\n', s->out);
    }
    (void)fputs(netcheck
                    ? "in % of the trials: what netcheck says is what the profile says (?: it does "
                      "not know, !: it is wrong)\n"
                    : "in % of the trials; released: no router holds a mapping afterwards\n",
                s->out);
    print_totals(s, &all);
    return 0;
}
