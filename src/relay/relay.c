#include "relay/relay.h"

#include "base/err.h"
#include "base/rng.h"
#include "wire/relay.h"
#include "wire/stun.h"

#include <stdlib.h>
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
        ph_relay_end_session(relay, c->legs->session, c, PH_HANGUP_LOST);
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
    uint8_t *out;

    if (!ph_relay_may_send(c, len)) {
        return;
    }
    out = ph_outbox_add(&c->relay->outbox, c->relay->socks[c->listen], &c->addr, len);
    if (out) {
        memcpy(out, data, len);
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
        relay->clients_of[source] >= PH_RELAY_CLIENTS_PER_SOURCE) {
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
    uint8_t *out;
    int len;

    switch (ph_quic_check_token(relay->quic, relay->now, d->data, d->len, &d->peer)) {
    case PH_QUIC_TOKEN_VALID:
        accept_client(relay, listen, d);
        break;
    case PH_QUIC_TOKEN_NONE:
        len =
            ph_quic_retry(relay->quic, relay->now, d->data, d->len, &d->peer, retry, sizeof(retry));
        out = len > 0 && (size_t)len <= d->len
                  ? ph_outbox_add(&relay->outbox, relay->socks[listen], &d->peer, (size_t)len)
                  : NULL;
        if (out) {
            memcpy(out, retry, (size_t)len);
        }
        break;
    case PH_QUIC_TOKEN_BAD:
        break;
    }
}

static void on_quic(struct ph_relay *relay, size_t listen, const struct ph_datagram *d)
{
    bool initial;
    struct ph_quic_conn *conn = ph_quic_route(relay->quic, d->data, d->len, &initial);
    struct ph_client *c;
    uint64_t taken;

    if (!conn) {
        if (initial) {
            on_initial(relay, listen, d);
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

static void on_stun(struct ph_relay *relay, size_t listen, const struct ph_datagram *d)
{
    uint8_t answer[PH_STUN_ANSWER_MAX];
    struct ph_addr to;
    size_t from;
    size_t len = ph_stun_answer(&relay->stun, relay->now, listen, &d->peer, d->data, d->len, answer,
                                &from, &to);

    if (len > 0) {
        memcpy(ph_outbox_add(&relay->outbox, relay->socks[from], &to, len), answer, len);
    }
}

static void free_gone(struct ph_relay *relay)
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

static bool unregistered_for_long(const struct ph_relay *relay, const struct ph_client *c)
{
    return !c->registered && relay->now >= c->since + PH_RELAY_REGISTER_TIME;
}

static void expire(struct ph_relay *relay)
{
    struct ph_session *session;

    while ((session = ph_sessions_overdue(&relay->sessions, relay->now)) != NULL) {
        ph_relay_end_session(relay, session, NULL, PH_HANGUP_LOST);
    }
    if (relay->now < relay->register_due) {
        return;
    }
    relay->register_due = PH_NEVER;
    for (struct ph_client *c = relay->registry.first; c; c = c->next) {
        if (unregistered_for_long(relay, c)) {
            ph_relay_drop(c);
        } else if (!c->registered && !c->gone) {
            relay->register_due = ph_min_ns(relay->register_due, c->since + PH_RELAY_REGISTER_TIME);
        }
    }
}

/* The end of every event: sends what it caused, closes whom it ended, sets the timer. */
static void settle(struct ph_relay *relay)
{
    while (relay->dirty) {
        struct ph_client *c = relay->dirty;

        relay->dirty = c->dirty_next;
        c->dirty = false;
        if (!c->gone) {
            ph_quic_flush(c->conn, relay->now);
        }
    }
    if (relay->any_gone) {
        free_gone(relay);
    }
    ph_outbox_flush(&relay->outbox);
    relay->host->ops->wake_at(
        relay->host, ph_min_ns(ph_min_ns(ph_quic_deadline(relay->quic), relay->register_due),
                               ph_sessions_deadline(&relay->sessions)));
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct ph_relay *relay = (struct ph_relay *)ep;
    size_t listen = 0;

    while (listen < relay->listen_count && relay->socks[listen] != sock) {
        listen++;
    }
    if (listen == relay->listen_count) {
        return;
    }
    relay->now = now;
    for (size_t i = 0; i < n; i++) {
        const struct ph_datagram *d = &in[i];

        if (ph_relay_frame_looks_like(d->data, d->len)) {
            ph_relay_forward(relay, listen, d);
        } else if (d->len > 0 && (d->data[0] & 0x40)) {
            on_quic(relay, listen, d);
        } else if (ph_stun_looks_like(d->data, d->len)) {
            on_stun(relay, listen, d);
        }
    }
    settle(relay);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct ph_relay *relay = (struct ph_relay *)ep;

    relay->now = now;
    ph_quic_on_timer(relay->quic, now);
    expire(relay);
    settle(relay);
}

static void draw(void *user, void *out, size_t len)
{
    ph_host_random(user, out, len);
}

static void set_defaults(struct ph_relay_config *config)
{
    config->clients_max = config->clients_max ? config->clients_max : 4096;
    config->sessions_per_client_max =
        config->sessions_per_client_max ? config->sessions_per_client_max : 16;
    config->packets_per_second_max =
        config->packets_per_second_max ? config->packets_per_second_max : 2000;
}

/* What the ack says of this relay and of the others: it could not be written otherwise. */
static bool good_names(const struct ph_relay_config *config)
{
    if (config->other_count > PH_SIGNAL_RELAYS_MAX ||
        !memchr(config->region, '\0', sizeof(config->region))) {
        return false;
    }
    for (size_t i = 0; i < config->other_count; i++) {
        if (!ph_addr_is_set(&config->others[i]) ||
            !memchr(config->other_regions[i], '\0', sizeof(config->other_regions[i]))) {
            return false;
        }
    }
    return true;
}

static int open_sockets(struct ph_relay *relay)
{
    struct ph_host *host = relay->host;

    for (size_t i = 0; i < PH_RELAY_LISTENS; i++) {
        int err;

        if (!ph_addr_is_set(&relay->config.listen[i])) {
            break;
        }
        err = host->ops->udp_open(host, &relay->config.listen[i], &relay->socks[i]);
        if (err) {
            return err;
        }
        relay->addrs[i] = host->ops->udp_local(host, relay->socks[i]);
        relay->listen_count++;
    }
    return relay->listen_count > 0 ? PH_OK : PH_ERR_INVAL;
}

int ph_relay_new(const struct ph_relay_config *config, struct ph_relay **out)
{
    struct ph_relay *relay = calloc(1, sizeof(*relay));
    struct ph_quic_config quic = {
        .random = draw, .random_user = config->host, .deterministic = config->deterministic};
    int err;

    if (!relay) {
        return PH_ERR_NOMEM;
    }
    relay->ep.on_datagrams = on_datagrams;
    relay->ep.on_timer = on_timer;
    relay->config = *config;
    relay->host = config->host;
    relay->outbox.host = config->host;
    relay->register_due = PH_NEVER;
    set_defaults(&relay->config);
    if (!good_names(config)) {
        err = PH_ERR_INVAL;
        goto fail;
    }
    ph_host_random(relay->host, &relay->secret, sizeof(relay->secret));
    err = ph_registry_init(&relay->registry, relay->secret);
    if (err) {
        goto fail;
    }
    err = ph_sessions_init(&relay->sessions, relay->secret);
    if (err) {
        goto fail;
    }
    err = ph_identity_new(config->seed, &relay->identity);
    if (err) {
        goto fail;
    }
    quic.identity = relay->identity;
    err = ph_quic_new(&quic, &relay->quic);
    if (err) {
        goto fail;
    }
    err = open_sockets(relay);
    if (err) {
        goto fail;
    }
    ph_stun_responder_init(&relay->stun, relay->addrs, relay->listen_count, relay->secret);
    relay->host->endpoint = &relay->ep;
    *out = relay;
    return PH_OK;

fail:
    ph_relay_free(relay);
    return err;
}

void ph_relay_free(struct ph_relay *relay)
{
    if (!relay) {
        return;
    }
    for (struct ph_client *c = relay->registry.first; c; c = c->next) {
        while (c->legs) {
            ph_sessions_close(&relay->sessions, c->legs->session);
        }
    }
    ph_quic_free(relay->quic);
    ph_identity_free(relay->identity);
    ph_registry_fini(&relay->registry);
    ph_sessions_fini(&relay->sessions);
    for (size_t i = 0; i < relay->listen_count; i++) {
        relay->host->ops->udp_close(relay->host, relay->socks[i]);
    }
    if (relay->host->endpoint == &relay->ep) {
        relay->host->endpoint = NULL;
    }
    free(relay);
}

void ph_relay_get_stats(const struct ph_relay *relay, struct ph_relay_stats *out)
{
    *out = relay->stats;
    out->clients = relay->registry.by_fingerprint.count;
    out->sessions = relay->sessions.count;
    out->stun_requests = relay->stun.requests;
}

struct ph_addr ph_relay_address(const struct ph_relay *relay)
{
    return relay->addrs[0];
}
