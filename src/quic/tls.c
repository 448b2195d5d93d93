#include "quic/tls.h"

#include "base/err.h"
#include "base/mac.h"
#include "quic/identity_key.h"

#include <ngtcp2/ngtcp2_crypto_ossl.h>
#include <openssl/err.h>
#include <string.h>

int ph_tls_peer_set_alpn(struct ph_tls_peer *peer, const char *alpn)
{
    size_t len = alpn != NULL ? strlen(alpn) : 0;

    if (len == 0 || len > PH_ALPN_MAX)
        return PH_ERR_INVAL;
    peer->alpn[0] = (uint8_t)len;
    memcpy(peer->alpn + 1, alpn, len);
    return PH_OK;
}

bool ph_tls_alert_is_auth(uint8_t alert)
{
    switch (alert) {
    case SSL3_AD_BAD_CERTIFICATE:
    case SSL3_AD_UNSUPPORTED_CERTIFICATE:
    case SSL3_AD_CERTIFICATE_REVOKED:
    case SSL3_AD_CERTIFICATE_EXPIRED:
    case SSL3_AD_CERTIFICATE_UNKNOWN:
    case TLS1_AD_UNKNOWN_CA:
    case TLS1_AD_ACCESS_DENIED:
    case TLS1_AD_DECRYPT_ERROR:
    case TLS13_AD_CERTIFICATE_REQUIRED:
        return true;
    default:
        return false;
    }
}

/* Stands in for the whole of X.509's verification: names, chains and dates mean nothing here. That
 * the peer holds the key is proven by its CertificateVerify, which OpenSSL checks by itself. */
static int verify(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct ph_tls_peer *peer = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
    X509 *cert = X509_STORE_CTX_get0_cert(store);

    (void)arg;
    if (peer == NULL)
        return 0;
    peer->refused = true;
    /* CERT_REJECTED becomes the alert bad_certificate. */
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    if (cert == NULL || ph_identity_fingerprint_of(cert, peer->fingerprint) != PH_OK)
        return 0;
    if (peer->pinned && !ph_equal_ct(peer->fingerprint, peer->pin, PH_FINGERPRINT_LEN))
        return 0;
    if (peer->accept != NULL && !peer->accept(peer->user, peer->fingerprint))
        return 0;
    peer->refused = false;
    peer->verified = true;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned int in_len, void *arg)
{
    const struct ph_tls_peer *peer = SSL_get_app_data(ssl);

    (void)arg;
    /* OpenSSL has checked that `in` is a well-formed list. */
    for (unsigned int i = 0; peer != NULL && i < in_len; i += 1u + in[i]) {
        if (i + 1u + in[i] > in_len)
            break;
        if (in[i] == peer->alpn[0] && memcmp(in + i, peer->alpn, 1u + in[i]) == 0) {
            *out = in + i + 1;
            *out_len = in[i];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool configure(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
    return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
           SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") ==
               1 &&
           /* a hybrid group would make the first flight two datagrams */
           SSL_CTX_set1_groups_list(ctx, "X25519") == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, "ed25519") == 1;
}

SSL_CTX *ph_tls_ctx_new(const struct ph_identity *id, OSSL_LIB_CTX *lib)
{
    static bool helper_ready;
    SSL_CTX *ctx = SSL_CTX_new_ex(lib, NULL, TLS_method());
    EVP_PKEY *key = ph_identity_key(id, lib);
    X509 *cert = ph_identity_x509(id, lib);

    if (!helper_ready)
        helper_ready = ngtcp2_crypto_ossl_init() == 0;
    if (ctx == NULL || key == NULL || cert == NULL || !helper_ready || !configure(ctx) ||
        SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1) {
        SSL_CTX_free(ctx);
        ctx = NULL;
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ctx;
}

SSL *ph_tls_new(SSL_CTX *ctx, struct ph_tls_peer *peer, bool server)
{
    SSL *ssl = SSL_new(ctx);

    if (ssl == NULL)
        return NULL;
    SSL_set_app_data(ssl, peer);
    if (server) {
        SSL_set_accept_state(ssl);
        if (ngtcp2_crypto_ossl_configure_server_session(ssl) == 0)
            return ssl;
    } else {
        SSL_set_connect_state(ssl);
        if (ngtcp2_crypto_ossl_configure_client_session(ssl) == 0 &&
            SSL_set_alpn_protos(ssl, peer->alpn, 1u + peer->alpn[0]) == 0)
            return ssl;
    }
    ph_tls_free(ssl);
    return NULL;
}

void ph_tls_free(SSL *ssl)
{
    if (ssl != NULL)
        SSL_set_app_data(ssl, NULL); /* the helper's callbacks must find no connection any more */
    SSL_free(ssl);
}
