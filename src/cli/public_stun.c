#include "cli/public_stun.h"

/* The manual shows this list. The last two name a second address (RFC 5780). */
const char *const public_stun_servers[PUBLIC_STUN_COUNT] = {
    "stun.l.google.com:19302",         "stun.cloudflare.com",
    "stun.nextcloud.com:443",          "stun.sipgate.net",
    "stunserver2025.stunprotocol.org",
};

bool public_stun_is_beside(const struct ph_addr *relay)
{
    return ph_addr_is_loopback(relay) || ph_addr_is_private(relay);
}
