#include "portmap/reach.h"

bool ph_portmap_is_public(const struct ph_addr *external)
{
    struct ph_addr e = *external;
    e.port = 1; /* it is the IP that counts */
    return !ph_addr_is_unusable(&e) && !ph_addr_is_private(&e) && !ph_addr_is_loopback(&e);
}

enum ph_portmap_reach ph_portmap_reach(const struct ph_addr *external, const struct ph_addr *local,
                                       const struct ph_addr *reflexive, bool mismatch)
{
    if (!ph_addr_is_set(external))
        return PH_PORTMAP_REACH_UNKNOWN;
    if (mismatch || !ph_portmap_is_public(external))
        return PH_PORTMAP_REACH_DOUBLE;
    /* Through a firewall alone. Of IPv6 the world may see another one of our own addresses. */
    if (ph_addr_ip_eq(external, local))
        return PH_PORTMAP_REACH_PUBLIC;
    if (ph_addr_is_set(reflexive) && reflexive->family == external->family &&
        !ph_addr_ip_eq(external, reflexive))
        return PH_PORTMAP_REACH_DOUBLE;
    return PH_PORTMAP_REACH_PUBLIC;
}
