/* A kernel world of two NATs, one of them with a port-mapping server, for tests that speak to it in
 * bytes of their own. */
#ifndef TESTS_ROUTER_WORLD_H
#define TESTS_ROUTER_WORLD_H

#include "lab/world/kernel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* two-nats, NAT a with these fields on top of a profile: "pcp: true, faults: [x]" goes into
 * port_mapping, NULL for no server. In the program's one lab (tests/kernel_lab.h, which the group
 * sets up). Fails the test on any error but what the machine cannot, which is said and skipped. */
struct kernel_world *router_world_new(const char *profile, const char *port_mapping);
/* The same on another topology. */
struct kernel_world *router_world_on(const char *topology, const char *profile,
                                     const char *port_mapping);

/* Where things are: the address of a host; of a NAT's router on its LAN; of a NAT outside. */
struct ph_addr router_world_host(const struct kernel_world *w, const char *host);
struct ph_addr router_world_lan(const struct kernel_world *w, const char *nat);
struct ph_addr router_world_wan(const struct kernel_world *w, const char *nat);

/* A UDP socket on a node. */
int router_world_udp(const struct kernel_world *w, const char *node, uint16_t port);
void router_world_send(int fd, const struct ph_addr *to, const void *data, size_t len);
/* What comes within wait_ms; 0: nothing. from may be NULL. */
size_t router_world_hear(int fd, void *out, size_t cap, int wait_ms, struct ph_addr *from);
/* A TCP exchange from a node: the request, and everything until the other closes or wait_ms is
 * over. The answer is NUL-terminated. */
size_t router_world_tcp(const struct kernel_world *w, const char *node, const struct ph_addr *to,
                        const char *request, char *out, size_t cap, int wait_ms);
/* The mappings in the world's routers; fails the test when they cannot be counted. */
size_t router_world_mappings(struct kernel_world *w);
/* A program in a node: started, its output and errors readable at *out_fd. It is looked for in
 * /usr/sbin too. */
pid_t router_world_start(const struct kernel_world *w, const char *node, const char *const argv[],
                         int *out_fd);
/* Waits for its end, up to wait_ms; then it is ended. Its output goes to `out`, NUL-terminated.
 * Returns its exit code, -1: a signal ended it. */
int router_world_finish(pid_t pid, int out_fd, char *out, size_t cap, int wait_ms);
/* Both. */
int router_world_run(const struct kernel_world *w, const char *node, const char *const argv[],
                     char *out, size_t cap, int wait_ms);
/* Whether a program is installed. */
bool router_world_has(const char *program);

#endif
