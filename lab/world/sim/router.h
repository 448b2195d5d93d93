/* Port-mapping servers in the simulator: the scripted router (lab/router/scripted.h) on every NAT
 * whose profile wants a server, and HTTP to it. Real daemons are not to be had here. Private to the
 * simulator. */
#ifndef LAB_WORLD_SIM_ROUTER_H
#define LAB_WORLD_SIM_ROUTER_H

#include "host/host.h"
#include "lab/error.h"

#include <stdbool.h>
#include <stddef.h>

struct sim;
struct sim_host;
struct sim_packet;
struct sim_router;

/* One for each NAT that wants it. */
int sim_routers_new(struct sim *s, struct lab_error *err);
void sim_routers_free(struct sim *s);
/* The one of a node, if there is one, starts again: with an empty table, and with the addresses
 * that the layout has now. -1: out of memory. */
int sim_router_restart(struct sim *s, size_t node);

/* A call that will not be made any more: frees what was made for it alone. */
struct sim_call;
void sim_router_forget(struct sim *s, struct sim_call *c);

/* A packet has arrived from inside at a node. True: it was for the server there, or for a multicast
 * group, which no router passes on; it has been taken. */
bool sim_router_take(struct sim *s, struct sim_packet *p);

/* ph_host_ops. A connection costs a round trip to the router, and the exchange another. */
int sim_http_start(struct ph_host *h, const struct ph_http_request *request, ph_http *out);
void sim_http_cancel(struct ph_host *h, ph_http id);
/* The host goes: nobody is told. */
void sim_http_drop(struct sim_host *host);

#endif
