#include "netcheck/netcheck.h"

#include "base/err.h"
#include "path/clat.h"
#include "wire/pcp.h"

#include <stdlib.h>
#include <string.h>

#define TIMEOUT (2800 * PH_MS)
/* Of a survey: what it does not know then, it does not learn in the rest either. */
#define SURVEY_MAX (2500 * PH_MS)
#define FAMILIES   2

/* One address family: the socket that is surveyed, and what is said of it. */
struct side {
    enum ph_family family;
    ph_sock sock; /* 0: no address, or no socket */
    struct ph_survey *survey;
};

enum mapping_state {
    MAPPING_NONE, /* nobody is asked, or all is over */
    MAPPING_ASKING,
    MAPPING_RELEASING,
};

struct ph_netcheck {
    struct ph_endpoint ep; /* first */
    struct ph_netcheck_config config;
    struct ph_host *host;
    struct ph_clat *clat; /* on which host stands; NULL: none */
    struct side sides[FAMILIES];

    /* A socket of its own: a mapped port has a hole and a number that the surveyed one would be
     * taken to have by nature. */
    ph_sock map_sock;
    struct side *map_side; /* whose reflexive address its external one is compared with */
    struct ph_mapper *mapper;
    enum mapping_state mapping_state;
    bool mapped;
    struct ph_mapping mapping;

    ph_ns start, end;
    ph_ns took; /* PH_NEVER: not over */
};

static struct ph_netcheck *of_endpoint(struct ph_endpoint *ep)
{
    return (struct ph_netcheck *)(void *)ep;
}

/* ---- Starting */

static size_t servers_of(const struct ph_netcheck_config *c, enum ph_family family,
                         struct ph_addr out[PH_SURVEY_SERVERS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < c->relay_count && n < PH_SURVEY_SERVERS_MAX; i++)
        if (c->relays[i].addr.family == family)
            out[n++] = c->relays[i].addr;
    for (size_t i = 0; i < c->stun_count && n < PH_SURVEY_SERVERS_MAX; i++)
        if (c->stuns[i].family == family)
            out[n++] = c->stuns[i];
    return n;
}

/* An address that packets to the world could leave from; where the servers are this machine's own,
 * it has that of the loopback. */
static bool has_address(struct ph_host *host, enum ph_family family, const struct ph_addr *servers,
                        size_t n)
{
    struct ph_addr local[64];
    size_t count = host->ops->local_addrs(host, local, 64);

    for (size_t i = 0; i < count && i < 64; i++) {
        local[i].port = 1; /* none would be unusable */
        if (local[i].family == family && !ph_addr_is_unusable(&local[i]))
            return true;
    }
    for (size_t i = 0; i < n; i++)
        if (ph_addr_is_loopback(&servers[i]))
            return true;
    return false;
}

static struct ph_addr bind_of(const struct ph_netcheck *n, const struct side *s)
{
    struct ph_addr bind = n->config.bind[s - n->sides];

    if (!ph_addr_is_set(&bind))
        bind.family = (uint8_t)s->family;
    return bind;
}

static int start_side(struct ph_netcheck *n, struct side *s)
{
    struct ph_survey_config c = {
        .host = n->host,
        .timeout = ph_min_ns(SURVEY_MAX, n->end - n->start),
        .lifetime = n->config.lifetime,
    };
    struct ph_addr bind = bind_of(n, s);

    c.server_count = servers_of(&n->config, s->family, c.servers);
    if (!ph_addr_is_set(&n->config.bind[s - n->sides]) &&
        !has_address(n->host, s->family, c.servers, c.server_count))
        return PH_OK;
    if (n->host->ops->udp_open(n->host, &bind, &s->sock) != PH_OK) {
        s->sock = 0;
        return PH_OK; /* this machine may have switched the family off */
    }
    if (c.server_count == 0)
        return PH_OK;
    c.sock = s->sock;
    return ph_survey_new(&c, n->start, &s->survey);
}

/* Where there is IPv4, that is what routers map. */
static int start_mapping(struct ph_netcheck *n)
{
    struct side *s = n->sides[0].sock ? &n->sides[0] : &n->sides[1];
    struct ph_mapper_config c = {.host = n->host, .no_upkeep = true};

    if (n->config.no_portmap || !s->sock || !n->host->ops->gateways)
        return PH_OK;
    struct ph_addr bind = bind_of(n, s);
    bind.port = 0;
    if (n->host->ops->udp_open(n->host, &bind, &n->map_sock) != PH_OK) {
        n->map_sock = 0;
        return PH_OK;
    }
    c.sock = n->map_sock;
    int err = ph_mapper_new(&c, &n->mapper);
    if (err)
        return err;
    n->map_side = s;
    n->mapping_state = MAPPING_ASKING;
    ph_mapper_acquire(n->mapper, n->start);
    return PH_OK;
}

/* ---- The course of things */

static bool side_is_done(const struct side *s)
{
    return !s->survey || ph_survey_done(s->survey);
}

/* What the world sees of the side; family NONE: not known (yet). */
static struct ph_addr reflexive_of(const struct side *s)
{
    return s->survey ? ph_survey_reflexive(s->survey) : (struct ph_addr){0};
}

/* A mapping is held until it is known what it is worth and what else there is, but never so long
 * that it could not be given back in time. */
static bool is_time_to_release(const struct ph_netcheck *n, ph_ns now)
{
    enum ph_mapper_state state = ph_mapper_state(n->mapper);
    struct ph_addr reflexive = reflexive_of(n->map_side);

    if (now >= n->end - ph_min_ns(n->end - n->start, PH_PORTMAP_RELEASE_MAX))
        return true;
    if (state == PH_MAPPER_FAILED || state == PH_MAPPER_IDLE)
        return true;
    return state == PH_MAPPER_MAPPED && !ph_mapper_is_waiting(n->mapper) &&
           (ph_addr_is_set(&reflexive) || side_is_done(n->map_side));
}

static void note_mapping(struct ph_netcheck *n)
{
    struct ph_addr reflexive = reflexive_of(n->map_side);
    const struct ph_mapping *m;

    if (ph_addr_is_set(&reflexive))
        ph_mapper_set_reflexive(n->mapper, &reflexive);
    m = ph_mapper_mapping(n->mapper);
    if (m) {
        n->mapped = true;
        n->mapping = *m;
    }
}

static void advance_mapping(struct ph_netcheck *n, ph_ns now)
{
    if (n->mapping_state == MAPPING_ASKING) {
        note_mapping(n);
        if (is_time_to_release(n, now)) {
            n->mapping_state = MAPPING_RELEASING;
            ph_mapper_release(n->mapper, now);
        }
    }
    if (n->mapping_state == MAPPING_RELEASING &&
        (ph_mapper_state(n->mapper) == PH_MAPPER_IDLE || now >= n->end))
        n->mapping_state = MAPPING_NONE;
}

static ph_ns deadline(const struct ph_netcheck *n)
{
    ph_ns t = PH_NEVER;

    for (size_t i = 0; i < FAMILIES; i++)
        if (n->sides[i].survey)
            t = ph_min_ns(t, ph_survey_deadline(n->sides[i].survey));
    if (n->mapping_state == MAPPING_NONE)
        return t;
    t = ph_min_ns(t, ph_mapper_deadline(n->mapper));
    if (n->mapping_state == MAPPING_ASKING)
        t = ph_min_ns(t, n->end - ph_min_ns(n->end - n->start, PH_PORTMAP_RELEASE_MAX));
    return ph_min_ns(t, n->end);
}

static bool is_over(const struct ph_netcheck *n)
{
    return side_is_done(&n->sides[0]) && side_is_done(&n->sides[1]) &&
           n->mapping_state == MAPPING_NONE;
}

/* The end of an event. The netcheck may be gone afterwards. */
static void settle(struct ph_netcheck *n, ph_ns now)
{
    if (n->took != PH_NEVER)
        return;
    if (n->mapper)
        advance_mapping(n, now);
    if (!is_over(n)) {
        n->host->ops->wake_at(n->host, deadline(n));
        return;
    }
    n->took = now - n->start;
    n->host->ops->wake_at(n->host, PH_NEVER);
    if (n->config.done)
        n->config.done(n->config.user);
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t count)
{
    struct ph_netcheck *n = of_endpoint(ep);

    for (size_t i = 0; i < count; i++) {
        if (n->mapper && ph_mapper_on_datagram(n->mapper, now, sock, &in[i]))
            continue;
        for (size_t k = 0; k < FAMILIES; k++)
            if (n->sides[k].survey && ph_survey_on_datagram(n->sides[k].survey, now, sock, &in[i]))
                break;
    }
    settle(n, now);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct ph_netcheck *n = of_endpoint(ep);

    for (size_t k = 0; k < FAMILIES; k++)
        if (n->sides[k].survey)
            ph_survey_on_timer(n->sides[k].survey, now);
    if (n->mapper)
        ph_mapper_on_timer(n->mapper, now);
    settle(n, now);
}

static void on_http(struct ph_endpoint *ep, ph_ns now, ph_http id,
                    const struct ph_http_answer *answer)
{
    struct ph_netcheck *n = of_endpoint(ep);

    if (n->mapper)
        (void)ph_mapper_on_http(n->mapper, now, id, answer);
    settle(n, now);
}

static void on_network(struct ph_endpoint *ep, ph_ns now)
{
    struct ph_netcheck *n = of_endpoint(ep);

    if (n->mapper && n->mapping_state == MAPPING_ASKING)
        ph_mapper_on_network(n->mapper, now);
    settle(n, now);
}

int ph_netcheck_new(const struct ph_netcheck_config *config, struct ph_netcheck **out)
{
    struct ph_netcheck *n;
    int err;

    if (!config->host || config->relay_count > PH_NETCHECK_RELAYS_MAX ||
        config->stun_count > PH_SURVEY_SERVERS_MAX)
        return PH_ERR_INVAL;
    n = calloc(1, sizeof(*n));
    if (!n)
        return PH_ERR_NOMEM;
    n->config = *config;
    n->host = config->host;
    err = ph_clat_new(config->host, &n->clat);
    if (err) {
        free(n);
        return err;
    }
    if (n->clat)
        n->host = ph_clat_host(n->clat);
    n->ep.on_datagrams = on_datagrams;
    n->ep.on_timer = on_timer;
    n->ep.on_http = on_http;
    n->ep.on_network = on_network;
    n->sides[0].family = PH_AF_V4;
    n->sides[1].family = PH_AF_V6;
    n->took = PH_NEVER;
    n->start = ph_host_now(n->host);
    n->end = n->start + (config->timeout ? config->timeout : TIMEOUT);
    n->host->endpoint = &n->ep;
    err = start_side(n, &n->sides[0]);
    if (!err)
        err = start_side(n, &n->sides[1]);
    if (!err)
        err = start_mapping(n);
    if (err) {
        ph_netcheck_free(n);
        return err;
    }
    /* Where nothing is to be waited for, the end still comes by an event. */
    n->host->ops->wake_at(n->host, is_over(n) ? n->start : deadline(n));
    *out = n;
    return PH_OK;
}

void ph_netcheck_free(struct ph_netcheck *n)
{
    if (!n)
        return;
    ph_mapper_free(n->mapper);
    if (n->map_sock)
        n->host->ops->udp_close(n->host, n->map_sock);
    for (size_t i = 0; i < FAMILIES; i++) {
        ph_survey_free(n->sides[i].survey);
        if (n->sides[i].sock)
            n->host->ops->udp_close(n->host, n->sides[i].sock);
    }
    n->host->ops->wake_at(n->host, PH_NEVER);
    if (n->host->endpoint == &n->ep)
        n->host->endpoint = NULL;
    ph_clat_free(n->clat);
    free(n);
}

/* ---- The report */

static enum ph_answer works(const struct side *s, const struct ph_nat_facts *f)
{
    if (!s->sock)
        return PH_NO;
    return f->udp;
}

/* An external address that a router told, held against what the world sees. */
static enum ph_answer doubled_by(const struct ph_addr *external, const struct ph_addr *reflexive)
{
    if (!ph_addr_is_set(external) || ph_addr_is_any(external))
        return PH_ANSWER_UNKNOWN;
    if (ph_addr_is_private(external))
        return PH_YES;
    if (external->family != reflexive->family)
        return PH_ANSWER_UNKNOWN;
    return ph_addr_ip_eq(external, reflexive) ? PH_NO : PH_YES;
}

static enum ph_answer double_nat(const struct ph_netcheck *n, const struct ph_netcheck_report *r)
{
    if (r->v4.mapping == PH_MAPPING_NONE)
        return PH_NO;
    if (r->mapped && r->mapping.reach != PH_PORTMAP_REACH_UNKNOWN)
        return r->mapping.reach == PH_PORTMAP_REACH_DOUBLE ? PH_YES : PH_NO;
    const struct ph_portmap_protocol_report *pcp = &r->portmap[PH_PORTMAP_PCP];
    if (pcp->said == PH_PORTMAP_REFUSED && pcp->code == PH_PCP_ADDRESS_MISMATCH)
        return PH_YES;
    for (int p = 0; n->mapper && p < PH_PORTMAP_PROTOCOLS; p++) {
        enum ph_answer a = doubled_by(&r->portmap[p].external, &r->v4.reflexive);
        if (a != PH_ANSWER_UNKNOWN)
            return a;
    }
    return PH_ANSWER_UNKNOWN;
}

/* The nearest first, and of equals the one that was given first; the silent last. */
static bool is_before(const struct ph_netcheck_relay_report *a,
                      const struct ph_netcheck_relay_report *b)
{
    if (a->answered != b->answered)
        return a->answered;
    return a->answered && a->rtt < b->rtt;
}

static void sort_relays(struct ph_netcheck_relay_report *r, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct ph_netcheck_relay_report x = r[i];
        size_t k = i;
        while (k > 0 && is_before(&x, &r[k - 1])) {
            r[k] = r[k - 1];
            k--;
        }
        r[k] = x;
    }
}

static void report_relays(const struct ph_netcheck *n, struct ph_netcheck_report *out)
{
    struct ph_survey_server servers[FAMILIES * PH_NAT_SAMPLES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < FAMILIES; i++)
        if (n->sides[i].survey)
            count += ph_survey_servers(n->sides[i].survey, servers + count, PH_NAT_SAMPLES_MAX);
    out->relay_count = n->config.relay_count;
    for (size_t i = 0; i < out->relay_count; i++) {
        struct ph_netcheck_relay_report *r = &out->relays[i];
        r->relay = n->config.relays[i];
        for (size_t k = 0; k < count; k++) {
            if (servers[k].answered && ph_addr_eq(&servers[k].addr, &r->relay.addr)) {
                r->answered = true;
                r->rtt = servers[k].rtt;
            }
        }
    }
    sort_relays(out->relays, out->relay_count);
}

void ph_netcheck_report(const struct ph_netcheck *n, struct ph_netcheck_report *out)
{
    struct ph_nat_facts *facts[FAMILIES] = {&out->v4, &out->v6};

    *out = (struct ph_netcheck_report){
        .took = n->took != PH_NEVER ? n->took : ph_host_now(n->host) - n->start,
        .nat64 = n->clat != NULL,
        .mapped = n->mapped,
        .mapping = n->mapping,
    };
    for (size_t i = 0; i < FAMILIES; i++) {
        facts[i]->lifetime.less_than = PH_NEVER;
        facts[i]->allocation.cross_rate = -1;
        if (n->sides[i].survey)
            ph_survey_facts(n->sides[i].survey, facts[i]);
    }
    out->ipv4 = works(&n->sides[0], &out->v4);
    out->ipv6 = works(&n->sides[1], &out->v6);
    for (int p = 0; n->mapper && p < PH_PORTMAP_PROTOCOLS; p++)
        ph_mapper_report(n->mapper, (enum ph_portmap_protocol)p, &out->portmap[p]);
    out->double_nat = double_nat(n, out);
    report_relays(n, out);
    const struct ph_nat_facts *f =
        out->v4.udp != PH_YES && out->v6.udp == PH_YES ? &out->v6 : &out->v4;
    bool reachable = out->mapped && out->double_nat != PH_YES;
    out->easy = ph_outlook_easy(f, reachable);
    out->hard = ph_outlook_hard(f, reachable);
}
