/* What the two files of the UPnP client share: upnp_client.c (the device, and what the mapper
 * wants) and upnp_mapping.c (what is said to it about a mapping). */
#ifndef PH_PORTMAP_UPNP_PRIVATE_H
#define PH_PORTMAP_UPNP_PRIVATE_H

#include "portmap/upnp_client.h"

/* upnp_client.c */

void ph_upnp_set_step(struct ph_upnp_client *u, enum ph_upnp_step step);
/* The mapped socket is of IPv6: what is asked for is a hole. */
bool ph_upnp_is_firewall(const struct ph_upnp_client *u);
const struct ph_igd_service *ph_upnp_service(const struct ph_upnp_client *u);
/* Into the report, behind the device's name. */
void ph_upnp_set_text(struct ph_upnp_client *u, const char *what);
/* Ends what is under way. */
void ph_upnp_stop(struct ph_upnp_client *u);
/* The end of it all: DOWN. */
void ph_upnp_fail(struct ph_upnp_client *u, enum ph_portmap_said said, int code, const char *text);
/* The device does not answer as before: it is looked for once, and the step taken again. */
void ph_upnp_gone(struct ph_upnp_client *u, ph_ns now, int code);

/* upnp_mapping.c */

/* Takes a step: its call goes out. */
void ph_upnp_start(struct ph_upnp_client *u, ph_ns now, enum ph_upnp_step step);
/* The call alone. As http_start. */
int ph_upnp_start_call(struct ph_upnp_client *u, struct ph_upnp_call *call, ph_ns now,
                       enum ph_upnp_step step);
void ph_upnp_start_deleting(struct ph_upnp_client *u, ph_ns now);
/* What came of the step's call. */
void ph_upnp_on_answer(struct ph_upnp_client *u, ph_ns now, const struct ph_upnp_result *r);

#endif
