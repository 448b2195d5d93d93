/* What a NAT's box does with IPv6 in the simulator: nothing, all, or a stateful firewall as
 * connection tracking makes it (`ct state established,related accept`, and what is new from outside
 * dropped). Nothing is translated. A flow is one once a packet of it has gone out, and lasts for
 * the profile's timeouts as it does in lab/world/sim/conntrack.h.
 *
 * Pure: time comes in. */
#ifndef LAB_WORLD_SIM_FIREWALL_H
#define LAB_WORLD_SIM_FIREWALL_H

#include "base/addr.h"
#include "base/time.h"
#include "lab/nat/profile.h"

/* So many flows at once; a new one beyond finds no place, and its packet goes no further. */
#define SIM_FIREWALL_FLOWS 4096

struct sim_firewall;

/* PH_ERR_NOMEM. */
int sim_firewall_new(const struct nat_profile *profile, struct sim_firewall **out);
void sim_firewall_free(struct sim_firewall *f);
/* Whether a packet from inside goes out, or one from outside comes in. `dies`: its hop limit ends
 * here, which keeps flows alive but begins none. */
bool sim_firewall_outbound(struct sim_firewall *f, ph_ns now, const struct ph_addr *src,
                           const struct ph_addr *dst, bool dies);
bool sim_firewall_inbound(struct sim_firewall *f, ph_ns now, const struct ph_addr *src,
                          const struct ph_addr *dst, bool dies);
/* Forgets all flows. */
void sim_firewall_flush(struct sim_firewall *f);

#endif
