#include "lab/run/record_json.h"

#include <math.h>

json_t *record_ms(ph_ns t)
{
    if (t == PH_NEVER)
        return json_null();
    return json_real(round((double)t / 1e3) / 1e3);
}

static json_t *rounded(double v)
{
    return json_real(round(v * 1000.0) / 1000.0);
}

json_t *record_integer(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static json_t *stage_json(const struct ph_stage_report *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "state", json_string(ph_stage_state_name(r->state)));
    if (r->reason[0] != '\0')
        json_object_set_new(o, "reason", json_string(r->reason));
    json_object_set_new(o, "start_ms", record_ms(r->start));
    json_object_set_new(o, "end_ms", record_ms(r->end));
    json_object_set_new(o, "packets", record_integer(r->packets));
    json_object_set_new(o, "bytes", record_integer(r->bytes));
    json_object_set_new(o, "sockets", record_integer(r->sockets));
    json_object_set_new(o, "openers", record_integer(r->openers));
    json_object_set_new(o, "probes", record_integer(r->probes));
    json_object_set_new(o, "probes_to_hit",
                        r->probes_to_hit > 0 ? record_integer(r->probes_to_hit) : json_null());
    json_object_set_new(o, "peak_mappings", record_integer(r->mappings));
    return o;
}

static json_t *protocol_json(enum ph_portmap_protocol p)
{
    return p < PH_PORTMAP_PROTOCOLS ? json_string(ph_portmap_protocol_name(p)) : json_null();
}

static json_t *addr_json(const struct ph_addr *a)
{
    char text[PH_ADDR_STRLEN];
    return ph_addr_is_set(a) ? json_string(ph_addr_format(a, text)) : json_null();
}

static const char *reach_name(enum ph_portmap_reach reach)
{
    static const char *const names[] = {"unknown", "public", "double-nat"};
    return names[reach];
}

static json_t *mapping_json(const struct ph_mapping *m)
{
    if (m->protocol == PH_PORTMAP_NONE)
        return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "protocol", protocol_json(m->protocol));
    json_object_set_new(o, "external", addr_json(&m->external));
    json_object_set_new(o, "lifetime_s", record_integer(m->lifetime_s));
    json_object_set_new(o, "reach", json_string(reach_name(m->reach)));
    return o;
}

static json_t *flow_json(const struct trial_result *r)
{
    static const char *const names[2][2] = {{"b", "a"}, {"a", "b"}};
    json_t *list = json_array();
    for (size_t i = 0; i < 2; i++) {
        const struct flow_result *f = &r->flow[1 - i];
        json_t *o = json_object();
        json_object_set_new(o, "from", json_string(names[1 - i][0]));
        json_object_set_new(o, "to", json_string(names[1 - i][1]));
        json_object_set_new(o, "sent", record_integer(f->sent));
        json_object_set_new(o, "received", record_integer(f->received));
        json_object_set_new(o, "duplicates", record_integer(f->duplicates));
        json_object_set_new(o, "direct", record_integer(f->direct));
        json_object_set_new(o, "max_gap_ms", record_ms(f->max_gap));
        json_object_set_new(o, "switched_ms", record_ms(f->switched));
        json_object_set_new(o, "switch_gap_ms", record_ms(f->switch_gap));
        json_object_set_new(o, "first_direct_ms", record_ms(f->first_direct));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *fault_json(const struct fault_result *f)
{
    static const char *const wheres[] = {"a", "b", "both", "any"};
    json_t *o = json_object(), *gap = json_object(), *again = json_object();
    json_object_set_new(o, "do", json_string(incident_name(f->what.kind)));
    if (incident_has_side(f->what.kind))
        json_object_set_new(o, "where", json_string(wheres[f->what.where]));
    if (f->what.kind == INCIDENT_BLACKHOLE)
        json_object_set_new(o, "direction",
                            json_string(incident_direction_name(f->what.direction)));
    json_object_set_new(o, "planned_ms", record_ms(f->what.when));
    json_object_set_new(o, "at_ms", record_ms(f->at));
    if (f->what.lasts > 0)
        json_object_set_new(o, "for_ms", record_ms(f->what.lasts));
    json_object_set_new(gap, "a", record_ms(f->gap[0]));
    json_object_set_new(gap, "b", record_ms(f->gap[1]));
    json_object_set_new(again, "a", record_ms(f->again[0]));
    json_object_set_new(again, "b", record_ms(f->again[1]));
    json_object_set_new(o, "gap_ms", gap);
    json_object_set_new(o, "again_ms", again);
    return o;
}

static void add_faults(json_t *o, const struct faults_result *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->count && i < FAULT_RESULTS_MAX; i++)
        json_array_append_new(list, fault_json(&f->first[i]));
    json_object_set_new(o, "survived", json_boolean(f->survived));
    json_object_set_new(o, "faults_planned", record_integer(f->count));
    json_object_set_new(o, "faults_done", record_integer(f->done));
    json_object_set_new(o, "fault_gap_ms", record_ms(f->gap));
    json_object_set_new(o, "recovery_ms", record_ms(f->recovery));
    json_object_set_new(o, "faults", list);
}

void record_call(json_t *o, const struct trial_result *r)
{
    json_t *setup = json_object(), *stages = json_object(), *media = json_object();
    json_t *ttl = json_array();
    json_object_set_new(o, "connected", json_boolean(r->connected));
    json_object_set_new(o, "path",
                        json_string(r->direct      ? "direct"
                                    : r->connected ? "relay"
                                                   : "none"));
    json_object_set_new(
        o, "stage", r->stage < PH_STAGE_COUNT ? json_string(ph_stage_name(r->stage)) : json_null());
    json_object_set_new(setup, "relay", record_ms(r->setup_relay));
    json_object_set_new(setup, "direct", record_ms(r->setup_direct));
    json_object_set_new(setup, "media", record_ms(r->setup_media));
    json_object_set_new(o, "setup_ms", setup);
    for (int i = 0; i < PH_STAGE_COUNT; i++)
        json_object_set_new(stages, ph_stage_name((enum ph_stage)i), stage_json(&r->stages[i]));
    json_object_set_new(o, "stages", stages);
    json_object_set_new(o, "portmap_ms", record_ms(r->portmap_took));
    json_object_set_new(o, "mapping", mapping_json(&r->mapping));
    json_object_set_new(media, "sent", record_integer(r->media.sent));
    json_object_set_new(media, "received", record_integer(r->media.received));
    json_object_set_new(media, "duplicates", record_integer(r->media.duplicates));
    json_object_set_new(media, "max_gap_ms", record_ms(r->media.max_gap));
    json_object_set_new(media, "jitter_ms", record_ms(r->media.jitter));
    json_object_set_new(o, "media", media);
    json_object_set_new(o, "flow", flow_json(r));
    if (r->faults.count > 0)
        add_faults(o, &r->faults);
    if (r->drops_known) {
        json_t *drops = json_object();
        json_object_set_new(drops, "packets", record_integer(r->drops.packets));
        json_object_set_new(drops, "large", record_integer(r->drops.large));
        json_object_set_new(o, "dropped", drops);
    }
    json_array_append_new(ttl, json_integer(r->ttl[0]));
    json_array_append_new(ttl, json_integer(r->ttl[1]));
    json_object_set_new(o, "opener_ttl", ttl);
    if (r->bystander.asked > 0) {
        json_t *bystander = json_object();
        json_object_set_new(bystander, "asked", record_integer(r->bystander.asked));
        json_object_set_new(bystander, "answered", record_integer(r->bystander.answered));
        json_object_set_new(o, "bystander", bystander);
    }
}

void record_map(json_t *o, const struct map_result *r)
{
    json_t *said = json_object();
    json_object_set_new(o, "mapped", json_boolean(r->mapped));
    json_object_set_new(o, "protocol", protocol_json(r->protocol));
    json_object_set_new(o, "took_ms", record_ms(r->took));
    json_object_set_new(o, "external", addr_json(&r->external));
    json_object_set_new(o, "lifetime_s", record_integer(r->lifetime_s));
    json_object_set_new(o, "reach", json_string(reach_name(r->reach)));
    json_object_set_new(o, "renewals", record_integer(r->renewals));
    json_object_set_new(o, "changes", record_integer(r->changes));
    json_object_set_new(o, "kept", json_boolean(r->kept));
    json_object_set_new(
        o, "open", r->open == PH_ANSWER_UNKNOWN ? json_null() : json_boolean(r->open == PH_YES));
    json_object_set_new(o, "released", json_boolean(r->released));
    json_object_set_new(o, "release_ms", record_ms(r->release_took));
    for (int i = 0; i < PH_PORTMAP_PROTOCOLS; i++) {
        json_t *p = json_object();
        json_object_set_new(p, "said", json_string(ph_portmap_said_name(r->said[i])));
        json_object_set_new(p, "code", json_integer(r->code[i]));
        json_object_set_new(said, ph_portmap_protocol_name((enum ph_portmap_protocol)i), p);
    }
    json_object_set_new(o, "protocols", said);
    json_object_set_new(o, "as_expected", json_boolean(r->as_expected));
    if (r->unexpected[0] != '\0')
        json_object_set_new(o, "unexpected", json_string(r->unexpected));
}

static void set_right(json_t *o, const char *key, enum right r)
{
    if (r != RIGHT_UNASKED)
        json_object_set_new(o, key, json_string(right_name(r)));
}

static json_t *allocation_json(const struct ph_allocation *a)
{
    char text[PH_ALLOCATION_TEXT];
    json_t *o = json_object();
    json_object_set_new(o, "type", json_string(ph_allocation_type_name(a->type)));
    json_object_set_new(o, "text", json_string(ph_nat_allocation_text(a, text)));
    json_object_set_new(o, "confidence", rounded(a->confidence));
    json_object_set_new(o, "samples", record_integer(a->samples));
    if (a->type == PH_ALLOCATION_SEQUENTIAL)
        json_object_set_new(o, "step", json_integer(a->step));
    json_object_set_new(o, "last", record_integer(a->last));
    if (a->type == PH_ALLOCATION_SEQUENTIAL && a->cross_rate >= 0.0) {
        json_object_set_new(o, "drift", rounded(a->cross_rate));
        json_object_set_new(o, "drift_low", rounded(a->cross_low));
        json_object_set_new(o, "drift_high", rounded(a->cross_high));
    }
    if (a->high > 0) {
        json_object_set_new(o, "low", record_integer(a->low));
        json_object_set_new(o, "high", record_integer(a->high));
        json_object_set_new(o, "aligned", json_boolean(a->aligned));
    }
    json_object_set_new(o, "addresses", record_integer(a->addresses));
    return o;
}

void record_netcheck(json_t *o, const struct netcheck_result *r)
{
    const struct truth_verdict *v = &r->verdict;
    json_t *verdict = json_object(), *said = json_object();
    json_object_set_new(o, "took_ms", record_ms(r->took));
    json_object_set_new(o, "udp", json_boolean(r->udp));
    json_object_set_new(o, "mapping", json_string(ph_mapping_behaviour_name(r->mapping)));
    json_object_set_new(o, "mapping_guessed", json_boolean(r->mapping_guessed));
    json_object_set_new(o, "filtering", json_string(ph_filtering_behaviour_name(r->filtering)));
    json_object_set_new(o, "allocation", allocation_json(&r->allocation));
    json_object_set_new(o, "hairpin", json_string(ph_answer_name(r->hairpin)));
    json_object_set_new(o, "double_nat", json_string(ph_answer_name(r->double_nat)));
    json_object_set_new(o, "reflexive", addr_json(&r->reflexive));
    json_object_set_new(o, "liars", record_integer(r->liars));
    json_object_set_new(o, "mapped", json_boolean(r->mapped));
    json_object_set_new(o, "protocol", protocol_json(r->protocol));
    for (int i = 0; i < PH_PORTMAP_PROTOCOLS; i++)
        json_object_set_new(said, ph_portmap_protocol_name((enum ph_portmap_protocol)i),
                            json_string(ph_portmap_said_name(r->said[i])));
    json_object_set_new(o, "protocols", said);
    set_right(verdict, "mapping", v->mapping);
    set_right(verdict, "filtering", v->filtering);
    set_right(verdict, "allocation", v->allocation);
    set_right(verdict, "step", v->step);
    set_right(verdict, "drift", v->drift);
    set_right(verdict, "block", v->block);
    set_right(verdict, "hairpin", v->hairpin);
    json_object_set_new(o, "verdict", verdict);
}
