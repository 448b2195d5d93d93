#include "lab/report/population.h"

#include "lab/run/outlook.h"
#include "lab/run/spread.h"
#include "lab/stats.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "gateway=drop,link=20ms": what all cells of a stratum share. */
static void name_stratum(const struct run *run, size_t cell, char *out, size_t cap)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < run->scenario->axes.count; i++) {
        const struct axis *axis = &run->scenario->axes.items[i];
        if (axis_is_of_an_end(axis->kind))
            continue;
        int n = snprintf(out + used, cap - used, "%s%s=%s", used == 0 ? "" : ",", axis->name,
                         axis->values[run->matrix.cells[cell].values[i]]);
        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

static int fill(const struct run *run, const size_t *of, size_t k, bool *cells, struct stratum *out)
{
    double all = 0.0, udp = 0.0, joinable = 0.0;
    struct summary with_udp;
    for (size_t c = 0; c < run->matrix.count; c++) {
        double w = of[c] == k ? run->matrix.cells[c].weight : 0.0;
        cells[c] = of[c] == k;
        if (cells[c] && out->name[0] == '\0')
            name_stratum(run, c, out->name, sizeof(out->name));
        all += w;
        udp += run->outlook[c] != OUTLOOK_NO_UDP ? w : 0.0;
        joinable += run->outlook[c] == OUTLOOK_JOINABLE ? w : 0.0;
    }
    if (summary_of(run, cells, &out->summary) != 0)
        return -1;
    for (size_t c = 0; c < run->matrix.count; c++)
        cells[c] = cells[c] && run->outlook[c] != OUTLOOK_NO_UDP;
    if (summary_of(run, cells, &with_udp) != 0)
        return -1;
    out->udp = with_udp.rates[RATE_DIRECT];
    out->ceiling = all > 0.0 ? joinable / all : 0.0;
    out->udp_ceiling = udp > 0.0 ? joinable / udp : 0.0;
    return 0;
}

struct stratum *population_strata(const struct run *run, size_t *count)
{
    size_t *of = calloc(run->matrix.count, sizeof(*of));
    bool *cells = calloc(run->matrix.count, sizeof(*cells));
    struct stratum *all = NULL;
    *count = 0;
    if (of == NULL || cells == NULL)
        goto cleanup;
    size_t n = spread_strata(run->scenario, &run->matrix, of);
    all = calloc(n, sizeof(*all));
    for (size_t k = 0; all != NULL && k < n; k++) {
        if (fill(run, of, k, cells, &all[k]) == 0)
            continue;
        free(all);
        all = NULL;
    }
    *count = all != NULL ? n : 0;
cleanup:
    free(cells);
    free(of);
    return all;
}

/* "96.30% (95.91-96.66)" */
static const char *rate_text(const struct rate_summary *r, char out[48])
{
    double low, high;
    stats_wilson(r->good, r->of, &low, &high);
    if (r->of == 0)
        return "-";
    (void)snprintf(out, 48, "%.2f%% (%.2f-%.2f)", 100.0 * (double)r->good / (double)r->of,
                   100.0 * low, 100.0 * high);
    return out;
}

static void print_who(const struct run *run, const char *begin, FILE *out)
{
    const struct population *p = &run->scenario->population;
    for (size_t g = 0; g < p->count; g++) {
        const struct population_group *group = &p->groups[g];
        (void)fprintf(out, "%s%s %g%%:", begin, group->name, 100.0 * group->share);
        for (size_t i = 0; i < group->count; i++)
            (void)fprintf(out, "%s %s %g%%", i == 0 ? "" : ",", group->nats[i].name,
                          100.0 * group->nats[i].share);
        (void)fputc('\n', out);
    }
}

/* Calls of the k-th stratum with such a NAT at either end. */
static int rate_behind(const struct run *run, const char *nat, const size_t *of, size_t k,
                       bool *cells, struct rate_summary *out)
{
    struct summary s;
    for (size_t c = 0; c < run->matrix.count; c++) {
        const struct cell *cell = &run->matrix.cells[c];
        const char *a = matrix_value(run->scenario, cell, "a.nat");
        const char *b = matrix_value(run->scenario, cell, "b.nat");
        cells[c] =
            of[c] == k && a != NULL && b != NULL && (strcmp(a, nat) == 0 || strcmp(b, nat) == 0);
    }
    if (summary_of(run, cells, &s) != 0)
        return -1;
    *out = s.rates[RATE_DIRECT];
    return 0;
}

static int print_behind(const struct screen *s)
{
    const struct run *run = s->run;
    const struct population_nat *nats[AXIS_VALUES_MAX];
    size_t n = population_nats(&run->scenario->population, nats, AXIS_VALUES_MAX);
    bool *cells = calloc(run->matrix.count, sizeof(*cells));
    size_t *of = calloc(run->matrix.count, sizeof(*of));
    int rc = -1;
    if (cells == NULL || of == NULL)
        goto cleanup;
    size_t count = spread_strata(run->scenario, &run->matrix, of);
    (void)fprintf(s->out, "\n%-24s", "one end behind");
    for (size_t k = 0; k < count; k++)
        (void)fprintf(s->out, "%14zu  ", k + 1);
    (void)fputc('\n', s->out);
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(s->out, "  %-22.22s", nats[i]->name);
        for (size_t k = 0; k < count; k++) {
            struct rate_summary r;
            char text[400] = "-";
            if (rate_behind(run, nats[i]->name, of, k, cells, &r) != 0)
                goto cleanup;
            if (r.of > 0)
                (void)snprintf(text, sizeof(text), "%.1f%% of %" PRIu64,
                               100.0 * (double)r.good / (double)r.of, r.of);
            (void)fprintf(s->out, "%16s", text);
        }
        (void)fputc('\n', s->out);
    }
    rc = 0;
cleanup:
    free(of);
    free(cells);
    return rc;
}

int population_print(const struct screen *s)
{
    size_t count;
    char a[48], b[48];
    struct stratum *all = population_strata(s->run, &count);
    if (all == NULL)
        return -1;
    (void)fputc('\n', s->out);
    screen_paint(s, BOLD);
    (void)fprintf(s->out, "%s", s->run->scenario->name);
    screen_paint(s, PLAIN);
    (void)fputs("  direct calls of a population, with their 95% intervals; the ceiling is all but "
                "pairs that nothing joins\n",
                s->out);
    for (size_t k = 0; k < count; k++)
        (void)fprintf(s->out,
                      "%3zu %s\n      %6" PRIu64 " calls  %-24s ceiling %.2f%%    both with UDP "
                      "%-24s ceiling %.2f%%\n",
                      k + 1, all[k].name, all[k].summary.counted,
                      rate_text(&all[k].summary.rates[RATE_DIRECT], a), 100.0 * all[k].ceiling,
                      rate_text(&all[k].udp, b), 100.0 * all[k].udp_ceiling);
    int rc = print_behind(s);
    (void)fputs("\nan assumption, put together from published shares:\n", s->out);
    print_who(s->run, "  ", s->out);
    free(all);
    return rc;
}

int population_markdown(const struct run *run, FILE *out)
{
    size_t count;
    char a[48], b[48];
    struct stratum *all = population_strata(run, &count);
    if (all == NULL)
        return -1;
    (void)fputs("\n| both ends drawn | calls | direct | ceiling | both with UDP | ceiling |\n"
                "|---|---|---|---|---|---|\n",
                out);
    for (size_t k = 0; k < count; k++)
        (void)fprintf(out, "| %s | %" PRIu64 " | %s | %.2f%% | %s | %.2f%% |\n", all[k].name,
                      all[k].summary.counted, rate_text(&all[k].summary.rates[RATE_DIRECT], a),
                      100.0 * all[k].ceiling, rate_text(&all[k].udp, b),
                      100.0 * all[k].udp_ceiling);
    (void)fputs("\nThe population, an assumption put together from published shares:\n\n", out);
    print_who(run, "- ", out);
    free(all);
    return 0;
}

static json_t *rounded(double v)
{
    return json_real(round(v * 10000.0) / 10000.0);
}

static json_t *rate_json(const struct rate_summary *r, double ceiling)
{
    double low, high;
    json_t *o = json_object();
    stats_wilson(r->good, r->of, &low, &high);
    json_object_set_new(o, "direct", json_integer((json_int_t)r->good));
    json_object_set_new(o, "of", json_integer((json_int_t)r->of));
    json_object_set_new(o, "rate",
                        r->of > 0 ? rounded((double)r->good / (double)r->of) : json_null());
    json_object_set_new(o, "low", rounded(low));
    json_object_set_new(o, "high", rounded(high));
    json_object_set_new(o, "ceiling", rounded(ceiling));
    return o;
}

json_t *population_json(const struct run *run)
{
    size_t count;
    struct stratum *all = population_strata(run, &count);
    if (all == NULL)
        return NULL;
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++) {
        json_t *o = json_object();
        json_object_set_new(o, "stratum", json_string(all[k].name));
        json_object_set_new(o, "all",
                            rate_json(&all[k].summary.rates[RATE_DIRECT], all[k].ceiling));
        json_object_set_new(o, "both_with_udp", rate_json(&all[k].udp, all[k].udp_ceiling));
        json_array_append_new(list, o);
    }
    free(all);
    return list;
}
