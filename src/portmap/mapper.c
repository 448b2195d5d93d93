#include "portmap/mapper.h"

#include "base/err.h"
#include "portmap/reach.h"

#include <stdlib.h>

#define BACKOFF_FIRST (60 * PH_SEC)
#define BACKOFF_MAX   (15 * 60 * PH_SEC)
/* What a server was found not to speak it may have learnt after this long. */
#define VERDICT_MAX (60 * PH_SEC)
/* A mapping that is lost sooner than this is not made again at once more than so often: a router
 * that forgets, or says so, with each answer would be asked without end. */
#define BRIEF     (5 * PH_SEC)
#define BRIEF_MAX 3

static void set_state(struct ph_mapper *m, enum ph_mapper_state state)
{
    if (m->state == state)
        return;
    ph_outlet_trace(&m->outlet, "mapper", m->winner ? &m->winner->server : NULL,
                    ph_mapper_state_name(m->state), ph_mapper_state_name(state));
    m->state = state;
}

/* ---- The mapping that is told */

static bool is_mismatched(const struct ph_mapper *m, size_t gateway)
{
    const struct ph_client *c = &m->pcp[gateway].asker.base;
    return ph_mapper_speaks(m, PH_PORTMAP_PCP) && c->report.said == PH_PORTMAP_REFUSED &&
           c->report.code == PH_PCP_ADDRESS_MISMATCH;
}

static bool same_mapping(const struct ph_mapping *a, const struct ph_mapping *b)
{
    return a->protocol == b->protocol && ph_addr_eq(&a->gateway, &b->gateway) &&
           ph_addr_eq(&a->external, &b->external) && a->internal_port == b->internal_port &&
           a->reach == b->reach;
}

static void tell(struct ph_mapper *m)
{
    struct ph_mapping now = m->winner->mapping;
    now.reach = ph_portmap_reach(&now.external, &m->winner->local, &m->reflexive,
                                 is_mismatched(m, m->winner->gateway));
    if (!same_mapping(&now, &m->mapping))
        m->changes++;
    m->mapping = now;
}

static void withdraw(struct ph_mapper *m)
{
    if (!m->winner)
        return;
    m->winner = NULL;
    m->mapping = (struct ph_mapping){.protocol = PH_PORTMAP_NONE};
    m->changes++;
}

/* ---- Acquiring */

/* What an earlier failure means for asking again. */
static void reconsider(struct ph_client *c, ph_ns now)
{
    c->surplus = 0;
    c->doubtful = false;
    if (c->state == PH_CLIENT_PROBING) {
        c->doubtful = now >= c->asked + PH_PORTMAP_GRACE;
        return;
    }
    if (c->state == PH_CLIENT_IDLE)
        c->doubtful = c->report.said == PH_PORTMAP_SILENT;
    if (c->state != PH_CLIENT_DOWN || now < c->refused_until)
        return;
    bool verdict = c->report.said == PH_PORTMAP_UNSUPPORTED || c->report.said == PH_PORTMAP_BROKEN;
    if (verdict && now < c->asked + VERDICT_MAX)
        return;
    c->doubtful = c->report.said == PH_PORTMAP_SILENT;
    c->answered = PH_NEVER;
    ph_client_set_state(c, PH_CLIENT_IDLE);
}

static void ask_for_mapping(struct ph_mapper *m, struct ph_client *c, ph_ns now)
{
    c->wish = (struct ph_client_wish){
        .internal_port = m->bound.port,
        .external_port = m->config.want_port ? m->config.want_port : m->bound.port,
        .lifetime_s = m->config.lifetime_s ? m->config.lifetime_s : PH_PORTMAP_LIFETIME_S,
        .upkeep = !m->config.no_upkeep,
    };
    if (c->wish.lifetime_s > PH_LEASE_LIFETIME_MAX)
        c->wish.lifetime_s = PH_LEASE_LIFETIME_MAX;
    c->ops->map(c, now);
}

/* First those that look alone: what they answer decides about the others. PCP's looking and asking
 * take the same time, so where nobody better is about, it asks. */
static void start_asking(struct ph_mapper *m, ph_ns now)
{
    for (size_t i = 0; i < m->client_count; i++)
        reconsider(m->clients[i], now);
    for (size_t i = 0; i < m->client_count; i++) {
        struct ph_client *c = m->clients[i];
        if (c->state != PH_CLIENT_IDLE && c->state != PH_CLIENT_PROBING)
            continue;
        if (c->protocol != PH_PORTMAP_UPNP && ph_contest_may_ask(&m->contest, c, now))
            ask_for_mapping(m, c, now);
        else if (c->state == PH_CLIENT_IDLE)
            c->ops->probe(c, now);
    }
}

static void start_acquiring(struct ph_mapper *m, ph_ns now)
{
    ph_mapper_read_gateways(m, now);
    m->started = now;
    m->contest.first = PH_NEVER;
    set_state(m, PH_MAPPER_ACQUIRING);
    start_asking(m, now);
}

static void win(struct ph_mapper *m, struct ph_client *winner, ph_ns now)
{
    m->winner = winner;
    m->refusals = 0;
    for (size_t i = 0; i < m->client_count; i++) {
        struct ph_client *c = m->clients[i];
        if (c != winner && (c->state == PH_CLIENT_MAPPING || c->state == PH_CLIENT_MAPPED))
            c->ops->drop(c, now);
    }
    tell(m);
    set_state(m, PH_MAPPER_MAPPED);
}

static void fail(struct ph_mapper *m, ph_ns now)
{
    for (size_t i = 0; i < m->client_count; i++) {
        struct ph_client *c = m->clients[i];
        if (c->state == PH_CLIENT_MAPPING)
            c->ops->drop(c, now);
    }
    m->retry_at = PH_NEVER;
    if (!m->config.no_upkeep) {
        ph_ns wait = m->refusals < 4 ? BACKOFF_FIRST << m->refusals : BACKOFF_MAX;
        m->retry_at = now + ph_min_ns(wait, BACKOFF_MAX);
    }
    m->refusals++;
    set_state(m, PH_MAPPER_FAILED);
}

static void advance(struct ph_mapper *m, ph_ns now)
{
    for (size_t i = 0; i < m->client_count; i++) {
        struct ph_client *c = m->clients[i];
        if (c->state == PH_CLIENT_PRESENT && now >= c->refused_until &&
            ph_contest_may_ask(&m->contest, c, now))
            ask_for_mapping(m, c, now);
    }
    struct ph_client *winner = ph_contest_winner(&m->contest, now);
    if (winner)
        win(m, winner, now);
    else if (ph_contest_is_over(&m->contest) || now >= m->started + PH_PORTMAP_ACQUIRE_MAX)
        fail(m, now);
}

/* ---- What follows from what the clients have come to */

static bool any_in(const struct ph_mapper *m, enum ph_client_state state)
{
    for (size_t i = 0; i < m->client_count; i++) {
        if (m->clients[i]->state == state)
            return true;
    }
    return false;
}

/* Gives back what is held and not wanted: what lost, and what was answered too late. */
static void reap(struct ph_mapper *m, ph_ns now)
{
    if (m->state == PH_MAPPER_ACQUIRING)
        return;
    for (size_t i = 0; i < m->client_count; i++) {
        struct ph_client *c = m->clients[i];
        if (c == m->winner || c->held == PH_HELD_NOTHING || c->state == PH_CLIENT_RELEASING ||
            (m->winner && ph_contest_shares(c, m->winner)))
            continue;
        if (c->surplus++ < PH_CLIENT_SURPLUS_MAX)
            c->ops->release(c, now);
        else
            c->held = PH_HELD_NOTHING;
    }
}

static void end_release(struct ph_mapper *m, ph_ns now)
{
    for (size_t i = 0; i < m->client_count; i++) {
        struct ph_client *c = m->clients[i];
        if (c->state == PH_CLIENT_RELEASING) {
            c->ops->drop(c, now);
            c->held = PH_HELD_NOTHING;
        }
    }
    set_state(m, PH_MAPPER_IDLE);
    if (m->wanted)
        start_acquiring(m, now);
}

static void lose(struct ph_mapper *m, ph_ns now)
{
    m->brief = now < m->mapping.made + BRIEF ? m->brief + 1 : 0;
    withdraw(m);
    if (m->config.no_upkeep || m->brief >= BRIEF_MAX)
        fail(m, now);
    else
        start_acquiring(m, now);
}

static void step(struct ph_mapper *m, ph_ns now)
{
    switch (m->state) {
    case PH_MAPPER_IDLE:
        break;
    case PH_MAPPER_DISCOVERING:
        if (!any_in(m, PH_CLIENT_PROBING))
            set_state(m, PH_MAPPER_IDLE);
        break;
    case PH_MAPPER_ACQUIRING:
        advance(m, now);
        break;
    case PH_MAPPER_MAPPED:
        if (m->winner->state == PH_CLIENT_MAPPED)
            tell(m);
        else
            lose(m, now);
        break;
    case PH_MAPPER_FAILED:
        if (now >= m->retry_at)
            start_acquiring(m, now);
        break;
    case PH_MAPPER_RELEASING:
        if (!any_in(m, PH_CLIENT_RELEASING) || now >= m->started + PH_PORTMAP_RELEASE_MAX)
            end_release(m, now);
        break;
    }
}

static void settle(struct ph_mapper *m, ph_ns now)
{
    enum ph_mapper_state before;
    unsigned steps = 0;
    m->settled = now;
    do {
        before = m->state;
        step(m, now);
    } while (m->state != before && ++steps < 8);
    reap(m, now);
}

/* ---- What the endpoint calls */

int ph_mapper_new(const struct ph_mapper_config *config, struct ph_mapper **out)
{
    if (!config->host || config->sock == 0)
        return PH_ERR_INVAL;
    struct ph_mapper *m = calloc(1, sizeof(*m));
    if (!m)
        return PH_ERR_NOMEM;
    m->config = *config;
    if (m->config.protocols == 0)
        m->config.protocols = (1u << PH_PORTMAP_PROTOCOLS) - 1;
    m->outlet = (struct ph_outlet){.host = config->host, .sock = config->sock};
    m->mapping.protocol = PH_PORTMAP_NONE;
    m->retry_at = PH_NEVER;
    m->contest = (struct ph_contest){m->clients, 0, PH_NEVER};
    ph_upnp_client_init(&m->upnp, &m->outlet);
    *out = m;
    return PH_OK;
}

void ph_mapper_free(struct ph_mapper *m)
{
    if (!m)
        return;
    ph_upnp_client_fini(&m->upnp);
    ph_mapper_drop_clients(m, ph_host_now(m->config.host));
    free(m);
}

void ph_mapper_discover(struct ph_mapper *m, ph_ns now)
{
    if (m->state != PH_MAPPER_IDLE)
        return;
    ph_mapper_read_gateways(m, now);
    m->looked = true;
    m->started = now;
    set_state(m, PH_MAPPER_DISCOVERING);
    for (size_t i = 0; i < m->client_count; i++) {
        struct ph_client *c = m->clients[i];
        if (c->state != PH_CLIENT_RELEASING && c->state != PH_CLIENT_PROBING)
            c->ops->probe(c, now);
    }
    settle(m, now);
}

void ph_mapper_acquire(struct ph_mapper *m, ph_ns now)
{
    m->wanted = true;
    if (m->state != PH_MAPPER_IDLE && m->state != PH_MAPPER_DISCOVERING)
        return;
    m->refusals = 0;
    start_acquiring(m, now);
    settle(m, now);
}

void ph_mapper_release(struct ph_mapper *m, ph_ns now)
{
    m->wanted = false;
    if (m->state == PH_MAPPER_RELEASING)
        return;
    withdraw(m);
    m->started = now;
    set_state(m, PH_MAPPER_RELEASING);
    for (size_t i = 0; i < m->client_count; i++) {
        struct ph_client *c = m->clients[i];
        c->surplus = 0;
        if (c->state != PH_CLIENT_RELEASING)
            c->ops->release(c, now);
    }
    settle(m, now);
}

/* Gateways of two links may have one link-local address. */
static bool on_link(const struct ph_client *c, const struct ph_datagram *in)
{
    const struct ph_pcp_client *p = (const struct ph_pcp_client *)c;
    return c->protocol != PH_PORTMAP_PCP || in->scope == 0 || p->scope == 0 ||
           in->scope == p->scope;
}

static bool on_port_mapping_port(struct ph_mapper *m, ph_ns now, ph_sock sock,
                                 const struct ph_datagram *in)
{
    bool ours = false;
    for (size_t i = 0; i < m->client_count && in->peer.port == PH_PCP_PORT; i++) {
        struct ph_client *c = m->clients[i];
        if (c->protocol == PH_PORTMAP_UPNP || !ph_addr_eq(&c->server, &in->peer) || !on_link(c, in))
            continue;
        ours = true;
        /* PCP stands before NAT-PMP in the list, and leaves what is not PCP's. */
        if (c->protocol == PH_PORTMAP_PCP
                ? ph_pcp_client_on_datagram((struct ph_pcp_client *)c, now, sock, in)
                : ph_natpmp_client_on_datagram((struct ph_natpmp_client *)c, now, in))
            break;
    }
    return ours;
}

static bool is_own_socket(const struct ph_mapper *m, ph_sock sock)
{
    for (size_t i = 0; i < PH_GATEWAYS_MAX; i++) {
        if (m->pcp[i].own && m->pcp[i].own == sock)
            return true;
    }
    return sock == m->config.sock;
}

bool ph_mapper_on_datagram(struct ph_mapper *m, ph_ns now, ph_sock sock,
                           const struct ph_datagram *in)
{
    if (ph_upnp_client_on_datagram(&m->upnp, now, sock, in)) {
        settle(m, now);
        return true;
    }
    if (!is_own_socket(m, sock))
        return false;
    if (!on_port_mapping_port(m, now, sock, in))
        return sock != m->config.sock; /* nobody else's, whatever it is */
    settle(m, now);
    return true;
}

bool ph_mapper_on_http(struct ph_mapper *m, ph_ns now, ph_http id, const struct ph_http_answer *a)
{
    if (!ph_upnp_client_on_http(&m->upnp, now, id, a))
        return false;
    settle(m, now);
    return true;
}

void ph_mapper_on_network(struct ph_mapper *m, ph_ns now)
{
    bool had_been_looking = m->looked && !m->wanted;
    if (!ph_mapper_read_gateways(m, now)) {
        if (m->state == PH_MAPPER_MAPPED)
            m->winner->ops->watch(m->winner, now);
        if (m->state == PH_MAPPER_FAILED)
            m->retry_at = now;
        settle(m, now);
        return;
    }
    withdraw(m);
    m->refusals = 0;
    set_state(m, PH_MAPPER_IDLE);
    if (m->wanted)
        start_acquiring(m, now);
    else if (had_been_looking)
        ph_mapper_discover(m, now);
    settle(m, now);
}

void ph_mapper_on_timer(struct ph_mapper *m, ph_ns now)
{
    for (size_t i = 0; i < m->client_count; i++)
        m->clients[i]->ops->on_timer(m->clients[i], now);
    settle(m, now);
}

ph_ns ph_mapper_deadline(const struct ph_mapper *m)
{
    ph_ns at = PH_NEVER;
    for (size_t i = 0; i < m->client_count; i++)
        at = ph_min_ns(at, m->clients[i]->ops->deadline(m->clients[i]));
    switch (m->state) {
    case PH_MAPPER_ACQUIRING:
        at = ph_min_ns(at, m->started + PH_PORTMAP_ACQUIRE_MAX);
        return ph_min_ns(at, ph_contest_deadline(&m->contest, m->settled));
    case PH_MAPPER_FAILED:
        return ph_min_ns(at, m->retry_at);
    case PH_MAPPER_RELEASING:
        return ph_min_ns(at, m->started + PH_PORTMAP_RELEASE_MAX);
    default:
        return at;
    }
}

void ph_mapper_set_reflexive(struct ph_mapper *m, const struct ph_addr *reflexive)
{
    bool moved = ph_addr_is_set(&m->reflexive) && ph_addr_is_set(reflexive) &&
                 !ph_addr_ip_eq(&m->reflexive, reflexive);
    m->reflexive = *reflexive;
    if (!m->winner)
        return;
    tell(m);
    /* Another line perhaps, which the router has not told us of. */
    if (moved)
        m->winner->ops->watch(m->winner, ph_host_now(m->config.host));
}
