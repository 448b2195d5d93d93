/* Seed files: 64 hex digits, from which a peer's identity follows. */
#ifndef PH_CLI_SEED_H
#define PH_CLI_SEED_H

#include "pinhole.h"

/* Reads the file, or makes it (mode 0600) when it does not exist; path NULL gives a fresh random
 * seed that is kept nowhere. Returns a cli_exit; what is wrong is printed. */
int seed_load(const char *path, uint8_t seed[PH_SEED_LEN]);

#endif
