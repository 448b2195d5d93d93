/* What the trials of all subjects share: the world, the servers in it, the one look at a time. A
 * kind's own struct begins with a struct trial. */
#ifndef LAB_RUN_TRIAL_KIND_H
#define LAB_RUN_TRIAL_KIND_H

#include "base/rng.h"
#include "lab/run/background.h"
#include "lab/run/trial.h"

#define TRIAL_RELAY_PORT      4433
#define TRIAL_STUN_PORT       3478
#define TRIAL_STUN_OTHER_PORT 3479

struct trial_kind {
    size_t size; /* of its struct */
    /* The servers stand. What a failing start has made, stop frees. */
    int (*start)(struct trial *t, struct ph_rng *rng);
    /* What was asked for by trial_look. */
    void (*step)(struct trial *t, ph_ns now);
    void (*stop)(struct trial *t);
};

extern const struct trial_kind trial_call, trial_netcheck, trial_map;

struct trial_servers {
    size_t relay_node, stun_node;
    struct ph_host *relay_host, *stun_host;
    struct ph_relay *relay;
    uint8_t relay_seed[PH_SEED_LEN];
    struct ph_stun_server *stun;
};

struct trial {
    const struct trial_kind *kind;
    struct world *world;
    struct trial_spec spec;
    void (*done)(void *user, const struct trial_result *result);
    void *user;
    struct trial_servers servers;
    struct background *background;
    bool over;
};

/* Asks for step at `when`, in place of what was asked before. */
void trial_look(struct trial *t, ph_ns when);
/* At once, but not from inside the callback that asks: what follows may call back into what an
 * agent, a netcheck or a mapper must not be called for there. */
void trial_look_now(struct trial *t);

/* Ends the trial, and frees it. The result's lateness is filled in. */
void trial_finish(struct trial *t, struct trial_result *result);
/* The same for a lab that has failed; err may be PH_OK. */
void trial_finish_lab_error(struct trial *t, const char *why, int err);

/* The relay goes, without a word; comes (back), with the seed and address that it had. */
void trial_relay_stop(struct trial *t);
int trial_relay_start(struct trial *t);

/* The relay's IPv4 address; the STUN servers' (their first ports), returns how many. */
struct ph_addr trial_relay_addr(const struct trial *t);
size_t trial_stun_addrs(const struct trial *t, struct ph_addr *out, size_t cap);
/* Those of IPv6, where the world has it. */
size_t trial_relay_addrs6(const struct trial *t, struct ph_addr *out, size_t cap);
size_t trial_stun_addrs6(const struct trial *t, struct ph_addr *out, size_t cap);

#endif
