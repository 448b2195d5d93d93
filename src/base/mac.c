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

/* Eight bytes at a time: the table's row k has each byte shifted 8 * (k + 1) times through the
 * reflected polynomial. Made at the first use, as the algorithms above are. */
#define CRC_ROWS 8
static uint32_t crc_table[CRC_ROWS][256];

static void make_crc_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int k = 0; k < 8; k++)
            v = v >> 1 ^ (v & 1 ? 0xedb88320u : 0);
        crc_table[0][i] = v;
    }
    for (int row = 1; row < CRC_ROWS; row++) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t v = crc_table[row - 1][i];
            crc_table[row][i] = v >> 8 ^ crc_table[0][v & 255];
        }
    }
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t ph_crc32(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t crc = 0xffffffffu;

    if (crc_table[0][1] == 0)
        make_crc_table();
    for (; len >= 8; len -= 8, p += 8) {
        uint32_t a = crc ^ le32(p), b = le32(p + 4);
        crc = crc_table[7][a & 255] ^ crc_table[6][a >> 8 & 255] ^ crc_table[5][a >> 16 & 255] ^
              crc_table[4][a >> 24] ^ crc_table[3][b & 255] ^ crc_table[2][b >> 8 & 255] ^
              crc_table[1][b >> 16 & 255] ^ crc_table[0][b >> 24];
    }
    for (; len > 0; len--, p++)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 255];
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
