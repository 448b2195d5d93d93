/* Topology files: reading and checking. */
#include "lab/topo/topology.h"
#include "lab/data.h"
#include "lab/yaml.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOPS_MIN 3

static const char *const runs_names[] = {"nothing", "peer", "relay", "stun"};
static const char *const family_names[] = {"v4", "v6", "dual", "nat64"};

/* Names become parts of node names ("a.home") and of paths. */
static int check_name(const char *file, const struct yaml_pair *p, struct lab_error *err)
{
    static const char *const reserved[] = {"nats", "hosts"};
    size_t len = strlen(p->key);

    if (len > 16 || strspn(p->key, "abcdefghijklmnopqrstuvwxyz0123456789-") != len ||
        p->key[0] == '-') {
        return lab_fail(err, LAB_USAGE,
                        "%s:%u:%u: the name \"%.40s\" must be of at most 16 small letters, digits "
                        "and hyphens",
                        file, p->line, p->column, p->key);
    }
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(p->key, reserved[i]) == 0) {
            return lab_fail(err, LAB_USAGE, "%s:%u:%u: the name \"%s\" stands for all of them",
                            file, p->line, p->column, p->key);
        }
    }
    return 0;
}

/* The mapping of names under a key of the root; *out is NULL where the key is absent. */
static int section(struct yaml_node *root, const char *key, size_t max, struct yaml_node **out,
                   struct lab_error *err)
{
    struct yaml_node *n = yaml_get(root, key);

    *out = n;
    if (n == NULL) {
        return 0;
    }
    if (n->type != YAML_MAPPING) {
        return yaml_fail(n, err, "%s must be a mapping of names, {NAME: {...}}", key);
    }
    if (n->count > max) {
        return yaml_fail(n, err, "%zu %s are more than the %zu that fit", n->count, key, max);
    }
    for (size_t i = 0; i < n->count; i++) {
        if (check_name(n->file, &n->pairs[i], err) != 0) {
            return -1;
        }
        if (n->pairs[i].value->type != YAML_MAPPING) {
            return yaml_fail(n->pairs[i].value, err, "%s must be {key: value}", n->pairs[i].key);
        }
        n->pairs[i].used = true;
    }
    return 0;
}

/* `most`: the first so many of the names are possible here. */
static int read_family(struct yaml_node *map, const char *const *names, size_t most,
                       enum topo_family *out, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, "family");
    int v;

    if (n == NULL) {
        return 0;
    }
    if (yaml_enum(n, "family", names, most, &v, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(family_names) / sizeof(family_names[0]); i++) {
        if (strcmp(names[v], family_names[i]) == 0) {
            *out = (enum topo_family)(i + 1);
        }
    }
    return 0;
}

static int read_network(struct yaml_pair *p, struct topo_network *out, struct lab_error *err)
{
    static const char *const known[] = {"hops", "family", NULL};
    static const char *const families[] = {"v4", "dual"};
    struct yaml_node *hops = yaml_get(p->value, "hops");
    int64_t v = HOPS_MIN;

    snprintf(out->name, sizeof(out->name), "%s", p->key);
    /* Fewer, and a packet that is meant to die on the way reaches the other NAT itself. */
    if (hops != NULL && yaml_int(hops, "hops", HOPS_MIN, TOPO_HOPS_MAX, &v, err) != 0) {
        return -1;
    }
    out->hops = (unsigned)v;
    out->family = TOPO_FAMILY_V4;
    if (read_family(p->value, families, 2, &out->family, err) != 0) {
        return -1;
    }
    return yaml_finish(p->value, known, err);
}

static int read_word(struct yaml_node *map, const char *key, char *out, size_t cap,
                     struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, key);

    return n == NULL ? 0 : yaml_string(n, key, out, cap, err);
}

static int read_nat(struct yaml_pair *p, struct topo_nat *out, struct lab_error *err)
{
    static const char *const known[] = {"profile", "outside", "family", NULL};
    struct yaml_node *profile = yaml_get(p->value, "profile");

    snprintf(out->name, sizeof(out->name), "%s", p->key);
    if ((profile != NULL && nat_profile_named(profile, "profile", out->profile,
                                              sizeof(out->profile), NULL, err) != 0) ||
        read_word(p->value, "outside", out->outside, sizeof(out->outside), err) != 0 ||
        read_family(p->value, family_names, 4, &out->family, err) != 0 ||
        yaml_finish(p->value, known, err) != 0) {
        return -1;
    }
    if (out->profile[0] == '\0' || out->outside[0] == '\0') {
        return yaml_fail(p->value, err, "NAT \"%s\" needs %s", p->key,
                         out->profile[0] == '\0' ? "profile: NAME" : "outside: NETWORK or NAT");
    }
    return 0;
}

static int read_host(struct yaml_pair *p, struct topo_host *out, struct lab_error *err)
{
    static const char *const known[] = {"inside", "on", "runs", "addresses", "family", NULL};
    struct yaml_node *runs = yaml_get(p->value, "runs");
    struct yaml_node *addresses = yaml_get(p->value, "addresses");
    int64_t count = 1;
    int what = TOPO_RUNS_NOTHING;

    snprintf(out->name, sizeof(out->name), "%s", p->key);
    if (read_word(p->value, "inside", out->inside, sizeof(out->inside), err) != 0 ||
        read_word(p->value, "on", out->on, sizeof(out->on), err) != 0 ||
        (runs != NULL && yaml_enum(runs, "runs", runs_names,
                                   sizeof(runs_names) / sizeof(runs_names[0]), &what, err) != 0) ||
        (addresses != NULL &&
         yaml_int(addresses, "addresses", 1, TOPO_ADDRESSES_MAX, &count, err) != 0) ||
        read_family(p->value, family_names, 3, &out->family, err) != 0 ||
        yaml_finish(p->value, known, err) != 0) {
        return -1;
    }
    out->runs = (enum topo_runs)what;
    out->addresses = (unsigned)count;
    if ((out->inside[0] == '\0') == (out->on[0] == '\0')) {
        return yaml_fail(p->value, err,
                         "host \"%s\" needs one of inside: NAT (on its LAN) and on: NETWORK (with "
                         "an address there)",
                         p->key);
    }
    return 0;
}

static bool is_network(const struct topology *t, const char *name)
{
    for (size_t i = 0; i < t->network_count; i++) {
        if (strcmp(t->networks[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static const struct topo_nat *nat_named(const struct topology *t, const char *name)
{
    for (size_t i = 0; i < t->nat_count; i++) {
        if (strcmp(t->nats[i].name, name) == 0) {
            return &t->nats[i];
        }
    }
    return NULL;
}

static bool is_host(const struct topology *t, const char *name)
{
    for (size_t i = 0; i < t->host_count; i++) {
        if (strcmp(t->hosts[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int unknown(const struct yaml_node *at, const struct topology *t, const char *what,
                   const char *name, bool networks, bool nats, struct lab_error *err)
{
    const char *known[TOPO_NETWORKS_MAX + TOPO_NATS_MAX];
    char list[256] = "";
    size_t n = 0, used = 0;
    const char *near;

    for (size_t i = 0; networks && i < t->network_count; i++) {
        known[n++] = t->networks[i].name;
    }
    for (size_t i = 0; nats && i < t->nat_count; i++) {
        known[n++] = t->nats[i].name;
    }
    for (size_t i = 0; i < n; i++) {
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ",
                                 known[i]);
    }
    near = yaml_nearest(name, known, n);
    if (near != NULL) {
        return yaml_fail(at, err, "%s is \"%s\"; did you mean \"%s\"?", what, name, near);
    }
    return yaml_fail(at, err, "%s is \"%s\", which is declared nowhere; known are: %s", what, name,
                     n == 0 ? "(none)" : list);
}

static int check_nats(const struct topology *t, struct yaml_node *nats, struct lab_error *err)
{
    for (size_t i = 0; i < t->nat_count; i++) {
        const struct yaml_node *at = yaml_get(nats->pairs[i].value, "outside");
        const struct topo_nat *n = &t->nats[i];
        size_t steps = 0;

        if (is_network(t, n->name)) {
            return yaml_fail(nats->pairs[i].value, err, "a network is named \"%s\" too", n->name);
        }
        while (!is_network(t, n->outside)) {
            const struct topo_nat *next = nat_named(t, n->outside);

            if (next == NULL) {
                return unknown(at, t, "outside", n->outside, true, true, err);
            }
            if (++steps > t->nat_count) {
                return yaml_fail(at, err, "NAT \"%s\" is outside of itself: no network is reached",
                                 t->nats[i].name);
            }
            n = next;
        }
    }
    return 0;
}

static int check_hosts(const struct topology *t, struct yaml_node *hosts, struct lab_error *err)
{
    for (size_t i = 0; i < t->host_count; i++) {
        const struct topo_host *h = &t->hosts[i];
        struct yaml_node *map = hosts->pairs[i].value;

        if (is_network(t, h->name)) {
            return yaml_fail(map, err, "a network is named \"%s\" too", h->name);
        }
        if (h->inside[0] != '\0' && nat_named(t, h->inside) == NULL) {
            return unknown(yaml_get(map, "inside"), t, "inside", h->inside, false, true, err);
        }
        if (h->on[0] != '\0' && !is_network(t, h->on)) {
            return unknown(yaml_get(map, "on"), t, "on", h->on, true, false, err);
        }
    }
    return 0;
}

static int check_links(const struct topology *t, struct yaml_node *links, struct lab_error *err)
{
    for (size_t i = 0; i < t->link_count; i++) {
        struct yaml_node *between = yaml_get(links->pairs[i].value, "between");

        for (size_t k = 0; k < 2; k++) {
            const char *name = t->links[i].between[k];

            if (strcmp(name, "nats") != 0 && strcmp(name, "hosts") != 0 && !is_network(t, name) &&
                nat_named(t, name) == NULL && !is_host(t, name)) {
                return yaml_fail(between->items[k], err,
                                 "between names \"%s\": it must be a NAT, a host or a network of "
                                 "this file, \"nats\" or \"hosts\"",
                                 name);
            }
        }
    }
    return 0;
}

static int read_name(struct yaml_node *root, struct topology *out, struct lab_error *err)
{
    struct yaml_node *name = yaml_get(root, "name");

    if (name == NULL) {
        return yaml_fail(root, err, "a topology needs name: NAME");
    }
    return yaml_string(name, "name", out->name, sizeof(out->name), err);
}

static int read_root(struct yaml_node *root, struct topology *t, struct lab_error *err)
{
    static const char *const known[] = {"name", "networks", "nats", "hosts", "links", NULL};
    struct yaml_node *networks, *nats, *hosts, *links;

    if (root->type != YAML_MAPPING) {
        return yaml_fail(root, err,
                         "a topology must be a mapping: name, networks, nats, hosts, "
                         "links");
    }
    if (read_name(root, t, err) != 0 ||
        section(root, "networks", TOPO_NETWORKS_MAX, &networks, err) != 0 ||
        section(root, "nats", TOPO_NATS_MAX, &nats, err) != 0 ||
        section(root, "hosts", TOPO_HOSTS_MAX, &hosts, err) != 0 ||
        section(root, "links", TOPO_LINKS_MAX, &links, err) != 0 ||
        yaml_finish(root, known, err) != 0) {
        return -1;
    }
    if (networks == NULL || networks->count == 0 || hosts == NULL || hosts->count == 0) {
        return yaml_fail(root, err, "a topology needs at least one of networks and one of hosts");
    }
    for (size_t i = 0; i < networks->count; i++) {
        if (read_network(&networks->pairs[i], &t->networks[t->network_count++], err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; nats != NULL && i < nats->count; i++) {
        if (read_nat(&nats->pairs[i], &t->nats[t->nat_count++], err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < hosts->count; i++) {
        if (read_host(&hosts->pairs[i], &t->hosts[t->host_count++], err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; links != NULL && i < links->count; i++) {
        struct topo_link *l = &t->links[t->link_count++];

        snprintf(l->name, sizeof(l->name), "%s", links->pairs[i].key);
        if (link_read(links->pairs[i].value, l, err) != 0) {
            return -1;
        }
    }
    if (nats != NULL && check_nats(t, nats, err) != 0) {
        return -1;
    }
    if (check_hosts(t, hosts, err) != 0) {
        return -1;
    }
    return links == NULL ? 0 : check_links(t, links, err);
}

static int read_doc(struct yaml_doc *doc, struct topology *out, struct lab_error *err)
{
    int rc;

    memset(out, 0, sizeof(*out));
    rc = read_root(yaml_root(doc), out, err);
    yaml_free(doc);
    return rc;
}

int topology_parse(const char *name, const char *text, size_t len, struct topology *out,
                   struct lab_error *err)
{
    struct yaml_doc *doc;

    return yaml_parse(name, text, len, &doc, err) != 0 ? -1 : read_doc(doc, out, err);
}

int topology_load(const char *path, struct topology *out, struct lab_error *err)
{
    struct yaml_doc *doc;

    return yaml_load(path, &doc, err) != 0 ? -1 : read_doc(doc, out, err);
}

int topology_find(const char *name, struct topology *out, struct lab_error *err)
{
    char relative[96], path[PATH_MAX];

    if (strchr(name, '/') != NULL || strlen(name) > 64) {
        return topology_load(name, out, err);
    }
    snprintf(relative, sizeof(relative), "topologies/%s.yaml", name);
    lab_data_path(relative, path, sizeof(path));
    if (access(path, R_OK) != 0) {
        return lab_fail(
            err, LAB_USAGE,
            "topology \"%s\": there is no %s; shipped are two-nats, same-lan, same-nat, "
            "same-cgnat, no-nat, dual-stack, v6-only, nat64; one of your own is named by its path, "
            "./%s.yaml",
            name, path, name);
    }
    return topology_load(path, out, err);
}
