/* a * x = b (mod m), for counters and for ports that lie a stride apart. Inside the room. */
#ifndef PH_NAT_CONGRUENCE_H
#define PH_NAT_CONGRUENCE_H

#include <stdbool.h>
#include <stdint.h>

/* The least x >= 0; false when there is none. a >= 0, 0 <= b, 0 < m, all below 2^31. */
static inline bool ph_congruence(int64_t a, int64_t b, int64_t m, int64_t *x)
{
    int64_t r0 = m, r1 = a % m; /* Euclid's remainders, and how often a is in each */
    int64_t t0 = 0, t1 = 1;
    while (r1 != 0) {
        int64_t q = r0 / r1, r = r0 - q * r1, t = t0 - q * t1;
        r0 = r1;
        r1 = r;
        t0 = t1;
        t1 = t;
    }
    if (b % r0 != 0)
        return false;
    m /= r0;
    *x = (t0 % m + m) % m * (b / r0 % m) % m;
    return true;
}

#endif
