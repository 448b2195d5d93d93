/* What runs on a router beside its NAT: a port-mapping server, real (miniupnpd) or scripted, with
 * faults seen in the field. Started in a router's namespace and stopped with the world. */
#ifndef LAB_ROUTER_ROUTER_H
#define LAB_ROUTER_ROUTER_H

#include "base/addr.h"
#include "lab/error.h"
#include "lab/nat/profile.h"

#include <stdbool.h>
#include <stddef.h>

/* Where it stands. */
struct router_site {
    int netns_fd;
    const char *name; /* of the node, for messages */
    const char *wan_if, *lan_if;
    struct ph_addr wan, lan; /* IPv4, port 0 */
    unsigned lan_prefix;
    struct ph_addr wan6, lan6; /* family NONE: no IPv6 */
    unsigned lan6_prefix;
};

/* Whether a profile wants one at all. */
bool router_wanted(const struct nat_profile *p);

/* The rules that its server begins with, beside the NAT's (malloc'ed): a mapping is an entry in one
 * of their chains or maps. For who wants to see them. -1 with err. */
int router_rules(const struct nat_profile *p, const struct router_site *site, char **out,
                 struct lab_error *err);
/* "miniupnpd" or "scripted". */
const char *router_kind(const struct nat_profile *p, const struct router_site *site);

struct router;

/* Starts the server that the profile asks for, and returns once it answers: miniupnpd where no
 * fault is named, the scripted router where one is, and where the WAN address is private or shared
 * (miniupnpd does not map there; routers of the field do). LAB_CANNOT with the mend where miniupnpd
 * is not installed. */
int router_start(const struct nat_profile *p, const struct router_site *site, struct router **out,
                 struct lab_error *err);
/* How many mappings it holds; -1 with err. */
int router_mappings(struct router *r, size_t *count, struct lab_error *err);
/* Deletes all of them, for the next trial. */
int router_flush(struct router *r, struct lab_error *err);
/* Ends the process and waits for it. NULL is allowed. */
void router_stop(struct router *r);

#endif
