/* The process of miniupnpd: how it is started, kept from everything outside its router, and waited
 * for. Private to miniupnpd. */
#ifndef LAB_ROUTER_MINIUPNPD_PROCESS_H
#define LAB_ROUTER_MINIUPNPD_PROCESS_H

#include "lab/router/router.h"

#include <sys/types.h>

/* Starts it in the namespace with this configuration. It dies with the thread that started it. */
int miniupnpd_spawn(int netns_fd, const char *config, pid_t *out, struct lab_error *err);
/* Waits until it answers NAT-PMP, asked from the router itself. By then it has opened all of its
 * sockets, so that whoever asks by SSDP or HTTP is served too (an answer to SSDP would have to be
 * waited for: it comes after a pause of up to 50 ms). The process's end or a deadline is a failure.
 */
int miniupnpd_await(int netns_fd, pid_t pid, const struct router_site *site, struct lab_error *err);

#endif
