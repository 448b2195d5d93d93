/* The schema is told in pinhole(1). */
#include "cli/netcheck.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static json_t *addr_json(const struct ph_addr *a)
{
    char text[PH_ADDR_STRLEN];

    if (!ph_addr_is_set(a)) {
        return json_null();
    }
    return json_string(a->port ? ph_addr_format(a, text) : ph_addr_format_ip(a, text));
}

static json_t *number(double v)
{
    return json_real(round(v * 1000) / 1000);
}

static json_t *ms_json(ph_ns t)
{
    return t == 0 || t == PH_NEVER ? json_null() : number(ph_ns_to_ms(t));
}

static json_t *allocation_json(const struct ph_allocation *a)
{
    char text[PH_ALLOCATION_TEXT];
    json_t *o = json_object();

    json_object_set_new(o, "type", json_string(ph_allocation_type_name(a->type)));
    json_object_set_new(o, "text", json_string(ph_nat_allocation_text(a, text)));
    json_object_set_new(o, "confidence", number(a->confidence));
    json_object_set_new(o, "samples", json_integer((json_int_t)a->samples));
    json_object_set_new(o, "step", a->step ? json_integer(a->step) : json_null());
    json_object_set_new(o, "last", a->last ? json_integer(a->last) : json_null());
    json_object_set_new(o, "cross_rate",
                        a->cross_rate < 0
                            ? json_null()
                            : json_pack("{s:o,s:o,s:o}", "rate", number(a->cross_rate), "low",
                                        number(a->cross_low), "high", number(a->cross_high)));
    json_object_set_new(o, "range",
                        a->high == 0 ? json_null()
                                     : json_pack("{s:i,s:i,s:b}", "low", (int)a->low, "high",
                                                 (int)a->high, "aligned", (int)a->aligned));
    json_object_set_new(o, "addresses", json_integer((json_int_t)a->addresses));
    return o;
}

static json_t *samples_json(const struct ph_nat_facts *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < f->sample_count; i++) {
        const struct ph_nat_sample *s = &f->samples[i];

        json_array_append_new(list, json_pack("{s:I,s:o,s:o,s:o}", "order", (json_int_t)s->order,
                                              "server", addr_json(&s->server), "mapped",
                                              addr_json(&s->mapped), "sent_ms",
                                              number(ph_ns_to_ms(s->sent - f->samples[0].sent))));
    }
    return list;
}

static json_t *lifetime_json(const struct ph_lifetime *l)
{
    if (l->at_least == 0 && l->less_than == PH_NEVER) {
        return json_null();
    }
    return json_pack("{s:o,s:o}", "at_least_ms", number(ph_ns_to_ms(l->at_least)), "less_than_ms",
                     ms_json(l->less_than));
}

static json_t *facts_json(const struct ph_nat_facts *f)
{
    json_t *o = json_object();

    json_object_set_new(o, "udp", json_string(ph_answer_name(f->udp)));
    json_object_set_new(o, "mapping", json_string(ph_mapping_behaviour_name(f->mapping)));
    json_object_set_new(o, "mapping_guessed", json_boolean(f->mapping_guessed));
    json_object_set_new(o, "filtering", json_string(ph_filtering_behaviour_name(f->filtering)));
    json_object_set_new(o, "hairpin", json_string(ph_answer_name(f->hairpin)));
    json_object_set_new(o, "reflexive", addr_json(&f->reflexive));
    json_object_set_new(o, "allocation", allocation_json(&f->allocation));
    json_object_set_new(o, "lifetime", lifetime_json(&f->lifetime));
    json_object_set_new(o, "samples", samples_json(f));
    json_object_set_new(o, "liars", json_integer((json_int_t)f->liars));
    return o;
}

static const char *reach_name(enum ph_portmap_reach reach)
{
    static const char *const names[] = {"unknown", "public", "double"};

    return names[reach];
}

/* What a router says of itself may be any bytes, and cut anywhere. */
static json_t *foreign_text(const char *text, size_t cap)
{
    char plain[128];
    size_t len = strnlen(text, cap < sizeof(plain) ? cap : sizeof(plain) - 1);
    json_t *s = json_stringn(text, len);

    if (s) {
        return s;
    }
    for (size_t i = 0; i < len; i++) {
        plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    }
    return json_stringn(plain, len);
}

static json_t *portmap_json(const struct ph_netcheck_report *r)
{
    json_t *protocols = json_object(), *mapping = json_null();

    for (int p = 0; p < PH_PORTMAP_PROTOCOLS; p++) {
        const struct ph_portmap_protocol_report *x = &r->portmap[p];

        json_object_set_new(
            protocols, ph_portmap_protocol_name((enum ph_portmap_protocol)p),
            json_pack("{s:s,s:o,s:o,s:i,s:o,s:o,s:o}", "said", ph_portmap_said_name(x->said),
                      "server", addr_json(&x->server), "external", addr_json(&x->external), "code",
                      x->code, "text", foreign_text(x->text, sizeof(x->text)), "rtt_ms",
                      ms_json(x->rtt), "took_ms", ms_json(x->took)));
    }
    if (r->mapped) {
        mapping = json_pack(
            "{s:s,s:o,s:o,s:i,s:I,s:s}", "protocol", ph_portmap_protocol_name(r->mapping.protocol),
            "gateway", addr_json(&r->mapping.gateway), "external", addr_json(&r->mapping.external),
            "internal_port", (int)r->mapping.internal_port, "lifetime_s",
            (json_int_t)r->mapping.lifetime_s, "reach", reach_name(r->mapping.reach));
    }
    return json_pack("{s:b,s:o,s:o}", "mapped", (int)r->mapped, "mapping", mapping, "protocols",
                     protocols);
}

static json_t *relays_json(const struct netcheck_view *v)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->report.relay_count; i++) {
        const struct ph_netcheck_relay_report *r = &v->report.relays[i];

        json_array_append_new(
            list, json_pack("{s:s?,s:o,s:s,s:b,s:o,s:b}", "name", netcheck_name(v, &r->relay.addr),
                            "address", addr_json(&r->relay.addr), "region", r->relay.region,
                            "answered", (int)r->answered, "rtt_ms", ms_json(r->rtt), "preferred",
                            (int)(i == 0 && r->answered)));
    }
    return list;
}

static json_t *outlook_json(const struct ph_outlook *o)
{
    return json_pack("{s:s,s:s,s:s,s:s}", "portmap", ph_chance_name(o->portmap), "punch",
                     ph_chance_name(o->punch), "predict", ph_chance_name(o->predict), "birthday",
                     ph_chance_name(o->birthday));
}

int netcheck_json(FILE *to, const struct netcheck_view *v)
{
    const struct ph_netcheck_report *r = &v->report;
    char verdict[NETCHECK_VERDICT];
    json_t *o = json_object();
    int rc;

    json_object_set_new(o, "schema", json_integer(1));
    json_object_set_new(o, "took_ms", number(ph_ns_to_ms(r->took)));
    json_object_set_new(o, "udp", json_string(ph_answer_name(netcheck_udp(r))));
    json_object_set_new(o, "ipv4", json_string(ph_answer_name(r->ipv4)));
    json_object_set_new(o, "ipv6", json_string(ph_answer_name(r->ipv6)));
    json_object_set_new(o, "nat64", json_boolean(r->nat64));
    json_object_set_new(o, "v4", facts_json(&r->v4));
    json_object_set_new(o, "v6", facts_json(&r->v6));
    json_object_set_new(o, "port_mapping", portmap_json(r));
    json_object_set_new(o, "double_nat", json_string(ph_answer_name(r->double_nat)));
    json_object_set_new(o, "relays", relays_json(v));
    json_object_set_new(o, "easy_peer", outlook_json(&r->easy));
    json_object_set_new(o, "hard_peer", outlook_json(&r->hard));
    json_object_set_new(o, "verdict", json_string(netcheck_verdict(r, verdict)));
    rc = json_dumpf(o, to, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    json_decref(o);
    if (rc == 0) {
        fputc('\n', to);
    }
    return rc;
}
