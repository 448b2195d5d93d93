/* What a scenario expects of its cells. */
#ifndef LAB_RUN_EXPECTATION_H
#define LAB_RUN_EXPECTATION_H

#include "base/time.h"
#include "lab/run/axis.h"

#define EXPECTATIONS_MAX 64

enum expect_kind {
    EXPECT_CONNECTED, /* rate: connected */
    EXPECT_DIRECT,    /* rate: direct */
    EXPECT_TIME_RELAY,
    EXPECT_TIME_DIRECT,
    EXPECT_TIME_MEDIA,
};

enum expect_is {
    EXPECT_IS_UNSET,
    EXPECT_IS_ALL,  /* no counted failure */
    EXPECT_IS_NONE, /* no counted success */
};

struct expectation {
    struct match when; /* no terms: every cell */
    enum expect_kind kind;
    enum expect_is is;
    double at_least;     /* of the lower end of the 95% interval; 0: not asked */
    double observed;     /* of the plain share in each cell; 0: not asked */
    bool pool;           /* all matching cells together */
    ph_ns p50, p95, p99; /* upper limits; PH_NEVER: not asked */
    char text[256];      /* as people read it: "link=20ms: direct at least 0.95, pooled" */
    struct yaml_node *at;
};

bool expectation_is_time(const struct expectation *e);

/* Reads one item of `expect:`. */
int expectation_read(struct yaml_node *map, const struct axes *axes, struct expectation *out,
                     struct lab_error *err);

/* Refuses an at_least that `trials` trials, all good, could not reach in `cells` matching cells.
 * No matching cell is a mistake too. */
int expectation_check_reach(const struct expectation *e, unsigned trials, size_t cells,
                            struct lab_error *err);

#endif
