/* Typed reads of what lab/yaml.c has loaded, each with its complaint. */
#include "lab/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64 /* longer words are nobody's misspelling */

int yaml_fail(const struct yaml_node *at, struct lab_error *err, const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
        text[0] = '\0';
    va_end(ap);
    return lab_fail(err, LAB_USAGE, "%s:%u:%u: %s", at->file, at->line, at->column, text);
}

const char *yaml_unplaced(const char *text)
{
    /* Files' names may have colons: the first ":LINE:COLUMN: " counts. */
    for (const char *c = strchr(text, ':'); c != NULL; c = strchr(c + 1, ':')) {
        size_t line = strspn(c + 1, "0123456789");
        if (line == 0 || c[1 + line] != ':')
            continue;
        size_t column = strspn(c + 2 + line, "0123456789");
        const char *end = c + 2 + line + column;
        if (column > 0 && strncmp(end, ": ", 2) == 0)
            return end + 2;
    }
    return text;
}

struct yaml_node *yaml_get(struct yaml_node *map, const char *key)
{
    if (map == NULL || map->type != YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->pairs[i].key, key) == 0) {
            map->pairs[i].used = true;
            return map->pairs[i].value;
        }
    }
    return NULL;
}

/* Optimal string alignment distance: like Levenshtein's, and a swap of two letters is one step. */
static size_t distance(const char *a, size_t la, const char *b, size_t lb)
{
    size_t row[3][WORD_MAX + 1];
    for (size_t j = 0; j <= lb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[la % 3][lb];
}

const char *yaml_nearest(const char *word, const char *const *known, size_t count)
{
    size_t len = strlen(word);
    if (len == 0 || len > WORD_MAX)
        return NULL;
    const char *nearest = NULL;
    size_t best = len < 4 ? 1 : len < 8 ? 2 : 3;
    for (size_t i = 0; i < count; i++) {
        size_t kl = strlen(known[i]);
        if (kl == 0 || kl > WORD_MAX)
            continue;
        size_t d = distance(word, len, known[i], kl);
        /* A beginning of a known word is near, however much is missing. */
        if (len >= 3 && strncmp(known[i], word, len) == 0 && d > 1)
            d = 1;
        if (d < best || (d == best && nearest == NULL)) {
            best = d;
            nearest = known[i];
        }
    }
    return nearest;
}

static void join(const char *const *names, size_t count, char *out, size_t cap)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && at < cap; i++) {
        int n = snprintf(out + at, cap - at, "%s%s", i == 0 ? "" : ", ", names[i]);
        if (n < 0)
            return;
        at += (size_t)n;
    }
}

int yaml_finish(struct yaml_node *map, const char *const *known, struct lab_error *err)
{
    size_t count = 0;
    while (known[count] != NULL)
        count++;
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_pair *p = &map->pairs[i];
        bool is_known = p->used;
        for (size_t k = 0; k < count && !is_known; k++)
            is_known = strcmp(p->key, known[k]) == 0;
        if (is_known)
            continue;
        const char *near = yaml_nearest(p->key, known, count);
        if (near != NULL)
            return lab_fail(err, LAB_USAGE, "%s:%u:%u: unknown key \"%s\"; did you mean \"%s\"?",
                            map->file, p->line, p->column, p->key, near);
        char list[512];
        join(known, count, list, sizeof(list));
        return lab_fail(err, LAB_USAGE, "%s:%u:%u: unknown key \"%s\"; known are: %s", map->file,
                        p->line, p->column, p->key, list);
    }
    return 0;
}

static int wrong(struct yaml_node *n, const char *what, const char *right, struct lab_error *err)
{
    static const char *const types[] = {"a single value", "a list", "a mapping"};
    if (n->type != YAML_SCALAR)
        return yaml_fail(n, err, "%s is %s; it must be %s", what, types[n->type], right);
    if (n->scalar[0] == '\0')
        return yaml_fail(n, err, "%s has no value; it must be %s", what, right);
    return yaml_fail(n, err, "%s is \"%.80s\"; it must be %s", what, n->scalar, right);
}

int yaml_string(struct yaml_node *n, const char *what, char *out, size_t cap, struct lab_error *e)
{
    if (n->type != YAML_SCALAR || n->scalar[0] == '\0')
        return wrong(n, what, "a word", e);
    size_t len = strlen(n->scalar);
    if (len >= cap)
        return yaml_fail(n, e, "%s is %zu characters long; %zu are the most", what, len, cap - 1);
    memcpy(out, n->scalar, len + 1);
    return 0;
}

int yaml_int(struct yaml_node *n, const char *what, int64_t min, int64_t max, int64_t *out,
             struct lab_error *err)
{
    char right[96];
    if (snprintf(right, sizeof(right), "a whole number from %lld to %lld", (long long)min,
                 (long long)max) < 0)
        right[0] = '\0';
    if (n->type != YAML_SCALAR)
        return wrong(n, what, right, err);
    const char *s = n->scalar;
    size_t sign = s[0] == '-' ? 1 : 0;
    if (s[sign] == '\0' || strspn(s + sign, "0123456789") != strlen(s + sign))
        return wrong(n, what, right, err);
    errno = 0;
    long long v = strtoll(s, NULL, 10);
    if (errno != 0 || v < min || v > max)
        return wrong(n, what, right, err);
    *out = v;
    return 0;
}

/* Reads "12", "1.5" as billionths and says where the text goes on; false when it is no such number
 * or one beyond 18 billion. Exact, and free of any locale. */
static bool read_billionths(const char *s, uint64_t *out, const char **rest)
{
    const uint64_t unit = 1000000000u;
    uint64_t whole = 0, part = 0, scale = unit;
    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        whole = whole * 10 + (uint64_t)(*s - '0');
        if (whole > UINT64_MAX / unit - 1)
            return false;
    }
    if (*s == '.') {
        s++;
        if (*s < '0' || *s > '9')
            return false;
        for (; *s >= '0' && *s <= '9'; s++) {
            scale /= 10;
            part += (uint64_t)(*s - '0') * scale;
        }
    }
    *out = whole * unit + part;
    *rest = s;
    return true;
}

int yaml_number(struct yaml_node *n, const char *what, double min, double max, double *out,
                struct lab_error *err)
{
    char right[96];
    if (snprintf(right, sizeof(right), "a number from %g to %g", min, max) < 0)
        right[0] = '\0';
    if (n->type != YAML_SCALAR)
        return wrong(n, what, right, err);
    uint64_t v = 0;
    const char *rest = "";
    bool minus = n->scalar[0] == '-';
    if (!read_billionths(n->scalar + (minus ? 1 : 0), &v, &rest) || rest[0] != '\0')
        return wrong(n, what, right, err);
    double d = (double)v / 1e9;
    if (minus)
        d = -d;
    if (d < min || d > max)
        return wrong(n, what, right, err);
    *out = d;
    return 0;
}

int yaml_bool(struct yaml_node *n, const char *what, bool *out, struct lab_error *err)
{
    if (n->type != YAML_SCALAR ||
        (strcmp(n->scalar, "true") != 0 && strcmp(n->scalar, "false") != 0))
        return wrong(n, what, "true or false", err);
    *out = n->scalar[0] == 't';
    return 0;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* The factor of the unit that the text is, or 0. */
static uint64_t factor_of(const char *text, const struct unit *units, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, units[i].name) == 0)
            return units[i].factor;
    return 0;
}

/* billionths * factor / 1e9, by halves so that nothing overflows; false when above max. */
static bool scaled(uint64_t billionths, uint64_t factor, uint64_t max, uint64_t *out)
{
    uint64_t whole = billionths / 1000000000u, part = billionths % 1000000000u;
    if (whole != 0 && factor > max / whole)
        return false;
    *out = whole * factor + (uint64_t)((double)part * (double)factor / 1e9 + 0.5);
    return *out <= max;
}

int yaml_duration(struct yaml_node *n, const char *what, uint64_t *out_ns, struct lab_error *err)
{
    static const struct unit units[] = {{"ns", 1},           {"us", 1000},
                                        {"ms", 1000000},     {"s", 1000000000},
                                        {"m", 60000000000u}, {"h", 3600000000000u}};
    static const char right[] = "a time such as 20ms, 1.5s, 2m (a week at the most)";
    const uint64_t week = 7u * 24u * 3600000000000u;
    uint64_t v = 0;
    const char *rest = "";
    if (n->type != YAML_SCALAR || !read_billionths(n->scalar, &v, &rest))
        return wrong(n, what, right, err);
    if (rest[0] == '\0' && v == 0) {
        *out_ns = 0;
        return 0;
    }
    uint64_t factor = factor_of(rest, units, sizeof(units) / sizeof(units[0]));
    if (factor == 0 || !scaled(v, factor, week, out_ns))
        return wrong(n, what, right, err);
    return 0;
}

int yaml_percent(struct yaml_node *n, const char *what, double *out, struct lab_error *err)
{
    static const char right[] = "a percentage such as 1% or 0.5%, at most 100%";
    uint64_t v = 0;
    const char *rest = "";
    if (n->type != YAML_SCALAR || !read_billionths(n->scalar, &v, &rest) ||
        v > 100 * (uint64_t)1000000000u)
        return wrong(n, what, right, err);
    if (strcmp(rest, "%") != 0 && !(rest[0] == '\0' && v == 0))
        return wrong(n, what, right, err);
    *out = (double)v / 1e11;
    return 0;
}

int yaml_rate(struct yaml_node *n, const char *what, uint64_t *out, struct lab_error *err)
{
    static const struct unit units[] = {
        {"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}};
    static const char right[] = "a rate such as 512kbit or 10mbit, or 0 for no limit";
    uint64_t v = 0;
    const char *rest = "";
    if (n->type != YAML_SCALAR || !read_billionths(n->scalar, &v, &rest))
        return wrong(n, what, right, err);
    if (rest[0] == '\0' && v == 0) {
        *out = 0;
        return 0;
    }
    uint64_t factor = factor_of(rest, units, sizeof(units) / sizeof(units[0]));
    if (factor == 0 || !scaled(v, factor, 1000000000000u, out))
        return wrong(n, what, right, err);
    return 0;
}

const char *yaml_hint(const char *word, const char *const *known, size_t count,
                      char out[YAML_HINT_MAX])
{
    const char *near = yaml_nearest(word, known, count);
    out[0] = '\0';
    if (near != NULL)
        (void)snprintf(out, YAML_HINT_MAX, "; did you mean \"%s\"?", near);
    return out;
}

int yaml_enum(struct yaml_node *n, const char *what, const char *const *names, size_t count,
              int *out, struct lab_error *err)
{
    char list[512], right[600];
    join(names, count, list, sizeof(list));
    if (snprintf(right, sizeof(right), "one of: %s", list) < 0)
        right[0] = '\0';
    if (n->type != YAML_SCALAR)
        return wrong(n, what, right, err);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], n->scalar) == 0) {
            *out = (int)i;
            return 0;
        }
    }
    const char *near = yaml_nearest(n->scalar, names, count);
    if (near != NULL)
        return yaml_fail(n, err, "%s is \"%.80s\"; did you mean \"%s\"? Known are: %s", what,
                         n->scalar, near, list);
    return wrong(n, what, right, err);
}
