/* What the measurements in the simulator share. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "lab/topo/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The process's own processor time, in seconds. */
static inline double bench_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void bench_die(const char *why)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, why);
    exit(1);
}

/* Two peers behind NATs of these profiles, 20 ms apart. */
static inline void bench_two_nats(const char *a, const char *b, struct layout *out)
{
    static struct topology topology;
    static struct world_spec spec;
    struct lab_error err = {0};
    if (topology_find("two-nats", &topology, &err) != 0 ||
        world_spec_init(&spec, &topology, &err) != 0 ||
        world_spec_set_profile(&spec, "a", a, &err) != 0 ||
        world_spec_set_profile(&spec, "b", b, &err) != 0 ||
        world_spec_set_link(&spec, "20ms", &err) != 0 || layout_compute(&spec, out, &err) != 0)
        bench_die(err.text);
}

#endif
