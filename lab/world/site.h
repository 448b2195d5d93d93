/* Where a NAT of a layout stands, as its rules or its model need to know it. */
#ifndef LAB_WORLD_SITE_H
#define LAB_WORLD_SITE_H

#include "lab/nat/rules.h"
#include "lab/topo/layout.h"

/* The names in it are the layout's. */
void world_nat_site(const struct layout *l, size_t node, struct nat_site *out);

#endif
