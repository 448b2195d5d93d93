/* Other addresses for a node that stands in a layout already: what a provider, or another network,
 * gives it. */
#ifndef LAB_TOPO_RENUMBER_H
#define LAB_TOPO_RENUMBER_H

#include "lab/topo/layout.h"

/* A node has so many sets of addresses; the first is the one that layout_compute gave it. */
#define RENUMBER_TURNS 4

/* Gives a node that has an upstream the addresses of another turn on its interface there, in place
 * of those of turn `from`; its routes stay, and those that led over its old address lead over the
 * new one. IPv4, and for a host IPv6, too. */
void layout_renumber(struct layout *l, size_t node, unsigned from, unsigned to);

#endif
