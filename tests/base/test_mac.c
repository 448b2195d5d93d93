#include "base/err.h"
#include "base/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_hex(const uint8_t *data, size_t len, const char *want)
{
    char text[2 * PH_SHA256_LEN + 1];

    ph_hex(data, len, text);
    assert_string_equal(text, want);
}

/* RFC 2202 section 3 (SHA1) and RFC 4231 section 4 (SHA-256): their cases 1, 2, and the key that is
 * longer than a block (6), which is 80 bytes in the one and 131 in the other. */
static void test_hmac(void **state)
{
    static const char long_text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    uint8_t key_b[20];
    uint8_t key_aa[131];
    uint8_t mac[PH_SHA256_LEN];

    (void)state;
    memset(key_b, 0x0b, sizeof(key_b));
    memset(key_aa, 0xaa, sizeof(key_aa));

    ph_hmac_sha1(key_b, 20, "Hi There", 8, NULL, 0, mac);
    assert_hex(mac, PH_SHA1_LEN, "b617318655057264e28bc0b6fb378c8ef146be00");
    ph_hmac_sha1("Jefe", 4, "what do ya want ", 16, "for nothing?", 12, mac);
    assert_hex(mac, PH_SHA1_LEN, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    ph_hmac_sha1(key_aa, 80, long_text, strlen(long_text), NULL, 0, mac);
    assert_hex(mac, PH_SHA1_LEN, "aa4ae5e15272d00e95705637ce8a3b55ed402112");

    ph_hmac_sha256(key_b, 20, "Hi There", 8, NULL, 0, mac);
    assert_hex(mac, PH_SHA256_LEN,
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    ph_hmac_sha256("Jefe", 4, "what do ya want ", 16, "for nothing?", 12, mac);
    assert_hex(mac, PH_SHA256_LEN,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    ph_hmac_sha256(key_aa, 131, long_text, strlen(long_text), NULL, 0, mac);
    assert_hex(mac, PH_SHA256_LEN,
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* An empty key is a key of its own, not the one of the call before. */
static void test_hmac_empty(void **state)
{
    uint8_t mac[PH_SHA256_LEN];

    (void)state;
    ph_hmac_sha256("Jefe", 4, "x", 1, NULL, 0, mac);
    ph_hmac_sha256(NULL, 0, NULL, 0, NULL, 0, mac);
    assert_hex(mac, PH_SHA256_LEN,
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    ph_hmac_sha1("", 0, "", 0, NULL, 0, mac);
    assert_hex(mac, PH_SHA1_LEN, "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
}

static void test_sha256(void **state)
{
    uint8_t digest[PH_SHA256_LEN];

    (void)state;
    ph_sha256("abc", 3, digest); /* FIPS 180-2 appendix B.1 */
    assert_hex(digest, sizeof(digest),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ph_sha256("", 0, digest);
    assert_hex(digest, sizeof(digest),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_crc32(void **state)
{
    (void)state;
    assert_int_equal(ph_crc32("123456789", 9), 0xcbf43926u); /* the usual check value */
    assert_int_equal(ph_crc32("", 0), 0);
    assert_int_equal(ph_crc32("\0", 1), 0xd202ef8du);
    /* Whatever the length, and wherever it begins: bit by bit. */
    uint8_t data[64];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(37 * i + 11);
    for (size_t from = 0; from < 8; from++) {
        for (size_t len = 0; from + len <= sizeof(data); len++) {
            uint32_t crc = 0xffffffffu;
            for (size_t i = 0; i < 8 * len; i++) {
                uint32_t bit = (data[from + i / 8] >> (i % 8) & 1u) ^ (crc & 1u);
                crc = crc >> 1 ^ (bit ? 0xedb88320u : 0);
            }
            assert_int_equal(ph_crc32(data + from, len), ~crc);
        }
    }
}

static void test_equal_ct(void **state)
{
    (void)state;
    assert_true(ph_equal_ct("abcd", "abcd", 4));
    assert_true(ph_equal_ct("abcd", "abce", 3));
    assert_false(ph_equal_ct("abcd", "abce", 4));
    assert_false(ph_equal_ct("abcd", "bbcd", 4));
    assert_true(ph_equal_ct("a", "b", 0));
}

static void test_hex(void **state)
{
    static const char *const bad[] = {"", "00", "0001f", "0001f", "0001fg", "0001ff0", "0x01ff"};
    uint8_t out[3];
    char text[7];

    (void)state;
    ph_hex("\x00\x9f\xff", 3, text);
    assert_string_equal(text, "009fff");
    ph_hex("", 0, text);
    assert_string_equal(text, "");
    assert_true(ph_unhex("009fFF", out, 3));
    assert_memory_equal(out, "\x00\x9f\xff", 3);
    assert_true(ph_unhex("", out, 0));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(ph_unhex(bad[i], out, 3));
}

/* Every code has a text of its own, and a code that is none has one too. */
static void test_strerror(void **state)
{
    (void)state;
    for (int err = PH_ERR_RESET; err <= PH_OK; err++) {
        assert_string_not_equal(ph_strerror(err), ph_strerror(1));
        for (int other = PH_ERR_RESET; other < err; other++)
            assert_string_not_equal(ph_strerror(err), ph_strerror(other));
    }
    assert_string_equal(ph_strerror(PH_ERR_RESET - 1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac),     cmocka_unit_test(test_hmac_empty),
        cmocka_unit_test(test_sha256),   cmocka_unit_test(test_crc32),
        cmocka_unit_test(test_equal_ct), cmocka_unit_test(test_hex),
        cmocka_unit_test(test_strerror),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
