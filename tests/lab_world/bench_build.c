/* How long a world takes to build: `bench_build [TOPOLOGY [PROFILE-OF-A [PROFILE-OF-B [COUNT]]]]`.
 * Prints the median and the 95th percentile, the builder's own processor time in it, and what the
 * check of its NATs takes. */
#include "lab/world/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT_MAX 1000

static double clock_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

static void print(const char *what, double *ms, size_t n)
{
    qsort(ms, n, sizeof(ms[0]), by_value);
    printf("%-6s median %7.2f ms, p95 %7.2f ms, least %7.2f ms, of %zu\n", what, ms[n / 2],
           ms[(n * 95) / 100], ms[0], n);
}

int main(int argc, char **argv)
{
    static struct world_spec spec;
    static struct layout layout;
    static struct kernel_world *worlds[COUNT_MAX];
    static double build[COUNT_MAX], cpu[COUNT_MAX], check[COUNT_MAX], reset[COUNT_MAX];
    size_t count = argc > 4 ? strtoul(argv[4], NULL, 10) : 50, alive = 0;
    struct kernel_lab *lab = NULL;
    struct topology topology;
    struct lab_error err;

    count = count == 0 ? 1 : count > COUNT_MAX ? COUNT_MAX : count;
    if (topology_find(argc > 1 ? argv[1] : "two-nats", &topology, &err) != 0 ||
        world_spec_init(&spec, &topology, &err) != 0 ||
        (argc > 2 && world_spec_set_profile(&spec, "a", argv[2], &err) != 0) ||
        (argc > 3 && world_spec_set_profile(&spec, "b", argv[3], &err) != 0) ||
        layout_compute(&spec, &layout, &err) != 0 || kernel_privileges(&err) != 0 ||
        kernel_lab_open(&lab, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return (int)err.code;
    }
    for (; alive < count; alive++) {
        double start = now_ms(), busy = clock_ms(CLOCK_PROCESS_CPUTIME_ID);

        if (kernel_world_build(lab, &layout, &worlds[alive], &err) != 0) {
            fprintf(stderr, "after %zu worlds: %s\n", alive, err.text);
            break;
        }
        build[alive] = now_ms() - start;
        cpu[alive] = clock_ms(CLOCK_PROCESS_CPUTIME_ID) - busy;
        start = now_ms();
        if (kernel_world_check(worlds[alive], &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
        }
        check[alive] = now_ms() - start;
        start = now_ms();
        if (kernel_world_reset(worlds[alive], 1, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
        }
        reset[alive] = now_ms() - start;
    }
    if (alive > 0) {
        print("build", build, alive);
        print(" cpu", cpu, alive);
        print("check", check, alive);
        print("reset", reset, alive);
    }
    for (size_t i = 0; i < alive; i++) {
        kernel_world_free(worlds[i]);
    }
    kernel_lab_close(lab);
    return alive == count ? 0 : (int)err.code;
}
