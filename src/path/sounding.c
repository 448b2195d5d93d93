#include "path/sounding.h"

#include "base/err.h"

void ph_sounding_init(struct ph_sounding *s, struct ph_host *host)
{
    *s = (struct ph_sounding){.host = host};
}

void ph_sounding_fini(struct ph_sounding *s)
{
    if (s->sock)
        s->host->ops->udp_close(s->host, s->sock);
    ph_sounding_init(s, s->host);
}

static void step(struct ph_sounding *s, ph_ns now)
{
    struct ph_batch batch = {.host = s->host, .sock = s->sock};
    ph_query_step(&s->query, now, s->rto, &batch);
    ph_batch_send(&batch);
}

int ph_sounding_begin(struct ph_sounding *s, ph_ns now, const struct ph_addr *local,
                      const struct ph_addr *server, ph_ns rtt)
{
    struct ph_addr bind = *local;
    ph_sounding_fini(s);
    bind.port = 0;
    ph_query_init(&s->query, s->host, server);
    s->rto = ph_query_rto(rtt);
    if (s->host->ops->udp_open(s->host, &bind, &s->sock) != PH_OK) {
        s->sock = 0;
        s->query.state = PH_QUERY_SILENT;
        return PH_ERR_SYS;
    }
    s->query.steady = true;
    ph_query_begin(&s->query, now);
    step(s, now);
    return PH_OK;
}

bool ph_sounding_on_datagram(struct ph_sounding *s, ph_ns now, ph_sock sock,
                             const struct ph_datagram *in)
{
    struct ph_stun m;
    if (!s->sock || sock != s->sock)
        return false;
    if (ph_stun_parse(in->data, in->len, &m) != PH_OK || !ph_addr_eq(&in->peer, &s->query.to) ||
        !ph_query_owns(&s->query, &m) || !ph_query_take(&s->query, now, &m, &in->peer))
        return true;
    if (m.type == PH_STUN_BINDING_SUCCESS)
        s->seen = m.mapped;
    return true;
}

void ph_sounding_on_timer(struct ph_sounding *s, ph_ns now)
{
    if (s->sock && now >= s->query.next)
        step(s, now);
}

ph_ns ph_sounding_deadline(const struct ph_sounding *s)
{
    return s->sock ? s->query.next : PH_NEVER;
}
