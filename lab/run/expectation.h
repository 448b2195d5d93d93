/* What a scenario expects of its cells. */
#ifndef LAB_RUN_EXPECTATION_H
#define LAB_RUN_EXPECTATION_H

#include "base/time.h"
#include "lab/run/match.h"
#include "lab/run/subject.h"

#define EXPECTATIONS_MAX 64

enum expect_is {
    EXPECT_IS_UNSET,
    EXPECT_IS_ALL,  /* no counted failure */
    EXPECT_IS_NONE, /* no counted success */
};

/* Cells that differ from others in these axes alone. */
struct counterpart {
    struct {
        size_t axis;
        uint16_t value; /* that the counterpart has on it */
    } terms[AXES_MAX];
    size_t count; /* 0: none is asked for */
};

enum expectation_kind {
    EXPECTATION_RATE,
    EXPECTATION_TIME,
    EXPECTATION_COUNT,
};

#define EXPECTATION_NO_LIMIT UINT32_MAX

struct expectation {
    struct match when; /* no terms: every cell */
    enum expectation_kind kind;
    enum rate rate;           /* when it is a rate */
    enum subject_time time;   /* when it is a time */
    enum subject_count count; /* when it is a count */
    enum expect_is is;
    double at_least;     /* of the lower end of the 95% interval; 0: not asked */
    double observed;     /* the least plain share in each cell; 0: not asked */
    double at_most;      /* observed_at_most, the greatest plain share in each cell; 1: not asked */
    bool pool;           /* all matching cells together */
    ph_ns p50, p95, p99; /* upper limits; PH_NEVER: not asked */
    ph_ns each;          /* at_most of a time, in each trial; PH_NEVER: not asked */
    struct {
        uint32_t p50, p95, p99, each; /* of a count; EXPECTATION_NO_LIMIT: not asked */
    } limits;
    /* The median is held against that of the cell with these values instead: it may be greater by
     * `within`, or by the share `or_share` of it. */
    struct counterpart not_slower_than;
    ph_ns within;
    double or_share;
    char text[256]; /* as people read it: "link=20ms: direct at least 0.95, pooled" */
    struct yaml_node *at;
};

/* Two medians are held against one another, instead of one against a limit. */
bool expectation_is_comparison(const struct expectation *e);

/* Reads one item of `expect:`. A rate, time or count that the subject does not have is refused. */
int expectation_read(struct yaml_node *map, const struct axes *axes, enum subject subject,
                     struct expectation *out, struct lab_error *err);

/* Refuses an at_least that `trials` trials, all good, could not reach. No matching cell is a
 * mistake too. */
int expectation_check_reach(const struct expectation *e, uint64_t trials, size_t cells,
                            struct lab_error *err);

#endif
