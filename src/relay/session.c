#include "relay/session.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int ph_sessions_init(struct ph_sessions *s, uint64_t secret)
{
    memset(s, 0, sizeof(*s));
    if (ph_table_init(&s->by_call, secret) || ph_table_init(&s->by_tag, secret) ||
        ph_table_init(&s->away, secret)) {
        ph_sessions_fini(s);
        return PH_ERR_NOMEM;
    }
    return PH_OK;
}

void ph_sessions_fini(struct ph_sessions *s)
{
    while (s->first) {
        ph_sessions_close(s, s->first);
    }
    ph_heap_fini(&s->deadlines);
    ph_table_fini(&s->by_call);
    ph_table_fini(&s->by_tag);
    ph_table_fini(&s->away);
}

static uint64_t tag_hash(const struct ph_sessions *s, uint64_t tag)
{
    return ph_table_hash(&s->by_tag, &tag, sizeof(tag));
}

static uint64_t owner_hash(const struct ph_sessions *s, const uint8_t owner[PH_FINGERPRINT_LEN])
{
    return ph_table_hash(&s->away, owner, PH_FINGERPRINT_LEN);
}

static struct ph_leg *leg_of_owner_node(struct ph_table_node *node)
{
    return (struct ph_leg *)(void *)((char *)node - offsetof(struct ph_leg, by_owner));
}

static void schedule(struct ph_sessions *s, struct ph_session *session)
{
    ph_ns when = ph_min_ns(session->leg[0].away_until, session->leg[1].away_until);

    if (session->offer) {
        when = ph_min_ns(when, session->since + PH_SESSION_UNANSWERED);
    }
    if (session->deadline.key != when) {
        (void)ph_heap_add(&s->deadlines, &session->deadline, when); /* in it from birth */
    }
}

static void attach(struct ph_leg *leg, struct ph_client *client)
{
    leg->client = client;
    leg->unproved = false;
    leg->addr = client->addr;
    leg->listen = client->listen;
    leg->prev = NULL;
    leg->next = client->legs;
    if (leg->next) {
        leg->next->prev = leg;
    }
    client->legs = leg;
    client->leg_count++;
}

static void detach(struct ph_leg *leg)
{
    if (leg->prev) {
        leg->prev->next = leg->next;
    } else {
        leg->client->legs = leg->next;
    }
    if (leg->next) {
        leg->next->prev = leg->prev;
    }
    leg->client->leg_count--;
    leg->client = NULL;
}

static void go_away(struct ph_sessions *s, ph_ns now, struct ph_leg *leg)
{
    leg->away_until = now + PH_SESSION_AWAY;
    leg->came = leg->went = 0;
    ph_table_add(&s->away, &leg->by_owner, owner_hash(s, leg->owner));
}

static void come_back(struct ph_sessions *s, struct ph_leg *leg, struct ph_client *client)
{
    ph_table_remove(&s->away, &leg->by_owner);
    leg->away_until = PH_NEVER;
    attach(leg, client);
    schedule(s, leg->session);
}

static void leg_fini(struct ph_sessions *s, struct ph_leg *leg)
{
    if (leg->tag) {
        ph_table_remove(&s->by_tag, &leg->by_tag);
    }
    if (leg->client) {
        detach(leg);
    } else {
        ph_table_remove(&s->away, &leg->by_owner);
    }
}

/* Two legs of nobody yet. */
static int session_new(struct ph_sessions *s, ph_ns now, const struct ph_session_facts *facts,
                       struct ph_session **out)
{
    uint64_t tags[2] = {facts->leg[0].tag, facts->leg[1].tag};
    struct ph_session *session;

    if (tags[0] == tags[1] || (tags[0] && ph_sessions_leg(s, tags[0])) ||
        (tags[1] && ph_sessions_leg(s, tags[1])) ||
        memcmp(facts->leg[0].owner, facts->leg[1].owner, PH_FINGERPRINT_LEN) == 0 ||
        ph_sessions_find(s, facts->call_id, facts->leg[0].owner) ||
        ph_sessions_find(s, facts->call_id, facts->leg[1].owner)) {
        return PH_ERR_SPACE;
    }
    session = calloc(1, sizeof(*session));
    if (!session) {
        return PH_ERR_NOMEM;
    }
    ph_heap_node_init(&session->deadline);
    if (ph_heap_add(&s->deadlines, &session->deadline, PH_NEVER)) {
        free(session);
        return PH_ERR_NOMEM;
    }
    memcpy(session->call_id, facts->call_id, PH_CALL_ID_LEN);
    session->mode = facts->mode;
    session->since = now;
    for (int i = 0; i < 2; i++) {
        struct ph_leg *leg = &session->leg[i];

        leg->session = session;
        leg->away_until = PH_NEVER;
        memcpy(leg->owner, facts->leg[i].owner, PH_FINGERPRINT_LEN);
        leg->tag = tags[i];
        leg->addr = facts->leg[i].addr;
        leg->listen = facts->leg[i].listen;
        leg->unproved = facts->leg[i].unproved;
        if (leg->tag) {
            ph_table_add(&s->by_tag, &leg->by_tag, tag_hash(s, leg->tag));
        }
    }
    ph_table_add(&s->by_call, &session->by_call,
                 ph_table_hash(&s->by_call, session->call_id, PH_CALL_ID_LEN));
    session->next = s->first;
    if (session->next) {
        session->next->prev = session;
    }
    s->first = session;
    s->count++;
    *out = session;
    return PH_OK;
}

int ph_sessions_open(struct ph_sessions *s, ph_ns now, const struct ph_signal *offer,
                     struct ph_client *caller, struct ph_client *callee, uint64_t callee_tag,
                     struct ph_session **out)
{
    struct ph_session_facts facts = {.leg = {{.tag = offer->relay_token}, {.tag = callee_tag}}};
    struct ph_signal *copy;
    int err;

    if (offer->relay_token == 0 || callee_tag == 0) {
        return PH_ERR_SPACE;
    }
    copy = malloc(sizeof(*copy));
    if (!copy) {
        return PH_ERR_NOMEM;
    }
    *copy = *offer;
    memcpy(facts.call_id, offer->call_id, PH_CALL_ID_LEN);
    memcpy(facts.leg[PH_LEG_CALLER].owner, caller->fingerprint, PH_FINGERPRINT_LEN);
    memcpy(facts.leg[PH_LEG_CALLEE].owner, callee->fingerprint, PH_FINGERPRINT_LEN);
    err = session_new(s, now, &facts, out);
    if (err) {
        free(copy);
        return err;
    }
    (*out)->offer = copy;
    attach(&(*out)->leg[PH_LEG_CALLER], caller);
    attach(&(*out)->leg[PH_LEG_CALLEE], callee);
    schedule(s, *out);
    return PH_OK;
}

int ph_sessions_restore(struct ph_sessions *s, ph_ns now, const struct ph_session_facts *facts,
                        struct ph_session **out)
{
    int err = session_new(s, now, facts, out);

    if (err) {
        return err;
    }
    go_away(s, now, &(*out)->leg[0]);
    go_away(s, now, &(*out)->leg[1]);
    schedule(s, *out);
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
    schedule(s, session);
}

void ph_sessions_close(struct ph_sessions *s, struct ph_session *session)
{
    leg_fini(s, &session->leg[0]);
    leg_fini(s, &session->leg[1]);
    ph_table_remove(&s->by_call, &session->by_call);
    ph_heap_remove(&s->deadlines, &session->deadline);
    if (session->prev) {
        session->prev->next = session->next;
    } else {
        s->first = session->next;
    }
    if (session->next) {
        session->next->prev = session->prev;
    }
    s->count--;
    free(session->offer);
    free(session);
}

struct ph_session *ph_sessions_find(const struct ph_sessions *s,
                                    const uint8_t call_id[PH_CALL_ID_LEN],
                                    const uint8_t end[PH_FINGERPRINT_LEN])
{
    uint64_t hash = ph_table_hash(&s->by_call, call_id, PH_CALL_ID_LEN);

    for (struct ph_table_node *n = ph_table_first(&s->by_call, hash); n; n = ph_table_next(n)) {
        struct ph_session *session = (struct ph_session *)n;

        if (memcmp(session->call_id, call_id, PH_CALL_ID_LEN) == 0 &&
            ph_session_leg_of(session, end)) {
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

struct ph_leg *ph_session_leg_of(struct ph_session *session, const uint8_t end[PH_FINGERPRINT_LEN])
{
    for (int i = 0; i < 2; i++) {
        if (memcmp(session->leg[i].owner, end, PH_FINGERPRINT_LEN) == 0) {
            return &session->leg[i];
        }
    }
    return NULL;
}

void ph_sessions_leave(struct ph_sessions *s, ph_ns now, struct ph_leg *leg)
{
    leg->unproved = leg->client->moved;
    detach(leg);
    go_away(s, now, leg);
    schedule(s, leg->session);
}

size_t ph_sessions_return(struct ph_sessions *s, struct ph_client *c)
{
    struct ph_table_node *next;
    size_t count = 0;

    for (struct ph_table_node *n = ph_table_first(&s->away, owner_hash(s, c->fingerprint)); n;
         n = next) {
        struct ph_leg *leg = leg_of_owner_node(n);

        next = ph_table_next(n);
        if (leg->tag && memcmp(leg->owner, c->fingerprint, PH_FINGERPRINT_LEN) == 0) {
            come_back(s, leg, c);
            count++;
        }
    }
    return count;
}

bool ph_sessions_awaits(const struct ph_sessions *s, const uint8_t owner[PH_FINGERPRINT_LEN])
{
    for (struct ph_table_node *n = ph_table_first(&s->away, owner_hash(s, owner)); n;
         n = ph_table_next(n)) {
        if (memcmp(leg_of_owner_node(n)->owner, owner, PH_FINGERPRINT_LEN) == 0) {
            return true;
        }
    }
    return false;
}

int ph_sessions_arrive(struct ph_sessions *s, struct ph_leg *leg, struct ph_client *c, uint64_t tag)
{
    if (tag == 0 || ph_sessions_leg(s, tag)) {
        return PH_ERR_SPACE;
    }
    leg->tag = tag;
    ph_table_add(&s->by_tag, &leg->by_tag, tag_hash(s, tag));
    come_back(s, leg, c);
    return PH_OK;
}

void ph_sessions_move(struct ph_client *c)
{
    for (struct ph_leg *leg = c->legs; leg; leg = leg->next) {
        leg->addr = c->addr;
        leg->listen = c->listen;
    }
}

struct ph_session *ph_sessions_overdue(const struct ph_sessions *s, ph_ns now)
{
    struct ph_heap_node *node = ph_heap_peek(&s->deadlines);

    return node && node->key != PH_NEVER && now >= node->key
               ? (struct ph_session *)(void *)((char *)node - offsetof(struct ph_session, deadline))
               : NULL;
}

ph_ns ph_sessions_deadline(const struct ph_sessions *s)
{
    struct ph_heap_node *node = ph_heap_peek(&s->deadlines);

    return node ? node->key : PH_NEVER;
}
