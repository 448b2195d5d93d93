#include "call/pipe.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/call.h"

#include <stdlib.h>
#include <string.h>

/* A relay forwards 2,000 packets a second of one peer by default (pinhole.h), whatever is in them:
 * media and acknowledgements are to find room among them. */
#define RELAY_PACKETS 1000

void ph_pipe_init(struct ph_pipe *p, struct ph_call *call)
{
    *p = (struct ph_pipe){.call = call};
}

void ph_pipe_fini(struct ph_pipe *p)
{
    free(p->bytes);
    p->bytes = NULL;
    p->waiting = 0;
}

static void fail(struct ph_pipe *p, int error)
{
    if (p->report.done || p->report.error != PH_OK)
        return;
    p->report.error = error;
    p->owed = true;
}

void ph_pipe_on_bytes(struct ph_pipe *p, const uint8_t *data, size_t len)
{
    if (p->report.error != PH_OK)
        return; /* nothing may come behind what is missing */
    if (!p->bytes)
        p->bytes = malloc(PH_QUIC_PIPE_WINDOW);
    if (!p->bytes || len > PH_QUIC_PIPE_WINDOW - p->waiting) {
        fail(p, PH_ERR_NOMEM); /* of the two the second cannot be: the window is no wider */
        return;
    }
    size_t at = (p->start + p->waiting) % PH_QUIC_PIPE_WINDOW;
    size_t first = PH_QUIC_PIPE_WINDOW - at < len ? PH_QUIC_PIPE_WINDOW - at : len;
    memcpy(p->bytes + at, data, first);
    memcpy(p->bytes, data + first, len - first);
    p->waiting += len;
    p->report.received += len;
    p->owed = true;
}

void ph_pipe_on_event(struct ph_pipe *p, enum ph_quic_pipe_event event)
{
    switch (event) {
    case PH_QUIC_PIPE_ROOM:
        break;
    case PH_QUIC_PIPE_ENDED:
        p->report.ended = true;
        break;
    case PH_QUIC_PIPE_DONE:
        p->report.done = true;
        break;
    case PH_QUIC_PIPE_BROKEN:
        fail(p, PH_ERR_REFUSED);
        break;
    }
    p->owed = true;
}

void ph_pipe_pump(struct ph_pipe *p)
{
    const struct ph_call *c = p->call;
    bool direct = c->steering.state == PH_STEERING_DIRECT;
    if (c->quic && !c->quic_closed)
        ph_quic_pipe_limit(c->quic, direct ? 0 : RELAY_PACKETS);
}

void ph_pipe_on_end(struct ph_pipe *p)
{
    if (p->call->agent->config.callbacks.on_stream)
        fail(p, PH_ERR_CLOSED);
}

/* The connection, while the stream can still be used. */
static struct ph_quic_conn *conn_of(const struct ph_pipe *p)
{
    bool open = ph_call_established(p->call) && p->report.error == PH_OK;
    return open ? p->call->quic : NULL;
}

size_t ph_call_stream_room(struct ph_call *c)
{
    struct ph_quic_conn *conn = conn_of(&c->pipe);
    return conn ? ph_quic_pipe_room(conn) : 0;
}

int ph_call_stream_send(struct ph_call *c, const void *data, size_t len)
{
    struct ph_quic_conn *conn = conn_of(&c->pipe);
    if (c->pipe.report.error != PH_OK)
        return c->pipe.report.error;
    if (c->pipe.ended || c->state == PH_CALL_ENDED)
        return PH_ERR_CLOSED;
    if (!conn)
        return PH_ERR_AGAIN;
    int err = ph_quic_pipe_send(conn, data, len);
    if (err != PH_OK)
        return err;
    c->pipe.report.sent += len;
    ph_agent_reschedule(c->agent);
    return PH_OK;
}

void ph_call_stream_end(struct ph_call *c)
{
    struct ph_quic_conn *conn = conn_of(&c->pipe);
    if (c->pipe.ended || !conn)
        return;
    c->pipe.ended = true;
    ph_quic_pipe_end(conn);
    ph_agent_reschedule(c->agent);
}

size_t ph_call_stream_peek(const struct ph_call *c, const uint8_t **data)
{
    const struct ph_pipe *p = &c->pipe;
    size_t to_the_edge = PH_QUIC_PIPE_WINDOW - p->start;
    *data = p->waiting > 0 ? p->bytes + p->start : NULL;
    return p->waiting < to_the_edge ? p->waiting : to_the_edge;
}

void ph_call_stream_consume(struct ph_call *c, size_t len)
{
    struct ph_pipe *p = &c->pipe;
    struct ph_quic_conn *conn = conn_of(p);
    if (len > p->waiting)
        len = p->waiting;
    p->start = (p->start + len) % PH_QUIC_PIPE_WINDOW;
    p->waiting -= len;
    if (!conn || len == 0)
        return;
    ph_quic_pipe_consumed(conn, len);
    ph_agent_reschedule(c->agent);
}
