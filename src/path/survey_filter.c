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
    f->vouch_both = f->vouch_port = (struct ph_query){.next = PH_NEVER};
}

static struct ph_addr port_speaker(const struct ph_sample_endpoint *e)
{
    struct ph_addr a = e->query.to;

    a.port = e->other.port;
    return a;
}

/* Has the NAT given the surveyed socket one mapping for all? Then whoever it has spoken to can
 * answer for any other. */
static bool can_vouch(struct ph_filter *f, const struct ph_samples *m)
{
    struct ph_nat_facts facts;

    if (f->weighed != m->changes + 1) {
        ph_samples_facts(m, &facts);
        f->easy = ph_nat_is_easy(&facts);
        f->weighed = m->changes + 1;
    }
    return f->easy;
}

/* Silence means no only where there is somebody who can have spoken, and would have. Sets *wait
 * where that is not known yet. */
static enum ph_answer judge(struct ph_filter *f, const struct ph_query *q,
                            const struct ph_query *vouch, struct ph_samples *m, ph_ns now,
                            const struct ph_addr *speaker, bool *wait)
{
    enum ph_answer real;

    if (q->state == PH_QUERY_ANSWERED)
        return PH_YES;
    if (q->state != PH_QUERY_SILENT)
        return PH_ANSWER_UNKNOWN; /* refused: the server cannot do it */
    real = ph_samples_prove(m, now, speaker);
    if (real != PH_YES) {
        *wait = *wait || real == PH_ANSWER_UNKNOWN;
        return PH_ANSWER_UNKNOWN;
    }
    if (vouch->state == PH_QUERY_ANSWERED || !can_vouch(f, m))
        return PH_NO;
    if (vouch->state == PH_QUERY_SILENT)
        f->lied[f->server] = true;
    else if (vouch->state != PH_QUERY_REFUSED)
        *wait = true;
    return PH_ANSWER_UNKNOWN;
}

/* What this server has shown; and on to the next where that decides nothing. */
static void conclude(struct ph_filter *f, ph_ns now, struct ph_samples *m)
{
    const struct ph_sample_endpoint *e = &m->e[f->server];
    struct ph_addr other_port = port_speaker(e);
    struct ph_filter_observation seen;
    bool wait = false;

    seen.control = f->control.state == PH_QUERY_ANSWERED;
    seen.other_ip = judge(f, &f->both, &f->vouch_both, m, now, &e->other, &wait);
    seen.other_port = seen.other_ip == PH_YES && f->port.state != PH_QUERY_ANSWERED
                          ? PH_ANSWER_UNKNOWN
                          : judge(f, &f->port, &f->vouch_port, m, now, &other_port, &wait);
    if (wait)
        return;
    leave(f);
    f->seen = seen;
    if (ph_nat_filtering(&f->seen) != PH_FILTERING_UNKNOWN)
        f->done = true;
    else
        choose(f, now, m);
}

/* Asks beside the test what the silence of the others is to be judged by. */
static void vouch(struct ph_filter *f, ph_ns now, struct ph_samples *m)
{
    const struct ph_addr server = m->e[f->server].query.to, other = m->e[f->server].other;
    const struct ph_addr other_port = port_speaker(&m->e[f->server]);
    struct ph_batch batch = {.host = f->host, .sock = m->sock};
    ph_ns rto = ph_query_rto(m->rtt);
    bool other_is_real = ph_samples_prove(m, now, &other) == PH_YES;
    bool port_is_real = ph_samples_prove(m, now, &other_port) == PH_YES;

    if (other_is_real && f->vouch_both.state == PH_QUERY_IDLE && can_vouch(f, m))
        begin(&f->vouch_both, f, &server, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT, now);
    if (port_is_real && f->vouch_port.state == PH_QUERY_IDLE && can_vouch(f, m))
        begin(&f->vouch_port, f, &server, PH_STUN_CHANGE_PORT, now);
    ph_query_step(&f->vouch_both, now, rto, &batch);
    ph_query_step(&f->vouch_port, now, rto, &batch);
    ph_batch_send(&batch);
}

void ph_filter_step(struct ph_filter *f, ph_ns now, struct ph_samples *m)
{
    struct ph_batch batch = {.host = f->host};
    ph_ns rto = ph_query_rto(m->rtt);

    if (f->done || m->state != PH_SAMPLES_SENT)
        return;
    if (!f->sock)
        choose(f, now, m);
    if (!f->sock)
        return;
    vouch(f, now, m);
    batch.sock = f->sock;
    ph_query_step(&f->control, now, rto, &batch);
    ph_query_step(&f->both, now, rto, &batch);
    ph_query_step(&f->port, now, rto, &batch);
    ph_batch_send(&batch);
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

/* The question that a response answers, and whether it comes from whom it should. */
static struct ph_query *find(struct ph_filter *f, const struct ph_stun *msg,
                             const struct ph_addr *from, const struct ph_sample_endpoint *e,
                             bool own, bool *as_said)
{
    struct ph_query *both = own ? &f->both : &f->vouch_both;
    struct ph_query *port = own ? &f->port : &f->vouch_port;
    bool from_server = ph_addr_eq(from, &e->query.to);
    bool refused = msg->type == PH_STUN_BINDING_ERROR;

    if (ph_query_owns(both, msg)) {
        *as_said = refused ? from_server : ph_addr_eq(from, &e->other);
        return both;
    }
    if (ph_query_owns(port, msg)) {
        *as_said = refused ? from_server : ph_addr_ip_eq(from, &e->query.to) && !from_server;
        return port;
    }
    *as_said = from_server;
    return own && ph_query_owns(&f->control, msg) ? &f->control : NULL;
}

bool ph_filter_on_datagram(struct ph_filter *f, ph_ns now, ph_sock sock,
                           const struct ph_datagram *in, const struct ph_samples *m)
{
    bool own = f->sock && sock == f->sock, as_said;
    struct ph_stun msg;

    if ((!own && sock != m->sock) || ph_stun_parse(in->data, in->len, &msg) != PH_OK)
        return own;
    struct ph_query *q = find(f, &msg, &in->peer, &m->e[f->server], own, &as_said);
    /* A NAT that gives two flows one outside port may bring the surveyed socket what the server's
     * other address sent to the test's: then it was not let in there. */
    if (!q)
        return own || ph_query_owns(&f->both, &msg) || ph_query_owns(&f->port, &msg);
    if (!f->sock)
        return true; /* too late */
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
    ph_ns t = ph_min_ns(f->vouch_both.next, f->vouch_port.next);
    return ph_min_ns(t, ph_min_ns(f->control.next, ph_min_ns(f->both.next, f->port.next)));
}
