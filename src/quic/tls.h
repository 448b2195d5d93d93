/* TLS 1.3 for QUIC (RFC 9001): both sides show a certificate, each is judged by its key alone.
 * There is no authority, no ticket, no resumption, and no look at the wall clock. */
#ifndef PH_QUIC_TLS_H
#define PH_QUIC_TLS_H

#include "quic/identity.h"

#include <ngtcp2/ngtcp2_crypto.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#define PH_ALPN_MAX 63

/* What one connection's handshake is judged by, and what it found. It is the connection reference
 * that ngtcp2's helper asks for, so that a callback of OpenSSL finds it again. */
struct ph_tls_peer {
    ngtcp2_crypto_conn_ref ref;    /* first, and filled in by the owner */
    uint8_t alpn[1 + PH_ALPN_MAX]; /* as on the wire: a length, then the name */
    bool pinned;
    uint8_t pin[PH_FINGERPRINT_LEN];
    bool (*accept)(void *user, const uint8_t fingerprint[PH_FINGERPRINT_LEN]); /* may be NULL */
    void *user;

    bool verified; /* fingerprint is the peer's, and it is the right one */
    bool refused;  /* there was a certificate, or should have been, and it was not the right one */
    uint8_t fingerprint[PH_FINGERPRINT_LEN];
};

/* PH_ERR_INVAL: no name, or longer than PH_ALPN_MAX. */
int ph_tls_peer_set_alpn(struct ph_tls_peer *peer, const char *alpn);

/* One context serves both roles. lib: NULL for OpenSSL's default. NULL on failure. */
SSL_CTX *ph_tls_ctx_new(const struct ph_identity *id, OSSL_LIB_CTX *lib);
/* A session that is judged by peer, which must outlive it. NULL on failure. */
SSL *ph_tls_new(SSL_CTX *ctx, struct ph_tls_peer *peer, bool server);
void ph_tls_free(SSL *ssl);
/* Whether a TLS alert (RFC 8446 section 6.2) says that a certificate did not please. */
bool ph_tls_alert_is_auth(uint8_t alert);

#endif
