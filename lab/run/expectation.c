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
    say(e, " %s at most %s", key, n->scalar);
    return 0;
}

/* One value of an axis, not a pattern. */
static int read_counterpart_term(const struct yaml_node *map, const struct yaml_pair *pair,
                                 const struct axes *axes, struct expectation *e,
                                 struct lab_error *err)
{
    const char *known[AXIS_VALUES_MAX > AXES_MAX ? AXIS_VALUES_MAX : AXES_MAX];
    struct yaml_node at = {.file = map->file, .line = pair->line, .column = pair->column};
    struct yaml_node *v = pair->value;
    size_t a = axes_find(axes, pair->key);
    if (a == SIZE_MAX)
        return yaml_fail(&at, err, "\"%s\" is no axis of this matrix", pair->key);
    const struct axis *axis = &axes->items[a];
    if (v->type != YAML_SCALAR)
        return yaml_fail(v, err, "%s must have one value here: whom is it compared with?",
                         axis->name);
    for (size_t i = 0; i < axis->count; i++) {
        known[i] = axis->values[i];
        if (strcmp(axis->values[i], v->scalar) != 0)
            continue;
        e->not_slower_than.terms[e->not_slower_than.count].axis = a;
        e->not_slower_than.terms[e->not_slower_than.count++].value = (uint16_t)i;
        say(e, "%s%s=%s", e->not_slower_than.count == 1 ? "" : ",", axis->name, v->scalar);
        return 0;
    }
    const char *near = yaml_nearest(v->scalar, known, axis->count);
    return yaml_fail(v, err, "%s has no value \"%s\" in this matrix%s%s%s", axis->name, v->scalar,
                     near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                     near != NULL ? "\"?" : "");
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

/* The names out of 0..count that the subject has, for a complaint. */
static void list_names(enum subject subject, bool times, char *out, size_t cap)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < (times ? (int)SUBJECT_TIME_COUNT : (int)RATE_COUNT); i++) {
        if (times ? !subject_has_time(subject, (enum subject_time)i)
                  : !subject_has_rate(subject, (enum rate)i))
            continue;
        int n = snprintf(out + used, cap - used, "%s%s", used == 0 ? "" : ", ",
                         times ? subject_time_name((enum subject_time)i) : rate_name((enum rate)i));
        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

static int refuse_foreign(const struct yaml_node *n, enum subject subject, bool is_time,
                          struct lab_error *err)
{
    char list[400];
    list_names(subject, is_time, list, sizeof(list));
    return yaml_fail(n, err, "subject %s has no %s \"%s\"; it has: %s", subject_name(subject),
                     is_time ? "time" : "rate", n->scalar, list);
}

static int read_time(struct yaml_node *map, const struct axes *axes, enum subject subject,
                     struct expectation *e, struct lab_error *err)
{
    static const char *const known[] = {"when", "time", "pool", "p50", "p95", "p99", NULL};
    const char *times[SUBJECT_TIME_COUNT];
    struct yaml_node *n = yaml_get(map, "time");
    int index = 0;
    for (int i = 0; i < SUBJECT_TIME_COUNT; i++)
        times[i] = subject_time_name((enum subject_time)i);
    if (yaml_enum(n, "time", times, SUBJECT_TIME_COUNT, &index, err) != 0)
        return -1;
    e->is_time = true;
    e->time = (enum subject_time)index;
    if (!subject_has_time(subject, e->time))
        return refuse_foreign(n, subject, true, err);
    say(e, "time %s%s", e->time <= SUBJECT_TIME_MEDIA ? "to " : "of ", times[index]);
    e->p50 = e->p95 = e->p99 = PH_NEVER;
    if (yaml_get(map, "not_slower_than") != NULL)
        return read_comparison(map, axes, e, err);
    if (read_limit(map, "p50", &e->p50, e, err) != 0 ||
        read_limit(map, "p95", &e->p95, e, err) != 0 ||
        read_limit(map, "p99", &e->p99, e, err) != 0)
        return -1;
    if (yaml_finish(map, known, err) != 0)
        return -1;
    if (e->p50 == PH_NEVER && e->p95 == PH_NEVER && e->p99 == PH_NEVER)
        return yaml_fail(map, err,
                         "a time is expected, but neither p50, p95, p99 nor not_slower_than says "
                         "how much");
    return 0;
}

static int read_is(struct yaml_node *n, struct expectation *e, struct lab_error *err)
{
    static const char *const kinds[] = {"all", "none"};
    int index = 0;
    if (n == NULL)
        return 0;
    if (yaml_enum(n, "is", kinds, 2, &index, err) != 0)
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
    const char *rates[RATE_COUNT];
    struct yaml_node *n = yaml_get(map, "rate");
    int index = 0;
    e->p50 = e->p95 = e->p99 = PH_NEVER;
    e->at_most = 1.0;
    for (int i = 0; i < RATE_COUNT; i++)
        rates[i] = rate_name((enum rate)i);
    if (yaml_enum(n, "rate", rates, RATE_COUNT, &index, err) != 0)
        return -1;
    e->rate = (enum rate)index;
    if (!subject_has_rate(subject, e->rate))
        return refuse_foreign(n, subject, false, err);
    say(e, "%s", rates[index]);
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
    static const char *const known[] = {
        "when",   "rate", "time", "pool", "is",  "at_least",        "observed", "observed_at_most",
        "within", "or",   "p50",  "p95",  "p99", "not_slower_than", NULL};
    char rates[400], times[100];
    if (yaml_finish(map, known, err) != 0)
        return -1;
    list_names(subject, false, rates, sizeof(rates));
    list_names(subject, true, times, sizeof(times));
    return yaml_fail(map, err, "an expectation names a rate (%s) or a time (%s)", rates, times);
}

int expectation_read(struct yaml_node *map, const struct axes *axes, enum subject subject,
                     struct expectation *out, struct lab_error *err)
{
    memset(out, 0, sizeof(*out));
    out->at = map;
    out->at_most = 1.0;
    if (map->type != YAML_MAPPING)
        return yaml_fail(map, err, "an expectation must be a mapping such as {rate: %s, is: all}",
                         subject == SUBJECT_PINHOLE ? "connected" : "released");
    struct yaml_node *n = yaml_get(map, "when");
    if (n != NULL && match_read(n, axes, &out->when, err) != 0)
        return -1;
    say_when(out, axes);
    bool has_rate = yaml_get(map, "rate") != NULL, has_time = yaml_get(map, "time") != NULL;
    if (has_rate && has_time)
        return yaml_fail(map, err, "an expectation is of a rate or of a time, not of both");
    if (!has_rate && !has_time)
        return refuse_nothing(map, subject, err);
    n = yaml_get(map, "pool");
    if (n != NULL && yaml_bool(n, "pool", &out->pool, err) != 0)
        return -1;
    if ((has_time ? read_time(map, axes, subject, out, err) : read_rate(map, subject, out, err)) !=
        0)
        return -1;
    if (out->pool)
        say(out, ", pooled");
    return 0;
}

int expectation_check_reach(const struct expectation *e, unsigned trials, size_t cells,
                            struct lab_error *err)
{
    if (cells == 0)
        return yaml_fail(e->at, err, "no cell of the matrix is meant by this expectation");
    if (!(e->at_least > 0.0))
        return 0;
    uint64_t n = (uint64_t)trials * (e->pool ? cells : 1);
    double low, high;
    stats_wilson(n, n, &low, &high);
    if (low >= e->at_least)
        return 0;
    return yaml_fail(e->at, err,
                     "at_least %g cannot be reached: the 95%% interval of %llu trials that are all "
                     "good begins at %.3f; %llu trials would do%s",
                     e->at_least, (unsigned long long)n, low,
                     (unsigned long long)stats_wilson_trials(e->at_least),
                     e->pool ? "" : ", or pool: true over more cells");
}
