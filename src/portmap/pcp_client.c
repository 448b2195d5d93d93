#include "portmap/pcp_client.h"

#include "base/err.h"

#include <string.h>

/* RFC 6887 section 7.4 tells servers 30 minutes for long errors; what is above is not believed. */
#define REFUSAL_MAX_S 3600
#define HINT_EVERY    (5 * PH_SEC)

static struct ph_pcp_client *of(struct ph_client *c)
{
    return (struct ph_pcp_client *)c;
}

static void stop(struct ph_pcp_client *p)
{
    p->question = PH_PCP_ASKS_NOTHING;
    ph_retry_stop(&p->retry);
}

/* ---- What is sent */

/* What is wished for, or what is had already. */
static struct ph_pcp_map suggestion(const struct ph_pcp_client *p)
{
    const struct ph_client *c = &p->base;
    struct ph_pcp_map m = {.internal_port = c->wish.internal_port};
    memcpy(m.nonce, p->nonce, sizeof(m.nonce));
    m.external = (struct ph_addr){.family = c->local.family, .port = c->wish.external_port};
    if (c->mapping.external.family == c->local.family)
        m.external = c->mapping.external;
    return m;
}

static void send_question(struct ph_pcp_client *p, enum ph_pcp_question question)
{
    struct ph_client *c = &p->base;
    uint8_t buf[PH_PCP_MAP_LEN];
    struct ph_pcp_map m = suggestion(p);
    int len = PH_ERR_INVAL;
    switch (question) {
    case PH_PCP_ASKS_NOTHING:
        break;
    case PH_PCP_ASKS_ANNOUNCE:
        len = ph_pcp_announce_request(buf, sizeof(buf), &c->local);
        break;
    case PH_PCP_ASKS_MAP:
        len = ph_pcp_map_request(buf, sizeof(buf), &c->local, &m, c->wish.lifetime_s);
        break;
    case PH_PCP_ASKS_DELETE:
        len = ph_pcp_map_request(buf, sizeof(buf), &c->local, &m, 0);
        break;
    }
    if (len > 0)
        ph_outlet_send(c->outlet, p->own ? p->own : c->outlet->sock, &c->server, p->scope, buf,
                       (size_t)len);
}

static void ask(struct ph_pcp_client *p, ph_ns now, enum ph_pcp_question question)
{
    p->question = question;
    ph_retry_start(&p->retry, now);
    if (ph_retry_take(&p->retry, now))
        send_question(p, question);
}

/* ---- What the mapper wants */

static bool ready(struct ph_pcp_client *p)
{
    struct ph_client *c = &p->base;
    if (!p->own_socket || p->own)
        return true;
    if (c->outlet->host->ops->udp_open(c->outlet->host, &c->local, &p->own) == PH_OK)
        return true;
    p->own = 0;
    ph_client_down(c, PH_PORTMAP_SILENT, 0, "no socket towards it");
    return false;
}

static void probe(struct ph_client *c, ph_ns now)
{
    if (!ready(of(c)))
        return;
    ph_client_asks(c, now, PH_CLIENT_PROBING);
    ask(of(c), now, PH_PCP_ASKS_ANNOUNCE);
}

static void map(struct ph_client *c, ph_ns now)
{
    struct ph_pcp_client *p = of(c);
    if (!ready(p))
        return;
    if (!p->has_nonce) {
        ph_host_random(c->outlet->host, p->nonce, sizeof(p->nonce));
        p->has_nonce = true;
    }
    if (c->held == PH_HELD_NOTHING)
        c->held = PH_HELD_PERHAPS;
    p->hollow = false;
    ph_client_asks(c, now, PH_CLIENT_MAPPING);
    ask(p, now, PH_PCP_ASKS_MAP);
}

static void drop(struct ph_client *c, ph_ns now)
{
    (void)now;
    stop(of(c));
    ph_lease_none(&c->lease);
    /* Who never answers has most likely nothing; should it have after all, its late answer says
     * so. */
    if (c->answered == PH_NEVER)
        c->held = PH_HELD_NOTHING;
    if (c->report.said == PH_PORTMAP_WAITING)
        c->report.said = PH_PORTMAP_SILENT; /* so far */
    ph_client_set_state(c, c->answered == PH_NEVER ? PH_CLIENT_IDLE : PH_CLIENT_PRESENT);
}

static void release(struct ph_client *c, ph_ns now)
{
    struct ph_pcp_client *p = of(c);
    if (c->answered == PH_NEVER && c->held == PH_HELD_PERHAPS) {
        send_question(p, PH_PCP_ASKS_DELETE); /* in case; not waited for */
        drop(c, now);
        return;
    }
    if (c->held == PH_HELD_NOTHING) {
        if (c->state != PH_CLIENT_DOWN)
            drop(c, now);
        return;
    }
    ph_lease_none(&c->lease);
    ph_client_set_state(c, PH_CLIENT_RELEASING);
    ask(p, now, PH_PCP_ASKS_DELETE);
}

static void forget(struct ph_client *c, ph_ns now)
{
    struct ph_pcp_client *p = of(c);
    if (c->held != PH_HELD_NOTHING)
        send_question(p, PH_PCP_ASKS_DELETE);
    drop(c, now);
    c->held = PH_HELD_NOTHING;
    p->has_nonce = false;
}

static void watch(struct ph_client *c, ph_ns now)
{
    if (c->state == PH_CLIENT_MAPPED && of(c)->question == PH_PCP_ASKS_NOTHING)
        ask(of(c), now, PH_PCP_ASKS_MAP);
}

/* ---- Silence and time */

static void silent(struct ph_pcp_client *p, ph_ns now)
{
    struct ph_client *c = &p->base;
    enum ph_pcp_question question = p->question;
    stop(p);
    switch (c->state) {
    case PH_CLIENT_MAPPED:
        if (question == PH_PCP_ASKS_MAP)
            ph_lease_renew_failed(&c->lease, now);
        else
            ph_lease_watched(&c->lease, now, false);
        return;
    case PH_CLIENT_RELEASING:
        c->held = PH_HELD_NOTHING;
        ph_client_set_state(c, PH_CLIENT_IDLE);
        return;
    case PH_CLIENT_MAPPING:
        if (c->answered != PH_NEVER)
            break;
        /* It may have made one all the same, and said so in words that nobody understands (another
         * nonce, half an answer). The last word costs a packet. */
        send_question(p, PH_PCP_ASKS_DELETE);
        c->held = PH_HELD_NOTHING;
        break;
    default:
        break;
    }
    c->answered = PH_NEVER;
    if (p->hollow && c->state == PH_CLIENT_MAPPING)
        ph_client_down(c, PH_PORTMAP_BROKEN, 0, "a mapping for 0 seconds");
    else
        ph_client_down(c, PH_PORTMAP_SILENT, 0, "no answer");
}

static void keep_up(struct ph_pcp_client *p, ph_ns now)
{
    struct ph_client *c = &p->base;
    if (now >= c->lease.expires) {
        stop(p);
        c->held = PH_HELD_NOTHING;
        c->answered = PH_NEVER;
        ph_client_down(c, PH_PORTMAP_SILENT, 0, "it was not renewed in time");
        return;
    }
    if (p->question != PH_PCP_ASKS_NOTHING)
        return;
    if (now >= c->lease.renew)
        ask(p, now, PH_PCP_ASKS_MAP);
    else if (now >= c->lease.watch)
        ask(p, now, PH_PCP_ASKS_ANNOUNCE);
}

static void on_timer(struct ph_client *c, ph_ns now)
{
    struct ph_pcp_client *p = of(c);
    if (ph_retry_over(&p->retry, now))
        silent(p, now);
    else if (ph_retry_take(&p->retry, now))
        send_question(p, p->question);
    if (c->state == PH_CLIENT_MAPPED)
        keep_up(p, now);
}

static ph_ns deadline(const struct ph_client *c)
{
    const struct ph_pcp_client *p = (const struct ph_pcp_client *)c;
    if (c->state == PH_CLIENT_MAPPED && p->question == PH_PCP_ASKS_NOTHING)
        return ph_lease_deadline(&c->lease);
    return ph_min_ns(ph_retry_deadline(&p->retry), c->lease.expires);
}

/* ---- What is answered */

static void on_refused(struct ph_pcp_client *p, ph_ns now, const struct ph_pcp_response *r)
{
    struct ph_client *c = &p->base;
    enum ph_pcp_question question = p->question;
    stop(p);
    if (question == PH_PCP_ASKS_DELETE) { /* it cannot be helped; its lifetime ends it */
        ph_client_released(c);
        return;
    }
    if (c->state == PH_CLIENT_MAPPED) {
        ph_lease_renew_failed(&c->lease, now);
        c->report.code = r->result;
        return;
    }
    c->held = PH_HELD_NOTHING;
    ph_ns stands = r->lifetime_s < REFUSAL_MAX_S ? r->lifetime_s : REFUSAL_MAX_S;
    c->refused_until = now + stands * PH_SEC;
    ph_client_down(c,
                   r->result == PH_PCP_UNSUPP_OPCODE ? PH_PORTMAP_UNSUPPORTED : PH_PORTMAP_REFUSED,
                   r->result, ph_pcp_result_text(r->result));
}

static void on_granted(struct ph_pcp_client *p, ph_ns now, const struct ph_pcp_response *r)
{
    struct ph_client *c = &p->base;
    if (r->lifetime_s == 0) { /* a deletion that was acknowledged late, or all that it ever says */
        p->hollow = true;
        return;
    }
    stop(p);
    if (r->map.external.port == 0 || r->map.external.family != c->local.family) {
        ph_client_down(c, PH_PORTMAP_BROKEN, 0, "a mapping to nowhere");
        return;
    }
    ph_client_mapped(c, now, &r->map.external, r->lifetime_s);
}

/* An answer that nobody waits for any more: what the server has made is to be given back. */
static void on_surplus(struct ph_pcp_client *p, const struct ph_pcp_response *r)
{
    struct ph_client *c = &p->base;
    if (r->result != PH_PCP_SUCCESS || r->lifetime_s == 0)
        return;
    c->held = PH_HELD_SURE;
    c->mapping.external = r->map.external;
}

static bool is_ours(const struct ph_pcp_client *p, const struct ph_pcp_response *r)
{
    static const struct ph_pcp_map none;
    if (!p->has_nonce)
        return false;
    /* Some servers refuse with a head alone. */
    if (r->result != PH_PCP_SUCCESS && memcmp(r->map.nonce, none.nonce, sizeof(none.nonce)) == 0 &&
        r->map.internal_port == 0)
        return p->question == PH_PCP_ASKS_MAP;
    return memcmp(r->map.nonce, p->nonce, sizeof(p->nonce)) == 0 &&
           r->map.internal_port == p->base.wish.internal_port;
}

static void on_map(struct ph_pcp_client *p, ph_ns now, const struct ph_pcp_response *r)
{
    struct ph_client *c = &p->base;
    switch (p->question) {
    case PH_PCP_ASKS_MAP:
        if (r->result == PH_PCP_SUCCESS)
            on_granted(p, now, r);
        else
            on_refused(p, now, r);
        return;
    case PH_PCP_ASKS_DELETE:
        if (r->result == PH_PCP_SUCCESS && r->lifetime_s > 0) {
            /* The answer to the request before; the deletion may have been overtaken by it. */
            if (c->surplus++ < 4)
                send_question(p, PH_PCP_ASKS_DELETE);
            return;
        }
        stop(p);
        p->has_nonce = false;
        ph_client_released(c);
        return;
    default:
        if (c->state != PH_CLIENT_MAPPED)
            on_surplus(p, r);
        return;
    }
}

static void on_announce(struct ph_pcp_client *p, ph_ns now)
{
    struct ph_client *c = &p->base;
    if (p->question != PH_PCP_ASKS_ANNOUNCE)
        return;
    stop(p);
    if (c->state == PH_CLIENT_MAPPED)
        ph_lease_watched(&c->lease, now, true);
    else
        ph_client_set_state(c, PH_CLIENT_PRESENT);
}

static ph_ns round_trip(const struct ph_pcp_client *p, ph_ns now)
{
    /* Of what was sent more than once nobody knows which one was answered. */
    return p->question != PH_PCP_ASKS_NOTHING && p->retry.sent == p->retry.started
               ? now - p->retry.sent
               : 0;
}

/* RFC 6887 section 14.1: a server that restarted may say so unasked. Anybody can forge that, so it
 * is no more than a reason to ask, now and then. */
static void on_hint(struct ph_pcp_client *p, ph_ns now, uint32_t epoch_s)
{
    struct ph_epoch e = p->epoch;
    if (p->base.state != PH_CLIENT_MAPPED || p->question != PH_PCP_ASKS_NOTHING ||
        ph_epoch_check_pcp(&e, now, epoch_s) || now < p->hinted + HINT_EVERY)
        return;
    p->hinted = now;
    ask(p, now, PH_PCP_ASKS_MAP);
}

/* A NAT-PMP server knows no PCP (RFC 6887 section 9). */
static bool on_other_version(struct ph_pcp_client *p, ph_ns now)
{
    if (p->question == PH_PCP_ASKS_NOTHING || p->base.state == PH_CLIENT_MAPPED)
        return false;
    ph_client_heard(&p->base, now, round_trip(p, now));
    stop(p);
    p->base.held = PH_HELD_NOTHING;
    ph_client_down(&p->base, PH_PORTMAP_UNSUPPORTED, PH_PCP_UNSUPP_VERSION,
                   ph_pcp_result_text(PH_PCP_UNSUPP_VERSION));
    return true;
}

bool ph_pcp_client_on_datagram(struct ph_pcp_client *p, ph_ns now, ph_sock sock,
                               const struct ph_datagram *in)
{
    struct ph_client *c = &p->base;
    struct ph_pcp_response r;
    if (sock != (p->own ? p->own : c->outlet->sock) || ph_pcp_parse(in->data, in->len, &r) != PH_OK)
        return false;
    if (r.version == 0)
        return on_other_version(p, now);
    /* Our version is 2: this one is for somebody who spoke another. */
    if (r.result == PH_PCP_UNSUPP_VERSION)
        return false;
    if (r.opcode == PH_PCP_MAP && !is_ours(p, &r))
        return true;
    if (r.opcode != PH_PCP_MAP && r.opcode != PH_PCP_ANNOUNCE)
        return true;
    ph_client_heard(c, now, round_trip(p, now));
    if (p->question != PH_PCP_ASKS_ANNOUNCE && r.opcode == PH_PCP_ANNOUNCE) {
        on_hint(p, now, r.epoch_s);
        return true;
    }
    bool kept = ph_epoch_check_pcp(&p->epoch, now, r.epoch_s);
    bool made = p->question == PH_PCP_ASKS_MAP && r.opcode == PH_PCP_MAP &&
                r.result == PH_PCP_SUCCESS; /* whatever was forgotten, this is a new one */
    if (r.opcode == PH_PCP_MAP)
        on_map(p, now, &r);
    else
        on_announce(p, now);
    if (!kept && !made && c->state == PH_CLIENT_MAPPED) {
        stop(p);
        ph_client_lost(c);
    }
    return true;
}

/* ---- */

static const struct ph_client_ops ops = {
    .probe = probe,
    .map = map,
    .drop = drop,
    .release = release,
    .forget = forget,
    .watch = watch,
    .on_timer = on_timer,
    .deadline = deadline,
};

void ph_pcp_client_init(struct ph_pcp_client *p, struct ph_outlet *outlet,
                        const struct ph_gateway *gateway, const struct ph_addr *local,
                        bool own_socket)
{
    *p = (struct ph_pcp_client){
        .scope = gateway->gateway.family == PH_AF_V6 ? gateway->scope : 0,
        .own_socket = own_socket,
    };
    ph_client_init(&p->base, &ops, PH_PORTMAP_PCP, outlet);
    p->base.server = gateway->gateway;
    p->base.server.port = PH_PCP_PORT;
    p->base.local = *local;
    p->base.local.port = 0;
    ph_retry_stop(&p->retry);
}

void ph_pcp_client_fini(struct ph_pcp_client *p)
{
    if (p->own)
        p->base.outlet->host->ops->udp_close(p->base.outlet->host, p->own);
    p->own = 0;
}
