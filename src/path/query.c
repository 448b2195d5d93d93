#include "path/query.h"

#include "base/buf.h"

#include <string.h>

/* Between steady tries: apart enough that one burst of loss does not take them all. */
#define STEADY_WAIT (100 * PH_MS)

ph_ns ph_query_rto(ph_ns rtt)
{
    return rtt ? 2 * rtt + 20 * PH_MS : PH_QUERY_RTO;
}

void ph_query_init(struct ph_query *q, struct ph_host *host, const struct ph_addr *to)
{
    *q = (struct ph_query){.to = *to, .next = PH_NEVER};
    ph_host_random(host, q->tid, sizeof(q->tid));
}

void ph_query_begin(struct ph_query *q, ph_ns now)
{
    if (q->state != PH_QUERY_IDLE)
        return;
    q->state = PH_QUERY_ASKING;
    q->next = now;
}

static ph_ns wait_after(const struct ph_query *q, ph_ns rto)
{
    if (!q->steady)
        return rto << (q->tries - 1);
    return q->tries < PH_QUERY_TRIES ? ph_min_ns(rto, STEADY_WAIT) : rto;
}

static size_t write_try(const struct ph_query *q, uint8_t *out, size_t cap)
{
    uint8_t tid[PH_STUN_TID_LEN];
    struct ph_writer w = ph_writer_init(out, cap);

    memcpy(tid, q->tid, sizeof(tid));
    tid[PH_STUN_TID_LEN - 1] ^= (uint8_t)q->tries;
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    if (q->change != 0)
        ph_stun_put_change_request(&w, q->change);
    if (q->response_port != 0)
        ph_stun_put_response_port(&w, q->response_port);
    int len = ph_stun_end(&w, true);
    return len > 0 ? (size_t)len : 0;
}

void ph_query_step(struct ph_query *q, ph_ns now, ph_ns rto, struct ph_batch *batch)
{
    uint8_t bytes[PH_QUERY_MAX];

    if (q->state != PH_QUERY_ASKING || now < q->next)
        return;
    if (q->tries == PH_QUERY_TRIES) {
        q->state = PH_QUERY_SILENT;
        q->next = PH_NEVER;
        return;
    }
    ph_batch_add(batch, &q->to, 0, bytes, write_try(q, bytes, sizeof(bytes)));
    q->sent[q->tries++] = now;
    q->next = now + wait_after(q, rto);
}

void ph_query_hurry(struct ph_query *q, ph_ns rto)
{
    if (q->state == PH_QUERY_ASKING && q->tries > 0)
        q->next = ph_min_ns(q->next, q->sent[q->tries - 1] + wait_after(q, rto));
}

static unsigned try_of(const struct ph_query *q, const struct ph_stun *m)
{
    return m->tid[PH_STUN_TID_LEN - 1] ^ q->tid[PH_STUN_TID_LEN - 1];
}

bool ph_query_owns(const struct ph_query *q, const struct ph_stun *m)
{
    return (m->type == PH_STUN_BINDING_SUCCESS || m->type == PH_STUN_BINDING_ERROR) &&
           try_of(q, m) < q->tries && memcmp(m->tid, q->tid, PH_STUN_TID_LEN - 1) == 0;
}

bool ph_query_take(struct ph_query *q, ph_ns now, const struct ph_stun *m,
                   const struct ph_addr *from)
{
    ph_ns sent = q->sent[try_of(q, m)];

    if (q->state != PH_QUERY_ASKING && q->state != PH_QUERY_SILENT)
        return false;
    q->state = m->type == PH_STUN_BINDING_SUCCESS ? PH_QUERY_ANSWERED : PH_QUERY_REFUSED;
    q->next = PH_NEVER;
    q->from = *from;
    q->error = m->error_code;
    q->rtt = now > sent ? now - sent : 1;
    return true;
}

bool ph_query_is_over(const struct ph_query *q)
{
    return q->state != PH_QUERY_IDLE && q->state != PH_QUERY_ASKING;
}

void ph_query_stop(struct ph_query *q)
{
    if (!ph_query_is_over(q))
        q->state = PH_QUERY_SILENT;
    q->next = PH_NEVER;
}
