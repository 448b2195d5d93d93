/* HOST:PORT as people write it. */
#ifndef PH_CLI_RESOLVE_H
#define PH_CLI_RESOLVE_H

#include "base/addr.h"
#include "base/nat64.h"

#include <stdbool.h>
#include <stddef.h>

#define CLI_PORT 3478 /* where the port is left out: STUN's, and with it the relay's */

/* "name:port", "1.2.3.4:port", "[::1]:port", each without its port too. Asks the resolver, IPv4
 * first when family is PH_AF_NONE. Returns a cli_exit; what is wrong is printed. */
int resolve(const char *text, enum ph_family family, struct ph_addr *out);

/* Many and by both families, all looked up at once, and waited for so long and no longer, however
 * dead the name server is. */
#define RESOLVE_MANY_MAX 32
#define RESOLVE_MANY_MS  1000
struct resolved {
    const char *text;
    bool optional;          /* not found, or not in time: count is 0, and nothing is said */
    struct ph_addr addr[2]; /* the first address of each family */
    size_t count;
};
/* A cli_exit; what is wrong is printed. n: at most RESOLVE_MANY_MAX. */
int resolve_many(struct resolved *r, size_t n);

/* True when it is an address, which needs no resolver. */
bool resolve_literal(const char *text, struct ph_addr *out);
/* As resolve, without a resolver: an address of this machine. */
int resolve_local(const char *text, struct ph_addr *out);

/* Of a machine with IPv6 alone: the question among those of resolve_many by which a network tells
 * its translator (RFC 7050), and what its answer says. False: this machine has IPv4, or nothing at
 * all. */
bool resolve_asks_nat64(struct resolved *question);
void resolve_take_nat64(const struct resolved *answer, struct ph_nat64 *out);

#endif
