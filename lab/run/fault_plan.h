/* The section `faults:` of a scenario: what befalls a world while a call goes on in it, by name.
 * The names are values of the axis `fault`. (A router that has a fault of its own,
 * lab/router/fault.h, is another value of that axis: it has it from the beginning.)
 *
 *     faults:
 *       path-dies:  {do: blackhole, at: 1s-4s}                 # at a moment drawn from the seed
 *       one-way:    {do: blackhole, direction: up, at: 2s, for: 3s}
 *       both-boot:  {do: reboot-nat, where: both, at: 2s}
 *       in-a-row:                                              # a list: all of these
 *         - {do: renumber-wan, at: 1s}
 *         - {do: restart-relay, at: 2s, for: 1s}
 *       storm:      {do: [reboot-nat, blackout], where: any, at: 0s-5s, every: 5s, until: 30m}
 *
 * Moments count from the first media frame in both directions. */
#ifndef LAB_RUN_FAULT_PLAN_H
#define LAB_RUN_FAULT_PLAN_H

#include "base/time.h"
#include "lab/world/incident.h"
#include "lab/yaml.h"

#define FAULT_PLANS_MAX  48
#define FAULT_STEPS_MAX  16
#define FAULT_NAME_MAX   48
#define FAULT_MOMENT_MAX (3600 * PH_SEC) /* the last that a fault may begin at */
#define FAULTS_MAX       2048            /* of one trial */

enum fault_where {
    FAULT_AT_A, /* the caller's */
    FAULT_AT_B,
    FAULT_AT_BOTH,
    FAULT_AT_ANY, /* one of them, drawn for each time */
};

/* One line of a plan; with `every` it comes several times. */
struct fault_step {
    enum incident_kind kinds[INCIDENT_KINDS]; /* several: one is drawn for each time */
    size_t kind_count;
    enum fault_where where;
    enum incident_direction direction;
    ph_ns from, to; /* of the first time: a moment between them is drawn */
    ph_ns every;    /* the k-th one is as much later, drawn anew */
    unsigned times; /* at least 1 */
    ph_ns lasts;    /* of kinds that last; PH_NEVER: for good. 0: as each kind has it by default */
};

struct fault_plan {
    char name[FAULT_NAME_MAX];
    struct fault_step steps[FAULT_STEPS_MAX];
    size_t step_count;
    struct yaml_node *at;  /* of the document */
    unsigned line, column; /* of its name there */
};

struct fault_plans {
    struct fault_plan items[FAULT_PLANS_MAX];
    size_t count;
};

/* Reads the mapping `faults:`. */
int fault_plans_read(struct yaml_node *map, struct fault_plans *out, struct lab_error *err);
/* NULL: none bears the name. plans may be NULL. */
const struct fault_plan *fault_plan_find(const struct fault_plans *plans, const char *name);

/* How long this kind lasts in this step; 0: it does not; PH_NEVER: for good. */
ph_ns fault_step_lasts(const struct fault_step *step, enum incident_kind kind);
/* The last moment, from the first media on, at which anything of it can happen or end. */
ph_ns fault_plan_over(const struct fault_plan *plan);
/* Whether hosts' own addresses or routes change, so that they must be asked for anew. */
bool fault_plan_moves_hosts(const struct fault_plan *plan);
/* Whether it can be in this world. LAB_USAGE. */
int fault_plan_check(const struct fault_plan *plan, const struct layout *l, struct lab_error *err);

#endif
