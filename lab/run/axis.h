/* An axis of a matrix, and its values. */
#ifndef LAB_RUN_AXIS_H
#define LAB_RUN_AXIS_H

#include "lab/router/fault.h"
#include "lab/run/fault_plan.h"
#include "lab/run/population.h"
#include "lab/topo/topology.h"
#include "lab/yaml.h"

#define AXES_MAX        16
#define AXIS_NAME_MAX   64
#define AXIS_VALUES_MAX 96
#define AXIS_VALUE_MAX  48

enum axis_kind {
    AXIS_NAT,     /* "a.nat": the profile of the topology's NAT a; a path in it starts at the folder
                   * of the scenario's file */
    AXIS_FIELD,   /* "a.nat.FIELD": one field of that profile */
    AXIS_GATEWAY, /* every NAT's gateway policy */
    AXIS_FAMILY,  /* which address families the peers of a call have: world_spec_set_family */
    AXIS_LINK,    /* every link's parameters, by a preset's name */
    AXIS_LOSS,    /* every link's loss, in %, each way; the rest stays */
    AXIS_PORT_MAPPING,    /* what the router in front of the caller speaks: axis_port_mapping */
    AXIS_SIDE_MAPPING,    /* "a.port_mapping": the same of the router of the topology's NAT a */
    AXIS_MAPPING_ROUTERS, /* how many of a population's routers that can map ports do, in % */
    AXIS_FAULT,           /* a scripted router there, with a fault of lab/router/fault.h; or what
                           * befalls the call, of the scenario's section `faults`; or none */
    AXIS_BACKGROUND,      /* other people's flows a second behind each NAT */
    AXIS_BYSTANDER,       /* flows a second beside each peer of a call, which are looked after */
    /* What both peers of a call are told. */
    AXIS_STRATEGY, /* lab/run/strategy.h */
    AXIS_PROBE,    /* what is sent to guessed ports: check, quic-initial */
    AXIS_GUESSING, /* on, off: the stages predict and birthday, where the scenario has them */
    AXIS_CANARY,   /* on, off: whether they look if others can still open flows */
    AXIS_OPENERS,  /* their budgets (nat/plan.h) */
    AXIS_PROBES,
    AXIS_RATE,
};

struct axis {
    char name[AXIS_NAME_MAX];
    enum axis_kind kind;
    const struct fault_plans *plans; /* FAULT: the scenario's */
    size_t nat;                      /* index into the topology's NATs: NAT, FIELD, SIDE_MAPPING */
    char field[NAT_NAME_MAX];
    char values[AXIS_VALUES_MAX][AXIS_VALUE_MAX];
    size_t listed; /* the values that the matrix multiplies */
    size_t count;  /* and those that only `include` names, behind them */
};

struct axes {
    struct axis items[AXES_MAX];
    size_t count;
};

/* Reads the mapping `matrix:`; every value is held against what it names (a profile that exists, a
 * preset), with its place in the file when it is wrong. The plans live as long as the axes. */
int axes_read(struct yaml_node *matrix, const struct topology *topology,
              const struct population *population, const struct fault_plans *plans,
              struct axes *out, struct lab_error *err);
/* Its values are for the peers of a call; no other subject has any use for them. */
bool axis_is_of_calls(enum axis_kind kind);
/* Its values are what stands before one end of a call: a NAT, what its router speaks. */
bool axis_is_of_an_end(enum axis_kind kind);
/* SIZE_MAX when there is none. */
size_t axes_find(const struct axes *axes, const char *name);
/* The axis that a key of the mapping names; -1, with its place in the file: there is none. */
int axes_find_key(const struct axes *axes, const struct yaml_node *map,
                  const struct yaml_pair *pair, size_t *index, struct lab_error *err);
/* Complains of a value that is none of the axis's; -1. */
int axis_no_value(const struct axis *axis, const struct yaml_node *at, const char *text,
                  struct lab_error *err);
/* A value of the axis port_mapping. `none`: no server; `off`: none either, and the peers do not ask
 * for one (their stage portmap is off), for comparison. */
struct axis_port_mapping {
    const char *name;
    unsigned protocols; /* as of world_spec_set_port_mapping */
    bool off;
};
/* NULL: there is no such value. */
const struct axis_port_mapping *axis_port_mapping(const char *name);
/* The fault of a value of the axis fault; NULL for "none" and for what is no fault. */
const struct fault *axis_fault(const char *name);
/* Finds a value, or adds it behind the listed ones (for `include`). */
int axis_add_value(struct axis *axis, struct yaml_node *value, size_t *index,
                   struct lab_error *err);

#endif
