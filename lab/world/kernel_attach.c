/* The attached half of the kernel world: hosts of one event loop, their sockets in namespaces that
 * another process built. */
#include "base/err.h"
#include "lab/topo/renumber.h"
#include "lab/world/gateways.h"
#include "lab/world/kernel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One for each family; a node of a layout has no more. */
#define ATTACHED_GATEWAYS_MAX 2

/* Incidents that the other half has been asked for, and not answered yet. */
#define ATTACHED_ASKED_MAX 64

struct asked {
    struct incident what;
    world_disturbed done;
    void *user;
};

struct attached {
    struct world world; /* first */
    struct layout layout;
    unsigned turns[LAYOUT_NODES_MAX]; /* of addresses, lab/topo/renumber.h */
    bool hosts_move;
    void (*ask)(void *user, const struct incident *what);
    void *ask_user;
    struct asked asked[ATTACHED_ASKED_MAX]; /* the first is the oldest */
    size_t asked_count;
    struct ph_loop *loop;
    int fds[LAYOUT_NODES_MAX];
    /* Of each node that had a host, for its hosts to borrow. */
    struct ph_addr addrs[LAYOUT_NODES_MAX][2 * TOPO_ADDRESSES_MAX];
    struct ph_gateway gateways[LAYOUT_NODES_MAX][ATTACHED_GATEWAYS_MAX];
};

/* Its own addresses of both families; returns how many. */
static size_t take_addrs(const struct layout_node *n, struct ph_addr out[2 * TOPO_ADDRESSES_MAX])
{
    memcpy(out, n->addrs, n->addr_count * sizeof(out[0]));
    memcpy(out + n->addr_count, n->addrs6, n->addr6_count * sizeof(out[0]));
    return n->addr_count + n->addr6_count;
}

static int attached_host_new(struct world *w, size_t node,
                             void (*trace)(void *user, const char *line), void *user,
                             struct ph_host **out)
{
    struct attached *a = (struct attached *)w;
    struct ph_loop_host_config config = {.trace = trace, .trace_user = user};

    *out = NULL;
    if (node >= a->layout.node_count || a->fds[node] < 0) {
        return PH_ERR_NOENT;
    }
    config.netns_fd = a->fds[node];
    (void)layout_nat64_of(&a->layout, node, &config.nat64);
    if (a->hosts_move) {
        return ph_loop_host_new(a->loop, &config, out);
    }
    config.addrs = a->addrs[node];
    config.addr_count = take_addrs(&a->layout.nodes[node], a->addrs[node]);
    config.gateways = a->gateways[node];
    config.gateway_count =
        world_gateways(&a->layout, node, a->gateways[node], ATTACHED_GATEWAYS_MAX);
    return ph_loop_host_new(a->loop, &config, out);
}

static void attached_host_free(struct world *w, struct ph_host *host)
{
    (void)w;
    ph_loop_host_free(host);
}

static ph_ns attached_now(struct world *w)
{
    return ph_loop_now(((struct attached *)w)->loop);
}

static void attached_at(struct world *w, ph_ns when, void (*fn)(void *user), void *user)
{
    /* Fails only when there is no memory; the trial then ends by its scheduler's own limit. */
    (void)ph_loop_at(((struct attached *)w)->loop, when, fn, user);
}

static ph_ns attached_take_lateness(struct world *w)
{
    return ph_loop_take_lateness(((struct attached *)w)->loop);
}

static void attached_disturb(struct world *w, const struct incident *what, world_disturbed done,
                             void *user)
{
    struct attached *a = (struct attached *)w;

    if (a->ask == NULL || a->asked_count == ATTACHED_ASKED_MAX) {
        done(user, what, 0, "nobody is there to do it");
        return;
    }
    a->asked[a->asked_count++] = (struct asked){.what = *what, .done = done, .user = user};
    a->ask(a->ask_user, what);
}

void kernel_world_disturbed(struct world *w, ph_ns at, const char *error)
{
    struct attached *a = (struct attached *)w;
    struct asked was;
    size_t node;

    if (a->asked_count == 0) {
        return;
    }
    was = a->asked[0];
    a->asked_count--;
    memmove(a->asked, a->asked + 1, a->asked_count * sizeof(a->asked[0]));
    node = error == NULL ? incident_renumbers(&a->layout, &was.what) : SIZE_MAX;
    if (node != SIZE_MAX) {
        unsigned to = (a->turns[node] + 1) % RENUMBER_TURNS;

        layout_renumber(&a->layout, node, a->turns[node], to);
        a->turns[node] = to;
    }
    was.done(was.user, &was.what, at, error);
}

void kernel_world_on_disturb(struct world *w, void (*ask)(void *user, const struct incident *what),
                             void *user)
{
    ((struct attached *)w)->ask = ask;
    ((struct attached *)w)->ask_user = user;
}

void kernel_world_hosts_move(struct world *w)
{
    ((struct attached *)w)->hosts_move = true;
}

static void attached_free(struct world *w)
{
    struct attached *a = (struct attached *)w;

    if (a == NULL) {
        return;
    }
    for (size_t i = 0; i < a->layout.node_count; i++) {
        if (a->fds[i] >= 0) {
            close(a->fds[i]);
        }
    }
    free(a);
}

int kernel_world_attach(struct ph_loop *loop, const struct layout *layout, const int *fds,
                        struct world **out, struct lab_error *err)
{
    static const struct world_ops ops = {
        .host_new = attached_host_new,
        .host_free = attached_host_free,
        .now = attached_now,
        .at = attached_at,
        .take_lateness = attached_take_lateness,
        .disturb = attached_disturb,
        .free = attached_free,
    };
    struct attached *a = calloc(1, sizeof(*a));

    *out = NULL;
    if (a == NULL) {
        return lab_fail(err, LAB_BROKEN, "out of memory");
    }
    a->world.ops = &ops;
    a->world.layout = &a->layout;
    a->layout = *layout;
    a->loop = loop;
    for (size_t i = 0; i < layout->node_count; i++) {
        a->fds[i] = fds[i];
    }
    *out = &a->world;
    return 0;
}
