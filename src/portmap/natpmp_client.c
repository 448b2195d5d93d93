#include "portmap/natpmp_client.h"

#include "base/err.h"
#include "wire/pcp.h"

#include <string.h>

/* Late answers are given back this often between two acquisitions, not more. */
#define SURPLUS_MAX   4
#define ADDRESS_FRESH (60 * PH_SEC)
#define HINT_EVERY    (5 * PH_SEC)

static struct ph_natpmp_client *of(struct ph_client *c)
{
    return (struct ph_natpmp_client *)c;
}

static void stop(struct ph_natpmp_client *n)
{
    n->questions = 0;
    ph_retry_stop(&n->retry);
}

/* ---- What is sent */

static void send_one(struct ph_natpmp_client *n, unsigned question)
{
    struct ph_client *c = &n->base;
    uint8_t buf[PH_NATPMP_REQUEST_MAX];
    /* Renewed and made again with the port that was granted (RFC 6886 section 3.3). */
    uint16_t external = c->mapping.external.port ? c->mapping.external.port : c->wish.external_port;
    int len;
    if (question == PH_NATPMP_ASKS_ADDRESS)
        len = ph_natpmp_address_request(buf, sizeof(buf));
    else if (question == PH_NATPMP_ASKS_MAP)
        len = ph_natpmp_map_request(buf, sizeof(buf), c->wish.internal_port, external,
                                    c->wish.lifetime_s);
    else
        len = ph_natpmp_map_request(buf, sizeof(buf), c->wish.internal_port, 0, 0);
    if (len > 0)
        ph_outlet_send(c->outlet, c->outlet->sock, &c->server, 0, buf, (size_t)len);
}

static void send_questions(struct ph_natpmp_client *n)
{
    for (unsigned bit = 1; bit <= PH_NATPMP_ASKS_DELETE; bit *= 2) {
        if (n->questions & bit)
            send_one(n, bit);
    }
}

static void ask(struct ph_natpmp_client *n, ph_ns now, unsigned questions)
{
    n->questions = questions;
    ph_retry_start(&n->retry, now);
    if (ph_retry_take(&n->retry, now))
        send_questions(n);
}

static void answered(struct ph_natpmp_client *n, unsigned question)
{
    n->questions &= ~question;
    if (n->questions == 0)
        ph_retry_stop(&n->retry);
}

/* ---- What the mapper wants */

static void probe(struct ph_client *c, ph_ns now)
{
    ph_client_asks(c, now, PH_CLIENT_PROBING);
    ask(of(c), now, PH_NATPMP_ASKS_ADDRESS);
}

static void map(struct ph_client *c, ph_ns now)
{
    struct ph_natpmp_client *n = of(c);
    if (c->held == PH_HELD_NOTHING)
        c->held = PH_HELD_PERHAPS;
    n->port = 0;
    n->hollow = false;
    n->asked_map = true;
    ph_client_asks(c, now, PH_CLIENT_MAPPING);
    /* A mapping's answer does not say of which address: both questions go out together. */
    bool known = ph_addr_is_set(&n->address) && now < n->address_at + ADDRESS_FRESH;
    ask(n, now, PH_NATPMP_ASKS_MAP | (known ? 0u : (unsigned)PH_NATPMP_ASKS_ADDRESS));
}

static void drop(struct ph_client *c, ph_ns now)
{
    (void)now;
    stop(of(c));
    ph_lease_none(&c->lease);
    if (c->answered == PH_NEVER)
        c->held = PH_HELD_NOTHING; /* see pcp_client.c */
    if (c->report.said == PH_PORTMAP_WAITING)
        c->report.said = PH_PORTMAP_SILENT; /* so far */
    ph_client_set_state(c, c->answered == PH_NEVER ? PH_CLIENT_IDLE : PH_CLIENT_PRESENT);
}

static void release(struct ph_client *c, ph_ns now)
{
    struct ph_natpmp_client *n = of(c);
    if (c->answered == PH_NEVER && c->held == PH_HELD_PERHAPS) {
        send_one(n, PH_NATPMP_ASKS_DELETE);
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
    ask(n, now, PH_NATPMP_ASKS_DELETE);
}

static void forget(struct ph_client *c, ph_ns now)
{
    if (c->held != PH_HELD_NOTHING)
        send_one(of(c), PH_NATPMP_ASKS_DELETE);
    drop(c, now);
    c->held = PH_HELD_NOTHING;
    of(c)->asked_map = false;
}

static void watch(struct ph_client *c, ph_ns now)
{
    if (c->state == PH_CLIENT_MAPPED && of(c)->questions == 0)
        ask(of(c), now, PH_NATPMP_ASKS_ADDRESS);
}

/* ---- Silence and time */

static void granted(struct ph_natpmp_client *n, ph_ns now);

static void silent(struct ph_natpmp_client *n, ph_ns now)
{
    struct ph_client *c = &n->base;
    unsigned questions = n->questions;
    stop(n);
    switch (c->state) {
    case PH_CLIENT_MAPPED:
        if (questions & PH_NATPMP_ASKS_MAP)
            ph_lease_renew_failed(&c->lease, now);
        if (questions & PH_NATPMP_ASKS_ADDRESS)
            ph_lease_watched(&c->lease, now, false);
        return;
    case PH_CLIENT_RELEASING:
        c->held = PH_HELD_NOTHING;
        ph_client_set_state(c, PH_CLIENT_IDLE);
        return;
    case PH_CLIENT_MAPPING:
        if (n->port != 0) { /* the address alone is what it does not tell */
            granted(n, now);
            return;
        }
        if (c->answered != PH_NEVER)
            break;
        send_one(n, PH_NATPMP_ASKS_DELETE); /* see pcp_client.c */
        c->held = PH_HELD_NOTHING;
        break;
    default:
        break;
    }
    c->answered = PH_NEVER;
    if (n->hollow && c->state == PH_CLIENT_MAPPING)
        ph_client_down(c, PH_PORTMAP_BROKEN, 0, "a mapping for 0 seconds");
    else
        ph_client_down(c, PH_PORTMAP_SILENT, 0, "no answer");
}

static void keep_up(struct ph_natpmp_client *n, ph_ns now)
{
    struct ph_client *c = &n->base;
    if (now >= c->lease.expires) {
        stop(n);
        c->held = PH_HELD_NOTHING;
        c->answered = PH_NEVER;
        ph_client_down(c, PH_PORTMAP_SILENT, 0, "it was not renewed in time");
        return;
    }
    if (n->questions != 0)
        return;
    if (now >= c->lease.renew)
        ask(n, now, PH_NATPMP_ASKS_MAP);
    else if (now >= c->lease.watch)
        ask(n, now, PH_NATPMP_ASKS_ADDRESS);
}

static void on_timer(struct ph_client *c, ph_ns now)
{
    struct ph_natpmp_client *n = of(c);
    if (ph_retry_over(&n->retry, now))
        silent(n, now);
    else if (ph_retry_take(&n->retry, now))
        send_questions(n);
    if (c->state == PH_CLIENT_MAPPED)
        keep_up(n, now);
}

static ph_ns deadline(const struct ph_client *c)
{
    const struct ph_natpmp_client *n = (const struct ph_natpmp_client *)c;
    if (c->state == PH_CLIENT_MAPPED && n->questions == 0)
        return ph_lease_deadline(&c->lease);
    return ph_min_ns(ph_retry_deadline(&n->retry), c->lease.expires);
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
    ph_client_mapped(&n->base, now, &external, n->lifetime_s);
}

static void refused(struct ph_natpmp_client *n, ph_ns now, uint16_t result)
{
    struct ph_client *c = &n->base;
    stop(n);
    if (c->state == PH_CLIENT_MAPPED) {
        ph_lease_renew_failed(&c->lease, now);
        c->report.code = result;
        return;
    }
    c->held = PH_HELD_NOTHING;
    ph_client_down(
        c, result == PH_NATPMP_UNSUPPORTED_OPCODE ? PH_PORTMAP_UNSUPPORTED : PH_PORTMAP_REFUSED,
        result, ph_natpmp_result_text(result));
}

static bool has_line(const struct ph_addr *a)
{
    static const uint8_t none[4];
    return ph_addr_is_set(a) && memcmp(a->ip, none, sizeof(none)) != 0;
}

/* The address by which the router is connected now, compared with the mapping's. */
static void on_line(struct ph_natpmp_client *n)
{
    struct ph_client *c = &n->base;
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
    struct ph_client *c = &n->base;
    answered(n, PH_NATPMP_ASKS_ADDRESS);
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
    struct ph_client *c = &n->base;
    if (r->lifetime_s == 0) { /* a deletion that was acknowledged late, or all that it ever says */
        n->hollow = true;
        return;
    }
    answered(n, PH_NATPMP_ASKS_MAP);
    n->port = r->external_port;
    n->lifetime_s = r->lifetime_s;
    if (n->port == 0) {
        stop(n);
        ph_client_down(c, PH_PORTMAP_BROKEN, 0, "a mapping to port 0");
        return;
    }
    /* Should we be asked to give it back before the address is known. */
    c->held = PH_HELD_SURE;
    if (!(n->questions & PH_NATPMP_ASKS_ADDRESS))
        granted(n, now);
}

static void on_deleted(struct ph_natpmp_client *n, const struct ph_natpmp_response *r)
{
    struct ph_client *c = &n->base;
    if (r->result == PH_NATPMP_SUCCESS && r->lifetime_s > 0) {
        /* The answer to the request before; the deletion may have been overtaken by it. */
        if (c->surplus++ < SURPLUS_MAX)
            send_one(n, PH_NATPMP_ASKS_DELETE);
        return;
    }
    stop(n);
    n->asked_map = false;
    ph_client_released(c);
}

static void on_map(struct ph_natpmp_client *n, ph_ns now, const struct ph_natpmp_response *r)
{
    if (n->questions & PH_NATPMP_ASKS_DELETE)
        on_deleted(n, r);
    else if (r->result == PH_NATPMP_SUCCESS)
        on_mapped(n, now, r);
    else
        refused(n, now, r->result);
}

static ph_ns round_trip(const struct ph_natpmp_client *n, ph_ns now)
{
    return n->questions != 0 && n->retry.sent == n->retry.started ? now - n->retry.sent : 0;
}

/* A PCP server that knows no NAT-PMP (RFC 6887 section 9). */
static bool on_pcp(struct ph_natpmp_client *n, ph_ns now, const struct ph_datagram *in)
{
    struct ph_pcp_response r;
    if (ph_pcp_parse(in->data, in->len, &r) != PH_OK || r.version == 0 ||
        r.result != PH_PCP_UNSUPP_VERSION || n->questions == 0 || n->base.state == PH_CLIENT_MAPPED)
        return false;
    ph_client_heard(&n->base, now, round_trip(n, now));
    stop(n);
    n->base.held = PH_HELD_NOTHING;
    ph_client_down(&n->base, PH_PORTMAP_UNSUPPORTED, PH_NATPMP_UNSUPPORTED_VERSION,
                   ph_natpmp_result_text(PH_NATPMP_UNSUPPORTED_VERSION));
    return true;
}

static bool is_ours(const struct ph_natpmp_client *n, const struct ph_natpmp_response *r)
{
    /* We speak version 0: who does not know version 0 cannot say so in version 0. That is the
     * answer to a PCP request. */
    if (r->result == PH_NATPMP_UNSUPPORTED_VERSION)
        return false;
    if (r->op == PH_NATPMP_ADDRESS)
        return true;
    bool headless = r->result != PH_NATPMP_SUCCESS && r->internal_port == 0 && n->questions != 0;
    return r->op == PH_NATPMP_MAP_UDP &&
           (r->internal_port == n->base.wish.internal_port || headless);
}

static bool is_asked(const struct ph_natpmp_client *n, const struct ph_natpmp_response *r)
{
    return n->questions &
           (r->op == PH_NATPMP_ADDRESS ? (unsigned)PH_NATPMP_ASKS_ADDRESS
                                       : (unsigned)(PH_NATPMP_ASKS_MAP | PH_NATPMP_ASKS_DELETE));
}

/* An answer to nothing. RFC 6886 section 3.2.1 has gateways announce so that they restarted;
 * anybody can forge that, so it is no more than a reason to ask, now and then. And the answer to a
 * mapping that nobody wants any more is to be given back. */
static void on_unasked(struct ph_natpmp_client *n, ph_ns now, const struct ph_natpmp_response *r)
{
    struct ph_client *c = &n->base;
    struct ph_epoch e = n->epoch;
    if (c->state == PH_CLIENT_MAPPED) {
        if (n->questions != 0 || ph_epoch_check_natpmp(&e, now, r->epoch_s) ||
            now < n->hinted + HINT_EVERY)
            return;
        n->hinted = now;
        ask(n, now, PH_NATPMP_ASKS_ADDRESS);
    } else if (c->state != PH_CLIENT_MAPPING && n->asked_map && r->op == PH_NATPMP_MAP_UDP &&
               r->result == PH_NATPMP_SUCCESS && r->lifetime_s > 0) {
        ph_client_heard(c, now, 0);
        c->held = PH_HELD_SURE;
        c->mapping.external = ph_addr_v4(0, 0, 0, 0, r->external_port);
    }
}

bool ph_natpmp_client_on_datagram(struct ph_natpmp_client *n, ph_ns now,
                                  const struct ph_datagram *in)
{
    struct ph_client *c = &n->base;
    struct ph_natpmp_response r;
    if (ph_natpmp_parse(in->data, in->len, &r) != PH_OK)
        return on_pcp(n, now, in);
    if (!is_ours(n, &r))
        return true;
    if (!is_asked(n, &r)) {
        on_unasked(n, now, &r);
        return true;
    }
    ph_client_heard(c, now, round_trip(n, now));
    bool kept = ph_epoch_check_natpmp(&n->epoch, now, r.epoch_s);
    /* Whatever was forgotten, this is a new one. So is the one whose address this answer tells:
     * were it lost by that, a server whose epoch jumps would be asked again without end. */
    bool made = c->state == PH_CLIENT_MAPPING ||
                (n->questions & PH_NATPMP_ASKS_MAP && r.op == PH_NATPMP_MAP_UDP &&
                 r.result == PH_NATPMP_SUCCESS && r.lifetime_s > 0);
    if (r.op == PH_NATPMP_ADDRESS)
        on_address(n, now, &r);
    else
        on_map(n, now, &r);
    if (!kept && !made && c->state == PH_CLIENT_MAPPED) {
        stop(n);
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

void ph_natpmp_client_init(struct ph_natpmp_client *n, struct ph_outlet *outlet,
                           const struct ph_gateway *gateway, const struct ph_addr *local)
{
    *n = (struct ph_natpmp_client){0};
    ph_client_init(&n->base, &ops, PH_PORTMAP_NATPMP, outlet);
    n->base.server = gateway->gateway;
    n->base.server.port = PH_NATPMP_PORT;
    n->base.local = *local;
    n->base.local.port = 0;
    ph_retry_stop(&n->retry);
}
