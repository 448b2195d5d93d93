/* When one question is sent, and sent again: at once, after 250 ms, then after twice the last wait
 * (RFC 6886 section 3.1, but not for 64 seconds: a router in the neighbourhood that has said
 * nothing for a second is none). */
#ifndef PH_PORTMAP_RETRY_H
#define PH_PORTMAP_RETRY_H

#include "base/time.h"

#include <stdbool.h>

#define PH_RETRY_FIRST (250 * PH_MS)
#define PH_RETRY_MAX   PH_SEC /* from the first sending to giving up */

struct ph_retry {
    ph_ns started;
    ph_ns sent; /* last */
    ph_ns wait; /* until it is sent again */
    ph_ns next; /* PH_NEVER: nothing is asked */
};

void ph_retry_stop(struct ph_retry *r);
/* The question is due at once. */
void ph_retry_start(struct ph_retry *r, ph_ns now);
/* Whether it is to be sent now; counts as sent then. */
bool ph_retry_take(struct ph_retry *r, ph_ns now);
bool ph_retry_over(const struct ph_retry *r, ph_ns now);
ph_ns ph_retry_deadline(const struct ph_retry *r);

#endif
