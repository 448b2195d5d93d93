#include "lab/run/fault_plan.h"

#include "lab/router/fault.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINK_DOWN_FOR     (2 * PH_SEC)
#define BLACKOUT_FOR      (2 * PH_SEC)
#define RESTART_RELAY_FOR PH_SEC
#define EVERY_MIN         (10 * PH_MS)

static const char *const step_keys[] = {"do",    "where", "direction", "at", "every",
                                        "until", "times", "for",       NULL};

static int read_kind(struct yaml_node *n, struct fault_step *step, struct lab_error *err)
{
    const char *names[INCIDENT_KINDS];
    int kind = 0;
    for (int i = 0; i < INCIDENT_KINDS; i++)
        names[i] = incident_name((enum incident_kind)i);
    if (yaml_enum(n, "do", names, INCIDENT_KINDS, &kind, err) != 0)
        return -1;
    for (size_t i = 0; i < step->kind_count; i++)
        if (step->kinds[i] == (enum incident_kind)kind)
            return yaml_fail(n, err, "do: \"%s\" stands in the list a second time", n->scalar);
    step->kinds[step->kind_count++] = (enum incident_kind)kind;
    return 0;
}

static int read_kinds(struct yaml_node *map, struct fault_step *step, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, "do");
    if (n == NULL)
        return yaml_fail(map, err, "a fault must say what happens, such as do: blackhole");
    if (n->type != YAML_SEQUENCE)
        return read_kind(n, step, err);
    if (n->count == 0)
        return yaml_fail(n, err, "do has no values");
    for (size_t i = 0; i < n->count; i++)
        if (read_kind(n->items[i], step, err) != 0)
            return -1;
    return 0;
}

static bool any_kind(const struct fault_step *step, bool (*is)(enum incident_kind kind))
{
    for (size_t i = 0; i < step->kind_count; i++)
        if (is(step->kinds[i]))
            return true;
    return false;
}

static bool is_blackhole(enum incident_kind kind)
{
    return kind == INCIDENT_BLACKHOLE;
}

/* A key that says nothing of what happens would be left out without a word. */
static int check_means(struct yaml_node *map, const char *key, const struct fault_step *step,
                       bool (*is)(enum incident_kind kind), struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, key);
    if (n == NULL || any_kind(step, is))
        return 0;
    return yaml_fail(n, err, "%s means nothing to %s; leave it out", key,
                     incident_name(step->kinds[0]));
}

static int read_place(struct yaml_node *map, struct fault_step *step, struct lab_error *err)
{
    static const char *const wheres[] = {"a", "b", "both", "any"};
    static const char *const directions[] = {"both", "up", "down"};
    struct yaml_node *where = yaml_get(map, "where"), *direction = yaml_get(map, "direction");
    int index = 0;
    if (check_means(map, "where", step, incident_has_side, err) != 0 ||
        check_means(map, "direction", step, is_blackhole, err) != 0)
        return -1;
    if (where != NULL && yaml_enum(where, "where", wheres, 4, &index, err) != 0)
        return -1;
    step->where = (enum fault_where)index;
    index = 0;
    if (direction != NULL && yaml_enum(direction, "direction", directions, 3, &index, err) != 0)
        return -1;
    step->direction = (enum incident_direction)index;
    return 0;
}

static int read_moment(struct yaml_node *n, const char *key, ph_ns *out, struct lab_error *err)
{
    if (yaml_duration(n, key, out, err) != 0)
        return -1;
    if (*out > FAULT_MOMENT_MAX)
        return yaml_fail(n, err, "%s is \"%s\"; an hour is the most", key, n->scalar);
    return 0;
}

/* "3s", or "2s-6s": a moment between the two is drawn. */
static int read_at(struct yaml_node *map, struct fault_step *step, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, "at");
    char text[64];
    if (n == NULL)
        return yaml_fail(map, err,
                         "a fault must say when it happens, such as at: 3s or at: 2s-6s, counted "
                         "from the first media in both directions");
    const char *dash = n->type == YAML_SCALAR ? strchr(n->scalar, '-') : NULL;
    if (dash == NULL || dash == n->scalar || strlen(n->scalar) >= sizeof(text)) {
        if (read_moment(n, "at", &step->from, err) != 0)
            return -1;
        step->to = step->from;
        return 0;
    }
    struct yaml_node first = *n, last = *n;
    size_t len = (size_t)(dash - n->scalar);
    memcpy(text, n->scalar, len);
    text[len] = '\0';
    first.scalar = text;
    last.scalar = dash + 1;
    if (read_moment(&first, "at", &step->from, err) != 0 ||
        read_moment(&last, "at", &step->to, err) != 0)
        return -1;
    if (step->to <= step->from)
        return yaml_fail(n, err, "at is \"%s\"; the first moment must be before the last",
                         n->scalar);
    return 0;
}

static int read_times(struct yaml_node *map, struct fault_step *step, struct lab_error *err)
{
    struct yaml_node *every = yaml_get(map, "every"), *until = yaml_get(map, "until");
    struct yaml_node *times = yaml_get(map, "times");
    int64_t number = 1;
    ph_ns end = 0;
    step->times = 1;
    if (every == NULL) {
        struct yaml_node *stray = until != NULL ? until : times;
        return stray == NULL ? 0
                             : yaml_fail(stray, err, "%s needs every: how far are the times apart?",
                                         until != NULL ? "until" : "times");
    }
    if (yaml_duration(every, "every", &step->every, err) != 0)
        return -1;
    if (step->every < EVERY_MIN || step->every > FAULT_MOMENT_MAX)
        return yaml_fail(every, err, "every is \"%s\"; it must be from 10ms to 1h", every->scalar);
    if ((until == NULL) == (times == NULL))
        return yaml_fail(every, err, "every needs either until: 30m or times: 20");
    if (times != NULL && yaml_int(times, "times", 1, FAULTS_MAX, &number, err) != 0)
        return -1;
    if (until != NULL) {
        if (read_moment(until, "until", &end, err) != 0)
            return -1;
        if (end <= step->from)
            return yaml_fail(until, err, "until is \"%s\", but the first time is later",
                             until->scalar);
        number = (int64_t)((end - step->from + step->every - 1) / step->every);
    }
    if (number > FAULTS_MAX || step->to + (ph_ns)(number - 1) * step->every > FAULT_MOMENT_MAX)
        return yaml_fail(every, err, "that is %" PRId64 " times; %d in an hour are the most",
                         number, FAULTS_MAX);
    step->times = (unsigned)number;
    return 0;
}

static int read_lasts(struct yaml_node *map, struct fault_step *step, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, "for");
    if (n == NULL)
        return 0;
    if (check_means(map, "for", step, incident_lasts, err) != 0 ||
        yaml_duration(n, "for", &step->lasts, err) != 0)
        return -1;
    if (step->lasts < PH_MS || step->lasts > FAULT_MOMENT_MAX)
        return yaml_fail(n, err, "for is \"%s\"; it must be from 1ms to 1h", n->scalar);
    return 0;
}

static int read_step(struct yaml_node *map, struct fault_step *step, struct lab_error *err)
{
    memset(step, 0, sizeof(*step));
    if (map->type != YAML_MAPPING)
        return yaml_fail(map, err, "a fault must be a mapping such as {do: blackhole, at: 3s}");
    if (yaml_finish(map, step_keys, err) != 0)
        return -1;
    return read_kinds(map, step, err) != 0 || read_place(map, step, err) != 0 ||
                   read_at(map, step, err) != 0 || read_times(map, step, err) != 0 ||
                   read_lasts(map, step, err) != 0
               ? -1
               : 0;
}

/* A value of an axis, which stands in the keys of cells. */
static int read_name(const struct yaml_node *at, const char *name, struct fault_plan *plan,
                     struct lab_error *err)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.");
    if (name[good] != '\0' || name[0] == '\0' || strlen(name) >= sizeof(plan->name))
        return yaml_fail(at, err,
                         "a fault is named \"%s\"; a name may have a-z, 0-9, - _ . and at most %d "
                         "of them",
                         name, FAULT_NAME_MAX - 1);
    if (strcmp(name, "none") == 0)
        return yaml_fail(at, err, "\"none\" is the value of no fault; choose another name");
    if (fault_find(name) != NULL)
        return yaml_fail(at, err,
                         "\"%s\" is a fault that a router has (man natlab has the table); choose "
                         "another name",
                         name);
    memcpy(plan->name, name, strlen(name) + 1);
    return 0;
}

static int read_plan(const struct yaml_node *at, struct yaml_node *value, struct fault_plan *plan,
                     struct lab_error *err)
{
    size_t n = value->type == YAML_SEQUENCE ? value->count : 1;
    uint64_t times = 0;
    if (n == 0 || n > FAULT_STEPS_MAX)
        return yaml_fail(value, err, "a list of faults has from 1 to %d", FAULT_STEPS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct fault_step *step = &plan->steps[plan->step_count++];
        struct yaml_node *item = value->type == YAML_SEQUENCE ? value->items[i] : value;
        if (read_step(item, step, err) != 0)
            return -1;
        times += step->times;
    }
    if (times > FAULTS_MAX)
        return yaml_fail(at, err, "these are %" PRIu64 " faults; %d in one trial are the most",
                         times, FAULTS_MAX);
    return 0;
}

int fault_plans_read(struct yaml_node *map, struct fault_plans *out, struct lab_error *err)
{
    out->count = 0;
    if (map->type != YAML_MAPPING || map->count == 0)
        return yaml_fail(map, err,
                         "faults must be a mapping of names, such as {path-dies: {do: blackhole, "
                         "at: 3s}}");
    for (size_t i = 0; i < map->count; i++) {
        struct yaml_pair *p = &map->pairs[i];
        struct yaml_node at = {.file = map->file, .line = p->line, .column = p->column};
        if (out->count >= FAULT_PLANS_MAX)
            return yaml_fail(&at, err, "more than %d names in faults", FAULT_PLANS_MAX);
        struct fault_plan *plan = &out->items[out->count++];
        *plan = (struct fault_plan){.at = p->value, .line = p->line, .column = p->column};
        p->used = true;
        if (read_name(&at, p->key, plan, err) != 0 || read_plan(&at, p->value, plan, err) != 0)
            return -1;
    }
    return 0;
}

const struct fault_plan *fault_plan_find(const struct fault_plans *plans, const char *name)
{
    for (size_t i = 0; plans != NULL && i < plans->count; i++)
        if (strcmp(plans->items[i].name, name) == 0)
            return &plans->items[i];
    return NULL;
}

ph_ns fault_step_lasts(const struct fault_step *step, enum incident_kind kind)
{
    if (!incident_lasts(kind))
        return 0;
    if (step->lasts != 0)
        return step->lasts;
    switch (kind) {
    case INCIDENT_LINK_DOWN:
        return LINK_DOWN_FOR;
    case INCIDENT_BLACKOUT:
        return BLACKOUT_FOR;
    case INCIDENT_RESTART_RELAY:
        return RESTART_RELAY_FOR;
    default:
        return PH_NEVER;
    }
}

ph_ns fault_plan_over(const struct fault_plan *plan)
{
    ph_ns over = 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct fault_step *step = &plan->steps[i];
        ph_ns last = step->to + (step->times - 1) * step->every;
        for (size_t k = 0; k < step->kind_count; k++) {
            ph_ns lasts = fault_step_lasts(step, step->kinds[k]);
            over = ph_max_ns(over, lasts == PH_NEVER ? last : last + lasts);
        }
    }
    return over;
}

bool fault_plan_moves_hosts(const struct fault_plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++)
        for (size_t k = 0; k < plan->steps[i].kind_count; k++)
            if (plan->steps[i].kinds[k] == INCIDENT_CHANGE_INTERFACE ||
                plan->steps[i].kinds[k] == INCIDENT_LINK_DOWN)
                return true;
    return false;
}

int fault_plan_check(const struct fault_plan *plan, const struct layout *l, struct lab_error *err)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct fault_step *step = &plan->steps[i];
        for (size_t k = 0; k < step->kind_count; k++) {
            for (uint8_t side = 0; side < 2; side++) {
                struct incident what = {.kind = step->kinds[k], .side = side};
                bool meant = !incident_has_side(what.kind) || step->where >= FAULT_AT_BOTH ||
                             step->where == (enum fault_where)side;
                if (meant && incident_check(l, &what, err) != 0)
                    return -1;
            }
        }
    }
    return 0;
}
