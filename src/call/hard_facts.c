/* Between what an agent knows of its NAT, what goes over the wire, and what a plan reads. */
#include "call/agent.h"
#include "call/call.h"
#include "call/hard.h"

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
    enum ph_family family = a->sockets[0].sock ? PH_AF_V4 : PH_AF_V6;
    *out = (struct ph_hard_probe){
        .final = ph_network_surveyed(&a->network),
        .external = ph_addr_is_set(&f->reflexive) ? f->reflexive : ph_agent_reflexive(a, family),
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

void ph_hard_facts_side(const struct ph_hard_probe *p, struct ph_plan_side *out)
{
    struct ph_allocation said = {0};
    (void)ph_nat_allocation_parse(p->allocation, &said);
    *out = (struct ph_plan_side){
        .udp = (enum ph_answer)p->udp,
        .mapping = (enum ph_mapping_behaviour)p->mapping,
        .filtering = (enum ph_filtering_behaviour)p->filtering,
        .gateway = (enum ph_gateway_policy)p->gateway,
        .external = p->external,
        .privileged = p->privileged,
        .budget = {p->probes, p->openers, p->packet_rate, p->burst},
    };
    out->allocation = (struct ph_allocation){
        .type = said.type,
        .step = said.step,
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
    ph_plan_side_settle(out);
}
