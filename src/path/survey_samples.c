#include "path/survey_samples.h"

#include <string.h>

static size_t find(const struct ph_samples *m, const struct ph_addr *addr)
{
    size_t i = 0;

    while (i < m->count && !ph_addr_eq(&m->e[i].query.to, addr))
        i++;
    return i;
}

/* A new endpoint, idle; NULL where it is one already or there is no room. */
static struct ph_sample_endpoint *add(struct ph_samples *m, const struct ph_addr *addr, size_t max,
                                      size_t named_by)
{
    if (m->count >= max || find(m, addr) < m->count)
        return NULL;
    struct ph_sample_endpoint *e = &m->e[m->count++];
    *e = (struct ph_sample_endpoint){.named_by = named_by};
    ph_query_init(&e->query, m->host, addr);
    /* One that was named may well be nobody's; how far it is, is known by then. */
    e->query.steady = m->state != PH_SAMPLES_FIRST;
    return e;
}

/* Sends what is due, all of it back to back. */
static void step(struct ph_samples *m, ph_ns now)
{
    struct ph_batch batch = {.host = m->host, .sock = m->sock};
    ph_ns rto = ph_query_rto(m->rtt);

    for (size_t i = 0; i < m->count; i++) {
        struct ph_sample_endpoint *e = &m->e[i];
        bool first = e->query.tries == 0;

        ph_query_step(&e->query, now, rto, &batch);
        if (first && e->query.tries == 1) {
            e->order = m->orders++;
            m->changes++;
        }
        if (e->query.state == PH_QUERY_SILENT && e->named_by != SIZE_MAX)
            m->e[e->named_by].other_is_bad = true;
    }
    ph_batch_send(&batch);
}

static void begin_all(struct ph_samples *m, ph_ns now)
{
    for (size_t i = 0; i < m->count; i++)
        ph_query_begin(&m->e[i].query, now);
    step(m, now);
}

/* ---- The second burst */

/* Those of the first burst have answered, or had the time for it and the first retry is out. */
static bool first_is_in(const struct ph_samples *m)
{
    bool any = false;

    for (size_t i = 0; i < m->count; i++) {
        const struct ph_query *q = &m->e[i].query;
        if (q->state == PH_QUERY_ASKING && q->tries < 2)
            return false;
        any = any || q->state == PH_QUERY_ANSWERED;
    }
    return any || ph_samples_done(m);
}

static bool second_pays(const struct ph_samples *m)
{
    struct ph_nat_facts f;

    ph_samples_facts(m, &f);
    if (f.udp != PH_YES)
        return false;
    if (f.mapping == PH_MAPPING_UNKNOWN || f.mapping_guessed)
        return true;
    return f.allocation.type != PH_ALLOCATION_NONE &&
           f.allocation.type != PH_ALLOCATION_PRESERVING &&
           f.allocation.type != PH_ALLOCATION_ONE_PORT;
}

static bool has_two_ports(const struct ph_samples *m)
{
    for (size_t i = 0; i < m->count; i++)
        for (size_t j = 0; j < i; j++)
            if (ph_addr_ip_eq(&m->e[i].query.to, &m->e[j].query.to))
                return true;
    return false;
}

/* The other addresses; and where these do not bring two ports of one IP together, what RFC 5780
 * section 4.3 asks beside them: the other IP's first port, and the first IP's other one. */
static void send_second(struct ph_samples *m, ph_ns now)
{
    size_t given = m->count, claims = SIZE_MAX;

    for (size_t i = 0; i < given; i++) {
        if (!ph_addr_is_set(&m->e[i].other) || m->e[i].other_is_bad)
            continue;
        if (claims == SIZE_MAX)
            claims = i;
        add(m, &m->e[i].other, PH_SURVEY_SERVERS_MAX, i);
    }
    if (claims != SIZE_MAX && !has_two_ports(m)) {
        struct ph_addr cross[2] = {m->e[claims].other, m->e[claims].query.to};
        cross[0].port = m->e[claims].query.to.port;
        cross[1].port = m->e[claims].other.port;
        add(m, &cross[0], PH_NAT_SAMPLES_MAX, SIZE_MAX);
        add(m, &cross[1], PH_NAT_SAMPLES_MAX, SIZE_MAX);
    }
    m->state = PH_SAMPLES_SENT;
    begin_all(m, now);
}

static void advance(struct ph_samples *m, ph_ns now)
{
    if (m->state == PH_SAMPLES_FIRST && first_is_in(m))
        m->state = second_pays(m) ? PH_SAMPLES_WAITING : PH_SAMPLES_SENT;
    if (m->state == PH_SAMPLES_WAITING && now >= m->start + PH_SAMPLES_INTERVAL)
        send_second(m, now);
}

void ph_samples_start(struct ph_samples *m, struct ph_host *host, ph_sock sock,
                      const struct ph_addr *servers, size_t n, ph_ns now)
{
    *m = (struct ph_samples){.host = host, .sock = sock, .start = now};
    for (size_t i = 0; i < n; i++) {
        struct ph_sample_endpoint *e = add(m, &servers[i], PH_SURVEY_SERVERS_MAX, SIZE_MAX);
        if (e)
            e->given = true;
    }
    begin_all(m, now);
    advance(m, now); /* without servers there is nothing to wait for */
}

void ph_samples_on_timer(struct ph_samples *m, ph_ns now)
{
    step(m, now);
    advance(m, now);
}

ph_ns ph_samples_deadline(const struct ph_samples *m)
{
    ph_ns t = m->state == PH_SAMPLES_WAITING ? m->start + PH_SAMPLES_INTERVAL : PH_NEVER;

    for (size_t i = 0; i < m->count; i++)
        t = ph_min_ns(t, m->e[i].query.next);
    return t;
}

void ph_samples_stop(struct ph_samples *m)
{
    for (size_t i = 0; i < m->count; i++)
        ph_query_stop(&m->e[i].query);
    m->state = PH_SAMPLES_SENT;
}

bool ph_samples_done(const struct ph_samples *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (!ph_query_is_over(&m->e[i].query))
            return false;
    return m->state != PH_SAMPLES_WAITING;
}

/* ---- Answers */

/* Whether what a server names can be another address of it: another IP, and none that would have us
 * send into our own network, or to nobody, on a stranger's word. */
static bool can_be_other(const struct ph_addr *server, const struct ph_addr *other)
{
    return other->family == server->family && !ph_addr_ip_eq(other, server) &&
           !ph_addr_is_unusable(other) &&
           (!ph_addr_is_loopback(other) || ph_addr_is_loopback(server)) &&
           (!ph_addr_is_private(other) || ph_addr_is_private(server));
}

bool ph_samples_on_response(struct ph_samples *m, ph_ns now, const struct ph_stun *msg,
                            const struct ph_addr *from)
{
    size_t i = 0;

    while (i < m->count && !ph_query_owns(&m->e[i].query, msg))
        i++;
    if (i == m->count)
        return false;
    struct ph_sample_endpoint *e = &m->e[i];
    /* Whoever answers from elsewhere, or without an address, has not answered. */
    if (!ph_addr_eq(from, &e->query.to) ||
        (msg->type == PH_STUN_BINDING_SUCCESS &&
         (msg->mapped.family != from->family || ph_addr_is_unusable(&msg->mapped))) ||
        !ph_query_take(&e->query, now, msg, from))
        return true;
    m->changes++;
    m->rtt = ph_max_ns(m->rtt, e->query.rtt);
    for (size_t k = 0; k < m->count; k++)
        ph_query_hurry(&m->e[k].query, ph_query_rto(m->rtt));
    if (msg->type == PH_STUN_BINDING_SUCCESS) {
        e->reflexive = msg->mapped;
        e->other = msg->other;
        e->other_is_bad = ph_addr_is_set(&e->other) && !can_be_other(from, &e->other);
        if (e->named_by != SIZE_MAX)
            m->e[e->named_by].other_is_bad = false; /* it only took its time */
    }
    advance(m, now);
    return true;
}

enum ph_answer ph_samples_prove(struct ph_samples *m, ph_ns now, const struct ph_addr *addr)
{
    size_t i = find(m, addr);

    if (i == m->count) {
        struct ph_sample_endpoint *e = add(m, addr, PH_NAT_SAMPLES_MAX, SIZE_MAX);
        if (!e)
            return PH_NO;
        for (size_t k = 0; k < i; k++)
            if (ph_addr_eq(&m->e[k].other, addr))
                e->named_by = k;
        begin_all(m, now);
    }
    if (m->e[i].query.state == PH_QUERY_ANSWERED)
        return PH_YES;
    return ph_query_is_over(&m->e[i].query) ? PH_NO : PH_ANSWER_UNKNOWN;
}

/* ---- Facts */

size_t ph_samples_locals(const struct ph_samples *m, struct ph_addr out[PH_SAMPLES_LOCALS])
{
    struct ph_addr bound = m->host->ops->udp_local(m->host, m->sock);
    size_t n = 0;

    if (!ph_addr_is_any(&bound)) {
        out[0] = bound;
        return 1;
    }
    n = m->host->ops->local_addrs(m->host, out, PH_SAMPLES_LOCALS - 1);
    /* What a server on this machine sees. */
    if (bound.family == PH_AF_V4)
        out[n++] = ph_addr_v4(127, 0, 0, 1, 0);
    else
        out[n++] = (struct ph_addr){.family = PH_AF_V6, .ip = {[15] = 1}};
    for (size_t i = 0; i < n; i++)
        out[i].port = bound.port;
    return n;
}

/* What most servers saw; of equals, what was seen first. */
struct ph_addr ph_samples_reflexive(const struct ph_samples *m)
{
    struct ph_addr best = {0};
    size_t most = 0;

    for (size_t i = 0; i < m->count; i++) {
        size_t n = 0;
        if (!ph_addr_is_set(&m->e[i].reflexive))
            continue;
        for (size_t k = 0; k < m->count; k++)
            n += ph_addr_eq(&m->e[i].reflexive, &m->e[k].reflexive) ? 1 : 0;
        if (n > most) {
            most = n;
            best = m->e[i].reflexive;
        }
    }
    return best;
}

bool ph_samples_stands_alone(const struct ph_samples *m, size_t i)
{
    const struct ph_addr *mine = &m->e[i].reflexive, *theirs = NULL;
    size_t others = 0;
    bool same = true, same_ip = true;

    for (size_t k = 0; k < m->count; k++) {
        const struct ph_addr *r = &m->e[k].reflexive;
        if (k == i || !ph_addr_is_set(r))
            continue;
        if (!theirs)
            theirs = r;
        same = same && ph_addr_eq(r, theirs);
        same_ip = same_ip && ph_addr_ip_eq(r, theirs);
        others++;
    }
    if (!ph_addr_is_set(mine) || others < 3)
        return false;
    return (same && !ph_addr_eq(mine, theirs)) || (same_ip && !ph_addr_ip_eq(mine, theirs));
}

void ph_samples_facts(const struct ph_samples *m, struct ph_nat_facts *out)
{
    struct ph_addr local[PH_SAMPLES_LOCALS];
    size_t locals = ph_samples_locals(m, local);
    bool all_over = m->count > 0;

    *out = (struct ph_nat_facts){.lifetime = {.less_than = PH_NEVER}};
    for (size_t i = 0; i < m->count; i++) {
        const struct ph_sample_endpoint *e = &m->e[i];
        if (e->query.state == PH_QUERY_ANSWERED || e->query.state == PH_QUERY_REFUSED)
            out->udp = PH_YES;
        all_over = all_over && ph_query_is_over(&e->query);
        out->liars += e->other_is_bad || ph_samples_stands_alone(m, i) ? 1 : 0;
        if (e->query.tries == 0)
            continue;
        out->samples[out->sample_count++] = (struct ph_nat_sample){
            .server = e->query.to,
            .mapped = e->reflexive,
            .sent = e->query.sent[0],
            .order = e->order,
        };
    }
    if (out->udp == PH_ANSWER_UNKNOWN && all_over)
        out->udp = PH_NO;
    out->reflexive = ph_samples_reflexive(m);
    out->mapping =
        ph_nat_mapping(out->samples, out->sample_count, local, locals, &out->mapping_guessed);
    ph_nat_allocation(out->samples, out->sample_count,
                      m->host->ops->udp_local(m->host, m->sock).port, out->mapping,
                      &out->allocation);
}
