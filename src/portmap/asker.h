/* What the clients of NAT-PMP and PCP have in common: a few questions to one server, by datagrams,
 * which are repeated until they are answered or it is silent; its epoch, by which it tells that it
 * has forgotten; and answers that come when nobody waits for them any more. */
#ifndef PH_PORTMAP_ASKER_H
#define PH_PORTMAP_ASKER_H

#include "portmap/client.h"
#include "portmap/epoch.h"
#include "portmap/retry.h"

enum ph_question {   /* bits: what has not been answered yet */
    PH_ASKS_WHO = 1, /* makes nothing: NAT-PMP's external address, PCP's ANNOUNCE */
    PH_ASKS_MAP = 2,
    PH_ASKS_DELETE = 4,
};

struct ph_asker;

/* What a protocol has of its own. */
struct ph_asker_rules {
    enum ph_portmap_protocol protocol;
    uint16_t port;
    unsigned checks; /* the question that shows whether a mapping still stands */
    bool (*epoch_kept)(struct ph_epoch *e, ph_ns now, uint32_t epoch_s);
    void (*send)(struct ph_asker *a, enum ph_question question);
    /* All is given back: an answer about a mapping is not of ours any more. */
    void (*forgotten)(struct ph_asker *a);
};

struct ph_asker {
    struct ph_client base; /* first */
    const struct ph_asker_rules *rules;
    unsigned questions;
    struct ph_retry retry;
    bool hollow; /* it granted a mapping for no time at all, since it was asked */
    struct ph_epoch epoch;
    ph_ns hinted; /* when it last told of a restart unasked */
};

void ph_asker_init(struct ph_asker *a, const struct ph_asker_rules *rules,
                   const struct ph_client_ops *ops, struct ph_outlet *outlet,
                   const struct ph_gateway *gateway, const struct ph_addr *local);

/* Asks for what leads to `state`. */
void ph_asker_begin(struct ph_asker *a, ph_ns now, enum ph_client_state state, unsigned questions);
/* This one is answered. */
void ph_asker_answered(struct ph_asker *a, enum ph_question question);
/* Nothing is asked any more. */
void ph_asker_stop(struct ph_asker *a);

/* Of struct ph_client_ops. */
void ph_asker_drop(struct ph_client *c, ph_ns now);
void ph_asker_release(struct ph_client *c, ph_ns now);
void ph_asker_forget(struct ph_client *c, ph_ns now);
void ph_asker_watch(struct ph_client *c, ph_ns now);
void ph_asker_on_timer(struct ph_client *c, ph_ns now);
ph_ns ph_asker_deadline(const struct ph_client *c);

/* An answer has come, to a question or not. */
void ph_asker_heard(struct ph_asker *a, ph_ns now);
/* It says that it does not speak our version. False: it was not asked. */
bool ph_asker_on_other_version(struct ph_asker *a, ph_ns now, int code, const char *text);
/* It says unasked that its epoch is this one. Servers that restarted do so (RFC 6886 section 3.2.1,
 * RFC 6887 section 14.1); anybody can forge that, so it is no more than a reason to ask, now and
 * then. */
void ph_asker_on_hint(struct ph_asker *a, ph_ns now, uint32_t epoch_s);
/* It will not map, or not renew. */
void ph_asker_on_refused(struct ph_asker *a, ph_ns now, bool unsupported, int code,
                         const char *text);
/* An answer about a mapping while the deletion is asked for; granted: it tells that there is one.
 */
void ph_asker_on_deleted(struct ph_asker *a, bool granted);
/* It has given us `external` when nobody waited for it any more: that is to be given back. */
void ph_asker_on_surplus(struct ph_asker *a, const struct ph_addr *external);
/* By its epoch, what it had of ours it has forgotten. */
void ph_asker_on_forgotten(struct ph_asker *a);

#endif
