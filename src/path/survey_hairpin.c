#include "path/survey_hairpin.h"

#include "base/buf.h"
#include "base/err.h"

#include <string.h>

#define TRIES_MAX 4
#define PACE      (100 * PH_MS)
/* The NAT is nearer than the servers: beyond their round trip nothing is waited for. */
#define SLACK (20 * PH_MS)

void ph_hairpin_init(struct ph_hairpin *h, struct ph_host *host, const struct ph_addr *bind)
{
    *h = (struct ph_hairpin){.host = host, .bind = *bind, .next = PH_NEVER};
    h->bind.port = 0;
}

void ph_hairpin_stop(struct ph_hairpin *h)
{
    if (h->sock)
        h->host->ops->udp_close(h->host, h->sock);
    h->sock = 0;
    h->next = PH_NEVER;
    h->done = true;
}

static bool is_local(const struct ph_samples *m, const struct ph_addr *a)
{
    struct ph_addr local[PH_SAMPLES_LOCALS];
    size_t n = ph_samples_locals(m, local);

    while (n > 0 && !ph_addr_ip_eq(&local[n - 1], a))
        n--;
    return n > 0;
}

/* Without translation there is nothing to turn round at. */
static void begin(struct ph_hairpin *h, ph_ns now, const struct ph_samples *m)
{
    struct ph_addr reflexive = ph_samples_reflexive(m);
    struct ph_nat_facts f;
    size_t i = 0;

    while (i < m->count && !ph_addr_eq(&m->e[i].reflexive, &reflexive))
        i++;
    if (!ph_addr_is_set(&reflexive) || i == m->count) {
        h->done = ph_samples_done(m);
        return;
    }
    if (is_local(m, &reflexive) || h->host->ops->udp_open(h->host, &h->bind, &h->sock) != PH_OK) {
        h->sock = 0;
        h->done = true;
        return;
    }
    h->target = reflexive;
    h->next = now;
    ph_host_random(h->host, h->tid, sizeof(h->tid));
    ph_query_init(&h->who, h->host, &m->e[i].query.to);
    h->who.steady = true;
    /* Where each destination has a mapping of its own, the server does not see the one that the
     * knock will have. */
    ph_samples_facts(m, &f);
    if (f.mapping == PH_MAPPING_EIM)
        ph_query_begin(&h->who, now);
}

static void send_stun(struct ph_hairpin *h, ph_sock sock, uint16_t type, const uint8_t *tid,
                      const struct ph_addr *to)
{
    uint8_t bytes[PH_QUERY_MAX];
    struct ph_writer w = ph_writer_init(bytes, sizeof(bytes));

    ph_stun_begin(&w, type, tid);
    int len = ph_stun_end(&w, true);
    if (len <= 0)
        return;
    struct ph_datagram d = {.peer = *to, .data = bytes, .len = (size_t)len};
    h->host->ops->udp_send(h->host, sock, &d, 1);
}

static ph_ns wait_after(const struct ph_hairpin *h, ph_ns rtt)
{
    if (h->tries == 1)
        return ph_query_rto(rtt); /* or when `who` is answered */
    return h->tries < TRIES_MAX ? ph_min_ns(ph_query_rto(rtt), PACE) : rtt + SLACK;
}

static void knock(struct ph_hairpin *h, ph_ns now, ph_ns rtt, ph_sock surveyed)
{
    if (ph_addr_is_set(&h->outside)) {
        uint8_t tid[PH_STUN_TID_LEN];

        ph_host_random(h->host, tid, sizeof(tid));
        send_stun(h, surveyed, PH_STUN_BINDING_INDICATION, tid, &h->outside);
    }
    send_stun(h, h->sock, PH_STUN_BINDING_REQUEST, h->tid, &h->target);
    h->tries++;
    h->next = now + wait_after(h, rtt);
}

void ph_hairpin_step(struct ph_hairpin *h, ph_ns now, const struct ph_samples *m)
{
    if (h->done || m->state != PH_SAMPLES_SENT)
        return;
    if (!h->sock)
        begin(h, now, m);
    if (!h->sock)
        return;
    struct ph_batch batch = {.host = h->host, .sock = h->sock};
    ph_query_step(&h->who, now, ph_query_rto(m->rtt), &batch);
    ph_batch_send(&batch);
    if (now < h->next)
        return;
    if (h->tries < TRIES_MAX) {
        knock(h, now, m->rtt, m->sock);
        return;
    }
    h->answer = PH_NO;
    ph_hairpin_stop(h);
}

bool ph_hairpin_on_datagram(struct ph_hairpin *h, ph_ns now, ph_sock sock, ph_sock surveyed,
                            const struct ph_datagram *in)
{
    struct ph_stun msg;
    bool own = h->sock && sock == h->sock;

    if (!own && sock != surveyed)
        return false;
    if (ph_stun_parse(in->data, in->len, &msg) != PH_OK)
        return own;
    if (own) {
        if (ph_query_owns(&h->who, &msg) && ph_addr_eq(&in->peer, &h->who.to) &&
            ph_query_take(&h->who, now, &msg, &in->peer) && !ph_addr_is_unusable(&msg.mapped)) {
            h->outside = msg.mapped;
            h->next = h->tries < TRIES_MAX ? now : h->next;
        }
        return true;
    }
    if (h->tries == 0 || msg.type != PH_STUN_BINDING_REQUEST ||
        memcmp(msg.tid, h->tid, sizeof(h->tid)) != 0)
        return false;
    h->answer = PH_YES;
    ph_hairpin_stop(h);
    return true;
}

ph_ns ph_hairpin_deadline(const struct ph_hairpin *h)
{
    return h->done || !h->sock ? PH_NEVER : ph_min_ns(h->next, h->who.next);
}
