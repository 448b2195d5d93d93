#include "nat/birthday.h"

#include <math.h>

#define PORTS_LOW       1024u
#define PORTS_HIGH      65535u
#define NETFILTER_DRAWS 65536.0

/* ln of n! */
static double factorial_ln(uint32_t n)
{
    return lgamma((double)n + 1);
}

double ph_birthday_success(uint32_t ports, uint32_t mapped, uint32_t probes)
{
    mapped = mapped < ports ? mapped : ports;
    probes = probes < ports ? probes : ports;
    if (mapped == 0 || probes == 0)
        return 0;
    if (probes > ports - mapped)
        return 1;
    double miss_ln = factorial_ln(ports - mapped) - factorial_ln(ports - mapped - probes) +
                     factorial_ln(ports - probes) - factorial_ln(ports);
    return miss_ln < 0 ? -expm1(miss_ln) : 0;
}

uint32_t ph_birthday_quantile(uint32_t ports, uint32_t mapped, double share)
{
    mapped = mapped < ports ? mapped : ports;
    uint32_t low = 0, high = ports - mapped + 1; /* not enough yet, and enough for certain */
    if (share <= 0)
        return 0;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (ph_birthday_success(ports, mapped, middle) >= share)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static bool has_range(const struct ph_allocation *a)
{
    bool known = a->type == PH_ALLOCATION_BLOCK || a->type == PH_ALLOCATION_RANDOM ||
                 a->type == PH_ALLOCATION_SEQUENTIAL;
    return known && a->high != 0 && a->low <= a->high;
}

bool ph_birthday_is_netfilter(const struct ph_allocation *a)
{
    return a->type == PH_ALLOCATION_RANDOM &&
           (!has_range(a) || (a->low == PORTS_LOW && a->high == PORTS_HIGH));
}

uint32_t ph_birthday_ports(const struct ph_allocation *a)
{
    return has_range(a) ? (uint32_t)a->high - a->low + 1 : PORTS_HIGH - PORTS_LOW + 1;
}

static uint32_t probed(const struct ph_allocation *a, const struct ph_port_order *order,
                       uint32_t probes)
{
    return has_range(a) ? ph_port_order_within(order, probes, a->low, a->high)
                        : ph_port_order_within(order, probes, PORTS_LOW, PORTS_HIGH);
}

double ph_birthday_share(const struct ph_allocation *a, const struct ph_port_order *order,
                         uint32_t probes)
{
    double ports = probed(a, order, probes);
    if (!ph_birthday_is_netfilter(a))
        return ports / ph_birthday_ports(a);
    ports += ph_port_order_within(order, probes, PH_NETFILTER_LOW, PH_NETFILTER_DOUBLED);
    return ports / NETFILTER_DRAWS;
}

double ph_birthday_order_success(const struct ph_allocation *a, const struct ph_port_order *order,
                                 uint32_t sockets, uint32_t probes)
{
    if (!ph_birthday_is_netfilter(a))
        return ph_birthday_success(ph_birthday_ports(a), sockets, probed(a, order, probes));
    double share = ph_birthday_share(a, order, probes);
    return share < 1 ? -expm1(sockets * log1p(-share)) : sockets > 0;
}

static void add(struct ph_port_order *o, int32_t low, int32_t high)
{
    low = low > 1 ? low : 1;
    high = high < (int32_t)PORTS_HIGH ? high : (int32_t)PORTS_HIGH;
    if (low <= high)
        (void)ph_port_order_add(o, &(struct ph_port_segment){.low = (uint16_t)low,
                                                             .high = (uint16_t)high,
                                                             .shuffled = true});
}

/* A block, and then twice as much: a few samples may have shown only half of it. Of an aligned one
 * that is the aligned one around it. */
static void add_block(const struct ph_allocation *a, struct ph_port_order *out)
{
    int32_t span = a->high - a->low + 1;
    add(out, a->low, a->high);
    if (a->aligned) {
        int32_t twice = 2;
        while (twice < 2 * span)
            twice *= 2;
        int32_t low = a->low / twice * twice;
        add(out, low, low + twice - 1);
    } else {
        add(out, a->low - span / 2, a->high + span / 2);
    }
}

void ph_birthday_order(const struct ph_allocation *a, bool privileged, uint64_t seed,
                       struct ph_port_order *out)
{
    int32_t low = has_range(a) ? a->low : (int32_t)PORTS_LOW;
    int32_t high = has_range(a) ? a->high : (int32_t)PORTS_HIGH;
    *out = (struct ph_port_order){.seed = seed};
    if (privileged)
        add(out, PH_NETFILTER_PRIVILEGED_LOW, PH_NETFILTER_PRIVILEGED_HIGH);
    if (a->type == PH_ALLOCATION_BLOCK && has_range(a)) {
        add_block(a, out);
    } else if (low <= PH_NETFILTER_LOW && high > PH_NETFILTER_DOUBLED) {
        add(out, PH_NETFILTER_LOW, PH_NETFILTER_DOUBLED);
        add(out, PH_NETFILTER_DOUBLED + 1, high);
        add(out, low, PH_NETFILTER_LOW - 1);
    } else {
        add(out, low, high);
    }
    add(out, PORTS_LOW, PORTS_HIGH);
    add(out, 1, PORTS_LOW - 1);
}
