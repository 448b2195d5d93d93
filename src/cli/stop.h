/* SIGINT, SIGTERM and, where it is not ignored, SIGHUP as events of the loop. */
#ifndef PH_CLI_STOP_H
#define PH_CLI_STOP_H

#include "host/loop.h"

struct cli_stop {
    struct ph_loop *loop;
    int fd;
    int signal; /* that came; 0: none yet */
    void (*on_stop)(void *user);
    void (*on_drain)(void *user); /* SIGUSR1; NULL: not asked for */
    void *user;
};

/* From here on these signals call on_stop. A second one ends the loop whatever on_stop waits for.
 * PH_ERR_SYS. */
int cli_stop_init(struct cli_stop *s, struct ph_loop *loop, void (*on_stop)(void *user),
                  void *user);
/* SIGUSR1 calls this, and ends nothing. PH_ERR_SYS. */
int cli_stop_on_drain(struct cli_stop *s, void (*on_drain)(void *user));
void cli_stop_fini(struct cli_stop *s);

#endif
