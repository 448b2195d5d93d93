/* A run on a terminal: what the grid of calls and the tables of other subjects share. */
#ifndef LAB_REPORT_SCREEN_H
#define LAB_REPORT_SCREEN_H

#include "lab/report/expect.h"

#include <stdio.h>

enum colour {
    PLAIN,
    GREEN,
    CYAN,
    YELLOW,
    RED,
    MAGENTA,
    BOLD,
};

struct screen {
    const struct run *run;
    FILE *out;
    bool colour;
};

void screen_paint(const struct screen *s, enum colour c);
/* The scenario's name and the value of each axis whose place in `shown` is set, in bold. */
void screen_heading(const struct screen *s, size_t cell, const bool shown[AXES_MAX]);
/* Two cells or more of the run differ on the axis. */
bool screen_axis_varies(const struct run *run, size_t axis);
void screen_expectations(const struct screen *s, const struct expect_result *expects);

/* Whether faults befell any calls; pairs by faults. -1: out of memory. */
bool faults_wanted(const struct run *run);
int faults_print(const struct screen *s);

/* Subjects netcheck and map: a line for each cell. -1: out of memory. */
int table_print(const struct screen *s);

#endif
