/* Two endpoints on an in-memory link in virtual time, for the tests of src/quic. */
#ifndef TESTS_QUIC_LINK_H
#define TESTS_QUIC_LINK_H

#include "base/err.h"
#include "base/rng.h"
#include "quic/quic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define LINK_QUEUE 4096
#define LINK_ALPN  "pinhole-test/1"

struct link;

struct link_end {
    struct link *link;
    int side; /* 0: the client's, 1: the server's */
    struct ph_identity *id;
    struct ph_rng rng;
    struct ph_quic *q;
    struct ph_quic_conn *conn;
    struct ph_quic_conn_config config;
    struct ph_addr addr;
    bool retries;      /* a server that validates addresses */
    bool drop_refused; /* accept_peer says no */
    int retries_sent;
    int accept_rc;

    uint8_t stream[1 << 20];
    size_t stream_len;
    uint8_t datagram[2048]; /* the last */
    size_t datagram_len;
    int datagrams;
    enum ph_quic_state states[16];
    int state_count;
    int early; /* bytes that came before trust */
    int asked; /* times that accept_peer was asked */
};

struct link_packet {
    ph_ns at;
    uint64_t seq;
    int to;
    size_t len;
    uint8_t data[PH_QUIC_PACKET_MAX];
};

struct link {
    struct link_end end[2];
    ph_ns now;
    ph_ns delay;
    uint64_t hash; /* of all that was sent, and when */
    uint64_t seq;
    uint64_t sent;
    unsigned drop_every; /* 0: none */
    unsigned loss;       /* percent */
    bool cut[2];         /* what end[i] sends goes nowhere */
    struct ph_rng rng;
    struct link_packet *queue[LINK_QUEUE];
    size_t queued;
};

static inline void link_random(void *user, void *out, size_t len)
{
    ph_rng_fill(user, out, len);
}

static inline void link_on_packet(void *user, const uint8_t *data, size_t len)
{
    struct link_end *e = user;
    struct link *l = e->link;
    struct link_packet *p;

    assert_true(len > 0 && len <= PH_QUIC_PACKET_MAX);
    l->hash = ph_hash64(l->hash, &l->now, sizeof(l->now));
    l->hash = ph_hash64(l->hash, data, len);
    l->sent++;
    if (l->cut[e->side] || (l->drop_every != 0 && l->sent % l->drop_every == 0) ||
        ph_rng_below(&l->rng, 100) < l->loss)
        return;
    assert_true(l->queued < LINK_QUEUE);
    p = malloc(sizeof(*p));
    assert_non_null(p);
    p->at = l->now + l->delay;
    p->seq = l->seq++;
    p->to = 1 - e->side;
    p->len = len;
    memcpy(p->data, data, len);
    l->queue[l->queued++] = p;
}

static inline void link_on_state(void *user, enum ph_quic_state state)
{
    struct link_end *e = user;

    assert_true(e->state_count < 16);
    if (e->conn != NULL)
        assert_int_equal(ph_quic_conn_state(e->conn), state);
    e->states[e->state_count++] = state;
}

static inline bool link_trusted(const struct link_end *e)
{
    return e->state_count > 0 && e->states[0] == PH_QUIC_ESTABLISHED;
}

static inline void link_on_stream(void *user, const uint8_t *data, size_t len)
{
    struct link_end *e = user;

    if (!link_trusted(e))
        e->early++;
    assert_true(e->stream_len + len <= sizeof(e->stream));
    memcpy(e->stream + e->stream_len, data, len);
    e->stream_len += len;
}

static inline void link_on_datagram(void *user, const uint8_t *data, size_t len)
{
    struct link_end *e = user;

    if (!link_trusted(e))
        e->early++;
    assert_true(len <= sizeof(e->datagram));
    memcpy(e->datagram, data, len);
    e->datagram_len = len;
    e->datagrams++;
}

static inline bool link_accept_peer(void *user, const uint8_t fingerprint[PH_FINGERPRINT_LEN])
{
    struct link_end *e = user;

    e->asked++;
    assert_memory_equal(fingerprint, ph_identity_fingerprint(e->link->end[0].id),
                        PH_FINGERPRINT_LEN);
    return !e->drop_refused;
}

/* Each end pins the other. The tests change l->end[i].config before link_start. */
static inline struct link *link_new(uint64_t seed, bool deterministic)
{
    struct link *l = calloc(1, sizeof(*l));

    assert_non_null(l);
    l->now = PH_SEC;
    l->delay = 10 * PH_MS;
    ph_rng_seed(&l->rng, seed);
    for (int i = 0; i < 2; i++) {
        struct link_end *e = &l->end[i];
        uint8_t key[PH_SEED_LEN];
        struct ph_quic_config config = {
            .random = link_random,
            .random_user = &e->rng,
            .deterministic = deterministic,
        };

        e->link = l;
        e->side = i;
        e->addr = ph_addr_v4(10, 0, 0, (uint8_t)(1 + i), (uint16_t)(4000 + i));
        ph_rng_seed(&e->rng, seed + 1000 * (unsigned)(i + 1));
        ph_rng_fill(&e->rng, key, sizeof(key));
        assert_int_equal(ph_identity_new(key, &e->id), PH_OK);
        config.identity = e->id;
        assert_int_equal(ph_quic_new(&config, &e->q), PH_OK);
        e->config = (struct ph_quic_conn_config){
            .alpn = LINK_ALPN,
            .callbacks = {.on_packet = link_on_packet,
                          .on_state = link_on_state,
                          .on_stream = link_on_stream,
                          .on_datagram = link_on_datagram},
            .user = e,
        };
    }
    for (int i = 0; i < 2; i++)
        l->end[i].config.peer_fingerprint = ph_identity_fingerprint(l->end[1 - i].id);
    return l;
}

static inline void link_free(struct link *l)
{
    for (int i = 0; i < 2; i++) {
        ph_quic_free(l->end[i].q);
        ph_identity_free(l->end[i].id);
    }
    for (size_t i = 0; i < l->queued; i++)
        free(l->queue[i]);
    free(l);
}

static inline void link_start(struct link *l)
{
    assert_int_equal(ph_quic_connect(l->end[0].q, l->now, &l->end[0].config, &l->end[0].conn),
                     PH_OK);
    ph_quic_flush(l->end[0].conn, l->now);
}

/* What an owner does with a packet from its socket. */
static inline void link_input(struct link *l, int to, const uint8_t *data, size_t len)
{
    struct link_end *e = &l->end[to], *from = &l->end[1 - to];
    bool fresh;
    struct ph_quic_conn *c = ph_quic_route(e->q, data, len, &fresh);

    if (c != NULL) {
        assert_ptr_equal(c, e->conn);
        ph_quic_read(c, l->now, data, len);
        ph_quic_flush(c, l->now);
        return;
    }
    if (!fresh || to == 0 || e->conn != NULL)
        return;
    if (e->retries) {
        enum ph_quic_token token = ph_quic_check_token(e->q, l->now, data, len, &from->addr);
        if (token == PH_QUIC_TOKEN_NONE) {
            uint8_t out[PH_QUIC_PACKET_MAX];
            int n = ph_quic_retry(e->q, l->now, data, len, &from->addr, out, sizeof(out));
            assert_true(n > 0 && (size_t)n < len);
            e->retries_sent++;
            link_on_packet(e, out, (size_t)n);
        }
        if (token != PH_QUIC_TOKEN_VALID)
            return;
    }
    e->accept_rc = ph_quic_accept(e->q, l->now, data, len, e->retries ? &from->addr : NULL,
                                  &e->config, &e->conn);
    if (e->accept_rc == PH_OK)
        ph_quic_flush(e->conn, l->now);
    else
        assert_null(e->conn);
}

static inline ph_ns link_next(const struct link *l, size_t *packet)
{
    ph_ns at = ph_min_ns(ph_quic_deadline(l->end[0].q), ph_quic_deadline(l->end[1].q));

    *packet = SIZE_MAX;
    for (size_t i = 0; i < l->queued; i++) {
        const struct link_packet *p = l->queue[i];
        if (p->at < at || (p->at == at && *packet == SIZE_MAX) ||
            (*packet != SIZE_MAX && p->at == l->queue[*packet]->at &&
             p->seq < l->queue[*packet]->seq)) {
            at = p->at;
            *packet = i;
        }
    }
    return at;
}

/* Runs until `until`, or until nothing is left to happen. */
static inline void link_run(struct link *l, ph_ns until)
{
    int turns = 0;

    for (;;) {
        size_t packet;
        ph_ns at = link_next(l, &packet);
        if (at > until) /* PH_NEVER too */
            break;
        assert_true(++turns < 200000);
        l->now = ph_max_ns(l->now, at);
        if (packet != SIZE_MAX) {
            struct link_packet *p = l->queue[packet];
            l->queue[packet] = l->queue[--l->queued];
            link_input(l, p->to, p->data, p->len);
            free(p);
        } else {
            ph_quic_on_timer(l->end[0].q, l->now);
            ph_quic_on_timer(l->end[1].q, l->now);
        }
    }
    if (until != PH_NEVER)
        l->now = ph_max_ns(l->now, until);
}

static inline void link_run_for(struct link *l, ph_ns span)
{
    link_run(l, l->now + span);
}

static inline void link_assert_open(const struct link *l)
{
    for (int i = 0; i < 2; i++) {
        const struct link_end *e = &l->end[i];
        assert_non_null(e->conn);
        assert_int_equal(ph_quic_conn_state(e->conn), PH_QUIC_CONFIRMED);
        assert_int_equal(ph_quic_conn_error(e->conn), PH_OK);
        assert_int_equal(e->state_count, 2);
        assert_int_equal(e->states[0], PH_QUIC_ESTABLISHED);
        assert_int_equal(e->states[1], PH_QUIC_CONFIRMED);
        assert_int_equal(e->early, 0);
        assert_memory_equal(ph_quic_conn_peer(e->conn), ph_identity_fingerprint(l->end[1 - i].id),
                            PH_FINGERPRINT_LEN);
    }
}

#endif
