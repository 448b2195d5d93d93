#include "relay/relay.h"

#include "base/err.h"
#include "base/rng.h"
#include "wire/relay.h"
#include "wire/stun.h"

#include <stdlib.h>
#include <string.h>

void ph_relay_send(struct ph_relay *relay, size_t listen, const struct ph_addr *to,
                   const uint8_t *data, size_t len)
{
    uint8_t *out = ph_outbox_add(&relay->outbox, relay->socks[listen], to, len);

    if (out) {
        memcpy(out, data, len);
    }
}

bool ph_relay_may_notify(struct ph_relay *relay, const struct ph_addr *to)
{
    return !ph_addr_is_unusable(to) && ph_source_limit_take(&relay->notices, relay->now, to) &&
           ph_bucket_take(&relay->notices_all, relay->now, PH_RELAY_NOTICE_RATE_ALL,
                          PH_RELAY_NOTICE_BURST_ALL);
}

static void on_stun(struct ph_relay *relay, size_t listen, const struct ph_datagram *d)
{
    uint8_t answer[PH_STUN_ANSWER_MAX];
    struct ph_addr to;
    size_t from;
    size_t len = ph_stun_answer(&relay->stun, relay->now, listen, &d->peer, d->data, d->len, answer,
                                &from, &to);

    if (len > 0) {
        ph_relay_send(relay, from, &to, answer, len);
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

void ph_relay_settle(struct ph_relay *relay)
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
        ph_relay_free_gone(relay);
    }
    ph_outbox_flush(&relay->outbox);
    relay->wake = ph_max_ns(ph_min_ns(ph_min_ns(ph_quic_deadline(relay->quic), relay->register_due),
                                      ph_sessions_deadline(&relay->sessions)),
                            relay->now);
    relay->host->ops->wake_at(relay->host, relay->wake);
}

bool ph_relay_overloaded(const struct ph_relay *relay)
{
    for (size_t i = 0; i <= PH_RELAY_LISTENS; i++) {
        if (ph_overloaded(&relay->overload[i], relay->now)) {
            return true;
        }
    }
    return false;
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
    ph_overload_on_batch(&relay->overload[listen], now, n >= PH_DATAGRAMS_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct ph_datagram *d = &in[i];

        if (ph_relay_frame_looks_like(d->data, d->len)) {
            ph_relay_forward(relay, listen, d);
        } else if (d->len > 0 && (d->data[0] & 0x40)) {
            ph_relay_on_quic(relay, listen, d);
        } else if (ph_stun_looks_like(d->data, d->len)) {
            on_stun(relay, listen, d);
        }
    }
    ph_relay_settle(relay);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct ph_relay *relay = (struct ph_relay *)ep;

    relay->now = now;
    ph_overload_on_timer(&relay->overload[PH_RELAY_LISTENS], now, relay->wake);
    ph_quic_on_timer(relay->quic, now);
    expire(relay);
    ph_relay_settle(relay);
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
    config->sessions_max = config->sessions_max ? config->sessions_max : 16384;
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
    uint8_t reset_key[PH_DERIVED_LEN];
    int err;

    if (!relay) {
        return PH_ERR_NOMEM;
    }
    relay->ep.on_datagrams = on_datagrams;
    relay->ep.on_timer = on_timer;
    relay->config = *config;
    relay->host = config->host;
    relay->outbox.host = config->host;
    relay->register_due = relay->wake = PH_NEVER;
    for (size_t i = 0; i <= PH_RELAY_LISTENS; i++) {
        ph_overload_init(&relay->overload[i]);
    }
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
    ph_identity_derive(relay->identity, "pinhole relay: stateless reset", reset_key);
    quic.reset_key = reset_key;
    err = ph_quic_new(&quic, &relay->quic);
    memset(reset_key, 0, sizeof(reset_key));
    if (err) {
        goto fail;
    }
    err = open_sockets(relay);
    if (err) {
        goto fail;
    }
    ph_source_limit_init(&relay->notices, relay->secret, PH_RELAY_NOTICE_RATE,
                         PH_RELAY_NOTICE_BURST);
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
    ph_sessions_fini(&relay->sessions);
    ph_quic_free(relay->quic);
    ph_identity_free(relay->identity);
    ph_registry_fini(&relay->registry);
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
    out->draining = relay->draining;
    out->overloaded = ph_relay_overloaded(relay);
    out->stun_requests = relay->stun.requests;
}

struct ph_addr ph_relay_address(const struct ph_relay *relay)
{
    return relay->addrs[0];
}
