/* How far an external address is worth anything: is the router that maps the last NAT before the
 * world? */
#ifndef PH_PORTMAP_REACH_H
#define PH_PORTMAP_REACH_H

#include "portmap/portmap.h"

/* It could be one of the world's; port ignored. */
bool ph_portmap_is_public(const struct ph_addr *external);
/* local: our own address towards the router, reflexive: what the world sees; family NONE of either:
 * not known. mismatch: a PCP server said that a NAT stands between us and it. */
enum ph_portmap_reach ph_portmap_reach(const struct ph_addr *external, const struct ph_addr *local,
                                       const struct ph_addr *reflexive, bool mismatch);

#endif
