#include "lab/world/sim/router.h"

#include "base/err.h"
#include "lab/router/router.h"
#include "lab/router/scripted.h"
#include "lab/world/sim/forward.h"
#include "lab/world/sim/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_PORT  49152
#define HTTP_LATER 49153 /* after a reboot */

struct sim_router {
    struct sim *sim;
    size_t node;
    struct ph_addr lan;
    struct scripted *scripted;
    struct sim_call timer;
};

/* A datagram that leaves later. */
struct delayed {
    struct sim_call call;
    size_t node;
    struct sim_packet *packet;
};

static void arm(struct sim_router *r)
{
    sim_call_at(r->sim, &r->timer, scripted_next(r->scripted));
}

static void on_timer(struct sim *s, void *user)
{
    struct sim_router *r = user;
    scripted_tick(r->scripted, s->now);
    arm(r);
}

static void on_delayed(struct sim *s, void *user)
{
    struct delayed *d = user;
    sim_originate(s, d->node, d->packet);
    free(d);
}

void sim_router_forget(struct sim *s, struct sim_call *c)
{
    if (c->fn == on_delayed) {
        struct delayed *d = c->user;
        sim_packet_free(s, d->packet);
        free(d);
    }
}

/* Its own packets come from the loop, as everybody's do. */
static void on_send(void *user, const struct scripted_datagram *d)
{
    struct sim_router *r = user;
    struct sim *s = r->sim;
    struct sim_packet *p = sim_packet_new(s, d->data, d->len);
    struct delayed *later;
    if (p == NULL)
        return;
    p->src = d->from;
    p->dst = d->to;
    p->ttl = 64;
    if (d->at <= s->now) {
        sim_originate(s, r->node, p);
        return;
    }
    later = calloc(1, sizeof(*later));
    if (later == NULL) {
        sim_packet_free(s, p);
        return;
    }
    sim_call_init(&later->call, on_delayed, later);
    later->node = r->node;
    later->packet = p;
    sim_call_at(s, &later->call, d->at);
}

static void on_map(void *user, const struct scripted_mapping *m, bool on)
{
    struct sim_router *r = user;
    /* The simulator carries UDP alone. */
    if (!m->tcp)
        sim_nat_forward(r->sim->nats[r->node], m->external, &m->inside, on,
                        scripted_translates_back(r->scripted));
}

static const struct scripted_ops ops = {.send = on_send, .map = on_map};

/* Its script begins: as new, with the addresses that its node has now. */
static int begin(struct sim_router *r)
{
    const struct layout_node *n = &r->sim->layout.nodes[r->node];
    uint64_t parts[2] = {r->sim->seed, r->node};
    struct scripted_config config = {.profile = &n->profile,
                                     .lan = r->lan,
                                     .wan = n->wan[0],
                                     .http_ports = {HTTP_PORT, HTTP_LATER},
                                     .seed = ph_hash64(3, parts, sizeof(parts))};
    return scripted_new(&config, &ops, r, r->sim->now, &r->scripted);
}

static struct sim_router *router_new(struct sim *s, size_t node)
{
    const struct layout_node *n = &s->layout.nodes[node];
    struct sim_router *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->sim = s;
    r->node = node;
    r->lan = n->ifs[n->lan_if].addr;
    sim_call_init(&r->timer, on_timer, r);
    if (begin(r) != PH_OK) {
        free(r);
        return NULL;
    }
    return r;
}

int sim_router_restart(struct sim *s, size_t node)
{
    struct sim_router *r = s->routers[node];
    if (r == NULL)
        return 0;
    struct scripted *old = r->scripted;
    if (begin(r) != PH_OK) {
        r->scripted = old;
        return -1;
    }
    scripted_free(old);
    arm(r);
    return 0;
}

int sim_routers_new(struct sim *s, struct lab_error *err)
{
    for (size_t i = 0; i < s->layout.node_count; i++) {
        const struct layout_node *n = &s->layout.nodes[i];
        if (n->kind != LAYOUT_NAT || !router_wanted(&n->profile))
            continue;
        s->routers[i] = router_new(s, i);
        if (s->routers[i] == NULL)
            return lab_fail(err, LAB_BROKEN, "out of memory");
    }
    return 0;
}

void sim_routers_free(struct sim *s)
{
    for (size_t i = 0; i < s->layout.node_count; i++) {
        if (s->routers[i] == NULL)
            continue;
        scripted_free(s->routers[i]->scripted);
        free(s->routers[i]);
        s->routers[i] = NULL;
    }
}

size_t sim_mappings(const struct world *w)
{
    const struct sim *s = (const struct sim *)(const void *)w;
    size_t count = 0;
    for (size_t i = 0; i < s->layout.node_count; i++)
        if (s->routers[i] != NULL)
            count += scripted_count(s->routers[i]->scripted);
    return count;
}

bool sim_router_take(struct sim *s, struct sim_packet *p)
{
    struct sim_router *r = s->routers[p->node];
    bool multicast = sim_is_multicast(&p->dst);
    if (!multicast && (r == NULL || !ph_addr_ip_eq(&p->dst, &r->lan)))
        return false;
    if (r != NULL &&
        (p->dst.port == SCRIPTED_SSDP_PORT || (!multicast && p->dst.port == SCRIPTED_PORT))) {
        scripted_take(r->scripted, s->now, &p->src, &p->dst, p->data, p->len);
        arm(r);
    } else if (!multicast) {
        return false;
    }
    sim_packet_free(s, p);
    return true;
}

/* ---- HTTP */

struct sim_http {
    struct sim_http *next;
    struct sim_call call; /* the request's arrival, then the answer's */
    struct sim_host *host;
    ph_http id;
    struct sim_router *router; /* NULL: nobody is there */
    struct ph_addr client, server;
    char *request;
    size_t request_len;
    size_t answer_max;
    ph_ns round_trip;
    ph_ns deadline;
    struct ph_http_answer answer;
    uint8_t *body;
};

static void http_free(struct sim *s, struct sim_http *q)
{
    struct sim_http **p = &s->https;
    while (*p != q)
        p = &(*p)->next;
    *p = q->next;
    sim_call_at(s, &q->call, PH_NEVER);
    free(q->request);
    free(q->body);
    free(q);
}

static void on_answer(struct sim *s, void *user)
{
    struct sim_http *q = user;
    struct ph_endpoint *ep = q->host->base.endpoint;
    struct ph_http_answer answer = q->answer;
    ph_http id = q->id;
    uint8_t *body = q->body;
    answer.body = body;
    q->body = NULL;
    http_free(s, q);
    if (ep != NULL && ep->on_http != NULL) {
        s->digest = ph_hash64(s->digest, &s->now, sizeof(s->now));
        s->digest = ph_hash64(s->digest, body, answer.len);
        ep->on_http(ep, s->now, id, &answer);
    }
    free(body);
}

/* The answer is told at `when`, or its absence at the deadline. */
static void finish(struct sim *s, struct sim_http *q, ph_ns when, int error, int status)
{
    q->answer.error = when > q->deadline ? PH_ERR_TIMEOUT : error;
    q->answer.status = status;
    sim_call_init(&q->call, on_answer, q);
    sim_call_at(s, &q->call, when > q->deadline ? q->deadline : when);
}

/* A body in HTTP's chunks becomes the body. */
static size_t unchunk(const char *in, size_t len, uint8_t *out)
{
    size_t at = 0, n = 0;
    while (at < len) {
        char *end;
        size_t size = strtoul(in + at, &end, 16);
        const char *line = memmem(end, len - (size_t)(end - in), "\r\n", 2);
        if (size == 0 || line == NULL || size > len - (size_t)(line + 2 - in))
            break;
        memcpy(out + n, line + 2, size);
        n += size;
        at = (size_t)(line + 2 - in) + size + 2;
    }
    return n;
}

/* When the byte at this place of the answer has been sent, counted from its first. */
static ph_ns sent_after(const struct scripted_http *h, size_t place)
{
    return h->chunk == 0 ? 0 : place / h->chunk * h->pause;
}

/* A place in an answer that begins anew. */
static char byte_at(const struct scripted_http *h, size_t place)
{
    return h->bytes[place < h->len ? place : h->again + (place - h->len) % (h->len - h->again)];
}

/* What a client has of the answer in the end, and when. */
static void deliver(struct sim *s, struct sim_http *q, const struct scripted_http *h)
{
    ph_ns start = s->now + q->round_trip / 2;
    bool endless = h->again != SIZE_MAX;
    size_t total = endless ? h->head + q->answer_max + 1 : h->len;
    size_t in_time = total;
    int error = h->cut ? PH_ERR_PROTO : PH_OK;
    ph_ns end;
    while (in_time > 0 && start + sent_after(h, in_time - 1) > q->deadline)
        in_time = h->chunk == 0 ? 0 : in_time - 1;
    end = start + sent_after(h, total - 1);
    if (in_time > h->head) {
        q->body = malloc(in_time - h->head);
        for (size_t i = h->head; q->body != NULL && i < in_time; i++)
            q->body[i - h->head] = (uint8_t)byte_at(h, i);
        q->answer.len = q->body == NULL ? 0 : in_time - h->head;
        if (h->chunked && q->body != NULL)
            q->answer.len = unchunk(h->bytes + h->head, in_time - h->head, q->body);
    }
    if (q->answer.len > q->answer_max) {
        q->answer.len = q->answer_max;
        error = PH_ERR_SPACE;
        end = start + sent_after(h, h->head + q->answer_max);
    }
    finish(s, q, end, error, in_time >= h->head ? h->status : 0);
}

static void on_request(struct sim *s, void *user)
{
    struct sim_http *q = user;
    struct scripted_http h;
    if (scripted_http_take(q->router->scripted, s->now, &q->client, &q->server, q->request,
                           q->request_len, &h) != PH_OK) {
        finish(s, q, s->now, PH_ERR_NOMEM, 0);
        return;
    }
    arm(q->router);
    if (h.bytes != NULL)
        deliver(s, q, &h);
    else
        finish(s, q, h.silent ? PH_NEVER : s->now + q->round_trip / 2, PH_ERR_PROTO, 0);
    scripted_http_fini(&h);
}

/* The server that an address of a router's LAN belongs to, seen from a host. */
static struct sim_router *find_router(const struct sim *s, size_t host, const struct ph_addr *at)
{
    size_t node = s->layout.nodes[host].upstream;
    for (; node != SIZE_MAX; node = s->layout.nodes[node].upstream) {
        struct sim_router *r = s->routers[node];
        struct ph_addr elsewhere;
        if (r == NULL)
            continue;
        elsewhere = scripted_elsewhere(r->scripted);
        if (ph_addr_ip_eq(at, &r->lan) || ph_addr_ip_eq(at, &elsewhere))
            return r;
    }
    return NULL;
}

static int write_request(struct sim_http *q, const struct ph_http_request *request)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return PH_ERR_NOMEM;
    (void)fprintf(f, "%s %s HTTP/1.1\r\nHost: %s\r\n",
                  request->soap_action != NULL ? "POST" : "GET", request->path, request->host);
    if (request->soap_action != NULL)
        (void)fprintf(f,
                      "Content-Type: text/xml; charset=\"utf-8\"\r\nSOAPAction: \"%s\"\r\n"
                      "Content-Length: %zu\r\n",
                      request->soap_action, request->body_len);
    (void)fprintf(f, "Connection: close\r\n\r\n");
    if (request->soap_action != NULL)
        (void)fwrite(request->body, 1, request->body_len, f);
    if (fclose(f) != 0) {
        free(text);
        return PH_ERR_NOMEM;
    }
    q->request = text;
    q->request_len = len;
    return PH_OK;
}

static size_t under_way(const struct sim_host *host)
{
    size_t count = 0;
    for (const struct sim_http *q = host->sim->https; q != NULL; q = q->next)
        count += q->host == host ? 1 : 0;
    return count;
}

static void connect_to(struct sim *s, struct sim_http *q)
{
    const struct layout_node *n = &s->layout.nodes[q->host->node];
    q->client = n->ifs[n->wan_if].addr;
    q->router = sim_is_cut_off(s, q->host->node) ? NULL : find_router(s, q->host->node, &q->server);
    if (q->router == NULL) {
        finish(s, q, PH_NEVER, PH_ERR_TIMEOUT, 0);
        return;
    }
    q->round_trip = 2 * layout_delay_ns(&s->layout, q->host->node, q->router->node);
    if (q->server.port != scripted_http_port(q->router->scripted)) {
        finish(s, q, s->now + q->round_trip, PH_ERR_REFUSED, 0);
        return;
    }
    if (s->now + q->round_trip + q->round_trip / 2 > q->deadline) {
        finish(s, q, PH_NEVER, PH_ERR_TIMEOUT, 0);
        return;
    }
    sim_call_init(&q->call, on_request, q);
    sim_call_at(s, &q->call, s->now + q->round_trip + q->round_trip / 2);
}

int sim_http_start(struct ph_host *h, const struct ph_http_request *request, ph_http *out)
{
    struct sim_host *host = sim_host_of(h);
    struct sim *s = host->sim;
    struct sim_http *q;
    if (request->answer_max > PH_HTTP_ANSWER_MAX || request->server.family != PH_AF_V4 ||
        request->host == NULL || request->path == NULL)
        return PH_ERR_INVAL;
    if (under_way(host) >= PH_HTTP_MAX)
        return PH_ERR_SPACE;
    q = calloc(1, sizeof(*q));
    if (q == NULL)
        return PH_ERR_NOMEM;
    if (write_request(q, request) != PH_OK) {
        free(q);
        return PH_ERR_NOMEM;
    }
    q->host = host;
    q->id = ++s->next_http;
    q->server = request->server;
    q->answer_max = request->answer_max;
    q->deadline = s->now + request->timeout;
    sim_call_init(&q->call, on_answer, q);
    q->next = s->https;
    s->https = q;
    *out = q->id;
    connect_to(s, q);
    return PH_OK;
}

void sim_http_cancel(struct ph_host *h, ph_http id)
{
    struct sim_host *host = sim_host_of(h);
    for (struct sim_http *q = host->sim->https; q != NULL; q = q->next)
        if (q->id == id && q->host == host) {
            http_free(host->sim, q);
            return;
        }
}

void sim_http_drop(struct sim_host *host)
{
    struct sim *s = host->sim;
    for (struct sim_http *q = s->https, *next; q != NULL; q = next) {
        next = q->next;
        if (q->host == host)
            http_free(s, q);
    }
}
