/* A run whose calls were drawn from a population: for each combination of the other axes one
 * number, and beside it the most that there could be, since some pairs nothing joins. */
#ifndef LAB_REPORT_POPULATION_H
#define LAB_REPORT_POPULATION_H

#include "lab/report/screen.h"
#include "lab/report/summary.h"

struct stratum {
    char name[CELL_KEY_MAX]; /* "gateway=drop,mapping_routers=70%,link=20ms" */
    struct summary summary;
    struct rate_summary udp; /* direct ones of the calls both of whose ends have UDP */
    /* Shares of the population's calls, not of those drawn: pairs that are not hopeless. 0..1. */
    double ceiling, udp_ceiling;
};

/* malloc'ed; NULL: out of memory. */
struct stratum *population_strata(const struct run *run, size_t *count);

/* A line for each stratum, and how each NAT's calls fare in each. -1: out of memory. */
int population_print(const struct screen *s);
int population_markdown(const struct run *run, FILE *out);
/* NULL: out of memory. */
json_t *population_json(const struct run *run);

#endif
