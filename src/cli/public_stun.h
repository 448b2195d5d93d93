/* Well-known public STUN servers, for those who name none. */
#ifndef PH_CLI_PUBLIC_STUN_H
#define PH_CLI_PUBLIC_STUN_H

#include "base/addr.h"

#define PUBLIC_STUN_COUNT 5

/* HOST[:PORT], as resolve.h reads it. */
extern const char *const public_stun_servers[PUBLIC_STUN_COUNT];

/* Whether a relay stands on this machine or beside it: servers of the internet see another network
 * than it does, and are not to be asked about it. */
bool public_stun_is_beside(const struct ph_addr *relay);

#endif
