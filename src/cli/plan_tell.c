/* The schema of the JSON is told in pinhole(1). */
#include "cli/plan_tell.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const roles[] = {"caller", "callee"};
static const char *const stage_names[] = {"predict", "birthday"};

static const char *place(const struct plan_view *v, int side)
{
    return (side == 0) == v->local_calls ? "local" : "remote";
}

static const char *stage_of(const struct ph_move *m)
{
    return m->kind == PH_MOVE_PUNCH ? "punch" : stage_names[m->predicted ? 0 : 1];
}

/* ---- Text */

#define PERCENT 16

/* What is nearly certain is not certain. */
static const char *percent(double share, char buf[PERCENT])
{
    if (share > 0.9995 && share < 1) {
        return ">99.9%";
    }
    if (share > 0 && share < 0.0005) {
        return "<0.1%";
    }
    (void)snprintf(buf, PERCENT, "%.1f%%", share * 100);
    return buf;
}

static void side_text(FILE *to, const struct plan_view *v, int side)
{
    const struct ph_plan_side *s = &v->facts[side].side;
    char allocation[PH_ALLOCATION_TEXT], addr[PH_ADDR_STRLEN];

    fprintf(to, "%s (%s)\n", roles[side], place(v, side));
    if (s->udp == PH_NO) {
        fprintf(to, "  UDP         blocked\n");
        return;
    }
    fprintf(to, "  mapping     %s\n", ph_mapping_behaviour_name(s->mapping));
    fprintf(to, "  filtering   %s\n", ph_filtering_behaviour_name(s->filtering));
    fprintf(to, "  allocation  %s", ph_nat_allocation_text(&s->allocation, allocation));
    if (s->allocation.high > 0) {
        fprintf(to, " in %u-%u", s->allocation.low, s->allocation.high);
    }
    if (s->allocation.cross_rate >= 0) {
        fprintf(to, ", %.1f flows/s of others (%.1f to %.1f)", s->allocation.cross_rate,
                s->allocation.cross_low, s->allocation.cross_high);
    }
    fprintf(to, "\n  gateway     %s\n", ph_gateway_policy_name(s->gateway));
    if (ph_addr_is_set(&s->external)) {
        fprintf(to, "  external    %s\n",
                s->external.port ? ph_addr_format(&s->external, addr)
                                 : ph_addr_format_ip(&s->external, addr));
    }
    if (v->facts[side].mapped) {
        fprintf(to, "  Its router maps ports: a call goes there first, and needs no more.\n");
    }
}

static void order_text(FILE *to, const struct ph_move *m, const struct ph_port_order *o)
{
    const char *then = "";

    if (o->list_count > 0) {
        fprintf(to, " %u", o->list[0]);
        if (o->list_count > 1) {
            fprintf(to, " and %zu more", o->list_count - 1);
        }
        then = ", then";
    }
    for (size_t i = 0; i < o->segment_count; i++) {
        struct ph_port_order until = *o;
        const struct ph_port_segment *s = &o->segments[i];

        /* Those that are never reached need not be told. */
        until.segment_count = i;
        until.skip = 0;
        if (ph_port_order_count(&until) >= o->skip + (uint32_t)m->probes) {
            break;
        }
        until.segment_count = i + 1;
        if (ph_port_order_count(&until) <= o->skip) {
            continue;
        }
        fprintf(to, "%s %u-%u", then, s->low, s->high);
        if (s->stride > 1) {
            fprintf(to, " by %u", s->stride);
        }
        then = ", then";
    }
}

static void move_text(FILE *to, const struct plan_view *v, size_t i)
{
    const struct ph_move *m = &v->plan.moves[i];
    const char *acceptor = roles[m->acceptor], *prober = roles[!m->acceptor];
    char share[PERCENT];

    fprintf(to, "%zu %-10s  %-8s  %6s  %6.0f ms  packets %4u + %-4u  mappings %4u + %u\n", i + 1,
            ph_move_kind_name(m->kind), stage_of(m), percent(m->success, share),
            ph_ns_to_ms(m->time), m->packets[0], m->packets[1], m->mappings[0], m->mappings[1]);
    fprintf(to, "    %s\n", m->why);
    if (m->kind == PH_MOVE_PUNCH) {
        return;
    }
    if (m->kind == PH_MOVE_RENDEZVOUS) {
        fprintf(to, "    sockets: %u of each side, up to %u rounds", m->sockets, m->passes);
    } else if (m->kind == PH_MOVE_SWEEP) {
        fprintf(to, "    sockets: %u of each side", m->sockets);
    } else {
        fprintf(to, "    sockets: %u of the %s; probes: at most %u of the %s", m->sockets, acceptor,
                m->probes, prober);
    }
    if (m->bind_high > 0) {
        fprintf(to, "; bound to %u-%u", m->bind_low, m->bind_high);
    }
    fprintf(to, "; %s TTL", m->opener_ttl == PH_TTL_FULL ? "full" : "low");
    if (ph_port_order_count(&m->order) > 0) {
        fprintf(to,
                "\n    %sports of the %s:", m->ports == PH_PORTS_MEASURED ? "measured; else " : "",
                acceptor);
        order_text(to, m, &m->order);
    }
    if (ph_port_order_count(&m->back) > 0) {
        fprintf(to, "\n    ports of the %s:", prober);
        order_text(to, m, &m->back);
    }
    fputc('\n', to);
}

void plan_text(FILE *to, const struct plan_view *v)
{
    const struct ph_plan *p = &v->plan;
    char share[PERCENT];

    side_text(to, v, 0);
    side_text(to, v, 1);
    fprintf(to, "\n%s, %s: %s\n\n", ph_plan_outlook_name(p->outlook), percent(p->success, share),
            p->why);
    for (size_t i = 0; i < p->count; i++) {
        move_text(to, v, i);
    }
    if (p->no_predict[0]) {
        fprintf(to, "no prediction: %s\n", p->no_predict);
    }
    if (p->no_birthday[0]) {
        fprintf(to, "no guessing: %s\n", p->no_birthday);
    }
}

/* ---- JSON */

static json_t *number(double v)
{
    return json_real(round(v * 1e6) / 1e6);
}

static json_t *ms(ph_ns t)
{
    return json_real(round(ph_ns_to_ms(t) * 1000) / 1000);
}

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

static json_t *pair(uint32_t caller, uint32_t callee)
{
    return json_pack("{s:i,s:i}", roles[0], (int)caller, roles[1], (int)callee);
}

static json_t *order_json(const struct ph_port_order *o)
{
    json_t *list = json_array(), *segments = json_array();
    uint32_t count = ph_port_order_count(o);

    for (size_t i = 0; i < o->list_count; i++) {
        json_array_append_new(list, json_integer(o->list[i]));
    }
    for (size_t i = 0; i < o->segment_count; i++) {
        const struct ph_port_segment *s = &o->segments[i];

        json_array_append_new(segments,
                              json_pack("{s:i,s:i,s:i,s:b,s:b}", "low", (int)s->low, "high",
                                        (int)s->high, "stride", (int)s->stride, "shuffled",
                                        (int)s->shuffled, "down", (int)s->down));
    }
    return json_pack("{s:i,s:i,s:o,s:o}", "count", (int)count, "skip", (int)o->skip, "list", list,
                     "segments", segments);
}

static json_t *ttl_json(uint8_t ttl)
{
    return ttl == 0             ? json_string("learnt")
           : ttl == PH_TTL_FULL ? json_string("full")
                                : json_integer(ttl);
}

static json_t *move_json(const struct ph_move *m)
{
    json_t *o = json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:s}", "move", ph_move_kind_name(m->kind),
                          "stage", stage_of(m), "success", number(m->success), "time_ms",
                          ms(m->time), "packets", pair(m->packets[0], m->packets[1]), "mappings",
                          pair(m->mappings[0], m->mappings[1]), "why", m->why);

    if (!o || m->kind == PH_MOVE_PUNCH) {
        return o;
    }
    json_object_set_new(o, "acceptor", json_string(roles[m->acceptor]));
    json_object_set_new(o, "ports", json_string(ph_move_ports_name(m->ports)));
    json_object_set_new(o, "sockets", json_integer(m->sockets));
    json_object_set_new(o, "bind",
                        m->bind_high == 0 ? json_null()
                                          : json_pack("{s:i,s:i}", "low", (int)m->bind_low, "high",
                                                      (int)m->bind_high));
    json_object_set_new(o, "opener_ttl", ttl_json(m->opener_ttl));
    json_object_set_new(o, "repeats", json_integer(m->repeats));
    json_object_set_new(o, "probes", json_integer(m->probes));
    json_object_set_new(o, "passes", json_integer(m->passes ? m->passes : 1));
    json_object_set_new(o, "order", order_json(&m->order));
    json_object_set_new(o, "back", order_json(&m->back));
    return o;
}

static json_t *side_json(const struct plan_view *v, int side)
{
    const struct ph_plan_side *s = &v->facts[side].side;
    char allocation[PH_ALLOCATION_TEXT], addr[PH_ADDR_STRLEN];
    struct ph_budget b = ph_budget_resolve(&s->budget);

    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:b,s:{s:i,s:i,s:i,s:i}}", "side",
                     place(v, side), "udp", ph_answer_name(s->udp), "mapping",
                     ph_mapping_behaviour_name(s->mapping), "filtering",
                     ph_filtering_behaviour_name(s->filtering), "allocation",
                     ph_nat_allocation_text(&s->allocation, allocation), "gateway",
                     ph_gateway_policy_name(s->gateway), "external",
                     ph_addr_is_set(&s->external) ? json_string(ph_addr_format(&s->external, addr))
                                                  : json_null(),
                     "mapped", (int)v->facts[side].mapped, "budget", "probes", (int)b.probes,
                     "openers", (int)b.openers, "rate", (int)b.rate, "burst", (int)b.burst);
}

int plan_json(FILE *to, const struct plan_view *v)
{
    const struct ph_plan *p = &v->plan;
    json_t *o = json_object(), *moves = json_array();
    int rc;

    for (size_t i = 0; i < p->count; i++) {
        json_array_append_new(moves, move_json(&p->moves[i]));
    }
    json_object_set_new(o, "schema", json_integer(1));
    json_object_set_new(o, "caller", side_json(v, 0));
    json_object_set_new(o, "callee", side_json(v, 1));
    json_object_set_new(o, "signalling_ms", ms(v->input.signalling));
    json_object_set_new(o, "stun_ms", ms(v->input.stun));
    json_object_set_new(o, "direct_ms", ms(v->input.direct));
    json_object_set_new(o, "outlook", json_string(ph_plan_outlook_name(p->outlook)));
    json_object_set_new(o, "success", number(p->success));
    json_object_set_new(o, "why", json_string(p->why));
    json_object_set_new(o, "moves", moves);
    json_object_set_new(o, "no_predict", text_or_null(p->no_predict));
    json_object_set_new(o, "no_birthday", text_or_null(p->no_birthday));
    rc = json_dumpf(o, to, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    json_decref(o);
    if (rc == 0) {
        fputc('\n', to);
    }
    return rc;
}
