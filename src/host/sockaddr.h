/* Between ph_addr and the system's socket addresses. */
#ifndef PH_HOST_SOCKADDR_H
#define PH_HOST_SOCKADDR_H

#include "base/addr.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

union ph_sockaddr {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* Returns the length; 0 for an address of family NONE. */
socklen_t ph_sockaddr_from(const struct ph_addr *a, union ph_sockaddr *out);
/* False for families other than IPv4 and IPv6. An IPv4-mapped IPv6 address comes out as IPv4. */
bool ph_sockaddr_to(const struct sockaddr *sa, struct ph_addr *out);
/* The interface index of a link-local IPv6 address (RFC 4007); 0 for all others. */
uint32_t ph_sockaddr_scope(const union ph_sockaddr *sa);

#endif
