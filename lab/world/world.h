/* A world: an internet in which endpoints can be run. The kernel's and the simulator's look the
 * same from here; a trial (lab/run/trial.h) does not know which one it is in. */
#ifndef LAB_WORLD_WORLD_H
#define LAB_WORLD_WORLD_H

#include "host/host.h"
#include "lab/world/incident.h"

struct world;

/* Told once of each incident that a world was asked for: when it was done, on the world's clock; or
 * why it could not be (error), and then the lab has failed. */
typedef void (*world_disturbed)(void *user, const struct incident *what, ph_ns at,
                                const char *error);

struct world_ops {
    /* A new ph_host standing on a node (several may stand on one). `trace` may be NULL. */
    int (*host_new)(struct world *w, size_t node, void (*trace)(void *user, const char *line),
                    void *user, struct ph_host **out);
    void (*host_free)(struct world *w, struct ph_host *host);
    ph_ns (*now)(struct world *w);
    /* Calls fn(user) once at `when`; PH_NEVER cancels. One slot for each (fn, user). */
    void (*at)(struct world *w, ph_ns when, void (*fn)(void *user), void *user);
    /* The worst lateness of the world's own machinery in this process since the last call. */
    ph_ns (*take_lateness)(struct world *w);
    /* Lets something befall the network. `done` may be called from inside; not any more once the
     * world is freed. What is changed stays so until whoever runs the world puts it in order for
     * the next trial. */
    void (*disturb)(struct world *w, const struct incident *what, world_disturbed done, void *user);
    void (*free)(struct world *w);
};

struct world {
    const struct world_ops *ops;
    const struct layout *layout; /* owned by the world; its addresses are those of now */
};

#endif
