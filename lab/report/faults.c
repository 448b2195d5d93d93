/* Calls that faults befell, on the terminal: a row for each pair of NATs (and whatever else
 * varies), a column for each fault. */
#include "lab/report/screen.h"
#include "lab/report/summary.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN      11 /* characters of a cell */
#define COLUMNS_MAX 8  /* beside one another; more follow below */
#define ROW_MAX     34

static size_t fault_axis(const struct run *run)
{
    return run->scenario->faults.count > 0 ? axes_find(&run->scenario->axes, "fault") : SIZE_MAX;
}

bool faults_wanted(const struct run *run)
{
    for (size_t c = 0; fault_axis(run) != SIZE_MAX && c < run->matrix.count; c++)
        if (matrix_faults(run->scenario, &run->matrix.cells[c]) != NULL)
            return true;
    return false;
}

/* The cell that has this value of the fault, and else the same as another. */
static size_t with_fault(const struct run *run, size_t like, uint16_t value)
{
    size_t axis = fault_axis(run);
    for (size_t c = 0; c < run->matrix.count; c++) {
        bool same = run->matrix.cells[c].values[axis] == value;
        for (size_t i = 0; same && i < run->scenario->axes.count; i++)
            same = i == axis || run->matrix.cells[c].values[i] == run->matrix.cells[like].values[i];
        if (same)
            return c;
    }
    return SIZE_MAX;
}

/* The first cell of each row stands for it. */
static bool begins_row(const struct run *run, size_t cell)
{
    size_t axis = fault_axis(run);
    for (uint16_t v = 0; v < run->scenario->axes.items[axis].count; v++) {
        size_t c = with_fault(run, cell, v);
        if (c != SIZE_MAX && c < cell)
            return false;
    }
    return true;
}

/* The values that differ from row to row. */
static void row_name(const struct run *run, size_t cell, char out[ROW_MAX + 1])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < run->scenario->axes.count && used < ROW_MAX; i++) {
        const struct axis *axis = &run->scenario->axes.items[i];
        if (i == fault_axis(run) || !screen_axis_varies(run, i))
            continue;
        int n = snprintf(out + used, ROW_MAX + 1 - used, "%s%s", used == 0 ? "" : " ",
                         axis->values[run->matrix.cells[cell].values[i]]);
        used += n > 0 ? (size_t)n : 0;
    }
}

static int row_width(const struct run *run)
{
    int width = 1;
    for (size_t c = 0; c < run->matrix.count; c++) {
        char name[ROW_MAX + 1];
        row_name(run, c, name);
        int n = (int)strlen(name);
        width = n > width ? n : width;
    }
    return width;
}

/* How many of its calls went on, and what they had to do without. */
static enum colour cell_text(const struct summary *s, char *out, size_t cap)
{
    const struct rate_summary *survived = &s->rates[RATE_SURVIVED];
    const struct time_summary *gap = &s->times[SUBJECT_TIME_GAP];
    enum colour colour = PLAIN;
    char share[8] = "-", time[16] = "";
    if (s->counted == 0) {
        (void)snprintf(out, cap, "%s", s->lab_errors > 0 ? "lab!" : ".");
        return s->lab_errors > 0 ? MAGENTA : PLAIN;
    }
    if (survived->of > 0 && survived->good == survived->of) {
        (void)snprintf(share, sizeof(share), "ok");
        colour = GREEN;
    } else if (survived->of > 0 && survived->good == 0) {
        (void)snprintf(share, sizeof(share), "X");
        colour = RED;
    } else if (survived->of > 0) {
        (void)snprintf(share, sizeof(share), "%u%%",
                       (unsigned)(100 * survived->good / survived->of));
        colour = YELLOW;
    }
    if (gap->count > 0)
        (void)snprintf(time, sizeof(time), " %.0f", gap->p95);
    (void)snprintf(out, cap, "%s%s", share, time);
    return s->lab_errors > 0 ? MAGENTA : colour;
}

/* Blanks are held back until there is a text for them to stand before: no line ends in any. */
static void put(const struct screen *s, int *gap, enum colour colour, const char *text)
{
    if (text[0] != '\0') {
        int blanks = *gap > 0 ? *gap : 1;
        (void)fprintf(s->out, "%*s", blanks, "");
        screen_paint(s, colour);
        *gap -= blanks + fprintf(s->out, "%s", text);
        screen_paint(s, PLAIN);
    }
    *gap += COLUMN;
}

static void print_names(const struct screen *s, int width, uint16_t from, uint16_t to)
{
    const struct axis *axis = &s->run->scenario->axes.items[fault_axis(s->run)];
    int gap = width + 3;
    for (uint16_t v = from; v < to; v++) {
        char name[COLUMN];
        (void)snprintf(name, sizeof(name), "%.*s", COLUMN - 1, axis->values[v]);
        put(s, &gap, PLAIN, name);
    }
    (void)fputc('\n', s->out);
}

static int print_row(const struct screen *s, size_t cell, int width, uint16_t from, uint16_t to)
{
    char name[ROW_MAX + 1];
    row_name(s->run, cell, name);
    int gap = width + 3 - fprintf(s->out, " %s", name);
    for (uint16_t v = from; v < to; v++) {
        size_t c = with_fault(s->run, cell, v);
        struct summary sum;
        char text[32] = "";
        enum colour colour = PLAIN;
        if (c != SIZE_MAX) {
            if (summary_of_cell(s->run, c, &sum) != 0)
                return -1;
            colour = cell_text(&sum, text, sizeof(text));
        }
        put(s, &gap, colour, text);
    }
    (void)fputc('\n', s->out);
    return 0;
}

int faults_print(const struct screen *s)
{
    const struct run *run = s->run;
    uint16_t count = (uint16_t)run->scenario->axes.items[fault_axis(run)].count;
    int width = row_width(run);
    bool fixed[AXES_MAX];
    for (size_t i = 0; i < AXES_MAX; i++)
        fixed[i] =
            i < run->scenario->axes.count && i != fault_axis(run) && !screen_axis_varies(run, i);
    screen_heading(s, 0, fixed);
    for (uint16_t from = 0; from < count; from = (uint16_t)(from + COLUMNS_MAX)) {
        uint16_t to = from + COLUMNS_MAX < count ? (uint16_t)(from + COLUMNS_MAX) : count;
        print_names(s, width, from, to);
        for (size_t c = 0; c < run->matrix.count; c++)
            if (begins_row(run, c) && print_row(s, c, width, from, to) != 0)
                return -1;
    }
    (void)fputs(
        "\nok all calls go on  60% so many of them  X none  - no fault\nnumbers: p95 of the "
        "longest time without media, in ms (ends with the call where media never came "
        "back)\n",
        s->out);
    return 0;
}
