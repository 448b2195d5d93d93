/* Who calls whom in the world outside: groups of people, the NATs that stand before them, and how
 * many of their routers map ports. Both ends of every call are drawn from it, so that a share of
 * all trials is a share of all calls.
 *
 *   population:
 *     home: {share: 60%, maps: true, nats: {port-preserving: 45%, port-restricted: 55%}}
 *     mobile: {share: 40%, nats: {cgnat-eim: 60%, random: 40%}} */
#ifndef LAB_RUN_POPULATION_H
#define LAB_RUN_POPULATION_H

#include "lab/nat/profile.h"
#include "lab/yaml.h"

#define POPULATION_GROUPS_MAX 8
#define POPULATION_NATS_MAX   32
#define POPULATION_NAME_MAX   32

struct population_nat {
    char name[NAT_NAME_MAX]; /* of a profile */
    double share;            /* of its group */
    bool can_map;            /* its group's routers may map ports, and it translates and lets UDP
                              * through */
    struct yaml_node at;
};

struct population_group {
    char name[POPULATION_NAME_MAX];
    double share; /* of all */
    struct population_nat nats[POPULATION_NATS_MAX];
    size_t count;
};

struct population {
    struct population_group groups[POPULATION_GROUPS_MAX];
    size_t count; /* 0: there is none */
};

/* Shares of each list come to 100%. LAB_USAGE with file:line:column. */
int population_read(struct yaml_node *map, struct population *out, struct lab_error *err);

/* The different NATs, in the order of the file, at most `cap` of them; returns how many. */
size_t population_nats(const struct population *p, const struct population_nat **out, size_t cap);

/* The share of ends that stand behind this NAT with a router that maps, or with one that does not,
 * when `mapping` (0..1) of the routers that can map ports do. */
double population_share(const struct population *p, const char *nat, bool maps, double mapping);

#endif
