/* What a world costs: the time to build one of two NATs, two peers, a relay, 5 STUN addresses and
 * the hops between, to prove its NATs, to put it back in order between two trials; and how many can
 * live at once. Percentiles over the builds of one run.
 *
 *   bench_world [WORLDS] [PROFILE]
 */
#include "lab/world/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORLDS_MAX 256

struct series {
    double ms[WORLDS_MAX];
    size_t count;
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, struct series *s)
{
    if (s->count == 0)
        return;
    qsort(s->ms, s->count, sizeof(s->ms[0]), by_size);
    printf("%-28s median %7.2f ms   p95 %7.2f ms   worst %7.2f ms   (%zu)\n", what,
           s->ms[s->count / 2], s->ms[s->count * 95 / 100], s->ms[s->count - 1], s->count);
}

static int prepare(const char *profile, struct layout *layout, struct lab_error *err)
{
    static struct topology topology;
    static struct world_spec spec;
    if (topology_find("two-nats", &topology, err) != 0 ||
        world_spec_init(&spec, &topology, err) != 0)
        return -1;
    if (profile != NULL && (world_spec_set_profile(&spec, "a", profile, err) != 0 ||
                            world_spec_set_profile(&spec, "b", profile, err) != 0))
        return -1;
    return layout_compute(&spec, layout, err);
}

int main(int argc, char **argv)
{
    static struct layout layout;
    static struct series build, check, links, reset;
    static struct kernel_world *worlds[WORLDS_MAX];
    struct kernel_lab *lab = NULL;
    struct lab_error err = {0};
    size_t alive = 0;
    int code = 1;
    unsigned long wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
    if (wanted == 0 || wanted > WORLDS_MAX) {
        fprintf(stderr, "bench_world: 1 to %d worlds, not '%s'\n", WORLDS_MAX, argv[1]);
        return LAB_USAGE;
    }

    if (kernel_privileges(&err) != 0 || prepare(argc > 2 ? argv[2] : NULL, &layout, &err) != 0 ||
        kernel_lab_open(&lab, &err) != 0)
        goto cleanup;
    double start = now_ms();
    for (; alive < wanted; alive++) {
        double t0 = now_ms();
        if (kernel_world_build(lab, &layout, &worlds[alive], &err) != 0)
            goto cleanup;
        double t1 = now_ms();
        build.ms[build.count++] = t1 - t0;
        if (kernel_world_check(worlds[alive], &err) != 0) {
            alive++;
            goto cleanup;
        }
        double t2 = now_ms();
        check.ms[check.count++] = t2 - t1;
        if (kernel_world_links_on(worlds[alive], alive + 1, &err) != 0) {
            alive++;
            goto cleanup;
        }
        links.ms[links.count++] = now_ms() - t2;
    }
    for (size_t i = 0; i < alive; i++) {
        double t0 = now_ms();
        if (kernel_world_reset(worlds[i], i + 1, &err) != 0)
            goto cleanup;
        reset.ms[reset.count++] = now_ms() - t0;
    }
    code = 0;
cleanup:
    print("world built", &build);
    print("its NATs proved", &check);
    print("links switched on", &links);
    print("put in order for a trial", &reset);
    if (code == 0)
        printf("%zu worlds of %zu nodes alive at once, after %.0f ms\n", alive, layout.node_count,
               now_ms() - start);
    else
        fprintf(stderr, "bench_world: %s\n", err.text);
    for (size_t i = 0; i < alive; i++)
        kernel_world_free(worlds[i]);
    kernel_lab_close(lab);
    return code == 0 ? 0 : (int)err.code;
}
