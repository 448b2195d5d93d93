/* Bystanders: on the host of each peer that is behind a NAT somebody else opens a new flow now and
 * then, and sees whether it works: a fresh socket asks the world's STUN server, three times at
 * most, and gives up after three seconds. What a call does to the router that it shares with others
 * shows in how many of these flows are answered. */
#ifndef LAB_RUN_BYSTANDER_H
#define LAB_RUN_BYSTANDER_H

#include "lab/world/world.h"

struct bystander;

#define BYSTANDER_PATIENCE (3 * PH_SEC)

struct bystander_count {
    uint32_t asked, answered; /* of all of them together */
};

/* Flows a second of each one, evenly spaced from a seeded moment on. `server` must outlive it.
 * PH_OK also where no peer is behind a NAT (*out is then NULL); PH_ERR_NOMEM and what host_new
 * gives. */
int bystander_start(struct world *w, const struct ph_addr *server, uint32_t flows_per_second,
                    uint64_t seed, struct bystander **out);
/* No new flow from here on. b may be NULL here and below. */
void bystander_ask_no_more(struct bystander *b);
/* No flow waits for its answer any more: within BYSTANDER_PATIENCE of the last one. */
bool bystander_settled(const struct bystander *b);
struct bystander_count bystander_count(const struct bystander *b);
void bystander_stop(struct bystander *b);

#endif
