/* What happens to a mapping, told line by line, for people or as JSON. */
#ifndef PH_CLI_MAP_TELL_H
#define PH_CLI_MAP_TELL_H

#include "portmap/portmap.h"

struct map_tell {
    bool json;
    ph_ns started; /* times count from here */
    struct ph_host *host;
    ph_sock sock;
    unsigned protocols; /* that are asked: 1u << PH_PORTMAP_x each */
};

void map_tell_start(const struct map_tell *t, ph_ns now);
/* What each protocol's server has said. */
void map_tell_protocols(const struct map_tell *t, const struct ph_mapper *m, ph_ns now);
/* event: "mapped", "changed", "renewed". */
void map_tell_mapping(const struct map_tell *t, const char *event, const struct ph_mapping *mapping,
                      ph_ns now);
/* event: "lost" (and asked for again at once), "failed" (nobody maps). */
void map_tell_event(const struct map_tell *t, const char *event, const char *text, ph_ns now);
/* After the release: whether every router has said that it has deleted what it gave. */
void map_tell_released(const struct map_tell *t, const struct ph_mapper *m, ph_ns now);

#endif
