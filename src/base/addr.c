#include "base/addr.h"

#include "base/err.h"
#include "base/rng.h"

#include <string.h>

struct ph_addr ph_addr_v4_u32(uint32_t ip, uint16_t port)
{
    return ph_addr_v4((uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip,
                      port);
}

struct ph_addr ph_addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct ph_addr){.family = PH_AF_V4, .port = port, .ip = {a, b, c, d}};
}

uint32_t ph_addr_v4_get(const struct ph_addr *a)
{
    return (uint32_t)a->ip[0] << 24 | (uint32_t)a->ip[1] << 16 | (uint32_t)a->ip[2] << 8 | a->ip[3];
}

bool ph_addr_eq(const struct ph_addr *a, const struct ph_addr *b)
{
    return a->port == b->port && ph_addr_ip_eq(a, b);
}

bool ph_addr_ip_eq(const struct ph_addr *a, const struct ph_addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool ph_addr_is_set(const struct ph_addr *a)
{
    return a->family != PH_AF_NONE;
}

bool ph_addr_is_any(const struct ph_addr *a)
{
    static const uint8_t any[16];

    return a->family != PH_AF_NONE && memcmp(a->ip, any, sizeof(any)) == 0;
}

/* ::ffff:0:0/96, RFC 4291 section 2.5.5.2. */
static bool is_v4_mapped(const struct ph_addr *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return a->family == PH_AF_V6 && memcmp(a->ip, prefix, sizeof(prefix)) == 0;
}

bool ph_addr_is_loopback(const struct ph_addr *a)
{
    static const uint8_t one[16] = {[15] = 1};

    if (a->family == PH_AF_V4)
        return a->ip[0] == 127;
    return a->family == PH_AF_V6 && memcmp(a->ip, one, sizeof(one)) == 0;
}

bool ph_addr_is_unusable(const struct ph_addr *a)
{
    const uint8_t *ip = a->ip;

    if (a->port == 0)
        return true;
    switch (a->family) {
    case PH_AF_V4:
        return ip[0] == 0 ||                     /* "this network", RFC 1122 section 3.2.1.3 */
               (ip[0] == 169 && ip[1] == 254) || /* link-local, RFC 3927 */
               (ip[0] & 0xf0) == 0xe0 ||         /* multicast, RFC 5771 */
               ph_addr_v4_get(a) == 0xffffffffu;
    case PH_AF_V6:
        /* A v4-mapped address would slip past what is asked of IPv4 ones. */
        return ph_addr_is_any(a) || is_v4_mapped(a) || ip[0] == 0xff ||
               (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
    default:
        return true;
    }
}

bool ph_addr_is_private(const struct ph_addr *a)
{
    const uint8_t *ip = a->ip;

    if (a->family == PH_AF_V4)
        return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
               (ip[0] == 192 && ip[1] == 168) || (ip[0] == 100 && (ip[1] & 0xc0) == 64);
    return ph_addr_is_ula(a);
}

bool ph_addr_is_ula(const struct ph_addr *a)
{
    return a->family == PH_AF_V6 && (a->ip[0] & 0xfe) == 0xfc;
}

bool ph_addr_same_ula_site(const struct ph_addr *a, const struct ph_addr *b)
{
    return ph_addr_is_ula(a) && ph_addr_is_ula(b) && memcmp(a->ip, b->ip, 6) == 0;
}

bool ph_addr_is_of_translator(const struct ph_addr *a)
{
    static const uint8_t net[3] = {192, 0, 0};

    return a->family == PH_AF_V4 && memcmp(a->ip, net, sizeof(net)) == 0 && a->ip[3] < 8;
}

uint64_t ph_addr_hash(const struct ph_addr *a)
{
    uint64_t h = (uint64_t)a->family << 16 | a->port;

    return ph_hash64(h, a->ip, a->family == PH_AF_V6 ? 16 : 4);
}

/* Each parser below takes a text cursor, moves it behind what it took, and is false at the first
 * character that cannot be. */

/* Decimal without sign or leading zeros ("010" is octal to some and ten to others). */
static bool parse_decimal(const char **text, unsigned max, unsigned *out)
{
    const char *p = *text;
    unsigned v = 0;

    if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = v * 10 + (unsigned)(*p - '0');
        if (v > max)
            return false;
    }
    *text = p;
    *out = v;
    return true;
}

static bool parse_v4(const char **text, uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        unsigned v;

        if (i > 0 && *(*text)++ != '.')
            return false;
        if (!parse_decimal(text, 255, &v))
            return false;
        ip[i] = (uint8_t)v;
    }
    return true;
}

static bool parse_group(const char **text, uint16_t *out)
{
    const char *p = *text;
    unsigned v = 0;
    int digits = 0;

    for (; digits < 5; p++, digits++) {
        if (*p >= '0' && *p <= '9')
            v = v << 4 | (unsigned)(*p - '0');
        else if (*p >= 'a' && *p <= 'f')
            v = v << 4 | (unsigned)(*p - 'a' + 10);
        else if (*p >= 'A' && *p <= 'F')
            v = v << 4 | (unsigned)(*p - 'A' + 10);
        else
            break;
    }
    if (digits == 0 || digits > 4)
        return false;
    *text = p;
    *out = (uint16_t)v;
    return true;
}

/* RFC 4291 section 2.2, its dotted form for the last 32 bits included; no zone. */
static bool parse_v6(const char **text, uint8_t ip[16])
{
    const char *p = *text;
    size_t n = 0;          /* bytes of ip that are there */
    size_t gap = SIZE_MAX; /* where "::" stands */

    memset(ip, 0, 16);
    if (p[0] == ':') {
        if (p[1] != ':')
            return false;
        p += 2;
        gap = 0;
    }
    while (n < 16) {
        const char *dotted = p;
        uint16_t group;

        if (n <= 12 && parse_v4(&dotted, ip + n)) {
            p = dotted;
            n += 4;
            break;
        }
        if (!parse_group(&p, &group)) {
            if (gap != n) /* "::" may end the address, ":" may not */
                return false;
            break;
        }
        ip[n++] = (uint8_t)(group >> 8);
        ip[n++] = (uint8_t)group;
        if (p[0] != ':' || n == 16)
            break;
        p++;
        if (p[0] == ':') {
            if (gap != SIZE_MAX)
                return false;
            gap = n;
            p++;
        }
    }
    if (gap == SIZE_MAX) {
        if (n != 16)
            return false;
    } else {
        if (n == 16) /* "::" stands for at least one group */
            return false;
        memmove(ip + 16 - (n - gap), ip + gap, n - gap);
        memset(ip + gap, 0, 16 - n);
    }
    *text = p;
    return true;
}

static bool parse_port(const char **text, uint16_t *out)
{
    unsigned v;

    if (*(*text)++ != ':' || !parse_decimal(text, 65535, &v))
        return false;
    *out = (uint16_t)v;
    return true;
}

int ph_addr_parse(const char *text, struct ph_addr *out)
{
    struct ph_addr a = {0};
    const char *p = text;

    *out = a;
    if (*p == '[') {
        p++;
        a.family = PH_AF_V6;
        if (!parse_v6(&p, a.ip) || *p++ != ']' || !parse_port(&p, &a.port))
            return PH_ERR_FORMAT;
    } else if (parse_v4(&p, a.ip)) {
        a.family = PH_AF_V4;
        if (*p != '\0' && !parse_port(&p, &a.port))
            return PH_ERR_FORMAT;
    } else {
        p = text;
        a.family = PH_AF_V6;
        if (!parse_v6(&p, a.ip))
            return PH_ERR_FORMAT;
    }
    if (*p != '\0')
        return PH_ERR_FORMAT;
    *out = a;
    return PH_OK;
}

static char *put_number(char *p, unsigned v, unsigned base)
{
    char digits[8];
    size_t n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    while (n > 0)
        *p++ = digits[--n];
    return p;
}

static char *put_v4(char *p, const uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            *p++ = '.';
        p = put_number(p, ip[i], 10);
    }
    return p;
}

/* RFC 5952: lower case, no leading zeros, "::" for the first longest run of two or more. */
static char *put_v6(char *p, const uint8_t ip[16])
{
    unsigned group[8];
    size_t best = 8, best_len = 1;

    for (size_t i = 0; i < 8; i++)
        group[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
    for (size_t i = 0; i < 8; i++) {
        size_t len = 0;

        while (i + len < 8 && group[i + len] == 0)
            len++;
        if (len > best_len) {
            best = i;
            best_len = len;
        }
    }
    for (size_t i = 0; i < 8;) {
        if (i == best) {
            *p++ = ':';
            *p++ = ':';
            i += best_len;
            continue;
        }
        if (i > 0 && p[-1] != ':')
            *p++ = ':';
        p = put_number(p, group[i++], 16);
    }
    return p;
}

static char *put_ip(char *p, const struct ph_addr *a)
{
    static const char mapped[] = "::ffff:"; /* RFC 5952 section 5 */

    if (a->family == PH_AF_V4)
        return put_v4(p, a->ip);
    if (!is_v4_mapped(a))
        return put_v6(p, a->ip);
    memcpy(p, mapped, sizeof(mapped) - 1);
    return put_v4(p + sizeof(mapped) - 1, a->ip + 12);
}

char *ph_addr_format(const struct ph_addr *a, char buf[PH_ADDR_STRLEN])
{
    char *p = buf;

    if (!ph_addr_is_set(a))
        return ph_addr_format_ip(a, buf);
    if (a->family == PH_AF_V6)
        *p++ = '[';
    p = put_ip(p, a);
    if (a->family == PH_AF_V6)
        *p++ = ']';
    *p++ = ':';
    p = put_number(p, a->port, 10);
    *p = '\0';
    return buf;
}

char *ph_addr_format_ip(const struct ph_addr *a, char buf[PH_ADDR_STRLEN])
{
    static const char none[] = "none";

    if (!ph_addr_is_set(a))
        return memcpy(buf, none, sizeof(none));
    *put_ip(buf, a) = '\0';
    return buf;
}
