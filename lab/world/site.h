/* Where a NAT of a layout stands, as its rules or its model need to know it. */
#ifndef LAB_WORLD_SITE_H
#define LAB_WORLD_SITE_H

#include "lab/nat/rules.h"
#include "lab/topo/layout.h"

/* The last byte of the address with which a host can also speak for a second one on its LAN
 * (kernel_check.c); members of a LAN stay below .240. */
#define SITE_SECOND_HOST 250

/* The names in it are the layout's. */
void world_nat_site(const struct layout *l, size_t node, struct nat_site *out);

#endif
