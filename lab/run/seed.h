/* Seeds: every cell and every trial has its own, whatever else is run beside it. */
#ifndef LAB_RUN_SEED_H
#define LAB_RUN_SEED_H

#include <stdint.h>

/* Of a cell's world: NAT hashes, where a block lies. */
uint64_t seed_cell(uint64_t run_seed, const char *scenario, const char *cell_key);
/* Of one trial: keys, loss, jitter. Depends on nothing but what is given here. */
uint64_t seed_trial(uint64_t run_seed, const char *scenario, const char *cell_key, uint32_t trial);

#endif
