/* A profile out of YAML: a whole file, or one field for the axis of a matrix. */
#include "lab/nat/profile_read.h"
#include "lab/nat/profile_validate.h"
#include "lab/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const root_keys[] = {
    "name", "mapping",    "filtering", "allocation",   "gateway", "hairpin", "timeout", "limits",
    "pool", "background", "udp",       "port_mapping", "inside",  "ipv6",    NULL};
static const char *const allocation_keys[] = {"type",    "step",  "start",     "block", "range",
                                              "aligned", "exact", "exclusive", NULL};
static const char *const timeout_keys[] = {"udp", "udp_stream", NULL};
static const char *const limits_keys[] = {"mappings", "new_per_second", NULL};
static const char *const pool_keys[] = {"addresses", "pairing", NULL};
static const char *const background_keys[] = {"hosts", "flows_per_second", NULL};
static const char *const port_mapping_keys[] = {"nat_pmp", "pcp", "upnp", "faults", NULL};

static const char *const udps[] = {"allow", "block"};
static const char *const pairings[] = {"paired", "arbitrary"};

static int want_mapping(struct yaml_node *n, const char *what, struct lab_error *err)
{
    if (n->type == YAML_MAPPING)
        return 0;
    return yaml_fail(n, err, "%s is %s: it must be a mapping, {key: value}", what,
                     n->type == YAML_SCALAR ? n->scalar : "a list");
}

static int read_u32(struct yaml_node *map, const char *key, const char *what, int64_t max,
                    uint32_t *out, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, key);
    int64_t v;
    if (n == NULL)
        return 0;
    if (yaml_int(n, what, 0, max, &v, err) != 0)
        return -1;
    *out = (uint32_t)v;
    return 0;
}

static int read_bool(struct yaml_node *map, const char *key, const char *what, bool *out,
                     struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, key);
    return n == NULL ? 0 : yaml_bool(n, what, out, err);
}

static int read_enum(struct yaml_node *map, const char *key, const char *what,
                     const char *const *names, size_t count, int *out, struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, key);
    return n == NULL ? 0 : yaml_enum(n, what, names, count, out, err);
}

static int read_mapping(struct yaml_node *root, struct nat_profile *p, struct lab_error *err)
{
    const char *names[NAT_MAPPING_APDM + 1];
    int v = (int)p->mapping;
    for (int i = 0; i <= NAT_MAPPING_APDM; i++)
        names[i] = nat_mapping_name((enum nat_mapping)i);
    if (read_enum(root, "mapping", "mapping", names, COUNT(names), &v, err) != 0)
        return -1;
    p->mapping = (enum nat_mapping)v;
    return 0;
}

static int read_filtering(struct yaml_node *root, struct nat_profile *p, struct lab_error *err)
{
    const char *names[NAT_FILTERING_APDF + 1];
    int v = (int)p->filtering;
    for (int i = 0; i <= NAT_FILTERING_APDF; i++)
        names[i] = nat_filtering_name((enum nat_filtering)i);
    if (read_enum(root, "filtering", "filtering", names, COUNT(names), &v, err) != 0)
        return -1;
    p->filtering = (enum nat_filtering)v;
    return 0;
}

static int read_gateway(struct yaml_node *root, struct nat_profile *p, struct lab_error *err)
{
    const char *names[NAT_GATEWAY_REJECT + 1];
    int v = (int)p->gateway;
    for (int i = 0; i <= NAT_GATEWAY_REJECT; i++)
        names[i] = nat_gateway_name((enum nat_gateway)i);
    if (read_enum(root, "gateway", "gateway", names, COUNT(names), &v, err) != 0)
        return -1;
    p->gateway = (enum nat_gateway)v;
    return 0;
}

static int read_ipv6(struct yaml_node *root, struct nat_profile *p, struct lab_error *err)
{
    const char *names[NAT_IPV6_BLOCK + 1];
    int v = (int)p->ipv6;
    for (int i = 0; i <= NAT_IPV6_BLOCK; i++)
        names[i] = nat_ipv6_name((enum nat_ipv6)i);
    if (read_enum(root, "ipv6", "ipv6", names, COUNT(names), &v, err) != 0)
        return -1;
    p->ipv6 = (enum nat_ipv6)v;
    return 0;
}

static int read_type(struct yaml_node *n, const char *what, struct nat_profile *p,
                     struct lab_error *err)
{
    const char *names[NAT_ALLOC_BLOCK + 1];
    int v;
    for (int i = 0; i <= NAT_ALLOC_BLOCK; i++)
        names[i] = nat_allocation_name((enum nat_allocation_type)i);
    if (yaml_enum(n, what, names, COUNT(names), &v, err) != 0)
        return -1;
    p->allocation.type = (enum nat_allocation_type)v;
    return 0;
}

static int read_seconds(struct yaml_node *map, const char *key, const char *what, uint32_t *out,
                        struct lab_error *err)
{
    struct yaml_node *n = yaml_get(map, key);
    uint64_t ns;
    if (n == NULL)
        return 0;
    if (yaml_duration(n, what, &ns, err) != 0)
        return -1;
    if (ns % 1000000000u != 0 || ns / 1000000000u > 86400)
        return yaml_fail(n, err, "%s is %s: whole seconds, at most 24 h (30s for example)", what,
                         n->scalar);
    *out = (uint32_t)(ns / 1000000000u);
    return 0;
}

/* "1024-65535" */
static int read_range(struct yaml_node *n, struct nat_profile *p, struct lab_error *err)
{
    char text[32];
    unsigned long part[2];
    const char *at = text;
    if (yaml_string(n, "allocation.range", text, sizeof(text), err) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        char *end;
        if (*at < '0' || *at > '9')
            goto bad;
        part[i] = strtoul(at, &end, 10);
        if (part[i] > 65535 || *end != (i == 0 ? '-' : '\0'))
            goto bad;
        at = end + 1;
    }
    p->allocation.range_lo = (uint16_t)part[0];
    p->allocation.range_hi = (uint16_t)part[1];
    return 0;
bad:
    return yaml_fail(n, err, "allocation.range is %s: two ports, 1024-65535 for example", text);
}

static int read_allocation(struct yaml_node *n, struct nat_profile *p, struct lab_error *err)
{
    int64_t v;
    if (n->type == YAML_SCALAR)
        return read_type(n, "allocation", p, err);
    if (want_mapping(n, "allocation", err) != 0)
        return -1;
    struct yaml_node *type = yaml_get(n, "type");
    if (type != NULL && read_type(type, "allocation.type", p, err) != 0)
        return -1;
    struct yaml_node *step = yaml_get(n, "step");
    if (step != NULL) {
        if (yaml_int(step, "allocation.step", -256, 256, &v, err) != 0)
            return -1;
        p->allocation.step = (int)v;
    }
    struct yaml_node *start = yaml_get(n, "start");
    if (start != NULL) {
        if (yaml_int(start, "allocation.start", 0, 65535, &v, err) != 0)
            return -1;
        p->allocation.start = (uint16_t)v;
    }
    struct yaml_node *block = yaml_get(n, "block");
    if (block != NULL) {
        if (yaml_int(block, "allocation.block", 64, 8064, &v, err) != 0)
            return -1;
        p->allocation.block = (uint16_t)v;
    }
    struct yaml_node *range = yaml_get(n, "range");
    if (range != NULL && read_range(range, p, err) != 0)
        return -1;
    if (read_bool(n, "aligned", "allocation.aligned", &p->allocation.aligned, err) != 0 ||
        read_bool(n, "exact", "allocation.exact", &p->allocation.exact, err) != 0 ||
        read_bool(n, "exclusive", "allocation.exclusive", &p->allocation.exclusive, err) != 0)
        return -1;
    return yaml_finish(n, allocation_keys, err);
}

static int read_timeout(struct yaml_node *n, struct nat_profile *p, struct lab_error *err)
{
    if (want_mapping(n, "timeout", err) != 0 ||
        read_seconds(n, "udp", "timeout.udp", &p->timeout.udp_s, err) != 0 ||
        read_seconds(n, "udp_stream", "timeout.udp_stream", &p->timeout.udp_stream_s, err) != 0)
        return -1;
    return yaml_finish(n, timeout_keys, err);
}

static int read_limits(struct yaml_node *n, struct nat_profile *p, struct lab_error *err)
{
    if (want_mapping(n, "limits", err) != 0 ||
        read_u32(n, "mappings", "limits.mappings", 65535, &p->limits.mappings, err) != 0 ||
        read_u32(n, "new_per_second", "limits.new_per_second", 100000, &p->limits.new_per_second,
                 err) != 0)
        return -1;
    return yaml_finish(n, limits_keys, err);
}

static int read_pool(struct yaml_node *n, struct nat_profile *p, struct lab_error *err)
{
    int pairing = p->pool.arbitrary ? 1 : 0;
    if (want_mapping(n, "pool", err) != 0 ||
        read_u32(n, "addresses", "pool.addresses", 16, &p->pool.addresses, err) != 0 ||
        read_enum(n, "pairing", "pool.pairing", pairings, COUNT(pairings), &pairing, err) != 0)
        return -1;
    p->pool.arbitrary = pairing == 1;
    return yaml_finish(n, pool_keys, err);
}

static int read_background(struct yaml_node *n, struct nat_profile *p, struct lab_error *err)
{
    if (want_mapping(n, "background", err) != 0 ||
        read_u32(n, "hosts", "background.hosts", 64, &p->background.hosts, err) != 0 ||
        read_u32(n, "flows_per_second", "background.flows_per_second", 10000,
                 &p->background.flows_per_second, err) != 0)
        return -1;
    return yaml_finish(n, background_keys, err);
}

static int read_port_mapping(struct yaml_node *n, struct nat_profile *p, struct lab_error *err)
{
    if (want_mapping(n, "port_mapping", err) != 0 ||
        read_bool(n, "nat_pmp", "port_mapping.nat_pmp", &p->port_mapping.nat_pmp, err) != 0 ||
        read_bool(n, "pcp", "port_mapping.pcp", &p->port_mapping.pcp, err) != 0 ||
        read_bool(n, "upnp", "port_mapping.upnp", &p->port_mapping.upnp, err) != 0)
        return -1;
    struct yaml_node *faults = yaml_get(n, "faults");
    if (faults != NULL) {
        if (faults->type != YAML_SEQUENCE)
            return yaml_fail(faults, err, "port_mapping.faults must be a list: [] or [name, ...]");
        if (faults->count > NAT_FAULTS_MAX)
            return yaml_fail(faults, err, "port_mapping.faults has %zu entries: at most %d",
                             faults->count, NAT_FAULTS_MAX);
        for (size_t i = 0; i < faults->count; i++)
            if (yaml_string(faults->items[i], "port_mapping.faults", p->port_mapping.faults[i],
                            NAT_NAME_MAX, err) != 0)
                return -1;
        p->port_mapping.fault_count = faults->count;
    }
    return yaml_finish(n, port_mapping_keys, err);
}

static const struct {
    const char *key;
    int (*read)(struct yaml_node *n, struct nat_profile *p, struct lab_error *err);
} sections[] = {
    {"allocation", read_allocation}, {"timeout", read_timeout},
    {"limits", read_limits},         {"pool", read_pool},
    {"background", read_background}, {"port_mapping", read_port_mapping},
};

/* The home NAT is looked for now, so that a slip is found at its place and not when a world is
 * built. */
static int read_inside(struct yaml_node *n, enum profile_source source, struct nat_profile *p,
                       struct lab_error *err)
{
    struct nat_profile home;
    if (yaml_string(n, "inside", p->inside, sizeof(p->inside), err) != 0)
        return -1;
    if (p->inside[0] == '\0' || source == PROFILE_HOME)
        return 0;
    if (strcmp(p->inside, p->name) == 0)
        return yaml_fail(n, err, "inside is %s: a NAT cannot stand inside itself", p->inside);
    if (nat_profile_named_as(n, "inside", PROFILE_HOME, p->inside, sizeof(p->inside), &home, err) !=
        0)
        return -1;
    if (home.inside[0] != '\0')
        return yaml_fail(n, err,
                         "inside is %s, inside of which stands %s: one home NAT is the most",
                         n->scalar, home.inside);
    return 0;
}

static int read_root(struct yaml_node *root, enum profile_source source, struct nat_profile *p,
                     struct lab_error *err)
{
    int udp = p->udp_blocked ? 1 : 0;
    struct yaml_node *n;
    if (want_mapping(root, "a NAT profile", err) != 0)
        return -1;
    n = yaml_get(root, "name");
    if (n != NULL && yaml_string(n, "name", p->name, sizeof(p->name), err) != 0)
        return -1;
    if (read_mapping(root, p, err) != 0 || read_filtering(root, p, err) != 0 ||
        read_gateway(root, p, err) != 0 || read_ipv6(root, p, err) != 0 ||
        read_enum(root, "udp", "udp", udps, COUNT(udps), &udp, err) != 0 ||
        read_bool(root, "hairpin", "hairpin", &p->hairpin, err) != 0)
        return -1;
    p->udp_blocked = udp == 1;
    n = yaml_get(root, "inside");
    if (n != NULL && read_inside(n, source, p, err) != 0)
        return -1;
    for (size_t i = 0; i < COUNT(sections); i++) {
        n = yaml_get(root, sections[i].key);
        if (n != NULL && sections[i].read(n, p, err) != 0)
            return -1;
    }
    p->firewall = p->mapping == NAT_MAPPING_NONE && p->filtering != NAT_FILTERING_EIF;
    return yaml_finish(root, root_keys, err);
}

/* The node that a dotted name stands for, or the nearest one above it that is there. */
static const struct yaml_node *field_node(struct yaml_node *root, const char *field)
{
    char part[NAT_NAME_MAX];
    struct yaml_node *at = root;
    while (*field != '\0' && at->type == YAML_MAPPING) {
        size_t n = strcspn(field, ".");
        if (n >= sizeof(part))
            break;
        memcpy(part, field, n);
        part[n] = '\0';
        struct yaml_node *next = yaml_get(at, part);
        if (next == NULL)
            break;
        at = next;
        field += n + (field[n] == '.' ? 1 : 0);
    }
    return at;
}

/* What a type of allocation does not take would be left out without a word. */
static int check_allocation_fields(struct yaml_node *allocation, const struct nat_profile *p,
                                   struct lab_error *err)
{
    static const struct {
        const char *field;
        unsigned types; /* 1u << nat_allocation_type */
    } takes[] = {
        {"step", 1u << NAT_ALLOC_SEQUENTIAL},
        {"start", 1u << NAT_ALLOC_SEQUENTIAL},
        {"block", 1u << NAT_ALLOC_BLOCK},
        {"aligned", 1u << NAT_ALLOC_BLOCK},
        {"exact", 1u << NAT_ALLOC_PRESERVING | 1u << NAT_ALLOC_BLOCK},
        {"exclusive", 1u << NAT_ALLOC_RANDOM | 1u << NAT_ALLOC_BLOCK},
    };
    for (size_t i = 0; i < COUNT(takes); i++) {
        const struct yaml_node *n = yaml_get(allocation, takes[i].field);
        if (n != NULL && (takes[i].types & 1u << p->allocation.type) == 0)
            return yaml_fail(n, err, "allocation.%s means nothing to allocation %s", takes[i].field,
                             nat_allocation_name(p->allocation.type));
    }
    return 0;
}

int nat_profile_read_as(struct yaml_node *root, enum profile_source source, struct nat_profile *p,
                        struct lab_error *err)
{
    struct nat_refusal r;
    if (read_root(root, source, p, err) != 0)
        return -1;
    /* A single field is for whichever profile it is set in. */
    struct yaml_node *allocation = yaml_get(root, "allocation");
    bool whole = source != PROFILE_EDIT || yaml_get(allocation, "type") != NULL;
    if (whole && check_allocation_fields(allocation, p, err) != 0)
        return -1;
    if (!nat_profile_possible(p, &r))
        return yaml_fail(field_node(root, r.field), err, "%s", r.text);
    return 0;
}

int nat_profile_read(struct yaml_node *root, struct nat_profile *p, struct lab_error *err)
{
    return nat_profile_read_as(root, PROFILE_FILE, p, err);
}
