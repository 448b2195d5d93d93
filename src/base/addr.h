/* Transport addresses by value, without any operating system's header. */
#ifndef PH_BASE_ADDR_H
#define PH_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ph_family {
    PH_AF_NONE = 0,
    PH_AF_V4 = 4,
    PH_AF_V6 = 6,
};

/* ip is in network order; for V4 its first 4 bytes count and the other 12 are zero. port is in host
 * order. Two equal addresses are equal byte for byte. */
struct ph_addr {
    uint8_t family; /* enum ph_family */
    uint8_t zero;
    uint16_t port;
    uint8_t ip[16];
};

#define PH_ADDR_STRLEN 56 /* "[IPv6]:65535" and its NUL */

struct ph_addr ph_addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
/* ip_be: the 32 bits as they stand in a packet read big-endian, so 10.0.0.1 is 0x0a000001. */
struct ph_addr ph_addr_v4_u32(uint32_t ip, uint16_t port);
uint32_t ph_addr_v4_get(const struct ph_addr *a);

bool ph_addr_eq(const struct ph_addr *a, const struct ph_addr *b);
bool ph_addr_ip_eq(const struct ph_addr *a, const struct ph_addr *b);
bool ph_addr_is_set(const struct ph_addr *a);
bool ph_addr_is_any(const struct ph_addr *a);
bool ph_addr_is_loopback(const struct ph_addr *a);
/* Link-local, multicast, broadcast, unspecified (all of 0/8), IPv4 written as IPv6 (::ffff:0:0/96)
 * or port 0: never a candidate, never a target. */
bool ph_addr_is_unusable(const struct ph_addr *a);
/* RFC 1918, RFC 6598 (100.64/10), RFC 4193 (fc00::/7). */
bool ph_addr_is_private(const struct ph_addr *a);
/* fc00::/7: a Unique Local Address (RFC 4193); and two of one site, that have the same /48. */
bool ph_addr_is_ula(const struct ph_addr *a);
bool ph_addr_same_ula_site(const struct ph_addr *a, const struct ph_addr *b);
/* 192.0.0.0/29 (RFC 7335): what a host with a translator of its own (RFC 6877) has for an IPv4
 * address. Packets may leave from it, and nobody can answer to it. */
bool ph_addr_is_of_translator(const struct ph_addr *a);
uint64_t ph_addr_hash(const struct ph_addr *a);

/* Parses "1.2.3.4:5", "[::1]:5", and, with port 0 as the result, "1.2.3.4" and "::1".
 * PH_ERR_FORMAT when it is none of these. */
int ph_addr_parse(const char *text, struct ph_addr *out);
/* Writes "1.2.3.4:5" or "[::1]:5" (RFC 5952), "none" for family NONE, and returns buf. */
char *ph_addr_format(const struct ph_addr *a, char buf[PH_ADDR_STRLEN]);
/* The same without the port. */
char *ph_addr_format_ip(const struct ph_addr *a, char buf[PH_ADDR_STRLEN]);

#endif
