/* A duration as people write it. */
#ifndef PH_CLI_DURATION_H
#define PH_CLI_DURATION_H

#include "base/time.h"

#include <argp.h>

/* "10", "0.5": seconds, above zero, at most 1,000,000. What is none of these ends the program by
 * argp_error. */
ph_ns parse_duration(const char *arg, struct argp_state *state);

#endif
