/* The default gateways of a layout's node, as a host of either world tells them. */
#ifndef LAB_WORLD_GATEWAYS_H
#define LAB_WORLD_GATEWAYS_H

#include "host/host.h"
#include "lab/topo/layout.h"

/* By the node's default routes, IPv4 first; returns how many. */
size_t world_gateways(const struct layout *l, size_t node, struct ph_gateway *out, size_t cap);

#endif
