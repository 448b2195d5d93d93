/* How a connection is made: what ngtcp2 is told, and what it calls back. */
#include "base/err.h"
#include "quic/conn.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW        65536 /* bytes of messages that the peer may have in flight */
#define ACTIVE_CIDS   4
#define DEFAULT_RTT   (100 * PH_MS)
#define DEFAULT_IDLE  (30 * PH_SEC)
#define DEFAULT_LIMIT (10 * PH_SEC)
#define CID_ATTEMPTS  8
#define FAKE_PORT     1
/* The client's first two bidirectional streams (RFC 9000 section 2.1). */
#define MESSAGES_ID 0
#define PIPE_ID     4

static ngtcp2_conn *conn_of_ref(ngtcp2_crypto_conn_ref *ref)
{
    return ((struct ph_quic_conn *)ref->user_data)->ng;
}

/* Returns 0 or what makes ngtcp2 end the connection. */
static int announce(struct ph_quic_conn *c, enum ph_quic_state state)
{
    if (ph_inbox_add(&c->inbox, PH_INBOX_STATE, (int)state, NULL, 0) != PH_OK)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    c->coming = state;
    return 0;
}

static bool trusted(const struct ph_quic_conn *c)
{
    return c->coming == PH_QUIC_ESTABLISHED || c->coming == PH_QUIC_CONFIRMED;
}

static int on_handshake_completed(ngtcp2_conn *ng, void *user)
{
    struct ph_quic_conn *c = user;
    int rv;

    (void)ng;
    if (!c->peer.verified)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    rv = announce(c, PH_QUIC_ESTABLISHED);
    /* RFC 9001 section 4.1.2: at the server, completed is confirmed. */
    if (rv == 0 && c->server)
        rv = announce(c, PH_QUIC_CONFIRMED);
    return rv;
}

static int on_handshake_confirmed(ngtcp2_conn *ng, void *user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    return c->server ? 0 : announce(c, PH_QUIC_CONFIRMED);
}

static int on_stream_open(ngtcp2_conn *ng, int64_t id, void *user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    /* By their numbers: the packet that shows the one may overtake the other's. */
    if (id == MESSAGES_ID)
        c->stream.id = id;
    else if (id == PIPE_ID && c->has_pipe)
        c->pipe.id = id;
    return 0;
}

static int on_stream_data(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t offset,
                          const uint8_t *data, size_t len, void *user, void *stream_user)
{
    struct ph_quic_conn *c = user;

    (void)offset;
    (void)stream_user;
    if (!trusted(c))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    if (c->pipe.id >= 0 && id == c->pipe.id)
        return ph_quic_pipe_on_data(c, data, len, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
    if (id != c->stream.id)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    if (len == 0)
        return 0;
    if (ph_inbox_add(&c->inbox, PH_INBOX_STREAM, 0, data, len) != PH_OK)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    ngtcp2_conn_extend_max_offset(ng, len);
    return ngtcp2_conn_extend_max_stream_offset(ng, id, len) == 0 ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int on_stream_acked(ngtcp2_conn *ng, int64_t id, uint64_t offset, uint64_t len, void *user,
                           void *stream_user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    (void)stream_user;
    if (id == c->stream.id)
        ph_send_buf_acked(&c->stream.out, offset + len);
    else if (id == c->pipe.id)
        ph_send_buf_acked(&c->pipe.out, offset + len);
    return 0;
}

static int on_stream_close(ngtcp2_conn *ng, uint32_t flags, int64_t id, uint64_t code, void *user,
                           void *stream_user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    (void)code;
    (void)stream_user;
    if (id == c->stream.id)
        c->stream.gone = true;
    else if (id == c->pipe.id)
        return ph_quic_pipe_on_close(c, (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) == 0);
    return 0;
}

static int on_stream_reset(ngtcp2_conn *ng, int64_t id, uint64_t size, uint64_t code, void *user,
                           void *stream_user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    (void)size;
    (void)code;
    (void)stream_user;
    return id == c->pipe.id ? ph_quic_pipe_on_broken(c) : 0;
}

static int on_datagram(ngtcp2_conn *ng, uint32_t flags, const uint8_t *data, size_t len, void *user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    (void)flags;
    /* Lost when there is no room: it is a datagram. */
    if (trusted(c))
        (void)ph_inbox_add(&c->inbox, PH_INBOX_DATAGRAM, 0, data, len);
    return 0;
}

static void on_rand(uint8_t *out, size_t len, const ngtcp2_rand_ctx *ctx)
{
    const struct ph_draw *draw = ctx->native_handle;

    draw->random(draw->user, out, len);
}

static int new_cid(struct ph_quic_conn *c, ngtcp2_cid *cid, size_t len)
{
    struct ph_quic *q = c->q;
    int rc = PH_ERR_INVAL;

    /* Anew when it is taken. */
    for (int i = 0; i < CID_ATTEMPTS && rc == PH_ERR_INVAL; i++) {
        q->draw.random(q->draw.user, cid->data, len);
        cid->datalen = len;
        rc = ph_cid_map_add(&q->cids, cid->data, len, c, &c->cids);
    }
    return rc;
}

static int on_new_cid(ngtcp2_conn *ng, ngtcp2_cid *cid, ngtcp2_stateless_reset_token *token,
                      size_t len, void *user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    if (new_cid(c, cid, len) != PH_OK ||
        ngtcp2_crypto_generate_stateless_reset_token(token->data, c->q->reset_secret,
                                                     sizeof(c->q->reset_secret), cid) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_remove_cid(ngtcp2_conn *ng, const ngtcp2_cid *cid, void *user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    ph_cid_map_remove(&c->q->cids, cid->data, cid->datalen, &c->cids);
    return 0;
}

static int on_reset(ngtcp2_conn *ng, const ngtcp2_pkt_stateless_reset2 *packet, void *user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    (void)packet;
    c->reset = true;
    return 0;
}

static int on_path_challenge(ngtcp2_conn *ng, ngtcp2_path_challenge_data *data, void *user)
{
    struct ph_quic_conn *c = user;

    (void)ng;
    c->q->draw.random(c->q->draw.user, data->data, sizeof(data->data));
    return 0;
}

static const ngtcp2_callbacks client_callbacks = {
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .handshake_completed = on_handshake_completed,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_stream_data = on_stream_data,
    .acked_stream_data_offset = on_stream_acked,
    .stream_close = on_stream_close,
    .stream_reset = on_stream_reset,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .rand = on_rand,
    .get_new_connection_id2 = on_new_cid,
    .remove_connection_id = on_remove_cid,
    .update_key = ngtcp2_crypto_update_key_cb,
    .handshake_confirmed = on_handshake_confirmed,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .recv_datagram = on_datagram,
    .get_path_challenge_data2 = on_path_challenge,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    .recv_stateless_reset2 = on_reset,
};

static const ngtcp2_callbacks server_callbacks = {
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .handshake_completed = on_handshake_completed,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_stream_data = on_stream_data,
    .acked_stream_data_offset = on_stream_acked,
    .stream_open = on_stream_open,
    .stream_close = on_stream_close,
    .stream_reset = on_stream_reset,
    .rand = on_rand,
    .get_new_connection_id2 = on_new_cid,
    .remove_connection_id = on_remove_cid,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .recv_datagram = on_datagram,
    .get_path_challenge_data2 = on_path_challenge,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
};

const ngtcp2_path *ph_quic_path(void)
{
    static ngtcp2_sockaddr_in address = {.sin_family = NGTCP2_AF_INET, .sin_port = FAKE_PORT};
    static const ngtcp2_path path = {
        .local = {(ngtcp2_sockaddr *)&address, sizeof(address)},
        .remote = {(ngtcp2_sockaddr *)&address, sizeof(address)},
    };

    return &path;
}

static ph_ns or_default(ph_ns value, ph_ns otherwise)
{
    return value != 0 ? value : otherwise;
}

static void settings_for(struct ph_quic_conn *c, const struct ph_quic_conn_config *config,
                         ngtcp2_settings *settings, ngtcp2_transport_params *params)
{
    ngtcp2_settings_default(settings);
    /* CUBIC takes packets that overtake each other at a change of path for lost ones. */
    settings->cc_algo = NGTCP2_CC_ALGO_BBR;
    settings->initial_ts = c->now;
    settings->initial_rtt = or_default(c->q->initial_rtt, DEFAULT_RTT);
    settings->max_tx_udp_payload_size = PH_QUIC_PACKET_MAX;
    settings->no_pmtud = 1;
    settings->handshake_timeout = or_default(config->handshake_timeout, DEFAULT_LIMIT);
    settings->rand_ctx.native_handle = &c->q->draw;

    ngtcp2_transport_params_default(params);
    /* There is one limit for every stream. Of the connection's, the pipe may hold one third up, and
     * messages have the rest, which is more than the half that has to be consumed before ngtcp2
     * grants more. */
    params->initial_max_stream_data_bidi_local = c->has_pipe ? PH_QUIC_PIPE_WINDOW : WINDOW;
    params->initial_max_stream_data_bidi_remote = params->initial_max_stream_data_bidi_local;
    params->initial_max_data = c->has_pipe ? 3 * PH_QUIC_PIPE_WINDOW : WINDOW;
    params->initial_max_streams_bidi = !c->server ? 0 : c->has_pipe ? 2 : 1;
    params->max_idle_timeout = or_default(config->idle_timeout, DEFAULT_IDLE);
    params->max_udp_payload_size = PH_QUIC_PACKET_MAX;
    params->max_datagram_frame_size = PH_QUIC_PACKET_MAX;
    params->active_connection_id_limit = ACTIVE_CIDS;
    params->disable_active_migration = 1;
    params->grease_quic_bit = 0; /* the bit tells QUIC from STUN on the one socket */
}

static int make_client(struct ph_quic_conn *c, const struct ph_quic_conn_config *config)
{
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid dcid, scid;
    int rc = new_cid(c, &scid, PH_QUIC_CID_LEN);

    if (rc != PH_OK)
        return rc;
    dcid.datalen = PH_QUIC_CID_LEN;
    c->q->draw.random(c->q->draw.user, dcid.data, dcid.datalen);
    settings_for(c, config, &settings, &params);
    if (ngtcp2_conn_client_new(&c->ng, &dcid, &scid, ph_quic_path(), NGTCP2_PROTO_VER_V1,
                               &client_callbacks, &settings, &params, NULL, c) != 0)
        return PH_ERR_NOMEM;
    return PH_OK;
}

static int make_server(struct ph_quic_conn *c, const struct ph_quic_conn_config *config,
                       const ngtcp2_pkt_hd *initial, const ngtcp2_cid *original_dcid)
{
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid scid;
    int rc = new_cid(c, &scid, PH_QUIC_CID_LEN);

    if (rc != PH_OK)
        return rc;
    /* The client's packets carry the one it made up until it has read ours. */
    rc = ph_cid_map_add(&c->q->cids, initial->dcid.data, initial->dcid.datalen, c, &c->cids);
    if (rc != PH_OK)
        return rc;
    settings_for(c, config, &settings, &params);
    params.original_dcid = *original_dcid;
    params.original_dcid_present = 1;
    if (c->q->resets) {
        if (ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token,
                                                         c->q->reset_secret,
                                                         sizeof(c->q->reset_secret), &scid) != 0)
            return PH_ERR_CRYPTO;
        params.stateless_reset_token_present = 1;
    }
    if (!ngtcp2_cid_eq(original_dcid, &initial->dcid)) {
        params.retry_scid = initial->dcid;
        params.retry_scid_present = 1;
        settings.token = initial->token;
        settings.tokenlen = initial->tokenlen;
        settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
    }
    if (ngtcp2_conn_server_new(&c->ng, &initial->scid, &scid, ph_quic_path(), initial->version,
                               &server_callbacks, &settings, &params, NULL, c) != 0)
        return PH_ERR_NOMEM;
    return PH_OK;
}

static int judge_by(struct ph_quic_conn *c, const struct ph_quic_conn_config *config)
{
    c->peer.ref.get_conn = conn_of_ref;
    c->peer.ref.user_data = c;
    if (config->peer_fingerprint != NULL) {
        c->peer.pinned = true;
        memcpy(c->peer.pin, config->peer_fingerprint, PH_FINGERPRINT_LEN);
    }
    if (c->server)
        c->peer.accept = config->accept_peer;
    c->peer.user = config->user;
    return ph_tls_peer_set_alpn(&c->peer, config->alpn);
}

int ph_quic_conn_new(struct ph_quic *q, ph_ns now, const struct ph_quic_conn_config *config,
                     const ngtcp2_pkt_hd *initial, const ngtcp2_cid *original_dcid,
                     struct ph_quic_conn **out)
{
    struct ph_quic_conn *c;
    int rc;

    *out = NULL;
    if (q->conn_count >= PH_QUIC_CONNS_MAX)
        return PH_ERR_SPACE;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return PH_ERR_NOMEM;
    c->q = q;
    c->now = now;
    c->server = initial != NULL;
    c->callbacks = config->callbacks;
    c->user = config->user;
    c->stream.id = c->pipe.id = -1;
    c->has_pipe = c->room_owed = config->pipe;
    c->pipe_due = PH_NEVER;
    c->flush_due = true;
    ph_heap_node_init(&c->deadline);
    c->next = q->conns;
    if (c->next != NULL)
        c->next->prev = c;
    q->conns = c;
    q->conn_count++;

    rc = judge_by(c, config);
    if (rc == PH_OK)
        rc = ph_heap_add(&q->deadlines, &c->deadline, now);
    if (rc == PH_OK)
        rc = initial != NULL ? make_server(c, config, initial, original_dcid)
                             : make_client(c, config);
    if (rc != PH_OK)
        goto cleanup;
    rc = PH_ERR_CRYPTO;
    c->ssl = ph_tls_new(q->tls, &c->peer, c->server);
    if (c->ssl == NULL || ngtcp2_crypto_ossl_ctx_new(&c->helper, c->ssl) != 0)
        goto cleanup;
    ngtcp2_conn_set_tls_native_handle(c->ng, c->helper);
    if (config->keep_alive != 0)
        ngtcp2_conn_set_keep_alive_timeout(c->ng, config->keep_alive);
    *out = c;
    c = NULL;
    rc = PH_OK;
cleanup:
    ph_quic_conn_free(c);
    return rc;
}
