#include "quic/identity.h"

#include "base/err.h"
#include "base/mac.h"
#include "quic/identity_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct ph_identity {
    uint8_t seed[PH_SEED_LEN];
    uint8_t fingerprint[PH_FINGERPRINT_LEN];
    uint8_t *cert;
    size_t cert_len;
};

static const char common_name[] = "pinhole";

/* Nothing in it may vary: equal seeds give equal certificates, on every machine and at any time.
 * RFC 5280 section 4.1.2.5 gives 99991231235959Z for "no well-defined expiration". */
static X509 *certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *name;

    if (x == NULL)
        return NULL;
    name = X509_get_subject_name(x);
    if (X509_set_version(x, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(x), 1) != 1 ||
        ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "20000101000000Z") != 1 ||
        ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "99991231235959Z") != 1 ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1,
                                   -1, 0) != 1 ||
        X509_set_issuer_name(x, name) != 1 || X509_set_pubkey(x, key) != 1 ||
        X509_sign(x, key, NULL) == 0) {
        X509_free(x);
        return NULL;
    }
    return x;
}

EVP_PKEY *ph_identity_key(const struct ph_identity *id, OSSL_LIB_CTX *lib)
{
    return EVP_PKEY_new_raw_private_key_ex(lib, "ED25519", NULL, id->seed, sizeof(id->seed));
}

X509 *ph_identity_x509(const struct ph_identity *id, OSSL_LIB_CTX *lib)
{
    const unsigned char *p = id->cert;
    X509 *x = X509_new_ex(lib, NULL);

    if (x != NULL && d2i_X509(&x, &p, (long)id->cert_len) == NULL)
        return NULL; /* d2i has freed it */
    return x;
}

int ph_identity_fingerprint_of(X509 *cert, uint8_t out[PH_FINGERPRINT_LEN])
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    unsigned char *spki = NULL;
    size_t digest_len = 0;
    int len, rc = PH_ERR_FORMAT;

    if (key == NULL || !EVP_PKEY_is_a(key, "ED25519"))
        return PH_ERR_FORMAT;
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki);
    if (len > 0 && EVP_Q_digest(NULL, "SHA256", NULL, spki, (size_t)len, out, &digest_len) == 1 &&
        digest_len == PH_FINGERPRINT_LEN)
        rc = PH_OK;
    OPENSSL_free(spki);
    return rc;
}

int ph_identity_new(const uint8_t seed[PH_SEED_LEN], struct ph_identity **out)
{
    struct ph_identity *id = calloc(1, sizeof(*id));
    EVP_PKEY *key = NULL;
    X509 *x = NULL;
    unsigned char *der = NULL;
    int len, rc = PH_ERR_CRYPTO;

    *out = NULL;
    if (id == NULL)
        return PH_ERR_NOMEM;
    memcpy(id->seed, seed, PH_SEED_LEN);
    key = ph_identity_key(id, NULL);
    if (key == NULL)
        goto cleanup;
    x = certificate(key);
    if (x == NULL || ph_identity_fingerprint_of(x, id->fingerprint) != PH_OK)
        goto cleanup;
    len = i2d_X509(x, &der);
    if (len <= 0)
        goto cleanup;
    id->cert = malloc((size_t)len);
    if (id->cert == NULL) {
        rc = PH_ERR_NOMEM;
        goto cleanup;
    }
    memcpy(id->cert, der, (size_t)len);
    id->cert_len = (size_t)len;
    *out = id;
    id = NULL;
    rc = PH_OK;
cleanup:
    OPENSSL_free(der);
    X509_free(x);
    EVP_PKEY_free(key);
    ph_identity_free(id);
    return rc;
}

void ph_identity_free(struct ph_identity *id)
{
    if (id == NULL)
        return;
    OPENSSL_cleanse(id->seed, sizeof(id->seed));
    free(id->cert);
    free(id);
}

const uint8_t *ph_identity_fingerprint(const struct ph_identity *id)
{
    return id->fingerprint;
}

void ph_identity_derive(const struct ph_identity *id, const char *label,
                        uint8_t out[PH_DERIVED_LEN])
{
    ph_hmac_sha256(id->seed, sizeof(id->seed), label, strlen(label), NULL, 0, out);
}

const uint8_t *ph_identity_cert(const struct ph_identity *id, size_t *len)
{
    *len = id->cert_len;
    return id->cert;
}
