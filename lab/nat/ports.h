/* Which ports a profile's sequence or block consists of: for the rules of the kernel's NATs and for
 * the simulator's models, so that both give out the same ones. */
#ifndef LAB_NAT_PORTS_H
#define LAB_NAT_PORTS_H

#include "lab/nat/profile.h"

/* Every port that a translated one may be: the profile has no range of its own. */
bool nat_whole_range(const struct nat_profile *p);

/* A hash is tried with so many seeds until its port is free; a sequence skips so many busy ones. */
#define NAT_HASH_DRAWS     4u
#define NAT_SEQUENCE_SKIPS 8u

/* Ports that are drawn as an index (sequential, hash): how many there are, and the n-th of them,
 * n below that. A sequence starts again after its last. */
unsigned nat_drawn_count(const struct nat_profile *p);
unsigned nat_drawn_port(const struct nat_profile *p, unsigned n);

/* The first port of the n-th subscriber's block; seed: of the site. */
unsigned nat_block_first(const struct nat_profile *p, uint64_t seed, size_t n);

#endif
