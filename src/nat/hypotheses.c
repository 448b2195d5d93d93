#include "nat/hypotheses.h"

#include "nat/sums.h"

#include <math.h>

/* Of NATs whose mappings are not endpoint-independent. Block NATs are carriers', where symmetric
 * ones are at home; a port that is kept until it is taken is netfilter's. */
#define PRESERVING_SHARE 0.1
#define SEQUENTIAL_SHARE 0.25
#define RANDOM_SHARE     0.4
#define BLOCK_SHARE      0.25
#define TAKEN            0.1 /* of the ports that a preserving NAT is asked for */
#define PORTS            64512.0

static double preserving_ln(const struct ph_nat_draws *d, uint16_t local_port)
{
    double ln = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (d->items[i].port == 0)
            continue;
        ln += d->items[i].port == local_port ? log(1 - TAKEN) : log(TAKEN / PORTS);
    }
    return ln;
}

void ph_hypotheses(const struct ph_nat_draws *d, uint16_t local_port, struct ph_hypotheses *out)
{
    ph_sequence_fit(d, &out->sequence);
    ph_port_range_fit(d, &out->range);
    out->preserving = log(PRESERVING_SHARE) + preserving_ln(d, local_port);
    out->sequential = log(SEQUENTIAL_SHARE) + out->sequence.evidence;
    out->random = log(RANDOM_SHARE) + out->range.whole;
    out->block = log(BLOCK_SHARE) + out->range.block;
    out->total =
        ph_add_ln(ph_add_ln(out->preserving, out->sequential), ph_add_ln(out->random, out->block));
}
