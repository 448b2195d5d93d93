/* A NAT's behaviour as a table of mappings, for the simulator: RFC 4787's mapping, filtering,
 * allocation and timeouts from the same profile that the kernel's rules are generated from. Pure:
 * time and randomness come in. Not modelled yet: limits, pools. */
#ifndef LAB_WORLD_SIM_NAT_H
#define LAB_WORLD_SIM_NAT_H

#include "base/addr.h"
#include "base/rng.h"
#include "base/time.h"
#include "lab/nat/profile.h"

struct sim_nat;

int sim_nat_new(const struct nat_profile *profile, const struct ph_addr *wan, uint64_t seed,
                struct sim_nat **out);
void sim_nat_free(struct sim_nat *n);

/* From inside out: *src becomes the outside address. False: the packet is dropped. */
bool sim_nat_outbound(struct sim_nat *n, ph_ns now, struct ph_addr *src, const struct ph_addr *dst);
/* From outside in: *dst becomes the inside address. False: filtered. */
bool sim_nat_inbound(struct sim_nat *n, ph_ns now, const struct ph_addr *src, struct ph_addr *dst);
/* A port that a port-mapping server opens, or closes again: whatever comes to it goes inside, from
 * whomever. back: what the inside endpoint sends by itself leaves from it, too; without that only
 * answers to who came in do. external 0: every port that nothing else holds. */
void sim_nat_forward(struct sim_nat *n, uint16_t external, const struct ph_addr *inside, bool on,
                     bool back);
/* Forgets every mapping, as a reboot does; not what sim_nat_forward opened. */
void sim_nat_flush(struct sim_nat *n);
size_t sim_nat_mappings(const struct sim_nat *n);

#endif
