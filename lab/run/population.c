#include "lab/run/population.h"

#include <math.h>
#include <string.h>

static struct yaml_node place_of(const struct yaml_node *map, const struct yaml_pair *pair)
{
    return (struct yaml_node){.type = YAML_SCALAR,
                              .file = map->file,
                              .line = pair->line,
                              .column = pair->column,
                              .scalar = pair->key};
}

static int check_sum(const struct yaml_node *at, const char *what, double sum,
                     struct lab_error *err)
{
    if (fabs(sum - 1.0) < 1e-6)
        return 0;
    return yaml_fail(at, err, "the shares of %s come to %.4g%%; they must come to 100%%", what,
                     sum * 100.0);
}

static int read_nat(struct yaml_node *map, const struct yaml_pair *pair, bool maps,
                    struct population_nat *out, struct lab_error *err)
{
    struct nat_profile profile;
    char path[NAT_PATH_MAX];
    out->at = place_of(map, pair);
    if (nat_profile_named(&out->at, "nats", path, sizeof(path), &profile, err) != 0)
        return -1;
    if (yaml_string(&out->at, "nats", out->name, sizeof(out->name), err) != 0 ||
        yaml_percent(pair->value, pair->key, &out->share, err) != 0)
        return -1;
    out->can_map = maps && profile.mapping != NAT_MAPPING_NONE && !profile.udp_blocked;
    return 0;
}

static int read_nats(struct yaml_node *n, bool maps, struct population_group *g,
                     struct lab_error *err)
{
    double sum = 0.0;
    if (n->type != YAML_MAPPING || n->count == 0)
        return yaml_fail(n, err,
                         "nats must be a mapping of profiles to shares such as {random: 5%%}");
    if (n->count > POPULATION_NATS_MAX)
        return yaml_fail(n, err, "a group has at most %d NATs", POPULATION_NATS_MAX);
    for (size_t i = 0; i < n->count; i++) {
        if (read_nat(n, &n->pairs[i], maps, &g->nats[g->count], err) != 0)
            return -1;
        n->pairs[i].used = true;
        sum += g->nats[g->count++].share;
    }
    return check_sum(n, g->name, sum, err);
}

static int read_group(struct yaml_node *map, const struct yaml_pair *pair,
                      struct population_group *g, struct lab_error *err)
{
    static const char *const known[] = {"share", "maps", "nats", NULL};
    struct yaml_node at = place_of(map, pair), *v = pair->value;
    bool maps = false;
    if (yaml_string(&at, "a group", g->name, sizeof(g->name), err) != 0)
        return -1;
    if (v->type != YAML_MAPPING)
        return yaml_fail(
            v, err, "%s must be a mapping such as {share: 60%%, nats: {random: 100%%}}", g->name);
    struct yaml_node *share = yaml_get(v, "share"), *can = yaml_get(v, "maps");
    struct yaml_node *nats = yaml_get(v, "nats");
    if (yaml_finish(v, known, err) != 0)
        return -1;
    if (share == NULL || nats == NULL)
        return yaml_fail(v, err, "%s has no %s", g->name, share == NULL ? "share" : "nats");
    if (yaml_percent(share, "share", &g->share, err) != 0 ||
        (can != NULL && yaml_bool(can, "maps", &maps, err) != 0))
        return -1;
    return read_nats(nats, maps, g, err);
}

int population_read(struct yaml_node *map, struct population *out, struct lab_error *err)
{
    double sum = 0.0;
    memset(out, 0, sizeof(*out));
    if (map->type != YAML_MAPPING || map->count == 0)
        return yaml_fail(map, err, "population must be a mapping of groups to what they are");
    if (map->count > POPULATION_GROUPS_MAX)
        return yaml_fail(map, err, "population has at most %d groups", POPULATION_GROUPS_MAX);
    for (size_t i = 0; i < map->count; i++) {
        if (read_group(map, &map->pairs[i], &out->groups[out->count], err) != 0)
            return -1;
        map->pairs[i].used = true;
        sum += out->groups[out->count++].share;
    }
    return check_sum(map, "the groups", sum, err);
}

size_t population_nats(const struct population *p, const struct population_nat **out, size_t cap)
{
    size_t n = 0;
    for (size_t g = 0; g < p->count; g++) {
        for (size_t i = 0; i < p->groups[g].count; i++) {
            size_t k = 0;
            while (k < n && strcmp(out[k]->name, p->groups[g].nats[i].name) != 0)
                k++;
            if (k == n && n < cap)
                out[n++] = &p->groups[g].nats[i];
        }
    }
    return n;
}

double population_share(const struct population *p, const char *nat, bool maps, double mapping)
{
    double share = 0.0;
    for (size_t g = 0; g < p->count; g++) {
        for (size_t i = 0; i < p->groups[g].count; i++) {
            const struct population_nat *n = &p->groups[g].nats[i];
            double of = n->can_map ? mapping : 0.0;
            if (strcmp(n->name, nat) == 0)
                share += p->groups[g].share * n->share * (maps ? of : 1.0 - of);
        }
    }
    return share;
}
