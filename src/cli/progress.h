/* What happens in a call, told line by line, for people or as JSON. */
#ifndef PH_CLI_PROGRESS_H
#define PH_CLI_PROGRESS_H

#include "cli/screen.h"
#include "pinhole.h"

struct progress {
    struct screen *screen; /* borrowed; several calls may share one */
    enum ph_call_state state;
    bool told_relay;
    bool was_direct;
    enum ph_stage stage;   /* of the direct path that was told ... */
    struct ph_addr remote; /* ... and its other end */
    enum ph_profile profile;
    unsigned stages; /* whose end has been told */
};

/* With which relay is asked of the agent. */
void progress_registered(struct screen *screen, const char *fingerprint, int err,
                         const struct ph_addr *reflexive, const struct ph_agent *agent);
void progress_begin(struct progress *p, struct screen *screen, const struct ph_call_report *r);
/* Tells what is new in the report. */
void progress_update(struct progress *p, const struct ph_call_report *r, ph_ns now);
/* The numbers of a second: as JSON; as the status line where there is one, and otherwise, when
 * `lines` is true, as a line. */
void progress_second(const struct progress *p, const struct ph_call_report *r, ph_ns now,
                     bool lines);
void progress_summary(const struct progress *p, const struct ph_call_report *r, ph_ns now);

#endif
