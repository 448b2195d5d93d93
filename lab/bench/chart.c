#include "lab/bench/chart.h"

#include "lab/report/escape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH  760.0
#define HEIGHT 420.0
#define LEFT   64.0
#define RIGHT  16.0
#define TOP    16.0
#define BOTTOM 52.0
#define TICKS  6

const char *chart_colour(unsigned colour)
{
    static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                          "#e69f00", "#56b4e9", "#000000", "#8c8c00"};
    return colours[colour % (sizeof(colours) / sizeof(colours[0]))];
}

struct chart_series *chart_add(struct chart *c, const char *name, bool line, unsigned colour)
{
    if (c->count == CHART_SERIES_MAX)
        return NULL;
    struct chart_series *s = &c->series[c->count++];
    memset(s, 0, sizeof(*s));
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    s->line = line;
    s->colour = colour;
    return s;
}

int chart_point(struct chart_series *s, double x, double y, double low, double high)
{
    if (s->count == s->room) {
        size_t room = s->room == 0 ? 16 : s->room * 2;
        struct chart_point *wider = realloc(s->points, room * sizeof(*wider));
        if (wider == NULL)
            return -1;
        s->points = wider;
        s->room = room;
    }
    s->points[s->count++] = (struct chart_point){.x = x, .y = y, .low = low, .high = high};
    return 0;
}

void chart_fini(struct chart *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->series[i].points);
    memset(c, 0, sizeof(*c));
}

static double px(const struct chart *c, double x)
{
    double max = c->x_max > 0.0 ? c->x_max : 1.0;
    return LEFT + (WIDTH - LEFT - RIGHT) * (x < 0.0 ? 0.0 : x > max ? max : x) / max;
}

static double py(double y)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y < 0.0 ? 0.0 : y > 1.0 ? 1.0 : y);
}

/* 1, 2 or 5 times a power of ten: what a reader can divide by. */
static double step_of(double max)
{
    double raw = (max > 0.0 ? max : 1.0) / TICKS, ten = pow(10.0, floor(log10(raw)));
    return raw <= ten         ? ten
           : raw <= 2.0 * ten ? 2.0 * ten
           : raw <= 5.0 * ten ? 5.0 * ten
                              : 10.0 * ten;
}

static void draw_axes(const struct chart *c, FILE *out)
{
    double max = c->x_max > 0.0 ? c->x_max : 1.0, step = step_of(max);
    for (int i = 0; i <= 5; i++) {
        double y = i / 5.0;
        (void)fprintf(out,
                      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>"
                      "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%d%%</text>\n",
                      LEFT, py(y), WIDTH - RIGHT, py(y), LEFT - 6.0, py(y) + 4.0, 20 * i);
    }
    for (int i = 0; i * step <= max * 1.0001; i++) {
        double x = i * step;
        (void)fprintf(out,
                      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>"
                      "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>\n",
                      px(c, x), TOP, px(c, x), HEIGHT - BOTTOM, px(c, x), HEIGHT - BOTTOM + 18.0,
                      x);
    }
    (void)fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                  (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0);
    escape_xml(c->x_label, out);
    (void)fprintf(out,
                  "</text>\n<text transform=\"translate(16 %.1f) rotate(-90)\" "
                  "text-anchor=\"middle\">",
                  (TOP + HEIGHT - BOTTOM) / 2.0);
    escape_xml(c->y_label, out);
    (void)fputs("</text>\n", out);
}

static void draw_line(const struct chart *c, const struct chart_series *s, FILE *out)
{
    if (s->count == 0)
        return;
    (void)fputs("<polyline fill=\"none\" stroke-width=\"1.5\" points=\"", out);
    for (size_t i = 0; i < s->count; i++)
        (void)fprintf(out, "%s%.1f,%.1f", i == 0 ? "" : " ", px(c, s->points[i].x),
                      py(s->points[i].y));
    (void)fprintf(out, "\" stroke=\"%s\"%s/>\n", chart_colour(s->colour),
                  s->dashed ? " stroke-dasharray=\"4 4\"" : "");
}

static void draw_points(const struct chart *c, const struct chart_series *s, FILE *out)
{
    const char *colour = chart_colour(s->colour);
    for (size_t i = 0; i < s->count; i++) {
        const struct chart_point *p = &s->points[i];
        double x = px(c, p->x);
        if (p->high > p->low)
            (void)fprintf(out,
                          "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
                          x, py(p->low), x, py(p->high), colour);
        (void)fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"><title>", x,
                      py(p->y), colour);
        escape_xml(s->name, out);
        (void)fprintf(out, ": %g: %.1f%% (%.1f-%.1f)</title></circle>\n", p->x, 100.0 * p->y,
                      100.0 * p->low, 100.0 * p->high);
    }
}

#define BAR_HEIGHT 26.0
#define BAR_LEFT   130.0

static double bar_x(double share)
{
    return BAR_LEFT + (WIDTH - BAR_LEFT - 80.0) * share;
}

static void draw_bars(const struct chart *c, FILE *out)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct chart_series *s = &c->series[i];
        double y = BAR_HEIGHT * (double)i, middle = y + BAR_HEIGHT / 2.0;
        (void)fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", BAR_LEFT - 8.0,
                      middle + 4.0);
        escape_xml(s->name, out);
        (void)fputs("</text>", out);
        if (s->count == 0) {
            (void)fputc('\n', out);
            continue;
        }
        const struct chart_point *p = &s->points[0];
        (void)fprintf(out,
                      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                      "fill=\"%s\"/><line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
                      "stroke=\"#222\"/><text x=\"%.1f\" y=\"%.1f\">%.1f%%</text>\n",
                      bar_x(0.0), y + 4.0, bar_x(p->y) - bar_x(0.0), BAR_HEIGHT - 8.0,
                      chart_colour(s->colour), bar_x(p->low), middle, bar_x(p->high), middle,
                      bar_x(p->high) + 6.0, middle + 4.0, 100.0 * p->y);
    }
}

/* Below the drawing, so that it hides nothing of it. */
static void draw_legend(const struct chart *c, FILE *out)
{
    (void)fputs("<ul class=\"legend\">\n", out);
    for (size_t i = 0; i < c->count; i++) {
        const struct chart_series *s = &c->series[i];
        (void)fprintf(out, "<li style=\"color:%s\"><span>%s</span> ", chart_colour(s->colour),
                      s->dashed ? "- -"
                      : s->line ? "&#8212;"
                                : "&#9679;");
        escape_xml(s->name, out);
        (void)fputs("</li>\n", out);
    }
    (void)fputs("</ul>\n", out);
}

void chart_svg(const struct chart *c, FILE *out)
{
    (void)fprintf(out, "<figure><figcaption>");
    escape_xml(c->title, out);
    (void)fprintf(out,
                  "</figcaption>\n<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
                  "xmlns=\"http://www.w3.org/2000/svg\">\n<title>",
                  WIDTH, c->bars ? BAR_HEIGHT * (double)c->count : HEIGHT);
    escape_xml(c->title, out);
    (void)fputs("</title>\n", out);
    if (c->bars) {
        draw_bars(c, out);
        (void)fputs("</svg></figure>\n", out);
        return;
    }
    draw_axes(c, out);
    for (size_t i = 0; i < c->count; i++)
        if (c->series[i].line)
            draw_line(c, &c->series[i], out);
    for (size_t i = 0; i < c->count; i++)
        if (!c->series[i].line)
            draw_points(c, &c->series[i], out);
    (void)fputs("</svg>\n", out);
    draw_legend(c, out);
    (void)fputs("</figure>\n", out);
}
