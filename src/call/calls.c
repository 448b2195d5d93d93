#include "call/calls.h"

#include "call/agent.h"
#include "call/call.h"

#include <string.h>

static bool carried_by(const struct ph_call *c, const struct ph_addr *relay)
{
    return ph_addr_eq(&c->relay, relay) || ph_addr_eq(&c->refuge, relay);
}

struct ph_call *ph_calls_by_tag(struct ph_agent *a, const struct ph_addr *relay, uint64_t tag)
{
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        struct ph_call *c = a->calls[i];
        if (c && c->tag == tag && c->state != PH_CALL_ENDED && carried_by(c, relay))
            return c;
    }
    return NULL;
}

struct ph_call *ph_calls_by_id(struct ph_agent *a, const uint8_t id[PH_CALL_ID_LEN])
{
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i] && memcmp(a->calls[i]->id, id, PH_CALL_ID_LEN) == 0)
            return a->calls[i];
    }
    return NULL;
}

struct ph_call *ph_calls_by_conn(struct ph_agent *a, const struct ph_quic_conn *conn)
{
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i] && a->calls[i]->quic == conn)
            return a->calls[i];
    }
    return NULL;
}

struct ph_call **ph_calls_free_slot(struct ph_agent *a)
{
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (!a->calls[i])
            return &a->calls[i];
    }
    return NULL;
}

bool ph_calls_any(const struct ph_agent *a, const struct ph_addr *relay)
{
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        const struct ph_call *c = a->calls[i];
        if (c && c->state != PH_CALL_ENDED && (!relay || carried_by(c, relay)))
            return true;
    }
    return false;
}

struct ph_call *ph_agent_current_call(struct ph_agent *a)
{
    struct ph_call *ended = NULL;
    for (size_t i = 0; i < PH_CALLS_MAX; i++) {
        if (a->calls[i] && a->calls[i]->state != PH_CALL_ENDED)
            return a->calls[i];
        if (a->calls[i])
            ended = a->calls[i];
    }
    return ended;
}
