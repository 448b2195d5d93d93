/* Between what an agent knows of its NAT, what goes over the wire, and what a plan reads. */
#include "call/agent.h"
#include "call/call.h"
#include "call/hard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PERMILLE 1000.0

static uint32_t thousandths(double v)
{
    return v <= 0 ? 0 : v > 1e6 ? 1000000000u : (uint32_t)(v * PERMILLE + 0.5);
}

/* The newest ports first; from the order in which they were asked for. */
static void ports(const struct ph_nat_facts *f, ph_ns now, struct ph_hard_probe *out)
{
    uint32_t below = UINT32_MAX;
    while (out->port_count < PH_HARD_SEQUENCE_MAX) {
        const struct ph_nat_sample *newest = NULL;
        for (size_t i = 0; i < f->sample_count; i++) {
            const struct ph_nat_sample *s = &f->samples[i];
            if (ph_addr_is_set(&s->mapped) && s->order < below &&
                (!newest || s->order > newest->order))
                newest = s;
        }
        if (!newest)
            return;
        if (out->port_count == 0)
            out->probe_time_ms = (uint32_t)((now - newest->sent) / PH_MS);
        out->port_sequence[out->port_count++] = newest->mapped.port;
        below = newest->order;
    }
}

void ph_hard_facts_own(struct ph_call *c, ph_ns now, struct ph_hard_probe *out)
{
    struct ph_agent *a = c->agent;
    const struct ph_nat_facts *f = ph_network_facts(&a->network);
    const struct ph_allocation *al = &f->allocation;
    *out = (struct ph_hard_probe){
        .final = ph_network_surveyed(&a->network),
        .external = ph_addr_is_set(&f->reflexive) ? f->reflexive : a->presence.home->observed,
        .udp = (uint8_t)f->udp,
        .mapping = (uint8_t)f->mapping,
        .filtering = (uint8_t)f->filtering,
        .low = al->low,
        .high = al->high,
        .aligned = al->aligned,
        .rated = al->cross_rate >= 0,
        .rate = thousandths(al->cross_rate),
        .rate_low = thousandths(al->cross_low),
        .rate_high = thousandths(al->cross_high),
        .confidence = (uint16_t)(al->confidence * PERMILLE + 0.5),
        .samples = (uint16_t)al->samples,
        .addresses = (uint8_t)al->addresses,
        .privileged = a->config.privileged_ports,
        .probes = a->config.budget.probes,
        .openers = a->config.budget.openers,
        .packet_rate = a->config.budget.rate,
        .burst = a->config.budget.burst,
        .relay_rtt_ms = (uint32_t)(ph_call_relay_rtt(c) / PH_MS),
        .stun_rtt_ms = (uint32_t)(ph_network_stun_rtt(&a->network) / PH_MS),
    };
    memcpy(out->call_id, c->id, sizeof(out->call_id));
    ph_nat_allocation_text(al, out->allocation);
    ports(f, now, out);
}

static enum ph_allocation_type allocation_type(const char *text, long *number)
{
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    *number = colon ? strtol(colon + 1, NULL, 10) : 0;
    for (int t = PH_ALLOCATION_UNKNOWN; t <= PH_ALLOCATION_BLOCK; t++) {
        const char *name = ph_allocation_type_name((enum ph_allocation_type)t);
        if (strlen(name) == len && memcmp(name, text, len) == 0)
            return (enum ph_allocation_type)t;
    }
    return PH_ALLOCATION_UNKNOWN;
}

void ph_hard_facts_side(const struct ph_hard_probe *p, struct ph_plan_side *out)
{
    long number;
    *out = (struct ph_plan_side){
        .udp = p->udp <= PH_YES ? (enum ph_answer)p->udp : PH_ANSWER_UNKNOWN,
        .mapping = p->mapping <= PH_MAPPING_APDM ? (enum ph_mapping_behaviour)p->mapping
                                                 : PH_MAPPING_UNKNOWN,
        .filtering = p->filtering <= PH_FILTERING_APDF ? (enum ph_filtering_behaviour)p->filtering
                                                       : PH_FILTERING_UNKNOWN,
        .gateway =
            p->gateway <= PH_GATEWAY_DROP ? (enum ph_gateway_policy)p->gateway : PH_GATEWAY_UNKNOWN,
        .external = p->external,
        .privileged = p->privileged,
        .budget = {p->probes, p->openers, p->packet_rate, p->burst},
    };
    struct ph_allocation *al = &out->allocation;
    *al = (struct ph_allocation){
        .type = allocation_type(p->allocation, &number),
        .confidence = p->confidence / PERMILLE,
        .samples = p->samples,
        .last = p->port_count > 0 ? p->port_sequence[0] : 0,
        .cross_rate = p->rated ? p->rate / PERMILLE : -1,
        .cross_low = p->rated ? p->rate_low / PERMILLE : -1,
        .cross_high = p->rated ? p->rate_high / PERMILLE : -1,
        .low = p->low,
        .high = p->high,
        .aligned = p->aligned,
        .addresses = p->addresses,
    };
    /* A peer may say what it likes; a plan divides by some of it. */
    if (al->type == PH_ALLOCATION_SEQUENTIAL) {
        if (number == 0 || number < -4096 || number > 4096)
            al->type = PH_ALLOCATION_UNKNOWN;
        else
            al->step = (int)number;
    }
    if (al->low > al->high || (al->low == 0 && al->high != 0)) {
        al->low = al->high = 0;
        if (al->type == PH_ALLOCATION_BLOCK)
            al->type = PH_ALLOCATION_RANDOM;
    }
    if (al->type == PH_ALLOCATION_BLOCK && al->high == 0)
        al->type = PH_ALLOCATION_RANDOM;
    if (al->confidence > 1)
        al->confidence = 1;
}
