#include "base/nat64.h"

#include <string.h>

/* Where the i-th byte of the IPv4 address stands: behind the prefix, past bits 64 to 71, which are
 * zero in all forms (RFC 6052 section 2.2). */
static size_t place(unsigned bits, size_t i)
{
    size_t at = bits / 8 + i;
    return bits < 96 && at >= 8 ? at + 1 : at;
}

struct ph_addr ph_nat64_embed(const struct ph_nat64 *n, const struct ph_addr *v4)
{
    struct ph_addr a = n->prefix;
    a.port = v4->port;
    for (size_t i = 0; i < 4; i++)
        a.ip[place(n->bits, i)] = v4->ip[i];
    return a;
}

bool ph_nat64_extract(const struct ph_nat64 *n, const struct ph_addr *v6, struct ph_addr *v4)
{
    if (n->bits == 0 || v6->family != PH_AF_V6 || memcmp(v6->ip, n->prefix.ip, n->bits / 8) != 0)
        return false;
    *v4 = ph_addr_v4(0, 0, 0, 0, v6->port);
    for (size_t i = 0; i < 4; i++)
        v4->ip[i] = v6->ip[place(n->bits, i)];
    return true;
}

bool ph_nat64_discover(const struct ph_addr *answer, struct ph_nat64 *out)
{
    static const unsigned lengths[] = {96, 64, 56, 48, 40, 32}; /* the most usual first */
    for (size_t i = 0; answer->family == PH_AF_V6 && i < sizeof(lengths) / sizeof(lengths[0]);
         i++) {
        struct ph_nat64 n = {.prefix = {.family = PH_AF_V6}, .bits = lengths[i]};
        struct ph_addr v4;
        memcpy(n.prefix.ip, answer->ip, n.bits / 8);
        if (ph_nat64_extract(&n, answer, &v4) && v4.ip[0] == 192 && v4.ip[1] == 0 &&
            v4.ip[2] == 0 && (v4.ip[3] == 170 || v4.ip[3] == 171)) {
            *out = n;
            return true;
        }
    }
    *out = (struct ph_nat64){0};
    return false;
}
