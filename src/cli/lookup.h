/* Names looked up all at once, and waited for so long and no longer.
 *
 * Each has a thread of its own, since getaddrinfo can neither be asked for two names at a time nor
 * be interrupted. getaddrinfo_a is made for this, and is not to be used: in glibc one that is just
 * finishing may still tell somebody who no longer waits, on a stack that is gone. What comes too
 * late is let go by its own thread. */
#ifndef PH_CLI_LOOKUP_H
#define PH_CLI_LOOKUP_H

#include <netdb.h>
#include <stddef.h>

/* Bytes of a name, without its NUL. */
#define LOOKUP_NAME_MAX 255

struct lookup; /* one name */

/* Begins. NULL: no memory, or no thread. */
struct lookup *lookup_start(const char *name);
/* Waits until all are over, or for `ms`. NULL among them: over. */
void lookup_wait(struct lookup *const *all, size_t n, long ms);
/* What became of it: 0 and the addresses (freeaddrinfo), an EAI_*, or EAI_INPROGRESS. Ends it. */
int lookup_take(struct lookup *l, struct addrinfo **out);

#endif
