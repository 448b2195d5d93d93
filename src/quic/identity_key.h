/* What of an identity only this room sees: the key itself, for a TLS context. */
#ifndef PH_QUIC_IDENTITY_KEY_H
#define PH_QUIC_IDENTITY_KEY_H

#include "quic/identity.h"

#include <openssl/x509.h>

/* The key in a library context (NULL: the default one); the caller frees it. NULL on failure. */
EVP_PKEY *ph_identity_key(const struct ph_identity *id, OSSL_LIB_CTX *lib);
/* The certificate in a library context; the caller frees it. NULL on failure. */
X509 *ph_identity_x509(const struct ph_identity *id, OSSL_LIB_CTX *lib);
/* The fingerprint of a peer's certificate. PH_ERR_FORMAT when its key is not Ed25519. */
int ph_identity_fingerprint_of(X509 *cert, uint8_t out[PH_FINGERPRINT_LEN]);

#endif
