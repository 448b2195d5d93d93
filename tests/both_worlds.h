/* One and the same world in the simulator and in the kernel, with sockets on its hosts, for tests
 * that ask both the same. Its links have no delay: in the kernel a packet is where it goes before
 * the next one is on its way (the process keeps to one core), and a packet that was to come has
 * come when a later one, the fence, is heard. Nothing waits for time to pass. */
#ifndef TESTS_BOTH_WORLDS_H
#define TESTS_BOTH_WORLDS_H

#include "lab/world/kernel.h"
#include "lab/world/sim/sim.h"

struct both_world;

/* lab NULL: the simulator. The topology must have the hosts a and stun. Fails the test on any
 * error. */
struct both_world *both_world_new(struct kernel_lab *lab, const struct world_spec *spec,
                                  uint64_t seed);
void both_world_free(struct both_world *w);

/* A socket on a host, at any of its addresses; port 0: any. Its number. */
size_t both_open(struct both_world *w, const char *node, uint16_t port);
/* The n-th address of a host, or of a NAT's outside, with a port. */
struct ph_addr both_addr(const struct both_world *w, const char *node, size_t n, uint16_t port);

/* Who has heard a packet, and from where. */
struct both_heard {
    size_t by; /* the socket's number; SIZE_MAX: nobody */
    struct ph_addr from;
};

/* Sends one packet, and says what became of it. ttl 0: the default. */
struct both_heard both_send(struct both_world *w, size_t from, const struct ph_addr *to,
                            uint8_t ttl);

/* Something befalls the world; it is over when this returns, but for what lasts. */
void both_disturb(struct both_world *w, const struct incident *what);
/* As between two trials; all sockets are gone. */
void both_reset(struct both_world *w, uint64_t seed);
/* The address that the host has now; family NONE: none. */
struct ph_addr both_local(struct both_world *w, const char *node);
/* How often the host was told that its network has changed; waits until that is more than so many
 * times, or fails the test. */
unsigned both_told(struct both_world *w, const char *node);
unsigned both_await_told(struct both_world *w, const char *node, unsigned than);
/* NULL in the simulator. */
struct kernel_world *both_kernel(struct both_world *w);

#endif
