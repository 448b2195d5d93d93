#include "base/err.h"
#include "relay/relay.h"
#include "wire/framing.h"
#include "wire/signal.h"

#include <string.h>

/* To nobody, where a leg's client is away. */
static void send_bytes(struct ph_client *c, const uint8_t *data, size_t len)
{
    if (!c || c->gone) {
        return;
    }
    if (ph_quic_stream_send(c->conn, data, len)) {
        ph_relay_drop(c); /* it does not read what it is sent */
        return;
    }
    ph_relay_touch(c);
}

static void send_message(struct ph_client *c, const struct ph_signal *m)
{
    uint8_t bytes[PH_SIGNAL_MAX];
    int len = ph_signal_encode(m, bytes, sizeof(bytes));

    if (len > 0) {
        send_bytes(c, bytes, (size_t)len);
    }
}

static void send_hangup(struct ph_client *c, const uint8_t call_id[PH_CALL_ID_LEN],
                        enum ph_hangup_reason reason)
{
    struct ph_signal m = {.type = PH_SIGNAL_HANGUP, .reason = reason};

    memcpy(m.call_id, call_id, PH_CALL_ID_LEN);
    send_message(c, &m);
}

void ph_relay_end_session(struct ph_relay *relay, struct ph_session *session,
                          const struct ph_client *except, enum ph_hangup_reason reason)
{
    struct ph_client *ends[2] = {session->leg[0].client, session->leg[1].client};
    uint8_t call_id[PH_CALL_ID_LEN];

    memcpy(call_id, session->call_id, sizeof(call_id));
    /* Closed first: telling an end may drop it, and that ends its sessions. */
    ph_sessions_close(&relay->sessions, session);
    for (int i = 0; i < 2; i++) {
        if (ends[i] != except) {
            send_hangup(ends[i], call_id, reason);
        }
    }
}

/* What this relay says of the others. */
static void name_others(const struct ph_relay *relay, struct ph_signal *m)
{
    m->relay_count = relay->config.other_count;
    memcpy(m->relays, relay->config.others, sizeof(m->relays));
    memcpy(m->relay_regions, relay->config.other_regions, sizeof(m->relay_regions));
}

void ph_relay_tell_drain(struct ph_client *c)
{
    struct ph_signal m = {.type = PH_SIGNAL_DRAIN};

    name_others(c->relay, &m);
    send_message(c, &m);
}

/* It goes, or has more to do than it can. What runs here goes on. */
static bool takes_nobody(const struct ph_relay *relay)
{
    return relay->draining || ph_relay_overloaded(relay);
}

static bool has_calls(const struct ph_relay *relay, const uint8_t key[PH_FINGERPRINT_LEN])
{
    const struct ph_client *c = ph_registry_find(&relay->registry, key);

    return (c && c->legs) || ph_sessions_awaits(&relay->sessions, key);
}

static void on_register(struct ph_client *c, const struct ph_signal *m)
{
    struct ph_relay *relay = c->relay;
    const uint8_t *key = ph_quic_conn_peer(c->conn);
    struct ph_signal ack = {.type = PH_SIGNAL_REGISTER_PRESENCE_ACK};
    struct ph_client *before;

    /* Nobody registers as somebody else. */
    if (!key || memcmp(key, m->fingerprint, PH_FINGERPRINT_LEN) != 0) {
        ph_relay_drop(c);
        return;
    }
    if (!c->registered && takes_nobody(relay) && !has_calls(relay, key)) {
        relay->stats.refused_clients++;
        ph_relay_tell_drain(c);
        return;
    }
    before = ph_registry_enter(&relay->registry, c, key);
    if (before) {
        ph_relay_drop(before);
    }
    relay->stats.returns += ph_sessions_return(&relay->sessions, c);
    ack.observed = c->addr;
    memcpy(ack.region, relay->config.region, sizeof(ack.region));
    name_others(relay, &ack);
    send_message(c, &ack);
}

static uint64_t random_tag(struct ph_relay *relay)
{
    uint64_t tag;

    ph_host_random(relay->host, &tag, sizeof(tag));
    return tag;
}

/* Where a client is seen to be. One that names no address of its own is not given away. */
static struct ph_addr observed(const struct ph_client *c, const struct ph_signal *terms)
{
    bool named = terms->candidate_count > 0 || ph_addr_is_set(&terms->mapped_addr);

    return named ? c->addr : (struct ph_addr){0};
}

static struct ph_addr also(const struct ph_client *c, const struct ph_signal *terms)
{
    return ph_addr_is_set(&terms->observed) ? c->also : (struct ph_addr){0};
}

/* A peer has one connection, and may have two families: of the other one's address it shows a
 * voucher that came there. Whoever would have it named needs to receive packets at that IP, as
 * somebody does who connects from it. */
static void on_also(struct ph_client *c, const struct ph_signal *m)
{
    struct ph_relay *relay = c->relay;

    if (m->observed.family != c->addr.family && !ph_addr_is_unusable(&m->observed) &&
        ph_stun_vouches(&relay->stun, relay->now, &m->observed, m->relay_token)) {
        c->also = m->observed;
    }
}

static void on_offer(struct ph_client *c, const struct ph_signal *m)
{
    struct ph_relay *relay = c->relay;
    struct ph_client *callee = ph_registry_find(&relay->registry, m->fingerprint);
    struct ph_session *session;
    struct ph_signal offer;

    /* Where the relay goes, the callee is, or will be, somewhere else. */
    if (!callee || callee == c || relay->draining) {
        relay->stats.refused_calls += relay->draining;
        send_hangup(c, m->call_id, PH_HANGUP_UNKNOWN_PEER);
        return;
    }
    if (c->leg_count >= relay->config.sessions_per_client_max ||
        callee->leg_count >= relay->config.sessions_per_client_max ||
        relay->sessions.count >= relay->config.sessions_max || ph_relay_overloaded(relay) ||
        ph_sessions_open(&relay->sessions, relay->now, m, c, callee, random_tag(relay), &session)) {
        relay->stats.refused_calls++;
        send_hangup(c, m->call_id, PH_HANGUP_BUSY);
        return;
    }
    offer = *m;
    memcpy(offer.fingerprint, c->fingerprint, PH_FINGERPRINT_LEN);
    offer.relay_token = session->leg[PH_LEG_CALLEE].tag;
    offer.observed = observed(c, m);
    offer.also = also(c, &offer);
    send_message(callee, &offer);
}

/* Each end gets the other's terms and its own tag. */
static void send_setup(struct ph_leg *to, const struct ph_signal *terms, enum ph_answer_mode mode)
{
    struct ph_signal setup = *terms;

    setup.type = PH_SIGNAL_CALL_SETUP;
    setup.mode = mode;
    setup.relay_token = to->tag;
    memcpy(setup.fingerprint, ph_leg_other(to)->owner, PH_FINGERPRINT_LEN);
    send_message(to->client, &setup);
}

static void on_answer(struct ph_client *c, const struct ph_signal *m)
{
    struct ph_relay *relay = c->relay;
    struct ph_session *session = ph_sessions_find(&relay->sessions, m->call_id, c->fingerprint);
    struct ph_signal answer = *m;
    struct ph_signal offer;
    struct ph_leg *caller, *callee;

    if (!session || session->leg[PH_LEG_CALLEE].client != c || !session->offer) {
        return;
    }
    caller = &session->leg[PH_LEG_CALLER];
    callee = &session->leg[PH_LEG_CALLEE];
    memcpy(answer.fingerprint, c->fingerprint, PH_FINGERPRINT_LEN);
    if (m->mode != PH_ANSWER_FULL) {
        /* A callee that wants no address given away is not undone by a slip of its own. */
        answer.candidate_count = 0;
        answer.mapped_addr = (struct ph_addr){0};
    }
    answer.observed = observed(c, &answer);
    answer.also = also(c, &answer);
    if (m->mode == PH_ANSWER_REFUSE) {
        struct ph_client *to = caller->client;

        ph_sessions_close(&relay->sessions, session);
        send_message(to, &answer);
        return;
    }
    offer = *session->offer;
    offer.observed = observed(caller->client, &offer);
    offer.also = also(caller->client, &offer);
    ph_sessions_answered(&relay->sessions, session, m->mode);
    /* A client that cannot be told anything is dropped, and its sessions with it. */
    send_message(caller->client, &answer);
    session = ph_sessions_find(&relay->sessions, m->call_id, c->fingerprint);
    if (session) {
        send_setup(caller, &answer, m->mode);
        session = ph_sessions_find(&relay->sessions, m->call_id, c->fingerprint);
    }
    if (session) {
        send_setup(callee, &offer, m->mode);
    }
}

/* Goes through byte for byte, with what a newer peer has added. */
static void on_pass(struct ph_client *c, const struct ph_signal *m, const uint8_t *raw, size_t len)
{
    struct ph_relay *relay = c->relay;
    struct ph_session *session = ph_sessions_find(&relay->sessions, m->call_id, c->fingerprint);
    struct ph_leg *leg = session ? ph_session_leg_of(session, c->fingerprint) : NULL;
    struct ph_client *to;

    if (!leg) {
        return;
    }
    to = ph_leg_other(leg)->client;
    if (m->type == PH_SIGNAL_HANGUP) {
        ph_sessions_close(&relay->sessions, session);
    } else if (session->mode == PH_ANSWER_PRIVACY && leg == &session->leg[PH_LEG_CALLEE]) {
        return;
    }
    send_bytes(to, raw, len);
}

/* A running call that this relay may not know (any more). It knows it again when both ends have
 * said so, each naming the other: nobody gets into a call by its id alone. */
/* Both ends have named each other: each is told. */
static void confirm(const struct ph_session *session)
{
    struct ph_client *to[2];
    struct ph_signal m[2];

    /* Written first: telling an end may drop it, and that may end the session. */
    for (int i = 0; i < 2; i++) {
        to[i] = session->leg[i].client;
        m[i] =
            (struct ph_signal){.type = PH_SIGNAL_CALL_RESUME, .relay_token = session->leg[i].tag};
        memcpy(m[i].call_id, session->call_id, PH_CALL_ID_LEN);
        memcpy(m[i].fingerprint, session->leg[1 - i].owner, PH_FINGERPRINT_LEN);
    }
    send_message(to[0], &m[0]);
    send_message(to[1], &m[1]);
}

static void on_resume(struct ph_client *c, const struct ph_signal *m)
{
    struct ph_relay *relay = c->relay;
    struct ph_session *session = ph_sessions_find(&relay->sessions, m->call_id, c->fingerprint);
    struct ph_session_facts facts = {.leg = {{.tag = m->relay_token}}};
    struct ph_leg *leg;

    if (session) {
        leg = ph_session_leg_of(session, c->fingerprint);
        if (leg->client == c && leg->tag == m->relay_token) {
            return;
        }
        if (leg->tag == 0 &&
            memcmp(ph_leg_other(leg)->owner, m->fingerprint, PH_FINGERPRINT_LEN) == 0 &&
            c->leg_count < relay->config.sessions_per_client_max &&
            ph_sessions_arrive(&relay->sessions, leg, c, m->relay_token) == PH_OK) {
            relay->stats.resumes++;
            confirm(session);
            return;
        }
    } else if (m->relay_token != 0 && c->leg_count < relay->config.sessions_per_client_max &&
               relay->sessions.count < relay->config.sessions_max && !relay->draining) {
        memcpy(facts.call_id, m->call_id, PH_CALL_ID_LEN);
        memcpy(facts.leg[0].owner, c->fingerprint, PH_FINGERPRINT_LEN);
        memcpy(facts.leg[1].owner, m->fingerprint, PH_FINGERPRINT_LEN);
        if (ph_sessions_restore(&relay->sessions, relay->now, &facts, &session) == PH_OK) {
            ph_sessions_return(&relay->sessions, c);
            return;
        }
    }
    send_hangup(c, m->call_id, PH_HANGUP_LOST);
}

static void on_message(struct ph_client *c, const struct ph_signal *m, const uint8_t *raw,
                       size_t len)
{
    if (!ph_bucket_take(&c->messages, c->relay->now, PH_RELAY_MESSAGE_RATE,
                        PH_RELAY_MESSAGE_BURST) ||
        (!c->registered && m->type != PH_SIGNAL_REGISTER_PRESENCE)) {
        ph_relay_drop(c);
        return;
    }
    switch (m->type) {
    case PH_SIGNAL_REGISTER_PRESENCE:
        on_register(c, m);
        break;
    case PH_SIGNAL_DIRECT_CALL_OFFER:
        on_offer(c, m);
        break;
    case PH_SIGNAL_DIRECT_CALL_ANSWER:
        on_answer(c, m);
        break;
    case PH_SIGNAL_ICE_CANDIDATE:
    case PH_SIGNAL_CANDIDATE_UPDATE:
    case PH_SIGNAL_HANGUP:
        on_pass(c, m, raw, len);
        break;
    case PH_SIGNAL_CALL_RESUME:
        on_resume(c, m);
        break;
    case PH_SIGNAL_ALSO_AT:
        on_also(c, m);
        break;
    case PH_SIGNAL_REGISTER_PRESENCE_ACK:
    case PH_SIGNAL_CALL_SETUP:
    case PH_SIGNAL_DRAIN:
    default: /* a newer peer's, or a relay's own */
        break;
    }
}

static int take_message(void *user, const uint8_t *data, size_t len)
{
    struct ph_client *c = user;
    struct ph_signal m;
    int took = c->gone ? PH_ERR_CLOSED : ph_signal_decode(data, len, &m);

    if (took > 0) {
        on_message(c, &m, data, (size_t)took);
    }
    return took;
}

void ph_relay_on_stream(struct ph_client *c, const uint8_t *data, size_t len)
{
    if (ph_framing_feed(c->in, sizeof(c->in), &c->in_len, data, len, take_message, c)) {
        ph_relay_drop(c);
    }
}
