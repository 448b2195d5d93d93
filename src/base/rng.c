#include "base/rng.h"

/* The output function and constants of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

void ph_rng_seed(struct ph_rng *r, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        r->s[i] = mix(seed);
    }
}

/* xoshiro256** 1.0 (Blackman, Vigna 2018). */
uint64_t ph_rng_u64(struct ph_rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t ph_rng_below(struct ph_rng *r, uint64_t n)
{
    uint64_t skip;
    uint64_t v;

    if (n == 0)
        return 0;
    /* 2^64 mod n: the draws below it are the surplus that would make small results likelier. */
    skip = (0 - n) % n;
    do {
        v = ph_rng_u64(r);
    } while (v < skip);
    return v % n;
}

double ph_rng_unit(struct ph_rng *r)
{
    /* 53 bits fill a double's mantissa, so 1.0 cannot come out by rounding. */
    return (double)(ph_rng_u64(r) >> 11) * 0x1.0p-53;
}

void ph_rng_fill(struct ph_rng *r, void *out, size_t len)
{
    uint8_t *p = out;
    uint64_t v = 0;

    for (size_t i = 0; i < len; i++) {
        if (i % 8 == 0)
            v = ph_rng_u64(r);
        p[i] = (uint8_t)v;
        v >>= 8;
    }
}

uint64_t ph_hash64(uint64_t h, const void *data, size_t len)
{
    const uint8_t *p = data;

    /* The length goes in, so that a chain of ("ab", "c") differs from ("a", "bc"). */
    h = mix(h + 0x9e3779b97f4a7c15u + len);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = 0;

        for (size_t j = 0; j < 8 && i + j < len; j++)
            word |= (uint64_t)p[i + j] << (8 * j);
        h = mix((h ^ word) * 0x9e3779b97f4a7c15u + 1);
    }
    return h;
}
