#include "portmap/client.h"

#include <string.h>

const char *ph_client_state_name(enum ph_client_state state)
{
    static const char *const names[] = {"idle",   "probing",   "present", "mapping",
                                        "mapped", "releasing", "down"};
    return names[state];
}

void ph_client_init(struct ph_client *c, const struct ph_client_ops *ops,
                    enum ph_portmap_protocol protocol, struct ph_outlet *outlet)
{
    *c = (struct ph_client){
        .ops = ops,
        .protocol = protocol,
        .outlet = outlet,
        .asked = PH_NEVER,
        .answered = PH_NEVER,
    };
    ph_lease_none(&c->lease);
}

void ph_client_set_state(struct ph_client *c, enum ph_client_state state)
{
    if (c->state == state)
        return;
    ph_outlet_trace(c->outlet, ph_portmap_protocol_name(c->protocol), &c->server,
                    ph_client_state_name(c->state), ph_client_state_name(state));
    c->state = state;
}

void ph_client_set_text(struct ph_client *c, const char *text)
{
    size_t n = 0;
    for (; text && *text && n < sizeof(c->report.text) - 1; text++) {
        if (*text >= 0x20 && *text < 0x7f)
            c->report.text[n++] = *text;
    }
    c->report.text[n] = '\0';
}

void ph_client_asks(struct ph_client *c, ph_ns now, enum ph_client_state state)
{
    c->asked = now;
    if (c->answered == PH_NEVER)
        c->report.said = PH_PORTMAP_WAITING;
    if (state == PH_CLIENT_MAPPING && c->held == PH_HELD_NOTHING)
        c->held = PH_HELD_PERHAPS;
    ph_client_set_state(c, state);
}

void ph_client_heard(struct ph_client *c, ph_ns now, ph_ns rtt)
{
    if (c->answered == PH_NEVER) {
        c->answered = now;
        if (c->asked != PH_NEVER)
            c->report.took = now - c->asked;
    }
    if (rtt > 0 && (c->report.rtt == 0 || rtt < c->report.rtt))
        c->report.rtt = rtt;
    c->doubtful = false;
    c->report.server = c->server;
    if (c->report.said == PH_PORTMAP_UNASKED || c->report.said == PH_PORTMAP_WAITING ||
        c->report.said == PH_PORTMAP_SILENT)
        c->report.said = PH_PORTMAP_ANSWERS;
}

void ph_client_down(struct ph_client *c, enum ph_portmap_said said, int code, const char *text)
{
    c->report.said = said;
    c->report.code = code;
    if (text)
        ph_client_set_text(c, text);
    ph_lease_none(&c->lease);
    ph_client_set_state(c, PH_CLIENT_DOWN);
}

void ph_client_mapped(struct ph_client *c, ph_ns now, const struct ph_addr *external,
                      uint32_t lifetime_s)
{
    bool renewed = c->state == PH_CLIENT_MAPPED;
    c->mapping = (struct ph_mapping){
        .protocol = c->protocol,
        .gateway = c->server,
        .external = *external,
        .internal_port = c->wish.internal_port,
        .lifetime_s = lifetime_s,
        .made = renewed ? c->mapping.made : now,
    };
    c->held = PH_HELD_SURE;
    ph_lease_begin(&c->lease, now, lifetime_s, c->wish.upkeep);
    c->mapping.renew = c->lease.renew;
    c->report.said = PH_PORTMAP_MAPPED;
    c->report.external = *external;
    c->report.code = 0;
    if (!renewed && c->asked != PH_NEVER)
        c->report.took = now - c->asked;
    ph_client_set_state(c, PH_CLIENT_MAPPED);
}

void ph_client_dropped(struct ph_client *c, bool present)
{
    ph_lease_none(&c->lease);
    if (c->report.said == PH_PORTMAP_WAITING)
        c->report.said = PH_PORTMAP_SILENT; /* so far */
    ph_client_set_state(c, present ? PH_CLIENT_PRESENT : PH_CLIENT_IDLE);
}

void ph_client_lost(struct ph_client *c)
{
    c->held = PH_HELD_NOTHING;
    ph_lease_none(&c->lease);
    c->report.said = PH_PORTMAP_ANSWERS;
    ph_client_set_state(c, PH_CLIENT_PRESENT);
}

void ph_client_released(struct ph_client *c)
{
    if (c->report.said == PH_PORTMAP_MAPPED)
        c->report.said = PH_PORTMAP_RELEASED;
    c->held = PH_HELD_NOTHING;
    ph_lease_none(&c->lease);
    ph_client_set_state(c, PH_CLIENT_PRESENT);
}
