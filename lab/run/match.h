/* The conditions (`when`, `exclude`) that choose cells by their values. */
#ifndef LAB_RUN_MATCH_H
#define LAB_RUN_MATCH_H

#include "lab/run/axis.h"

/* A condition: each named axis has one of the values (patterns as of fnmatch; "!x" is every value
 * but x). */
struct match {
    struct {
        size_t axis;
        struct yaml_node *values; /* a scalar, or a list of scalars; of the scenario's document */
    } terms[AXES_MAX];
    size_t count;
};

/* Reads and checks a condition: its axes exist and each of its patterns matches a value. */
int match_read(struct yaml_node *map, const struct axes *axes, struct match *out,
               struct lab_error *err);
/* values: the index of the value on each axis. */
bool match_values(const struct match *m, const struct axes *axes, const uint16_t *values);

#endif
