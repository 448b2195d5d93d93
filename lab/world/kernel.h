/* The kernel world: namespaces, veth pairs, nftables NATs and the shaper.
 *
 * Two halves in two processes. The *lab* half builds worlds, proves their NATs, and puts them back
 * in order between trials; the *attached* half opens sockets inside a world that another process
 * built, and times what happens there. What passes between them is a layout and one descriptor of a
 * namespace for each host node (SCM_RIGHTS). Everything dies with its process: namespaces are held
 * by descriptors alone. */
#ifndef LAB_WORLD_KERNEL_H
#define LAB_WORLD_KERNEL_H

#include "host/loop.h"
#include "lab/nat/check.h"
#include "lab/world/world.h"

struct kernel_lab; /* one for each building process: the shaper and its namespace */
struct kernel_world;

/* Makes this process able to build: a user + net + mount namespace when it is not root (so: before
 * any thread), a net + mount one as root. Raises RLIMIT_NOFILE. LAB_CANNOT with the mend where the
 * machine forbids it. Call once, in the program's first process, before it forks the others. */
int kernel_privileges(struct lab_error *err);

/* Starts the shaper process. */
int kernel_lab_open(struct kernel_lab **out, struct lab_error *err);
void kernel_lab_close(struct kernel_lab *lab);

/* Builds a world; its links have no delay and no loss yet. Its port-mapping servers answer. */
int kernel_world_build(struct kernel_lab *lab, const struct layout *layout,
                       struct kernel_world **out, struct lab_error *err);
void kernel_world_free(struct kernel_world *w);
const struct layout *kernel_world_layout(const struct kernel_world *w);
/* The namespace of a node, owned by the world. */
int kernel_world_netns(const struct kernel_world *w, size_t node);

/* Proves every NAT of the world (before its links are on). On a mismatch returns -1 with LAB_BROKEN
 * and a text that names the NAT, what it declares and what was seen. */
int kernel_world_check(struct kernel_world *w, struct lab_error *err);

/* Switches the links' delay, jitter, loss and rate on, seeded. */
int kernel_world_links_on(struct kernel_world *w, uint64_t seed, struct lab_error *err);
/* How many mappings the port-mapping servers of all its routers hold together. */
int kernel_world_mappings(struct kernel_world *w, size_t *count, struct lab_error *err);
/* Between two trials: takes back what incidents have done, deletes all mappings, flushes conntrack
 * and dynamic sets of every NAT and firewall, drops what is still under way in the shaper, seeds it
 * anew. */
int kernel_world_reset(struct kernel_world *w, uint64_t seed, struct lab_error *err);
/* Lets something befall the world, without a fork (but for a port-mapping server, which is a
 * process); *at: when, by CLOCK_MONOTONIC. kernel_world_reset takes it back. LAB_CANNOT where the
 * kernel lacks what it takes. */
int kernel_world_disturb(struct kernel_world *w, const struct incident *what, ph_ns *at,
                         struct lab_error *err);
/* The shaper's worst lateness in this world since the last reset, and how many packets it carried.
 */
int kernel_world_lateness(struct kernel_world *w, ph_ns *worst, uint64_t *packets,
                          struct lab_error *err);

/* Since the last reset: what its links lost. */
int kernel_world_drops(struct kernel_world *w, struct link_drops *out, struct lab_error *err);

/* The attached half. fds: one for each node of the layout, -1 where not needed; they are taken over
 * (closed by world->ops->free). The loop is borrowed. */
int kernel_world_attach(struct ph_loop *loop, const struct layout *layout, const int *fds,
                        struct world **out, struct lab_error *err);

/* What the attached half is asked to let happen (world_ops.disturb) is done by the other one: `ask`
 * is called for each incident, and whoever carries it there answers in the same order, by
 * kernel_world_disturbed. Without `ask`, none can happen. */
void kernel_world_on_disturb(struct world *w, void (*ask)(void *user, const struct incident *what),
                             void *user);
/* error NULL: it was done at that time. */
void kernel_world_disturbed(struct world *w, ph_ns at, const char *error);
/* Hosts that are made from here on ask the kernel for their addresses and gateways, since these
 * will change. */
void kernel_world_hosts_move(struct world *w);

#endif
