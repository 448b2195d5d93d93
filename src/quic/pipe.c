/* The pipe: a second stream for as many bytes as the owner likes, in both directions, each with its
 * end. What comes is held back by not being consumed, what goes by the room there is for it. */
#include "base/err.h"
#include "quic/conn.h"

/* Of the congestion window this is left to datagrams, which are dropped when there is no room in
 * it: media go on beside a pipe that takes all it can get. */
#define SPARED (4 * PH_QUIC_PACKET_MAX)

static int tell(struct ph_quic_conn *c, enum ph_quic_pipe_event event)
{
    return ph_inbox_add(&c->inbox, PH_INBOX_PIPE_EVENT, (int)event, NULL, 0) == PH_OK
               ? 0
               : NGTCP2_ERR_CALLBACK_FAILURE;
}

/* Of its packets, when there is a limit: those that may go back to back. */
#define BURST 16

bool ph_quic_pipe_may_send(struct ph_quic_conn *c)
{
    ngtcp2_conn_info info;
    uint64_t spared;

    if (c->pipe_rate != 0) {
        ph_ns next = ph_bucket_next(&c->pipe_spent, c->now, c->pipe_rate, BURST);

        if (next > c->now) {
            c->pipe_due = next;
            return false;
        }
    }
    ngtcp2_conn_get_conn_info(c->ng, &info);
    spared = info.cwnd / 4 < SPARED ? info.cwnd / 4 : SPARED;
    return info.bytes_in_flight + spared < info.cwnd;
}

void ph_quic_pipe_on_sent(struct ph_quic_conn *c)
{
    if (c->pipe_rate != 0)
        (void)ph_bucket_take(&c->pipe_spent, c->now, c->pipe_rate, BURST);
}

int ph_quic_pipe_on_data(struct ph_quic_conn *c, const uint8_t *data, size_t len, bool end)
{
    if (len > 0 && ph_inbox_add(&c->inbox, PH_INBOX_PIPE, 0, data, len) != PH_OK)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    if (!end || c->pipe_ended)
        return 0;
    c->pipe_ended = true;
    return tell(c, PH_QUIC_PIPE_ENDED);
}

int ph_quic_pipe_on_close(struct ph_quic_conn *c, bool clean)
{
    if (!clean || !c->pipe_ended || !c->pipe.end_sent)
        return ph_quic_pipe_on_broken(c);
    c->pipe.gone = true;
    return tell(c, PH_QUIC_PIPE_DONE);
}

int ph_quic_pipe_on_broken(struct ph_quic_conn *c)
{
    if (!c->has_pipe)
        return 0;
    c->has_pipe = false;
    c->pipe.gone = true;
    return tell(c, PH_QUIC_PIPE_BROKEN);
}

static size_t room(const struct ph_quic_conn *c)
{
    return c->has_pipe && !c->pipe.gone && !c->pipe.end_wanted && !ph_quic_conn_dead(c)
               ? ph_send_buf_room(&c->pipe.out)
               : 0;
}

void ph_quic_pipe_tell_room(struct ph_quic_conn *c)
{
    if (!c->room_owed || c->pipe.id < 0 || room(c) < PH_QUIC_PIPE_LOW)
        return;
    c->room_owed = false;
    if (c->callbacks.on_pipe_event != NULL)
        c->callbacks.on_pipe_event(c->user, PH_QUIC_PIPE_ROOM);
}

size_t ph_quic_pipe_room(struct ph_quic_conn *c)
{
    size_t n = c->pipe.id < 0 ? 0 : room(c);

    c->room_owed = c->room_owed || n < PH_QUIC_PIPE_LOW;
    return n;
}

int ph_quic_pipe_send(struct ph_quic_conn *c, const void *data, size_t len)
{
    int rc;

    if (!c->has_pipe || c->pipe.gone || c->pipe.end_wanted || ph_quic_conn_dead(c))
        return PH_ERR_CLOSED;
    if (c->pipe.id < 0) {
        c->room_owed = true;
        return PH_ERR_AGAIN;
    }
    rc = ph_send_buf_add(&c->pipe.out, data, len);
    if (rc == PH_ERR_SPACE)
        c->room_owed = true;
    if (rc != PH_OK)
        return rc;
    c->flush_due = true;
    ph_quic_conn_settle(c);
    return PH_OK;
}

void ph_quic_pipe_end(struct ph_quic_conn *c)
{
    c->pipe.end_wanted = true;
    if (ph_quic_conn_dead(c) || c->pipe.id < 0)
        return; /* it goes out when the stream is there */
    c->flush_due = true;
    ph_quic_conn_settle(c);
}

void ph_quic_pipe_consumed(struct ph_quic_conn *c, size_t len)
{
    if (ph_quic_conn_dead(c) || len == 0)
        return;
    ngtcp2_conn_extend_max_offset(c->ng, len);
    /* One that is closed by now needs no more. */
    (void)ngtcp2_conn_extend_max_stream_offset(c->ng, c->pipe.id, len);
    c->flush_due = true;
    ph_quic_conn_settle(c);
}

void ph_quic_pipe_limit(struct ph_quic_conn *c, uint32_t packets_per_second)
{
    if (packets_per_second == c->pipe_rate || ph_quic_conn_dead(c))
        return;
    c->pipe_rate = packets_per_second;
    c->pipe_spent = (struct ph_bucket){0};
    c->flush_due = true;
    ph_quic_conn_settle(c);
}
