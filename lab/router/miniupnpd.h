/* Debian's miniupnpd, the nftables build, as a router's port-mapping server: NAT-PMP, PCP and UPnP
 * IGD of real routers, and pinholes for IPv6. Private to lab/router.
 *
 * It works on three chains of `table inet pinhole_map`, to which jumps lead that come before the
 * NAT's own rules. It knows no switch between NAT-PMP and PCP: where a profile wants one of them,
 * the packets of the other, told by their first byte, are dropped at the router's LAN (a client
 * sees a server that keeps silent). */
#ifndef LAB_ROUTER_MINIUPNPD_H
#define LAB_ROUTER_MINIUPNPD_H

#include "lab/router/router.h"

struct miniupnpd;

/* It refuses to map behind a WAN address that is private or reserved, where many routers of the
 * field do map. */
bool miniupnpd_serves(const struct router_site *site);

/* As in router.h. */
int miniupnpd_rules(const struct nat_profile *p, const struct router_site *site, char **out,
                    struct lab_error *err);
int miniupnpd_start(const struct nat_profile *p, const struct router_site *site,
                    struct miniupnpd **out, struct lab_error *err);
int miniupnpd_mappings(struct miniupnpd *m, size_t *count, struct lab_error *err);
/* It keeps a copy of its rules, which must not change behind its back: where it holds a mapping it
 * is ended, and a new one started. */
int miniupnpd_flush(struct miniupnpd *m, struct lab_error *err);
void miniupnpd_stop(struct miniupnpd *m);

#endif
