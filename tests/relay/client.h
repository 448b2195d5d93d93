/* A client of the relay for the tests: real QUIC, and nothing hidden. */
#ifndef TESTS_RELAY_CLIENT_H
#define TESTS_RELAY_CLIENT_H

#include "fake_net.h"

#include "pinhole.h"
#include "quic/quic.h"
#include "wire/relay.h"
#include "wire/signal.h"

#define CLIENT_MESSAGES 512
#define CLIENT_RAW      65536

struct client {
    struct ph_endpoint ep; /* first */
    struct fake_host *host;
    ph_sock sock;
    struct ph_addr relay;
    struct ph_identity *id;
    struct ph_quic *quic;
    struct ph_quic_conn *conn;
    enum ph_quic_state state;
    struct ph_signal messages[CLIENT_MESSAGES];
    size_t message_count;
    size_t read;             /* messages that the test has taken */
    uint8_t raw[CLIENT_RAW]; /* the whole stream */
    size_t raw_len, raw_done;
    unsigned frames;
    uint64_t frame_tag;
    uint8_t frame[PH_DATAGRAM_MAX];
    size_t frame_len;
    unsigned notices;
    uint64_t notice_tag;
};

static inline void client_on_packet(void *user, const uint8_t *data, size_t len)
{
    struct client *c = user;
    struct ph_datagram d = {.peer = c->relay, .data = data, .len = len};

    c->host->base.ops->udp_send(&c->host->base, c->sock, &d, 1);
}

static inline void client_on_state(void *user, enum ph_quic_state state)
{
    struct client *c = user;

    c->state = state;
}

static inline void client_on_stream(void *user, const uint8_t *data, size_t len)
{
    struct client *c = user;

    assert_true(c->raw_len + len <= sizeof(c->raw));
    memcpy(c->raw + c->raw_len, data, len);
    c->raw_len += len;
    for (;;) {
        struct ph_signal m;
        int took = ph_signal_decode(c->raw + c->raw_done, c->raw_len - c->raw_done, &m);

        if (took == PH_ERR_SHORT) {
            break;
        }
        assert_true(took > 0);
        assert_true(c->message_count < CLIENT_MESSAGES);
        c->messages[c->message_count++] = m;
        c->raw_done += (size_t)took;
    }
}

static inline void client_wake(struct client *c)
{
    c->host->base.ops->wake_at(&c->host->base, ph_quic_deadline(c->quic));
}

static inline void client_flush(struct client *c)
{
    ph_quic_flush(c->conn, c->host->net->now);
    client_wake(c);
}

static inline void client_on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                                       const struct ph_datagram *in, size_t n)
{
    struct client *c = (struct client *)ep;

    (void)sock;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *payload;
        bool initial;
        struct ph_quic_conn *conn;

        if (ph_relay_notice_parse(in[i].data, in[i].len, &c->notice_tag)) {
            c->notices++;
            continue;
        }
        if (ph_relay_frame_looks_like(in[i].data, in[i].len)) {
            assert_true(ph_addr_eq(&in[i].peer, &c->relay));
            assert_int_equal(
                ph_relay_frame_parse(in[i].data, in[i].len, &c->frame_tag, &payload, &c->frame_len),
                PH_OK);
            memcpy(c->frame, payload, c->frame_len);
            c->frames++;
            continue;
        }
        conn = ph_quic_route(c->quic, in[i].data, in[i].len, &initial);
        if (!conn && ph_quic_is_short_header(in[i].data, in[i].len)) {
            conn = c->conn; /* it may be a stateless reset */
        }
        if (conn) {
            ph_quic_read(conn, now, in[i].data, in[i].len);
        }
    }
    client_flush(c);
}

static inline void client_on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct client *c = (struct client *)ep;

    ph_quic_on_timer(c->quic, now);
    client_wake(c);
}

static inline void client_draw(void *user, void *out, size_t len)
{
    ph_host_random(user, out, len);
}

/* Starts to connect; `key` makes the seed. */
static inline struct client *client_new(struct fake_net *net, const struct ph_addr *relay,
                                        uint8_t key)
{
    struct client *c = calloc(1, sizeof(*c));
    uint8_t seed[PH_SEED_LEN];
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);
    struct ph_quic_config config = {.random = client_draw};
    struct ph_quic_conn_config conn = {
        .alpn = "pinhole-signal/1",
        .callbacks = {.on_packet = client_on_packet,
                      .on_state = client_on_state,
                      .on_stream = client_on_stream},
        .keep_alive = 10 * PH_SEC,
    };

    assert_non_null(c);
    c->ep.on_datagrams = client_on_datagrams;
    c->ep.on_timer = client_on_timer;
    c->host = fake_host_new(net);
    c->host->base.endpoint = &c->ep;
    c->relay = *relay;
    assert_int_equal(c->host->base.ops->udp_open(&c->host->base, &any, &c->sock), PH_OK);
    memset(seed, key, sizeof(seed));
    assert_int_equal(ph_identity_new(seed, &c->id), PH_OK);
    config.identity = c->id;
    config.random_user = &c->host->base;
    assert_int_equal(ph_quic_new(&config, &c->quic), PH_OK);
    conn.user = c;
    assert_int_equal(ph_quic_connect(c->quic, net->now, &conn, &c->conn), PH_OK);
    client_flush(c);
    return c;
}

static inline void client_free(struct client *c)
{
    c->host->base.endpoint = NULL;
    c->host->wake = PH_NEVER;
    for (uint32_t i = 0; i < FAKE_SOCKS; i++) {
        c->host->socks[i] = (struct ph_addr){0};
    }
    ph_quic_free(c->quic);
    ph_identity_free(c->id);
    free(c);
}

static inline struct ph_addr client_addr(const struct client *c)
{
    return c->host->socks[c->sock - 1];
}

static inline const uint8_t *client_fingerprint(const struct client *c)
{
    return ph_identity_fingerprint(c->id);
}

static inline void client_send_raw(struct client *c, const void *data, size_t len)
{
    assert_int_equal(ph_quic_stream_send(c->conn, data, len), PH_OK);
    client_flush(c);
}

static inline void client_send(struct client *c, const struct ph_signal *m)
{
    uint8_t bytes[PH_SIGNAL_MAX];
    int len = ph_signal_encode(m, bytes, sizeof(bytes));

    assert_true(len > 0);
    client_send_raw(c, bytes, (size_t)len);
}

static inline void client_send_frame(struct client *c, uint64_t tag, const void *data, size_t len)
{
    uint8_t bytes[PH_DATAGRAM_MAX];
    struct ph_datagram d = {.peer = c->relay, .data = bytes, .len = PH_RELAY_FRAME_OVERHEAD + len};

    ph_relay_frame_header(bytes, tag);
    memcpy(bytes + PH_RELAY_FRAME_OVERHEAD, data, len);
    c->host->base.ops->udp_send(&c->host->base, c->sock, &d, 1);
}

/* The next message, which must be of this type. */
static inline const struct ph_signal *client_next(struct client *c, enum ph_signal_type type)
{
    assert_true(c->read < c->message_count);
    assert_int_equal(c->messages[c->read].type, type);
    return &c->messages[c->read++];
}

static inline void client_no_more(const struct client *c)
{
    assert_int_equal(c->message_count, c->read);
}

static inline void client_register(struct client *c)
{
    struct ph_signal m = {.type = PH_SIGNAL_REGISTER_PRESENCE};

    memcpy(m.fingerprint, client_fingerprint(c), PH_FINGERPRINT_LEN);
    client_send(c, &m);
}

/* Connects and registers once more, with the same key from the same address. */
static inline void client_again(struct client *c)
{
    struct ph_quic_conn_config conn = {
        .alpn = "pinhole-signal/1",
        .callbacks = {.on_packet = client_on_packet,
                      .on_state = client_on_state,
                      .on_stream = client_on_stream},
        .keep_alive = 10 * PH_SEC,
        .user = c,
    };

    ph_quic_conn_free(c->conn);
    c->raw_len = c->raw_done = 0;
    assert_int_equal(ph_quic_connect(c->quic, c->host->net->now, &conn, &c->conn), PH_OK);
    client_flush(c);
    fake_run(c->host->net, 10 * FAKE_DELAY);
    client_register(c);
    fake_run(c->host->net, 10 * FAKE_DELAY);
    client_next(c, PH_SIGNAL_REGISTER_PRESENCE_ACK);
}

/* Connects, registers, and takes the Ack. */
static inline struct client *client_registered(struct fake_net *net, const struct ph_addr *relay,
                                               uint8_t key)
{
    struct client *c = client_new(net, relay, key);

    fake_run(net, PH_SEC);
    assert_int_equal(c->state, PH_QUIC_CONFIRMED);
    client_register(c);
    fake_run(net, PH_SEC);
    client_next(c, PH_SIGNAL_REGISTER_PRESENCE_ACK);
    return c;
}

/* The relay itself, on 198.51.100.1:3478 and, where wanted, 198.51.100.2:3479. */
struct subject {
    struct fake_net *net;
    struct fake_host *host;
    struct ph_relay_config config;
    struct ph_relay *relay;
    struct ph_addr addr;
    struct ph_addr addr2;
};

static inline void subject_init(struct subject *s, const struct ph_relay_config *given)
{
    struct ph_relay_config *config = &s->config;

    *config = given ? *given : (struct ph_relay_config){0};
    s->net = fake_net_new();
    s->host = fake_host_new(s->net);
    s->addr = ph_addr_v4(198, 51, 100, 1, 3478);
    s->addr2 = ph_addr_v4(198, 51, 100, 2, 3479);
    config->host = &s->host->base;
    memset(config->seed, 0xee, sizeof(config->seed));
    config->listen[0] = s->addr;
    config->listen[1] = s->addr2;
    assert_int_equal(ph_relay_new(config, &s->relay), PH_OK);
}

/* Without a word to anybody. */
static inline void subject_kill(struct subject *s)
{
    ph_relay_free(s->relay);
    s->relay = NULL;
    s->host->wake = PH_NEVER;
}

static inline void subject_start(struct subject *s)
{
    assert_int_equal(ph_relay_new(&s->config, &s->relay), PH_OK);
}

static inline void subject_fini(struct subject *s)
{
    ph_relay_free(s->relay);
    fake_net_free(s->net);
}

static inline struct ph_relay_stats subject_stats(const struct subject *s)
{
    struct ph_relay_stats stats;

    ph_relay_get_stats(s->relay, &stats);
    return stats;
}

#endif
