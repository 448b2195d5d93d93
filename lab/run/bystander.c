#include "lab/run/bystander.h"

#include "base/err.h"
#include "base/rng.h"
#include "wire/stun.h"

#include <stdlib.h>
#include <string.h>

#define SOMEBODY_MAX 8   /* of them */
#define FLOWS_MAX    512 /* that wait for an answer at once: more than any rate needs */
/* Of RFC 8489's retransmissions those that anybody waits for. */
static const ph_ns tries[] = {0, 500 * PH_MS, 1500 * PH_MS};
#define TRIES (sizeof(tries) / sizeof(tries[0]))

struct flow {
    ph_sock sock; /* 0: this place is free */
    ph_ns asked;
    size_t sent; /* of the tries */
    uint8_t tid[PH_STUN_TID_LEN];
};

struct somebody {
    struct ph_endpoint endpoint; /* first */
    struct ph_host *host;
    struct ph_rng rng;
    struct ph_addr local, server;
    ph_ns gap, next; /* next PH_NEVER: asks no more */
    struct flow flows[FLOWS_MAX];
    struct bystander_count count;
};

struct bystander {
    struct world *world;
    struct somebody *all[SOMEBODY_MAX];
    size_t count;
};

static void send_request(struct somebody *s, struct flow *f)
{
    uint8_t data[64];
    struct ph_writer w = ph_writer_init(data, sizeof(data));
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, f->tid);
    int len = ph_stun_end(&w, true);
    struct ph_datagram d = {.peer = s->server, .data = data, .len = (size_t)len};
    f->sent++;
    if (len > 0)
        s->host->ops->udp_send(s->host, f->sock, &d, 1);
}

static void close_flow(struct somebody *s, struct flow *f)
{
    s->host->ops->udp_close(s->host, f->sock);
    memset(f, 0, sizeof(*f));
}

static void open_flow(struct somebody *s, ph_ns now)
{
    size_t i = 0;
    while (i < FLOWS_MAX && s->flows[i].sock != 0)
        i++;
    if (i == FLOWS_MAX)
        return;
    struct flow *f = &s->flows[i];
    if (s->host->ops->udp_open(s->host, &s->local, &f->sock) != PH_OK) {
        f->sock = 0;
        return;
    }
    f->asked = now;
    f->sent = 0;
    ph_rng_fill(&s->rng, f->tid, sizeof(f->tid));
    s->count.asked++;
    send_request(s, f);
}

/* Sends what is due, gives up what is overdue; when it has to look again. */
static ph_ns look_after(struct somebody *s, struct flow *f, ph_ns now)
{
    while (f->sent < TRIES && now >= f->asked + tries[f->sent])
        send_request(s, f);
    if (f->sent < TRIES)
        return f->asked + tries[f->sent];
    if (now < f->asked + BYSTANDER_PATIENCE)
        return f->asked + BYSTANDER_PATIENCE;
    close_flow(s, f);
    return PH_NEVER;
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct somebody *s = (struct somebody *)(void *)ep;
    /* However late the machine is, one flow at a time: those that were missed are not made up for.
     */
    if (s->next != PH_NEVER && now >= s->next) {
        open_flow(s, now);
        while (s->next <= now)
            s->next += s->gap;
    }
    ph_ns wake = s->next;
    for (size_t i = 0; i < FLOWS_MAX; i++)
        if (s->flows[i].sock != 0)
            wake = ph_min_ns(wake, look_after(s, &s->flows[i], now));
    s->host->ops->wake_at(s->host, wake);
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct somebody *s = (struct somebody *)(void *)ep;
    (void)now;
    for (size_t i = 0; i < FLOWS_MAX; i++) {
        struct flow *f = &s->flows[i];
        for (size_t k = 0; f->sock == sock && k < n; k++) {
            struct ph_stun m;
            if (ph_stun_parse(in[k].data, in[k].len, &m) != PH_OK ||
                m.type != PH_STUN_BINDING_SUCCESS || memcmp(m.tid, f->tid, sizeof(f->tid)) != 0)
                continue;
            s->count.answered++;
            close_flow(s, f);
            return;
        }
    }
}

static bool is_behind_a_nat(const struct layout *l, size_t node)
{
    for (size_t at = l->nodes[node].upstream; at != SIZE_MAX; at = l->nodes[at].upstream)
        if (l->nodes[at].kind == LAYOUT_NAT)
            return true;
    return false;
}

static int add_somebody(struct bystander *b, size_t node, const struct ph_addr *server,
                        uint32_t flows_per_second, uint64_t seed)
{
    struct world *w = b->world;
    struct somebody *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return PH_ERR_NOMEM;
    int rc = w->ops->host_new(w, node, NULL, NULL, &s->host);
    if (rc != PH_OK) {
        free(s);
        return rc;
    }
    b->all[b->count++] = s;
    uint64_t parts[2] = {seed, node};
    ph_rng_seed(&s->rng, ph_hash64(7, parts, sizeof(parts)));
    s->endpoint = (struct ph_endpoint){.on_datagrams = on_datagrams, .on_timer = on_timer};
    s->host->endpoint = &s->endpoint;
    s->local = ph_addr_v4(0, 0, 0, 0, 0);
    s->server = *server;
    s->gap = PH_SEC / flows_per_second;
    s->next = w->ops->now(w) + (ph_ns)(ph_rng_unit(&s->rng) * (double)s->gap);
    s->host->ops->wake_at(s->host, s->next);
    return PH_OK;
}

int bystander_start(struct world *w, const struct ph_addr *server, uint32_t flows_per_second,
                    uint64_t seed, struct bystander **out)
{
    const struct layout *l = w->layout;
    *out = NULL;
    if (flows_per_second == 0)
        return PH_OK;
    struct bystander *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return PH_ERR_NOMEM;
    b->world = w;
    for (size_t i = 0; i < l->node_count && b->count < SOMEBODY_MAX; i++) {
        if (l->nodes[i].runs != TOPO_RUNS_PEER || !is_behind_a_nat(l, i))
            continue;
        int rc = add_somebody(b, i, server, flows_per_second, seed);
        if (rc != PH_OK) {
            bystander_stop(b);
            return rc;
        }
    }
    if (b->count == 0) {
        free(b);
        return PH_OK;
    }
    *out = b;
    return PH_OK;
}

void bystander_ask_no_more(struct bystander *b)
{
    for (size_t i = 0; b != NULL && i < b->count; i++)
        b->all[i]->next = PH_NEVER; /* its timer finds that out by itself */
}

bool bystander_settled(const struct bystander *b)
{
    for (size_t i = 0; b != NULL && i < b->count; i++)
        for (size_t k = 0; k < FLOWS_MAX; k++)
            if (b->all[i]->flows[k].sock != 0)
                return false;
    return true;
}

struct bystander_count bystander_count(const struct bystander *b)
{
    struct bystander_count sum = {0, 0};
    for (size_t i = 0; b != NULL && i < b->count; i++) {
        sum.asked += b->all[i]->count.asked;
        sum.answered += b->all[i]->count.answered;
    }
    return sum;
}

void bystander_stop(struct bystander *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->count; i++) {
        b->world->ops->host_free(b->world, b->all[i]->host);
        free(b->all[i]);
    }
    free(b);
}
