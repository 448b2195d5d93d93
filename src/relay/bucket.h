/* A token bucket as one instant (the generic cell rate algorithm): when it will be full again. */
#ifndef PH_RELAY_BUCKET_H
#define PH_RELAY_BUCKET_H

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

struct ph_bucket {
    ph_ns full_at; /* zero: full */
};

/* Takes one token of a bucket that holds `burst` and gains `per_second` (1 or more). */
static inline bool ph_bucket_take(struct ph_bucket *b, ph_ns now, uint32_t per_second,
                                  uint32_t burst)
{
    ph_ns interval = PH_SEC / per_second;
    ph_ns from = ph_max_ns(b->full_at, now);

    if (from - now + interval > interval * burst) {
        return false;
    }
    b->full_at = from + interval;
    return true;
}

#endif
