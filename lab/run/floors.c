#include "lab/run/trial.h"

/* The nodes that run a thing; how many. */
static size_t find(const struct layout *l, enum topo_runs runs, size_t *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < l->node_count && n < cap; i++)
        if (l->nodes[i].kind == LAYOUT_HOST && l->nodes[i].runs == runs)
            out[n++] = i;
    return n;
}

void trial_floors(const struct layout *l, ph_ns *direct, ph_ns *relay)
{
    size_t peers[2], relays[1];
    *direct = *relay = PH_NEVER;
    if (find(l, TOPO_RUNS_PEER, peers, 2) != 2 || find(l, TOPO_RUNS_RELAY, relays, 1) != 1)
        return;
    uint64_t out = layout_delay_ns(l, peers[0], relays[0]);
    uint64_t down = layout_delay_ns(l, relays[0], peers[1]);
    uint64_t up = layout_delay_ns(l, peers[1], relays[0]);
    uint64_t back = layout_delay_ns(l, relays[0], peers[0]);
    if (out == UINT64_MAX || down == UINT64_MAX || up == UINT64_MAX || back == UINT64_MAX)
        return;
    /* Offer and answer, both by way of the relay. */
    *relay = out + down + up + back;
    uint64_t there = layout_delay_ns(l, peers[0], peers[1]);
    uint64_t home = layout_delay_ns(l, peers[1], peers[0]);
    if (there != UINT64_MAX && home != UINT64_MAX)
        *direct = *relay + there + home; /* and one check with its response */
}
