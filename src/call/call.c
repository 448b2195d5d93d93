#include "call/call.h"

#include "base/err.h"
#include "call/agent.h"
#include "call/checks.h"
#include "call/terms.h"

#include <stdlib.h>
#include <string.h>

#define ALPN         "pinhole-call/1"
#define IDLE_TIMEOUT (30 * PH_SEC)

void ph_call_set_state(struct ph_call *c, enum ph_call_state state)
{
    static const char *const names[] = {"dialing", "ringing", "connecting", "connected", "ended"};
    if (c->state == state)
        return;
    ph_call_trace(c, "call", names[c->state], names[state]);
    c->state = state;
    c->changed = true;
}

void ph_call_trace(struct ph_call *c, const char *who, const char *from, const char *to)
{
    ph_agent_trace(c->agent, who, from, to);
}

bool ph_call_established(const struct ph_call *c)
{
    return c->quic && !c->quic_closed && ph_quic_conn_state(c->quic) >= PH_QUIC_ESTABLISHED &&
           ph_quic_conn_state(c->quic) < PH_QUIC_CLOSED;
}

static void on_packet(void *user, const uint8_t *data, size_t len)
{
    struct ph_call *c = user;
    ph_carrier_send(&c->carrier, data, len);
}

static void on_state(void *user, enum ph_quic_state state)
{
    struct ph_call *c = user;
    if (state == PH_QUIC_CLOSED)
        c->quic_closed = true;
}

static void on_stream(void *user, const uint8_t *data, size_t len)
{
    struct ph_call *c = user;
    ph_talk_on_stream(c, ph_host_now(c->agent->host), data, len);
}

static void on_pipe(void *user, const uint8_t *data, size_t len)
{
    struct ph_call *c = user;
    ph_pipe_on_bytes(&c->pipe, data, len);
}

static void on_pipe_event(void *user, enum ph_quic_pipe_event event)
{
    struct ph_call *c = user;
    ph_pipe_on_event(&c->pipe, event);
}

/* The peer has settled on a path that is not proved to us yet, or its NAT has given it another
 * address. */
static void on_direct_media(struct ph_call *c, ph_ns now)
{
    struct ph_path *path = ph_path_find(&c->paths, &c->carrier.reading_from);
    if (!path && c->steering.path)
        path = ph_path_add_heard(&c->paths, &c->carrier.reading_from);
    if (path && path != c->steering.path)
        ph_checks_on_sealed(c, now, path);
}

static void tell_media(struct ph_call *c, ph_ns now, const struct ph_inband *m)
{
    const struct ph_agent_config *config = &c->agent->config;
    struct ph_media_frame frame = {.number = m->number,
                                   .sent_us = m->sent_us,
                                   .arrived = now,
                                   .direct = c->carrier.reading_direct};
    if (config->callbacks.on_media)
        config->callbacks.on_media(config->user, c, &frame);
}

static void on_datagram(void *user, const uint8_t *data, size_t len)
{
    struct ph_call *c = user;
    ph_ns now = ph_host_now(c->agent->host);
    struct ph_inband m;
    if (ph_inband_decode(data, len, &m) != PH_OK)
        return;
    bool direct = c->carrier.reading_direct && m.lane == PH_LANE_DIRECT;
    bool relayed = !c->carrier.reading_direct && m.lane == PH_LANE_RELAY;
    if (direct && c->direct_at == PH_NEVER)
        c->direct_at = now;
    if (relayed && c->relay_at == PH_NEVER)
        c->relay_at = now;
    switch (m.kind) {
    case PH_INBAND_MEDIA:
        ph_steering_on_media(&c->steering, now, &m);
        if (direct)
            on_direct_media(c, now);
        if (c->media_at == PH_NEVER) {
            c->media_at = now;
            c->changed = true;
        }
        if (ph_media_on_frame(&c->media, now, &m))
            tell_media(c, now, &m);
        break;
    case PH_INBAND_PROBE:
        ph_carrier_on_probe(&c->carrier, now, &m);
        break;
    case PH_INBAND_ECHO:
        ph_carrier_on_echo(&c->carrier, now, &m);
        break;
    case PH_INBAND_PUNCHING:
        if (!c->caller)
            ph_punch_on_word(&c->punch, now);
        break;
    case PH_INBAND_QUALITY:
        ph_adapt_on_datagram(&c->adapt, now, &m);
        break;
    case PH_INBAND_HEARD:
    case PH_INBAND_DEAF:
    case PH_INBAND_PAUSE:
        ph_steering_on_word(&c->steering, now, &m);
        break;
    }
}

int ph_call_send_inband(struct ph_call *c, ph_ns now, struct ph_inband *m, size_t total,
                        struct ph_path *path)
{
    uint8_t buf[PH_QUIC_DATAGRAM_MAX];
    if (!ph_call_established(c))
        return PH_ERR_AGAIN;
    m->lane = path ? PH_LANE_DIRECT : PH_LANE_RELAY;
    int len = ph_inband_encode(m, total, buf, sizeof(buf));
    if (len < 0)
        return len;
    /* What else the connection has to say (the end of the handshake, above all) must not go out on
     * a path that may lead nowhere. */
    ph_quic_flush(c->quic, now);
    c->carrier.forced = true;
    c->carrier.target = path;
    c->carrier.written_bytes = 0;
    int err = ph_quic_datagram_send(c->quic, now, buf, (size_t)len);
    c->carrier.forced = false;
    return err != PH_OK ? err : (int)c->carrier.written_bytes;
}

/* Tells the call's relay. PH_ERR_AGAIN when not registered with it (any more). */
int ph_call_tell(struct ph_call *c, const struct ph_signal *m)
{
    struct ph_registrar *r = ph_presence_at(&c->agent->presence, &c->relay);
    return r ? ph_registrar_send(r, m) : PH_ERR_AGAIN;
}

ph_ns ph_call_relay_rtt(struct ph_call *c)
{
    struct ph_registrar *r = ph_presence_at(&c->agent->presence, &c->relay);
    return r ? ph_registrar_rtt(r) : 0;
}

ph_ns ph_call_signalling_rtt(struct ph_call *c)
{
    return ph_call_relay_rtt(c) + c->peer_relay_rtt;
}

struct ph_quic_conn_config ph_call_quic_config(struct ph_call *c)
{
    return (struct ph_quic_conn_config){
        .alpn = ALPN,
        .peer_fingerprint = c->peer,
        .callbacks = {on_packet, on_state, on_stream, on_datagram, on_pipe, on_pipe_event},
        .user = c,
        .pipe = c->agent->config.callbacks.on_stream != NULL,
        .idle_timeout = IDLE_TIMEOUT,
        .keep_alive = 3 * PH_SEC,
        .handshake_timeout = PH_CALL_ANSWER_TIMEOUT,
    };
}

struct ph_call *ph_call_new(struct ph_agent *a, ph_ns now, bool caller, const struct ph_addr *relay)
{
    struct ph_call *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    uint8_t random[32];
    ph_host_random(a->host, random, sizeof(random));
    c->agent = a;
    c->caller = caller;
    c->relay = *relay;
    c->state = caller ? PH_CALL_DIALING : PH_CALL_RINGING;
    c->started = now;
    c->relay_at = c->direct_at = c->media_at = c->deadline = PH_NEVER;
    ph_checker_init(&c->checker, caller, random);
    ph_carrier_init(&c->carrier, c);
    ph_steering_init(&c->steering, c);
    ph_warm_init(&c->warm, c);
    c->no_direct = !(a->config.stages & ~(1u << PH_STAGE_RELAY));
    ph_waterfall_init(&c->waterfall, now, a->config.stages);
    ph_portmap_stage_init(&c->portmap, c);
    ph_punch_init(&c->punch, c);
    ph_hard_init(&c->hard, c);
    ph_search_init(&c->search);
    ph_renewal_init(&c->renewal, c);
    ph_media_init(&c->media);
    ph_adapt_init(&c->adapt, c);
    ph_pipe_init(&c->pipe, c);
    return c;
}

void ph_call_free(struct ph_call *c)
{
    if (!c)
        return;
    if (c->quic)
        ph_quic_conn_free(c->quic);
    ph_hard_fini(&c->hard);
    ph_pipe_fini(&c->pipe);
    free(c);
}

static int hangup_error(enum ph_hangup_reason reason)
{
    switch (reason) {
    case PH_HANGUP_REFUSED:
        return PH_ERR_REFUSED;
    case PH_HANGUP_UNKNOWN_PEER:
        return PH_ERR_NOENT;
    case PH_HANGUP_BUSY:
        return PH_ERR_SPACE;
    case PH_HANGUP_LOST:
    case PH_HANGUP_NORMAL:
        break;
    }
    return PH_ERR_CLOSED;
}

void ph_call_on_signal(struct ph_call *c, ph_ns now, const struct ph_signal *m)
{
    if (c->search.state != PH_SEARCH_IDLE)
        return; /* its relay has not been dialled yet */
    switch (m->type) {
    case PH_SIGNAL_DIRECT_CALL_ANSWER:
    case PH_SIGNAL_CALL_SETUP:
        /* Either brings the answerer's terms; the first to arrive counts. */
        ph_call_on_answer(c, now, m);
        break;
    case PH_SIGNAL_ICE_CANDIDATE:
        ph_punch_add(&c->punch, now, m->candidates, m->candidate_count);
        break;
    case PH_SIGNAL_HANGUP:
        if (ph_search_on_hangup(c, now, m->reason, hangup_error(m->reason)))
            break;
        /* A lost signalling connection does not end a call that has a path of its own. */
        if (m->reason != PH_HANGUP_LOST || !c->steering.path)
            ph_call_end(c, now, hangup_error(m->reason));
        break;
    default:
        break;
    }
}

bool ph_call_on_check(struct ph_call *c, ph_ns now, const struct ph_stun *msg, const uint8_t *data,
                      size_t len, const struct ph_source *from)
{
    if (c->state == PH_CALL_ENDED)
        return false;
    if (msg->type != PH_STUN_BINDING_REQUEST)
        return ph_checks_on_response(c, now, msg, data, len, from);
    if (!ph_check_is_for(&c->checker, msg))
        return false;
    if (!c->no_direct)
        ph_checks_on_request(c, now, msg, data, len, from);
    return true;
}

static void on_established(struct ph_call *c, ph_ns now)
{
    ph_call_set_state(c, PH_CALL_CONNECTED);
    c->deadline = PH_NEVER;
    ph_waterfall_carry(&c->waterfall, PH_STAGE_RELAY, now);
    ph_carrier_release_held(&c->carrier, now);
    ph_checks_on_established(c, now);
    ph_punch_on_established(&c->punch, now);
    ph_hard_on_established(&c->hard, now);
    ph_media_start(&c->media, now);
    ph_adapt_start(&c->adapt, now);
}

void ph_call_on_quic(struct ph_call *c, ph_ns now, const uint8_t *data, size_t len,
                     const struct ph_source *from)
{
    if (c->state == PH_CALL_ENDED)
        return;
    if (from) {
        if (c->no_direct)
            return;
        struct ph_path *p = ph_path_find(&c->paths, from);
        if (p) {
            p->bytes_in += len;
            p->last_heard = now;
        }
    }
    if (!c->quic) {
        /* The caller's first flight, which only comes by the relay. */
        if (c->caller || from)
            return;
        if (!c->terms_sent) {
            ph_early_keep(&c->agent->early, now, c->tag, data, len);
            return;
        }
        struct ph_quic_conn_config config = ph_call_quic_config(c);
        if (ph_quic_accept(c->agent->quic, now, data, len, NULL, &config, &c->quic) != PH_OK)
            c->quic = NULL;
        return;
    }
    ph_carrier_read(&c->carrier, now, data, len, from);
}

void ph_call_end(struct ph_call *c, ph_ns now, int error)
{
    if (c->state == PH_CALL_ENDED)
        return;
    /* The relay forgets the call (it ignores this where it has), the peer hears of it even where
     * the end-to-end connection is not to be had, and that goes silent. */
    struct ph_signal m = {.type = PH_SIGNAL_HANGUP, .reason = PH_HANGUP_NORMAL};
    memcpy(m.call_id, c->id, PH_CALL_ID_LEN);
    (void)ph_call_tell(c, &m);
    if (c->quic)
        ph_quic_conn_close(c->quic, now);
    c->quic = NULL;
    c->quic_closed = false;
    c->error = error;
    c->deadline = PH_NEVER;
    ph_media_stop(&c->media);
    ph_adapt_stop(&c->adapt);
    ph_pipe_on_end(&c->pipe);
    for (int i = PH_STAGE_PORTMAP; i < PH_STAGE_RELAY; i++)
        ph_waterfall_end(&c->waterfall, (enum ph_stage)i, PH_STAGE_LOST, now, "the call ended");
    ph_portmap_stage_init(&c->portmap, c);
    ph_punch_init(&c->punch, c);
    ph_hard_fini(&c->hard);
    ph_call_set_state(c, PH_CALL_ENDED);
}

void ph_call_send_as_media(struct ph_call *c, ph_ns now, struct ph_inband *m, size_t total)
{
    const struct ph_steering *s = &c->steering;
    int sent = PH_OK;
    if (s->path)
        sent = ph_call_send_inband(c, now, m, total, s->path);
    if (s->state != PH_STEERING_DIRECT)
        sent = ph_call_send_inband(c, now, m, total, NULL);
    if (ph_call_established(c))
        ph_carrier_note_window(&c->carrier, now, sent == PH_ERR_AGAIN);
}

void ph_call_repeat_media(struct ph_call *c, ph_ns now)
{
    struct ph_inband frame;
    if (!c->steering.path || !ph_media_last(&c->media, &frame))
        return;
    frame.epoch = c->steering.epoch;
    (void)ph_call_send_inband(c, now, &frame, ph_adapt_frame_bytes(&c->adapt, now, frame.number),
                              c->steering.path);
}

static void send_media(struct ph_call *c, ph_ns now)
{
    const struct ph_steering *s = &c->steering;
    struct ph_inband frame;
    while (ph_media_next(&c->media, now, &frame)) {
        frame.epoch = s->epoch;
        ph_call_send_as_media(c, now, &frame, ph_adapt_frame_bytes(&c->adapt, now, frame.number));
    }
}

void ph_call_pump(struct ph_call *c, ph_ns now)
{
    if (c->quic_closed && c->quic) {
        int error = ph_quic_conn_error(c->quic);
        ph_quic_conn_free(c->quic);
        c->quic = NULL;
        ph_call_end(c, now, error != PH_OK ? error : PH_ERR_CLOSED);
    }
    if (c->state == PH_CALL_ENDED)
        return;
    if (now >= c->deadline) {
        ph_call_end(c, now, PH_ERR_TIMEOUT);
        return;
    }
    ph_portmap_stage_pump(&c->portmap, now);
    if (!c->terms_sent && !ph_portmap_stage_waits(&c->portmap, now)) {
        int err = c->caller ? ph_call_offer(c, now) : ph_call_answer(c, now);
        if (err != PH_OK) {
            ph_call_end(c, now, err);
            return;
        }
        /* Before anything of the call's own, which the relay would not forward yet. */
        ph_quic_flush(ph_presence_at(&c->agent->presence, &c->relay)->conn, now);
    }
    ph_search_pump(c, now);
    if (c->state == PH_CALL_ENDED)
        return;
    /* A caller has keys only when the answer's terms are there too: a callee that has not answered
     * gets no media, even if its keys were early. */
    if (c->state == PH_CALL_CONNECTING && ph_call_established(c))
        on_established(c, now);
    ph_punch_pump(&c->punch, now);
    ph_hard_pump(&c->hard, now);
    ph_carrier_pump(&c->carrier, now);
    ph_renewal_pump(&c->renewal, now);
    ph_warm_pump(&c->warm, now);
    ph_steering_pump(&c->steering, now);
    ph_adapt_pump(&c->adapt, now);
    send_media(c, now);
    ph_pipe_pump(&c->pipe);
    if (c->quic)
        ph_quic_flush(c->quic, now);
}

ph_ns ph_call_deadline(const struct ph_call *c)
{
    if ((c->quic_closed && c->quic) || c->pipe.owed)
        return 0;
    if (c->state == PH_CALL_ENDED)
        return PH_NEVER;
    ph_ns t = ph_min_ns(ph_min_ns(c->deadline, c->media.next), ph_punch_deadline(&c->punch));
    t = ph_min_ns(t, ph_adapt_deadline(&c->adapt));
    t = ph_min_ns(t, ph_checks_deadline(c));
    t = ph_min_ns(t, ph_hard_deadline(&c->hard, ph_host_now(c->agent->host)));
    t = ph_min_ns(t, ph_search_deadline(&c->search));
    t = ph_min_ns(t, ph_min_ns(ph_carrier_deadline(&c->carrier), ph_renewal_deadline(&c->renewal)));
    t = ph_min_ns(t, ph_min_ns(ph_warm_deadline(&c->warm), ph_steering_deadline(&c->steering)));
    return ph_min_ns(t, ph_portmap_stage_deadline(&c->portmap));
}

void ph_call_report(const struct ph_call *c, struct ph_call_report *out)
{
    *out = (struct ph_call_report){
        .state = c->state,
        .error = c->error,
        .caller = c->caller,
        .started = c->started,
        .relay_at = c->relay_at,
        .direct_at = c->direct_at,
        .media_at = c->media_at,
        .decided_at = c->steering.decided_at,
        .upgrades = c->steering.upgrades,
        .fallbacks = c->steering.fallbacks,
        .settled = c->state == PH_CALL_ENDED ||
                   (ph_waterfall_settled(&c->waterfall) && !ph_checks_racing(c)),
        .direct = c->steering.path != NULL,
        .stage = c->waterfall.carrying,
        .relay = c->relay,
        .media = c->media.report,
        .stream = c->pipe.report,
    };
    ph_adapt_report(&c->adapt, ph_host_now(c->agent->host), out);
    memcpy(out->call_id, c->id, sizeof(out->call_id));
    memcpy(out->peer, c->peer, sizeof(out->peer));
    memcpy(out->stages, c->waterfall.stages, sizeof(out->stages));
    if (c->steering.path) {
        const struct ph_addr *remote = &c->steering.path->remote;
        out->local = ph_agent_socket(c->agent, (enum ph_family)remote->family)->local;
        out->remote = *remote;
    }
}

void ph_call_media_stop(struct ph_call *c)
{
    ph_media_stop(&c->media);
    ph_steering_pause(&c->steering, ph_host_now(c->agent->host), c->media.next_number);
}
