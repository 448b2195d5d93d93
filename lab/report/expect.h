/* Expectations held against what was measured. */
#ifndef LAB_REPORT_EXPECT_H
#define LAB_REPORT_EXPECT_H

#include "lab/run/record.h"

enum expect_status {
    EXPECT_PASSED,
    EXPECT_FAILED,
    EXPECT_TOO_FEW, /* trials or cells were left out, and what is left cannot tell */
};

struct expect_result {
    enum expect_status status;
    char detail[320]; /* what was measured, or which cell it was */
};

const char *expect_status_name(enum expect_status status);

/* out: one for each of the scenario's expectations. cell_failed (may be NULL): one for each cell of
 * the run, set where an expectation failed in that very cell. -1: out of memory. */
int expect_all(const struct run *run, struct expect_result *out, bool *cell_failed);

#endif
