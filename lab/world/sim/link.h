/* Links of the simulator: delay, jitter, loss, rate. */
#ifndef LAB_WORLD_SIM_LINK_H
#define LAB_WORLD_SIM_LINK_H

#include "base/time.h"
#include "lab/topo/layout.h"

struct sim;

static inline const struct link_direction *sim_link_direction(const struct layout *l, size_t link,
                                                              int dir)
{
    return dir == 0 ? &l->links[link].params.up : &l->links[link].params.down;
}

/* It has no state: what goes in at one time comes out at one time, in the order of going in. */
static inline bool sim_link_only_delays(const struct link_direction *d)
{
    return d->jitter_ns == 0 && d->rate_bps == 0 && !(d->loss > 0);
}

/* A packet of len bytes enters it now. False: it is lost. */
bool sim_link_cross(struct sim *s, size_t link, int dir, size_t len, ph_ns *arrival);

#endif
