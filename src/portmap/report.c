/* What the mapper tells of itself. */
#include "portmap/mapper.h"

const char *ph_portmap_protocol_name(enum ph_portmap_protocol protocol)
{
    static const char *const names[] = {"pcp", "nat-pmp", "upnp", "none"};
    return names[protocol];
}

const char *ph_portmap_said_name(enum ph_portmap_said said)
{
    static const char *const names[] = {"unasked",  "waiting", "silent",      "answers", "mapped",
                                        "released", "refused", "unsupported", "broken"};
    return names[said];
}

const char *ph_mapper_state_name(enum ph_mapper_state state)
{
    static const char *const names[] = {"idle",   "discovering", "acquiring",
                                        "mapped", "failed",      "releasing"};
    return names[state];
}

enum ph_mapper_state ph_mapper_state(const struct ph_mapper *m)
{
    return m->state;
}

const struct ph_mapping *ph_mapper_mapping(const struct ph_mapper *m)
{
    return m->winner ? &m->mapping : NULL;
}

uint32_t ph_mapper_changes(const struct ph_mapper *m)
{
    return m->changes;
}

void ph_mapper_sent(const struct ph_mapper *m, uint64_t *packets, uint64_t *bytes)
{
    *packets = m->outlet.packets;
    *bytes = m->outlet.bytes;
}

static bool has_answered(const struct ph_client *c)
{
    switch (c->report.said) {
    case PH_PORTMAP_ANSWERS:
    case PH_PORTMAP_MAPPED:
    case PH_PORTMAP_RELEASED:
        return true;
    default:
        return false;
    }
}

ph_ns ph_mapper_expected(const struct ph_mapper *m)
{
    const struct ph_client *best = NULL;
    for (size_t i = 0; i < m->client_count; i++) {
        const struct ph_client *c = m->clients[i];
        if (has_answered(c) && (!best || ph_contest_rank(c) < ph_contest_rank(best)))
            best = c;
    }
    return best ? 3 * best->report.rtt + 10 * PH_MS : 0;
}

/* Of several gateways the one that says most is told of. */
static unsigned weight(enum ph_portmap_said said)
{
    static const unsigned weights[] = {
        [PH_PORTMAP_UNASKED] = 0, [PH_PORTMAP_SILENT] = 1,      [PH_PORTMAP_WAITING] = 2,
        [PH_PORTMAP_BROKEN] = 3,  [PH_PORTMAP_UNSUPPORTED] = 4, [PH_PORTMAP_REFUSED] = 5,
        [PH_PORTMAP_ANSWERS] = 6, [PH_PORTMAP_RELEASED] = 7,    [PH_PORTMAP_MAPPED] = 8,
    };
    return weights[said];
}

void ph_mapper_report(const struct ph_mapper *m, enum ph_portmap_protocol protocol,
                      struct ph_portmap_protocol_report *out)
{
    *out = (struct ph_portmap_protocol_report){.said = PH_PORTMAP_UNASKED};
    for (size_t i = 0; i < m->client_count; i++) {
        const struct ph_client *c = m->clients[i];
        if (c->protocol == protocol && weight(c->report.said) > weight(out->said))
            *out = c->report;
    }
}

bool ph_mapper_is_waiting(const struct ph_mapper *m)
{
    for (int p = 0; p < PH_PORTMAP_PROTOCOLS; p++) {
        struct ph_portmap_protocol_report r;
        ph_mapper_report(m, (enum ph_portmap_protocol)p, &r);
        if (r.said == PH_PORTMAP_WAITING)
            return true;
    }
    return false;
}

bool ph_mapper_found_nobody(const struct ph_mapper *m)
{
    if (m->state == PH_MAPPER_DISCOVERING || m->state == PH_MAPPER_ACQUIRING)
        return false;
    for (int p = 0; p < PH_PORTMAP_PROTOCOLS; p++) {
        struct ph_portmap_protocol_report r;
        ph_mapper_report(m, (enum ph_portmap_protocol)p, &r);
        if (r.said != PH_PORTMAP_SILENT && r.said != PH_PORTMAP_UNSUPPORTED &&
            r.said != PH_PORTMAP_BROKEN)
            return false;
    }
    return true;
}
