/* What the library's own plan makes of a pair whose NATs do exactly what they declare: whether
 * there is anything that could join them. Pure. */
#ifndef LAB_RUN_OUTLOOK_H
#define LAB_RUN_OUTLOOK_H

#include "lab/topo/layout.h"
#include "nat/plan.h"

enum outlook {
    OUTLOOK_JOINABLE, /* some move can, or a router maps a port to one of them */
    OUTLOOK_HOPELESS, /* the relay alone */
    OUTLOOK_NO_UDP,   /* not even that, where the relay speaks UDP */
};

/* The facts that both peers of the layout would come to, if they saw all that there is. False: the
 * layout has no two peers. */
bool outlook_facts(const struct layout *l, struct ph_plan_input *out);
enum outlook outlook_of(const struct layout *l);

#endif
