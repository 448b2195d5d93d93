/* A peer's identity: an Ed25519 key (RFC 8032) derived from a 32-byte seed, the self-signed
 * certificate that follows from it byte for byte, and its fingerprint. */
#ifndef PH_QUIC_IDENTITY_H
#define PH_QUIC_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#define PH_SEED_LEN        32
#define PH_DERIVED_LEN     32
#define PH_FINGERPRINT_LEN 32 /* SHA-256 of the DER SubjectPublicKeyInfo */

struct ph_identity;

/* PH_ERR_NOMEM, PH_ERR_CRYPTO. The seed is copied. */
int ph_identity_new(const uint8_t seed[PH_SEED_LEN], struct ph_identity **out);
void ph_identity_free(struct ph_identity *id);
const uint8_t *ph_identity_fingerprint(const struct ph_identity *id);
/* A secret of the seed's for another use, which the label names; the same for equal seeds. */
void ph_identity_derive(const struct ph_identity *id, const char *label,
                        uint8_t out[PH_DERIVED_LEN]);
/* The DER certificate (for tests and for `pinhole id`). */
const uint8_t *ph_identity_cert(const struct ph_identity *id, size_t *len);

#endif
