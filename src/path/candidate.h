/* Candidates (RFC 8445 section 5.1): the transport addresses at which a peer may be reached. */
#ifndef PH_PATH_CANDIDATE_H
#define PH_PATH_CANDIDATE_H

#include "wire/signal.h"

/* More reflexive ones than this say only that the NAT's mapping is not endpoint-independent. */
#define PH_REFLEXIVE_MAX 2 /* of each family */
/* The host candidates of one family: the others would find no place behind them. */
#define PH_HOSTS_MAX 5

struct ph_candidate_set {
    struct ph_candidate items[PH_SIGNAL_CANDIDATES_MAX];
    size_t count;
};

/* RFC 8445 section 5.1.2.1 with component 1: host > mapped > reflexive > predicted > relay, IPv6
 * before IPv4 within a type, earlier before later. */
uint32_t ph_candidate_priority(enum ph_candidate_type type, const struct ph_addr *addr,
                               unsigned index);
/* The same for a Unique Local Address of another site than ours: behind IPv4, as in the policy
 * table of RFC 6724 section 2.1, for it mostly leads nowhere. */
uint32_t ph_candidate_priority_far(enum ph_candidate_type type, unsigned index);

/* Adds one, unless its address is there already (then the better type stays), cannot be used as a
 * target, or the set or its family's share of this type is full. Link-local addresses are no
 * targets: which link they are on is known to their host alone. True when the set has changed. */
bool ph_candidate_add(struct ph_candidate_set *set, enum ph_candidate_type type,
                      const struct ph_addr *addr);

const struct ph_candidate *ph_candidate_find(const struct ph_candidate *items, size_t count,
                                             const struct ph_addr *addr);

/* Made by a router's mapping; predicted, where another NAT stands before that router. */
static inline bool ph_candidate_is_of_mapping(enum ph_candidate_type type)
{
    return type == PH_CANDIDATE_MAPPED || type == PH_CANDIDATE_PREDICTED;
}

/* True when a peer with these candidates is reached without translation at `c`: a public address of
 * its own host, behind which no NAT's gateway can mistake an early packet for one to itself. */
bool ph_candidate_is_public_host(const struct ph_candidate *c);

#endif
