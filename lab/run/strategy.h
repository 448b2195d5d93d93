/* What others do where a punch does not suffice, as plans for the one executor: each published
 * strategy fills a ph_plan with the moves that it makes for a pair, by its published parameters. A
 * packet that one of them sends thus costs what it costs ours, and the NATs, the links and the
 * measurement are the same for all. None looks whether others behind the router can still open
 * flows; ports are tried in a uniformly shuffled order; the TTL is the full one unless named.
 *
 * What their programs do around these moves (retries, other protocols, timeouts) is left out. */
#ifndef LAB_RUN_STRATEGY_H
#define LAB_RUN_STRATEGY_H

#include "nat/plan.h"

struct strategy {
    const char *name;
    const char *what; /* its parameters, in a line */
    /* As ph_agent_config.plan; NULL: the library's own. */
    void (*plan)(void *user, const struct ph_plan_input *in, uint64_t seed, struct ph_plan *out);
    const struct ph_budget *budget; /* of each side: what its moves need. NULL: the defaults */
    bool no_canary;
};

/* All of them; the library's own, "pinhole", comes first. */
const struct strategy *strategy_list(size_t *count);
/* NULL: there is none of that name. */
const struct strategy *strategy_find(const char *name);

#endif
