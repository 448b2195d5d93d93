/* A subject with two clients and an answered call between them. */
#ifndef TESTS_RELAY_CALL_H
#define TESTS_RELAY_CALL_H

#include "client.h"

#define CALLER_TAG 0x0102030405060708u
#define CALL       9

struct call_world {
    struct subject s;
    struct client *a, *b;
    uint64_t callee_tag;
};

static inline void call_offer(struct call_world *w)
{
    struct ph_signal m = {.type = PH_SIGNAL_DIRECT_CALL_OFFER, .relay_token = CALLER_TAG};

    memset(m.call_id, CALL, sizeof(m.call_id));
    memcpy(m.fingerprint, client_fingerprint(w->b), PH_FINGERPRINT_LEN);
    client_send(w->a, &m);
    fake_run(w->s.net, PH_SEC);
}

static inline void call_answer(struct call_world *w)
{
    struct ph_signal m = {.type = PH_SIGNAL_DIRECT_CALL_ANSWER};

    w->callee_tag = client_next(w->b, PH_SIGNAL_DIRECT_CALL_OFFER)->relay_token;
    memset(m.call_id, CALL, sizeof(m.call_id));
    client_send(w->b, &m);
    fake_run(w->s.net, PH_SEC);
    client_next(w->a, PH_SIGNAL_DIRECT_CALL_ANSWER);
    client_next(w->a, PH_SIGNAL_CALL_SETUP);
    client_next(w->b, PH_SIGNAL_CALL_SETUP);
}

static inline void call_world_init(struct call_world *w, const struct ph_relay_config *config)
{
    subject_init(&w->s, config);
    w->a = client_registered(w->s.net, &w->s.addr, 1);
    w->b = client_registered(w->s.net, &w->s.addr, 2);
    call_offer(w);
    call_answer(w);
}

static inline void call_world_fini(struct call_world *w)
{
    client_free(w->a);
    client_free(w->b);
    subject_fini(&w->s);
}

static inline void call_hang_up(struct client *c)
{
    struct ph_signal m = {.type = PH_SIGNAL_HANGUP};

    memset(m.call_id, CALL, sizeof(m.call_id));
    client_send(c, &m);
    fake_run(c->host->net, 3 * FAKE_DELAY);
}

/* A frame each way. */
static inline bool call_flows(struct call_world *w)
{
    unsigned a = w->a->frames, b = w->b->frames;

    client_send_frame(w->a, CALLER_TAG, "x", 1);
    client_send_frame(w->b, w->callee_tag, "y", 1);
    fake_run(w->s.net, 3 * FAKE_DELAY);
    return w->a->frames == a + 1 && w->b->frames == b + 1;
}

#endif
