/* What two peers' reports of one call come to. Pure: reports in, a trial's result out. */
#ifndef LAB_RUN_VERDICT_H
#define LAB_RUN_VERDICT_H

#include "lab/run/trial.h"

/* True when both peers use a direct path and the layout proves it: each one's remote address is
 * that of a NAT or of a peer, and never one of a relay or STUN server. What a peer claims is not
 * enough. */
bool verdict_direct(const struct layout *layout, const struct ph_call_report *caller,
                    const struct ph_call_report *callee);

/* Fills everything but status, error, lateness and ttl. Either report may be NULL: that side never
 * had the call. */
void verdict(const struct layout *layout, const struct ph_call_report *caller,
             const struct ph_call_report *callee, struct trial_result *out);

#endif
