/* What happens in a call, told line by line, for people or as JSON. */
#ifndef PH_CLI_PROGRESS_H
#define PH_CLI_PROGRESS_H

#include "pinhole.h"

struct progress {
    bool json;
    bool told_relay;
    bool was_direct;
    unsigned stages; /* whose end has been told */
};

/* With which relay is asked of the agent. */
void progress_registered(bool json, const char *fingerprint, int err,
                         const struct ph_addr *reflexive, const struct ph_agent *agent);
void progress_init(struct progress *p, bool json, const struct ph_call_report *r);
/* Tells what is new in the report. */
void progress_update(struct progress *p, const struct ph_call_report *r);
/* The numbers of a second. */
void progress_media(const struct progress *p, const struct ph_call_report *r, ph_ns now);
void progress_summary(const struct progress *p, const struct ph_call_report *r, ph_ns now);

#endif
