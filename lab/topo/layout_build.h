/* Steps of layout_compute that stand in files of their own. */
#ifndef LAB_TOPO_LAYOUT_BUILD_H
#define LAB_TOPO_LAYOUT_BUILD_H

#include "lab/topo/layout.h"

/* Gives each wire the parameters of the topology's links. LAB_USAGE when one of them has no wire.
 */
int layout_apply_links(const struct topology *t, struct layout *l, struct lab_error *err);

#endif
