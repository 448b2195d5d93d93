#include "lab/run/scenario.h"

#include "base/rng.h"
#include "lab/run/scenario_check.h"
#include "pinhole.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIFETIME_MAX 604800u /* above that some routers refuse */

static const char *const keys[] = {"name",       "topology", "trials",  "matrix",  "pairs",
                                   "include",    "exclude",  "stages",  "give_up", "media",
                                   "expect",     "faults",   "subject", "hold",    "lifetime",
                                   "population", NULL};

/* Exchanges the two sides' NATs, for conditions on unordered pairs. */
static bool mirrored(const struct scenario *s, const uint16_t *values, uint16_t *out)
{
    memcpy(out, values, AXES_MAX * sizeof(*out));
    for (size_t i = 0; i < s->axes.count; i++) {
        const struct axis *axis = &s->axes.items[i];
        if (strncmp(axis->name, "a.", 2) != 0)
            continue;
        char name[AXIS_NAME_MAX];
        memcpy(name, axis->name, sizeof(name));
        name[0] = 'b';
        size_t other = axes_find(&s->axes, name);
        if (other == SIZE_MAX || s->axes.items[other].count <= values[i] ||
            axis->count <= values[other])
            return false;
        /* The lists agree as far as both were written as one; the values behind need not. */
        const struct axis *b = &s->axes.items[other];
        if (strcmp(b->values[values[i]], axis->values[values[i]]) != 0 ||
            strcmp(b->values[values[other]], axis->values[values[other]]) != 0)
            return false;
        out[i] = values[other];
        out[other] = values[i];
    }
    return true;
}

bool scenario_match(const struct scenario *s, const struct match *m, const uint16_t *values)
{
    if (match_values(m, &s->axes, values))
        return true;
    uint16_t other[AXES_MAX];
    return s->unordered && mirrored(s, values, other) && match_values(m, &s->axes, other);
}

static int read_name(struct yaml_node *root, struct scenario *s, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(root, "name");
    if (n == NULL)
        return yaml_fail(root, err, "the scenario has no name");
    if (yaml_string(n, "name", s->name, sizeof(s->name), err) != 0)
        return -1;
    size_t good = strspn(s->name, "abcdefghijklmnopqrstuvwxyz0123456789-_.");
    if (s->name[good] != '\0' || s->name[0] == '.')
        return yaml_fail(n, err, "name is \"%s\"; it may have a-z, 0-9, - _ . (it names a folder)",
                         s->name);
    return 0;
}

/* What a trial is made of. */
static int check_roles(const struct yaml_node *n, const struct topology *t, enum subject subject,
                       struct lab_error *err)
{
    bool call = subject == SUBJECT_PINHOLE;
    size_t peers = 0, relays = 0, stuns = 0;
    for (size_t i = 0; i < t->host_count; i++) {
        peers += t->hosts[i].runs == TOPO_RUNS_PEER ? 1 : 0;
        relays += t->hosts[i].runs == TOPO_RUNS_RELAY ? 1 : 0;
        stuns += t->hosts[i].runs == TOPO_RUNS_STUN ? 1 : 0;
    }
    if (peers >= (call ? 2 : 1) && relays >= 1 && stuns >= 1)
        return 0;
    return yaml_fail(n, err,
                     "topology %s has %zu hosts that run peer, %zu relay, %zu stun; %s needs %s, "
                     "one relay, one stun",
                     t->name, peers, relays, stuns, call ? "a call" : subject_name(subject),
                     call ? "two that run peer" : "one that runs peer");
}

static int read_topology(struct yaml_node *root, struct scenario *s, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(root, "topology");
    char name[PATH_MAX / 2];
    struct lab_error why = {0};
    if (n == NULL)
        return yaml_fail(root, err, "the scenario names no topology");
    if (yaml_string(n, "topology", name, sizeof(name), err) != 0)
        return -1;
    size_t len = strlen(name);
    int rc;
    if (strchr(name, '/') != NULL || (len > 5 && strcmp(name + len - 5, ".yaml") == 0)) {
        char path[PATH_MAX];
        const char *slash = name[0] == '/' ? NULL : strrchr(s->path, '/');
        int dir = slash != NULL ? (int)(slash - s->path) + 1 : 0;
        const char *tail = dir > 0 && strncmp(name, "./", 2) == 0 ? name + 2 : name;
        if (snprintf(path, sizeof(path), "%.*s%s", dir, s->path, tail) >= (int)sizeof(path))
            return yaml_fail(n, err, "topology: the path is too long");
        rc = topology_load(path, &s->topology, &why);
    } else {
        rc = topology_find(name, &s->topology, &why);
    }
    if (rc == 0)
        return check_roles(n, &s->topology, s->subject, err);
    /* A file that is there, but bad, is bad at a place of its own. */
    if (yaml_unplaced(why.text) != why.text)
        return lab_fail(err, why.code, "%s", why.text);
    return yaml_fail(n, err, "topology \"%s\": %s", name, why.text);
}

/* Leaves *out as it is where the file says nothing. */
static int read_time(struct yaml_node *root, const char *key, ph_ns min, const char *right,
                     ph_ns *out, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(root, key);
    if (n == NULL)
        return 0;
    if (yaml_duration(n, key, out, err) != 0)
        return -1;
    if (*out < min || *out > 600 * PH_SEC)
        return yaml_fail(n, err, "%s is \"%s\"; it must be %s", key, n->scalar, right);
    return 0;
}

/* In whole seconds, as all three protocols have it. */
static int read_lifetime(struct yaml_node *root, struct scenario *s, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(root, "lifetime");
    ph_ns t = 0;
    if (n == NULL)
        return 0;
    if (yaml_duration(n, "lifetime", &t, err) != 0)
        return -1;
    if (t < PH_SEC || t > LIFETIME_MAX * PH_SEC || t % PH_SEC != 0)
        return yaml_fail(n, err, "lifetime is \"%s\"; it must be whole seconds, from 1s to %us",
                         n->scalar, LIFETIME_MAX);
    s->lifetime_s = (uint32_t)(t / PH_SEC);
    return 0;
}

static int read_numbers(struct yaml_node *root, struct scenario *s, struct lab_error *err)
{
    int64_t trials = 3;
    s->give_up = 15 * PH_SEC;
    s->media = PH_SEC;
    s->hold = PH_SEC;
    struct yaml_node *n = yaml_get(root, "trials");
    if (n != NULL && yaml_int(n, "trials", 1, 1000000, &trials, err) != 0)
        return -1;
    s->trials = (unsigned)trials;
    return read_time(root, "give_up", 100 * PH_MS, "from 100ms to 10m", &s->give_up, err) != 0 ||
                   read_time(root, "media", 0, "at most 10m", &s->media, err) != 0 ||
                   read_time(root, "hold", 0, "at most 10m", &s->hold, err) != 0 ||
                   read_lifetime(root, s, err) != 0
               ? -1
               : 0;
}

static int read_stages(struct yaml_node *root, struct scenario *s, struct lab_error *err)
{
    const char *names[PH_STAGE_COUNT];
    for (int i = 0; i < PH_STAGE_COUNT; i++)
        names[i] = ph_stage_name((enum ph_stage)i);
    s->stages = (1u << PH_STAGE_COUNT) - 1u;
    struct yaml_node *n = yaml_get(root, "stages");
    if (n == NULL)
        return 0;
    if (n->type != YAML_SEQUENCE || n->count == 0)
        return yaml_fail(n, err, "stages must be a list such as [punch, relay]");
    s->stages = 0;
    for (size_t i = 0; i < n->count; i++) {
        int stage = 0;
        if (yaml_enum(n->items[i], "a stage", names, PH_STAGE_COUNT, &stage, err) != 0)
            return -1;
        s->stages |= 1u << stage;
    }
    if ((s->stages & (1u << PH_STAGE_RELAY)) == 0)
        return yaml_fail(n, err, "stages must have relay: every call begins there");
    return 0;
}

static int read_pairs(struct yaml_node *root, struct scenario *s, struct lab_error *err)
{
    static const char *const kinds[] = {"ordered", "unordered"};
    struct yaml_node *n = yaml_get(root, "pairs");
    int kind = 0;
    if (n == NULL)
        return 0;
    if (yaml_enum(n, "pairs", kinds, 2, &kind, err) != 0)
        return -1;
    s->unordered = kind == 1;
    size_t a = axes_find(&s->axes, "a.nat"), b = axes_find(&s->axes, "b.nat");
    if (s->unordered && (a == SIZE_MAX || b == SIZE_MAX))
        return yaml_fail(n, err, "unordered pairs need both axes a.nat and b.nat");
    if (s->unordered && (s->axes.items[a].listed != s->axes.items[b].listed ||
                         memcmp(s->axes.items[a].values, s->axes.items[b].values,
                                sizeof(s->axes.items[a].values)) != 0))
        return yaml_fail(n, err, "unordered pairs need the same list on both sides (b.nat: same)");
    return 0;
}

static int read_include(struct yaml_node *map, struct scenario *s, struct lab_error *err)
{
    uint16_t *values = s->includes[s->include_count];
    if (map->type != YAML_MAPPING)
        return yaml_fail(map, err, "include is a list of mappings, one for each cell");
    for (size_t i = 0; i < s->axes.count; i++) {
        struct yaml_node *n = yaml_get(map, s->axes.items[i].name);
        size_t index = 0;
        if (n == NULL)
            return yaml_fail(map, err,
                             "an included cell says a value for every axis; %s is missing",
                             s->axes.items[i].name);
        if (axis_add_value(&s->axes.items[i], n, &index, err) != 0)
            return -1;
        values[i] = (uint16_t)index;
    }
    const char *known[AXES_MAX + 1] = {NULL};
    for (size_t i = 0; i < s->axes.count; i++)
        known[i] = s->axes.items[i].name;
    if (yaml_finish(map, known, err) != 0)
        return -1;
    s->include_count++;
    return 0;
}

static struct yaml_node *list_of(struct yaml_node *root, const char *key, size_t max, int *rc,
                                 struct lab_error *err)
{
    struct yaml_node *n = yaml_get(root, key);
    if (n != NULL && n->type != YAML_SEQUENCE)
        *rc = yaml_fail(n, err, "%s must be a list", key);
    else if (n != NULL && n->count > max)
        *rc = yaml_fail(n, err, "%s has %zu items; %zu are the most", key, n->count, max);
    return *rc == 0 ? n : NULL;
}

static int read_rules(struct yaml_node *root, struct scenario *s, struct lab_error *err)
{
    int rc = 0;
    struct yaml_node *n = list_of(root, "include", SCENARIO_RULES_MAX, &rc, err);
    for (size_t i = 0; n != NULL && i < n->count; i++)
        if (read_include(n->items[i], s, err) != 0)
            return -1;
    if (rc == 0)
        n = list_of(root, "exclude", SCENARIO_RULES_MAX, &rc, err);
    for (size_t i = 0; rc == 0 && n != NULL && i < n->count; i++)
        if (match_read(n->items[i], &s->axes, &s->excludes[s->exclude_count++], err) != 0)
            return -1;
    if (rc == 0)
        n = list_of(root, "expect", EXPECTATIONS_MAX, &rc, err);
    for (size_t i = 0; rc == 0 && n != NULL && i < n->count; i++)
        if (expectation_read(n->items[i], &s->axes, s->subject, &s->expects[s->expect_count++],
                             err) != 0)
            return -1;
    return rc;
}

static int read_subject(struct yaml_node *root, struct scenario *s, struct lab_error *err)
{
    const char *names[SUBJECT_COUNT];
    struct yaml_node *n = yaml_get(root, "subject");
    if (n == NULL)
        return 0;
    for (int i = 0; i < SUBJECT_COUNT; i++)
        names[i] = subject_name((enum subject)i);
    if (n->type == YAML_SCALAR) {
        for (int i = 0; i < SUBJECT_COUNT; i++) {
            if (strcmp(names[i], n->scalar) != 0)
                continue;
            s->subject = (enum subject)i;
            return 0;
        }
        const char *near = yaml_nearest(n->scalar, names, SUBJECT_COUNT);
        if (near != NULL)
            return yaml_fail(n, err, "subject is \"%s\"; did you mean \"%s\"?", n->scalar, near);
    }
    return yaml_fail(n, err,
                     "a program as subject is not in this version; it must be one of: pinhole, "
                     "netcheck, map");
}

/* Keys that mean nothing to the subject would be left out without a word. */
static int check_keys(struct yaml_node *root, const struct scenario *s, struct lab_error *err)
{
    static const struct {
        const char *key;
        enum subject subject; /* that alone takes it */
    } takes[] = {
        {"stages", SUBJECT_PINHOLE}, {"give_up", SUBJECT_PINHOLE},    {"media", SUBJECT_PINHOLE},
        {"pairs", SUBJECT_PINHOLE},  {"population", SUBJECT_PINHOLE}, {"hold", SUBJECT_MAP},
        {"lifetime", SUBJECT_MAP},   {"faults", SUBJECT_PINHOLE},
    };
    for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
        struct yaml_node *n = yaml_get(root, takes[i].key);
        if (n != NULL && takes[i].subject != s->subject)
            return yaml_fail(n, err, "%s means nothing to subject %s; leave it out", takes[i].key,
                             subject_name(s->subject));
    }
    return 0;
}

static int read_all(struct yaml_node *root, struct scenario *s, struct lab_error *err)
{
    if (root->type != YAML_MAPPING)
        return yaml_fail(root, err,
                         "a scenario is a mapping (name: ..., topology: ..., matrix: ...)");
    if (yaml_finish(root, keys, err) != 0)
        return -1;
    if (read_name(root, s, err) != 0 || read_subject(root, s, err) != 0 ||
        check_keys(root, s, err) != 0 || read_topology(root, s, err) != 0 ||
        read_numbers(root, s, err) != 0 || read_stages(root, s, err) != 0)
        return -1;
    struct yaml_node *matrix = yaml_get(root, "matrix");
    if (matrix == NULL)
        return yaml_fail(root, err, "the scenario has no matrix");
    struct yaml_node *population = yaml_get(root, "population");
    if (population != NULL && population_read(population, &s->population, err) != 0)
        return -1;
    struct yaml_node *faults = yaml_get(root, "faults");
    if (faults != NULL && fault_plans_read(faults, &s->faults, err) != 0)
        return -1;
    if (axes_read(matrix, &s->topology, &s->population, &s->faults, &s->axes, err) != 0 ||
        read_pairs(root, s, err) != 0 || read_rules(root, s, err) != 0)
        return -1;
    return scenario_check(root, s, err);
}

int scenario_parse(const char *name, const char *text, size_t len, struct scenario **out,
                   struct lab_error *err)
{
    *out = NULL;
    struct scenario *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return lab_fail(err, LAB_CANNOT, "%s: out of memory", name);
    s->text = malloc(len + 1);
    if (s->text == NULL) {
        lab_fail(err, LAB_CANNOT, "%s: out of memory", name);
        goto fail;
    }
    memcpy(s->text, text, len);
    s->text[len] = '\0';
    s->text_len = len;
    s->hash = ph_hash64(0, text, len);
    if (yaml_parse(name, text, len, &s->doc, err) != 0)
        goto fail;
    struct yaml_node *root = yaml_root(s->doc);
    s->path = root->file;
    if (read_all(root, s, err) != 0)
        goto fail;
    *out = s;
    return 0;
fail:
    scenario_free(s);
    return -1;
}

int scenario_load(const char *path, struct scenario **out, struct lab_error *err)
{
    char *text = NULL;
    size_t len = 0;
    *out = NULL;
    if (yaml_read_file(path, &text, &len, err) != 0)
        return -1;
    int rc = scenario_parse(path, text, len, out, err);
    free(text);
    return rc;
}

void scenario_free(struct scenario *s)
{
    if (s == NULL)
        return;
    yaml_free(s->doc);
    free(s->text);
    free(s);
}
