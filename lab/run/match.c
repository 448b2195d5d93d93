#include "lab/run/match.h"

#include <fnmatch.h>

/* "!x": every value but x. */
static bool pattern_matches(const struct axis *axis, const char *pattern, size_t value)
{
    bool but = pattern[0] == '!';
    return (fnmatch(but ? pattern + 1 : pattern, axis->values[value], 0) == 0) != but;
}

/* A pattern that nothing matches is a slip of the pen: the condition would never hold. */
static int check_pattern(const struct axis *axis, struct yaml_node *n, struct lab_error *err)
{
    if (n->type != YAML_SCALAR || n->scalar[0] == '\0')
        return yaml_fail(n, err, "%s must have a value or a list of values here", axis->name);
    const char *text = n->scalar[0] == '!' ? n->scalar + 1 : n->scalar;
    for (size_t i = 0; i < axis->count; i++)
        if (pattern_matches(axis, text, i))
            return 0;
    return axis_no_value(axis, n, text, err);
}

int match_read(struct yaml_node *map, const struct axes *axes, struct match *out,
               struct lab_error *err)
{
    out->count = 0;
    if (map->type != YAML_MAPPING || map->count == 0)
        return yaml_fail(map, err, "a condition must be a mapping such as {link: 20ms}");
    for (size_t i = 0; i < map->count; i++) {
        struct yaml_pair *p = &map->pairs[i];
        size_t axis;
        p->used = true;
        if (axes_find_key(axes, map, p, &axis, err) != 0)
            return -1;
        struct yaml_node *v = p->value;
        if (v->type == YAML_SEQUENCE && v->count == 0)
            return yaml_fail(v, err, "%s must have a value or a list of values here", p->key);
        for (size_t k = 0; v->type == YAML_SEQUENCE && k < v->count; k++)
            if (check_pattern(&axes->items[axis], v->items[k], err) != 0)
                return -1;
        if (v->type != YAML_SEQUENCE && check_pattern(&axes->items[axis], v, err) != 0)
            return -1;
        out->terms[out->count].axis = axis;
        out->terms[out->count++].values = v;
    }
    return 0;
}

bool match_values(const struct match *m, const struct axes *axes, const uint16_t *values)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct axis *axis = &axes->items[m->terms[i].axis];
        size_t value = values[m->terms[i].axis];
        const struct yaml_node *v = m->terms[i].values;
        bool hit = v->type == YAML_SCALAR && pattern_matches(axis, v->scalar, value);
        for (size_t k = 0; !hit && v->type == YAML_SEQUENCE && k < v->count; k++)
            hit = pattern_matches(axis, v->items[k]->scalar, value);
        if (!hit)
            return false;
    }
    return true;
}
