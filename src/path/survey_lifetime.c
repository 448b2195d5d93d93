#include "path/survey_lifetime.h"

#include "base/err.h"

#include <string.h>

/* Either side of what is found in the field: 30 s (RFC 4787 section 4.3 calls 2 minutes the least,
 * few keep to it), 60, 120 and 180 s. */
static const ph_ns idle_times[PH_LIFETIME_PROBES] = {
    15 * PH_SEC, 25 * PH_SEC, 35 * PH_SEC,  50 * PH_SEC,
    65 * PH_SEC, 95 * PH_SEC, 125 * PH_SEC, 185 * PH_SEC,
};

static ph_ns idle_of(size_t i)
{
    return i == 0 ? 0 : idle_times[i - 1];
}

void ph_lifetimer_init(struct ph_lifetimer *t, struct ph_host *host, const struct ph_addr *bind)
{
    *t = (struct ph_lifetimer){.host = host, .bind = *bind};
    t->bind.port = 0;
}

static void close_one(struct ph_lifetimer *t, ph_sock *sock)
{
    if (*sock)
        t->host->ops->udp_close(t->host, *sock);
    *sock = 0;
}

static void close_all(struct ph_lifetimer *t)
{
    for (size_t i = 0; i < t->count; i++)
        close_one(t, &t->s[i].sock);
    close_one(t, &t->knocker);
}

void ph_lifetimer_stop(struct ph_lifetimer *t)
{
    close_all(t);
    t->done = true;
}

static void open_one(struct ph_lifetimer *t, ph_ns now)
{
    struct ph_lifetime_socket *s = &t->s[t->count++];

    *s = (struct ph_lifetime_socket){.due = PH_NEVER};
    ph_query_init(&s->open, t->host, &t->server);
    ph_query_init(&s->knock, t->host, &t->server);
    s->knock.steady = true;
    if (t->host->ops->udp_open(t->host, &t->bind, &s->sock) != PH_OK) {
        s->sock = 0;
        s->over = true;
        return;
    }
    ph_query_begin(&s->open, now);
}

/* The next server, with the first socket alone. */
static void choose(struct ph_lifetimer *t, ph_ns now, const struct ph_samples *m)
{
    size_t i = 0;

    while (i < m->count &&
           (m->e[i].query.state != PH_QUERY_ANSWERED || t->tried[i] || !m->e[i].given))
        i++;
    if (i == m->count) {
        t->done = ph_samples_done(m);
        return;
    }
    t->tried[i] = true;
    t->server = m->e[i].query.to;
    t->count = 0;
    if (t->host->ops->udp_open(t->host, &t->bind, &t->knocker) != PH_OK) {
        t->knocker = 0;
        t->done = true;
        return;
    }
    open_one(t, now);
}

static void finish(struct ph_lifetimer *t, struct ph_lifetime_socket *s, enum ph_answer alive)
{
    s->alive = alive;
    s->over = true;
    s->due = PH_NEVER;
    ph_query_stop(&s->open);
    ph_query_stop(&s->knock);
    close_one(t, &s->sock);
}

static void step_one(struct ph_lifetimer *t, ph_ns now, ph_ns rto, struct ph_lifetime_socket *s)
{
    struct ph_batch batch = {.host = t->host, .sock = s->sock};

    if (s->over)
        return;
    ph_query_step(&s->open, now, rto, &batch);
    if (now >= s->due) {
        s->due = PH_NEVER;
        s->knock.response_port = s->mapped.port;
        ph_query_begin(&s->knock, now);
    }
    ph_batch_from(&batch, t->knocker);
    ph_query_step(&s->knock, now, rto, &batch);
    ph_batch_send(&batch);
    if (s->knock.state == PH_QUERY_SILENT)
        /* One outside address for both: else nobody was knocked on. */
        finish(t, s,
               ph_addr_ip_eq(&s->mapped, &t->knocker_seen) || s == &t->s[0] ? PH_NO
                                                                            : PH_ANSWER_UNKNOWN);
    else if (s->open.state == PH_QUERY_SILENT || s->open.state == PH_QUERY_REFUSED)
        finish(t, s, PH_ANSWER_UNKNOWN);
}

void ph_lifetimer_step(struct ph_lifetimer *t, ph_ns now, const struct ph_samples *m)
{
    bool over = true;

    if (t->done || m->state != PH_SAMPLES_SENT)
        return;
    if (!t->knocker)
        choose(t, now, m);
    if (!t->knocker)
        return;
    for (size_t i = 0; i < t->count; i++) {
        step_one(t, now, ph_query_rto(m->rtt), &t->s[i]);
        over = over && t->s[i].over;
    }
    if (!over)
        return;
    if (t->count == 1 && t->s[0].alive == PH_YES) {
        while (t->count < 1 + PH_LIFETIME_PROBES)
            open_one(t, now);
        return;
    }
    close_all(t);
    if (t->count == 1)
        choose(t, now, m); /* that server does not know RESPONSE-PORT */
    else
        t->done = true;
}

bool ph_lifetimer_on_datagram(struct ph_lifetimer *t, ph_ns now, ph_sock sock,
                              const struct ph_datagram *in)
{
    struct ph_stun msg;
    size_t i = 0;
    bool knocker = t->knocker && sock == t->knocker;

    while (i < t->count && (!t->s[i].sock || t->s[i].sock != sock))
        i++;
    if (i == t->count && !knocker)
        return false;
    if (ph_stun_parse(in->data, in->len, &msg) != PH_OK || !ph_addr_eq(&in->peer, &t->server))
        return true;
    if (knocker) {
        /* It came to who asked, as an error or because RESPONSE-PORT was passed over. */
        for (i = 0; i < t->count; i++)
            if (!t->s[i].over && ph_query_owns(&t->s[i].knock, &msg))
                finish(t, &t->s[i], PH_ANSWER_UNKNOWN);
        return true;
    }
    struct ph_lifetime_socket *s = &t->s[i];
    if (ph_query_owns(&s->knock, &msg)) {
        t->knocker_seen = msg.mapped;
        finish(t, s, PH_YES);
    } else if (ph_query_owns(&s->open, &msg) && ph_query_take(&s->open, now, &msg, &in->peer)) {
        s->mapped = msg.mapped;
        s->due = ph_addr_is_unusable(&msg.mapped) ? PH_NEVER : now + idle_of(i);
        s->over = s->due == PH_NEVER;
    }
    return true;
}

ph_ns ph_lifetimer_deadline(const struct ph_lifetimer *t)
{
    ph_ns when = PH_NEVER;

    if (t->done || !t->knocker)
        return PH_NEVER;
    for (size_t i = 0; i < t->count; i++)
        when = ph_min_ns(when,
                         ph_min_ns(t->s[i].due, ph_min_ns(t->s[i].open.next, t->s[i].knock.next)));
    return when;
}

struct ph_lifetime ph_lifetimer_result(const struct ph_lifetimer *t)
{
    struct ph_lifetime_probe probes[PH_LIFETIME_PROBES];
    size_t n = 0;

    for (size_t i = 1; i < t->count; i++)
        if (t->s[i].over)
            probes[n++] = (struct ph_lifetime_probe){idle_of(i), t->s[i].alive};
    return ph_nat_lifetime(probes, n);
}
