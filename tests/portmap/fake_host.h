/* A host in memory for the tests of port mapping: a clock that stands until it is moved, a record
 * of all that is sent, and answers that a script has arriving later. */
#ifndef TESTS_PORTMAP_FAKE_HOST_H
#define TESTS_PORTMAP_FAKE_HOST_H

#include "base/err.h"
#include "base/rng.h"
#include "portmap/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_SENT   2048
#define FAKE_SOCKS  24
#define FAKE_HTTP   1024
#define FAKE_EVENTS 128
#define FAKE_PORT   40000 /* of the mapped socket */

struct fake_sent {
    ph_ns at;
    ph_sock sock;
    struct ph_addr to;
    uint32_t scope;
    size_t len;
    uint8_t data[512];
};

struct fake_request {
    ph_ns at;
    ph_http id;
    bool open; /* neither answered nor cancelled */
    bool cancelled;
    struct ph_addr server, local;
    char host[80], path[128], action[192], body[2200];
    bool post;
    size_t answer_max;
    ph_ns timeout;
};

struct fake_event {
    ph_ns at;
    bool http;
    /* A datagram. */
    ph_sock sock;
    struct ph_addr from;
    uint32_t scope;
    /* An answer. */
    ph_http id;
    int error, status;
    size_t len;
    uint8_t *data;
};

struct fake_host {
    struct ph_host base; /* first */
    struct ph_mapper *mapper;
    ph_ns now;
    struct ph_rng rng;
    struct ph_gateway gateways[PH_GATEWAYS_MAX];
    size_t gateway_count;
    struct ph_addr socks[FAKE_SOCKS]; /* family NONE: closed */
    struct fake_sent sent[FAKE_SENT];
    size_t sent_count;
    struct fake_request http[FAKE_HTTP];
    size_t http_count;
    struct fake_event events[FAKE_EVENTS];
    size_t event_count;
    bool http_full; /* http_start refuses */
    size_t timers;  /* how often the mapper's deadline came */
    /* The script; either may be NULL. */
    void (*on_sent)(struct fake_host *f, const struct fake_sent *s);
    void (*on_request)(struct fake_host *f, const struct fake_request *r);
    void *router;
    char trace[64][160]; /* the last lines, as "who from to" */
    size_t trace_count;
};

#define FAKE_GATEWAY  ph_addr_v4(192, 168, 1, 1, 0)
#define FAKE_LOCAL    ph_addr_v4(192, 168, 1, 20, 0)
#define FAKE_EXTERNAL ph_addr_v4(203, 0, 113, 7, 0)

static inline struct ph_addr fake_port(struct ph_addr a, uint16_t port)
{
    a.port = port;
    return a;
}

static inline struct fake_host *fake_of(struct ph_host *h)
{
    return (struct fake_host *)h;
}

static inline ph_ns fake_now(struct ph_host *h)
{
    return fake_of(h)->now;
}

static inline void fake_random(struct ph_host *h, void *out, size_t len)
{
    ph_rng_fill(&fake_of(h)->rng, out, len);
}

static inline int fake_udp_open(struct ph_host *h, const struct ph_addr *local, ph_sock *out)
{
    struct fake_host *f = fake_of(h);
    for (uint32_t i = 1; i < FAKE_SOCKS; i++) {
        if (ph_addr_is_set(&f->socks[i]))
            continue;
        f->socks[i] = *local;
        if (local->port == 0)
            f->socks[i].port = (uint16_t)(50000 + i);
        *out = i;
        return PH_OK;
    }
    return PH_ERR_SYS;
}

static inline void fake_udp_close(struct ph_host *h, ph_sock sock)
{
    assert_true(ph_addr_is_set(&fake_of(h)->socks[sock]));
    fake_of(h)->socks[sock] = (struct ph_addr){0};
}

static inline struct ph_addr fake_udp_local(struct ph_host *h, ph_sock sock)
{
    return fake_of(h)->socks[sock];
}

static inline void fake_udp_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out,
                                 size_t n)
{
    struct fake_host *f = fake_of(h);
    for (size_t i = 0; i < n; i++) {
        assert_true(f->sent_count < FAKE_SENT);
        assert_true(ph_addr_is_set(&f->socks[sock]));
        struct fake_sent *s = &f->sent[f->sent_count++];
        *s = (struct fake_sent){.at = f->now,
                                .sock = sock,
                                .to = out[i].peer,
                                .scope = out[i].scope,
                                .len = out[i].len};
        assert_true(out[i].len <= sizeof(s->data));
        memcpy(s->data, out[i].data, out[i].len);
        if (f->on_sent)
            f->on_sent(f, s);
    }
}

static inline void fake_wake_at(struct ph_host *h, ph_ns when)
{
    (void)h;
    (void)when;
    fail_msg("the endpoint owns the timer, not the mapper");
}

static inline size_t fake_gateways(struct ph_host *h, struct ph_gateway *out, size_t cap)
{
    struct fake_host *f = fake_of(h);
    size_t n = f->gateway_count < cap ? f->gateway_count : cap;
    memcpy(out, f->gateways, n * sizeof(*out));
    return n;
}

static inline int fake_http_start(struct ph_host *h, const struct ph_http_request *q, ph_http *out)
{
    struct fake_host *f = fake_of(h);
    size_t open = 0;
    for (size_t i = 0; i < f->http_count; i++)
        open += f->http[i].open;
    if (f->http_full || open >= PH_HTTP_MAX)
        return PH_ERR_SPACE;
    assert_true(f->http_count < FAKE_HTTP);
    assert_true(q->answer_max > 0 && q->answer_max <= PH_HTTP_ANSWER_MAX);
    assert_true(q->timeout > 0 && q->timeout <= 2 * PH_SEC);
    struct fake_request *r = &f->http[f->http_count];
    *r = (struct fake_request){.at = f->now,
                               .id = (ph_http)++f->http_count,
                               .open = true,
                               .server = q->server,
                               .local = q->local,
                               .post = q->soap_action != NULL,
                               .answer_max = q->answer_max,
                               .timeout = q->timeout};
    snprintf(r->host, sizeof(r->host), "%s", q->host);
    snprintf(r->path, sizeof(r->path), "%s", q->path);
    snprintf(r->action, sizeof(r->action), "%s", q->soap_action ? q->soap_action : "");
    assert_true(q->body_len < sizeof(r->body));
    if (q->body_len > 0)
        memcpy(r->body, q->body, q->body_len);
    *out = r->id;
    if (f->on_request)
        f->on_request(f, r);
    return PH_OK;
}

static inline void fake_http_cancel(struct ph_host *h, ph_http id)
{
    struct fake_host *f = fake_of(h);
    assert_true(id >= 1 && id <= f->http_count);
    assert_true(f->http[id - 1].open);
    f->http[id - 1].open = false;
    f->http[id - 1].cancelled = true;
}

/* Keeps who, from and to of a line. */
static inline void fake_trace(struct ph_host *h, const char *line)
{
    static const char *const keys[] = {"\"who\":\"", "\"from\":\"", "\"to\":\""};
    struct fake_host *f = fake_of(h);
    char *out = f->trace[f->trace_count++ % 64];
    size_t n = 0;
    for (size_t k = 0; k < 3; k++) {
        const char *p = strstr(line, keys[k]);
        assert_non_null(p);
        for (p += strlen(keys[k]); *p != '"' && n < 158; p++)
            out[n++] = *p;
        out[n++] = k < 2 ? ' ' : '\0';
    }
}

static inline bool fake_traced(const struct fake_host *f, const char *line)
{
    for (size_t i = 0; i < f->trace_count && i < 64; i++) {
        if (strcmp(f->trace[i], line) == 0)
            return true;
    }
    return false;
}

static const struct ph_host_ops fake_ops = {
    .now = fake_now,
    .random = fake_random,
    .udp_open = fake_udp_open,
    .udp_close = fake_udp_close,
    .udp_local = fake_udp_local,
    .udp_send = fake_udp_send,
    .wake_at = fake_wake_at,
    .gateways = fake_gateways,
    .http_start = fake_http_start,
    .http_cancel = fake_http_cancel,
    .trace = fake_trace,
};

/* A host at home: 192.168.1.20 behind 192.168.1.1; socket 1 is the one to be mapped. */
static inline struct fake_host *fake_new(void)
{
    struct fake_host *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->base.ops = &fake_ops;
    f->now = 5 * PH_SEC;
    ph_rng_seed(&f->rng, 1);
    f->gateways[0] = (struct ph_gateway){
        .gateway = FAKE_GATEWAY, .local = FAKE_LOCAL, .scope = 2, .interface = "eth0"};
    f->gateway_count = 1;
    f->socks[1] = ph_addr_v4(0, 0, 0, 0, FAKE_PORT);
    return f;
}

static inline void fake_free(struct fake_host *f)
{
    ph_mapper_free(f->mapper);
    for (size_t i = 0; i < f->http_count; i++)
        assert_false(f->http[i].open); /* nothing is left running */
    for (size_t i = 2; i < FAKE_SOCKS; i++)
        assert_false(ph_addr_is_set(&f->socks[i])); /* nor open */
    for (size_t i = 0; i < f->event_count; i++)
        free(f->events[i].data);
    free(f);
}

static inline struct ph_mapper *fake_mapper(struct fake_host *f, unsigned protocols)
{
    struct ph_mapper_config c = {.host = &f->base, .sock = 1, .protocols = protocols};
    assert_int_equal(ph_mapper_new(&c, &f->mapper), PH_OK);
    return f->mapper;
}

/* In a block of its own, so that reading past it shows; to be freed. */
static inline uint8_t *fake_copy(const void *data, size_t len)
{
    uint8_t *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

static inline struct fake_event *fake_event(struct fake_host *f, ph_ns after, const void *data,
                                            size_t len)
{
    assert_true(f->event_count < FAKE_EVENTS);
    struct fake_event *e = &f->events[f->event_count++];
    *e = (struct fake_event){.at = f->now + after, .len = len, .data = fake_copy(data, len)};
    return e;
}

/* A datagram that will arrive. */
static inline void fake_arrives(struct fake_host *f, ph_ns after, ph_sock sock,
                                const struct ph_addr *from, const void *data, size_t len)
{
    struct fake_event *e = fake_event(f, after, data, len);
    e->sock = sock;
    e->from = *from;
}

static inline void fake_http_answers(struct fake_host *f, ph_ns after, ph_http id, int error,
                                     int status, const char *body)
{
    struct fake_event *e = fake_event(f, after, body, strlen(body));
    e->http = true;
    e->id = id;
    e->error = error;
    e->status = status;
}

static inline bool fake_deliver_http(struct fake_host *f, ph_http id, int error, int status,
                                     const void *body, size_t len)
{
    struct ph_http_answer a = {.error = error, .status = status, .body = body, .len = len};
    if (!f->http[id - 1].open)
        return false;
    f->http[id - 1].open = false;
    return ph_mapper_on_http(f->mapper, f->now, id, &a);
}

static inline bool fake_deliver_at(struct fake_host *f, ph_sock sock, const struct ph_addr *from,
                                   uint32_t scope, const void *data, size_t len)
{
    uint8_t *copy = fake_copy(data, len);
    struct ph_datagram d = {.peer = *from, .data = copy, .len = len, .scope = scope};
    bool taken = ph_mapper_on_datagram(f->mapper, f->now, sock, &d);
    free(copy);
    return taken;
}

static inline bool fake_deliver(struct fake_host *f, ph_sock sock, const struct ph_addr *from,
                                const void *data, size_t len)
{
    return fake_deliver_at(f, sock, from, 0, data, len);
}

static inline ph_ns fake_next(const struct fake_host *f)
{
    ph_ns at = ph_mapper_deadline(f->mapper);
    for (size_t i = 0; i < f->event_count; i++)
        at = ph_min_ns(at, f->events[i].at);
    for (size_t i = 0; i < f->http_count; i++) {
        if (f->http[i].open)
            at = ph_min_ns(at, f->http[i].at + f->http[i].timeout);
    }
    return at;
}

static inline bool fake_one_event(struct fake_host *f)
{
    for (size_t i = 0; i < f->event_count; i++) {
        struct fake_event e = f->events[i];
        if (e.at > f->now)
            continue;
        memmove(&f->events[i], &f->events[i + 1], (--f->event_count - i) * sizeof(e));
        if (e.http)
            fake_deliver_http(f, e.id, e.error, e.status, e.data, e.len);
        else if (ph_addr_is_set(&f->socks[e.sock]))
            fake_deliver_at(f, e.sock, &e.from, e.scope, e.data, e.len);
        free(e.data);
        return true;
    }
    for (size_t i = 0; i < f->http_count; i++) {
        if (f->http[i].open && f->now >= f->http[i].at + f->http[i].timeout) {
            fake_deliver_http(f, (ph_http)(i + 1), PH_ERR_TIMEOUT, 0, "", 0);
            return true;
        }
    }
    return false;
}

/* Lets time pass, and all happen that is due in it. */
static inline void fake_run(struct fake_host *f, ph_ns span)
{
    ph_ns until = f->now + span;
    unsigned spins = 0;
    for (;;) {
        ph_ns next = fake_next(f);
        if (next > until)
            break;
        if (next > f->now) {
            f->now = next;
            spins = 0;
        }
        assert_true(++spins < 200); /* a deadline that stays due is a busy loop */
        if (fake_one_event(f))
            continue;
        f->timers++;
        ph_mapper_on_timer(f->mapper, f->now);
    }
    f->now = until;
}

/* Until the mapper is in this state; how long that took. */
static inline ph_ns fake_until(struct fake_host *f, enum ph_mapper_state state, ph_ns most)
{
    ph_ns start = f->now;
    while (ph_mapper_state(f->mapper) != state) {
        ph_ns next = fake_next(f);
        if (next > start + most)
            fail_msg("%s within %g ms, not %s", ph_mapper_state_name(ph_mapper_state(f->mapper)),
                     ph_ns_to_ms(most), ph_mapper_state_name(state));
        fake_run(f, next > f->now ? next - f->now : 0);
    }
    return f->now - start;
}

/* Has the mapper acquire a mapping; how long that took. */
static inline ph_ns fake_acquire(struct fake_host *f, ph_ns most)
{
    ph_mapper_acquire(f->mapper, f->now);
    return fake_until(f, PH_MAPPER_MAPPED, most);
}

static inline void fake_release(struct fake_host *f)
{
    ph_mapper_release(f->mapper, f->now);
    fake_until(f, PH_MAPPER_IDLE, PH_PORTMAP_RELEASE_MAX);
}

static inline struct ph_portmap_protocol_report fake_report(const struct fake_host *f,
                                                            enum ph_portmap_protocol p)
{
    struct ph_portmap_protocol_report r;
    ph_mapper_report(f->mapper, p, &r);
    return r;
}

/* As fake_run, for a client without a mapper. */
static inline void fake_client_runs(struct fake_host *f, struct ph_client *c, ph_ns span)
{
    ph_ns until = f->now + span;
    for (unsigned i = 0; i < 1000 && c->ops->deadline(c) <= until; i++) {
        f->now = c->ops->deadline(c);
        c->ops->on_timer(c, f->now);
    }
    f->now = until;
}

static inline const struct fake_sent *fake_last(const struct fake_host *f)
{
    assert_true(f->sent_count > 0);
    return &f->sent[f->sent_count - 1];
}

static inline size_t fake_sent_to(const struct fake_host *f, uint16_t port)
{
    size_t n = 0;
    for (size_t i = 0; i < f->sent_count; i++)
        n += f->sent[i].to.port == port;
    return n;
}

#endif
