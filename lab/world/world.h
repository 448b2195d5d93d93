/* A world: an internet in which endpoints can be run. The kernel's and the simulator's look the
 * same from here; a trial (lab/run/trial.h) does not know which one it is in. */
#ifndef LAB_WORLD_WORLD_H
#define LAB_WORLD_WORLD_H

#include "host/host.h"
#include "lab/topo/layout.h"

struct world;

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
    void (*free)(struct world *w);
};

struct world {
    const struct world_ops *ops;
    const struct layout *layout; /* owned by the world */
};

#endif
