/* The in-memory world: a layout's nodes and links as an event queue in virtual time. The same agent
 * and relay run on it as on the kernel; nothing sleeps, everything is seeded, and a run is repeated
 * byte for byte by its seed.
 *
 * Packets go from node to node along the layout's routes: each router takes one from the TTL, each
 * NAT translates and filters (lab/world/sim/nat.h), each link delays, loses and paces. Where a
 * NAT's profile wants a port-mapping server, a scripted router stands (lab/router/scripted.h).
 *
 * A packet costs an event where something may happen to it that depends on when: at a host, at a
 * NAT that a link with a delay leads to, and before a link that loses, paces or jitters. Past
 * routers and links that only delay it goes in one step, with the times, TTLs and losses of going
 * hop by hop; only which of two packets is first that arrive at one node in the same nanosecond may
 * differ from that. With a tap it goes hop by hop. */
#ifndef LAB_WORLD_SIM_SIM_H
#define LAB_WORLD_SIM_SIM_H

#include "lab/world/world.h"

/* The world owns a copy of the layout. Free it by world->ops->free, after its hosts. */
int sim_world_new(const struct layout *layout, uint64_t seed, struct world **out,
                  struct lab_error *err);

/* Makes it as new, with another seed: what comes is what would come in a new world of that seed.
 * Its hosts must be gone. */
int sim_world_reset(struct world *w, uint64_t seed, struct lab_error *err);

/* Handles the next event; false when there is none. */
bool sim_step(struct world *w);
/* Handles all events up to `until`, and sets the clock to it. */
void sim_run_until(struct world *w, ph_ns until);
/* Handles events until done(user) is true; false when it is not by `limit`. */
bool sim_run_while(struct world *w, ph_ns limit, bool (*done)(void *user), void *user);

/* A hash over every datagram that was handed to an endpoint so far: when, where, from whom, what.
 */
uint64_t sim_digest(const struct world *w);
uint64_t sim_packets(const struct world *w);
/* What its links lost since the world began. */
struct link_drops sim_drops(const struct world *w);
/* How many mappings the port-mapping servers of all its routers hold together. */
size_t sim_mappings(const struct world *w);

/* What a test may do to packets as a node sends or forwards them. */
enum sim_verdict {
    SIM_PASS,
    SIM_DROP,
};
struct sim_tap_packet {
    size_t node; /* at this node */
    struct ph_addr src, dst;
    uint8_t ttl;
    uint8_t *data; /* may be changed in place */
    size_t len;
};
void sim_tap(struct world *w, enum sim_verdict (*tap)(void *user, const struct sim_tap_packet *p),
             void *user);
/* Puts a packet on its way from a node, with any source address. */
void sim_inject(struct world *w, size_t node, const struct ph_addr *src, const struct ph_addr *dst,
                const uint8_t *data, size_t len);

#endif
