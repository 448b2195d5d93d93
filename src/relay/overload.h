/* Whether a relay has more to do than it can: its receive queue has not run empty for a while (each
 * batch came full, so more was waiting), or its timer comes late. Then it takes nothing new, so
 * that what it has goes on.
 *
 * Pure: time comes in. */
#ifndef PH_RELAY_OVERLOAD_H
#define PH_RELAY_OVERLOAD_H

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>

#define PH_OVERLOAD_AFTER (100 * PH_MS) /* of full batches without a pause */
#define PH_OVERLOAD_LATE  (50 * PH_MS)  /* of a timer */
#define PH_OVERLOAD_HOLD  PH_SEC        /* after the last sign */

struct ph_overload {
    ph_ns full_since; /* PH_NEVER: the last batch was not full */
    ph_ns until;      /* 0: never yet */
};

void ph_overload_init(struct ph_overload *o);
/* A batch has come; full: it was as much as a host gives at once. */
void ph_overload_on_batch(struct ph_overload *o, ph_ns now, bool full);
/* A timer that was wanted at `wanted` has fired. */
void ph_overload_on_timer(struct ph_overload *o, ph_ns now, ph_ns wanted);
bool ph_overloaded(const struct ph_overload *o, ph_ns now);

#endif
