/* A token bucket as one instant (the generic cell rate algorithm): when it will be full again. */
#ifndef PH_BASE_BUCKET_H
#define PH_BASE_BUCKET_H

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

struct ph_bucket {
    ph_ns full_at; /* zero: full */
};

/* When the next token is there: `now` where one is already. */
static inline ph_ns ph_bucket_next(const struct ph_bucket *b, ph_ns now, uint32_t per_second,
                                   uint32_t burst)
{
    ph_ns interval = PH_SEC / per_second;
    ph_ns ahead = interval * (burst - 1);

    return ph_max_ns(now, b->full_at > ahead ? b->full_at - ahead : 0);
}

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
