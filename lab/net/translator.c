#include "lab/net/translator.h"

#include <string.h>

#define ETHER       14
#define TYPE_IPV4   0x0800
#define TYPE_IPV6   0x86dd
#define V4_HEADER   20
#define V6_HEADER   40
#define PROTO_ICMP  1
#define PROTO_TCP   6
#define PROTO_UDP   17
#define PROTO_ICMP6 58
#define ECHO4       8
#define ECHO4_REPLY 0
#define ECHO6       128
#define ECHO6_REPLY 129

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* The sum of RFC 1071 so far, over more bytes. */
static uint32_t sum(uint32_t so_far, const uint8_t *p, size_t len)
{
    for (; len > 1; p += 2, len -= 2)
        so_far += get16(p);
    return len > 0 ? so_far + ((uint32_t)*p << 8) : so_far;
}

static unsigned fold(uint32_t s)
{
    while (s > 0xffff)
        s = (s & 0xffff) + (s >> 16);
    return (unsigned)(~s & 0xffff);
}

/* Fills in the checksum of what an IP header carries; false: it cannot be. addresses: both, as they
 * stand in the header; NULL: it does not count them (ICMP of IPv4). */
static bool seal(uint8_t *payload, size_t len, unsigned proto, const uint8_t *addresses,
                 size_t addresses_len)
{
    size_t at = proto == PROTO_UDP ? 6 : proto == PROTO_TCP ? 16 : 2;
    unsigned checksum;
    uint32_t s = 0;

    if (len < at + 2)
        return false;
    put16(payload + at, 0);
    if (addresses)
        s = sum((uint32_t)len + proto, addresses, addresses_len);
    checksum = fold(sum(s, payload, len));
    /* Zero says of UDP that there is none. */
    put16(payload + at, checksum == 0 && proto == PROTO_UDP ? 0xffff : checksum);
    return true;
}

static size_t to_ipv4(const struct translator *t, uint8_t *frame, size_t len)
{
    uint8_t *ip = frame + ETHER;
    uint8_t header[V4_HEADER] = {0x45};
    struct ph_addr dst6 = {.family = PH_AF_V6}, dst;
    size_t payload;
    unsigned proto;

    if (len < ETHER + V6_HEADER || ip[0] >> 4 != 6)
        return 0;
    /* Ethernet pads short frames, so what the header says counts. */
    payload = get16(ip + 4);
    proto = ip[6];
    if (len < ETHER + V6_HEADER + payload)
        return 0;
    memcpy(dst6.ip, ip + 24, 16);
    if (!ph_nat64_extract(&t->nat64, &dst6, &dst) || memcmp(ip + 8, t->lan6.ip, 15) != 0)
        return 0;
    if (proto == PROTO_ICMP6) {
        uint8_t *icmp = ip + V6_HEADER;

        if (payload < 8 || (icmp[0] != ECHO6 && icmp[0] != ECHO6_REPLY))
            return 0;
        icmp[0] = icmp[0] == ECHO6 ? ECHO4 : ECHO4_REPLY;
        proto = PROTO_ICMP;
    }
    put16(header + 2, (unsigned)(V4_HEADER + payload));
    header[6] = 0x40; /* not to be fragmented, RFC 7915 section 5.1 */
    header[8] = ip[7];
    header[9] = (uint8_t)proto;
    memcpy(header + 12, t->net4.ip, 3);
    header[15] = ip[23];
    memcpy(header + 16, dst.ip, 4);
    put16(header + 10, fold(sum(0, header, V4_HEADER)));
    memmove(ip + V4_HEADER, ip + V6_HEADER, payload);
    memcpy(ip, header, V4_HEADER);
    put16(frame + 12, TYPE_IPV4);
    if ((proto != PROTO_UDP && proto != PROTO_TCP && proto != PROTO_ICMP) ||
        !seal(ip + V4_HEADER, payload, proto, proto == PROTO_ICMP ? NULL : ip + 12, 8))
        return 0;
    return ETHER + V4_HEADER + payload;
}

static size_t to_ipv6(const struct translator *t, uint8_t *frame, size_t len, size_t cap)
{
    uint8_t *ip = frame + ETHER;
    uint8_t header[V6_HEADER] = {0x60};
    struct ph_addr src, src6;
    size_t total = get16(ip + 2), payload;
    unsigned proto = ip[9];

    if (total < V4_HEADER || len < ETHER + total)
        return 0;
    payload = total - V4_HEADER;
    /* Options are what nobody sends; of a fragment the ports are missing. */
    if (ip[0] != 0x45 || (get16(ip + 6) & 0x3fff) != 0 || memcmp(ip + 16, t->net4.ip, 3) != 0 ||
        ETHER + V6_HEADER + payload > cap)
        return 0;
    src = ph_addr_v4(ip[12], ip[13], ip[14], ip[15], 0);
    src6 = ph_nat64_embed(&t->nat64, &src);
    put16(header + 4, (unsigned)payload);
    header[7] = ip[8];
    memcpy(header + 8, src6.ip, 16);
    memcpy(header + 24, t->lan6.ip, 15);
    header[39] = ip[19];
    memmove(ip + V6_HEADER, ip + V4_HEADER, payload);
    if (proto == PROTO_ICMP) {
        uint8_t *icmp = ip + V6_HEADER;

        if (payload < 8 || (icmp[0] != ECHO4 && icmp[0] != ECHO4_REPLY))
            return 0;
        icmp[0] = icmp[0] == ECHO4 ? ECHO6 : ECHO6_REPLY;
        proto = PROTO_ICMP6;
    }
    header[6] = (uint8_t)proto;
    memcpy(ip, header, V6_HEADER);
    put16(frame + 12, TYPE_IPV6);
    if ((proto != PROTO_UDP && proto != PROTO_TCP && proto != PROTO_ICMP6) ||
        !seal(ip + V6_HEADER, payload, proto, ip + 8, 32))
        return 0;
    return ETHER + V6_HEADER + payload;
}

size_t translator_frame(const struct translator *t, uint8_t *frame, size_t len, size_t cap)
{
    if (len < ETHER + V4_HEADER)
        return 0;
    switch (get16(frame + 12)) {
    case TYPE_IPV6:
        return to_ipv4(t, frame, len);
    case TYPE_IPV4:
        return to_ipv6(t, frame, len, cap);
    default:
        return 0;
    }
}
