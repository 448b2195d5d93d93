#include "lab/run/agenda.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX         256
#define JOBS_DEFAULT_MAX 64

size_t agenda_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (size_t)n : 1;
}

/* Whether children of this process may run ahead of everything else. */
static bool may_be_real_time(void)
{
    const struct sched_param one = {.sched_priority = 1}, none = {0};
    if (sched_setscheduler(0, SCHED_FIFO, &one) != 0)
        return false;
    return sched_setscheduler(0, SCHED_OTHER, &none) == 0;
}

/* The more worlds at once, the more packets wait for one another: fewer where others' processes
 * come in between as well. */
static size_t default_jobs(bool sim)
{
    size_t jobs = (sim ? 2 : may_be_real_time() ? 20 : 12) * agenda_cores();
    return jobs < JOBS_DEFAULT_MAX ? jobs : JOBS_DEFAULT_MAX;
}

size_t agenda_jobs(const struct run *run, size_t wanted, bool sim)
{
    size_t jobs = wanted != 0 ? wanted : default_jobs(sim);
    if (jobs > JOBS_MAX)
        jobs = JOBS_MAX;
    if (sim)
        return jobs;
    /* Rounds of one size: a small last one would cost as much time as the others. */
    size_t cells = run_cells(run), rounds = (cells + jobs - 1) / jobs;
    return (cells + rounds - 1) / rounds;
}

struct ordered {
    size_t cell;
    unsigned trials;
    ph_ns floor;
};

/* A round takes as long as its slowest cell, so cells of like delays and numbers of trials run
 * together. */
static int by_floor(const void *a, const void *b)
{
    const struct ordered *x = a, *y = b;
    if (x->floor != y->floor)
        return x->floor < y->floor ? -1 : 1;
    if (x->trials != y->trials)
        return x->trials > y->trials ? -1 : 1;
    return x->cell < y->cell ? -1 : x->cell > y->cell ? 1 : 0;
}

/* The cells that have trials; returns how many. */
static size_t order_cells(const struct run *run, struct ordered *out)
{
    size_t n = 0;
    for (size_t i = 0; i < run->matrix.count; i++)
        if (run_trials(run, i) > 0)
            out[n++] = (struct ordered){
                .cell = i, .trials = run_trials(run, i), .floor = run->floor_relay[i]};
    qsort(out, n, sizeof(*out), by_floor);
    return n;
}

int agenda_init(struct agenda *a, const struct run *run, bool sim)
{
    size_t most = sim ? run->total : run_cells(run);
    struct ordered *cells = calloc(run->matrix.count, sizeof(*cells));
    a->count = 0;
    a->pieces = calloc(most, sizeof(*a->pieces));
    a->trials = calloc(most, sizeof(*a->trials));
    bool good = cells != NULL && a->pieces != NULL && a->trials != NULL;
    size_t n = good ? order_cells(run, cells) : 0;
    for (size_t i = 0; i < n; i++) {
        unsigned trials = sim ? 1 : cells[i].trials;
        for (unsigned t = 0; t < cells[i].trials; t += trials) {
            a->pieces[a->count] = (struct agenda_piece){.cell = cells[i].cell, .trial = t};
            a->trials[a->count++] = trials;
        }
    }
    free(cells);
    return good ? 0 : -1;
}

void agenda_fini(struct agenda *a)
{
    free(a->pieces);
    free(a->trials);
    memset(a, 0, sizeof(*a));
}
