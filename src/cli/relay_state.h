/* The file in which a relay leaves its running calls for the process that takes its place. */
#ifndef PH_CLI_RELAY_STATE_H
#define PH_CLI_RELAY_STATE_H

#include "pinhole.h"

/* Takes up what the file holds, and removes it: what is taken up twice would be old. Where it is
 * not there nothing happens; where it is of no use that is printed, and the relay begins empty.
 * Returns how many calls. */
int relay_state_load(struct ph_relay *relay, const char *path);
/* Writes the file anew, whole or not at all, for its owner alone. False: that is printed. */
bool relay_state_save(const struct ph_relay *relay, const char *path);

#endif
