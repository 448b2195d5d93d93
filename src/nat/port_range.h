/* The hypotheses that a NAT draws ports at random: of all ports, or of a block. Inside the room. */
#ifndef PH_NAT_PORT_RANGE_H
#define PH_NAT_PORT_RANGE_H

#include "nat/draws.h"

/* Larger ranges than this are not called blocks. */
#define PH_BLOCK_MAX 8192u

struct ph_ports {
    uint16_t low, high;
    bool aligned;
};

struct ph_port_range {
    double whole, block; /* ln of the chance of the draws, of a large range and of a block */
    struct ph_ports whole_range, block_range; /* the likeliest */
};

void ph_port_range_fit(const struct ph_nat_draws *d, struct ph_port_range *out);

#endif
