#include "base/err.h"
#include "base/mac.h"
#include "quic/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509.h>
#include <string.h>

/* RFC 8032 section 7.1, test 1 */
static const char seed_hex[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
static const char public_hex[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/* RFC 8410 section 4: SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING (no unused bits) } */
static const uint8_t spki_head[] = {
    0x30, 0x2a,                               /* SEQUENCE, 42 bytes */
    0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, /* the algorithm: id-Ed25519, no parameters */
    0x03, 0x21, 0x00,                         /* BIT STRING, 33 bytes, none unused */
};

static struct ph_identity *from_hex(const char *hex)
{
    uint8_t seed[PH_SEED_LEN];
    struct ph_identity *id = NULL;

    assert_true(ph_unhex(hex, seed, sizeof(seed)));
    assert_int_equal(ph_identity_new(seed, &id), PH_OK);
    return id;
}

static void fingerprint_is_the_hash_of_the_key(void **state)
{
    struct ph_identity *id = from_hex(seed_hex);
    uint8_t spki[sizeof(spki_head) + 32], digest[PH_SHA256_LEN];

    (void)state;
    memcpy(spki, spki_head, sizeof(spki_head));
    assert_true(ph_unhex(public_hex, spki + sizeof(spki_head), 32));
    ph_sha256(spki, sizeof(spki), digest);
    assert_memory_equal(ph_identity_fingerprint(id), digest, sizeof(digest));
    ph_identity_free(id);
}

static void certificate_carries_the_key_and_verifies(void **state)
{
    struct ph_identity *id = from_hex(seed_hex);
    uint8_t want[32], got[32];
    size_t len, key_len = sizeof(got);
    const uint8_t *der = ph_identity_cert(id, &len);
    X509 *x = d2i_X509(NULL, &der, (long)len);

    (void)state;
    assert_non_null(x);
    assert_ptr_equal(der, ph_identity_cert(id, &len) + len);
    assert_true(ph_unhex(public_hex, want, sizeof(want)));
    assert_int_equal(EVP_PKEY_get_raw_public_key(X509_get0_pubkey(x), got, &key_len), 1);
    assert_int_equal(key_len, sizeof(want));
    assert_memory_equal(got, want, sizeof(want));
    assert_int_equal(X509_verify(x, X509_get0_pubkey(x)), 1);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)), 0);
    X509_free(x);
    ph_identity_free(id);
}

static void equal_seeds_give_equal_bytes(void **state)
{
    struct ph_identity *a = from_hex(seed_hex), *b = from_hex(seed_hex);
    size_t a_len, b_len;
    const uint8_t *a_der = ph_identity_cert(a, &a_len), *b_der = ph_identity_cert(b, &b_len);
    uint8_t digest[PH_SHA256_LEN];
    char hex[2 * PH_SHA256_LEN + 1];

    (void)state;
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a_der, b_der, a_len);
    /* The same on every machine and with every version of the library: a recorded value. */
    ph_sha256(a_der, a_len, digest);
    ph_hex(digest, sizeof(digest), hex);
    assert_string_equal(hex, "cfe99ad697558c45e0a8c3db5fe4cdaf7b6b2253317145eabab8843d7b1712f2");
    ph_identity_free(a);
    ph_identity_free(b);
}

static void other_seeds_give_others(void **state)
{
    struct ph_identity *a = from_hex(seed_hex);
    struct ph_identity *b =
        from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");

    (void)state;
    assert_memory_not_equal(ph_identity_fingerprint(a), ph_identity_fingerprint(b),
                            PH_FINGERPRINT_LEN);
    ph_identity_free(a);
    ph_identity_free(b);
    ph_identity_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fingerprint_is_the_hash_of_the_key),
        cmocka_unit_test(certificate_carries_the_key_and_verifies),
        cmocka_unit_test(equal_seeds_give_equal_bytes),
        cmocka_unit_test(other_seeds_give_others),
    };

    return cmocka_run_group_tests_name("quic identity", tests, NULL, NULL);
}
