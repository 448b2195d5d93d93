#include "lab/run/expectation.h"

#include "lab/stats.h"

#include <stdio.h>
#include <string.h>

bool expectation_is_comparison(const struct expectation *e)
{
    return e->not_slower_than.count > 0;
}

/* Appends to the text that people read. */
__attribute__((format(printf, 2, 3))) static void say(struct expectation *e, const char *fmt, ...)
{
    size_t len = strlen(e->text);
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(e->text + len, sizeof(e->text) - len, fmt, ap) < 0)
        e->text[len] = '\0';
    va_end(ap);
}

static void say_when(struct expectation *e, const struct axes *axes)
{
    for (size_t i = 0; i < e->when.count; i++) {
        const struct yaml_node *v = e->when.terms[i].values;
        say(e, "%s%s=", i == 0 ? "" : ",", axes->items[e->when.terms[i].axis].name);
        if (v->type == YAML_SCALAR)
            say(e, "%s", v->scalar);
        for (size_t k = 0; v->type == YAML_SEQUENCE && k < v->count; k++)
            say(e, "%s%s", k == 0 ? "" : "|", v->items[k]->scalar);
    }
    if (e->when.count > 0)
        say(e, ": ");
}

static int read_limit(struct yaml_node *map, const char *key, ph_ns *out, struct expectation *e,
                      struct lab_error *err)
{
    *out = PH_NEVER;
    struct yaml_node *n = yaml_get(map, key);
    if (n == NULL)
        return 0;
    if (yaml_duration(n, key, out, err) != 0)
        return -1;
    if (strcmp(key, "at_most") == 0)
        say(e, " at most %s in each trial", n->scalar);
    else
        say(e, " %s at most %s", key, n->scalar);
    return 0;
}

/* One value of an axis, not a pattern. */
static int read_counterpart_term(const struct yaml_node *map, const struct yaml_pair *pair,
                                 const struct axes *axes, struct expectation *e,
                                 struct lab_error *err)
{
    struct yaml_node *v = pair->value;
    size_t a;
    if (axes_find_key(axes, map, pair, &a, err) != 0)
        return -1;
    const struct axis *axis = &axes->items[a];
    if (v->type != YAML_SCALAR)
        return yaml_fail(v, err, "%s must have one value here: whom is it compared with?",
                         axis->name);
    for (size_t i = 0; i < axis->count; i++) {
        if (strcmp(axis->values[i], v->scalar) != 0)
            continue;
        e->not_slower_than.terms[e->not_slower_than.count].axis = a;
        e->not_slower_than.terms[e->not_slower_than.count++].value = (uint16_t)i;
        say(e, "%s%s=%s", e->not_slower_than.count == 1 ? "" : ",", axis->name, v->scalar);
        return 0;
    }
    return axis_no_value(axis, v, v->scalar, err);
}

/* {when: ..., time: media, not_slower_than: {port_mapping: off}, within: 2ms, or: 2%} */
static int read_comparison(struct yaml_node *map, const struct axes *axes, struct expectation *e,
                           struct lab_error *err)
{
    static const char *const known[] = {"when", "time", "not_slower_than", "within", "or", NULL};
    struct yaml_node *n = yaml_get(map, "not_slower_than");
    if (n->type != YAML_MAPPING || n->count == 0)
        return yaml_fail(n, err,
                         "not_slower_than must say what the other cells have, such as {link: 0ms}");
    say(e, " p50 not above that of ");
    for (size_t i = 0; i < n->count; i++)
        if (read_counterpart_term(n, &n->pairs[i], axes, e, err) != 0)
            return -1;
    struct yaml_node *within = yaml_get(map, "within"), *share = yaml_get(map, "or");
    if (within != NULL && yaml_duration(within, "within", &e->within, err) != 0)
        return -1;
    if (share != NULL && yaml_percent(share, "or", &e->or_share, err) != 0)
        return -1;
    if (within == NULL && share == NULL)
        return yaml_fail(map, err,
                         "not_slower_than needs `within: 2ms`, `or: 2%%`, or both: no two medians "
                         "are the same");
    say(e, " by more than %s%s%s", within != NULL ? within->scalar : "",
        within != NULL && share != NULL ? " and " : "", share != NULL ? share->scalar : "");
    return yaml_finish(map, known, err);
}

/* What is there of each kind. */
static const struct {
    const char *name;
    int count;
} kinds[] = {
    [EXPECTATION_RATE] = {"rate", RATE_COUNT},
    [EXPECTATION_TIME] = {"time", SUBJECT_TIME_COUNT},
    [EXPECTATION_COUNT] = {"count", SUBJECT_COUNT_COUNT},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *name_of(enum expectation_kind kind, int i)
{
    return kind == EXPECTATION_RATE   ? rate_name((enum rate)i)
           : kind == EXPECTATION_TIME ? subject_time_name((enum subject_time)i)
                                      : subject_count_name((enum subject_count)i);
}

static bool has(enum subject subject, enum expectation_kind kind, int i)
{
    return kind == EXPECTATION_RATE   ? subject_has_rate(subject, (enum rate)i)
           : kind == EXPECTATION_TIME ? subject_has_time(subject, (enum subject_time)i)
                                      : subject_has_count(subject, (enum subject_count)i);
}

/* The names that the subject has, for a complaint. */
static void list_names(enum subject subject, enum expectation_kind kind, char *out, size_t cap)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < kinds[kind].count; i++) {
        if (!has(subject, kind, i))
            continue;
        int n = snprintf(out + used, cap - used, "%s%s", used == 0 ? "" : ", ", name_of(kind, i));
        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

/* Which of its kind it is: its name has to be one, and of one that the subject has. */
static int read_which(struct yaml_node *map, enum expectation_kind kind, enum subject subject,
                      int *index, struct lab_error *err)
{
    const char *names[RATE_COUNT];
    _Static_assert((int)SUBJECT_TIME_COUNT <= (int)RATE_COUNT &&
                       (int)SUBJECT_COUNT_COUNT <= (int)RATE_COUNT,
                   "there are more rates than anything else");
    char list[600];
    struct yaml_node *n = yaml_get(map, kinds[kind].name);
    for (int i = 0; i < kinds[kind].count; i++)
        names[i] = name_of(kind, i);
    if (yaml_enum(n, kinds[kind].name, names, (size_t)kinds[kind].count, index, err) != 0)
        return -1;
    if (has(subject, kind, *index))
        return 0;
    list_names(subject, kind, list, sizeof(list));
    return yaml_fail(n, err, "subject %s has no %s \"%s\"%s%s", subject_name(subject),
                     kinds[kind].name, n->scalar, list[0] != '\0' ? "; it has: " : "", list);
}

static int read_time(struct yaml_node *map, const struct axes *axes, enum subject subject,
                     struct expectation *e, struct lab_error *err)
{
    static const char *const known[] = {"when", "time", "pool",    "p50",
                                        "p95",  "p99",  "at_most", NULL};
    int index = 0;
    if (read_which(map, EXPECTATION_TIME, subject, &index, err) != 0)
        return -1;
    e->time = (enum subject_time)index;
    say(e, "time %s%s", e->time <= SUBJECT_TIME_MEDIA ? "to " : "of ", subject_time_name(e->time));
    if (yaml_get(map, "not_slower_than") != NULL)
        return read_comparison(map, axes, e, err);
    if (read_limit(map, "at_most", &e->each, e, err) != 0 ||
        read_limit(map, "p50", &e->p50, e, err) != 0 ||
        read_limit(map, "p95", &e->p95, e, err) != 0 ||
        read_limit(map, "p99", &e->p99, e, err) != 0)
        return -1;
    if (yaml_finish(map, known, err) != 0)
        return -1;
    if (e->p50 == PH_NEVER && e->p95 == PH_NEVER && e->p99 == PH_NEVER && e->each == PH_NEVER)
        return yaml_fail(map, err,
                         "a time is expected, but neither at_most, p50, p95, p99 nor "
                         "not_slower_than says how much");
    return 0;
}

static int read_count_limit(struct yaml_node *map, const char *key, uint32_t *out,
                            struct expectation *e, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, key);
    int64_t v = 0;
    if (n == NULL)
        return 0;
    if (yaml_int(n, key, 0, 1000000000, &v, err) != 0)
        return -1;
    *out = (uint32_t)v;
    if (strcmp(key, "at_most") == 0)
        say(e, " at most %s in each trial", n->scalar);
    else
        say(e, " %s at most %s", key, n->scalar);
    return 0;
}

/* {when: ..., count: probes, at_most: 1200, p95: 800} */
static int read_count(struct yaml_node *map, enum subject subject, struct expectation *e,
                      struct lab_error *err)
{
    static const char *const known[] = {"when", "count", "pool",    "p50",
                                        "p95",  "p99",   "at_most", NULL};
    int index = 0;
    if (read_which(map, EXPECTATION_COUNT, subject, &index, err) != 0)
        return -1;
    e->count = (enum subject_count)index;
    say(e, "%s", subject_count_name(e->count));
    if (read_count_limit(map, "at_most", &e->limits.each, e, err) != 0 ||
        read_count_limit(map, "p50", &e->limits.p50, e, err) != 0 ||
        read_count_limit(map, "p95", &e->limits.p95, e, err) != 0 ||
        read_count_limit(map, "p99", &e->limits.p99, e, err) != 0 ||
        yaml_finish(map, known, err) != 0)
        return -1;
    if (e->limits.each == EXPECTATION_NO_LIMIT && e->limits.p50 == EXPECTATION_NO_LIMIT &&
        e->limits.p95 == EXPECTATION_NO_LIMIT && e->limits.p99 == EXPECTATION_NO_LIMIT)
        return yaml_fail(
            map, err, "a count is expected, but neither at_most, p50, p95 nor p99 says how many");
    return 0;
}

static int read_is(struct yaml_node *n, struct expectation *e, struct lab_error *err)
{
    static const char *const words[] = {"all", "none"};
    int index = 0;
    if (n == NULL)
        return 0;
    if (yaml_enum(n, "is", words, 2, &index, err) != 0)
        return -1;
    e->is = index == 0 ? EXPECT_IS_ALL : EXPECT_IS_NONE;
    say(e, " in %s", index == 0 ? "all trials" : "no trial");
    return 0;
}

static int read_share(struct yaml_node *map, const char *key, double min, double max,
                      const char *words, double *out, struct expectation *e, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, key);
    if (n == NULL)
        return 0;
    if (yaml_number(n, key, min, max, out, err) != 0)
        return -1;
    say(e, " %s %s%s", words, n->scalar, strcmp(key, "at_least") == 0 ? "" : " in each cell");
    return 0;
}

static int check_shares(struct yaml_node *map, const struct expectation *e, struct lab_error *err)
{
    bool has_least = e->at_least > 0.0 || e->observed > 0.0, has_most = e->at_most < 1.0;
    if (e->is == EXPECT_IS_UNSET && !has_least && !has_most)
        return yaml_fail(map, err,
                         "a rate is expected, but neither is, at_least, observed nor "
                         "observed_at_most says which");
    if (e->is == EXPECT_IS_NONE && has_least)
        return yaml_fail(map, err, "`is: none` and a share above 0 cannot both be");
    if (e->is == EXPECT_IS_ALL && has_most)
        return yaml_fail(map, err, "`is: all` and a share below 1 cannot both be");
    if (has_most && (e->at_least > e->at_most || e->observed > e->at_most))
        return yaml_fail(map, err, "the least share is above observed_at_most");
    return 0;
}

static int read_rate(struct yaml_node *map, enum subject subject, struct expectation *e,
                     struct lab_error *err)
{
    static const char *const known[] = {
        "when", "rate", "pool", "is", "at_least", "observed", "observed_at_most", NULL};
    int index = 0;
    if (read_which(map, EXPECTATION_RATE, subject, &index, err) != 0)
        return -1;
    e->rate = (enum rate)index;
    say(e, "%s", rate_name(e->rate));
    if (read_is(yaml_get(map, "is"), e, err) != 0 ||
        read_share(map, "at_least", 0.001, 0.9999, "at least", &e->at_least, e, err) != 0 ||
        read_share(map, "observed", 0.001, 1.0, "observed at least", &e->observed, e, err) != 0 ||
        read_share(map, "observed_at_most", 0.0, 0.9999, "observed at most", &e->at_most, e, err) !=
            0)
        return -1;
    if (yaml_finish(map, known, err) != 0)
        return -1;
    return check_shares(map, e, err);
}

static int refuse_nothing(struct yaml_node *map, enum subject subject, struct lab_error *err)
{
    static const char *const known[] = {"when",
                                        "rate",
                                        "time",
                                        "count",
                                        "pool",
                                        "is",
                                        "at_least",
                                        "observed",
                                        "observed_at_most",
                                        "at_most",
                                        "within",
                                        "or",
                                        "p50",
                                        "p95",
                                        "p99",
                                        "not_slower_than",
                                        NULL};
    char lists[KINDS][600];
    if (yaml_finish(map, known, err) != 0)
        return -1;
    for (size_t i = 0; i < KINDS; i++)
        list_names(subject, (enum expectation_kind)i, lists[i], sizeof(lists[i]));
    const char *count = lists[EXPECTATION_COUNT];
    return yaml_fail(map, err, "an expectation names a rate (%s)%s a time (%s)%s%s%s",
                     lists[EXPECTATION_RATE], count[0] != '\0' ? "," : " or",
                     lists[EXPECTATION_TIME], count[0] != '\0' ? " or a count (" : "", count,
                     count[0] != '\0' ? ")" : "");
}

int expectation_read(struct yaml_node *map, const struct axes *axes, enum subject subject,
                     struct expectation *out, struct lab_error *err)
{
    memset(out, 0, sizeof(*out));
    out->at = map;
    out->at_most = 1.0;
    out->p50 = out->p95 = out->p99 = out->each = PH_NEVER;
    out->limits.p50 = out->limits.p95 = out->limits.p99 = out->limits.each = EXPECTATION_NO_LIMIT;
    if (map->type != YAML_MAPPING)
        return yaml_fail(map, err, "an expectation must be a mapping such as {rate: %s, is: all}",
                         subject == SUBJECT_PINHOLE ? "connected" : "released");
    struct yaml_node *n = yaml_get(map, "when");
    if (n != NULL && match_read(n, axes, &out->when, err) != 0)
        return -1;
    say_when(out, axes);
    size_t named = 0;
    for (size_t i = 0; i < KINDS; i++) {
        if (yaml_get(map, kinds[i].name) == NULL)
            continue;
        out->kind = (enum expectation_kind)i;
        named++;
    }
    if (named > 1)
        return yaml_fail(map, err, "an expectation is of a rate, a time or a count, not of two");
    if (named == 0)
        return refuse_nothing(map, subject, err);
    n = yaml_get(map, "pool");
    if (n != NULL && yaml_bool(n, "pool", &out->pool, err) != 0)
        return -1;
    int rc = out->kind == EXPECTATION_TIME    ? read_time(map, axes, subject, out, err)
             : out->kind == EXPECTATION_COUNT ? read_count(map, subject, out, err)
                                              : read_rate(map, subject, out, err);
    if (rc != 0)
        return -1;
    if (out->pool)
        say(out, ", pooled");
    return 0;
}

int expectation_check_reach(const struct expectation *e, uint64_t trials, size_t cells,
                            struct lab_error *err)
{
    if (cells == 0)
        return yaml_fail(e->at, err, "no cell of the matrix is meant by this expectation");
    if (!(e->at_least > 0.0))
        return 0;
    double low, high;
    stats_wilson(trials, trials, &low, &high);
    if (low >= e->at_least)
        return 0;
    return yaml_fail(e->at, err,
                     "at_least %g cannot be reached: the 95%% interval of %llu trials that are all "
                     "good begins at %.3f; %llu trials would do%s",
                     e->at_least, (unsigned long long)trials, low,
                     (unsigned long long)stats_wilson_trials(e->at_least),
                     e->pool ? "" : ", or pool: true over more cells");
}
