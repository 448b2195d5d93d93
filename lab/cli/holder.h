/* The process in the background that holds a living lab: its namespaces are descriptors of it, and
 * go when it goes. */
#ifndef LAB_CLI_HOLDER_H
#define LAB_CLI_HOLDER_H

#include "lab/topo/layout.h"

/* Starts one, which builds the lab, proves its NATs and switches its links on; returns when it
 * lives, or could not. */
int holder_start(const char *name, const char *topology, const struct layout *layout,
                 struct lab_error *err);

#endif
