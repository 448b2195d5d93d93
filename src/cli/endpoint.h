/* What `answer` and `call` have in common: the options, the loop and the agent on it. */
#ifndef PH_CLI_ENDPOINT_H
#define PH_CLI_ENDPOINT_H

#include "cli/pipe.h"
#include "cli/screen.h"
#include "cli/stop.h"
#include "pinhole.h"

#include <argp.h>

/* The option --pipe, which has no short form. */
#define OPT_PIPE 256

struct endpoint_options {
    const char *relays[PH_RELAYS_MAX];
    size_t relay_count;
    const char *stuns[PH_STUNS_MAX];
    size_t stun_count;
    const char *seed_file;
    bool no_port_mapping;
    bool json;
};

/* Its input is a struct endpoint_options. */
extern const struct argp endpoint_argp;

struct endpoint {
    struct ph_loop *loop;
    struct ph_host *host;
    struct ph_agent *agent;
    struct cli_stop stop;
    bool said_goodbye; /* what was said on leaving has had its time to go out */
    char fingerprint[2 * PH_FINGERPRINT_LEN + 1];
};

/* Takes the hex digits of a fingerprint, or ends the program by argp_error. */
void endpoint_parse_fingerprint(const char *arg, uint8_t out[PH_FINGERPRINT_LEN],
                                struct argp_state *state);
/* Where a call's progress goes: the standard output, or with --pipe, which needs that for itself,
 * the error output. */
void endpoint_screen(struct screen *s, const struct endpoint_options *options, bool pipe);
/* Says why a pipe ended otherwise than well. Returns the cli_exit. */
int endpoint_tell_pipe(enum pipe_end end);
/* How long a call goes on after its stream is done, so that the other side hears for certain that
 * all of its own has arrived. */
ph_ns endpoint_pipe_linger(const struct ph_call_report *r);
/* Fills host, seed, relays, stuns and bind of the config and starts the agent. Returns a cli_exit;
 * what is wrong is printed. To be ended with endpoint_fini whatever it returns. */
int endpoint_init(struct endpoint *e, const struct endpoint_options *options,
                  struct ph_agent_config *config, void (*on_stop)(void *user), void *user);
void endpoint_fini(struct endpoint *e);
/* Hangs up, gives back what routers have mapped, and stops the loop when all is said. */
void endpoint_leave(struct endpoint *e);
/* To be called by the agent's on_closed. */
void endpoint_on_closed(struct endpoint *e);

#endif
