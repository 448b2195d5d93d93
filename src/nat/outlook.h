/* Which stages of the waterfall can join this side with another one: for people, and before any
 * peer is known. */
#ifndef PH_NAT_OUTLOOK_H
#define PH_NAT_OUTLOOK_H

#include "nat/facts.h"

enum ph_chance {
    PH_CHANCE_UNKNOWN,
    PH_CHANCE_NONE,
    PH_CHANCE_SOME, /* by luck or effort: prediction, birthday */
    PH_CHANCE_GOOD,
};

/* Against an easy peer: EIM with APDF, the usual home router. Against a hard one: APDM with random
 * ports and APDF, the worst there is. */
struct ph_outlook {
    enum ph_chance portmap, punch, predict, birthday;
};

/* mapped: a router gave us a port that the world can reach. */
struct ph_outlook ph_outlook_easy(const struct ph_nat_facts *f, bool mapped);
struct ph_outlook ph_outlook_hard(const struct ph_nat_facts *f, bool mapped);
const char *ph_chance_name(enum ph_chance c);

#endif
