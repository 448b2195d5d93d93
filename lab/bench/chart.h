/* A chart as SVG: theory as lines, what was measured as points with their intervals. Pure drawing;
 * the same chart gives the same bytes. */
#ifndef LAB_BENCH_CHART_H
#define LAB_BENCH_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CHART_SERIES_MAX 24
#define CHART_TEXT_MAX   96

struct chart_point {
    double x, y;
    double low, high; /* of y; both equal to y: no interval */
};

struct chart_series {
    char name[CHART_TEXT_MAX];
    bool line;       /* joined; else points */
    bool dashed;     /* a line for comparison */
    unsigned colour; /* series of one colour belong together: a measurement and its theory */
    struct chart_point *points; /* the chart's */
    size_t count, room;
};

struct chart {
    char title[CHART_TEXT_MAX], x_label[CHART_TEXT_MAX], y_label[CHART_TEXT_MAX];
    double x_max; /* axes begin at 0; y ends at 1, a share */
    bool bars;    /* a bar for the first point of each series in place of it all */
    struct chart_series series[CHART_SERIES_MAX];
    size_t count;
};

/* NULL: there is no room for another one. */
struct chart_series *chart_add(struct chart *c, const char *name, bool line, unsigned colour);
/* -1: out of memory. */
int chart_point(struct chart_series *s, double x, double y, double low, double high);
void chart_fini(struct chart *c);

void chart_svg(const struct chart *c, FILE *out);

/* "#0072b2": of the palette, for colour-blind eyes too (Okabe and Ito). */
const char *chart_colour(unsigned colour);

#endif
