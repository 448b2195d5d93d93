/* A host's IPv4 where its network has IPv6 alone and a translator (NAT64, RFC 6146): what RFC 6877
 * calls the customer side translator, for this one endpoint and without any device.
 *
 * It is a ph_host on top of another one. Its IPv4 sockets are IPv6 sockets of that; what is sent to
 * an IPv4 address goes to the IPv6 one that stands for it, and what comes from such a one comes
 * from the IPv4 address. So whoever is on top has an IPv4 socket behind a NAT, the NAT64's, and
 * surveys, punches and guesses as behind any other; what relays and peers say of addresses fits as
 * it is. */
#ifndef PH_PATH_CLAT_H
#define PH_PATH_CLAT_H

#include "host/host.h"

struct ph_clat;

/* NULL in *out where it is not wanted: the host has an IPv4 address, or knows of no translator. The
 * endpoint's place of the host below is taken. PH_ERR_NOMEM. */
int ph_clat_new(struct ph_host *below, struct ph_clat **out);
void ph_clat_free(struct ph_clat *c);
struct ph_host *ph_clat_host(struct ph_clat *c);

#endif
