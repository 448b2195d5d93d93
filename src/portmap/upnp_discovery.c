#include "portmap/upnp_discovery.h"

#include "base/err.h"

#include <string.h>

#define FETCH_AGAIN (50 * PH_MS)

static const char *device_state_name(enum ph_upnp_device_state state)
{
    static const char *const names[] = {"found", "fetching", "asking-status", "asking-address",
                                        "known", "broken",   "unsupported"};
    return names[state];
}

static void set_device_state(struct ph_upnp_discovery *d, struct ph_upnp_device *v,
                             enum ph_upnp_device_state state)
{
    if (v->state == state)
        return;
    ph_outlet_trace(d->outlet, "igd", &v->location.addr, device_state_name(v->state),
                    device_state_name(state));
    v->state = state;
}

static void set_state(struct ph_upnp_discovery *d, enum ph_upnp_discovery_state state)
{
    static const char *const names[] = {"idle", "searching", "done"};
    if (d->state == state)
        return;
    ph_outlet_trace(d->outlet, "upnp-discovery", NULL, names[d->state], names[state]);
    d->state = state;
}

void ph_upnp_discovery_init(struct ph_upnp_discovery *d, struct ph_outlet *outlet,
                            const struct ph_gateway *gateways, size_t gateway_count,
                            const struct ph_addr *bound)
{
    *d = (struct ph_upnp_discovery){
        .outlet = outlet,
        .gateways = gateways,
        .gateway_count = gateway_count,
        .bound = *bound,
        .first = PH_NEVER,
    };
    ph_retry_stop(&d->retry);
}

/* ---- Searching */

static bool usable_link(const struct ph_upnp_discovery *d, const struct ph_gateway *g)
{
    if (!ph_addr_is_set(&g->local) || ph_addr_is_loopback(&d->bound))
        return false;
    if (g->local.family == PH_AF_V6)
        return d->bound.family == PH_AF_V6;
    /* Devices have their IPv6 firewall's service on IPv4 too. */
    return d->bound.family == PH_AF_V6 || ph_addr_is_any(&d->bound) ||
           ph_addr_ip_eq(&g->local, &d->bound);
}

static bool has_link(const struct ph_upnp_discovery *d, const struct ph_addr *local)
{
    for (size_t i = 0; i < d->link_count; i++) {
        if (ph_addr_ip_eq(&d->gateways[d->links[i].gateway].local, local))
            return true;
    }
    return false;
}

/* A socket for each of our addresses that a gateway knows. */
static void open_links(struct ph_upnp_discovery *d)
{
    struct ph_host *h = d->outlet->host;
    d->link_count = 0;
    for (size_t i = 0; i < d->gateway_count; i++) {
        const struct ph_gateway *g = &d->gateways[i];
        struct ph_addr local = g->local;
        struct ph_upnp_link link = {.gateway = i};
        local.port = 0;
        if (usable_link(d, g) && !has_link(d, &local) &&
            h->ops->udp_open(h, &local, &link.sock) == PH_OK)
            d->links[d->link_count++] = link;
    }
}

static void close_links(struct ph_upnp_discovery *d)
{
    struct ph_host *h = d->outlet->host;
    for (size_t i = 0; i < d->link_count; i++)
        h->ops->udp_close(h, d->links[i].sock);
    d->link_count = 0;
    ph_retry_stop(&d->retry);
}

/* To everybody on the link; of IPv6, UPnP Device Architecture 1.1 annex A. */
static struct ph_addr multicast(enum ph_family family)
{
    if (family == PH_AF_V4)
        return ph_ssdp_multicast();
    return (struct ph_addr){
        .family = PH_AF_V6, .port = PH_SSDP_PORT, .ip = {[0] = 0xff, [1] = 0x02, [15] = 0x0c}};
}

static void search_at(struct ph_upnp_discovery *d, const struct ph_upnp_link *link,
                      const struct ph_addr *to)
{
    const struct ph_gateway *g = &d->gateways[link->gateway];
    uint32_t scope = to->family == PH_AF_V6 ? g->scope : 0;
    char buf[PH_SSDP_REQUEST_MAX];
    for (unsigned target = 0; target < PH_SSDP_TARGETS; target++) {
        int len = ph_ssdp_search(buf, sizeof(buf), to, (enum ph_ssdp_target)target, 1);
        if (len > 0)
            ph_outlet_send(d->outlet, link->sock, to, scope, buf, (size_t)len);
    }
}

static void search(struct ph_upnp_discovery *d)
{
    for (size_t i = 0; i < d->link_count; i++) {
        const struct ph_gateway *g = &d->gateways[d->links[i].gateway];
        struct ph_addr everybody = multicast(g->local.family);
        search_at(d, &d->links[i], &everybody);
        /* Some answer to nothing but this; every gateway that this address leads to. */
        for (size_t j = 0; j < d->gateway_count; j++) {
            struct ph_addr to = d->gateways[j].gateway;
            to.port = PH_SSDP_PORT;
            if (ph_addr_ip_eq(&d->gateways[j].local, &g->local))
                search_at(d, &d->links[i], &to);
        }
    }
}

static void end(struct ph_upnp_discovery *d, enum ph_upnp_discovery_state state)
{
    for (size_t i = 0; i < d->device_count; i++)
        ph_upnp_call_cancel(&d->devices[i].call, d->outlet);
    close_links(d);
    set_state(d, state);
}

void ph_upnp_discovery_stop(struct ph_upnp_discovery *d)
{
    end(d, PH_UPNP_DISCOVERY_IDLE);
}

/* ---- Devices */

static bool in_progress(const struct ph_upnp_device *v)
{
    return v->state < PH_UPNP_DEVICE_KNOWN;
}

static bool gateway_of(const struct ph_upnp_discovery *d, const struct ph_addr *ip, size_t *index)
{
    for (size_t i = 0; i < d->gateway_count; i++) {
        if (ph_addr_ip_eq(&d->gateways[i].gateway, ip)) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* Where a device may send us: to itself, to a gateway, into the neighbourhood. */
static bool may_go(const struct ph_upnp_discovery *d, const struct ph_addr *to,
                   const struct ph_addr *from)
{
    size_t index;
    if (ph_addr_is_unusable(to) || ph_addr_is_loopback(to))
        return false;
    return ph_addr_ip_eq(to, from) || gateway_of(d, to, &index) || ph_addr_is_private(to);
}

/* A device answers from the link that it was asked on. Anything from elsewhere is forged, and would
 * have us speak with whom it likes. */
static bool is_near(const struct ph_upnp_discovery *d, const struct ph_addr *local,
                    const struct ph_addr *from)
{
    size_t index, prefix = from->family == PH_AF_V6 ? 8 : 3; /* bytes that a link shares */
    bool link_local = from->family == PH_AF_V6 && from->ip[0] == 0xfe && from->ip[1] >> 6 == 2;
    return from->family == local->family &&
           (gateway_of(d, from, &index) || link_local || ph_addr_is_private(from) ||
            memcmp(from->ip, local->ip, prefix) == 0);
}

static bool same_place(const struct ph_url *a, const struct ph_url *b)
{
    return ph_addr_eq(&a->addr, &b->addr) && strcmp(a->path, b->path) == 0;
}

static struct ph_upnp_device *find(struct ph_upnp_discovery *d, const struct ph_url *location)
{
    for (size_t i = 0; i < d->device_count; i++) {
        if (same_place(&d->devices[i].location, location))
            return &d->devices[i];
    }
    return NULL;
}

/* A place in the table. When it is full, a gateway gets that of somebody who is none. */
static struct ph_upnp_device *make_room(struct ph_upnp_discovery *d, bool for_gateway)
{
    if (d->device_count < PH_UPNP_DEVICES_MAX)
        return &d->devices[d->device_count++];
    for (size_t i = d->device_count; for_gateway && i > 0; i--) {
        if (!d->devices[i - 1].is_gateway) {
            ph_upnp_call_cancel(&d->devices[i - 1].call, d->outlet);
            return &d->devices[i - 1];
        }
    }
    return NULL;
}

static void on_response(struct ph_upnp_discovery *d, ph_ns now, const struct ph_upnp_link *link,
                        const struct ph_addr *from, const struct ph_ssdp_response *r)
{
    size_t gateway = 0;
    const struct ph_addr *local = &d->gateways[link->gateway].local;
    bool is_gateway = gateway_of(d, from, &gateway) || gateway_of(d, &r->location.addr, &gateway);
    /* Everything in the house is a root device. */
    if ((!r->igd && !is_gateway) || !is_near(d, local, from) ||
        !may_go(d, &r->location.addr, from) || find(d, &r->location))
        return;
    struct ph_upnp_device *v = make_room(d, is_gateway);
    if (!v)
        return;
    *v = (struct ph_upnp_device){
        .location = r->location,
        .local = *local,
        .is_gateway = is_gateway,
        .gateway = gateway,
    };
    if (d->first == PH_NEVER)
        d->first = now;
}

/* ---- What is asked of them */

static void broken(struct ph_upnp_discovery *d, struct ph_upnp_device *v, int code)
{
    v->code = code;
    set_device_state(d, v, PH_UPNP_DEVICE_BROKEN);
}

static void fetch_more(struct ph_upnp_discovery *d, ph_ns now)
{
    size_t running = 0;
    for (size_t i = 0; i < d->device_count; i++)
        running += d->devices[i].call.id != 0;
    for (size_t i = 0; i < d->device_count && running < PH_UPNP_FETCHES_MAX; i++) {
        struct ph_upnp_device *v = &d->devices[i];
        if (v->state != PH_UPNP_DEVICE_FOUND)
            continue;
        int err = ph_upnp_call_fetch(&v->call, d->outlet, now, &v->location, &v->local);
        if (err == PH_ERR_SPACE)
            return; /* when one of the others ends, or some time later */
        if (err == PH_OK)
            set_device_state(d, v, PH_UPNP_DEVICE_FETCHING);
        else
            broken(d, v, 0);
        running++;
    }
}

static void ask_address(struct ph_upnp_discovery *d, ph_ns now, struct ph_upnp_device *v)
{
    char body[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    const struct ph_igd_service *s = &v->services[v->service];
    int len = ph_igd_external_address(s, body, sizeof(body), action);
    int err =
        ph_upnp_call_soap(&v->call, d->outlet, now, &s->control, &v->local, action, body, len);
    /* What does not say so may map all the same. */
    set_device_state(d, v, err == PH_OK ? PH_UPNP_DEVICE_ASKING_ADDRESS : PH_UPNP_DEVICE_KNOWN);
}

static void ask_status(struct ph_upnp_discovery *d, ph_ns now, struct ph_upnp_device *v)
{
    char body[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    const struct ph_igd_service *s = &v->services[v->service];
    int len = ph_igd_status(s, body, sizeof(body), action);
    if (ph_upnp_call_soap(&v->call, d->outlet, now, &s->control, &v->local, action, body, len) ==
        PH_OK)
        set_device_state(d, v, PH_UPNP_DEVICE_ASKING_STATUS);
    else
        ask_address(d, now, v);
}

static unsigned service_rank(const struct ph_igd_service *s)
{
    return (s->kind == PH_IGD_WANPPP ? 2u : 0u) + (s->version >= 2 ? 0u : 1u);
}

static void add_service(struct ph_upnp_device *v, const struct ph_igd_service *s)
{
    size_t at = v->service_count;
    while (at > 0 && service_rank(&v->services[at - 1]) > service_rank(s))
        at--;
    if (at >= PH_UPNP_SERVICES_MAX)
        return;
    size_t keep =
        v->service_count < PH_UPNP_SERVICES_MAX ? v->service_count : PH_UPNP_SERVICES_MAX - 1;
    memmove(&v->services[at + 1], &v->services[at], (keep - at) * sizeof(v->services[0]));
    v->services[at] = *s;
    v->service_count = keep + 1;
}

static void on_description(struct ph_upnp_discovery *d, ph_ns now, struct ph_upnp_device *v,
                           const struct ph_http_answer *a)
{
    struct ph_igd igd;
    v->rtt = now - v->call.started;
    if (a->len == 0 || a->status != 200) {
        broken(d, v, a->status);
        return;
    }
    /* A body that never ended, or is longer than what is read, may still hold what matters. */
    if (ph_igd_parse_description((const char *)a->body, a->len, &v->location, &igd) == PH_OK) {
        memcpy(v->name, igd.name, sizeof(v->name));
        for (size_t i = 0; i < igd.count; i++) {
            bool wanted =
                (igd.services[i].kind == PH_IGD_FIREWALL6) == (d->bound.family == PH_AF_V6);
            if (wanted && may_go(d, &igd.services[i].control.addr, &v->location.addr))
                add_service(v, &igd.services[i]);
        }
    }
    if (v->service_count == 0) {
        if (a->error == PH_OK || a->error == PH_ERR_SPACE)
            set_device_state(d, v, PH_UPNP_DEVICE_UNSUPPORTED);
        else
            broken(d, v, a->status);
    } else if (d->bound.family == PH_AF_V6) {
        set_device_state(d, v, PH_UPNP_DEVICE_KNOWN); /* a firewall has neither */
    } else {
        ask_status(d, now, v);
    }
}

static void on_status(struct ph_upnp_discovery *d, ph_ns now, struct ph_upnp_device *v,
                      const struct ph_upnp_result *r)
{
    v->has_status = r->outcome == PH_UPNP_DONE && r->answer.has_status;
    v->connected = v->has_status && r->answer.connected;
    /* A device with both IP and PPP has one line, on one of the two. */
    if (v->has_status && !v->connected && v->service + 1 < v->service_count) {
        v->service++;
        ask_status(d, now, v);
        return;
    }
    if (v->has_status && !v->connected)
        v->service = 0;
    ask_address(d, now, v);
}

static void on_address(struct ph_upnp_discovery *d, ph_ns now, struct ph_upnp_device *v,
                       const struct ph_upnp_result *r)
{
    if (r->outcome == PH_UPNP_LOST) {
        broken(d, v, r->code);
        return;
    }
    if (r->outcome == PH_UPNP_DONE && ph_addr_is_set(&r->answer.external)) {
        v->external = r->answer.external;
        v->external_at = now;
    }
    set_device_state(d, v, PH_UPNP_DEVICE_KNOWN);
}

/* ---- The end */

static bool any_in_progress(const struct ph_upnp_discovery *d)
{
    for (size_t i = 0; i < d->device_count; i++) {
        if (in_progress(&d->devices[i]))
            return true;
    }
    return false;
}

static bool is_over(const struct ph_upnp_discovery *d, ph_ns now)
{
    if (d->link_count == 0 || now >= d->started + PH_UPNP_DISCOVERY_MAX)
        return true;
    const struct ph_upnp_device *best = ph_upnp_discovery_best(d);
    if (best && ph_upnp_device_is_good(d, best) && best->is_gateway && best->gateway == 0)
        return true;
    if (best && now >= d->first + PH_UPNP_COLLECT)
        return ph_upnp_device_is_good(d, best) || !any_in_progress(d);
    return d->retry.next == PH_NEVER && !any_in_progress(d);
}

static void settle(struct ph_upnp_discovery *d, ph_ns now)
{
    if (d->state != PH_UPNP_DISCOVERY_SEARCHING)
        return;
    d->settled = now;
    fetch_more(d, now);
    if (is_over(d, now))
        end(d, PH_UPNP_DISCOVERY_DONE);
}

/* ---- Events */

void ph_upnp_discovery_start(struct ph_upnp_discovery *d, ph_ns now)
{
    ph_upnp_discovery_stop(d);
    d->device_count = 0;
    d->first = PH_NEVER;
    d->started = now;
    open_links(d);
    set_state(d, PH_UPNP_DISCOVERY_SEARCHING);
    ph_retry_start(&d->retry, now);
    if (ph_retry_take(&d->retry, now))
        search(d);
    settle(d, now);
}

bool ph_upnp_discovery_on_datagram(struct ph_upnp_discovery *d, ph_ns now, ph_sock sock,
                                   const struct ph_datagram *in)
{
    for (size_t i = 0; i < d->link_count; i++) {
        struct ph_ssdp_response r;
        if (d->links[i].sock != sock)
            continue;
        if (ph_ssdp_parse((const char *)in->data, in->len, &r) == PH_OK)
            on_response(d, now, &d->links[i], &in->peer, &r);
        settle(d, now);
        return true;
    }
    return false;
}

bool ph_upnp_discovery_on_http(struct ph_upnp_discovery *d, ph_ns now, ph_http id,
                               const struct ph_http_answer *a)
{
    for (size_t i = 0; i < d->device_count; i++) {
        struct ph_upnp_device *v = &d->devices[i];
        struct ph_upnp_result r;
        if (!ph_upnp_call_is(&v->call, id))
            continue;
        if (v->state == PH_UPNP_DEVICE_FETCHING) {
            on_description(d, now, v, a);
        } else {
            ph_upnp_call_read(&v->call, now, a, &r);
            v->rtt = r.took;
            if (v->state == PH_UPNP_DEVICE_ASKING_STATUS)
                on_status(d, now, v, &r);
            else
                on_address(d, now, v, &r);
        }
        settle(d, now);
        return true;
    }
    return false;
}

void ph_upnp_discovery_on_timer(struct ph_upnp_discovery *d, ph_ns now)
{
    if (d->state != PH_UPNP_DISCOVERY_SEARCHING)
        return;
    if (ph_retry_over(&d->retry, now))
        ph_retry_stop(&d->retry); /* who has not answered yet will not */
    else if (ph_retry_take(&d->retry, now))
        search(d);
    settle(d, now);
}

ph_ns ph_upnp_discovery_deadline(const struct ph_upnp_discovery *d)
{
    if (d->state != PH_UPNP_DISCOVERY_SEARCHING)
        return PH_NEVER;
    ph_ns at = ph_min_ns(ph_retry_deadline(&d->retry), d->started + PH_UPNP_DISCOVERY_MAX);
    if (d->first != PH_NEVER && d->first + PH_UPNP_COLLECT > d->settled)
        at = ph_min_ns(at, d->first + PH_UPNP_COLLECT);
    for (size_t i = 0; i < d->device_count; i++) {
        if (d->devices[i].state == PH_UPNP_DEVICE_FOUND) /* the host had too much to do */
            at = ph_min_ns(at, d->settled + FETCH_AGAIN);
    }
    return at;
}
