/* Which of the devices that were found is the gateway. */
#include "portmap/reach.h"
#include "portmap/upnp_discovery.h"

unsigned ph_upnp_device_score(const struct ph_upnp_device *v)
{
    unsigned score = 0;
    if (v->connected)
        score += 32;
    else if (!v->has_status)
        score += 16;
    if (ph_portmap_is_public(&v->external))
        score += 8;
    if (v->is_gateway)
        score += v->gateway == 0 ? 4 : 2;
    if (v->service_count > 0 && v->services[v->service].version >= 2)
        score += 1;
    return score;
}

/* An IPv6 firewall has nothing but its place to be known by. */
bool ph_upnp_device_is_good(const struct ph_upnp_discovery *d, const struct ph_upnp_device *v)
{
    return d->bound.family == PH_AF_V6
               ? v->is_gateway
               : (v->connected || !v->has_status) && ph_portmap_is_public(&v->external);
}

const struct ph_upnp_device *ph_upnp_discovery_best(const struct ph_upnp_discovery *d)
{
    const struct ph_upnp_device *best = NULL;
    for (size_t i = 0; i < d->device_count; i++) {
        const struct ph_upnp_device *v = &d->devices[i];
        if (v->state == PH_UPNP_DEVICE_KNOWN &&
            (!best || ph_upnp_device_score(v) > ph_upnp_device_score(best)))
            best = v;
    }
    return best;
}
