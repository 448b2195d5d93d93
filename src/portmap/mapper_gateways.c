/* The default gateways, and the clients that speak with them. */
#include "portmap/mapper.h"

#include <string.h>

static bool is_link_local(const struct ph_addr *a)
{
    return a->family == PH_AF_V6 && a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

/* The address of ours that a gateway sees; family NONE: it would see none that can be mapped. */
static struct ph_addr local_towards(const struct ph_gateway *g, const struct ph_addr *bound)
{
    struct ph_addr local = g->local;
    if (g->gateway.family != bound->family || ph_addr_is_loopback(bound))
        return (struct ph_addr){0};
    if (!ph_addr_is_any(bound))
        local = *bound;
    local.port = 0;
    return local;
}

/* A socket with an address has nothing to do with the gateways of other links. */
static bool leaves_by(const struct ph_mapper *m, const struct ph_gateway *g,
                      const struct ph_addr *bound)
{
    if (!ph_addr_is_set(&g->local) && ph_addr_is_any(bound))
        return false;
    if (bound->family == PH_AF_V6 || ph_addr_is_any(bound) || ph_addr_ip_eq(&g->local, bound))
        return true;
    for (size_t i = 0; i < m->gateway_count; i++) {
        if (ph_addr_ip_eq(&m->gateways[i].local, bound))
            return false;
    }
    return true;
}

bool ph_mapper_speaks(const struct ph_mapper *m, enum ph_portmap_protocol p)
{
    return m->config.protocols & (1u << p);
}

static void add(struct ph_mapper *m, struct ph_client *c, size_t gateway)
{
    c->gateway = gateway;
    m->clients[m->client_count++] = c;
}

static struct ph_kept_nonce *find_nonce(struct ph_mapper *m, const struct ph_client *c)
{
    for (size_t i = 0; i < PH_GATEWAYS_MAX; i++) {
        struct ph_kept_nonce *k = &m->nonces[i];
        if (ph_addr_eq(&k->server, &c->server) && ph_addr_eq(&k->local, &c->local))
            return k;
    }
    return NULL;
}

/* An address that goes and comes back (another network for a moment) finds its old mapping at the
 * server, which gives it to the old nonce alone, RFC 6887 section 11.3. */
static void keep_nonce(struct ph_mapper *m, const struct ph_pcp_client *p)
{
    if (p->asker.base.protocol != PH_PORTMAP_PCP || !p->has_nonce)
        return;
    struct ph_kept_nonce *k = find_nonce(m, &p->asker.base);
    if (!k) {
        k = &m->nonces[m->nonce_next];
        m->nonce_next = (m->nonce_next + 1) % PH_GATEWAYS_MAX;
    }
    k->server = p->asker.base.server;
    k->local = p->asker.base.local;
    memcpy(k->nonce, p->nonce, sizeof(k->nonce));
}

static void restore_nonce(struct ph_mapper *m, struct ph_pcp_client *p)
{
    const struct ph_kept_nonce *k = find_nonce(m, &p->asker.base);
    if (!k)
        return;
    memcpy(p->nonce, k->nonce, sizeof(p->nonce));
    p->has_nonce = true;
}

/* Whether there is an address of ours for a mapping to lead to. A host may be bound to any IPv6
 * address and have none. */
static bool has_local(const struct ph_mapper *m)
{
    if (!ph_addr_is_any(&m->bound))
        return m->gateway_count > 0;
    for (size_t i = 0; i < m->gateway_count; i++) {
        if (m->gateways[i].local.family == m->bound.family)
            return true;
    }
    return false;
}

static void make_clients(struct ph_mapper *m)
{
    const struct ph_addr *bound = &m->bound;
    m->client_count = 0;
    for (size_t i = 0; i < m->gateway_count; i++) {
        const struct ph_gateway *g = &m->gateways[i];
        struct ph_addr local = local_towards(g, bound);
        if (!ph_addr_is_set(&local) || !leaves_by(m, g, bound))
            continue;
        bool own = is_link_local(&g->gateway) && ph_addr_is_any(bound);
        if (ph_mapper_speaks(m, PH_PORTMAP_PCP)) {
            ph_pcp_client_init(&m->pcp[i], &m->outlet, g, &local, own);
            restore_nonce(m, &m->pcp[i]);
            add(m, &m->pcp[i].asker.base, i);
        }
        if (ph_mapper_speaks(m, PH_PORTMAP_NATPMP) && local.family == PH_AF_V4) {
            ph_natpmp_client_init(&m->natpmp[i], &m->outlet, g, &local);
            add(m, &m->natpmp[i].asker.base, i);
        }
    }
    ph_upnp_client_set_gateways(&m->upnp, m->gateways, m->gateway_count, bound);
    if (ph_mapper_speaks(m, PH_PORTMAP_UPNP) && has_local(m))
        add(m, &m->upnp.base, 0);
    m->contest = (struct ph_contest){m->clients, m->client_count, PH_NEVER};
}

void ph_mapper_drop_clients(struct ph_mapper *m, ph_ns now)
{
    for (size_t i = 0; i < PH_GATEWAYS_MAX; i++)
        keep_nonce(m, &m->pcp[i]);
    for (size_t i = 0; i < m->client_count; i++)
        m->clients[i]->ops->forget(m->clients[i], now);
    for (size_t i = 0; i < PH_GATEWAYS_MAX; i++)
        ph_pcp_client_fini(&m->pcp[i]);
    memset(m->pcp, 0, sizeof(m->pcp)); /* what one gateway said is not the next one's word */
    m->client_count = 0;
    m->contest.count = 0;
}

static bool same_gateways(const struct ph_mapper *m, const struct ph_gateway *list, size_t n)
{
    if (n != m->gateway_count)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct ph_gateway *a = &m->gateways[i], *b = &list[i];
        if (!ph_addr_eq(&a->gateway, &b->gateway) || !ph_addr_eq(&a->local, &b->local) ||
            a->scope != b->scope)
            return false;
    }
    return true;
}

bool ph_mapper_read_gateways(struct ph_mapper *m, ph_ns now)
{
    struct ph_host *h = m->config.host;
    struct ph_gateway list[PH_GATEWAYS_MAX];
    struct ph_addr bound = h->ops->udp_local(h, m->config.sock);
    size_t n = h->ops->gateways ? h->ops->gateways(h, list, PH_GATEWAYS_MAX) : 0;
    if (ph_addr_eq(&bound, &m->bound) && same_gateways(m, list, n))
        return false;
    ph_mapper_drop_clients(m, now);
    memcpy(m->gateways, list, n * sizeof(list[0]));
    m->gateway_count = n;
    m->bound = bound;
    make_clients(m);
    return true;
}
