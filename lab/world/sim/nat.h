/* A NAT in the simulator: what the rules of its profile make of netfilter (lab/nat/rules*.c), at
 * the level of connection tracking. Each step is the kernel's: a packet is looked up among the
 * flows; the first of a flow is given its outside port as get_unique_tuple() of nf_nat_core.c
 * would, with what the rules have learnt; what is confirmed holds until its timeout. So allocation
 * clashes, a port shared by two hosts whose destinations differ, ports 1024-2047 twice as likely,
 * and the early packet to a router that accepts, which takes a port away, come out by themselves.
 *
 * Pure: time comes in, chance comes from the seed. No memory is taken for a packet but where tables
 * grow. ICMP is not modelled, nor is IPv6: a NAT that keeps state passes IPv4 alone. */
#ifndef LAB_WORLD_SIM_NAT_H
#define LAB_WORLD_SIM_NAT_H

#include "base/addr.h"
#include "base/time.h"
#include "lab/nat/rules.h"

struct sim_nat;

/* site: its outside addresses, subscribers and seed are read (a hash's and a block's places are the
 * same as in the kernel's rules); `seed` is chance's. PH_ERR_NOMEM. */
int sim_nat_new(const struct nat_profile *profile, const struct nat_site *site, uint64_t seed,
                struct sim_nat **out);
void sim_nat_free(struct sim_nat *n);

/* A packet goes from inside out, from outside in, or from inside to an outside address of the NAT
 * itself; source and destination become what they are behind it. `dies`: its TTL ends here, which
 * keeps flows alive but begins none. False: it goes no further (what is for the router itself
 * included). */
bool sim_nat_outbound(struct sim_nat *n, ph_ns now, struct ph_addr *src, struct ph_addr *dst,
                      bool dies);
bool sim_nat_inbound(struct sim_nat *n, ph_ns now, struct ph_addr *src, struct ph_addr *dst,
                     bool dies);
bool sim_nat_hairpin(struct sim_nat *n, ph_ns now, struct ph_addr *src, struct ph_addr *dst,
                     bool dies);
/* A port that a port-mapping server opens, or closes again: new flows to it go inside, from
 * whomever. back: new flows of the inside endpoint leave from it, too; without that only answers to
 * who came in do. external 0: every port. Flows that are there stay as they are. */
void sim_nat_forward(struct sim_nat *n, uint16_t external, const struct ph_addr *inside, bool on,
                     bool back);
/* Forgets all flows and what was learnt, not what sim_nat_forward opened; a sequence goes on. */
void sim_nat_flush(struct sim_nat *n);
/* As new, with another seed for chance: what a reboot leaves of it, too. */
void sim_nat_reset(struct sim_nat *n, uint64_t seed);
/* Its outside addresses and subscribers are those of the site from here on; what it knows of flows
 * stays. */
void sim_nat_readdress(struct sim_nat *n, const struct nat_site *site);
/* Drops all UDP that goes through it, whatever its profile says, or not any more. Counted: on
 * twice, off twice. sim_nat_reset leaves it as it is. */
void sim_nat_block(struct sim_nat *n, bool on);
void sim_nat_unblock(struct sim_nat *n);
bool sim_nat_blocks(const struct sim_nat *n);
/* How many flows there are. */
size_t sim_nat_flows(struct sim_nat *n, ph_ns now);

#endif
