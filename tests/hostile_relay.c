#include "tests/hostile_relay.h"

#include "base/err.h"
#include "path/demux.h"
#include "wire/relay.h"
#include "wire/stun.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLIENTS 2

struct client {
    struct hostile_relay *relay;
    struct ph_quic_conn *conn;
    struct ph_addr addr;
    uint64_t tag;
};

struct hostile_relay {
    struct ph_endpoint endpoint;
    struct hostile_relay_config config;
    struct ph_identity *identity;
    struct ph_quic *quic;
    ph_sock sock;
    struct client clients[CLIENTS];
    size_t count;
};

static void send_to(struct hostile_relay *r, const struct ph_addr *to, const uint8_t *data,
                    size_t len)
{
    struct ph_datagram d = {.peer = *to, .data = data, .len = len};
    r->config.host->ops->udp_send(r->config.host, r->sock, &d, 1);
}

static void tell(struct client *c, const struct ph_signal *m)
{
    uint8_t buf[PH_SIGNAL_MAX];
    int n = ph_signal_encode(m, buf, sizeof(buf));
    assert_true(n > 0);
    assert_int_equal(ph_quic_stream_send(c->conn, buf, (size_t)n), PH_OK);
}

static void on_packet(void *user, const uint8_t *data, size_t len)
{
    struct client *c = user;
    send_to(c->relay, &c->addr, data, len);
}

static void on_state(void *user, enum ph_quic_state state)
{
    (void)user;
    (void)state;
}

static void on_datagram(void *user, const uint8_t *data, size_t len)
{
    (void)user;
    (void)data;
    (void)len;
}

static void on_message(struct client *c, struct ph_signal *m)
{
    struct hostile_relay *r = c->relay;
    struct client *other = &r->clients[c == &r->clients[0] ? 1 : 0];
    if (m->type == PH_SIGNAL_REGISTER_PRESENCE) {
        if (r->config.mute)
            return;
        struct ph_signal ack = {.type = PH_SIGNAL_REGISTER_PRESENCE_ACK, .observed = c->addr};
        tell(c, &ack);
        return;
    }
    if (!other->conn)
        return;
    if (r->config.add_candidate && m->candidate_count < PH_SIGNAL_CANDIDATES_MAX)
        m->candidates[m->candidate_count++] =
            (struct ph_candidate){.type = PH_CANDIDATE_HOST, .addr = r->config.candidate};
    if (m->type == PH_SIGNAL_DIRECT_CALL_OFFER) {
        c->tag = m->relay_token;
        other->tag = c->tag ^ 0x5555;
        m->relay_token = other->tag;
        if (r->config.swap_caller)
            memcpy(m->fingerprint, r->config.caller, PH_FINGERPRINT_LEN);
        else
            memcpy(m->fingerprint, ph_quic_conn_peer(c->conn), PH_FINGERPRINT_LEN);
    }
    tell(other, m);
}

static void on_stream(void *user, const uint8_t *data, size_t len)
{
    /* Peers write whole messages, and this relay's tests are small enough for them to come so. */
    struct client *c = user;
    while (len > 0) {
        struct ph_signal m;
        int used = ph_signal_decode(data, len, &m);
        if (used <= 0)
            return;
        on_message(c, &m);
        data += used;
        len -= (size_t)used;
    }
}

static void on_frame(struct hostile_relay *r, const struct ph_datagram *in)
{
    uint64_t tag;
    const uint8_t *payload;
    size_t len;
    uint8_t out[PH_DATAGRAM_MAX];
    assert_int_equal(ph_relay_frame_parse(in->data, in->len, &tag, &payload, &len), PH_OK);
    for (size_t i = 0; i < CLIENTS; i++) {
        if (r->clients[i].tag != tag || !r->clients[1 - i].conn)
            continue;
        ph_relay_frame_header(out, r->clients[1 - i].tag);
        memcpy(out + PH_RELAY_FRAME_OVERHEAD, payload, len);
        send_to(r, &r->clients[1 - i].addr, out, PH_RELAY_FRAME_OVERHEAD + len);
    }
}

static void pump(struct hostile_relay *r, ph_ns now)
{
    ph_quic_on_timer(r->quic, now);
    for (size_t i = 0; i < r->count; i++) {
        if (r->clients[i].conn)
            ph_quic_flush(r->clients[i].conn, now);
    }
    r->config.host->ops->wake_at(r->config.host, ph_quic_deadline(r->quic));
}

static void on_quic(struct hostile_relay *r, ph_ns now, const struct ph_datagram *in)
{
    bool initial = false;
    struct ph_quic_conn *conn = ph_quic_route(r->quic, in->data, in->len, &initial);
    if (conn) {
        ph_quic_read(conn, now, in->data, in->len);
        return;
    }
    if (!initial || r->count == CLIENTS)
        return;
    struct client *c = &r->clients[r->count++];
    c->relay = r;
    c->addr = in->peer;
    struct ph_quic_conn_config config = {
        .alpn = "pinhole-signal/1",
        .callbacks = {.on_packet = on_packet,
                      .on_state = on_state,
                      .on_stream = on_stream,
                      .on_datagram = on_datagram},
        .user = c,
    };
    assert_int_equal(ph_quic_accept(r->quic, now, in->data, in->len, NULL, &config, &c->conn),
                     PH_OK);
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct hostile_relay *r = (struct hostile_relay *)(void *)ep;
    (void)sock;
    for (size_t i = 0; i < n; i++) {
        enum ph_packet_kind kind = ph_demux(in[i].data, in[i].len);
        if (kind == PH_PACKET_QUIC)
            on_quic(r, now, &in[i]);
        else if (kind == PH_PACKET_RELAY_FRAME)
            on_frame(r, &in[i]);
    }
    pump(r, now);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    pump((struct hostile_relay *)(void *)ep, now);
}

static void draw(void *user, void *out, size_t len)
{
    ph_host_random(user, out, len);
}

struct hostile_relay *hostile_relay_new(const struct hostile_relay_config *config)
{
    struct hostile_relay *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    uint8_t seed[PH_SEED_LEN] = {99};
    r->config = *config;
    r->endpoint = (struct ph_endpoint){.on_datagrams = on_datagrams, .on_timer = on_timer};
    assert_int_equal(ph_identity_new(seed, &r->identity), PH_OK);
    struct ph_quic_config q = {.identity = r->identity,
                               .random = draw,
                               .random_user = config->host,
                               .deterministic = true};
    assert_int_equal(ph_quic_new(&q, &r->quic), PH_OK);
    assert_int_equal(config->host->ops->udp_open(config->host, &config->listen, &r->sock), PH_OK);
    config->host->endpoint = &r->endpoint;
    return r;
}

void hostile_relay_free(struct hostile_relay *r)
{
    ph_quic_free(r->quic);
    ph_identity_free(r->identity);
    r->config.host->ops->udp_close(r->config.host, r->sock);
    r->config.host->endpoint = NULL;
    free(r);
}
