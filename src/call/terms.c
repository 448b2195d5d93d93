#include "call/terms.h"

#include "base/err.h"
#include "call/agent.h"

#include <string.h>

void ph_terms_candidates(struct ph_call *c, struct ph_signal *m)
{
    struct ph_agent *a = c->agent;
    struct ph_candidate_set set = {0};
    memcpy(m->call_id, c->id, PH_CALL_ID_LEN);
    ph_portmap_stage_offer(&c->portmap, &set, &m->mapped_addr);
    for (size_t i = 0; i < a->candidates.count && a->config.stages & (1u << PH_STAGE_PUNCH); i++)
        ph_candidate_add(&set, a->candidates.items[i].type, &a->candidates.items[i].addr);
    memcpy(m->candidates, set.items, set.count * sizeof(set.items[0]));
    m->candidate_count = set.count;
}

/* The parts of an offer and of an answer that are alike. */
static void fill_terms(struct ph_call *c, struct ph_signal *m)
{
    memcpy(m->call_id, c->id, PH_CALL_ID_LEN);
    m->credentials = c->checker.own;
    m->relay_rtt_ms = (uint32_t)(ph_call_relay_rtt(c) / PH_MS);
    if (m->mode == PH_ANSWER_FULL)
        ph_terms_candidates(c, m);
}

static void take_terms(struct ph_call *c, const struct ph_signal *m)
{
    ph_checker_set_peer(&c->checker, &m->credentials);
    c->peer_relay_rtt = ph_min_ns(m->relay_rtt_ms, 5000) * PH_MS;
    c->peer_observed = m->observed;
}

/* The offer, and the first flight of the end-to-end handshake behind it. */
int ph_call_offer(struct ph_call *c, ph_ns now)
{
    struct ph_agent *a = c->agent;
    struct ph_signal offer = {.type = PH_SIGNAL_DIRECT_CALL_OFFER, .relay_token = c->tag};
    memcpy(offer.fingerprint, c->peer, PH_FINGERPRINT_LEN);
    fill_terms(c, &offer);
    c->terms_sent = true;
    int err = ph_call_tell(c, &offer);
    if (err != PH_OK)
        return err;
    /* The offer first: it makes the session at the relay. */
    ph_quic_flush(ph_presence_at(&a->presence, &c->relay)->conn, now);
    struct ph_quic_conn_config config = ph_call_quic_config(c);
    err = ph_quic_connect(a->quic, now, &config, &c->quic);
    if (err != PH_OK)
        return err;
    ph_quic_flush(c->quic, now);
    return PH_OK;
}

bool ph_terms_punches(const struct ph_call *c)
{
    return c->agent->config.stages & (1u << PH_STAGE_PUNCH | 1u << PH_STAGE_PORTMAP);
}

/* What came before the offer, or while the answer waited: the relay forwards nothing of ours before
 * our answer, so the caller's first flight is read behind it. */
static void read_early(struct ph_call *c, ph_ns now)
{
    const struct ph_early_frame *f;
    while ((f = ph_early_take(&c->agent->early, now, c->tag)))
        ph_call_on_quic(c, now, f->data, f->len, NULL);
}

/* The answer, and what goes with it; nothing of it was waited for longer than the stage portmap
 * wants. */
int ph_call_answer(struct ph_call *c, ph_ns now)
{
    struct ph_signal answer = {.type = PH_SIGNAL_DIRECT_CALL_ANSWER, .mode = c->mode};
    fill_terms(c, &answer);
    c->terms_sent = true;
    if (!c->no_direct && ph_terms_punches(c))
        ph_punch_open(&c->punch, now, &c->offer);
    int err = ph_call_tell(c, &answer);
    if (err != PH_OK)
        return err;
    if (c->mode == PH_ANSWER_REFUSE) {
        c->error = PH_ERR_REFUSED;
        ph_call_set_state(c, PH_CALL_ENDED);
    } else {
        ph_call_set_state(c, PH_CALL_CONNECTING);
        c->deadline = now + PH_CALL_ANSWER_TIMEOUT;
        read_early(c, now);
    }
    return PH_OK;
}

/* A call that gives no address away tries none. */
static void go_private(struct ph_call *c, ph_ns now)
{
    c->no_direct = true;
    for (int i = PH_STAGE_PORTMAP; i < PH_STAGE_RELAY; i++)
        ph_waterfall_end(&c->waterfall, (enum ph_stage)i, PH_STAGE_SKIPPED, now, "privacy answer");
}

int ph_call_dial(struct ph_agent *a, ph_ns now, const uint8_t peer[PH_FINGERPRINT_LEN],
                 struct ph_call **out)
{
    struct ph_call *c = ph_call_new(a, now, true, &a->presence.home->relay);
    if (!c)
        return PH_ERR_NOMEM;
    memcpy(c->peer, peer, PH_FINGERPRINT_LEN);
    ph_host_random(a->host, c->id, sizeof(c->id));
    do
        ph_host_random(a->host, &c->tag, sizeof(c->tag));
    while (c->tag == 0);
    c->deadline = now + PH_CALL_ANSWER_TIMEOUT;
    ph_portmap_stage_start(&c->portmap, now);
    int err = ph_portmap_stage_waits(&c->portmap, now) ? PH_OK : ph_call_offer(c, now);
    if (err != PH_OK) {
        ph_call_free(c);
        return err;
    }
    *out = c;
    return PH_OK;
}

int ph_call_from_offer(struct ph_agent *a, ph_ns now, const struct ph_addr *relay,
                       const struct ph_signal *offer, enum ph_answer_mode mode,
                       struct ph_call **out)
{
    struct ph_call *c = ph_call_new(a, now, false, relay);
    if (!c)
        return PH_ERR_NOMEM;
    memcpy(c->peer, offer->fingerprint, PH_FINGERPRINT_LEN);
    memcpy(c->id, offer->call_id, PH_CALL_ID_LEN);
    c->tag = offer->relay_token;
    c->mode = mode;
    c->offer = *offer;
    take_terms(c, offer);
    if (mode == PH_ANSWER_FULL)
        ph_portmap_stage_start(&c->portmap, now);
    else
        go_private(c, now);
    int err = ph_portmap_stage_waits(&c->portmap, now) ? PH_OK : ph_call_answer(c, now);
    if (err != PH_OK) {
        ph_call_free(c);
        return err;
    }
    *out = c;
    return PH_OK;
}

void ph_call_on_answer(struct ph_call *c, ph_ns now, const struct ph_signal *m)
{
    if (!c->caller || c->state != PH_CALL_DIALING)
        return;
    if (m->mode == PH_ANSWER_REFUSE) {
        ph_call_end(c, now, PH_ERR_REFUSED);
        return;
    }
    c->mode = m->mode;
    take_terms(c, m);
    ph_call_set_state(c, PH_CALL_CONNECTING);
    if (m->mode != PH_ANSWER_FULL)
        go_private(c, now);
    else if (!c->no_direct && ph_terms_punches(c))
        ph_punch_start(&c->punch, now, m);
}
