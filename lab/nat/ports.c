#include "lab/nat/ports.h"

#include "base/rng.h"

#include <stdlib.h>

/* A sequence starts again after so many ports; after more where other hosts keep some busy. */
#define SEQUENCE_PORTS      2048u
#define SEQUENCE_PORTS_BUSY 4096u

bool nat_whole_range(const struct nat_profile *p)
{
    return p->allocation.range_lo == 1024 && p->allocation.range_hi == 65535;
}

static unsigned first_port(const struct nat_profile *p)
{
    if (p->allocation.type != NAT_ALLOC_SEQUENTIAL)
        return p->allocation.range_lo;
    if (p->allocation.start != 0)
        return p->allocation.start;
    return p->allocation.step > 0 ? p->allocation.range_lo : p->allocation.range_hi;
}

unsigned nat_drawn_count(const struct nat_profile *p)
{
    unsigned lo = p->allocation.range_lo;
    unsigned hi = p->allocation.range_hi;
    if (p->allocation.type == NAT_ALLOC_HASH)
        return hi - lo + 1;
    bool busy = p->background.flows_per_second > 0 && p->timeout.udp_s > 0;
    unsigned wanted = busy ? SEQUENCE_PORTS_BUSY : SEQUENCE_PORTS;
    int step = p->allocation.step;
    unsigned first = first_port(p);
    unsigned room = (step > 0 ? hi - first : first - lo) / (unsigned)abs(step) + 1;
    return room < wanted ? room : wanted;
}

unsigned nat_drawn_port(const struct nat_profile *p, unsigned n)
{
    int step = p->allocation.type == NAT_ALLOC_SEQUENTIAL ? p->allocation.step : 1;
    return (unsigned)((int)first_port(p) + (int)n * step);
}

unsigned nat_block_first(const struct nat_profile *p, uint64_t seed, size_t n)
{
    unsigned block = p->allocation.block;
    unsigned lo = p->allocation.range_lo;
    unsigned hi = p->allocation.range_hi;
    uint64_t h = ph_hash64(seed, "block", 5);
    if (p->allocation.aligned) {
        unsigned first = (lo + block - 1) / block;
        unsigned slots = (hi + 1) / block - first;
        return (first + (unsigned)((h + n) % slots)) * block;
    }
    /* Half a block further, so that it lies across the boundary of two aligned ones. */
    lo += block / 2 + 1;
    unsigned slots = (hi - lo) / block;
    return lo + (unsigned)((h + n) % slots) * block;
}
