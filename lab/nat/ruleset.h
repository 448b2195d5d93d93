/* A ruleset being written: shared by the files that write its parts. Private to lab/nat. */
#ifndef LAB_NAT_RULESET_H
#define LAB_NAT_RULESET_H

#include "lab/nat/memory.h"
#include "lab/nat/rules.h"

#include <stdio.h>

struct ruleset {
    FILE *f;
    const struct nat_profile *p;
    const struct nat_site *site;
    /* Filled by ruleset_plan. */
    struct nat_memory keeps;
    unsigned ports; /* drawn: how many */
    unsigned size;  /* of sets and maps: a full one stops learning in silence */
};

void ruleset_plan(struct ruleset *rs);

/* Writes the update of a set or map with the timeouts that conntrack gives the same flow:
 * `update @NAME { KEY timeout T [: DATA] }` behind `match`. data: NULL for a set. */
void ruleset_learn(const struct ruleset *rs, const char *match, const char *name, const char *key,
                   const char *data);

/* rules_mapping.c */
void mapping_declare(const struct ruleset *rs);   /* sets, maps, the chain that draws */
void mapping_translate(const struct ruleset *rs); /* the chain `translate` */
void mapping_hairpin(const struct ruleset *rs);   /* the chain `hairpin` */
void mapping_learn(const struct ruleset *rs);     /* lines of the chain `learn` */
bool mapping_learns(const struct ruleset *rs);

/* rules_filtering.c */
void filtering_declare(const struct ruleset *rs);
void filtering_admit(const struct ruleset *rs);   /* lines of the nat chain `prerouting` */
void filtering_forward(const struct ruleset *rs); /* lines of the chain `forwarding` */
void filtering_learn(const struct ruleset *rs);
bool filtering_learns(const struct ruleset *rs);

/* rules_v6.c: a table of its own, where the profile wants one */
void ipv6_table(const struct ruleset *rs);

#endif
