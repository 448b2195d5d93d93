#include "lab/run/spread.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_stratum(const struct scenario *s, const struct cell *x, const struct cell *y)
{
    for (size_t i = 0; i < s->axes.count; i++)
        if (!axis_is_of_an_end(s->axes.items[i].kind) && x->values[i] != y->values[i])
            return false;
    return true;
}

size_t spread_strata(const struct scenario *s, const struct matrix *m, size_t *of)
{
    size_t count = 0;
    for (size_t c = 0; c < m->count; c++) {
        size_t k = 0;
        /* Neighbours in the matrix differ in its last axes, so the search is short or long. */
        while (k < c && !same_stratum(s, &m->cells[k], &m->cells[c]))
            k++;
        of[c] = k < c ? of[k] : count++;
    }
    return count;
}

static double side_share(const struct scenario *s, const struct cell *cell, char side,
                         double mapping)
{
    char nat_axis[] = "?.nat", router_axis[] = "?.port_mapping";
    nat_axis[0] = router_axis[0] = side;
    const char *nat = matrix_value(s, cell, nat_axis);
    const char *router = matrix_value(s, cell, router_axis);
    if (nat == NULL)
        return 0.0;
    bool maps = router != NULL && strcmp(router, "none") != 0;
    return population_share(&s->population, nat, maps, mapping);
}

double spread_weight(const struct scenario *s, const struct cell *cell)
{
    const char *share = matrix_value(s, cell, "mapping_routers");
    double mapping = share != NULL ? strtod(share, NULL) / 100.0 : 0.0;
    return side_share(s, cell, 'a', mapping) * side_share(s, cell, 'b', mapping);
}

/* Where the draw begins: anywhere in [0, 1), and another place for each stratum. */
static double start_of(const struct scenario *s, uint64_t seed, size_t stratum)
{
    uint64_t parts[2] = {seed, stratum};
    uint64_t h = ph_hash64(ph_hash64(5, s->name, strlen(s->name)), parts, sizeof(parts));
    return (double)(h >> 11) / (double)(1ull << 53);
}

static void deal(struct matrix *m, const size_t *of, size_t stratum, unsigned trials, double start)
{
    double total = 0.0, sum = 0.0;
    for (size_t c = 0; c < m->count; c++)
        total += of[c] == stratum ? m->cells[c].weight : 0.0;
    for (size_t c = 0; c < m->count; c++) {
        if (of[c] != stratum)
            continue;
        double before = floor(sum / total * trials + start);
        sum += m->cells[c].weight;
        m->cells[c].trials = (unsigned)(floor(sum / total * trials + start) - before);
    }
}

int spread_trials(const struct scenario *s, struct matrix *m, unsigned trials, uint64_t seed)
{
    if (s->population.count == 0) {
        for (size_t c = 0; c < m->count; c++)
            m->cells[c].trials = trials;
        return 0;
    }
    size_t *of = calloc(m->count + 1, sizeof(*of));
    if (of == NULL)
        return -1;
    size_t strata = spread_strata(s, m, of);
    for (size_t k = 0; k < strata; k++)
        deal(m, of, k, trials, start_of(s, seed, k));
    free(of);
    return 0;
}
