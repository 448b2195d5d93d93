#include "lab/report/grid.h"

#include "lab/report/population.h"
#include "lab/report/screen.h"
#include "lab/report/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMN   9  /* characters of a grid's cell */
#define ROW_NAME 24 /* and of what stands before a row's first */

struct printer {
    struct screen screen; /* first */
    const struct run *run;
    FILE *out;
    size_t a, b; /* the axes of the grid: its rows and its columns */
    bool pairs;  /* both are of NATs: columns have the rows' numbers */
    bool *done;  /* cells already shown */
    bool *group; /* cells of the grid at hand */
};

bool grid_wants_colour(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no != NULL && no[0] != '\0')
        return false;
    return isatty(fileno(out)) == 1 && term != NULL && strcmp(term, "dumb") != 0;
}

static void paint(const struct printer *p, enum colour c)
{
    screen_paint(&p->screen, c);
}

/* One cell: how the pair connected, the share where it is not all, the median of its times. */
static enum colour cell_text(const struct summary *s, char *out, size_t cap)
{
    const struct time_summary *t =
        s->direct > 0 ? &s->times[SUBJECT_TIME_DIRECT] : &s->times[SUBJECT_TIME_MEDIA];
    char letter = 'R', share[8] = "", time[16] = "";
    enum colour colour = YELLOW;
    uint64_t k = s->counted;
    if (s->counted == 0) {
        (void)snprintf(out, cap, "%s", s->lab_errors > 0 ? "lab!" : ".");
        return s->lab_errors > 0 ? MAGENTA : PLAIN;
    }
    if (s->connected == 0) {
        (void)snprintf(out, cap, "X");
        return RED;
    }
    if (s->connected < s->counted) {
        letter = '!';
        colour = RED;
        k = s->connected;
    } else if (s->direct == s->counted) {
        letter = s->rates[RATE_BY_PORTMAP].good == s->direct ? 'P' : 'D';
        colour = GREEN;
    } else if (s->direct > 0) {
        letter = 'M';
        colour = CYAN;
        k = s->direct;
    }
    if (k < s->counted)
        (void)snprintf(share, sizeof(share), "%u%%", (unsigned)(100 * k / s->counted));
    if (t->count > 0)
        (void)snprintf(time, sizeof(time), " %.0f", t->p50);
    (void)snprintf(out, cap, "%c%s%s", letter, share, time);
    return s->lab_errors > 0 ? MAGENTA : colour;
}

static bool same_group(const struct printer *p, size_t x, size_t y)
{
    const struct cell *cx = &p->run->matrix.cells[x], *cy = &p->run->matrix.cells[y];
    for (size_t i = 0; i < p->run->scenario->axes.count; i++)
        if (i != p->a && i != p->b && cx->values[i] != cy->values[i])
            return false;
    return true;
}

static size_t find_in_group(const struct printer *p, uint16_t a, uint16_t b)
{
    for (size_t c = 0; c < p->run->matrix.count; c++)
        if (p->group[c] && p->run->matrix.cells[c].values[p->a] == a &&
            p->run->matrix.cells[c].values[p->b] == b)
            return c;
    return SIZE_MAX;
}

static void print_heading(const struct printer *p, size_t cell)
{
    bool shown[AXES_MAX];
    for (size_t i = 0; i < AXES_MAX; i++)
        shown[i] = i != p->a && i != p->b;
    screen_heading(&p->screen, cell, shown);
}

static bool axis_value_used(const struct printer *p, size_t axis, uint16_t value)
{
    for (size_t c = 0; c < p->run->matrix.count; c++)
        if (p->group[c] && p->run->matrix.cells[c].values[axis] == value)
            return true;
    return false;
}

/* A column of the square, whose blanks are held back: `gap` of them stand before the next text, so
 * that no line ends in any. A text too long for its column pushes the next one, and no more. */
static void print_column(const struct printer *p, int *gap, enum colour colour, const char *text)
{
    if (text[0] != '\0') {
        int blanks = *gap > 0 ? *gap : 1;
        (void)fprintf(p->out, "%*s", blanks, "");
        paint(p, colour);
        *gap -= blanks + fprintf(p->out, "%s", text);
        paint(p, PLAIN);
    }
    *gap += COLUMN;
}

static int print_square(const struct printer *p)
{
    const struct axis *a = &p->run->scenario->axes.items[p->a];
    const struct axis *b = &p->run->scenario->axes.items[p->b];
    struct summary s;
    int gap = ROW_NAME + 1;
    for (uint16_t col = 0; col < b->count; col++) {
        char name[COLUMN]; /* clipped: a name is known by its beginning */
        if (!axis_value_used(p, p->b, col))
            continue;
        if (p->pairs)
            (void)snprintf(name, sizeof(name), "%u", col + 1u);
        else
            (void)snprintf(name, sizeof(name), "%.*s", COLUMN - 1, b->values[col]);
        print_column(p, &gap, PLAIN, name);
    }
    (void)fputc('\n', p->out);
    for (uint16_t row = 0; row < a->count; row++) {
        if (!axis_value_used(p, p->a, row))
            continue;
        int named = fprintf(p->out, "%3u %.*s", row + 1u, ROW_NAME - 4, a->values[row]);
        gap = ROW_NAME + 1 - named;
        for (uint16_t col = 0; col < b->count; col++) {
            if (!axis_value_used(p, p->b, col))
                continue;
            size_t c = find_in_group(p, row, col);
            char text[32] = "";
            enum colour colour = PLAIN;
            if (c != SIZE_MAX) {
                if (summary_of_cell(p->run, c, &s) != 0)
                    return -1;
                colour = cell_text(&s, text, sizeof(text));
            }
            print_column(p, &gap, colour, text);
        }
        (void)fputc('\n', p->out);
    }
    return 0;
}

/* Without two NAT axes there is no square: a line for each cell. */
static int print_list(const struct printer *p)
{
    struct summary s;
    for (size_t c = 0; c < p->run->matrix.count; c++) {
        char text[32];
        if (!p->group[c])
            continue;
        if (summary_of_cell(p->run, c, &s) != 0)
            return -1;
        enum colour colour = cell_text(&s, text, sizeof(text));
        paint(p, colour);
        (void)fprintf(p->out, "  %-*s", COLUMN, text);
        paint(p, PLAIN);
        (void)fprintf(p->out, " %s\n", p->run->matrix.cells[c].key);
    }
    return 0;
}

static void print_line(const struct printer *p, const char *what, const struct time_summary *t,
                       const ph_ns *floors)
{
    ph_ns lo = PH_NEVER, hi = 0;
    for (size_t c = 0; c < p->run->matrix.count; c++) {
        if (!p->group[c] || floors[c] == PH_NEVER)
            continue;
        lo = ph_min_ns(lo, floors[c]);
        hi = ph_max_ns(hi, floors[c]);
    }
    (void)fprintf(p->out, "  to %-7s", what);
    if (lo == PH_NEVER)
        (void)fprintf(p->out, "floor    -   ");
    else if (lo == hi)
        (void)fprintf(p->out, "floor %6.1f ms", ph_ns_to_ms(lo));
    else
        (void)fprintf(p->out, "floor %.1f-%.1f ms", ph_ns_to_ms(lo), ph_ns_to_ms(hi));
    if (t->count == 0) {
        (void)fputs("   no trial\n", p->out);
        return;
    }
    (void)fprintf(p->out, "   median %6.1f   p95 %6.1f   p99 %6.1f   of %zu trials", t->p50, t->p95,
                  t->p99, t->count);
}

static int print_times(const struct printer *p)
{
    struct summary s;
    if (summary_of(p->run, p->group, &s) != 0)
        return -1;
    print_line(p, "direct", &s.times[SUBJECT_TIME_DIRECT], p->run->floor_direct);
    if (s.direct_floor.count > 0)
        (void)fprintf(p->out, "; median %.2f x its floor", s.direct_floor.p50);
    if (s.times[SUBJECT_TIME_DIRECT].count > 0)
        (void)fputc('\n', p->out);
    print_line(p, "relay", &s.times[SUBJECT_TIME_RELAY], p->run->floor_relay);
    if (s.times[SUBJECT_TIME_RELAY].count > 0)
        (void)fputs("; the floor is offer and answer, the peers' handshake comes on top\n", p->out);
    return 0;
}

static int print_stages(const struct printer *p)
{
    struct summary s;
    if (summary_of(p->run, NULL, &s) != 0)
        return -1;
    (void)fprintf(p->out, "\n%-10s %7s %7s %7s %8s %9s %9s %9s %7s\n", "stage", "won", "lost",
                  "beaten", "skipped", "took p50", "p95 ms", "hit p50", "p95");
    for (int i = 0; i < PH_STAGE_COUNT; i++) {
        const struct stage_summary *st = &s.stages[i];
        (void)fprintf(p->out, "%-10s %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %8" PRIu64,
                      ph_stage_name((enum ph_stage)i), st->won, st->lost, st->beaten, st->skipped);
        if (st->time.count > 0)
            (void)fprintf(p->out, " %9.1f %9.1f", st->time.p50, st->time.p95);
        else
            (void)fprintf(p->out, " %9s %9s", "-", "-");
        if (st->to_hit.count > 0)
            (void)fprintf(p->out, " %9.0f %7.0f\n", st->to_hit.p50, st->to_hit.p95);
        else
            (void)fprintf(p->out, " %9s %7s\n", "-", "-");
    }
    (void)fprintf(p->out,
                  "\n%" PRIu64 " trials: %" PRIu64 " connected, %" PRIu64 " direct, %" PRIu64
                  " inconclusive in time, %" PRIu64 " lab errors; %.1f s%s\n",
                  s.trials, s.connected, s.direct, s.inconclusive, s.lab_errors,
                  (double)p->run->duration / 1e9, p->run->interrupted ? "; interrupted" : "");
    return 0;
}

/* One b.nat for all is no axis to draw: what the router speaks is. */
static void choose_axes(struct printer *p)
{
    const struct axes *axes = &p->run->scenario->axes;
    size_t mapping = axes_find(axes, "port_mapping");
    p->a = axes_find(axes, "a.nat");
    p->b = axes_find(axes, "b.nat");
    p->pairs = true;
    if (mapping == SIZE_MAX || !screen_axis_varies(p->run, mapping) ||
        (p->b != SIZE_MAX && screen_axis_varies(p->run, p->b)))
        return;
    p->b = mapping;
    p->pairs = false;
}

static int print_calls(struct printer *p)
{
    size_t n = p->run->matrix.count;
    bool square = p->a != SIZE_MAX && p->b != SIZE_MAX;
    for (size_t c = 0; c < n; c++) {
        if (p->done[c])
            continue;
        for (size_t k = 0; k < n; k++) {
            p->group[k] = same_group(p, c, k);
            p->done[k] = p->done[k] || p->group[k];
        }
        print_heading(p, c);
        if ((square ? print_square(p) : print_list(p)) != 0 || print_times(p) != 0)
            return -1;
    }
    (void)fprintf(
        p->out,
        "\nD direct  %sR relay  M some direct, the others by relay  ! some not connected  "
        "X none connected\nnumbers: median ms from the dial to the direct path (to media "
        "by the relay where none is direct)\n",
        axes_find(&p->run->scenario->axes, "port_mapping") != SIZE_MAX
            ? "P direct by a mapped port  "
            : "");
    return print_stages(p);
}

int grid_print(const struct run *run, const struct expect_result *expects, bool colour, FILE *out)
{
    int rc = -1;
    struct printer p = {
        .screen = {.run = run, .out = out, .colour = colour},
        .run = run,
        .out = out,
    };
    if (run->scenario->subject != SUBJECT_PINHOLE) {
        rc = table_print(&p.screen);
    } else if (run->scenario->population.count > 0) {
        rc = population_print(&p.screen) != 0 ? -1 : print_stages(&p);
    } else if (faults_wanted(run)) {
        rc = faults_print(&p.screen) != 0 ? -1 : print_stages(&p);
    } else {
        choose_axes(&p);
        p.done = calloc(run->matrix.count, sizeof(bool));
        p.group = calloc(run->matrix.count, sizeof(bool));
        if (p.done != NULL && p.group != NULL)
            rc = print_calls(&p);
        free(p.done);
        free(p.group);
    }
    if (rc == 0)
        screen_expectations(&p.screen, expects);
    return rc;
}
