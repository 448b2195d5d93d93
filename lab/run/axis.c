#include "lab/run/axis.h"

#include "lab/run/strategy.h"
#include "portmap/portmap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The axes whose name alone says what they are. */
static const struct {
    const char *name;
    enum axis_kind kind;
} named_axes[] = {
    {"gateway", AXIS_GATEWAY},
    {"link", AXIS_LINK},
    {"loss", AXIS_LOSS},
    {"family", AXIS_FAMILY},
    {"port_mapping", AXIS_PORT_MAPPING},
    {"mapping_routers", AXIS_MAPPING_ROUTERS},
    {"fault", AXIS_FAULT},
    {"background", AXIS_BACKGROUND},
    {"bystander", AXIS_BYSTANDER},
    {"strategy", AXIS_STRATEGY},
    {"probe", AXIS_PROBE},
    {"guessing", AXIS_GUESSING},
    {"canary", AXIS_CANARY},
    {"openers", AXIS_OPENERS},
    {"probes", AXIS_PROBES},
    {"rate", AXIS_RATE},
};

#define NAMED_AXES (sizeof(named_axes) / sizeof(named_axes[0]))

/* Those whose values are whole numbers. */
static const struct {
    enum axis_kind kind;
    int64_t min, max;
} numbers[] = {
    {AXIS_BACKGROUND, 0, 10000}, /* as of a profile's background.flows_per_second */
    {AXIS_BYSTANDER, 0, 100},
    {AXIS_OPENERS, 1, PH_BUDGET_OPENERS_MOST},
    {AXIS_PROBES, 1, PH_BUDGET_PROBES_MOST},
    {AXIS_RATE, 1, PH_BUDGET_RATE_MOST},
};

static const struct axis_port_mapping port_mappings[] = {
    {"pcp", 1u << PH_PORTMAP_PCP, false},
    {"nat_pmp", 1u << PH_PORTMAP_NATPMP, false},
    {"upnp", 1u << PH_PORTMAP_UPNP, false},
    {"all", (1u << PH_PORTMAP_PROTOCOLS) - 1u, false},
    {"none", 0, false},
    {"off", 0, true},
};

#define PORT_MAPPINGS (sizeof(port_mappings) / sizeof(port_mappings[0]))

const struct axis_port_mapping *axis_port_mapping(const char *name)
{
    for (size_t i = 0; i < PORT_MAPPINGS; i++)
        if (strcmp(port_mappings[i].name, name) == 0)
            return &port_mappings[i];
    return NULL;
}

bool axis_is_of_calls(enum axis_kind kind)
{
    return kind == AXIS_FAMILY || kind == AXIS_BYSTANDER || kind == AXIS_STRATEGY ||
           kind == AXIS_PROBE || kind == AXIS_GUESSING || kind == AXIS_CANARY ||
           kind == AXIS_OPENERS || kind == AXIS_PROBES || kind == AXIS_RATE;
}

bool axis_is_of_an_end(enum axis_kind kind)
{
    return kind == AXIS_NAT || kind == AXIS_SIDE_MAPPING;
}

size_t axes_find(const struct axes *axes, const char *name)
{
    for (size_t i = 0; i < axes->count; i++)
        if (strcmp(axes->items[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

int axes_find_key(const struct axes *axes, const struct yaml_node *map,
                  const struct yaml_pair *pair, size_t *index, struct lab_error *err)
{
    const char *known[AXES_MAX];
    char hint[YAML_HINT_MAX];
    struct yaml_node at = {.file = map->file, .line = pair->line, .column = pair->column};
    *index = axes_find(axes, pair->key);
    if (*index != SIZE_MAX)
        return 0;
    for (size_t k = 0; k < axes->count; k++)
        known[k] = axes->items[k].name;
    return yaml_fail(&at, err, "\"%s\" is no axis of this matrix%s", pair->key,
                     yaml_hint(pair->key, known, axes->count, hint));
}

int axis_no_value(const struct axis *axis, const struct yaml_node *at, const char *text,
                  struct lab_error *err)
{
    const char *known[AXIS_VALUES_MAX];
    char hint[YAML_HINT_MAX];
    for (size_t i = 0; i < axis->count; i++)
        known[i] = axis->values[i];
    return yaml_fail(at, err, "%s has no value \"%s\" in this matrix%s", axis->name, text,
                     yaml_hint(text, known, axis->count, hint));
}

const struct fault *axis_fault(const char *name)
{
    return strcmp(name, "none") == 0 ? NULL : fault_find(name);
}

/* Of a router from the beginning, or of the section `faults`. */
static int check_fault(const struct fault_plans *plans, struct yaml_node *value, const char *text,
                       struct lab_error *err)
{
    const char *names[AXIS_VALUES_MAX + FAULT_PLANS_MAX];
    size_t count, n = 0;
    const struct fault *all = fault_list(&count);
    if (strcmp(text, "none") == 0 || fault_find(text) != NULL ||
        fault_plan_find(plans, text) != NULL)
        return 0;
    for (; n < count && n < AXIS_VALUES_MAX; n++)
        names[n] = all[n].name;
    for (size_t i = 0; i < plans->count; i++)
        names[n++] = plans->items[i].name;
    const char *near = yaml_nearest(text, names, n);
    return yaml_fail(value, err,
                     "no router has the fault \"%s\"%s%s%s%s (man natlab has the table)", text,
                     plans->count > 0 ? ", and `faults` names none so" : "",
                     near != NULL ? ": did you mean \"" : "", near != NULL ? near : "",
                     near != NULL ? "\"?" : "");
}

/* of_side: what a router speaks; whether its peer asks is no business of the router. */
static int check_port_mapping(struct yaml_node *value, bool of_side, struct lab_error *err)
{
    const char *names[PORT_MAPPINGS];
    size_t n = 0;
    int index;
    for (size_t i = 0; i < PORT_MAPPINGS; i++)
        if (!of_side || !port_mappings[i].off)
            names[n++] = port_mappings[i].name;
    return yaml_enum(value, "port_mapping", names, n, &index, err);
}

static int check_strategy(struct yaml_node *value, struct lab_error *err)
{
    const char *names[AXIS_VALUES_MAX];
    size_t count, n = 0;
    int index;
    const struct strategy *all = strategy_list(&count);
    for (; n < count && n < AXIS_VALUES_MAX; n++)
        names[n] = all[n].name;
    return yaml_enum(value, "strategy", names, n, &index, err);
}

static int check_number(const struct axis *axis, struct yaml_node *value, struct lab_error *err)
{
    int64_t number;
    size_t i = 0;
    while (numbers[i].kind != axis->kind)
        i++;
    return yaml_int(value, axis->name, numbers[i].min, numbers[i].max, &number, err);
}

static int check_value(const struct axis *axis, struct yaml_node *value, const char *text,
                       struct lab_error *err)
{
    static const char *const gateways[] = {"accept", "drop", "reject"};
    static const char *const probes[] = {"check", "quic-initial"};
    static const char *const switches[] = {"on", "off"};
    struct link_params params;
    struct nat_profile profile;
    enum topo_family families[2];
    struct lab_error why = {0};
    char path[NAT_PATH_MAX];
    double share;
    int index;
    switch (axis->kind) {
    case AXIS_NAT:
        return nat_profile_named(value, axis->name, path, sizeof(path), NULL, err);
    case AXIS_GATEWAY:
        return yaml_enum(value, "gateway", gateways, 3, &index, err);
    case AXIS_LINK:
        if (link_preset(text, &params, &why) == 0)
            return 0;
        return yaml_fail(value, err, "link \"%s\": %s", text, why.text);
    case AXIS_FAMILY:
        if (topo_family_pair(text, families))
            return 0;
        return yaml_fail(value, err,
                         "family \"%s\" must be v4, v6, dual or nat64, or two of these for the "
                         "caller and the callee (v6-v4)",
                         text);
    case AXIS_PORT_MAPPING:
    case AXIS_SIDE_MAPPING:
        return check_port_mapping(value, axis->kind == AXIS_SIDE_MAPPING, err);
    case AXIS_FAULT:
        return check_fault(axis->plans, value, text, err);
    case AXIS_MAPPING_ROUTERS:
    case AXIS_LOSS:
        return yaml_percent(value, axis->name, &share, err);
    case AXIS_STRATEGY:
        return check_strategy(value, err);
    case AXIS_PROBE:
        return yaml_enum(value, "probe", probes, 2, &index, err);
    case AXIS_GUESSING:
    case AXIS_CANARY:
        return yaml_enum(value, axis->name, switches, 2, &index, err);
    case AXIS_BACKGROUND:
    case AXIS_BYSTANDER:
    case AXIS_OPENERS:
    case AXIS_PROBES:
    case AXIS_RATE:
        return check_number(axis, value, err);
    case AXIS_FIELD:
        nat_profile_init(&profile);
        if (nat_profile_set(&profile, axis->field, text, &why) == 0)
            return 0;
        return yaml_fail(value, err, "%s \"%s\": %s", axis->name, text, why.text);
    }
    return yaml_fail(value, err, "%s: no such kind of axis", axis->name);
}

static int read_value_text(const struct axis *axis, struct yaml_node *value, char *out,
                           struct lab_error *err)
{
    if (yaml_string(value, axis->name, out, AXIS_VALUE_MAX, err) != 0)
        return -1;
    /* These stand between the parts of a cell's key. */
    if (strpbrk(out, ",=*?[]\"\\ ") != NULL)
        return yaml_fail(value, err, "%s \"%s\": a value has no blanks and none of , = * ? [ ] \"",
                         axis->name, out);
    return check_value(axis, value, out, err);
}

int axis_add_value(struct axis *axis, struct yaml_node *value, size_t *index, struct lab_error *err)
{
    char text[AXIS_VALUE_MAX];
    if (read_value_text(axis, value, text, err) != 0)
        return -1;
    for (size_t i = 0; i < axis->count; i++) {
        if (strcmp(axis->values[i], text) == 0) {
            *index = i;
            return 0;
        }
    }
    if (axis->count >= AXIS_VALUES_MAX)
        return yaml_fail(value, err, "%s has more than %d values", axis->name, AXIS_VALUES_MAX);
    memcpy(axis->values[axis->count], text, sizeof(text));
    *index = axis->count++;
    return 0;
}

/* "b.nat: same": the values of the axis with another NAT's name before the same dot. */
static int copy_same(const struct axes *axes, struct axis *axis, struct yaml_node *value,
                     struct lab_error *err)
{
    const char *tail = strchr(axis->name, '.');
    for (size_t i = 0; tail != NULL && i < axes->count; i++) {
        const struct axis *other = &axes->items[i];
        const char *other_tail = strchr(other->name, '.');
        if (other_tail == NULL || strcmp(other_tail, tail) != 0)
            continue;
        memcpy(axis->values, other->values, sizeof(axis->values));
        axis->listed = axis->count = other->listed;
        return 0;
    }
    return yaml_fail(value, err, "%s is \"same\", but no axis of that kind stands before it",
                     axis->name);
}

/* "a.nat: population": every NAT that somebody there is behind. */
static int copy_population(const struct population *population, struct axis *axis,
                           struct yaml_node *value, struct lab_error *err)
{
    const struct population_nat *nats[AXIS_VALUES_MAX];
    size_t n = population_nats(population, nats, AXIS_VALUES_MAX), index;
    if (n == 0)
        return yaml_fail(value, err, "%s is \"population\", but the scenario has none", axis->name);
    for (size_t i = 0; i < n; i++) {
        struct yaml_node at = nats[i]->at;
        if (axis_add_value(axis, &at, &index, err) != 0)
            return -1;
    }
    axis->listed = axis->count;
    return 0;
}

static int read_values(const struct axes *axes, struct axis *axis,
                       const struct population *population, struct yaml_node *value,
                       struct lab_error *err)
{
    if (value->type == YAML_MAPPING)
        return yaml_fail(value, err, "%s is a mapping; it must be a list of values", axis->name);
    if (value->type == YAML_SCALAR && strcmp(value->scalar, "same") == 0)
        return copy_same(axes, axis, value, err);
    if (value->type == YAML_SCALAR && axis->kind == AXIS_NAT &&
        strcmp(value->scalar, "population") == 0)
        return copy_population(population, axis, value, err);
    if (value->type == YAML_SEQUENCE && value->count == 0)
        return yaml_fail(value, err, "%s has no values", axis->name);
    size_t n = value->type == YAML_SEQUENCE ? value->count : 1;
    for (size_t i = 0; i < n; i++) {
        struct yaml_node *item = value->type == YAML_SEQUENCE ? value->items[i] : value;
        size_t before = axis->count, index = 0;
        if (axis_add_value(axis, item, &index, err) != 0)
            return -1;
        if (axis->count == before)
            return yaml_fail(item, err, "%s: \"%s\" stands in the list a second time", axis->name,
                             axis->values[index]);
    }
    axis->listed = axis->count;
    return 0;
}

static int read_nat_axis(const struct yaml_node *at, const struct topology *topology,
                         struct axis *axis, const char *dot, struct lab_error *err)
{
    size_t len = (size_t)(dot - axis->name);
    size_t nat = 0;
    while (nat < topology->nat_count && !(strncmp(topology->nats[nat].name, axis->name, len) == 0 &&
                                          topology->nats[nat].name[len] == '\0'))
        nat++;
    if (nat == topology->nat_count)
        return yaml_fail(at, err, "axis \"%s\": the topology \"%s\" has no NAT \"%.*s\"",
                         axis->name, topology->name, (int)len, axis->name);
    axis->nat = nat;
    axis->kind = strcmp(dot, ".nat") == 0 ? AXIS_NAT : AXIS_SIDE_MAPPING;
    if (axis->kind == AXIS_NAT || strcmp(dot, ".port_mapping") == 0)
        return 0;
    if (strlen(dot + 5) >= sizeof(axis->field))
        return yaml_fail(at, err, "axis \"%s\": a profile has no such field", axis->name);
    axis->kind = AXIS_FIELD;
    memcpy(axis->field, dot + 5, strlen(dot + 5) + 1);
    return 0;
}

static int read_name(const struct yaml_node *at, const struct topology *topology, const char *name,
                     struct axis *axis, struct lab_error *err)
{
    const char *known[NAMED_AXES + 4] = {"a.nat", "b.nat", "a.port_mapping", "b.port_mapping"};
    if (strlen(name) >= sizeof(axis->name))
        return yaml_fail(at, err, "an axis's name has at most %d characters", AXIS_NAME_MAX - 1);
    memcpy(axis->name, name, strlen(name) + 1);
    const char *dot = strchr(name, '.');
    if (dot != NULL && (strcmp(dot, ".nat") == 0 || strcmp(dot, ".port_mapping") == 0 ||
                        strncmp(dot, ".nat.", 5) == 0))
        return read_nat_axis(at, topology, axis, axis->name + (dot - name), err);
    for (size_t i = 0; i < NAMED_AXES; i++) {
        known[4 + i] = named_axes[i].name;
        if (strcmp(name, named_axes[i].name) != 0)
            continue;
        axis->kind = named_axes[i].kind;
        return 0;
    }
    char hint[YAML_HINT_MAX], list[256];
    size_t used = 0;
    for (size_t i = 0; i < NAMED_AXES && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, ", %s", named_axes[i].name);
    return yaml_fail(at, err,
                     "unknown axis \"%s\"%s; axes are a.nat, b.nat, a.nat.FIELD, "
                     "b.nat.FIELD, a.port_mapping, b.port_mapping%s",
                     name, yaml_hint(name, known, NAMED_AXES + 4, hint), list);
}

int axes_read(struct yaml_node *matrix, const struct topology *topology,
              const struct population *population, const struct fault_plans *plans,
              struct axes *out, struct lab_error *err)
{
    memset(out, 0, sizeof(*out));
    if (matrix->type != YAML_MAPPING || matrix->count == 0)
        return yaml_fail(matrix, err, "matrix must be a mapping of axes to lists of values");
    for (size_t i = 0; i < matrix->count; i++) {
        const struct yaml_pair *p = &matrix->pairs[i];
        struct yaml_node at = {.file = matrix->file, .line = p->line, .column = p->column};
        if (out->count >= AXES_MAX)
            return yaml_fail(&at, err, "more than %d axes", AXES_MAX);
        struct axis *axis = &out->items[out->count];
        axis->plans = plans;
        if (read_name(&at, topology, p->key, axis, err) != 0 ||
            read_values(out, axis, population, p->value, err) != 0)
            return -1;
        out->count++;
    }
    return 0;
}
