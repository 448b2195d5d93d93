#include "portmap/upnp_private.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define MISSED_MAX 3 /* watches */

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

void ph_upnp_set_step(struct ph_upnp_client *u, enum ph_upnp_step step)
{
    if (u->step == step)
        return;
    ph_outlet_trace(u->base.outlet, "upnp-step", &u->base.server, step_name(u->step),
                    step_name(step));
    u->step = step;
}

bool ph_upnp_is_firewall(const struct ph_upnp_client *u)
{
    return u->discovery.bound.family == PH_AF_V6;
}

const struct ph_igd_service *ph_upnp_service(const struct ph_upnp_client *u)
{
    return &u->device.services[u->device.service];
}

/* The device's name comes first. */
void ph_upnp_set_text(struct ph_upnp_client *u, const char *what)
{
    char text[PH_IGD_NAME_MAX + 2 + sizeof(u->base.report.text)];
    snprintf(text, sizeof(text), "%s%s%s", u->device.name,
             u->device.name[0] != '\0' && what[0] != '\0' ? ": " : "", what);
    ph_client_set_text(&u->base, text);
}

void ph_upnp_stop(struct ph_upnp_client *u)
{
    ph_upnp_call_cancel(&u->call, u->base.outlet);
    ph_upnp_discovery_stop(&u->discovery);
    u->fresh = false;
    ph_upnp_set_step(u, PH_UPNP_IDLE);
}

void ph_upnp_fail(struct ph_upnp_client *u, enum ph_portmap_said said, int code, const char *text)
{
    ph_upnp_stop(u);
    ph_upnp_set_text(u, text);
    ph_client_down(&u->base, said, code, NULL);
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
    ph_upnp_set_step(u, PH_UPNP_LOOKING);
    ph_upnp_discovery_start(&u->discovery, now);
}

/* The device does not answer as before: its HTTP port may be another since it restarted. It is
 * looked for once. */
void ph_upnp_gone(struct ph_upnp_client *u, ph_ns now, int code)
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
    ph_upnp_stop(u);
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
    ph_upnp_fail(u, PH_PORTMAP_BROKEN, code, "it does not answer any more");
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
    ph_upnp_fail(u, said, code,
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
    c->server = ph_upnp_service(u)->control.addr;
    c->local = local_of(u);
    c->report.external = device->external;
    ph_client_heard(c, now, device->rtt);
    if (c->state == PH_CLIENT_PROBING || c->state == PH_CLIENT_MAPPING)
        ph_upnp_set_text(u, "");
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
            ph_upnp_stop(u);
            ph_client_set_state(c, PH_CLIENT_PRESENT);
        } else {
            nobody(u);
        }
    } else if (device && resume != PH_UPNP_IDLE) {
        ph_upnp_start(u, now, resume);
    } else {
        ph_upnp_set_step(u, resume);
        ph_upnp_gone(u, now, 0);
    }
}

/* ---- What the mapper wants */

static void probe(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    ph_upnp_stop(u);
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
    ph_upnp_stop(u);
    u->tries = 0;
    u->looked_again = false;
    /* The one that was used last comes first. */
    u->port = c->mapping.external.port ? c->mapping.external.port : c->wish.external_port;
    ph_client_asks(c, now, PH_CLIENT_MAPPING);
    ph_upnp_start(u, now, PH_UPNP_ADDING);
    found(u, now);
}

static void drop(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    (void)now;
    /* What may be made by now is waited for: it has to be known, to be deleted. */
    if (u->step != PH_UPNP_ADDING && u->step != PH_UPNP_CHECKING)
        ph_upnp_stop(u);
    ph_client_dropped(c, u->has_device);
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
    ph_upnp_stop(u);
    ph_upnp_start_deleting(u, now);
    found(u, now);
}

static void forget(struct ph_client *c, ph_ns now)
{
    struct ph_upnp_client *u = of(c);
    ph_upnp_stop(u);
    ph_upnp_call_cancel(&u->farewell, c->outlet);
    if (c->held == PH_HELD_SURE && u->has_device &&
        ph_upnp_start_call(u, &u->farewell, now, PH_UPNP_DELETING) != PH_OK)
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
    ph_upnp_start(u, now, ph_upnp_is_firewall(u) ? PH_UPNP_ADDING : PH_UPNP_WATCHING);
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
        ph_upnp_stop(u);
        ph_client_lost(c);
        return;
    }
    if (u->step != PH_UPNP_IDLE)
        return;
    if (now >= c->lease.renew) {
        ph_upnp_start(u, now, PH_UPNP_ADDING);
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
    ph_upnp_on_answer(u, now, &r);
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
    ph_upnp_stop(u);
    u->has_device = false;
    ph_upnp_call_cancel(&u->farewell, u->base.outlet);
}
