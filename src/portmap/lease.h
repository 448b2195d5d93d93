/* How long a mapping is good for, and when something is to be done for it. */
#ifndef PH_PORTMAP_LEASE_H
#define PH_PORTMAP_LEASE_H

#include "base/time.h"

#include <stdbool.h>

#define PH_LEASE_RENEW_MIN    (500 * PH_MS) /* no more often: half of the shortest lease */
#define PH_LEASE_RETRY_MIN    (4 * PH_SEC)  /* RFC 6887 section 11.2.1 */
#define PH_LEASE_WATCH        (60 * PH_SEC) /* so soon a restarted router is noticed */
#define PH_LEASE_WATCH_AGAIN  (10 * PH_SEC) /* ... that did not answer the last time */
#define PH_LEASE_LIFETIME_MAX 604800        /* what is believed of a router, in seconds */

struct ph_lease {
    ph_ns expires; /* PH_NEVER: a permanent one */
    ph_ns renew;
    ph_ns watch;
};

void ph_lease_none(struct ph_lease *l);
/* lifetime_s 0: permanent. Without upkeep nothing is ever to be done, but it expires. */
void ph_lease_begin(struct ph_lease *l, ph_ns now, uint32_t lifetime_s, bool upkeep);
/* A renewal was not answered, or refused: again after half of what is left. */
void ph_lease_renew_failed(struct ph_lease *l, ph_ns now);
void ph_lease_watched(struct ph_lease *l, ph_ns now, bool answered);
ph_ns ph_lease_deadline(const struct ph_lease *l);

#endif
