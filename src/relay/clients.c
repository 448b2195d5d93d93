#include "base/err.h"
#include "base/rng.h"
#include "relay/relay.h"

#include <string.h>

void ph_relay_touch(struct ph_client *c)
{
    if (!c->dirty) {
        c->dirty = true;
        c->dirty_next = c->relay->dirty;
        c->relay->dirty = c;
    }
}

static void handshake_over(struct ph_client *c)
{
    if (c->handshaking) {
        c->handshaking = false;
        c->relay->handshakes[c->source]--;
    }
}

/* It has closed its connection, and not lost it. */
static bool took_leave(const struct ph_client *c)
{
    return c->conn && ph_quic_conn_error(c->conn) == PH_ERR_CLOSED;
}

void ph_relay_drop(struct ph_client *c)
{
    struct ph_relay *relay = c->relay;

    if (c->gone) {
        return;
    }
    c->gone = true;
    relay->any_gone = true;
    handshake_over(c);
    relay->clients_of[c->source]--;
    ph_registry_leave(&relay->registry, c);
    while (c->legs) {
        if (c->legs->session->offer || took_leave(c)) {
            ph_relay_end_session(relay, c->legs->session, c, PH_HANGUP_LOST);
        } else {
            ph_sessions_leave(&relay->sessions, relay->now, c->legs);
        }
    }
}

/* QUIC told something that only the real peer can have sent: it is where this packet came from. */
static void follow(struct ph_client *c)
{
    struct ph_relay *relay = c->relay;

    if (relay->reading != c ||
        (ph_addr_eq(&c->addr, relay->reading_from) && c->listen == relay->reading_on)) {
        return;
    }
    c->addr = *relay->reading_from;
    c->listen = relay->reading_on;
    c->moved = true;
    c->came = c->went = 0;
    ph_sessions_move(c);
}

bool ph_relay_may_send(struct ph_client *c, size_t len)
{
    if (!c->moved) {
        return true;
    }
    if (c->went + len > 3 * c->came) {
        return false;
    }
    c->went += len;
    return true;
}

static void on_packet(void *user, const uint8_t *data, size_t len)
{
    struct ph_client *c = user;

    if (ph_relay_may_send(c, len)) {
        ph_relay_send(c->relay, c->listen, &c->addr, data, len);
    }
}

static void on_state(void *user, enum ph_quic_state state)
{
    struct ph_client *c = user;

    switch (state) {
    case PH_QUIC_ESTABLISHED:
    case PH_QUIC_CONFIRMED:
        follow(c);
        handshake_over(c);
        break;
    case PH_QUIC_CLOSED:
        ph_relay_drop(c);
        break;
    case PH_QUIC_HANDSHAKE:
        break;
    }
}

static void on_stream(void *user, const uint8_t *data, size_t len)
{
    struct ph_client *c = user;

    follow(c);
    ph_relay_on_stream(c, data, len);
}

static bool any_key(void *user, const uint8_t fingerprint[PH_FINGERPRINT_LEN])
{
    (void)user;
    (void)fingerprint;
    return true; /* the key is the identity; there are no accounts */
}

static void accept_client(struct ph_relay *relay, size_t listen, const struct ph_datagram *d)
{
    size_t source = ph_hash64(relay->secret, d->peer.ip, sizeof(d->peer.ip)) % PH_RELAY_SOURCES;
    struct ph_quic_conn_config config = {
        .alpn = PH_RELAY_ALPN,
        .accept_peer = any_key,
        .callbacks = {.on_packet = on_packet, .on_state = on_state, .on_stream = on_stream},
        .handshake_timeout = PH_RELAY_REGISTER_TIME,
    };
    struct ph_client *c;

    if (relay->registry.count >= relay->config.clients_max ||
        relay->handshakes[source] >= PH_RELAY_HANDSHAKES_MAX ||
        relay->clients_of[source] >= PH_RELAY_CLIENTS_PER_SOURCE ||
        (ph_relay_overloaded(relay) &&
         !ph_bucket_take(&relay->arrivals, relay->now, PH_RELAY_ARRIVALS_RATE,
                         PH_RELAY_ARRIVALS_BURST))) {
        relay->stats.refused_clients++;
        return;
    }
    c = ph_registry_add(&relay->registry, relay->now);
    if (!c) {
        return;
    }
    c->relay = relay;
    c->addr = d->peer;
    c->listen = listen;
    c->source = source;
    config.user = c;
    relay->clients_of[source]++;
    if (ph_quic_accept(relay->quic, relay->now, d->data, d->len, &d->peer, &config, &c->conn)) {
        if (!c->gone) {
            relay->clients_of[source]--;
        }
        ph_registry_remove(&relay->registry, c);
        return;
    }
    relay->stats.handshakes++;
    if (!c->gone && ph_quic_conn_state(c->conn) == PH_QUIC_HANDSHAKE) {
        c->handshaking = true;
        relay->handshakes[source]++;
    }
    relay->register_due = ph_min_ns(relay->register_due, c->since + PH_RELAY_REGISTER_TIME);
    ph_relay_touch(c);
}

static void on_initial(struct ph_relay *relay, size_t listen, const struct ph_datagram *d)
{
    uint8_t retry[PH_QUIC_PACKET_MAX];
    int len;

    switch (ph_quic_check_token(relay->quic, relay->now, d->data, d->len, &d->peer)) {
    case PH_QUIC_TOKEN_VALID:
        accept_client(relay, listen, d);
        break;
    case PH_QUIC_TOKEN_NONE:
        len =
            ph_quic_retry(relay->quic, relay->now, d->data, d->len, &d->peer, retry, sizeof(retry));
        if (len > 0 && (size_t)len <= d->len) {
            ph_relay_send(relay, listen, &d->peer, retry, (size_t)len);
        }
        break;
    case PH_QUIC_TOKEN_BAD:
        break;
    }
}

/* A client of an earlier run of this relay, or of a connection that is over, must register anew:
 * it is told so at once, instead of waiting for answers in vain. */
static void on_stray(struct ph_relay *relay, size_t listen, const struct ph_datagram *d)
{
    uint8_t reset[PH_QUIC_RESET_MAX];
    size_t len;

    if (!ph_quic_is_short_header(d->data, d->len) || !ph_relay_may_notify(relay, &d->peer)) {
        return;
    }
    len = ph_quic_reset(relay->quic, d->data, d->len, reset);
    if (len > 0) {
        ph_relay_send(relay, listen, &d->peer, reset, len);
        relay->stats.resets++;
    }
}

void ph_relay_on_quic(struct ph_relay *relay, size_t listen, const struct ph_datagram *d)
{
    bool initial;
    struct ph_quic_conn *conn = ph_quic_route(relay->quic, d->data, d->len, &initial);
    struct ph_client *c;
    uint64_t taken;

    if (!conn) {
        if (initial) {
            on_initial(relay, listen, d);
        } else {
            on_stray(relay, listen, d);
        }
        return;
    }
    c = ph_quic_conn_user(conn);
    if (c->gone) {
        return;
    }
    relay->reading = c;
    relay->reading_from = &d->peer;
    relay->reading_on = listen;
    taken = ph_quic_conn_taken(conn);
    ph_quic_read(conn, relay->now, d->data, d->len);
    /* Initial packets are sealed with keys that anyone can work out: until the peer is known it
     * stays where its token was checked. */
    if (!c->handshaking && ph_quic_conn_taken(conn) > taken) {
        follow(c);
    }
    if (c->moved && ph_addr_eq(&c->addr, &d->peer)) {
        c->came += d->len;
    }
    relay->reading = NULL;
    ph_relay_touch(c);
}

void ph_relay_free_gone(struct ph_relay *relay)
{
    struct ph_client *next;

    relay->any_gone = false;
    for (struct ph_client *c = relay->registry.first; c; c = next) {
        next = c->next;
        if (c->gone) {
            ph_quic_conn_close(c->conn, relay->now);
            ph_registry_remove(&relay->registry, c);
        }
    }
}
