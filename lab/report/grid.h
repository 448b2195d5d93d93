/* A run on the terminal. Calls: a grid NAT x NAT for each combination of the other axes, the
 * stages. Other subjects: a line for each cell. And the expectations. */
#ifndef LAB_REPORT_GRID_H
#define LAB_REPORT_GRID_H

#include "lab/report/expect.h"

#include <stdio.h>

int grid_print(const struct run *run, const struct expect_result *expects, bool colour, FILE *out);

/* True when this stream is a terminal that wants colours (NO_COLOR unset, TERM not dumb). */
bool grid_wants_colour(FILE *out);

#endif
