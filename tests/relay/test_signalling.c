/* What the relay tells whom. */
#include "client.h"

#define CALLER_TAG 0x1122334455667788u

static struct ph_signal offer_to(const struct client *callee, uint8_t id, uint64_t tag)
{
    struct ph_signal m = {.type = PH_SIGNAL_DIRECT_CALL_OFFER,
                          .candidate_count = 2,
                          .mapped_addr = ph_addr_v4(203, 0, 113, 9, 999),
                          .relay_rtt_ms = 41,
                          .relay_token = tag};

    memset(m.call_id, id, sizeof(m.call_id));
    memcpy(m.fingerprint, client_fingerprint(callee), PH_FINGERPRINT_LEN);
    m.candidates[0] = (struct ph_candidate){
        .type = PH_CANDIDATE_HOST, .priority = 7, .addr = ph_addr_v4(10, 0, 0, 1, 1000)};
    m.candidates[1] = (struct ph_candidate){
        .type = PH_CANDIDATE_REFLEXIVE, .priority = 3, .addr = ph_addr_v4(203, 0, 113, 1, 2000)};
    memcpy(m.credentials.ufrag, "callerUF", PH_UFRAG_LEN);
    memcpy(m.credentials.pwd, "caller-password!", PH_PWD_LEN);
    return m;
}

static struct ph_signal answer_of(uint8_t id, enum ph_answer_mode mode)
{
    struct ph_signal m = {.type = PH_SIGNAL_DIRECT_CALL_ANSWER,
                          .candidate_count = 1,
                          .mapped_addr = ph_addr_v4(203, 0, 113, 8, 888),
                          .mode = mode,
                          .relay_rtt_ms = 23};

    memset(m.call_id, id, sizeof(m.call_id));
    m.candidates[0] = (struct ph_candidate){
        .type = PH_CANDIDATE_HOST, .priority = 5, .addr = ph_addr_v4(10, 0, 0, 2, 3000)};
    memcpy(m.credentials.ufrag, "calleeUF", PH_UFRAG_LEN);
    memcpy(m.credentials.pwd, "callee-password!", PH_PWD_LEN);
    return m;
}

static struct ph_signal hangup_of(uint8_t id)
{
    struct ph_signal m = {.type = PH_SIGNAL_HANGUP, .reason = PH_HANGUP_NORMAL};

    memset(m.call_id, id, sizeof(m.call_id));
    return m;
}

struct world {
    struct subject s;
    struct client *a, *b;
};

static void world_init(struct world *w, const struct ph_relay_config *config)
{
    subject_init(&w->s, config);
    w->a = client_registered(w->s.net, &w->s.addr, 1);
    w->b = client_registered(w->s.net, &w->s.addr, 2);
}

static void world_fini(struct world *w)
{
    client_free(w->a);
    client_free(w->b);
    subject_fini(&w->s);
}

static void a_registration_is_acknowledged(void **state)
{
    struct ph_relay_config config = {
        .region = "eu-north",
        .others = {{.family = PH_AF_V4, .port = 1, .ip = {192, 0, 2, 250}}},
        .other_regions = {"us-east"},
        .other_count = 1};
    struct subject s;
    struct client *c;
    const struct ph_signal *ack;
    struct ph_addr addr;

    (void)state;
    subject_init(&s, &config);
    c = client_new(s.net, &s.addr, 1);
    fake_run(s.net, PH_SEC);
    assert_int_equal(subject_stats(&s).clients, 0);
    client_register(c);
    fake_run(s.net, PH_SEC);
    ack = client_next(c, PH_SIGNAL_REGISTER_PRESENCE_ACK);
    addr = client_addr(c);
    assert_true(ph_addr_eq(&ack->observed, &addr));
    assert_string_equal(ack->region, "eu-north");
    assert_int_equal(ack->relay_count, 1);
    assert_true(ph_addr_eq(&ack->relays[0], &config.others[0]));
    assert_string_equal(ack->relay_regions[0], "us-east");
    assert_int_equal(subject_stats(&s).clients, 1);
    addr = ph_relay_address(s.relay);
    assert_true(ph_addr_eq(&addr, &s.addr));
    client_free(c);
    subject_fini(&s);
}

static void registering_takes_the_expected_time(void **state)
{
    struct subject s;
    struct client *c;
    ph_ns start;

    (void)state;
    subject_init(&s, NULL);
    start = s.net->now;
    c = client_new(s.net, &s.addr, 1);
    while (c->state == PH_QUIC_HANDSHAKE && fake_step(s.net, start + PH_SEC)) {
    }
    /* One round trip for the Retry, one for the handshake. */
    assert_int_equal(s.net->now - start, 4 * FAKE_DELAY);
    client_register(c);
    while (c->message_count == 0 && fake_step(s.net, start + PH_SEC)) {
    }
    assert_int_equal(s.net->now - start, 6 * FAKE_DELAY);
    client_free(c);
    subject_fini(&s);
}

static void an_offer_and_its_answer_cross(void **state)
{
    struct world w;
    struct ph_signal offer, answer;
    const struct ph_signal *m;
    uint64_t callee_tag;

    (void)state;
    world_init(&w, NULL);
    offer = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &offer);
    fake_run(w.s.net, PH_SEC);

    /* The callee's copy: from whom, and its own tag. */
    m = client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    callee_tag = m->relay_token;
    assert_memory_equal(m->fingerprint, client_fingerprint(w.a), PH_FINGERPRINT_LEN);
    assert_true(callee_tag != 0 && callee_tag != CALLER_TAG);
    assert_memory_equal(m->call_id, offer.call_id, PH_CALL_ID_LEN);
    assert_memory_equal(m->candidates, offer.candidates, sizeof(m->candidates));
    assert_int_equal(m->candidate_count, 2);
    assert_memory_equal(&m->credentials, &offer.credentials, sizeof(m->credentials));
    assert_true(ph_addr_eq(&m->mapped_addr, &offer.mapped_addr));
    assert_int_equal(m->relay_rtt_ms, 41);
    client_no_more(w.a);
    assert_int_equal(subject_stats(&w.s).sessions, 1);

    answer = answer_of(9, PH_ANSWER_FULL);
    client_send(w.b, &answer);
    fake_run(w.s.net, PH_SEC);

    m = client_next(w.a, PH_SIGNAL_DIRECT_CALL_ANSWER);
    assert_memory_equal(m->fingerprint, client_fingerprint(w.b), PH_FINGERPRINT_LEN);
    assert_memory_equal(m->candidates, answer.candidates, sizeof(m->candidates));
    assert_int_equal(m->mode, PH_ANSWER_FULL);

    /* Each end's setup has the other's terms and its own tag. */
    m = client_next(w.a, PH_SIGNAL_CALL_SETUP);
    assert_memory_equal(m->fingerprint, client_fingerprint(w.b), PH_FINGERPRINT_LEN);
    assert_memory_equal(m->candidates, answer.candidates, sizeof(m->candidates));
    assert_memory_equal(&m->credentials, &answer.credentials, sizeof(m->credentials));
    assert_true(ph_addr_eq(&m->mapped_addr, &answer.mapped_addr));
    assert_int_equal(m->relay_rtt_ms, 23);
    assert_true(m->relay_token == CALLER_TAG);

    m = client_next(w.b, PH_SIGNAL_CALL_SETUP);
    assert_memory_equal(m->fingerprint, client_fingerprint(w.a), PH_FINGERPRINT_LEN);
    assert_memory_equal(m->call_id, offer.call_id, PH_CALL_ID_LEN);
    assert_memory_equal(m->candidates, offer.candidates, sizeof(m->candidates));
    assert_memory_equal(&m->credentials, &offer.credentials, sizeof(m->credentials));
    assert_true(ph_addr_eq(&m->mapped_addr, &offer.mapped_addr));
    assert_int_equal(m->relay_rtt_ms, 41);
    assert_true(m->relay_token == callee_tag);

    /* A second answer changes nothing. */
    client_send(w.b, &answer);
    fake_run(w.s.net, PH_SEC);
    client_no_more(w.a);
    client_no_more(w.b);
    world_fini(&w);
}

static void a_private_answer_gives_no_address_away(void **state)
{
    struct world w;
    struct ph_signal m, update;
    const struct ph_signal *got;

    (void)state;
    world_init(&w, NULL);
    m = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    m = answer_of(9, PH_ANSWER_PRIVACY);
    client_send(w.b, &m);
    update = m;
    update.type = PH_SIGNAL_CANDIDATE_UPDATE;
    client_send(w.b, &update);
    fake_run(w.s.net, PH_SEC);
    got = client_next(w.a, PH_SIGNAL_DIRECT_CALL_ANSWER);
    assert_int_equal(got->mode, PH_ANSWER_PRIVACY);
    assert_int_equal(got->candidate_count, 0);
    assert_false(ph_addr_is_set(&got->mapped_addr));
    got = client_next(w.a, PH_SIGNAL_CALL_SETUP);
    assert_int_equal(got->mode, PH_ANSWER_PRIVACY);
    assert_int_equal(got->candidate_count, 0);
    assert_false(ph_addr_is_set(&got->mapped_addr));
    assert_memory_equal(&got->credentials, &m.credentials, sizeof(m.credentials));
    client_no_more(w.a);
    /* The caller has not asked for privacy. */
    got = client_next(w.b, PH_SIGNAL_CALL_SETUP);
    assert_int_equal(got->candidate_count, 2);
    update.generation = 1;
    client_send(w.a, &update);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_CANDIDATE_UPDATE);
    world_fini(&w);
}

/* What the relay sees of a peer is told to those that the peer tells its addresses, and to nobody
 * else. */
static void who_names_no_address_is_not_given_away(void **state)
{
    (void)state;
    for (uint8_t silent = 0; silent < 4; silent++) {
        struct world w;
        const struct ph_signal *got[4];
        bool quiet[2] = {silent & 1, silent & 2};
        world_init(&w, NULL);
        struct ph_signal offer = offer_to(w.b, 9, CALLER_TAG), answer = answer_of(9, 0);
        struct ph_addr addr[2] = {client_addr(w.a), client_addr(w.b)};
        offer.observed = answer.observed = (struct ph_addr){.family = PH_AF_V4, .port = 9};
        for (int i = 0; i < 2; i++) {
            struct ph_signal *m = i ? &answer : &offer;
            if (!quiet[i])
                continue;
            m->candidate_count = 0;
            m->mapped_addr = (struct ph_addr){0};
        }
        client_send(w.a, &offer);
        fake_run(w.s.net, PH_SEC);
        got[0] = client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
        client_send(w.b, &answer);
        fake_run(w.s.net, PH_SEC);
        got[1] = client_next(w.b, PH_SIGNAL_CALL_SETUP);
        got[2] = client_next(w.a, PH_SIGNAL_DIRECT_CALL_ANSWER);
        got[3] = client_next(w.a, PH_SIGNAL_CALL_SETUP);
        for (int i = 0; i < 4; i++) {
            if (quiet[i / 2])
                assert_false(ph_addr_is_set(&got[i]->observed));
            else
                assert_true(ph_addr_eq(&got[i]->observed, &addr[i / 2]));
        }
        world_fini(&w);
    }
}

static void a_refusal_ends_the_call(void **state)
{
    struct world w;
    struct ph_signal m;
    const struct ph_signal *got;

    (void)state;
    world_init(&w, NULL);
    m = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    m = answer_of(9, PH_ANSWER_REFUSE);
    client_send(w.b, &m);
    fake_run(w.s.net, PH_SEC);
    got = client_next(w.a, PH_SIGNAL_DIRECT_CALL_ANSWER);
    assert_int_equal(got->mode, PH_ANSWER_REFUSE);
    assert_int_equal(got->candidate_count, 0);
    client_no_more(w.a);
    client_no_more(w.b);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    world_fini(&w);
}

static void offers_that_are_not_taken(void **state)
{
    struct world w;
    struct ph_signal m;
    const struct ph_signal *got;

    (void)state;
    world_init(&w, NULL);
    m = offer_to(w.b, 1, CALLER_TAG);
    memset(m.fingerprint, 0x77, sizeof(m.fingerprint)); /* nobody */
    client_send(w.a, &m);
    m = offer_to(w.a, 2, CALLER_TAG); /* itself */
    client_send(w.a, &m);
    m = offer_to(w.b, 3, 0); /* no tag */
    client_send(w.a, &m);
    m = offer_to(w.b, 4, CALLER_TAG); /* good */
    client_send(w.a, &m);
    m = offer_to(w.b, 5, CALLER_TAG); /* a tag that is taken */
    client_send(w.a, &m);
    m = offer_to(w.b, 4, CALLER_TAG + 1); /* a call's id that is taken */
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    for (uint8_t i = 1; i <= 2; i++) {
        got = client_next(w.a, PH_SIGNAL_HANGUP);
        assert_int_equal(got->reason, PH_HANGUP_UNKNOWN_PEER);
        assert_int_equal(got->call_id[0], i);
    }
    got = client_next(w.a, PH_SIGNAL_HANGUP);
    assert_int_equal(got->reason, PH_HANGUP_BUSY);
    assert_int_equal(got->call_id[0], 3);
    got = client_next(w.a, PH_SIGNAL_HANGUP);
    assert_int_equal(got->reason, PH_HANGUP_BUSY);
    assert_int_equal(got->call_id[0], 5);
    got = client_next(w.a, PH_SIGNAL_HANGUP);
    assert_int_equal(got->reason, PH_HANGUP_BUSY);
    assert_int_equal(got->call_id[0], 4);
    client_no_more(w.a);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    client_no_more(w.b);
    assert_int_equal(subject_stats(&w.s).sessions, 1);
    world_fini(&w);
}

static void a_client_has_so_many_sessions(void **state)
{
    struct ph_relay_config config = {.sessions_per_client_max = 3};
    struct world w;
    struct client *c;
    struct ph_signal m;
    const struct ph_signal *got;

    (void)state;
    world_init(&w, &config);
    c = client_registered(w.s.net, &w.s.addr, 3);
    for (uint8_t i = 1; i <= 4; i++) {
        m = offer_to(w.b, i, CALLER_TAG + i);
        client_send(w.a, &m);
    }
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(subject_stats(&w.s).sessions, 3);
    got = client_next(w.a, PH_SIGNAL_HANGUP);
    assert_int_equal(got->reason, PH_HANGUP_BUSY);
    assert_int_equal(got->call_id[0], 4);
    /* The callee's count, too. */
    m = offer_to(w.b, 5, CALLER_TAG + 5);
    client_send(c, &m);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(client_next(c, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_BUSY);
    /* One hangs up, the next one fits. */
    m = hangup_of(2);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    m = offer_to(w.b, 6, CALLER_TAG + 6);
    client_send(c, &m);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(subject_stats(&w.s).sessions, 3);
    client_no_more(c);
    client_free(c);
    world_fini(&w);
}

static void what_needs_no_change_passes_byte_for_byte(void **state)
{
    /* An IceCandidate of a newer peer: a field 0x7001 that this version does not know. */
    static const uint8_t newer[] = {
        0x00, 0x1d,                                     /* length */
        0x00, 0x06,                                     /* IceCandidate */
        0x00, 0x01, 0x00, 0x10,                         /* call_id, 16 bytes */
        0x09, 0x09, 0x09, 0x09, 0x09, 0x09, 0x09, 0x09, /**/
        0x09, 0x09, 0x09, 0x09, 0x09, 0x09, 0x09, 0x09, /**/
        0x70, 0x01, 0x00, 0x03, 'n',  'e',  'w',
    };
    struct world w;
    struct client *c;
    struct ph_signal m;
    size_t before;

    (void)state;
    world_init(&w, NULL);
    c = client_registered(w.s.net, &w.s.addr, 3);
    m = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    before = w.b->raw_len;
    /* In two pieces, so that the relay has to wait for the rest. */
    client_send_raw(w.a, newer, 11);
    fake_run(w.s.net, PH_SEC);
    client_no_more(w.b);
    client_send_raw(w.a, newer + 11, sizeof(newer) - 11);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_ICE_CANDIDATE);
    assert_int_equal(w.b->raw_len - before, sizeof(newer));
    assert_memory_equal(w.b->raw + before, newer, sizeof(newer));
    /* From a third client that knows the call's id: nothing. */
    client_send_raw(c, newer, sizeof(newer));
    m = hangup_of(9);
    client_send(c, &m);
    fake_run(w.s.net, PH_SEC);
    client_no_more(w.a);
    client_no_more(w.b);
    assert_int_equal(subject_stats(&w.s).sessions, 1);
    client_free(c);
    world_fini(&w);
}

static void an_unknown_message_is_ignored(void **state)
{
    static const uint8_t unknown[] = {0x00, 0x04, 0x0f, 0xff, 0xab, 0xcd};
    struct world w;
    struct ph_signal m;

    (void)state;
    world_init(&w, NULL);
    client_send_raw(w.a, unknown, sizeof(unknown));
    m = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    assert_int_equal(w.a->state, PH_QUIC_CONFIRMED);
    world_fini(&w);
}

static void a_hangup_reaches_the_other_and_ends_it(void **state)
{
    struct world w;
    struct ph_signal m;

    (void)state;
    world_init(&w, NULL);
    m = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    m = hangup_of(9);
    client_send(w.b, &m);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(client_next(w.a, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_NORMAL);
    client_no_more(w.b);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    world_fini(&w);
}

static void a_client_that_goes_is_reported_lost(void **state)
{
    struct world w;
    struct ph_signal m;
    const struct ph_signal *got;

    (void)state;
    world_init(&w, NULL);
    m = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    ph_quic_conn_close(w.a->conn, w.s.net->now);
    w.a->host->base.endpoint = NULL;
    fake_run(w.s.net, PH_SEC);
    got = client_next(w.b, PH_SIGNAL_HANGUP);
    assert_int_equal(got->reason, PH_HANGUP_LOST);
    assert_int_equal(got->call_id[0], 9);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    assert_int_equal(subject_stats(&w.s).clients, 1);
    world_fini(&w);
}

static void a_client_that_falls_silent_is_reported_lost(void **state)
{
    struct world w;
    struct ph_signal m;

    (void)state;
    world_init(&w, NULL);
    m = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    w.a->host->base.endpoint = NULL; /* hears nothing, says nothing */
    w.a->host->wake = PH_NEVER;
    fake_run(w.s.net, 40 * PH_SEC);
    assert_int_equal(client_next(w.b, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    assert_int_equal(subject_stats(&w.s).clients, 1);
    world_fini(&w);
}

static void the_newest_registration_wins(void **state)
{
    struct world w;
    struct client *again;
    struct ph_signal m;

    (void)state;
    world_init(&w, NULL);
    m = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    again = client_registered(w.s.net, &w.s.addr, 2); /* b's key from elsewhere */
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(w.b->state, PH_QUIC_CLOSED);
    assert_int_equal(client_next(w.a, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    assert_int_equal(subject_stats(&w.s).clients, 2);
    m = offer_to(w.b, 10, CALLER_TAG);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_next(again, PH_SIGNAL_DIRECT_CALL_OFFER);
    /* Registering once more on the same connection is an Ack more, no change. */
    client_register(again);
    fake_run(w.s.net, PH_SEC);
    client_next(again, PH_SIGNAL_REGISTER_PRESENCE_ACK);
    assert_int_equal(subject_stats(&w.s).sessions, 1);
    client_free(again);
    world_fini(&w);
}

static void an_unanswered_call_ends_after_two_minutes(void **state)
{
    struct world w;
    struct ph_signal m;

    (void)state;
    world_init(&w, NULL);
    m = offer_to(w.b, 9, CALLER_TAG);
    client_send(w.a, &m);
    m = offer_to(w.b, 10, CALLER_TAG + 1);
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    m = answer_of(10, PH_ANSWER_FULL);
    client_send(w.b, &m);
    fake_run(w.s.net, 118 * PH_SEC);
    assert_int_equal(subject_stats(&w.s).sessions, 2);
    fake_run(w.s.net, 2 * PH_SEC);
    assert_int_equal(subject_stats(&w.s).sessions, 1); /* the answered one lives on */
    client_next(w.a, PH_SIGNAL_DIRECT_CALL_ANSWER);
    client_next(w.a, PH_SIGNAL_CALL_SETUP);
    assert_int_equal(client_next(w.a, PH_SIGNAL_HANGUP)->call_id[0], 9);
    world_fini(&w);
}

static void clients_have_a_cap(void **state)
{
    struct ph_relay_config config = {.clients_max = 2};
    struct world w;
    struct client *c;

    (void)state;
    world_init(&w, &config);
    c = client_new(w.s.net, &w.s.addr, 3);
    fake_run(w.s.net, 5 * PH_SEC);
    assert_int_equal(c->state, PH_QUIC_HANDSHAKE);
    assert_int_equal(subject_stats(&w.s).clients, 2);
    client_free(c);
    world_fini(&w);
}

static void a_bad_config_is_refused(void **state)
{
    struct fake_net *net = fake_net_new();
    struct fake_host *host = fake_host_new(net);
    struct ph_relay_config config = {.host = &host->base};
    struct ph_relay *relay;

    (void)state;
    assert_int_equal(ph_relay_new(&config, &relay), PH_ERR_INVAL); /* listens nowhere */
    config.listen[0] = ph_addr_v4(192, 0, 2, 1, 1);
    config.listen[1] = config.listen[0];
    assert_int_equal(ph_relay_new(&config, &relay), PH_ERR_SYS); /* the same twice */
    config.listen[1] = (struct ph_addr){0};
    config.other_count = PH_SIGNAL_RELAYS_MAX + 1;
    assert_int_equal(ph_relay_new(&config, &relay), PH_ERR_INVAL);
    config.other_count = 0;
    memset(config.region, 'x', sizeof(config.region));
    assert_int_equal(ph_relay_new(&config, &relay), PH_ERR_INVAL);
    assert_null(host->base.endpoint);
    fake_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_is_acknowledged),
        cmocka_unit_test(registering_takes_the_expected_time),
        cmocka_unit_test(an_offer_and_its_answer_cross),
        cmocka_unit_test(a_private_answer_gives_no_address_away),
        cmocka_unit_test(who_names_no_address_is_not_given_away),
        cmocka_unit_test(a_refusal_ends_the_call),
        cmocka_unit_test(offers_that_are_not_taken),
        cmocka_unit_test(a_client_has_so_many_sessions),
        cmocka_unit_test(what_needs_no_change_passes_byte_for_byte),
        cmocka_unit_test(an_unknown_message_is_ignored),
        cmocka_unit_test(a_hangup_reaches_the_other_and_ends_it),
        cmocka_unit_test(a_client_that_goes_is_reported_lost),
        cmocka_unit_test(a_client_that_falls_silent_is_reported_lost),
        cmocka_unit_test(the_newest_registration_wins),
        cmocka_unit_test(an_unanswered_call_ends_after_two_minutes),
        cmocka_unit_test(clients_have_a_cap),
        cmocka_unit_test(a_bad_config_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
