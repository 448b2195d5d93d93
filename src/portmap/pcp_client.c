#include "portmap/pcp_client.h"

#include "base/err.h"

#include <string.h>

/* RFC 6887 section 7.4 tells servers 30 minutes for long errors; what is above is not believed. */
#define REFUSAL_MAX_S 3600

static struct ph_pcp_client *of(struct ph_client *c)
{
    return (struct ph_pcp_client *)c;
}

/* ---- What is asked */

/* What is wished for, or what is had already. */
static struct ph_pcp_map suggestion(const struct ph_pcp_client *p)
{
    const struct ph_client *c = &p->asker.base;
    struct ph_pcp_map m = {.internal_port = c->wish.internal_port};
    memcpy(m.nonce, p->nonce, sizeof(m.nonce));
    m.external = (struct ph_addr){.family = c->local.family, .port = c->wish.external_port};
    if (c->mapping.external.family == c->local.family)
        m.external = c->mapping.external;
    return m;
}

static void send_one(struct ph_asker *a, enum ph_question question)
{
    struct ph_client *c = &a->base;
    struct ph_pcp_client *p = of(c);
    uint8_t buf[PH_PCP_MAP_LEN];
    struct ph_pcp_map m = suggestion(p);
    int len;
    if (question == PH_ASKS_WHO)
        len = ph_pcp_announce_request(buf, sizeof(buf), &c->local);
    else
        len = ph_pcp_map_request(buf, sizeof(buf), &c->local, &m,
                                 question == PH_ASKS_MAP ? c->wish.lifetime_s : 0);
    if (len > 0)
        ph_outlet_send(c->outlet, p->own ? p->own : c->outlet->sock, &c->server, p->scope, buf,
                       (size_t)len);
}

static bool ready(struct ph_pcp_client *p)
{
    struct ph_client *c = &p->asker.base;
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
    if (ready(of(c)))
        ph_asker_begin(&of(c)->asker, now, PH_CLIENT_PROBING, PH_ASKS_WHO);
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
    ph_asker_begin(&p->asker, now, PH_CLIENT_MAPPING, PH_ASKS_MAP);
}

static void forgotten(struct ph_asker *a)
{
    of(&a->base)->has_nonce = false;
}

/* ---- What is answered */

static void on_refused(struct ph_pcp_client *p, ph_ns now, const struct ph_pcp_response *r)
{
    struct ph_client *c = &p->asker.base;
    ph_ns stands = r->lifetime_s < REFUSAL_MAX_S ? r->lifetime_s : REFUSAL_MAX_S;
    if (c->state != PH_CLIENT_MAPPED)
        c->refused_until = now + stands * PH_SEC;
    ph_asker_on_refused(&p->asker, now, r->result == PH_PCP_UNSUPP_OPCODE, r->result,
                        ph_pcp_result_text(r->result));
}

static void on_granted(struct ph_pcp_client *p, ph_ns now, const struct ph_pcp_response *r)
{
    struct ph_client *c = &p->asker.base;
    if (r->lifetime_s == 0) { /* a deletion that was acknowledged late, or all that it ever says */
        p->asker.hollow = true;
        return;
    }
    ph_asker_stop(&p->asker);
    if (r->map.external.port == 0 || r->map.external.family != c->local.family) {
        ph_client_down(c, PH_PORTMAP_BROKEN, 0, "a mapping to nowhere");
        return;
    }
    ph_client_mapped(c, now, &r->map.external, r->lifetime_s);
}

static bool is_ours(const struct ph_pcp_client *p, const struct ph_pcp_response *r)
{
    static const struct ph_pcp_map none;
    if (!p->has_nonce)
        return false;
    /* Some servers refuse with a head alone. */
    if (r->result != PH_PCP_SUCCESS && memcmp(r->map.nonce, none.nonce, sizeof(none.nonce)) == 0 &&
        r->map.internal_port == 0)
        return p->asker.questions == PH_ASKS_MAP;
    return memcmp(r->map.nonce, p->nonce, sizeof(p->nonce)) == 0 &&
           r->map.internal_port == p->asker.base.wish.internal_port;
}

static void on_map(struct ph_pcp_client *p, ph_ns now, const struct ph_pcp_response *r)
{
    struct ph_asker *a = &p->asker;
    bool granted = r->result == PH_PCP_SUCCESS && r->lifetime_s > 0;
    switch (a->questions) {
    case PH_ASKS_MAP:
        if (r->result == PH_PCP_SUCCESS)
            on_granted(p, now, r);
        else
            on_refused(p, now, r);
        return;
    case PH_ASKS_DELETE:
        ph_asker_on_deleted(a, granted);
        return;
    default:
        if (granted && a->base.state != PH_CLIENT_MAPPED)
            ph_asker_on_surplus(a, &r->map.external);
        return;
    }
}

static void on_announce(struct ph_pcp_client *p, ph_ns now)
{
    struct ph_client *c = &p->asker.base;
    ph_asker_stop(&p->asker);
    if (c->state == PH_CLIENT_MAPPED)
        ph_lease_watched(&c->lease, now, true);
    else
        ph_client_set_state(c, PH_CLIENT_PRESENT);
}

bool ph_pcp_client_on_datagram(struct ph_pcp_client *p, ph_ns now, ph_sock sock,
                               const struct ph_datagram *in)
{
    struct ph_asker *a = &p->asker;
    struct ph_pcp_response r;
    if (sock != (p->own ? p->own : a->base.outlet->sock) ||
        ph_pcp_parse(in->data, in->len, &r) != PH_OK)
        return false;
    /* A NAT-PMP server knows no PCP (RFC 6887 section 9). */
    if (r.version == 0)
        return ph_asker_on_other_version(a, now, PH_PCP_UNSUPP_VERSION,
                                         ph_pcp_result_text(PH_PCP_UNSUPP_VERSION));
    /* Our version is 2: this one is for somebody who spoke another. */
    if (r.result == PH_PCP_UNSUPP_VERSION)
        return false;
    if (r.opcode == PH_PCP_MAP && !is_ours(p, &r))
        return true;
    if (r.opcode != PH_PCP_MAP && r.opcode != PH_PCP_ANNOUNCE)
        return true;
    ph_asker_heard(a, now);
    if (a->questions != PH_ASKS_WHO && r.opcode == PH_PCP_ANNOUNCE) {
        ph_asker_on_hint(a, now, r.epoch_s);
        return true;
    }
    bool kept = ph_epoch_check_pcp(&a->epoch, now, r.epoch_s);
    bool made = a->questions == PH_ASKS_MAP && r.opcode == PH_PCP_MAP &&
                r.result == PH_PCP_SUCCESS; /* whatever was forgotten, this is a new one */
    if (r.opcode == PH_PCP_MAP)
        on_map(p, now, &r);
    else
        on_announce(p, now);
    if (!kept && !made)
        ph_asker_on_forgotten(a);
    return true;
}

/* ---- */

static const struct ph_asker_rules rules = {
    .protocol = PH_PORTMAP_PCP,
    .port = PH_PCP_PORT,
    .checks = PH_ASKS_MAP, /* ANNOUNCE's answer is about the server alone */
    .epoch_kept = ph_epoch_check_pcp,
    .send = send_one,
    .forgotten = forgotten,
};

static const struct ph_client_ops ops = {
    .probe = probe,
    .map = map,
    .drop = ph_asker_drop,
    .release = ph_asker_release,
    .forget = ph_asker_forget,
    .watch = ph_asker_watch,
    .on_timer = ph_asker_on_timer,
    .deadline = ph_asker_deadline,
};

void ph_pcp_client_init(struct ph_pcp_client *p, struct ph_outlet *outlet,
                        const struct ph_gateway *gateway, const struct ph_addr *local,
                        bool own_socket)
{
    *p = (struct ph_pcp_client){
        .scope = gateway->gateway.family == PH_AF_V6 ? gateway->scope : 0,
        .own_socket = own_socket,
    };
    ph_asker_init(&p->asker, &rules, &ops, outlet, gateway, local);
}

void ph_pcp_client_fini(struct ph_pcp_client *p)
{
    if (p->own)
        p->asker.base.outlet->host->ops->udp_close(p->asker.base.outlet->host, p->own);
    p->own = 0;
}
