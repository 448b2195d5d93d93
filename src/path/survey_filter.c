#include "path/survey_filter.h"

#include "base/err.h"

#include <string.h>

void ph_filter_init(struct ph_filter *f, struct ph_host *host, const struct ph_addr *bind)
{
    *f = (struct ph_filter){.host = host, .bind = *bind};
    f->bind.port = 0;
}

static void leave(struct ph_filter *f)
{
    if (f->sock)
        f->host->ops->udp_close(f->host, f->sock);
    f->sock = 0;
}

void ph_filter_stop(struct ph_filter *f)
{
    leave(f);
    f->done = true;
}

static bool can_ask(const struct ph_filter *f, const struct ph_samples *m, size_t i)
{
    const struct ph_sample_endpoint *e = &m->e[i];

    return e->query.state == PH_QUERY_ANSWERED && ph_addr_is_set(&e->other) && !e->other_is_bad &&
           !f->tried[i] && !ph_samples_stands_alone(m, i);
}

static void begin(struct ph_query *q, struct ph_filter *f, const struct ph_addr *to,
                  uint32_t change, ph_ns now)
{
    ph_query_init(q, f->host, to);
    q->change = change;
    q->steady = true;
    ph_query_begin(q, now);
}

/* Takes the next server that names another address; done where there is none. */
static void choose(struct ph_filter *f, ph_ns now, const struct ph_samples *m)
{
    size_t i = 0;

    while (i < m->count && !can_ask(f, m, i))
        i++;
    if (i == m->count) {
        f->done = ph_samples_done(m);
        return;
    }
    if (f->host->ops->udp_open(f->host, &f->bind, &f->sock) != PH_OK) {
        f->sock = 0;
        f->done = true;
        return;
    }
    f->server = i;
    f->tried[i] = true;
    /* The plain one leads: it opens the mapping that the others are about. */
    begin(&f->control, f, &m->e[i].query.to, 0, now);
    begin(&f->both, f, &m->e[i].query.to, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT, now);
    begin(&f->port, f, &m->e[i].query.to, PH_STUN_CHANGE_PORT, now);
}

/* Silence means no only where there is somebody who can have spoken. UNKNOWN with *wait: that is
 * not known yet. */
static enum ph_answer judge(const struct ph_query *q, struct ph_samples *m, ph_ns now,
                            const struct ph_addr *speaker, bool *wait)
{
    enum ph_answer real;

    if (q->state == PH_QUERY_ANSWERED)
        return PH_YES;
    if (q->state != PH_QUERY_SILENT)
        return PH_ANSWER_UNKNOWN; /* refused: the server cannot do it */
    real = ph_samples_prove(m, now, speaker);
    *wait = *wait || real == PH_ANSWER_UNKNOWN;
    return real == PH_YES ? PH_NO : PH_ANSWER_UNKNOWN;
}

/* What this server has shown; and on to the next where that decides nothing. */
static void conclude(struct ph_filter *f, ph_ns now, struct ph_samples *m)
{
    const struct ph_sample_endpoint *e = &m->e[f->server];
    struct ph_addr other_port = e->query.to;
    struct ph_filter_observation seen;
    bool wait = false;

    other_port.port = e->other.port;
    seen.control = f->control.state == PH_QUERY_ANSWERED;
    seen.other_ip = judge(&f->both, m, now, &e->other, &wait);
    seen.other_port = seen.other_ip == PH_YES && f->port.state != PH_QUERY_ANSWERED
                          ? PH_ANSWER_UNKNOWN
                          : judge(&f->port, m, now, &other_port, &wait);
    if (wait)
        return;
    leave(f);
    f->seen = seen;
    if (ph_nat_filtering(&f->seen) != PH_FILTERING_UNKNOWN)
        f->done = true;
    else
        choose(f, now, m);
}

void ph_filter_step(struct ph_filter *f, ph_ns now, struct ph_samples *m)
{
    struct ph_query_batch batch = {.host = f->host};
    ph_ns rto = ph_query_rto(m->rtt);

    if (f->done || m->state != PH_SAMPLES_SENT)
        return;
    if (!f->sock)
        choose(f, now, m);
    if (!f->sock)
        return;
    /* Asked now, known when the silence of the others is to be judged. */
    const struct ph_sample_endpoint *e = &m->e[f->server];
    struct ph_addr other_port = e->query.to;
    other_port.port = e->other.port;
    (void)ph_samples_prove(m, now, &e->other);
    (void)ph_samples_prove(m, now, &other_port);

    batch.sock = f->sock;
    ph_query_step(&f->control, now, rto, &batch);
    ph_query_step(&f->both, now, rto, &batch);
    ph_query_step(&f->port, now, rto, &batch);
    ph_query_batch_send(&batch);
    bool heard = f->both.state == PH_QUERY_ANSWERED; /* anybody is let in: ports need no asking */
    if (ph_query_is_over(&f->control) && ph_query_is_over(&f->both) &&
        (heard || ph_query_is_over(&f->port)))
        conclude(f, now, m);
}

/* A server that answers from elsewhere than it named, or as if nothing had been asked, cannot be
 * tested with. */
static void catch_liar(struct ph_filter *f)
{
    f->lied[f->server] = true;
    leave(f);
}

bool ph_filter_on_datagram(struct ph_filter *f, ph_ns now, ph_sock sock,
                           const struct ph_datagram *in, const struct ph_samples *m)
{
    const struct ph_sample_endpoint *e = &m->e[f->server];
    const struct ph_addr *server = &e->query.to;
    struct ph_stun msg;
    bool as_said;

    if (!f->sock || sock != f->sock)
        return false;
    if (ph_stun_parse(in->data, in->len, &msg) != PH_OK)
        return true;
    bool error = msg.type == PH_STUN_BINDING_ERROR;
    bool from_server = ph_addr_eq(&in->peer, server);
    struct ph_query *q = NULL;
    if (ph_query_owns(&f->control, &msg)) {
        q = &f->control;
        as_said = from_server;
    } else if (ph_query_owns(&f->both, &msg)) {
        q = &f->both;
        as_said = error ? from_server : ph_addr_eq(&in->peer, &e->other);
    } else if (ph_query_owns(&f->port, &msg)) {
        q = &f->port;
        as_said = error ? from_server : ph_addr_ip_eq(&in->peer, server) && !from_server;
    } else {
        return true;
    }
    if (as_said)
        (void)ph_query_take(q, now, &msg, &in->peer);
    else
        catch_liar(f);
    return true;
}

ph_ns ph_filter_deadline(const struct ph_filter *f)
{
    if (f->done || !f->sock)
        return PH_NEVER;
    return ph_min_ns(f->control.next, ph_min_ns(f->both.next, f->port.next));
}
