/* HOST:PORT as people write it. */
#ifndef PH_CLI_RESOLVE_H
#define PH_CLI_RESOLVE_H

#include "base/addr.h"

#define CLI_PORT 3478 /* where the port is left out: STUN's, and with it the relay's */

/* "name:port", "1.2.3.4:port", "[::1]:port", each without its port too. Asks the resolver, IPv4
 * first when family is PH_AF_NONE. Returns a cli_exit; what is wrong is printed. */
int resolve(const char *text, enum ph_family family, struct ph_addr *out);
/* The same for both families: the first address of each, one or two in all. */
int resolve_both(const char *text, struct ph_addr out[2], size_t *count);
/* The same without a resolver: an address of this machine. */
int resolve_local(const char *text, struct ph_addr *out);

#endif
