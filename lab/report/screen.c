#include "lab/report/screen.h"

void screen_paint(const struct screen *s, enum colour c)
{
    static const char *const codes[] = {"0", "32", "36", "33", "31", "35", "1"};
    if (s->colour)
        (void)fprintf(s->out, "\033[%sm", codes[c]);
}

void screen_heading(const struct screen *s, size_t cell, const bool shown[AXES_MAX])
{
    const struct axes *axes = &s->run->scenario->axes;
    (void)fputc('\n', s->out);
    screen_paint(s, BOLD);
    (void)fprintf(s->out, "%s", s->run->scenario->name);
    for (size_t i = 0; i < axes->count; i++)
        if (shown[i])
            (void)fprintf(s->out, "  %s=%s", axes->items[i].name,
                          axes->items[i].values[s->run->matrix.cells[cell].values[i]]);
    screen_paint(s, PLAIN);
    (void)fputc('\n', s->out);
}

bool screen_axis_varies(const struct run *run, size_t axis)
{
    for (size_t c = 1; c < run->matrix.count; c++)
        if (run->matrix.cells[c].values[axis] != run->matrix.cells[0].values[axis])
            return true;
    return false;
}

void screen_expectations(const struct screen *s, const struct expect_result *expects)
{
    static const enum colour colours[] = {GREEN, RED, YELLOW};
    for (size_t i = 0; i < s->run->scenario->expect_count; i++) {
        screen_paint(s, colours[expects[i].status]);
        (void)fprintf(s->out, "%-8s", expect_status_name(expects[i].status));
        screen_paint(s, PLAIN);
        (void)fprintf(s->out, "%s (%s)\n", s->run->scenario->expects[i].text, expects[i].detail);
    }
}
