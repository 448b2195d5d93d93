#include "portmap/lease.h"

void ph_lease_none(struct ph_lease *l)
{
    *l = (struct ph_lease){.expires = PH_NEVER, .renew = PH_NEVER, .watch = PH_NEVER};
}

void ph_lease_begin(struct ph_lease *l, ph_ns now, uint32_t lifetime_s, bool upkeep)
{
    ph_lease_none(l);
    if (lifetime_s > 0) {
        ph_ns life = lifetime_s < PH_LEASE_LIFETIME_MAX ? lifetime_s : PH_LEASE_LIFETIME_MAX;
        life *= PH_SEC;
        l->expires = now + life;
        if (upkeep)
            l->renew = now + ph_max_ns(life / 2, PH_LEASE_RENEW_MIN);
    }
    if (upkeep)
        l->watch = now + PH_LEASE_WATCH;
}

void ph_lease_renew_failed(struct ph_lease *l, ph_ns now)
{
    ph_ns left = l->expires > now ? l->expires - now : 0;
    l->renew = now + ph_max_ns(left / 2, PH_LEASE_RETRY_MIN);
}

void ph_lease_watched(struct ph_lease *l, ph_ns now, bool answered)
{
    if (l->watch != PH_NEVER)
        l->watch = now + (answered ? PH_LEASE_WATCH : PH_LEASE_WATCH_AGAIN);
}

ph_ns ph_lease_deadline(const struct ph_lease *l)
{
    return ph_min_ns(l->expires, ph_min_ns(l->renew, l->watch));
}
