/* What is said to a gateway device about a mapping: adding it, keeping it, deleting it. */
#include "portmap/upnp_private.h"

#include "base/err.h"

#include <string.h>

/* WANIPv6FirewallControl:1 section 2.5.3 allows no more. */
#define HOLE_LEASE_MAX_S 86400
#define ADDRESS_FRESH    (60 * PH_SEC)
#define DESCRIPTION      "pinhole"
/* SamePortValuesRequired, WANIPConnection:1 section 2.4.16. */
#define SAME_PORTS_ONLY 724

/* ---- Calls */

static bool may_any(const struct ph_upnp_client *u)
{
    /* What is renewed keeps its port, so that is no question of any port. */
    return ph_upnp_service(u)->kind == PH_IGD_WANIP && ph_upnp_service(u)->version >= 2 &&
           !u->no_any && u->base.state == PH_CLIENT_MAPPING;
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
    uint32_t lease_s = u->base.wish.lifetime_s;
    if (u->permanent)
        return 0;
    return ph_upnp_is_firewall(u) && lease_s > HOLE_LEASE_MAX_S ? HOLE_LEASE_MAX_S : lease_s;
}

static int write_add(struct ph_upnp_client *u, char *body, size_t cap, char *action)
{
    u->lease_s = lease_to_ask(u);
    struct ph_igd_mapping m = wanted(u);
    if (!ph_upnp_is_firewall(u)) {
        u->any = may_any(u);
        return ph_igd_add(ph_upnp_service(u), &m, u->any, body, cap, action);
    }
    if (u->has_hole)
        return ph_igd_update_pinhole(ph_upnp_service(u), u->hole, u->lease_s, body, cap, action);
    return ph_igd_add_pinhole(ph_upnp_service(u), &m, body, cap, action);
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
        return ph_igd_query(ph_upnp_service(u), u->port, body, cap, action);
    case PH_UPNP_ASKING_ADDRESS:
        return ph_igd_external_address(ph_upnp_service(u), body, cap, action);
    case PH_UPNP_DELETING:
        return ph_upnp_is_firewall(u)
                   ? ph_igd_delete_pinhole(ph_upnp_service(u), u->hole, body, cap, action)
                   : ph_igd_delete(ph_upnp_service(u), u->port, body, cap, action);
    case PH_UPNP_IDLE:
    case PH_UPNP_LOOKING:
        break;
    }
    return PH_ERR_INVAL;
}

int ph_upnp_start_call(struct ph_upnp_client *u, struct ph_upnp_call *call, ph_ns now,
                       enum ph_upnp_step step)
{
    char body[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    int len = write_call(u, step, body, sizeof(body), action);
    /* A firewall opens holes to who asks, so it is asked from the address that wants one. */
    const struct ph_addr *local = u->base.local.family == ph_upnp_service(u)->control.addr.family
                                      ? &u->base.local
                                      : &u->device.local;
    return ph_upnp_call_soap(call, u->base.outlet, now, &ph_upnp_service(u)->control, local, action,
                             body, len);
}

void ph_upnp_start(struct ph_upnp_client *u, ph_ns now, enum ph_upnp_step step)
{
    ph_upnp_set_step(u, step);
    if (ph_upnp_start_call(u, &u->call, now, step) != PH_OK)
        ph_upnp_gone(u, now, 0);
}

/* ---- Ends */

static void refused(struct ph_upnp_client *u, int code)
{
    u->base.held = PH_HELD_NOTHING;
    ph_upnp_fail(u, PH_PORTMAP_REFUSED, code, ph_igd_error_text(code));
}

static void released(struct ph_upnp_client *u)
{
    ph_upnp_stop(u);
    u->has_hole = false;
    ph_client_released(&u->base);
}

/* The mapping is there, and its address is known as far as it ever will be. */
static void mapped(struct ph_upnp_client *u, ph_ns now)
{
    struct ph_client *c = &u->base;
    struct ph_addr external = ph_addr_v4(0, 0, 0, 0, 0);
    if (ph_upnp_is_firewall(u))
        external = c->local;
    else if (ph_addr_is_set(&u->device.external))
        external = u->device.external;
    external.port = u->port;
    ph_upnp_stop(u);
    u->looked_again = false;
    u->missed = 0;
    ph_upnp_set_text(u, "");
    ph_client_mapped(c, now, &external, u->lease_s);
}

/* What was found out about an Add that was under way when it was dropped: the mapper decides. */
static void leave(struct ph_upnp_client *u, enum ph_client_held held)
{
    u->base.held = held;
    ph_upnp_stop(u);
}

static bool is_wanted(const struct ph_upnp_client *u)
{
    return u->base.state == PH_CLIENT_MAPPING || u->base.state == PH_CLIENT_MAPPED;
}

/* ---- Adding */

static void added(struct ph_upnp_client *u, ph_ns now)
{
    struct ph_client *c = &u->base;
    c->held = PH_HELD_SURE;
    c->mapping.external.port = u->port;
    if (c->state == PH_CLIENT_RELEASING) {
        ph_upnp_start_deleting(u, now);
    } else if (!is_wanted(u)) {
        leave(u, PH_HELD_SURE);
    } else if (!ph_upnp_is_firewall(u) && (!ph_addr_is_set(&u->device.external) ||
                                           now >= u->device.external_at + ADDRESS_FRESH)) {
        u->fresh = true;
        ph_upnp_start(u, now, PH_UPNP_ASKING_ADDRESS);
    } else {
        mapped(u, now);
    }
}

/* AddAnyPortMapping's answer is of port 0, a wildcard, or names none. */
static void on_no_port(struct ph_upnp_client *u, ph_ns now)
{
    u->no_any = true;
    if (is_wanted(u))
        ph_upnp_start(u, now, PH_UPNP_ADDING);
    else if (u->base.state == PH_CLIENT_RELEASING)
        ph_upnp_start(u, now, PH_UPNP_CONFIRMING);
    else
        leave(u, PH_HELD_PERHAPS);
}

static void on_added(struct ph_upnp_client *u, ph_ns now, const struct ph_igd_answer *a)
{
    if (ph_upnp_is_firewall(u)) {
        if (a->has_unique_id)
            u->hole = a->unique_id;
        u->has_hole = u->has_hole || a->has_unique_id;
        if (!u->has_hole) {
            ph_upnp_fail(u, PH_PORTMAP_BROKEN, 0, "a pinhole without an id");
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
    ph_upnp_start(u, now, PH_UPNP_ADDING);
}

/* Routers with permanent leases alone say 725; some say that the lease is no argument. */
static bool try_permanent(struct ph_upnp_client *u, ph_ns now)
{
    if (u->lease_s == 0 || ph_upnp_is_firewall(u))
        return false;
    u->permanent = true;
    ph_upnp_start(u, now, PH_UPNP_ADDING);
    return true;
}

/* AddPortMapping instead; from the start, if it was the arguments that were not liked. */
static void without_any(struct ph_upnp_client *u, ph_ns now, int code)
{
    u->no_any = true;
    if (code == PH_IGD_INVALID_ARGS)
        u->permanent = false;
    ph_upnp_start(u, now, PH_UPNP_ADDING);
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
        if (ph_upnp_is_firewall(u))
            break;
        u->error = code;
        ph_upnp_start(u, now, PH_UPNP_CHECKING);
        return;
    case SAME_PORTS_ONLY:
        if (u->port != u->base.wish.internal_port && ++u->tries < PH_UPNP_TRIES) {
            u->port = u->base.wish.internal_port;
            ph_upnp_start(u, now, PH_UPNP_ADDING);
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
    ph_upnp_stop(u);
    u->base.report.code = code;
    if (ph_upnp_is_firewall(u)) {
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
    } else if (r->outcome == PH_UPNP_BROKEN && r->code == 200 && !ph_upnp_is_firewall(u)) {
        u->error = PH_IGD_ACTION_FAILED; /* it may have done it all the same */
        ph_upnp_start(u, now, PH_UPNP_CHECKING);
    } else {
        ph_upnp_gone(u, now, r->code);
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
            ph_upnp_start(u, now, PH_UPNP_CONFIRMING);
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
        ph_upnp_stop(u);
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
    ph_upnp_stop(u);
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
        ph_upnp_stop(u);
        return;
    }
    if (r->outcome == PH_UPNP_LOST || r->outcome == PH_UPNP_BROKEN) {
        ph_upnp_gone(u, now, r->code);
        return;
    }
    u->missed = 0;
    u->looked_again = false;
    bool missing = r->outcome == PH_UPNP_FAULT && r->code == PH_IGD_NO_SUCH_ENTRY;
    if (missing || (r->outcome == PH_UPNP_DONE && !is_ours(u, r))) {
        ph_upnp_stop(u);
        ph_client_lost(c);
        return;
    }
    ph_upnp_start(u, now, PH_UPNP_ASKING_ADDRESS); /* also where it cannot be queried */
}

/* ---- Deleting */

void ph_upnp_start_deleting(struct ph_upnp_client *u, ph_ns now)
{
    if (ph_upnp_is_firewall(u) && !u->has_hole)
        released(u);
    else if (u->base.held == PH_HELD_SURE || ph_upnp_is_firewall(u))
        ph_upnp_start(u, now, PH_UPNP_DELETING);
    else
        ph_upnp_start(u, now, PH_UPNP_CONFIRMING);
}

static void on_confirm(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    if (is_ours(u, r))
        ph_upnp_start(u, now, PH_UPNP_DELETING);
    else if (r->outcome == PH_UPNP_LOST)
        ph_upnp_gone(u, now, r->code);
    else
        released(u);
}

static void on_delete(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
{
    if (r->outcome == PH_UPNP_LOST)
        ph_upnp_gone(u, now, r->code);
    else
        released(u); /* or it was not there any more, or it cannot be helped */
}

void ph_upnp_on_answer(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r)
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
