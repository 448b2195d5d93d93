/* A connection at work: packets in, packets out, timers. */
#include "quic/conn.h"

#include "base/err.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define PIECES       8
#define FLUSH_MAX    256 /* packets of one flush */
#define DATAGRAM_MAX 32  /* packets that may go out before the datagram's own */

const struct ph_draw *ph_quic_enter(struct ph_quic *q)
{
    /* SSL_get_error looks at this queue: what another connection left would end this one. */
    ERR_clear_error();
    return ph_draw_select(q->deterministic ? &q->draw : NULL);
}

void ph_quic_leave(const struct ph_draw *before)
{
    ph_draw_select(before);
}

ph_ns ph_quic_conn_tick(struct ph_quic_conn *c, ph_ns now)
{
    c->now = ph_max_ns(c->now, now);
    return c->now;
}

static void tell(struct ph_quic_conn *c, const struct ph_inbox_item *item)
{
    switch (item->kind) {
    case PH_INBOX_STATE:
        c->state = (enum ph_quic_state)item->state;
        if (c->callbacks.on_state != NULL)
            c->callbacks.on_state(c->user, c->state);
        break;
    case PH_INBOX_STREAM:
        if (c->callbacks.on_stream != NULL)
            c->callbacks.on_stream(c->user, item->data, item->len);
        break;
    case PH_INBOX_DATAGRAM:
        if (c->callbacks.on_datagram != NULL)
            c->callbacks.on_datagram(c->user, item->data, item->len);
        break;
    case PH_INBOX_PIPE:
        if (c->callbacks.on_pipe != NULL)
            c->callbacks.on_pipe(c->user, item->data, item->len);
        break;
    case PH_INBOX_PIPE_EVENT:
        if (c->callbacks.on_pipe_event != NULL)
            c->callbacks.on_pipe_event(c->user, (enum ph_quic_pipe_event)item->state);
        break;
    }
}

void ph_quic_conn_settle(struct ph_quic_conn *c)
{
    struct ph_inbox_item *item;

    if (c->telling)
        return;
    c->telling = true;
    while ((item = ph_inbox_take(&c->inbox)) != NULL) {
        tell(c, item);
        free(item);
    }
    ph_quic_pipe_tell_room(c);
    c->telling = false;
    /* It cannot fail: the node is in the heap from birth. */
    (void)ph_heap_add(&c->q->deadlines, &c->deadline, ph_quic_conn_deadline(c));
}

int ph_quic_conn_input(struct ph_quic_conn *c, const uint8_t *data, size_t len)
{
    const ngtcp2_pkt_info info = {0};

    return ngtcp2_conn_read_pkt(c->ng, ph_quic_path(), &info, data, len, c->now);
}

/* There is one version only, so that a Version Negotiation packet, which is not authenticated, can
 * only do harm. */
static bool is_version_negotiation(const uint8_t *data, size_t len)
{
    return len >= 5 && (data[0] & 0x80) != 0 && (data[1] | data[2] | data[3] | data[4]) == 0;
}

void ph_quic_read(struct ph_quic_conn *c, ph_ns now, const uint8_t *data, size_t len)
{
    const struct ph_draw *before;
    int rv;

    ph_quic_conn_tick(c, now);
    if (ph_quic_conn_dead(c)) {
        ph_quic_conn_repeat_farewell(c);
        return;
    }
    if (c->failure != 0 || len == 0 || is_version_negotiation(data, len))
        return;
    before = ph_quic_enter(c->q);
    rv = ph_quic_conn_input(c, data, len);
    if (rv != 0)
        ph_quic_conn_fail(c, rv);
    c->flush_due = true;
    ph_quic_conn_settle(c);
    ph_quic_leave(before);
}

static void open_streams(struct ph_quic_conn *c)
{
    if (c->server || c->coming == PH_QUIC_HANDSHAKE)
        return;
    if (c->stream.id < 0 && ngtcp2_conn_open_bidi_stream(c->ng, &c->stream.id, NULL) != 0)
        c->stream.id = -1;
    if (c->stream.id >= 0 && c->has_pipe && c->pipe.id < 0 &&
        ngtcp2_conn_open_bidi_stream(c->ng, &c->pipe.id, NULL) != 0) {
        c->pipe.id = -1;
        (void)ph_quic_pipe_on_broken(c);
    }
}

/* The client shows a stream with an empty frame, for the server may have more to say. */
static bool stream_wants(const struct ph_quic_conn *c, const struct ph_quic_stream *s)
{
    return s->id >= 0 && !s->gone &&
           (ph_send_buf_unsent(&s->out) > 0 || (!c->server && !s->shown) ||
            (s->end_wanted && !s->end_sent));
}

/* Writes one packet, with bytes of a stream or, NULL, of none. Returns its length, 0 when there is
 * nothing to send now, or ngtcp2's error. */
static ngtcp2_ssize write_packet(struct ph_quic_conn *c, uint8_t packet[PH_QUIC_PACKET_MAX],
                                 struct ph_quic_stream *s)
{
    struct ph_send_piece pieces[PIECES];
    ngtcp2_vec vec[PIECES];
    ngtcp2_ssize n, taken = -1;
    size_t count = s != NULL ? ph_send_buf_peek(&s->out, pieces, PIECES) : 0, len = 0;
    bool end;

    for (size_t i = 0; i < count; i++) {
        vec[i] = (ngtcp2_vec){pieces[i].data, pieces[i].len};
        len += pieces[i].len;
    }
    end = s != NULL && s->end_wanted && len == ph_send_buf_unsent(&s->out);
    n = ngtcp2_conn_writev_stream(c->ng, NULL, NULL, packet, PH_QUIC_PACKET_MAX, &taken,
                                  end ? NGTCP2_WRITE_STREAM_FLAG_FIN
                                      : NGTCP2_WRITE_STREAM_FLAG_NONE,
                                  s != NULL ? s->id : -1, vec, count, c->now);
    if (s != NULL && taken >= 0) {
        s->shown = true;
        s->end_sent = s->end_sent || (end && (size_t)taken == len);
        ph_send_buf_sent(&s->out, (size_t)taken);
    }
    return n;
}

/* Whose bytes go next: messages go first. */
static struct ph_quic_stream *next_stream(struct ph_quic_conn *c, bool stream_blocked,
                                          bool pipe_blocked)
{
    if (!stream_blocked && stream_wants(c, &c->stream))
        return &c->stream;
    if (!pipe_blocked && stream_wants(c, &c->pipe) && ph_quic_pipe_may_send(c))
        return &c->pipe;
    return NULL;
}

static void flush(struct ph_quic_conn *c)
{
    uint8_t packet[PH_QUIC_PACKET_MAX];
    bool stream_blocked = false, pipe_blocked = false;

    c->flush_due = false;
    c->pipe_due = PH_NEVER;
    if (c->failure != 0) {
        ph_quic_conn_fail(c, c->failure);
        return;
    }
    open_streams(c);
    for (int i = 0; i < FLUSH_MAX && !ph_quic_conn_dead(c); i++) {
        struct ph_quic_stream *s = next_stream(c, stream_blocked, pipe_blocked);
        ngtcp2_ssize n = write_packet(c, packet, s);
        if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
            if (s == &c->pipe)
                pipe_blocked = true;
            else
                stream_blocked = true;
        } else if (s != NULL &&
                   (n == NGTCP2_ERR_STREAM_SHUT_WR || n == NGTCP2_ERR_STREAM_NOT_FOUND)) {
            s->gone = true;
        } else if (n < 0) {
            ph_quic_conn_fail(c, (int)n);
        } else if (n == 0) {
            return;
        } else {
            if (s == &c->pipe)
                ph_quic_pipe_on_sent(c);
            ph_quic_conn_emit(c, packet, (size_t)n);
        }
    }
    c->flush_due = !ph_quic_conn_dead(c);
}

void ph_quic_flush(struct ph_quic_conn *c, ph_ns now)
{
    const struct ph_draw *before;

    if (ph_quic_conn_dead(c))
        return;
    ph_quic_conn_tick(c, now);
    before = ph_quic_enter(c->q);
    flush(c);
    ph_quic_conn_settle(c);
    ph_quic_leave(before);
}

void ph_quic_conn_expire(struct ph_quic_conn *c, ph_ns now)
{
    const struct ph_draw *before = ph_quic_enter(c->q);
    int rv = 0;

    ph_quic_conn_tick(c, now);
    if (!ph_quic_conn_dead(c) && c->failure == 0 && ngtcp2_conn_get_expiry(c->ng) <= c->now)
        rv = ngtcp2_conn_handle_expiry(c->ng, c->now);
    if (rv != 0)
        ph_quic_conn_fail(c, rv);
    if (!ph_quic_conn_dead(c))
        flush(c);
    ph_quic_conn_settle(c);
    ph_quic_leave(before);
}

int ph_quic_stream_send(struct ph_quic_conn *c, const void *data, size_t len)
{
    int rc;

    if (ph_quic_conn_dead(c) || c->stream.gone)
        return PH_ERR_CLOSED;
    rc = ph_send_buf_add(&c->stream.out, data, len);
    if (rc != PH_OK || c->coming == PH_QUIC_HANDSHAKE)
        return rc;
    c->flush_due = true;
    ph_quic_conn_settle(c);
    return PH_OK;
}

/* Other frames may have to go first: then ngtcp2 writes a packet without the datagram. */
static int write_datagram(struct ph_quic_conn *c, const void *data, size_t len)
{
    uint8_t packet[PH_QUIC_PACKET_MAX];
    uint8_t bytes[PH_QUIC_DATAGRAM_MAX];
    ngtcp2_vec vec = {bytes, len};

    if (len > 0)
        memcpy(bytes, data, len);
    for (int i = 0; i < DATAGRAM_MAX; i++) {
        int accepted = 0;
        ngtcp2_ssize n = ngtcp2_conn_writev_datagram(c->ng, NULL, NULL, packet, sizeof(packet),
                                                     &accepted, NGTCP2_WRITE_DATAGRAM_FLAG_NONE,
                                                     c->datagram_id, &vec, 1, c->now);
        if (n == NGTCP2_ERR_INVALID_STATE || n == NGTCP2_ERR_INVALID_ARGUMENT)
            return PH_ERR_REFUSED; /* the peer takes none, or none of this size */
        if (n < 0) {
            ph_quic_conn_fail(c, (int)n);
            return c->error;
        }
        if (n == 0)
            return PH_ERR_AGAIN;
        if (accepted)
            c->datagram_id++;
        ph_quic_conn_emit(c, packet, (size_t)n);
        if (accepted)
            return PH_OK;
        if (ph_quic_conn_dead(c))
            return PH_ERR_CLOSED;
    }
    return PH_ERR_AGAIN;
}

int ph_quic_datagram_send(struct ph_quic_conn *c, ph_ns now, const void *data, size_t len)
{
    const struct ph_draw *before;
    int rc;

    if (len > PH_QUIC_DATAGRAM_MAX)
        return PH_ERR_SPACE;
    if (ph_quic_conn_dead(c))
        return PH_ERR_CLOSED;
    if (c->state == PH_QUIC_HANDSHAKE)
        return PH_ERR_AGAIN;
    ph_quic_conn_tick(c, now);
    before = ph_quic_enter(c->q);
    rc = write_datagram(c, data, len);
    ph_quic_conn_settle(c);
    ph_quic_leave(before);
    return rc;
}

ph_ns ph_quic_conn_deadline(const struct ph_quic_conn *c)
{
    if (ph_quic_conn_dead(c))
        return PH_NEVER;
    return c->flush_due ? c->now : ph_min_ns(ngtcp2_conn_get_expiry(c->ng), c->pipe_due);
}

enum ph_quic_state ph_quic_conn_state(const struct ph_quic_conn *c)
{
    return c->state;
}

int ph_quic_conn_error(const struct ph_quic_conn *c)
{
    return c->error;
}

const uint8_t *ph_quic_conn_peer(const struct ph_quic_conn *c)
{
    return c->peer.verified && c->coming != PH_QUIC_HANDSHAKE ? c->peer.fingerprint : NULL;
}

ph_ns ph_quic_conn_rtt(const struct ph_quic_conn *c)
{
    ngtcp2_conn_info info;

    ngtcp2_conn_get_conn_info(c->ng, &info);
    return info.latest_rtt != 0 ? info.smoothed_rtt : 0;
}

int ph_quic_export(struct ph_quic_conn *c, const char *label, uint8_t *out, size_t len)
{
    if (ph_quic_conn_dead(c))
        return PH_ERR_CLOSED;
    if (c->coming == PH_QUIC_HANDSHAKE)
        return PH_ERR_AGAIN;
    return SSL_export_keying_material(c->ssl, out, len, label, strlen(label), NULL, 0, 0) == 1
               ? PH_OK
               : PH_ERR_CRYPTO;
}
