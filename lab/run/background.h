/* Background flows: what other people behind the same NAT do meanwhile. At seeded moments (a
 * Poisson process of the profile's rate) a new socket behind the NAT sends one packet to a server
 * where nobody listens. Its mapping, and the port that it takes, are the NAT's to give; they stay
 * until the NAT's own timeout. */
#ifndef LAB_RUN_BACKGROUND_H
#define LAB_RUN_BACKGROUND_H

#include "lab/world/world.h"

struct background;

/* Starts one for each NAT of the world's layout whose profile asks for it. `to`: a node of the
 * internet. PH_OK also where no NAT asks (*out is then NULL); PH_ERR_NOMEM and what host_new gives.
 */
int background_start(struct world *w, size_t to, uint64_t seed, struct background **out);
void background_stop(struct background *b);

#endif
