/* Well-known public STUN servers, for those who name none. */
#ifndef PH_CLI_PUBLIC_STUN_H
#define PH_CLI_PUBLIC_STUN_H

#define PUBLIC_STUN_COUNT 5

/* HOST[:PORT], as resolve.h reads it. */
extern const char *const public_stun_servers[PUBLIC_STUN_COUNT];

#endif
