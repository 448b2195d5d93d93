/* What a scenario that was read has to be, taken together. */
#ifndef LAB_RUN_SCENARIO_CHECK_H
#define LAB_RUN_SCENARIO_CHECK_H

#include "lab/run/scenario.h"

/* Every axis means something to the subject, every cell is a world that can be, the cells of a
 * population are all of its calls, and every expectation is one that can be met. LAB_USAGE with
 * file:line:column of `root`'s file. */
int scenario_check(struct yaml_node *root, const struct scenario *s, struct lab_error *err);

#endif
