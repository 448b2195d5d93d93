#include "lab/run/trial.h"

void trial_floors(const struct layout *l, ph_ns *direct, ph_ns *relay)
{
    size_t peers[2], r = layout_find_host(l, TOPO_RUNS_RELAY, 0);
    *direct = *relay = PH_NEVER;
    if (!layout_find_peers(l, peers) || r == SIZE_MAX)
        return;
    size_t a = peers[0], b = peers[1];
    uint64_t out = layout_delay_ns(l, a, r);
    uint64_t down = layout_delay_ns(l, r, b);
    uint64_t up = layout_delay_ns(l, b, r);
    uint64_t back = layout_delay_ns(l, r, a);
    if (out == UINT64_MAX || down == UINT64_MAX || up == UINT64_MAX || back == UINT64_MAX)
        return;
    /* Offer and answer, both by way of the relay. */
    *relay = out + down + up + back;
    uint64_t there = layout_delay_ns(l, a, b);
    uint64_t home = layout_delay_ns(l, b, a);
    if (there != UINT64_MAX && home != UINT64_MAX)
        *direct = *relay + there + home; /* and one check with its response */
}
