/* The hash of the simulator's tables: of two numbers. */
#ifndef LAB_WORLD_SIM_HASH_H
#define LAB_WORLD_SIM_HASH_H

#include <stdint.h>

static inline uint64_t sim_hash(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ b * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 29) * 0x94d049bb133111ebu;
    return h ^ h >> 32;
}

#endif
