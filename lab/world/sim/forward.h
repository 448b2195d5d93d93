/* How a packet goes through the simulated network. */
#ifndef LAB_WORLD_SIM_FORWARD_H
#define LAB_WORLD_SIM_FORWARD_H

struct sim;
struct sim_packet;

#include <stddef.h>

/* A host sends: the source address is filled in from the route where it is unspecified. Takes p. */
void sim_originate(struct sim *s, size_t node, struct sim_packet *p);
/* A packet has arrived at p->node: its event has come. Takes p. */
void sim_arrive(struct sim *s, struct sim_packet *p);

#endif
