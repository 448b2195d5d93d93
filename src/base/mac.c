#include "base/mac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

/* Fetching an algorithm walks the library's providers, which costs more than the MAC of a small
 * packet: each is fetched at its first use, and its context is copied from then on. They live as
 * long as the process; OpenSSL frees its own tables at exit. */
struct algorithms {
    EVP_MAC_CTX *hmac_sha1;
    EVP_MAC_CTX *hmac_sha256;
    EVP_MD *sha256;
};

static struct algorithms cached;

static void free_cached(void)
{
    EVP_MAC_CTX_free(cached.hmac_sha1);
    EVP_MAC_CTX_free(cached.hmac_sha256);
    EVP_MD_free(cached.sha256);
    memset(&cached, 0, sizeof(cached));
}

static EVP_MAC_CTX *new_hmac(char *digest)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;

    EVP_MAC_free(mac);
    if (ctx == NULL || EVP_MAC_CTX_set_params(ctx, params) != 1)
        abort(); /* a library without HMAC could not have made a connection either */
    return ctx;
}

static void load(void)
{
    char sha1[] = "SHA1";
    char sha256[] = "SHA256";

    if (cached.sha256 != NULL)
        return;
    cached.hmac_sha1 = new_hmac(sha1);
    cached.hmac_sha256 = new_hmac(sha256);
    cached.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (cached.sha256 == NULL)
        abort();
    (void)OPENSSL_atexit(free_cached);
}

static void hmac(EVP_MAC_CTX *ctx, const void *key, size_t key_len, const void *a, size_t a_len,
                 const void *b, size_t b_len, uint8_t *out, size_t out_len)
{
    static const uint8_t no_key;
    size_t written = 0;

    /* A NULL key would mean "the key of before". */
    if (key == NULL || key_len == 0) {
        key = &no_key;
        key_len = 0;
    }
    if (EVP_MAC_init(ctx, key, key_len, NULL) != 1 ||
        (a_len > 0 && EVP_MAC_update(ctx, a, a_len) != 1) ||
        (b_len > 0 && EVP_MAC_update(ctx, b, b_len) != 1) ||
        EVP_MAC_final(ctx, out, &written, out_len) != 1 || written != out_len)
        abort(); /* never an unset MAC in a packet */
}

void ph_hmac_sha1(const void *key, size_t key_len, const void *a, size_t a_len, const void *b,
                  size_t b_len, uint8_t out[PH_SHA1_LEN])
{
    load();
    hmac(cached.hmac_sha1, key, key_len, a, a_len, b, b_len, out, PH_SHA1_LEN);
}

void ph_hmac_sha256(const void *key, size_t key_len, const void *a, size_t a_len, const void *b,
                    size_t b_len, uint8_t out[PH_SHA256_LEN])
{
    load();
    hmac(cached.hmac_sha256, key, key_len, a, a_len, b, b_len, out, PH_SHA256_LEN);
}

void ph_sha256(const void *data, size_t len, uint8_t out[PH_SHA256_LEN])
{
    unsigned written = 0;

    load();
    if (EVP_Digest(data, len, out, &written, cached.sha256, NULL) != 1 || written != PH_SHA256_LEN)
        abort();
}

uint32_t ph_crc32(const void *data, size_t len)
{
    /* Four bits at a time: a table of 64 bytes is enough for packets of a hundred. Entry i is i
     * shifted four times through the reflected polynomial 0xedb88320. */
    static const uint32_t table[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
        0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
        0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
    };
    const uint8_t *p = data;
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

bool ph_equal_ct(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

void ph_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool ph_unhex(const char *text, void *out, size_t len)
{
    uint8_t *p = out;

    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text[2 * i]);
        int low = high >= 0 ? hex_digit(text[2 * i + 1]) : -1;

        if (low < 0)
            return false;
        p[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * len] == '\0';
}
