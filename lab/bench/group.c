/* The cells of a sweep, in groups. */
#include "lab/bench/sweep_private.h"
#include "lab/stats.h"

#include <stdlib.h>
#include <string.h>

static bool varies(const struct run *run, size_t axis)
{
    for (size_t c = 1; c < run->matrix.count; c++)
        if (run->matrix.cells[c].values[axis] != run->matrix.cells[0].values[axis])
            return true;
    return false;
}

size_t group_first(const struct run *run, size_t cell, size_t along, size_t also)
{
    for (size_t c = 0; c < cell; c++) {
        bool same = true;
        for (size_t i = 0; i < run->scenario->axes.count && same; i++)
            same = i == along || i == also ||
                   run->matrix.cells[c].values[i] == run->matrix.cells[cell].values[i];
        if (same)
            return c;
    }
    return cell;
}

static void name(const struct run *run, size_t cell, size_t along, size_t also, char *out,
                 size_t cap)
{
    const struct axes *axes = &run->scenario->axes;
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < axes->count && used < cap; i++) {
        const struct axis *a = &axes->items[i];
        if (i == along || i == also || (!varies(run, i) && a->kind != AXIS_NAT))
            continue;
        int n = snprintf(out + used, cap - used, "%s%s=%s", used == 0 ? "" : " ", a->name,
                         a->values[run->matrix.cells[cell].values[i]]);
        used += n > 0 ? (size_t)n : 0;
    }
}

int group_add(const struct run *run, size_t cell, size_t along, size_t also, struct sheet *out,
              struct sheet_table **table, struct chart **chart)
{
    char text[2 * SHEET_TEXT_MAX];
    name(run, cell, along, also, text, sizeof(text));
    *table = sheet_table(out, text);
    *chart = sheet_chart(out, text);
    return *table != NULL && *chart != NULL ? 0 : -1;
}

uint32_t number_of(const struct run *run, size_t cell, const char *axis, uint32_t otherwise)
{
    const char *text = matrix_value(run->scenario, &run->matrix.cells[cell], axis);
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

size_t counted(const struct run *run, size_t cell)
{
    size_t n = 0;
    for (unsigned t = 0; t < run_trials(run, cell); t++)
        n += record_is_counted(run_record(run, cell, t)) ? 1 : 0;
    return n;
}

const char *share_text(size_t k, size_t n, char out[64])
{
    double low, high;
    if (n == 0)
        return "-";
    stats_wilson(k, n, &low, &high);
    (void)snprintf(out, 64, "%.1f%% (%.1f-%.1f)", 100.0 * (double)k / (double)n, 100.0 * low,
                   100.0 * high);
    return out;
}
