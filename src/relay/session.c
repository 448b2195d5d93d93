#include "relay/session.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int ph_sessions_init(struct ph_sessions *s, uint64_t secret)
{
    memset(s, 0, sizeof(*s));
    if (ph_table_init(&s->by_call, secret) || ph_table_init(&s->by_tag, secret)) {
        ph_sessions_fini(s);
        return PH_ERR_NOMEM;
    }
    return PH_OK;
}

void ph_sessions_fini(struct ph_sessions *s)
{
    ph_table_fini(&s->by_call);
    ph_table_fini(&s->by_tag);
}

static uint64_t tag_hash(const struct ph_sessions *s, uint64_t tag)
{
    return ph_table_hash(&s->by_tag, &tag, sizeof(tag));
}

static void leg_init(struct ph_sessions *s, struct ph_session *session, int i,
                     struct ph_client *client, uint64_t tag)
{
    struct ph_leg *leg = &session->leg[i];

    leg->session = session;
    leg->client = client;
    leg->tag = tag;
    leg->next = client->legs;
    if (leg->next) {
        leg->next->prev = leg;
    }
    client->legs = leg;
    client->leg_count++;
    ph_table_add(&s->by_tag, &leg->by_tag, tag_hash(s, tag));
}

static void leg_fini(struct ph_sessions *s, struct ph_leg *leg)
{
    ph_table_remove(&s->by_tag, &leg->by_tag);
    if (leg->prev) {
        leg->prev->next = leg->next;
    } else {
        leg->client->legs = leg->next;
    }
    if (leg->next) {
        leg->next->prev = leg->prev;
    }
    leg->client->leg_count--;
}

int ph_sessions_open(struct ph_sessions *s, ph_ns now, const struct ph_signal *offer,
                     struct ph_client *caller, struct ph_client *callee, uint64_t callee_tag,
                     struct ph_session **out)
{
    uint64_t caller_tag = offer->relay_token;
    struct ph_session *session;

    if (caller_tag == 0 || callee_tag == 0 || caller_tag == callee_tag ||
        ph_sessions_leg(s, caller_tag) || ph_sessions_leg(s, callee_tag) ||
        ph_sessions_find(s, offer->call_id)) {
        return PH_ERR_SPACE;
    }
    session = calloc(1, sizeof(*session));
    if (!session) {
        return PH_ERR_NOMEM;
    }
    session->offer = malloc(sizeof(*session->offer));
    if (!session->offer) {
        free(session);
        return PH_ERR_NOMEM;
    }
    *session->offer = *offer;
    memcpy(session->call_id, offer->call_id, PH_CALL_ID_LEN);
    session->since = now;
    leg_init(s, session, PH_LEG_CALLER, caller, caller_tag);
    leg_init(s, session, PH_LEG_CALLEE, callee, callee_tag);
    ph_table_add(&s->by_call, &session->by_call,
                 ph_table_hash(&s->by_call, session->call_id, PH_CALL_ID_LEN));
    session->prev = s->last;
    if (s->last) {
        s->last->next = session;
    } else {
        s->first = session;
    }
    s->last = session;
    s->count++;
    *out = session;
    return PH_OK;
}

void ph_sessions_answered(struct ph_sessions *s, struct ph_session *session,
                          enum ph_answer_mode mode)
{
    if (!session->offer) {
        return;
    }
    free(session->offer);
    session->offer = NULL;
    session->mode = mode;
    if (session->prev) {
        session->prev->next = session->next;
    } else {
        s->first = session->next;
    }
    if (session->next) {
        session->next->prev = session->prev;
    } else {
        s->last = session->prev;
    }
}

void ph_sessions_close(struct ph_sessions *s, struct ph_session *session)
{
    ph_sessions_answered(s, session, PH_ANSWER_REFUSE);
    leg_fini(s, &session->leg[PH_LEG_CALLER]);
    leg_fini(s, &session->leg[PH_LEG_CALLEE]);
    ph_table_remove(&s->by_call, &session->by_call);
    s->count--;
    free(session);
}

struct ph_session *ph_sessions_find(const struct ph_sessions *s,
                                    const uint8_t call_id[PH_CALL_ID_LEN])
{
    uint64_t hash = ph_table_hash(&s->by_call, call_id, PH_CALL_ID_LEN);

    for (struct ph_table_node *n = ph_table_first(&s->by_call, hash); n; n = ph_table_next(n)) {
        struct ph_session *session = (struct ph_session *)n;

        if (memcmp(session->call_id, call_id, PH_CALL_ID_LEN) == 0) {
            return session;
        }
    }
    return NULL;
}

struct ph_leg *ph_sessions_leg(const struct ph_sessions *s, uint64_t tag)
{
    for (struct ph_table_node *n = ph_table_first(&s->by_tag, tag_hash(s, tag)); n;
         n = ph_table_next(n)) {
        struct ph_leg *leg = (struct ph_leg *)n;

        if (leg->tag == tag) {
            return leg;
        }
    }
    return NULL;
}

struct ph_leg *ph_leg_other(struct ph_leg *leg)
{
    struct ph_leg *both = leg->session->leg;

    return leg == &both[PH_LEG_CALLER] ? &both[PH_LEG_CALLEE] : &both[PH_LEG_CALLER];
}

struct ph_leg *ph_session_leg_of(struct ph_session *session, const struct ph_client *c)
{
    for (int i = 0; i < 2; i++) {
        if (session->leg[i].client == c) {
            return &session->leg[i];
        }
    }
    return NULL;
}

struct ph_session *ph_sessions_overdue(const struct ph_sessions *s, ph_ns now)
{
    return s->first && now >= s->first->since + PH_SESSION_UNANSWERED ? s->first : NULL;
}

ph_ns ph_sessions_deadline(const struct ph_sessions *s)
{
    return s->first ? s->first->since + PH_SESSION_UNANSWERED : PH_NEVER;
}
