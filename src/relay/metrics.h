/* What a relay counts, as OpenMetrics text (version 1.0.0). Pure: numbers in, text out. */
#ifndef PH_RELAY_METRICS_H
#define PH_RELAY_METRICS_H

#include "pinhole.h"

#define PH_METRICS_MAX  8192 /* bytes of the text, whatever the numbers are */
#define PH_METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* What the process knows and the relay does not. */
struct ph_metrics_process {
    double cpu_s;      /* user and system */
    double lateness_s; /* the loop's worst since it was last asked for */
    double uptime_s;
};

/* Returns the length; the text is NUL-terminated. */
size_t ph_relay_metrics(const struct ph_relay_stats *stats,
                        const struct ph_metrics_process *process, char out[PH_METRICS_MAX]);

#endif
