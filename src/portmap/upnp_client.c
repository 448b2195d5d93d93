#include "portmap/upnp_client.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

/* Some routers refuse more. */
#define LEASE_MAX_S 604800
/* WANIPv6FirewallControl:1 section 2.5.3 allows no more. */
#define HOLE_LEASE_MAX_S 86400
#define ADDRESS_FRESH    (60 * PH_SEC)
#define MISSED_MAX       3
#define DESCRIPTION      "pinhole"
/* SamePortValuesRequired, WANIPConnection:1 section 2.4.16. */
#define SAME_PORTS_ONLY 724

static struct ph_upnp_client *of(struct ph_client *c)
{
    return (struct ph_upnp_client *)c;
}

static const char *step_name(enum ph_upnp_step step)
{
    static const char *const names[] = {"idle",    "looking",  "adding",     "checking",
                                        "address", "watching", "confirming", "deleting"};
    return names[step];
}

static void set_step(struct ph_upnp_client *u, enum ph_upnp_step step)
{
    if (u->step == step)
        return;
    ph_outlet_trace(u->base.outlet, "upnp-step", &u->base.server, step_name(u->step),
                    step_name(step));
    u->step = step;
}

static bool is_firewall(const struct ph_upnp_client *u)
{
    return u->discovery.bound.family == PH_AF_V6;
}

static const struct ph_igd_service *service(const struct ph_upnp_client *u)
{
    return &u->device.services[u->device.service];
}

/* The device's name comes first. */
static void set_text(struct ph_upnp_client *u, const char *what)
{
    char text[PH_IGD_NAME_MAX + 2 + sizeof(u->base.report.text)];
    snprintf(text, sizeof(text), "%s%s%s", u->device.name,
             u->device.name[0] != '\0' && what[0] != '\0' ? ": " : "", what);
    ph_client_set_text(&u->base, text);
}

/* ---- Calls */

static bool may_any(const struct ph_upnp_client *u)
{
    /* What is renewed keeps its port, so that is no question of any port. */
    return service(u)->kind == PH_IGD_WANIP && service(u)->version >= 2 && !u->no_any &&
           u->base.state == PH_CLIENT_MAPPING;
}

static struct ph_igd_mapping wanted(const struct ph_upnp_client *u)
{
    const struct ph_client *c = &u->base;
    return (struct ph_igd_mapping){
        .external_port = u->port,
        .internal_port = c->wish.internal_port,
        .internal = c->local,
        .lease_s = u->lease_s,
        .description = DESCRIPTION,
    };
}

static uint32_t lease_to_ask(const struct ph_upnp_client *u)
{
    uint32_t most = is_firewall(u) ? HOLE_LEASE_MAX_S : LEASE_MAX_S;
    uint32_t lease_s = u->base.wish.lifetime_s;
    if (u->permanent)
        return 0;
    return lease_s < most ? lease_s : most;
}

static int write_add(struct ph_upnp_client *u, char *body, size_t cap, char *action)
{
    u->lease_s = lease_to_ask(u);
    struct ph_igd_mapping m = wanted(u);
    if (!is_firewall(u)) {
        u->any = may_any(u);
        return ph_igd_add(service(u), &m, u->any, body, cap, action);
    }
    if (u->has_hole)
        return ph_igd_update_pinhole(service(u), u->hole, u->lease_s, body, cap, action);
    return ph_igd_add_pinhole(service(u), &m, body, cap, action);
}

static int write_call(struct ph_upnp_client *u, enum ph_upnp_step step, char *body, size_t cap,
                      char *action)
{
    switch (step) {
    case PH_UPNP_ADDING:
        return write_add(u, body, cap, action);
    case PH_UPNP_CHECKING:
    case PH_UPNP_CONFIRMING:
    case PH_UPNP_WATCHING:
        return ph_igd_query(service(u), u->port, body, cap, action);
    case PH_UPNP_ASKING_ADDRESS:
        return ph_igd_external_address(service(u), body, cap, action);
    case PH_UPNP_DELETING:
        return is_firewall(u) ? ph_igd_delete_pinhole(service(u), u->hole, body, cap, action)
                              : ph_igd_delete(service(u), u->port, body, cap, action);
    case PH_UPNP_IDLE:
    case PH_UPNP_LOOKING:
        break;
    }
    return PH_ERR_INVAL;
}

static int start_call(struct ph_upnp_client *u, struct ph_upnp_call *call, ph_ns now,
                      enum ph_upnp_step step)
{
    char body[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    int len = write_call(u, step, body, sizeof(body), action);
    /* A firewall opens holes to who asks, so it is asked from the address that wants one. */
    const struct ph_addr *local =
        u->base.local.family == service(u)->control.addr.family ? &u->base.local : &u->device.local;
    return ph_upnp_call_soap(call, u->base.outlet, now, &service(u)->control, local, action, body,
                             len);
}

static void gone(struct ph_upnp_client *u, ph_ns now, int code);

static void call(struct ph_upnp_client *u, ph_ns now, enum ph_upnp_step step)
{
    set_step(u, step);
    if (start_call(u, &u->call, now, step) != PH_OK)
        gone(u, now, 0);
}

static void stop(struct ph_upnp_client *u)
{
    ph_upnp_call_cancel(&u->call, u->base.outlet);
    ph_upnp_discovery_stop(&u->discovery);
    u->fresh = false;
    set_step(u, PH_UPNP_IDLE);
}

/* ---- Ends */

static void fail(struct ph_upnp_client *u, enum ph_portmap_said said, int code, const char *text)
{
    stop(u);
    set_text(u, text);
    ph_client_down(&u->base, said, code, NULL);
}

static void refused(struct ph_upnp_client *u, int code)
{
    u->base.held = PH_HELD_NOTHING;
    fail(u, PH_PORTMAP_REFUSED, code, ph_igd_error_text(code));
}

static void released(struct ph_upnp_client *u)
{
    stop(u);
    u->has_hole = false;
    ph_client_released(&u->base);
}

/* The mapping is there, and its address is known as far as it ever will be. */
static void mapped(struct ph_upnp_client *u, ph_ns now)
{
    struct ph_client *c = &u->base;
    struct ph_addr external = ph_addr_v4(0, 0, 0, 0, 0);
    if (is_firewall(u))
        external = c->local;
    else if (ph_addr_is_set(&u->device.external))
        external = u->device.external;
    external.port = u->port;
    stop(u);
    u->looked_again = false;
    u->missed = 0;
    set_text(u, "");
    ph_client_mapped(c, now, &external, u->lease_s);
}

/* What was found out about an Add that was under way when it was dropped: the mapper decides. */
static void leave(struct ph_upnp_client *u, enum ph_client_held held)
{
    u->base.held = held;
    stop(u);
}

static bool is_wanted(const struct ph_upnp_client *u)
{
    return u->base.state == PH_CLIENT_MAPPING || u->base.state == PH_CLIENT_MAPPED;
}

/* ---- Adding */

static void start_deleting(struct ph_upnp_client *u, ph_ns now);

static void added(struct ph_upnp_client *u, ph_ns now)
{
    struct ph_client *c = &u->base;
    c->held = PH_HELD_SURE;
    c->mapping.external.port = u->port;
    if (c->state == PH_CLIENT_RELEASING) {
        start_deleting(u, now);
    } else if (!is_wanted(u)) {
        leave(u, PH_HELD_SURE);
    } else if (!is_firewall(u) && (!ph_addr_is_set(&u->device.external) ||
                                   now >= u->device.external_at + ADDRESS_FRESH)) {
        u->fresh = true;
        call(u, now, PH_UPNP_ASKING_ADDRESS);
    } else {
        mapped(u, now);
    }
}

/* AddAnyPortMapping's answer is of port 0, a wildcard, or names none. */
static void on_no_port(struct ph_upnp_client *u, ph_ns now)
{
    u->no_any = true;
    if (is_wanted(u))
        call(u, now, PH_UPNP_ADDING);
    else if (u->base.state == PH_CLIENT_RELEASING)
        call(u, now, PH_UPNP_CONFIRMING);
    else
        leave(u, PH_HELD_PERHAPS);
}

static void on_added(struct ph_upnp_client *u, ph_ns now, const struct ph_igd_answer *a)
{
    if (is_firewall(u)) {
        if (a->has_unique_id)
            u->hole = a->unique_id;
        u->has_hole = u->has_hole || a->has_unique_id;
        if (!u->has_hole) {
            fail(u, PH_PORTMAP_BROKEN, 0, "a pinhole without an id");
            return;
        }
        u->port = u->base.wish.internal_port;
    } else if (u->any) {
        if (a->port == 0) {
            on_no_port(u, now);
            return;
        }
        u->port = a->port;
    }
    added(u, now);
}

static void next_port(struct ph_upnp_client *u, ph_ns now, int code)
{
    uint16_t port;
    if (++u->tries >= PH_UPNP_TRIES) {
        refused(u, code);
        return;
    }
    ph_host_random(u->base.outlet->host, &port, sizeof(port));
    u->port = (uint16_t)(1024 + port % (65536 - 1024));
    call(u, now, PH_UPNP_ADDING);
}

/* Routers with permanent leases alone say 725; some say that the lease is no argument. */
static bool try_permanent(struct ph_upnp_client *u, ph_ns now)
{
    if (u->lease_s == 0 || is_firewall(u))
        return false;
    u->permanent = true;
    call(u, now, PH_UPNP_ADDING);
    return true;
}

/* AddPortMapping instead; from the start, if it was the arguments that were not liked. */
static void without_any(struct ph_upnp_client *u, ph_ns now, int code)
{
    u->no_any = true;
    if (code == PH_IGD_INVALID_ARGS)
        u->permanent = false;
    call(u, now, PH_UPNP_ADDING);
}

static void on_add_refused(struct ph_upnp_client *u, ph_ns now, int code)
{
    switch (code) {
    case PH_IGD_ONLY_PERMANENT:
    case PH_IGD_INVALID_ARGS:
        if (try_permanent(u, now))
            return;
        break;
    case PH_IGD_CONFLICT:
    case PH_IGD_CONFLICT_MECHANISM:
    case PH_IGD_ACTION_FAILED: /* of some, this is all that they ever say */
        if (is_firewall(u))
            break;
        u->error = code;
        call(u, now, PH_UPNP_CHECKING);
        return;
    case SAME_PORTS_ONLY:
        if (u->port != u->base.wish.internal_port && ++u->tries < PH_UPNP_TRIES) {
            u->port = u->base.wish.internal_port;
            call(u, now, PH_UPNP_ADDING);
            return;
        }
        break;
    default:
        break;
    }
    if (u->any && code != PH_IGD_NOT_AUTHORIZED)
        without_any(u, now, code);
    else
        refused(u, code);
}

/* A mapping that we have is not renewed; it may be gone, which the watch finds out. */
static void on_renewal_refused(struct ph_upnp_client *u, ph_ns now, int code)
{
    stop(u);
    u->base.report.code = code;
    if (is_firewall(u)) {
        u->has_hole = false;
        ph_client_lost(&u->base);
        return;
    }
    ph_lease_renew_failed(&u->base.lease, now);
    u->base.lease.watch = ph_min_ns(u->base.lease.watch, now + PH_LEASE_WATCH_AGAIN);
}

static void on_add_lost(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    if (u->any) {
        without_any(u, now, r->code);
    } else if (r->outcome == PH_UPNP_BROKEN && r->code == 200 && !is_firewall(u)) {
        u->error = PH_IGD_ACTION_FAILED; /* it may have done it all the same */
        call(u, now, PH_UPNP_CHECKING);
    } else {
        gone(u, now, r->code);
    }
}

static void on_add(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    struct ph_client *c = &u->base;
    if (r->outcome == PH_UPNP_DONE) {
        on_added(u, now, &r->answer);
    } else if (c->state == PH_CLIENT_MAPPED && r->outcome == PH_UPNP_FAULT) {
        on_renewal_refused(u, now, r->code);
    } else if (is_wanted(u)) {
        if (r->outcome == PH_UPNP_FAULT)
            on_add_refused(u, now, r->code);
        else
            on_add_lost(u, now, r);
    } else if (c->state == PH_CLIENT_RELEASING) {
        if (r->outcome == PH_UPNP_FAULT)
            released(u);
        else
            call(u, now, PH_UPNP_CONFIRMING);
    } else {
        leave(u, r->outcome == PH_UPNP_FAULT ? PH_HELD_NOTHING : PH_HELD_PERHAPS);
    }
}

static bool is_ours(const struct ph_upnp_client *u, const struct ph_upnp_result *r)
{
    const struct ph_client *c = &u->base;
    return r->outcome == PH_UPNP_DONE && ph_addr_ip_eq(&r->answer.internal, &c->local) &&
           r->answer.internal.port == c->wish.internal_port;
}

static void on_check(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    struct ph_client *c = &u->base;
    if (!is_wanted(u)) {
        leave(u, is_ours(u, r)                ? PH_HELD_SURE
                 : r->outcome == PH_UPNP_LOST ? PH_HELD_PERHAPS
                                              : PH_HELD_NOTHING);
        return;
    }
    if (is_ours(u, r)) { /* an earlier life's, or what was just made */
        u->lease_s = r->answer.has_lease ? r->answer.lease_s : 0;
        added(u, now);
    } else if (c->state == PH_CLIENT_MAPPED) {
        stop(u);
        ph_client_lost(c);
    } else if (u->error == PH_IGD_ACTION_FAILED && r->outcome != PH_UPNP_DONE) {
        if (u->any) /* no conflict: it is something about the call */
            without_any(u, now, u->error);
        else if (!try_permanent(u, now))
            refused(u, u->error);
    } else {
        next_port(u, now, u->error);
    }
}

/* ---- Keeping */

static void on_address(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    struct ph_client *c = &u->base;
    if (r->outcome == PH_UPNP_DONE) {
        u->device.external = r->answer.external;
        u->device.external_at = now;
    }
    if (is_wanted(u) && u->fresh) {
        mapped(u, now);
        return;
    }
    stop(u);
    if (c->state != PH_CLIENT_MAPPED)
        return;
    /* The lease's times stand, the address may be another. */
    if (ph_addr_is_set(&u->device.external))
        memcpy(c->mapping.external.ip, u->device.external.ip, sizeof(c->mapping.external.ip));
    c->report.external = c->mapping.external;
    ph_lease_watched(&c->lease, now, true);
}

static void on_watch(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    struct ph_client *c = &u->base;
    if (c->state != PH_CLIENT_MAPPED) {
        stop(u);
        return;
    }
    if (r->outcome == PH_UPNP_LOST || r->outcome == PH_UPNP_BROKEN) {
        gone(u, now, r->code);
        return;
    }
    u->missed = 0;
    u->looked_again = false;
    bool missing = r->outcome == PH_UPNP_FAULT && r->code == PH_IGD_NO_SUCH_ENTRY;
    if (missing || (r->outcome == PH_UPNP_DONE && !is_ours(u, r))) {
        stop(u);
        ph_client_lost(c);
        return;
    }
    call(u, now, PH_UPNP_ASKING_ADDRESS); /* also where it cannot be queried */
}

/* ---- Deleting */

static void start_deleting(struct ph_upnp_client *u, ph_ns now)
{
    if (is_firewall(u) && !u->has_hole)
        released(u);
    else if (u->base.held == PH_HELD_SURE || is_firewall(u))
        call(u, now, PH_UPNP_DELETING);
    else
        call(u, now, PH_UPNP_CONFIRMING);
}

static void on_confirm(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    if (is_ours(u, r))
        call(u, now, PH_UPNP_DELETING);
    else if (r->outcome == PH_UPNP_LOST)
        gone(u, now, r->code);
    else
        released(u);
}

static void on_delete(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    if (r->outcome == PH_UPNP_LOST)
        gone(u, now, r->code);
    else
        released(u); /* or it was not there any more, or it cannot be helped */
}

/* ---- Looking for a device */

/* Our address for the mapping: a firewall's hole leads to an IPv6 one, wherever it is asked. */
static struct ph_addr local_of(const struct ph_upnp_client *u)
{
    const struct ph_upnp_discovery *d = &u->discovery;
    struct ph_addr local = d->bound;
    local.port = 0;
    if (!ph_addr_is_any(&d->bound))
        return local;
    if (u->device.local.family == d->bound.family)
        return u->device.local;
    for (size_t i = 0; i < d->gateway_count; i++) {
        if (d->gateways[i].local.family == d->bound.family)
            return d->gateways[i].local;
    }
    return (struct ph_addr){0};
}

static void look(struct ph_upnp_client *u, ph_ns now)
{
    set_step(u, PH_UPNP_LOOKING);
    ph_upnp_discovery_start(&u->discovery, now);
}

/* The device does not answer as before: its HTTP port may be another since it restarted. It is
 * looked for once. */
static void gone(struct ph_upnp_client *u, ph_ns now, int code)
{
    struct ph_client *c = &u->base;
    enum ph_upnp_step step = u->step;
    ph_upnp_call_cancel(&u->call, c->outlet);
    if (!u->looked_again) {
        u->looked_again = true;
        u->resume = step;
        look(u, now);
        return;
    }
    stop(u);
    switch (c->state) {
    case PH_CLIENT_MAPPED:
        ph_lease_watched(&c->lease, now, false);
        ph_lease_renew_failed(&c->lease, now);
        if (++u->missed < MISSED_MAX) {
            u->looked_again = false;
            return;
        }
        break;
    case PH_CLIENT_RELEASING:
        c->held = PH_HELD_NOTHING;
        ph_client_set_state(c, PH_CLIENT_IDLE);
        return;
    default:
        break;
    }
    u->has_device = false;
    c->answered = PH_NEVER;
    fail(u, PH_PORTMAP_BROKEN, code, "it does not answer any more");
}

/* Nobody was found; why, as far as can be told. */
static void nobody(struct ph_upnp_client *u)
{
    const struct ph_upnp_discovery *d = &u->discovery;
    enum ph_portmap_said said = PH_PORTMAP_SILENT;
    int code = 0;
    for (size_t i = 0; i < d->device_count; i++) {
        const struct ph_upnp_device *v = &d->devices[i];
        if (v->state == PH_UPNP_DEVICE_UNSUPPORTED) {
            said = PH_PORTMAP_UNSUPPORTED;
        } else if (said != PH_PORTMAP_UNSUPPORTED) {
            said = PH_PORTMAP_BROKEN;
            code = v->code;
        }
    }
    u->has_device = false;
    u->base.answered = PH_NEVER;
    u->device.name[0] = '\0';
    fail(u, said, code,
         said == PH_PORTMAP_SILENT        ? "no answer"
         : said == PH_PORTMAP_UNSUPPORTED ? "no gateway's service in what is there"
                                          : "its description cannot be had");
}

static void take(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_device *device)
{
    struct ph_client *c = &u->base;
    bool same = u->has_device && ph_addr_ip_eq(&u->device.location.addr, &device->location.addr);
    u->device = *device;
    u->device.call.id = 0;
    u->has_device = true;
    if (!same)
        u->no_any = u->permanent = false;
    c->gateway = device->gateway;
    c->server = service(u)->control.addr;
    c->local = local_of(u);
    c->report.external = device->external;
    ph_client_heard(c, now, device->rtt);
    if (c->state == PH_CLIENT_PROBING || c->state == PH_CLIENT_MAPPING)
        set_text(u, "");
}

static void found(struct ph_upnp_client *u, ph_ns now)
{
    struct ph_client *c = &u->base;
    if (u->discovery.state != PH_UPNP_DISCOVERY_DONE || u->step != PH_UPNP_LOOKING)
        return;
    const struct ph_upnp_device *device = ph_upnp_discovery_best(&u->discovery);
    enum ph_upnp_step resume = u->resume;
    u->resume = PH_UPNP_IDLE;
    if (device)
        take(u, now, device);
    if (c->state == PH_CLIENT_PROBING) {
        if (device) {
            stop(u);
            ph_client_set_state(c, PH_CLIENT_PRESENT);
        } else {
            nobody(u);
        }
    } else if (device && resume != PH_UPNP_IDLE) {
        call(u, now, resume);
    } else {
        set_step(u, resume);
        gone(u, now, 0);
    }
}

/* ---- What the mapper wants */

static void probe(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    stop(u);
    u->resume = PH_UPNP_IDLE;
    ph_client_asks(c, now, PH_CLIENT_PROBING);
    look(u, now);
    found(u, now);
}

static void map(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    if (!u->has_device) {
        ph_client_down(c, PH_PORTMAP_SILENT, 0, NULL);
        return;
    }
    stop(u);
    u->tries = 0;
    u->looked_again = false;
    /* The one that was used last comes first. */
    u->port = c->mapping.external.port ? c->mapping.external.port : c->wish.external_port;
    if (c->held == PH_HELD_NOTHING)
        c->held = PH_HELD_PERHAPS;
    ph_client_asks(c, now, PH_CLIENT_MAPPING);
    call(u, now, PH_UPNP_ADDING);
    found(u, now);
}

static void drop(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    (void)now;
    /* What may be made by now is waited for: it has to be known, to be deleted. */
    if (u->step != PH_UPNP_ADDING && u->step != PH_UPNP_CHECKING)
        stop(u);
    ph_lease_none(&c->lease);
    if (c->report.said == PH_PORTMAP_WAITING)
        c->report.said = PH_PORTMAP_UNASKED;
    ph_client_set_state(c, u->has_device ? PH_CLIENT_PRESENT : PH_CLIENT_IDLE);
}

static void release(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    if (c->held == PH_HELD_NOTHING || !u->has_device) {
        c->held = PH_HELD_NOTHING;
        if (c->state != PH_CLIENT_DOWN)
            drop(c, now);
        return;
    }
    ph_lease_none(&c->lease);
    ph_client_set_state(c, PH_CLIENT_RELEASING);
    u->looked_again = false;
    if (u->step == PH_UPNP_ADDING)
        return; /* its answer comes first */
    stop(u);
    start_deleting(u, now);
    found(u, now);
}

static void forget(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    stop(u);
    ph_upnp_call_cancel(&u->farewell, c->outlet);
    if (c->held == PH_HELD_SURE && u->has_device &&
        start_call(u, &u->farewell, now, PH_UPNP_DELETING) != PH_OK)
        u->farewell.id = 0;
    u->has_device = u->has_hole = false;
    c->held = PH_HELD_NOTHING;
    drop(c, now);
}

static void watch(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    if (c->state != PH_CLIENT_MAPPED || u->step != PH_UPNP_IDLE)
        return;
    call(u, now, is_firewall(u) ? PH_UPNP_ADDING : PH_UPNP_WATCHING);
    found(u, now);
}

static void on_timer(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    ph_upnp_discovery_on_timer(&u->discovery, now);
    found(u, now);
    if (c->state != PH_CLIENT_MAPPED)
        return;
    if (now >= c->lease.expires) {
        stop(u);
        ph_client_lost(c);
        return;
    }
    if (u->step != PH_UPNP_IDLE)
        return;
    if (now >= c->lease.renew) {
        call(u, now, PH_UPNP_ADDING);
        found(u, now);
    } else if (now >= c->lease.watch) {
        watch(c, now);
    }
}

static ph_ns deadline(const struct ph_client *c)
{
    const struct ph_upnp_client *u = (const struct ph_upnp_client *)c;
    ph_ns at = ph_upnp_discovery_deadline(&u->discovery);
    if (c->state != PH_CLIENT_MAPPED)
        return at;
    return ph_min_ns(at, u->step == PH_UPNP_IDLE ? ph_lease_deadline(&c->lease) : c->lease.expires);
}

/* ---- Events */

bool ph_upnp_client_on_datagram(struct ph_upnp_client *u, ph_ns now, ph_sock sock,
                                const struct ph_datagram *in)
{
    if (!ph_upnp_discovery_on_datagram(&u->discovery, now, sock, in))
        return false;
    found(u, now);
    return true;
}

static void on_answer(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    switch (u->step) {
    case PH_UPNP_ADDING:
        on_add(u, now, r);
        return;
    case PH_UPNP_CHECKING:
        on_check(u, now, r);
        return;
    case PH_UPNP_ASKING_ADDRESS:
        on_address(u, now, r);
        return;
    case PH_UPNP_WATCHING:
        on_watch(u, now, r);
        return;
    case PH_UPNP_CONFIRMING:
        on_confirm(u, now, r);
        return;
    case PH_UPNP_DELETING:
        on_delete(u, now, r);
        return;
    case PH_UPNP_IDLE:
    case PH_UPNP_LOOKING:
        return;
    }
}

bool ph_upnp_client_on_http(struct ph_upnp_client *u, ph_ns now, ph_http id,
                            const struct ph_http_answer *a)
{
    struct ph_upnp_result r;
    if (ph_upnp_call_is(&u->farewell, id))
        return true;
    if (ph_upnp_discovery_on_http(&u->discovery, now, id, a)) {
        found(u, now);
        return true;
    }
    if (!ph_upnp_call_is(&u->call, id))
        return false;
    ph_upnp_call_read(&u->call, now, a, &r);
    on_answer(u, now, &r);
    found(u, now);
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

void ph_upnp_client_init(struct ph_upnp_client *u, struct ph_outlet *outlet)
{
    static const struct ph_addr none;
    *u = (struct ph_upnp_client){0};
    ph_client_init(&u->base, &ops, PH_PORTMAP_UPNP, outlet);
    ph_upnp_discovery_init(&u->discovery, outlet, NULL, 0, &none);
}

void ph_upnp_client_set_gateways(struct ph_upnp_client *u, const struct ph_gateway *gateways,
                                 size_t count, const struct ph_addr *bound)
{
    struct ph_upnp_call farewell = u->farewell;
    ph_upnp_client_init(u, u->base.outlet);
    ph_upnp_discovery_init(&u->discovery, u->base.outlet, gateways, count, bound);
    u->farewell = farewell;
}

void ph_upnp_client_fini(struct ph_upnp_client *u)
{
    stop(u);
    u->has_device = false;
    ph_upnp_call_cancel(&u->farewell, u->base.outlet);
}
