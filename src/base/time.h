/* Time is a parameter. All times are nanoseconds of one monotonic clock that the host chooses. */
#ifndef PH_BASE_TIME_H
#define PH_BASE_TIME_H

#include <stdint.h>

typedef uint64_t ph_ns;

#define PH_US    ((ph_ns)1000)
#define PH_MS    ((ph_ns)1000000)
#define PH_SEC   ((ph_ns)1000000000)
#define PH_NEVER UINT64_MAX

static inline ph_ns ph_min_ns(ph_ns a, ph_ns b)
{
    return a < b ? a : b;
}

static inline ph_ns ph_max_ns(ph_ns a, ph_ns b)
{
    return a > b ? a : b;
}

static inline double ph_ns_to_ms(ph_ns t)
{
    return (double)t / 1e6;
}

#endif
