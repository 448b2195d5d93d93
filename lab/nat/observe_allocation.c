/* From the ports of a few fresh sockets to how they are given out. */
#include "lab/nat/observe.h"

#include <stdlib.h>

/* Twelve random ports of 64,512 lie within so few with a chance of 2e-9. */
#define BLOCK_SPAN 8192
#define STEP_MAX   256
#define GAP_MAX    1024 /* with cross-traffic between two flows */

static int gcd(int a, int b)
{
    while (b != 0) {
        int r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* The step of a sequence, 0 when it is none. One jump is a sequence that starts again. */
static int find_step(const struct observation *o)
{
    int step = 0;
    int up = 0;
    int down = 0;
    size_t jumps = 0;
    if (o->flow_count < 4)
        return 0;
    for (size_t i = 1; i < o->flow_count; i++) {
        int d = (int)o->mapped[i].port - (int)o->mapped[i - 1].port;
        if (d == 0 || abs(d) > GAP_MAX) {
            jumps++;
            continue;
        }
        if (d > 0)
            up++;
        else
            down++;
        step = gcd(step, abs(d));
    }
    /* Ports drawn at random from a small block are in order once in 12! */
    if (jumps > 1 || (up > 0 && down > 0) || step > STEP_MAX)
        return 0;
    return up > 0 ? step : -step;
}

static bool all_preserved(const struct observation *o)
{
    for (size_t i = 0; i < o->flow_count; i++)
        if (o->mapped[i].port != o->source[i].port)
            return false;
    return true;
}

void nat_observe_allocation(struct observation *o)
{
    o->low = 65535;
    o->high = 0;
    for (size_t i = 0; i < o->flow_count; i++) {
        if (o->mapped[i].port < o->low)
            o->low = o->mapped[i].port;
        if (o->mapped[i].port > o->high)
            o->high = o->mapped[i].port;
    }
    o->step = 0;
    if (all_preserved(o)) {
        o->allocation = NAT_ALLOC_PRESERVING;
        return;
    }
    o->step = find_step(o);
    if (o->step != 0)
        o->allocation = NAT_ALLOC_SEQUENTIAL;
    else if (o->repeats == SEEN_YES)
        o->allocation = NAT_ALLOC_HASH;
    else if (o->high - o->low < BLOCK_SPAN)
        o->allocation = NAT_ALLOC_BLOCK;
    else
        o->allocation = NAT_ALLOC_RANDOM;
}
