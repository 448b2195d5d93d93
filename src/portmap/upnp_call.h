/* One HTTP request to a router, and what came of it: its description, or an answer to a SOAP call.
 */
#ifndef PH_PORTMAP_UPNP_CALL_H
#define PH_PORTMAP_UPNP_CALL_H

#include "portmap/outlet.h"
#include "wire/igd.h"

/* For the whole of it: some routers send for ever. */
#define PH_UPNP_CALL_TIMEOUT PH_SEC
/* Answers to SOAP calls are of a few hundred bytes. */
#define PH_UPNP_ANSWER_MAX 16384

struct ph_upnp_call {
    ph_http id; /* 0: none is under way */
    ph_ns started;
};

enum ph_upnp_outcome {
    PH_UPNP_DONE,
    PH_UPNP_FAULT,  /* it said no: `code` is UPnP's */
    PH_UPNP_BROKEN, /* what came is no answer: `code` is HTTP's status, 0: none */
    PH_UPNP_LOST,   /* no connection, or nothing in time */
};

struct ph_upnp_result {
    enum ph_upnp_outcome outcome;
    int code;
    struct ph_igd_answer answer;
    ph_ns took;
};

/* From `local`, if its family is the server's. As http_start. */
int ph_upnp_call_fetch(struct ph_upnp_call *c, struct ph_outlet *o, ph_ns now,
                       const struct ph_url *url, const struct ph_addr *local);
/* len: what a function of wire/igd.h returned with body and action; negative ones come back. */
int ph_upnp_call_soap(struct ph_upnp_call *c, struct ph_outlet *o, ph_ns now,
                      const struct ph_url *url, const struct ph_addr *local, const char *action,
                      const char *body, int len);
void ph_upnp_call_cancel(struct ph_upnp_call *c, struct ph_outlet *o);
/* Whether this is the answer to the call, which is over then. */
bool ph_upnp_call_is(struct ph_upnp_call *c, ph_http id);
/* What a SOAP call's answer means. A body is read even if its end never came: servers get their
 * lengths wrong, and keep open what they said they would close. */
void ph_upnp_call_read(const struct ph_upnp_call *c, ph_ns now, const struct ph_http_answer *a,
                       struct ph_upnp_result *out);

#endif
