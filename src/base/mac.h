/* Message authentication and checksums that the codecs need. The digests are OpenSSL's; its types
 * stay in mac.c. */
#ifndef PH_BASE_MAC_H
#define PH_BASE_MAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_SHA1_LEN   20
#define PH_SHA256_LEN 32

/* HMAC (RFC 2104) over two pieces as if they were one; b may be NULL with blen 0. */
void ph_hmac_sha1(const void *key, size_t key_len, const void *a, size_t a_len, const void *b,
                  size_t b_len, uint8_t out[PH_SHA1_LEN]);
void ph_hmac_sha256(const void *key, size_t key_len, const void *a, size_t a_len, const void *b,
                    size_t b_len, uint8_t out[PH_SHA256_LEN]);
void ph_sha256(const void *data, size_t len, uint8_t out[PH_SHA256_LEN]);
/* CRC-32 of ISO/IEC 3309, as RFC 8489 section 14.7 uses it (without its XOR). */
uint32_t ph_crc32(const void *data, size_t len);
/* Compares in time that does not depend on the bytes. */
bool ph_equal_ct(const void *a, const void *b, size_t len);
/* Writes 2 * len hex digits and a NUL. */
void ph_hex(const void *data, size_t len, char *out);
/* Reads exactly 2 * len hex digits; false when the text is anything else. */
bool ph_unhex(const char *text, void *out, size_t len);

#endif
