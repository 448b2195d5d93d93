#include "lab/run/seed.h"

#include "base/rng.h"

#include <string.h>

/* Texts go in with their NUL, numbers byte by byte from the lowest: no two inputs run together and
 * every machine computes the same. */
static uint64_t add_number(uint64_t h, uint64_t v)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    return ph_hash64(h, bytes, sizeof(bytes));
}

uint64_t seed_cell(uint64_t run_seed, const char *scenario, const char *cell_key)
{
    uint64_t h = add_number(0, run_seed);
    h = ph_hash64(h, scenario, strlen(scenario) + 1);
    return ph_hash64(h, cell_key, strlen(cell_key) + 1);
}

uint64_t seed_trial(uint64_t run_seed, const char *scenario, const char *cell_key, uint32_t trial)
{
    return add_number(seed_cell(run_seed, scenario, cell_key), trial);
}
