/* Sockets of the simulator: found by node and port, however many a host has. */
#include "base/err.h"
#include "lab/world/sim/hash.h"
#include "lab/world/sim/private.h"

#include <stdlib.h>
#include <string.h>

#define SOCKETS_MIN   32u
#define SOCKETS_MAX   32768u /* a number and a generation fit into a ph_sock */
#define PORTS_ANY_LOW 32768u
#define PORTS_ANY     28232u

static uint32_t *bucket_of(const struct sim *s, size_t node, uint16_t port)
{
    return &s->sockets.buckets[sim_hash(node, port) & (s->sockets.cap - 1)];
}

static void link_in(struct sim *s, uint32_t i)
{
    struct sim_socket *k = &s->sockets.all[i];
    uint32_t *bucket = bucket_of(s, k->host->node, k->local.port);
    k->next = *bucket;
    *bucket = i + 1;
}

static bool grow(struct sim *s)
{
    struct sim_sockets *t = &s->sockets;
    uint32_t cap = t->cap == 0 ? SOCKETS_MIN : 2 * t->cap;
    if (cap > SOCKETS_MAX)
        return false;
    uint32_t *buckets = calloc(cap, sizeof(*buckets));
    struct sim_socket *all = buckets == NULL ? NULL : reallocarray(t->all, cap, sizeof(*all));
    if (all == NULL) {
        free(buckets);
        return false;
    }
    uint32_t *old = t->buckets;
    uint32_t old_cap = t->cap;
    t->all = all;
    t->buckets = buckets;
    t->cap = cap;
    /* Who opened last stays first in his chain: each is turned round, then moved from its end. */
    for (uint32_t b = 0; b < old_cap; b++) {
        uint32_t turned = 0;
        for (uint32_t at = old[b], next; at != 0; at = next) {
            next = all[at - 1].next;
            all[at - 1].next = turned;
            turned = at;
        }
        for (uint32_t next; turned != 0; turned = next) {
            next = all[turned - 1].next;
            link_in(s, turned - 1);
        }
    }
    free(old);
    return true;
}

static bool port_taken(const struct sim *s, size_t node, uint16_t port)
{
    const struct sim_sockets *t = &s->sockets;
    for (uint32_t at = t->cap == 0 ? 0 : *bucket_of(s, node, port); at != 0;
         at = t->all[at - 1].next)
        if (t->all[at - 1].host->node == node && t->all[at - 1].local.port == port)
            return true;
    return false;
}

/* One of Linux's range: the drawn one, or the next that is free. 0: none is. */
static uint16_t any_port(struct sim_host *h)
{
    uint32_t drawn = (uint32_t)ph_rng_below(&h->rng, PORTS_ANY);
    for (uint32_t i = 0; i < PORTS_ANY; i++) {
        uint16_t port = (uint16_t)(PORTS_ANY_LOW + (drawn + i) % PORTS_ANY);
        if (!port_taken(h->sim, h->node, port))
            return port;
    }
    return 0;
}

int sim_socket_open(struct sim_host *h, const struct ph_addr *local, ph_sock *out)
{
    struct sim *s = h->sim;
    struct sim_sockets *t = &s->sockets;
    uint16_t port = local->port != 0 ? local->port : any_port(h);
    if (port == 0)
        return PH_ERR_SYS;
    if (t->free == 0 && t->used == t->cap && !grow(s))
        return PH_ERR_NOMEM;
    uint32_t i = t->free != 0 ? t->free - 1 : t->used;
    struct sim_socket *k = &t->all[i];
    if (t->free != 0) {
        t->free = k->next;
        k->generation++;
    } else {
        t->used++;
        k->generation = 0;
    }
    k->host = h;
    k->local = *local;
    k->local.port = port;
    k->id = (uint32_t)k->generation << 16 | (i + 1);
    link_in(s, i);
    *out = k->id;
    return PH_OK;
}

struct sim_socket *sim_socket_of(const struct sim_host *h, ph_sock sock)
{
    const struct sim_sockets *t = &h->sim->sockets;
    uint32_t i = (sock & 0xffff) - 1;
    if (i >= t->used || t->all[i].id != sock || t->all[i].host != h)
        return NULL;
    return &t->all[i];
}

static void close_one(struct sim *s, uint32_t i)
{
    struct sim_sockets *t = &s->sockets;
    struct sim_socket *k = &t->all[i];
    uint32_t *at = bucket_of(s, k->host->node, k->local.port);
    while (*at != i + 1)
        at = &t->all[*at - 1].next;
    *at = k->next;
    k->host = NULL;
    k->next = t->free;
    t->free = i + 1;
}

void sim_socket_close(struct sim_host *h, ph_sock sock)
{
    if (sim_socket_of(h, sock) != NULL)
        close_one(h->sim, (sock & 0xffff) - 1);
}

struct sim_socket *sim_socket_find(const struct sim *s, size_t node, const struct ph_addr *to)
{
    const struct sim_sockets *t = &s->sockets;
    for (uint32_t at = t->cap == 0 ? 0 : *bucket_of(s, node, to->port); at != 0;
         at = t->all[at - 1].next) {
        struct sim_socket *k = &t->all[at - 1];
        if (k->host->node == node && k->local.port == to->port && k->local.family == to->family &&
            (ph_addr_is_any(&k->local) || ph_addr_ip_eq(&k->local, to)))
            return k;
    }
    return NULL;
}

void sim_sockets_drop(struct sim_host *h)
{
    for (uint32_t i = 0; i < h->sim->sockets.used; i++)
        if (h->sim->sockets.all[i].host == h)
            close_one(h->sim, i);
}

void sim_sockets_reset(struct sim *s)
{
    if (s->sockets.cap > 0)
        memset(s->sockets.buckets, 0, s->sockets.cap * sizeof(*s->sockets.buckets));
    s->sockets.used = s->sockets.free = 0;
}

void sim_sockets_fini(struct sim *s)
{
    free(s->sockets.all);
    free(s->sockets.buckets);
    s->sockets = (struct sim_sockets){0};
}
