/* How a connection ends: what it means to the owner, and what the peer is told. */
#include "base/err.h"
#include "quic/conn.h"

#include <stdlib.h>
#include <string.h>

/* Of so many packets after the end, the 1st, 2nd, 4th, 8th ... are answered. */
#define FAREWELL_MAX 64
#define TLS_NO_ALPN  120 /* no_application_protocol, RFC 7301 section 3.2 */

bool ph_quic_conn_dead(const struct ph_quic_conn *c)
{
    return c->coming == PH_QUIC_CLOSED;
}

void ph_quic_conn_emit(struct ph_quic_conn *c, const uint8_t *data, size_t len)
{
    c->callbacks.on_packet(c->user, data, len);
}

/* What the code of a TLS alert means to our owner, whichever side raised it. */
static int reason_of_alert(uint8_t alert)
{
    if (ph_tls_alert_is_auth(alert))
        return PH_ERR_AUTH;
    return alert == TLS_NO_ALPN ? PH_ERR_PROTO : PH_ERR_CRYPTO;
}

static int reason_of_peer(const ngtcp2_ccerr *err)
{
    if (err->type == NGTCP2_CCERR_TYPE_APPLICATION)
        return PH_ERR_CLOSED;
    if ((err->error_code & ~(uint64_t)0xff) == NGTCP2_CRYPTO_ERROR)
        return reason_of_alert((uint8_t)(err->error_code & 0xff));
    /* APPLICATION_ERROR is what an application's close is sent as before 1-RTT keys. */
    return err->error_code == NGTCP2_NO_ERROR || err->error_code == NGTCP2_APPLICATION_ERROR
               ? PH_ERR_CLOSED
               : PH_ERR_PROTO;
}

/* Returns why it ended, and what to tell the peer; nothing to tell: err->type is IDLE_CLOSE. */
static int reason_of(struct ph_quic_conn *c, int liberr, ngtcp2_ccerr *err)
{
    uint8_t alert;

    ngtcp2_ccerr_default(err);
    err->type = NGTCP2_CCERR_TYPE_IDLE_CLOSE;
    switch (liberr) {
    case NGTCP2_ERR_DRAINING:
        if (c->reset)
            return PH_ERR_RESET;
        return reason_of_peer(ngtcp2_conn_get_ccerr(c->ng));
    case NGTCP2_ERR_IDLE_CLOSE:
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
        return PH_ERR_TIMEOUT;
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
    case NGTCP2_ERR_CLOSING:
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
        return PH_ERR_PROTO;
    case NGTCP2_ERR_CRYPTO:
        alert = ngtcp2_conn_get_tls_alert(c->ng);
        ngtcp2_ccerr_set_tls_alert(err, alert, NULL, 0);
        return c->peer.refused ? PH_ERR_AUTH : reason_of_alert(alert);
    case NGTCP2_ERR_NOMEM:
        ngtcp2_ccerr_set_liberr(err, liberr, NULL, 0);
        return PH_ERR_NOMEM;
    default:
        ngtcp2_ccerr_set_liberr(err, liberr, NULL, 0);
        return PH_ERR_PROTO;
    }
}

static void say_farewell(struct ph_quic_conn *c, const ngtcp2_ccerr *err)
{
    uint8_t packet[PH_QUIC_PACKET_MAX];
    ngtcp2_ssize n;

    n = ngtcp2_conn_write_connection_close(c->ng, NULL, NULL, packet, sizeof(packet), err, c->now);
    if (n <= 0)
        return;
    c->farewell = malloc((size_t)n);
    if (c->farewell != NULL) {
        memcpy(c->farewell, packet, (size_t)n);
        c->farewell_len = (size_t)n;
    }
    ph_quic_conn_emit(c, packet, (size_t)n);
}

/* RFC 9000 section 10.2.1: ever more rarely, so that two closing sides do not keep each other busy.
 */
void ph_quic_conn_repeat_farewell(struct ph_quic_conn *c)
{
    unsigned n;

    if (c->farewell == NULL || c->farewell_asked >= FAREWELL_MAX)
        return;
    n = ++c->farewell_asked;
    if ((n & (n - 1)) == 0)
        ph_quic_conn_emit(c, c->farewell, c->farewell_len);
}

void ph_quic_conn_fail(struct ph_quic_conn *c, int liberr)
{
    ngtcp2_ccerr err;

    if (ph_quic_conn_dead(c))
        return;
    c->error = reason_of(c, liberr, &err);
    c->coming = PH_QUIC_CLOSED;
    /* What came before the end is still told, then the end itself. */
    if (ph_inbox_add(&c->inbox, PH_INBOX_STATE, PH_QUIC_CLOSED, NULL, 0) != PH_OK)
        c->state = PH_QUIC_CLOSED;
    if (err.type != NGTCP2_CCERR_TYPE_IDLE_CLOSE)
        say_farewell(c, &err);
}

void ph_quic_conn_close(struct ph_quic_conn *c, ph_ns now)
{
    const struct ph_draw *before = ph_quic_enter(c->q);
    ngtcp2_ccerr err;

    ph_quic_conn_tick(c, now);
    if (!ph_quic_conn_dead(c) && c->failure != 0)
        ph_quic_conn_fail(c, c->failure);
    if (!ph_quic_conn_dead(c)) {
        c->coming = PH_QUIC_CLOSED;
        ngtcp2_ccerr_default(&err);
        ngtcp2_ccerr_set_application_error(&err, 0, NULL, 0);
        say_farewell(c, &err);
    }
    ph_quic_conn_free(c);
    ph_quic_leave(before);
}

void ph_quic_conn_free(struct ph_quic_conn *c)
{
    struct ph_quic *q;

    if (c == NULL)
        return;
    q = c->q;
    ngtcp2_conn_del(c->ng);
    ph_tls_free(c->ssl);
    ngtcp2_crypto_ossl_ctx_del(c->helper); /* it holds bytes that the session points to */
    ph_cid_map_remove_all(&q->cids, &c->cids);
    ph_heap_remove(&q->deadlines, &c->deadline);
    ph_inbox_fini(&c->inbox);
    ph_send_buf_fini(&c->out);
    free(c->farewell);
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        q->conns = c->next;
    q->conn_count--;
    free(c);
}
