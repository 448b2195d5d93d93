#include "call/agent.h"

#include "base/trace.h"
#include "call/call.h"
#include "call/calls.h"
#include "path/demux.h"
#include "wire/relay.h"

#include <stdlib.h>
#include <string.h>

#define GIVE_UP_DEFAULT (15 * PH_SEC)
#define LOCALS_MAX      64
/* How long a registration waits for STUN and for the opener's TTL, which both go on beside it. */
#define SETTLE_MAX (1500 * PH_MS)

void ph_agent_trace(struct ph_agent *a, const char *who, const char *from, const char *to)
{
    if (!a->host->ops->trace)
        return;
    char line[256];
    struct ph_json j = ph_json_begin(line, sizeof(line));
    ph_json_ns_ms(&j, "t_ms", ph_host_now(a->host));
    ph_json_str(&j, "who", who);
    ph_json_str(&j, "from", from);
    ph_json_str(&j, "to", to);
    if (ph_json_end(&j))
        a->host->ops->trace(a->host, line);
}

const struct ph_agent_socket *ph_agent_socket(const struct ph_agent *a, enum ph_family family)
{
    return &a->sockets[family == PH_AF_V6];
}

unsigned ph_agent_families(const struct ph_agent *a)
{
    return (a->sockets[0].sock ? 1u << PH_AF_V4 : 0) | (a->sockets[1].sock ? 1u << PH_AF_V6 : 0);
}

void ph_agent_send(struct ph_agent *a, ph_sock sock, const struct ph_addr *to, uint8_t ttl,
                   const uint8_t *data, size_t len)
{
    struct ph_datagram d = {.peer = *to, .data = data, .len = len, .ttl = ttl};
    if (sock == 0)
        sock = ph_agent_socket(a, (enum ph_family)to->family)->sock;
    if (sock)
        a->host->ops->udp_send(a->host, sock, &d, 1);
}

struct ph_addr ph_agent_reflexive(const struct ph_agent *a, enum ph_family family)
{
    const struct ph_addr *observed = &a->presence.home->observed;
    return observed->family == family ? *observed : ph_network_reflexive(&a->network, family);
}

bool ph_agent_is_relay(const struct ph_agent *a, const struct ph_addr *addr)
{
    return ph_presence_is_relay(&a->presence, addr);
}

/* The host's addresses, also those that there was no room for among the candidates. */
static bool is_of_host(const struct ph_agent *a, const struct ph_addr *addr)
{
    struct ph_addr local[LOCALS_MAX];
    size_t n = a->host->ops->local_addrs(a->host, local, LOCALS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (ph_addr_ip_eq(&local[i], addr))
            return true;
    }
    return false;
}

bool ph_agent_is_own_ip(const struct ph_agent *a, const struct ph_addr *addr)
{
    for (size_t i = 0; i < a->candidates.count; i++) {
        if (ph_addr_ip_eq(&a->candidates.items[i].addr, addr))
            return true;
    }
    const struct ph_mapping *m = a->network.mapper ? ph_mapper_mapping(a->network.mapper) : NULL;
    return (m && ph_addr_ip_eq(&m->external, addr)) ||
           (addr->family == PH_AF_V6 && is_of_host(a, addr));
}

bool ph_agent_is_far(const struct ph_agent *a, const struct ph_addr *addr)
{
    struct ph_addr local[LOCALS_MAX];
    if (!ph_addr_is_ula(addr))
        return false;
    size_t n = a->host->ops->local_addrs(a->host, local, LOCALS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (ph_addr_same_ula_site(&local[i], addr))
            return false;
    }
    return true;
}

static void gather_hosts(struct ph_agent *a, const struct ph_agent_socket *s)
{
    struct ph_addr local[LOCALS_MAX];
    if (!ph_addr_is_any(&s->local)) {
        ph_candidate_add(&a->candidates, PH_CANDIDATE_HOST, &s->local);
        return;
    }
    size_t n = a->host->ops->local_addrs(a->host, local, LOCALS_MAX);
    for (size_t i = 0; i < n; i++) {
        local[i].port = s->local.port;
        if (local[i].family == s->local.family)
            ph_candidate_add(&a->candidates, PH_CANDIDATE_HOST, &local[i]);
    }
}

/* In the order in which they are to be checked: IPv6 first within a type (RFC 8445 section 5.1.2).
 */
static void gather_candidates(struct ph_agent *a)
{
    for (int i = 1; i >= 0; i--) {
        if (a->sockets[i].sock)
            gather_hosts(a, &a->sockets[i]);
    }
    /* What the relay saw and what STUN saw are the same behind an endpoint-independent mapping;
     * where they differ either may be of use to a peer that filters nothing. */
    if (ph_addr_is_set(&a->presence.home->observed))
        ph_candidate_add(&a->candidates, PH_CANDIDATE_REFLEXIVE, &a->presence.home->observed);
    ph_network_candidates(&a->network, &a->candidates);
}

void ph_agent_gather(struct ph_agent *a)
{
    a->candidates.count = 0;
    gather_candidates(a);
}

static void on_relay_frame(struct ph_agent *a, ph_ns now, const struct ph_datagram *in)
{
    uint64_t tag;
    const uint8_t *payload;
    size_t len;
    if (ph_relay_notice_parse(in->data, in->len, &tag)) {
        if (ph_calls_by_tag(a, &in->peer, tag))
            ph_resumption_on_notice(&a->presence.resumption, now, &in->peer);
        return;
    }
    if (ph_relay_frame_parse(in->data, in->len, &tag, &payload, &len) != PH_OK)
        return;
    struct ph_call *c = ph_calls_by_tag(a, &in->peer, tag);
    if (!c) {
        if (ph_presence_at(&a->presence, &in->peer))
            ph_early_keep(&a->early, now, tag, payload, len);
        return;
    }
    c->relay_heard = now;
    bool initial;
    if (c->quic && ph_quic_route(a->quic, payload, len, &initial) != c->quic)
        return;
    ph_call_on_quic(c, now, payload, len, NULL);
}

static void on_quic(struct ph_agent *a, ph_ns now, ph_sock sock, const struct ph_datagram *in)
{
    bool initial;
    struct ph_quic_conn *conn = ph_quic_route(a->quic, in->data, in->len, &initial);
    struct ph_source from = {sock, in->peer};
    if (!conn && sock == 0 && ph_quic_is_short_header(in->data, in->len)) {
        /* A stateless reset looks like a packet of no connection. */
        struct ph_registrar *r = ph_presence_at(&a->presence, &in->peer);
        conn = r ? r->conn : NULL;
    }
    if (!conn) {
        for (size_t i = 0; initial && i < PH_CALLS_MAX; i++) {
            if (a->calls[i] && ph_hard_on_initial(&a->calls[i]->hard, now, &from, in->len))
                return;
        }
        return;
    }
    struct ph_registrar *r = ph_presence_by_conn(&a->presence, conn);
    if (r) {
        if (sock == 0 && !r->closed && ph_addr_eq(&in->peer, &r->relay))
            ph_quic_read(conn, now, in->data, in->len);
        return;
    }
    /* A relay carries calls in frames only: a bare packet from it would pass for a direct one. */
    struct ph_call *c = ph_calls_by_conn(a, conn);
    if (c && !ph_agent_is_relay(a, &in->peer))
        ph_call_on_quic(c, now, in->data, in->len, &from);
}

static void on_stun(struct ph_agent *a, ph_ns now, ph_sock sock, const struct ph_datagram *in)
{
    struct ph_source from = {sock, in->peer};
    struct ph_stun msg;
    if (ph_stun_parse(in->data, in->len, &msg) != PH_OK)
        return;
    if (msg.type != PH_STUN_BINDING_REQUEST && sock == 0 &&
        ph_presence_on_stun(&a->presence, now, &msg, &in->peer))
        return;
    if (msg.type == PH_STUN_BINDING_REQUEST && !msg.username)
        return; /* nobody asks an endpoint for its reflection */
    if (ph_agent_is_relay(a, &in->peer))
        return;
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i] && ph_call_on_check(a->calls[i], now, &msg, in->data, in->len, &from))
            return;
    }
}

void ph_agent_on_signal(struct ph_agent *a, struct ph_registrar *from, const struct ph_signal *m)
{
    ph_ns now = ph_host_now(a->host);
    struct ph_call *c = ph_calls_by_id(a, m->call_id);
    if (c && m->type == PH_SIGNAL_CALL_RESUME) {
        ph_resumption_on_confirmed(&a->presence.resumption, c, from, m);
        return;
    }
    if (c) {
        /* Of a call that it carries no more, or never did, a relay has nothing to say. */
        if (ph_addr_eq(&c->relay, &from->relay))
            ph_call_on_signal(c, now, m);
        return;
    }
    if (m->type != PH_SIGNAL_DIRECT_CALL_OFFER)
        return;
    struct ph_call **slot = ph_calls_free_slot(a);
    enum ph_answer_mode mode = a->config.answer_mode;
    if (!slot || a->closing) {
        struct ph_signal busy = {.type = PH_SIGNAL_HANGUP, .reason = PH_HANGUP_BUSY};
        memcpy(busy.call_id, m->call_id, PH_CALL_ID_LEN);
        ph_registrar_send(from, &busy);
        return;
    }
    if (a->config.callbacks.on_offer)
        mode = a->config.callbacks.on_offer(a->config.user, m->fingerprint);
    gather_candidates(a);
    if (ph_call_from_offer(a, now, &from->relay, m, mode, slot) != PH_OK)
        *slot = NULL;
}

void ph_agent_on_unregistered(struct ph_agent *a, int error)
{
    a->registered_at = PH_NEVER;
    a->announced = false;
    a->announce_error = error;
}

void ph_agent_on_moved(struct ph_agent *a)
{
    a->announced = false;
}

/* When all that a registration waits for is there, as far as is known now. */
static ph_ns settles_at(const struct ph_agent *a)
{
    bool learning = a->opener.state == PH_OPENER_LEARNING;
    return ph_min_ns(a->registered_at + SETTLE_MAX,
                     learning ? PH_NEVER : ph_network_sampled_at(&a->network));
}

static void start_opener(struct ph_agent *a, ph_ns now)
{
    if (a->config.no_ttl_learning || a->opener.state != PH_OPENER_IDLE)
        return;
    struct ph_addr server, other;
    ph_ns rtt;
    if (ph_network_second_address(&a->network, &server, &other, &rtt))
        ph_opener_start(&a->opener, now, &ph_agent_socket(a, (enum ph_family)server.family)->local,
                        &server, &other, rtt);
}

/* The calls that have not ended. */
static size_t live_calls(const struct ph_agent *a)
{
    size_t n = 0;
    for (size_t i = 0; i < PH_CALLS_MAX; i++)
        n += a->calls[i] && a->calls[i]->state != PH_CALL_ENDED;
    return n;
}

static void tell(struct ph_agent *a, ph_ns now)
{
    const struct ph_agent_callbacks *cb = &a->config.callbacks;
    if (ph_presence_registered(&a->presence) && a->registered_at == PH_NEVER)
        a->registered_at = now;
    if (a->announce_error != PH_OK) {
        int error = a->announce_error;
        a->announce_error = PH_OK;
        if (cb->on_registered)
            cb->on_registered(a->config.user, error, &(struct ph_addr){0});
    }
    if (a->registered_at != PH_NEVER && !a->announced && now >= settles_at(a)) {
        a->announced = true;
        gather_candidates(a);
        if (cb->on_registered)
            cb->on_registered(a->config.user, PH_OK, &a->presence.home->observed);
    }
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        struct ph_call *c = a->calls[i];
        if (c && c->pipe.owed && !c->released) {
            c->pipe.owed = false;
            if (cb->on_stream)
                cb->on_stream(a->config.user, c);
        }
        if (c && c->changed && !c->released) {
            c->changed = false;
            if (cb->on_call)
                cb->on_call(a->config.user, c);
        }
    }
    if (ph_agent_closed(a) && !a->closed_told) {
        a->closed_told = true;
        if (cb->on_closed)
            cb->on_closed(a->config.user);
    }
}

static void schedule(struct ph_agent *a)
{
    ph_ns t = ph_min_ns(ph_presence_deadline(&a->presence), ph_quic_deadline(a->quic));
    t = ph_min_ns(t, ph_opener_deadline(&a->opener));
    t = ph_min_ns(t, ph_network_deadline(&a->network));
    if (ph_agent_closed(a) && !a->closed_told)
        t = 0;
    if (a->registered_at != PH_NEVER && !a->announced)
        t = ph_min_ns(t, settles_at(a));
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i])
            t = ph_min_ns(t, ph_call_deadline(a->calls[i]));
    }
    a->host->ops->wake_at(a->host, t);
}

void ph_agent_reschedule(struct ph_agent *a)
{
    if (!a->pumping)
        schedule(a);
}

/* Does all that is due, tells the user, and asks for the next wake-up. */
static void pump(struct ph_agent *a, ph_ns now)
{
    a->pumping = true;
    ph_quic_on_timer(a->quic, now);
    ph_presence_pump(&a->presence, now);
    ph_network_pump(&a->network, now, live_calls(a));
    start_opener(a, now);
    ph_opener_on_timer(&a->opener, now);
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i])
            ph_call_pump(a->calls[i], now);
    }
    tell(a, now);
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i] && a->calls[i]->released) {
            ph_call_free(a->calls[i]);
            a->calls[i] = NULL;
        }
    }
    a->pumping = false;
    schedule(a);
}

/* A fresh socket of a call's, and the datagram is not its stage's own business. */
static bool is_of_a_call(struct ph_agent *a, ph_ns now, ph_sock sock, const struct ph_datagram *in)
{
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        struct ph_call *c = a->calls[i];
        if (c && ph_hard_owns(&c->hard, sock))
            return !ph_hard_on_datagram(&c->hard, now, sock, in);
    }
    return false;
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct ph_agent *a = (struct ph_agent *)(void *)ep;
    bool one = sock == a->sockets[0].sock || sock == a->sockets[1].sock;
    ph_sock other = one ? 0 : sock;
    for (size_t i = 0; i < n; i++) {
        if (ph_network_on_datagram(&a->network, now, sock, &in[i]))
            continue;
        if (!one && (ph_opener_on_datagram(&a->opener, now, sock, &in[i]) ||
                     !is_of_a_call(a, now, sock, &in[i])))
            continue;
        switch (ph_demux(in[i].data, in[i].len)) {
        case PH_PACKET_STUN:
            on_stun(a, now, other, &in[i]);
            break;
        case PH_PACKET_RELAY_FRAME:
            if (other == 0)
                on_relay_frame(a, now, &in[i]);
            break;
        case PH_PACKET_QUIC:
            on_quic(a, now, other, &in[i]);
            break;
        case PH_PACKET_UNKNOWN:
            break;
        }
    }
    pump(a, now);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    pump((struct ph_agent *)(void *)ep, now);
}

static void on_http(struct ph_endpoint *ep, ph_ns now, ph_http id,
                    const struct ph_http_answer *answer)
{
    struct ph_agent *a = (struct ph_agent *)(void *)ep;
    ph_network_on_http(&a->network, now, id, answer);
    pump(a, now);
}

/* An address that packets to the world could leave from; where a relay is this machine's own, it
 * has that of the loopback. */
static bool has_address(const struct ph_agent *a, enum ph_family family)
{
    struct ph_addr local[LOCALS_MAX];
    size_t n = a->host->ops->local_addrs(a->host, local, LOCALS_MAX);
    for (size_t i = 0; i < n; i++) {
        local[i].port = 1; /* none would be unusable */
        if (local[i].family == family && !ph_addr_is_unusable(&local[i]))
            return true;
    }
    for (size_t i = 0; i < a->config.relay_count; i++) {
        const struct ph_addr *relay = &a->config.relays[i];
        if (relay->family == family && ph_addr_is_loopback(relay))
            return true;
    }
    return false;
}

static int open_socket(struct ph_agent *a, size_t i, enum ph_family family)
{
    struct ph_agent_socket *s = &a->sockets[i];
    struct ph_addr bind = a->config.bind[i];
    if (!ph_addr_is_set(&bind))
        bind.family = (uint8_t)family;
    int err = a->host->ops->udp_open(a->host, &bind, &s->sock);
    if (err != PH_OK) {
        s->sock = 0;
        return err;
    }
    s->local = a->host->ops->udp_local(a->host, s->sock);
    return PH_OK;
}

static bool has_relay(const struct ph_agent *a, enum ph_family family)
{
    for (size_t i = 0; i < a->config.relay_count; i++) {
        if (a->config.relays[i].family == family)
            return true;
    }
    return false;
}

static int open_where(struct ph_agent *a,
                      bool (*wanted)(const struct ph_agent *a, enum ph_family family))
{
    static const enum ph_family families[2] = {PH_AF_V4, PH_AF_V6};
    int err = PH_ERR_INVAL;
    for (size_t i = 0; i < 2; i++) {
        if (a->sockets[i].sock || !(ph_addr_is_set(&a->config.bind[i]) || wanted(a, families[i])))
            continue;
        int e = open_socket(a, i, families[i]);
        err = e == PH_OK ? err : e;
    }
    return ph_agent_families(a) != 0 ? PH_OK : err;
}

/* One socket for each family that the host has, besides those that are open; a machine may have
 * switched one off. Where it has none yet, for those that relays are known of. */
static int open_sockets(struct ph_agent *a)
{
    int err = open_where(a, has_address);
    return err == PH_OK ? PH_OK : open_where(a, has_relay);
}

static void on_network(struct ph_endpoint *ep, ph_ns now)
{
    struct ph_agent *a = (struct ph_agent *)(void *)ep;
    (void)open_sockets(a);
    ph_network_on_change(&a->network, now);
    ph_presence_on_network(&a->presence, now);
    /* What was ours and what was learnt were the old network's. */
    ph_opener_fini(&a->opener);
    ph_opener_init(&a->opener, a->host);
    ph_agent_gather(a);
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i] && a->calls[i]->state != PH_CALL_ENDED)
            ph_renewal_on_network(&a->calls[i]->renewal, now);
    }
    pump(a, now);
}

static void quic_random(void *user, void *out, size_t len)
{
    ph_host_random(user, out, len);
}

int ph_agent_new(const struct ph_agent_config *config, struct ph_agent **out)
{
    if (!config->host || config->relay_count == 0 || config->relay_count > PH_RELAYS_MAX ||
        config->stun_count > PH_STUNS_MAX)
        return PH_ERR_INVAL;
    struct ph_agent *a = calloc(1, sizeof(*a));
    if (!a)
        return PH_ERR_NOMEM;
    a->endpoint = (struct ph_endpoint){on_datagrams, on_timer, on_http, on_network};
    a->host = config->host;
    a->config = *config;
    a->registered_at = PH_NEVER;
    if (a->config.stages == 0)
        a->config.stages = (1u << PH_STAGE_COUNT) - 1;
    if (a->config.give_up == 0)
        a->config.give_up = GIVE_UP_DEFAULT;
    int err = ph_clat_new(config->host, &a->clat);
    if (err != PH_OK) {
        free(a);
        return err;
    }
    if (a->clat)
        a->host = ph_clat_host(a->clat);
    ph_presence_init(&a->presence, a);
    ph_opener_init(&a->opener, a->host);

    err = ph_identity_new(config->seed, &a->identity);
    if (err != PH_OK)
        goto fail;
    struct ph_quic_config quic = {
        .identity = a->identity,
        .random = quic_random,
        .random_user = a->host,
        .deterministic = config->deterministic,
    };
    err = ph_quic_new(&quic, &a->quic);
    if (err != PH_OK)
        goto fail;
    err = open_sockets(a);
    if (err != PH_OK)
        goto fail;
    err = ph_network_init(&a->network, a);
    if (err != PH_OK)
        goto fail;
    a->host->endpoint = &a->endpoint;

    ph_ns now = ph_host_now(a->host);
    err = ph_presence_start(&a->presence, now);
    if (err != PH_OK)
        goto fail;
    ph_network_start(&a->network, now);
    schedule(a);
    *out = a;
    return PH_OK;
fail:
    ph_agent_free(a);
    return err;
}

void ph_agent_free(struct ph_agent *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < PH_CALLS_MAX; i++)
        ph_call_free(a->calls[i]);
    ph_presence_fini(&a->presence);
    ph_opener_fini(&a->opener);
    ph_network_fini(&a->network);
    ph_quic_free(a->quic);
    ph_identity_free(a->identity);
    for (size_t i = 0; i < 2; i++) {
        if (a->sockets[i].sock)
            a->host->ops->udp_close(a->host, a->sockets[i].sock);
    }
    a->host->ops->wake_at(a->host, PH_NEVER);
    a->host->endpoint = NULL;
    ph_clat_free(a->clat);
    free(a);
}

void ph_agent_close(struct ph_agent *a)
{
    ph_ns now = ph_host_now(a->host);
    if (a->closing)
        return;
    a->closing = true;
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i])
            ph_call_hangup(a->calls[i]);
    }
    ph_network_close(&a->network, now);
    ph_agent_reschedule(a);
}

bool ph_agent_closed(const struct ph_agent *a)
{
    return a->closing && ph_network_closed(&a->network);
}

bool ph_agent_mapping(const struct ph_agent *a, struct ph_mapping *out)
{
    const struct ph_mapping *m = a->network.mapper ? ph_mapper_mapping(a->network.mapper) : NULL;
    *out = m ? *m : (struct ph_mapping){.protocol = PH_PORTMAP_NONE};
    return m != NULL;
}

void ph_agent_nat(const struct ph_agent *a, struct ph_nat_facts *out)
{
    *out = (struct ph_nat_facts){0};
    if (a->network.survey)
        ph_survey_facts(a->network.survey, out);
}

const uint8_t *ph_agent_fingerprint(const struct ph_agent *a)
{
    return ph_identity_fingerprint(a->identity);
}

bool ph_agent_registered(const struct ph_agent *a)
{
    return a->announced;
}

uint8_t ph_agent_opener_ttl(const struct ph_agent *a)
{
    return a->opener.ttl;
}

int ph_agent_call(struct ph_agent *a, const uint8_t peer[PH_FINGERPRINT_LEN], struct ph_call **out)
{
    if (a->closing || !a->announced || !ph_presence_registered(&a->presence))
        return PH_ERR_AGAIN;
    struct ph_call **slot = ph_calls_free_slot(a);
    if (!slot)
        return PH_ERR_SPACE;
    gather_candidates(a);
    int err = ph_call_dial(a, ph_host_now(a->host), peer, slot);
    if (err != PH_OK) {
        *slot = NULL;
        return err;
    }
    ph_agent_reschedule(a);
    if (out)
        *out = *slot;
    return PH_OK;
}

void ph_call_hangup(struct ph_call *c)
{
    struct ph_agent *a = c->agent;
    ph_ns now = ph_host_now(a->host);
    if (c->state == PH_CALL_ENDED)
        return;
    ph_call_end(c, now, PH_OK);
    struct ph_registrar *r = ph_presence_at(&a->presence, &c->relay);
    if (r)
        ph_quic_flush(r->conn, now);
    ph_agent_reschedule(a);
}

void ph_call_release(struct ph_call *c)
{
    struct ph_agent *a = c->agent;
    if (a->pumping) {
        c->released = true;
        return;
    }
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i] == c)
            a->calls[i] = NULL;
    }
    ph_call_free(c);
    schedule(a);
}
