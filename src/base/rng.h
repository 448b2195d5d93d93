/* A small seeded generator (xoshiro256**), for what must repeat: simulated loss, jitter,
 * tie-breaks. Never for keys: secrets come from ph_host's random. */
#ifndef PH_BASE_RNG_H
#define PH_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct ph_rng {
    uint64_t s[4];
};

/* Any seed is good, zero included (it is stretched by splitmix64). */
void ph_rng_seed(struct ph_rng *r, uint64_t seed);
uint64_t ph_rng_u64(struct ph_rng *r);
/* Uniform in [0, n), without modulo bias; n = 0 gives 0. */
uint64_t ph_rng_below(struct ph_rng *r, uint64_t n);
/* Uniform in [0, 1). */
double ph_rng_unit(struct ph_rng *r);
void ph_rng_fill(struct ph_rng *r, void *out, size_t len);
/* A 64-bit hash of bytes (for seeds of named things); chain by passing the last result as `h`. */
uint64_t ph_hash64(uint64_t h, const void *data, size_t len);

#endif
