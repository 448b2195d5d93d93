#include "portmap/natpmp_client.h"

#include "base/err.h"
#include "wire/pcp.h"

#include <string.h>

#define ADDRESS_FRESH (60 * PH_SEC)

static struct ph_natpmp_client *of(struct ph_client *c)
{
    return (struct ph_natpmp_client *)c;
}

/* ---- What is asked */

static void send_one(struct ph_asker *a, enum ph_question question)
{
    struct ph_client *c = &a->base;
    uint8_t buf[PH_NATPMP_REQUEST_MAX];
    /* Renewed and made again with the port that was granted (RFC 6886 section 3.3). */
    uint16_t external = c->mapping.external.port ? c->mapping.external.port : c->wish.external_port;
    int len;
    if (question == PH_ASKS_WHO)
        len = ph_natpmp_address_request(buf, sizeof(buf));
    else if (question == PH_ASKS_MAP)
        len = ph_natpmp_map_request(buf, sizeof(buf), c->wish.internal_port, external,
                                    c->wish.lifetime_s);
    else
        len = ph_natpmp_map_request(buf, sizeof(buf), c->wish.internal_port, 0, 0);
    if (len > 0)
        ph_outlet_send(c->outlet, c->outlet->sock, &c->server, 0, buf, (size_t)len);
}

static void probe(struct ph_client *c, ph_ns now)
{
    ph_asker_begin(&of(c)->asker, now, PH_CLIENT_PROBING, PH_ASKS_WHO);
}

static void map(struct ph_client *c, ph_ns now)
{
    struct ph_natpmp_client *n = of(c);
    /* A mapping's answer does not say of which address: both questions go out together. */
    bool known = ph_addr_is_set(&n->address) && now < n->address_at + ADDRESS_FRESH;
    n->port = 0;
    n->asked_map = true;
    ph_asker_begin(&n->asker, now, PH_CLIENT_MAPPING,
                   known ? PH_ASKS_MAP : PH_ASKS_MAP | PH_ASKS_WHO);
}

static void forgotten(struct ph_asker *a)
{
    of(&a->base)->asked_map = false;
}

/* ---- What is answered */

/* A port is granted and, as far as it will ever be, the address is known. */
static void granted(struct ph_natpmp_client *n, ph_ns now)
{
    /* Without one it is 0.0.0.0, as routers say that have no line. */
    struct ph_addr external = ph_addr_v4(0, 0, 0, 0, n->port);
    if (ph_addr_is_set(&n->address)) {
        external = n->address;
        external.port = n->port;
    }
    ph_client_mapped(&n->asker.base, now, &external, n->lifetime_s);
}

static bool has_line(const struct ph_addr *a)
{
    static const uint8_t none[4];
    return ph_addr_is_set(a) && memcmp(a->ip, none, sizeof(none)) != 0;
}

/* The address by which the router is connected now, compared with the mapping's. */
static void on_line(struct ph_natpmp_client *n)
{
    struct ph_client *c = &n->asker.base;
    if (!has_line(&n->address) || ph_addr_ip_eq(&n->address, &c->mapping.external))
        return;
    /* Another line, though it claims to remember: servers forget to say so. */
    if (has_line(&c->mapping.external))
        ph_client_lost(c);
    else
        memcpy(c->mapping.external.ip, n->address.ip, sizeof(c->mapping.external.ip));
}

static void on_address(struct ph_natpmp_client *n, ph_ns now, const struct ph_natpmp_response *r)
{
    struct ph_client *c = &n->asker.base;
    ph_asker_answered(&n->asker, PH_ASKS_WHO);
    n->address = r->external;
    n->address_at = now;
    if (r->result == PH_NATPMP_SUCCESS)
        c->report.external = r->external;
    else
        c->report.code = r->result;
    switch (c->state) {
    case PH_CLIENT_PROBING: /* without an address it may map all the same */
        ph_client_set_state(c, PH_CLIENT_PRESENT);
        return;
    case PH_CLIENT_MAPPING:
        if (n->port != 0)
            granted(n, now);
        return;
    case PH_CLIENT_MAPPED:
        ph_lease_watched(&c->lease, now, true);
        on_line(n);
        c->report.external = c->mapping.external;
        return;
    default:
        return;
    }
}

static void on_mapped(struct ph_natpmp_client *n, ph_ns now, const struct ph_natpmp_response *r)
{
    struct ph_client *c = &n->asker.base;
    if (r->lifetime_s == 0) { /* a deletion that was acknowledged late, or all that it ever says */
        n->asker.hollow = true;
        return;
    }
    ph_asker_answered(&n->asker, PH_ASKS_MAP);
    n->port = r->external_port;
    n->lifetime_s = r->lifetime_s;
    if (n->port == 0) {
        ph_asker_stop(&n->asker);
        ph_client_down(c, PH_PORTMAP_BROKEN, 0, "a mapping to port 0");
        return;
    }
    /* Should we be asked to give it back before the address is known. */
    c->held = PH_HELD_SURE;
    if (!(n->asker.questions & PH_ASKS_WHO))
        granted(n, now);
}

static bool is_grant(const struct ph_natpmp_response *r)
{
    return r->op == PH_NATPMP_MAP_UDP && r->result == PH_NATPMP_SUCCESS && r->lifetime_s > 0;
}

static void on_map(struct ph_natpmp_client *n, ph_ns now, const struct ph_natpmp_response *r)
{
    struct ph_asker *a = &n->asker;
    if (a->questions & PH_ASKS_DELETE)
        ph_asker_on_deleted(a, is_grant(r));
    else if (r->result == PH_NATPMP_SUCCESS)
        on_mapped(n, now, r);
    else
        ph_asker_on_refused(a, now, r->result == PH_NATPMP_UNSUPPORTED_OPCODE, r->result,
                            ph_natpmp_result_text(r->result));
}

/* A PCP server that knows no NAT-PMP (RFC 6887 section 9). */
static bool on_pcp(struct ph_natpmp_client *n, ph_ns now, const struct ph_datagram *in)
{
    struct ph_pcp_response r;
    return ph_pcp_parse(in->data, in->len, &r) == PH_OK && r.version != 0 &&
           r.result == PH_PCP_UNSUPP_VERSION &&
           ph_asker_on_other_version(&n->asker, now, PH_NATPMP_UNSUPPORTED_VERSION,
                                     ph_natpmp_result_text(PH_NATPMP_UNSUPPORTED_VERSION));
}

static bool is_ours(const struct ph_natpmp_client *n, const struct ph_natpmp_response *r)
{
    /* We speak version 0: who does not know version 0 cannot say so in version 0. That is the
     * answer to a PCP request. */
    if (r->result == PH_NATPMP_UNSUPPORTED_VERSION)
        return false;
    if (r->op == PH_NATPMP_ADDRESS)
        return true;
    bool headless =
        r->result != PH_NATPMP_SUCCESS && r->internal_port == 0 && n->asker.questions != 0;
    return r->op == PH_NATPMP_MAP_UDP &&
           (r->internal_port == n->asker.base.wish.internal_port || headless);
}

static bool is_asked(const struct ph_natpmp_client *n, const struct ph_natpmp_response *r)
{
    return n->asker.questions &
           (r->op == PH_NATPMP_ADDRESS ? (unsigned)PH_ASKS_WHO
                                       : (unsigned)(PH_ASKS_MAP | PH_ASKS_DELETE));
}

/* An answer to nothing: an announcement, or the answer to a mapping that nobody wants any more. */
static void on_unasked(struct ph_natpmp_client *n, ph_ns now, const struct ph_natpmp_response *r)
{
    struct ph_client *c = &n->asker.base;
    ph_asker_on_hint(&n->asker, now, r->epoch_s);
    if (c->state != PH_CLIENT_MAPPED && c->state != PH_CLIENT_MAPPING && n->asked_map &&
        is_grant(r)) {
        struct ph_addr external = ph_addr_v4(0, 0, 0, 0, r->external_port);
        ph_client_heard(c, now, 0);
        ph_asker_on_surplus(&n->asker, &external);
    }
}

bool ph_natpmp_client_on_datagram(struct ph_natpmp_client *n, ph_ns now,
                                  const struct ph_datagram *in)
{
    struct ph_asker *a = &n->asker;
    struct ph_natpmp_response r;
    if (ph_natpmp_parse(in->data, in->len, &r) != PH_OK)
        return on_pcp(n, now, in);
    if (!is_ours(n, &r))
        return true;
    if (!is_asked(n, &r)) {
        on_unasked(n, now, &r);
        return true;
    }
    ph_asker_heard(a, now);
    bool kept = ph_epoch_check_natpmp(&a->epoch, now, r.epoch_s);
    /* Whatever was forgotten, this is a new one. So is the one whose address this answer tells:
     * were it lost by that, a server whose epoch jumps would be asked again without end. */
    bool made = a->base.state == PH_CLIENT_MAPPING || (a->questions & PH_ASKS_MAP && is_grant(&r));
    if (r.op == PH_NATPMP_ADDRESS)
        on_address(n, now, &r);
    else
        on_map(n, now, &r);
    if (!kept && !made)
        ph_asker_on_forgotten(a);
    return true;
}

/* ---- */

static void on_timer(struct ph_client *c, ph_ns now)
{
    struct ph_natpmp_client *n = of(c);
    if (c->state == PH_CLIENT_MAPPING && n->port != 0 && ph_retry_over(&n->asker.retry, now)) {
        ph_asker_stop(&n->asker); /* the address alone is what it does not tell */
        granted(n, now);
    }
    ph_asker_on_timer(c, now);
}

static const struct ph_asker_rules rules = {
    .protocol = PH_PORTMAP_NATPMP,
    .port = PH_NATPMP_PORT,
    .checks = PH_ASKS_WHO,
    .epoch_kept = ph_epoch_check_natpmp,
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
    .on_timer = on_timer,
    .deadline = ph_asker_deadline,
};

void ph_natpmp_client_init(struct ph_natpmp_client *n, struct ph_outlet *outlet,
                           const struct ph_gateway *gateway, const struct ph_addr *local)
{
    *n = (struct ph_natpmp_client){0};
    ph_asker_init(&n->asker, &rules, &ops, outlet, gateway, local);
}
