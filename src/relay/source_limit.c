#include "relay/source_limit.h"

#include "base/rng.h"

#include <string.h>

void ph_source_limit_init(struct ph_source_limit *l, uint64_t secret, uint32_t per_second,
                          uint32_t burst)
{
    memset(l, 0, sizeof(*l));
    l->secret = secret;
    l->per_second = per_second;
    l->burst = burst;
}

bool ph_source_limit_take(struct ph_source_limit *l, ph_ns now, const struct ph_addr *source)
{
    size_t len = source->family == PH_AF_V6 ? 8 : 4;
    uint64_t hash = ph_hash64(l->secret, source->ip, len);

    return ph_bucket_take(&l->sources[hash % PH_SOURCE_LIMIT_BUCKETS], now, l->per_second,
                          l->burst);
}
