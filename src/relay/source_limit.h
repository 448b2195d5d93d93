/* How often a source may make an endpoint answer that asks nobody who it is. A table of fixed size:
 * sources that share a bucket share its tokens. */
#ifndef PH_RELAY_SOURCE_LIMIT_H
#define PH_RELAY_SOURCE_LIMIT_H

#include "base/addr.h"
#include "base/bucket.h"

#define PH_SOURCE_LIMIT_BUCKETS 1024

struct ph_source_limit {
    uint64_t secret; /* of the hash: nobody chooses whose bucket is used up */
    uint32_t per_second, burst;
    struct ph_bucket sources[PH_SOURCE_LIMIT_BUCKETS];
};

void ph_source_limit_init(struct ph_source_limit *l, uint64_t secret, uint32_t per_second,
                          uint32_t burst);
/* Takes a token of the source's: an IPv4 address or an IPv6 /64, which one customer has. */
bool ph_source_limit_take(struct ph_source_limit *l, ph_ns now, const struct ph_addr *source);

#endif
