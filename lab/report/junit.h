/* A run as JUnit XML: a test case for each expectation and for each cell. */
#ifndef LAB_REPORT_JUNIT_H
#define LAB_REPORT_JUNIT_H

#include "lab/report/expect.h"

#include <stdio.h>

/* cell_failed: as expect_all gives it. */
int junit_write(const struct run *run, const struct expect_result *expects, const bool *cell_failed,
                FILE *out);

#endif
