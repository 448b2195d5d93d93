#include "nat/draws.h"

static bool same_mapping(const struct ph_addr *a, const struct ph_addr *b,
                         enum ph_mapping_behaviour mapping)
{
    switch (mapping) {
    case PH_MAPPING_NONE:
    case PH_MAPPING_EIM:
        return true;
    case PH_MAPPING_ADM:
        return ph_addr_ip_eq(a, b);
    case PH_MAPPING_UNKNOWN:
    case PH_MAPPING_APDM:
        break;
    }
    return ph_addr_eq(a, b);
}

/* By insertion: there are few, and they mostly come in order. */
static void sort_by_order(const struct ph_nat_sample *samples, size_t n,
                          const struct ph_nat_sample *sorted[PH_NAT_SAMPLES_MAX])
{
    for (size_t i = 0; i < n; i++) {
        size_t j = i;
        for (; j > 0 && sorted[j - 1]->order > samples[i].order; j--)
            sorted[j] = sorted[j - 1];
        sorted[j] = &samples[i];
    }
}

static enum ph_mapping_behaviour working_guess(const struct ph_nat_sample *samples, size_t n)
{
    bool pairs = false;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct ph_nat_sample *a = &samples[i], *b = &samples[j];
            if (!ph_addr_is_set(&a->mapped) || !ph_addr_is_set(&b->mapped) ||
                !ph_addr_ip_eq(&a->server, &b->server) || a->server.port == b->server.port)
                continue;
            if (a->mapped.port != b->mapped.port)
                return PH_MAPPING_APDM;
            pairs = true;
        }
    }
    return pairs ? PH_MAPPING_ADM : PH_MAPPING_APDM;
}

/* The number of the draw that a sample belongs to: its place among the servers that were the first
 * to be asked for each. */
static size_t draw_index(const struct ph_addr *asked[PH_NAT_SAMPLES_MAX], size_t count,
                         const struct ph_addr *server, enum ph_mapping_behaviour mapping)
{
    size_t i = 0;
    while (i < count && !same_mapping(asked[i], server, mapping))
        i++;
    asked[i] = i < count ? asked[i] : server;
    return i;
}

static size_t address_index(const struct ph_addr *seen[PH_NAT_SAMPLES_MAX], size_t count,
                            const struct ph_addr *mapped)
{
    size_t i = 0;
    while (i < count && !ph_addr_ip_eq(seen[i], mapped))
        i++;
    seen[i] = i < count ? seen[i] : mapped;
    return i;
}

void ph_nat_draws(const struct ph_nat_sample *samples, size_t n, enum ph_mapping_behaviour mapping,
                  struct ph_nat_draws *out)
{
    const struct ph_nat_sample *sorted[PH_NAT_SAMPLES_MAX];
    const struct ph_addr *asked[PH_NAT_SAMPLES_MAX] = {0};
    const struct ph_addr *seen[PH_NAT_SAMPLES_MAX] = {0};
    size_t count = 0, addresses = 0;
    *out = (struct ph_nat_draws){0};
    if (n > PH_NAT_SAMPLES_MAX)
        n = PH_NAT_SAMPLES_MAX;
    sort_by_order(samples, n, sorted);
    if (mapping == PH_MAPPING_UNKNOWN)
        mapping = working_guess(samples, n);
    for (size_t i = 0; i < n; i++) {
        const struct ph_nat_sample *s = sorted[i];
        size_t d = draw_index(asked, count, &s->server, mapping);
        if (d == count) {
            out->items[d].at = s->sent;
            count++;
        }
        if (!ph_addr_is_set(&s->mapped))
            continue;
        size_t address = address_index(seen, addresses, &s->mapped);
        addresses += address == addresses;
        if (out->items[d].port == 0 && s->mapped.port != 0) {
            out->items[d].port = s->mapped.port;
            out->items[d].address = (uint8_t)address;
            out->known++;
        }
    }
    out->count = count;
    out->addresses = addresses;
}
