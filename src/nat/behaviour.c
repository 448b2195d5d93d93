/* Filtering and lifetime; mapping is in mapping.c. */
#include "nat/behaviour.h"

enum ph_filtering_behaviour ph_nat_filtering(const struct ph_filter_observation *o)
{
    if (!o->control)
        return PH_FILTERING_UNKNOWN;
    /* What came in did come in, whatever else did not: its sender may have been unable to. */
    if (o->other_ip == PH_YES)
        return PH_FILTERING_EIF;
    /* Who lets no other port of a known host in, lets no other host in. */
    if (o->other_port == PH_NO)
        return PH_FILTERING_APDF;
    if (o->other_port == PH_YES && o->other_ip == PH_NO)
        return PH_FILTERING_ADF;
    return PH_FILTERING_UNKNOWN;
}

struct ph_lifetime ph_nat_lifetime(const struct ph_lifetime_probe *probes, size_t n)
{
    struct ph_lifetime l = {0, PH_NEVER};
    ph_ns longest_alive = 0, shortest_dead = PH_NEVER;
    for (size_t i = 0; i < n; i++) {
        if (probes[i].alive == PH_YES)
            longest_alive = ph_max_ns(longest_alive, probes[i].idle);
        else if (probes[i].alive == PH_NO)
            shortest_dead = ph_min_ns(shortest_dead, probes[i].idle);
    }
    /* Where they contradict each other, what lies between the two says nothing. */
    for (size_t i = 0; i < n; i++) {
        if (probes[i].alive == PH_YES && probes[i].idle < shortest_dead)
            l.at_least = ph_max_ns(l.at_least, probes[i].idle);
        else if (probes[i].alive == PH_NO && probes[i].idle > longest_alive)
            l.less_than = ph_min_ns(l.less_than, probes[i].idle);
    }
    return l;
}
