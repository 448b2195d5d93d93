#include "cli/map_tell.h"

#include "base/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE 1024

static struct ph_json begin(const struct map_tell *t, char line[LINE], const char *event, ph_ns now)
{
    struct ph_json j = ph_json_begin(line, LINE);

    ph_json_str(&j, "event", event);
    ph_json_ns_ms(&j, "t_ms", now - t->started);
    return j;
}

static void end(struct ph_json *j)
{
    puts(ph_json_end(j));
}

void map_tell_start(const struct map_tell *t, ph_ns now)
{
    struct ph_addr local = t->host->ops->udp_local(t->host, t->sock);
    char line[LINE];

    if (t->json) {
        struct ph_json j = begin(t, line, "started", now);

        ph_json_u64(&j, "port", local.port);
        ph_json_str(&j, "family", local.family == PH_AF_V6 ? "ipv6" : "ipv4");
        end(&j);
    } else {
        printf("port %u\n", local.port);
    }
}

static void print_protocol(enum ph_portmap_protocol protocol,
                           const struct ph_portmap_protocol_report *r)
{
    static const char *const said[] = {
        [PH_PORTMAP_UNASKED] = "was not asked",
        [PH_PORTMAP_WAITING] = "has not answered yet",
        [PH_PORTMAP_SILENT] = "nobody answered",
        [PH_PORTMAP_ANSWERS] = "answers",
        [PH_PORTMAP_MAPPED] = "maps",
        [PH_PORTMAP_RELEASED] = "maps; has it back",
        [PH_PORTMAP_REFUSED] = "refused",
        [PH_PORTMAP_UNSUPPORTED] = "does not speak it",
        [PH_PORTMAP_BROKEN] = "gave no answer that makes sense",
    };
    bool answered = r->said >= PH_PORTMAP_ANSWERS;
    char server[PH_ADDR_STRLEN] = "the router";

    if (ph_addr_is_set(&r->server)) {
        ph_addr_format(&r->server, server);
    }
    printf("%-8s %s%s%s", ph_portmap_protocol_name(protocol), answered ? server : "",
           answered ? " " : "", said[r->said]);
    if (r->text[0] && r->said != PH_PORTMAP_SILENT) {
        printf(": %s", r->text);
    }
    if (r->code) {
        printf(" (%d)", r->code);
    }
    if (r->rtt) {
        printf(", round trip %.1f ms", ph_ns_to_ms(r->rtt));
    }
    putchar('\n');
}

void map_tell_protocols(const struct map_tell *t, const struct ph_mapper *m, ph_ns now)
{
    for (unsigned p = 0; p < PH_PORTMAP_PROTOCOLS; p++) {
        enum ph_portmap_protocol protocol = (enum ph_portmap_protocol)p;
        struct ph_portmap_protocol_report r;
        char line[LINE];

        if (!(t->protocols & 1u << p)) {
            continue;
        }
        ph_mapper_report(m, protocol, &r);
        if (!t->json) {
            print_protocol(protocol, &r);
            continue;
        }
        {
            struct ph_json j = begin(t, line, "protocol", now);

            ph_json_str(&j, "protocol", ph_portmap_protocol_name(protocol));
            ph_json_str(&j, "said", ph_portmap_said_name(r.said));
            ph_json_addr(&j, "server", &r.server);
            ph_json_addr(&j, "external", &r.external);
            ph_json_i64(&j, "code", r.code);
            ph_json_str(&j, "text", r.text);
            ph_json_ns_ms(&j, "rtt_ms", r.rtt ? r.rtt : PH_NEVER);
            ph_json_ns_ms(&j, "took_ms", r.took ? r.took : PH_NEVER);
            end(&j);
        }
    }
}

/* Our own side of it: the address towards its gateway, where that is known. */
static struct ph_addr internal_of(const struct map_tell *t, const struct ph_mapping *mapping)
{
    struct ph_gateway gateways[PH_GATEWAYS_MAX];
    size_t n = t->host->ops->gateways(t->host, gateways, PH_GATEWAYS_MAX);
    struct ph_addr internal = {0};

    for (size_t i = 0; i < n && !ph_addr_is_set(&internal); i++) {
        if (ph_addr_ip_eq(&gateways[i].gateway, &mapping->gateway)) {
            internal = gateways[i].local;
        }
    }
    /* A gateway that stands elsewhere (UPnP): the best one of its family leads there. */
    for (size_t i = 0; i < n && !ph_addr_is_set(&internal); i++) {
        if (gateways[i].gateway.family == mapping->gateway.family) {
            internal = gateways[i].local;
        }
    }
    if (!ph_addr_is_set(&internal)) {
        internal = t->host->ops->udp_local(t->host, t->sock);
    }
    internal.port = mapping->internal_port;
    return internal;
}

static const char *reach_name(enum ph_portmap_reach reach)
{
    switch (reach) {
    case PH_PORTMAP_REACH_PUBLIC:
        return "public";
    case PH_PORTMAP_REACH_DOUBLE:
        return "double-nat";
    default:
        return "unknown";
    }
}

void map_tell_mapping(const struct map_tell *t, const char *event, const struct ph_mapping *mapping,
                      ph_ns now)
{
    struct ph_addr internal = internal_of(t, mapping);
    char line[LINE], from[PH_ADDR_STRLEN], to[PH_ADDR_STRLEN];

    if (t->json) {
        struct ph_json j = begin(t, line, event, now);

        ph_json_str(&j, "protocol", ph_portmap_protocol_name(mapping->protocol));
        ph_json_addr(&j, "external", &mapping->external);
        ph_json_addr(&j, "internal", &internal);
        ph_json_addr(&j, "gateway", &mapping->gateway);
        ph_json_u64(&j, "lifetime_s", mapping->lifetime_s);
        ph_json_str(&j, "reach", reach_name(mapping->reach));
        end(&j);
        return;
    }
    if (strcmp(event, "mapped") != 0) {
        printf("%s: ", event);
    }
    printf("%s -> %s by %s, ", ph_addr_format(&mapping->external, from),
           ph_addr_format(&internal, to), ph_portmap_protocol_name(mapping->protocol));
    if (mapping->lifetime_s) {
        printf("%" PRIu32 " s\n", mapping->lifetime_s);
    } else {
        puts("until it is deleted");
    }
    if (mapping->reach == PH_PORTMAP_REACH_DOUBLE) {
        puts("another NAT stands before that router: the address is not the world's");
    }
}

void map_tell_event(const struct map_tell *t, const char *event, const char *text, ph_ns now)
{
    char line[LINE];

    if (t->json) {
        struct ph_json j = begin(t, line, event, now);

        ph_json_str(&j, "text", text);
        end(&j);
    } else {
        printf("%s: %s\n", event, text);
    }
}

void map_tell_released(const struct map_tell *t, const struct ph_mapper *m, ph_ns now)
{
    bool given = false, kept = false;
    char line[LINE];

    for (unsigned p = 0; p < PH_PORTMAP_PROTOCOLS; p++) {
        struct ph_portmap_protocol_report r;

        ph_mapper_report(m, (enum ph_portmap_protocol)p, &r);
        given |= r.said == PH_PORTMAP_RELEASED;
        kept |= r.said == PH_PORTMAP_MAPPED;
    }
    /* Nor is one that was lost because the router fell silent. */
    bool confirmed = given && !kept;
    if (t->json) {
        struct ph_json j = begin(t, line, "released", now);

        ph_json_bool(&j, "confirmed", confirmed);
        end(&j);
    } else {
        puts(confirmed ? "released"
                       : "released, but the router has not said that it deleted the mapping");
    }
}
