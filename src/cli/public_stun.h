/* Well-known public STUN servers, for those who name none. */
#ifndef PH_CLI_PUBLIC_STUN_H
#define PH_CLI_PUBLIC_STUN_H

#include "base/addr.h"

#include <stddef.h>

/* Looks all of them up at once, and waits for a second at most: a name that is not found by then is
 * left out without a word. IPv4 addresses first. Returns how many. */
size_t public_stun_servers(struct ph_addr *out, size_t cap);

#endif
