#include "cli/duration.h"

#include <math.h>
#include <stdlib.h>

#define DURATION_MAX 1e6 /* seconds */

ph_ns parse_duration(const char *arg, struct argp_state *state)
{
    char *rest;
    double seconds = strtod(arg, &rest);

    if (rest == arg || *rest || !isfinite(seconds) || seconds <= 0 || seconds > DURATION_MAX) {
        argp_error(state, "'%s' is not a duration: write seconds, such as 10 or 0.5", arg);
    }
    return (ph_ns)(seconds * 1e9);
}
