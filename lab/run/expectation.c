#include "lab/run/expectation.h"

#include "lab/stats.h"

#include <stdio.h>
#include <string.h>

bool expectation_is_time(const struct expectation *e)
{
    return e->kind >= EXPECT_TIME_RELAY;
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

static int read_time(struct yaml_node *map, struct expectation *e, struct lab_error *err)
{
    static const char *const known[] = {"when", "time", "pool", "p50", "p95", "p99", NULL};
    static const char *const times[] = {"relay", "direct", "media"};
    int index = 0;
    if (yaml_enum(yaml_get(map, "time"), "time", times, 3, &index, err) != 0)
        return -1;
    e->kind = (enum expect_kind)(EXPECT_TIME_RELAY + index);
    say(e, "time to %s", times[index]);
    if (read_limit(map, "p50", &e->p50, e, err) != 0 ||
        read_limit(map, "p95", &e->p95, e, err) != 0 ||
        read_limit(map, "p99", &e->p99, e, err) != 0)
        return -1;
    if (yaml_finish(map, known, err) != 0)
        return -1;
    if (e->p50 == PH_NEVER && e->p95 == PH_NEVER && e->p99 == PH_NEVER)
        return yaml_fail(map, err,
                         "a time is expected, but neither p50, p95 nor p99 says how much");
    return 0;
}

static int read_rate(struct yaml_node *map, struct expectation *e, struct lab_error *err)
{
    static const char *const known[] = {"when", "rate", "pool", "is", "at_least", "observed", NULL};
    static const char *const rates[] = {"connected", "direct"};
    static const char *const kinds[] = {"all", "none"};
    int index = 0;
    e->p50 = e->p95 = e->p99 = PH_NEVER;
    if (yaml_enum(yaml_get(map, "rate"), "rate", rates, 2, &index, err) != 0)
        return -1;
    e->kind = index == 0 ? EXPECT_CONNECTED : EXPECT_DIRECT;
    say(e, "%s", rates[index]);
    struct yaml_node *n = yaml_get(map, "is");
    if (n != NULL) {
        if (yaml_enum(n, "is", kinds, 2, &index, err) != 0)
            return -1;
        e->is = index == 0 ? EXPECT_IS_ALL : EXPECT_IS_NONE;
        say(e, " in %s", index == 0 ? "all trials" : "no trial");
    }
    n = yaml_get(map, "at_least");
    if (n != NULL) {
        if (yaml_number(n, "at_least", 0.001, 0.9999, &e->at_least, err) != 0)
            return -1;
        say(e, " at least %s", n->scalar);
    }
    n = yaml_get(map, "observed");
    if (n != NULL) {
        if (yaml_number(n, "observed", 0.001, 1.0, &e->observed, err) != 0)
            return -1;
        say(e, " observed at least %s in each cell", n->scalar);
    }
    if (yaml_finish(map, known, err) != 0)
        return -1;
    bool asks_share = e->at_least > 0.0 || e->observed > 0.0;
    if (e->is == EXPECT_IS_UNSET && !asks_share)
        return yaml_fail(map, err,
                         "a rate is expected, but neither is, at_least nor observed says which");
    if (e->is == EXPECT_IS_NONE && asks_share)
        return yaml_fail(map, err, "`is: none` and a share above 0 cannot both be");
    return 0;
}

int expectation_read(struct yaml_node *map, const struct axes *axes, struct expectation *out,
                     struct lab_error *err)
{
    memset(out, 0, sizeof(*out));
    out->at = map;
    if (map->type != YAML_MAPPING)
        return yaml_fail(map, err,
                         "an expectation must be a mapping such as "
                         "{rate: connected, is: all}");
    struct yaml_node *n = yaml_get(map, "when");
    if (n != NULL && match_read(n, axes, &out->when, err) != 0)
        return -1;
    say_when(out, axes);
    bool has_rate = yaml_get(map, "rate") != NULL, has_time = yaml_get(map, "time") != NULL;
    if (has_rate && has_time)
        return yaml_fail(map, err, "an expectation is of a rate or of a time, not of both");
    if (!has_rate && !has_time) {
        static const char *const known[] = {"when",     "rate", "time", "pool", "is", "at_least",
                                            "observed", "p50",  "p95",  "p99",  NULL};
        if (yaml_finish(map, known, err) != 0)
            return -1;
        return yaml_fail(map, err,
                         "an expectation names a rate (connected, direct) or a time "
                         "(relay, direct, media)");
    }
    n = yaml_get(map, "pool");
    if (n != NULL && yaml_bool(n, "pool", &out->pool, err) != 0)
        return -1;
    if ((has_time ? read_time(map, out, err) : read_rate(map, out, err)) != 0)
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
