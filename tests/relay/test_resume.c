/* Calls that outlive a client's connection with the relay, and the relay itself. */
#include "call.h"

static void resume(struct client *c, const struct client *other, uint64_t tag)
{
    struct ph_signal m = {.type = PH_SIGNAL_CALL_RESUME, .relay_token = tag};

    memset(m.call_id, CALL, sizeof(m.call_id));
    memcpy(m.fingerprint, client_fingerprint(other), PH_FINGERPRINT_LEN);
    client_send(c, &m);
    fake_run(c->host->net, 3 * FAKE_DELAY);
}

/* The client's old connection just stops; it registers again, from its old address or another. */
static void a_new_registration_takes_its_calls_over(void **state)
{
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);

    (void)state;
    for (int moves = 0; moves < 2; moves++) {
        struct call_world w;

        call_world_init(&w, NULL);
        assert_true(call_flows(&w));
        if (moves) {
            assert_int_equal(w.a->host->base.ops->udp_open(&w.a->host->base, &any, &w.a->sock),
                             PH_OK);
            assert_false(call_flows(&w));
            assert_int_equal(w.a->notices, 1);
            assert_true(w.a->notice_tag == CALLER_TAG);
        }
        client_again(w.a);
        assert_true(call_flows(&w));
        client_no_more(w.b);
        assert_int_equal(subject_stats(&w.s).clients, 2);
        assert_int_equal(subject_stats(&w.s).sessions, 1);
        assert_int_equal(subject_stats(&w.s).returns, 1);
        call_hang_up(w.a);
        client_next(w.b, PH_SIGNAL_HANGUP);
        assert_int_equal(subject_stats(&w.s).sessions, 0);
        call_world_fini(&w);
    }
}

/* The connection is given up for dead while frames still come: they go on. */
static void a_call_outlives_a_lost_connection(void **state)
{
    struct call_world w;
    ph_ns left;

    (void)state;
    call_world_init(&w, NULL);
    /* It keeps silent on its connection, whose idle time is 30 s. */
    w.a->host->wake = PH_NEVER;
    w.a->host->base.endpoint = NULL;
    while (subject_stats(&w.s).clients == 2 && fake_step(w.s.net, w.s.net->now + 60 * PH_SEC)) {
    }
    assert_int_equal(subject_stats(&w.s).clients, 1);
    w.a->host->base.endpoint = &w.a->ep;
    assert_true(call_flows(&w));
    client_no_more(w.b);
    /* Each has half a minute to come back in. */
    fake_run(w.s.net, 20 * PH_SEC);
    client_again(w.a);
    fake_run(w.s.net, 60 * PH_SEC);
    assert_true(call_flows(&w));
    client_no_more(w.b);

    w.a->host->wake = PH_NEVER;
    w.a->host->base.endpoint = NULL;
    while (subject_stats(&w.s).clients == 2 && fake_step(w.s.net, w.s.net->now + 60 * PH_SEC)) {
    }
    left = w.s.net->now;
    while (subject_stats(&w.s).sessions == 1 && fake_step(w.s.net, left + 60 * PH_SEC)) {
    }
    assert_int_equal(w.s.net->now - left, 30 * PH_SEC);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(client_next(w.b, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    call_world_fini(&w);
}

/* A client's packet with a victim's source address, and then its silence: the victim gets no more
 * for that than three times as much, whatever becomes of the connection, or of the relay. */
static void a_victim_gets_no_call(void **state)
{
    struct ph_addr victim = ph_addr_v4(203, 0, 113, 66, 6666);

    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct ph_signal m = {.type = PH_SIGNAL_HANGUP};
        const struct fake_packet *p;
        struct call_world w;
        size_t spoofed;

        call_world_init(&w, NULL);
        client_send(w.a, &m);
        p = &w.s.net->queue[(w.s.net->tail - 1) % FAKE_QUEUE];
        spoofed = p->len;
        w.s.net->queue[(w.s.net->tail - 1) % FAKE_QUEUE].from = victim;
        w.a->host->wake = PH_NEVER;
        w.a->host->base.endpoint = NULL;
        fake_run(w.s.net, 5 * FAKE_DELAY);
        assert_true(ph_addr_eq(&w.s.host->stray_to, &victim));
        if (restart) {
            uint8_t *bytes;
            size_t len;

            assert_int_equal(ph_relay_export(w.s.relay, 1, &bytes, &len), PH_OK);
            subject_kill(&w.s);
            subject_start(&w.s);
            assert_int_equal(ph_relay_import(w.s.relay, 1, bytes, len), 1);
            free(bytes);
        }
        for (int i = 0; i < 5000; i++) {
            client_send_frame(w.b, w.callee_tag, "a frame of some length", 22);
            fake_run(w.s.net, 10 * PH_MS);
        }
        if (!restart) {
            assert_int_equal(subject_stats(&w.s).clients, 1);
        }
        assert_true(w.s.host->strays * 31ull < 4 * spoofed);
        assert_true(subject_stats(&w.s).dropped_unproved > 2900);
        call_world_fini(&w);
    }
}

/* Who closes the connection does not come back. */
static void a_client_that_takes_its_leave_ends_its_calls(void **state)
{
    struct call_world w;

    (void)state;
    call_world_init(&w, NULL);
    ph_quic_conn_close(w.a->conn, w.s.net->now);
    w.a->host->base.endpoint = NULL;
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(client_next(w.b, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    call_world_fini(&w);
}

/* What a restarted relay says to a packet of a connection that it does not know. */
static void a_restarted_relay_resets_old_connections(void **state)
{
    struct call_world w;
    uint64_t in, out;

    (void)state;
    call_world_init(&w, NULL);
    subject_kill(&w.s);
    subject_start(&w.s);
    in = w.s.host->bytes_in;
    out = w.s.host->bytes_out;
    client_register(w.a);
    fake_run(w.s.net, 2 * FAKE_DELAY);
    assert_int_equal(w.a->state, PH_QUIC_CLOSED);
    assert_int_equal(ph_quic_conn_error(w.a->conn), PH_ERR_RESET);
    assert_int_equal(subject_stats(&w.s).resets, 1);
    assert_true(w.s.host->bytes_out - out < w.s.host->bytes_in - in);
    /* With another identity it cannot. */
    subject_kill(&w.s);
    memset(w.s.config.seed, 0xdd, sizeof(w.s.config.seed));
    subject_start(&w.s);
    client_register(w.b);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(w.b->state, PH_QUIC_CONFIRMED);
    call_world_fini(&w);
}

static void two_halves_make_a_call_again(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct call_world w;

        call_world_init(&w, NULL);
        subject_kill(&w.s);
        subject_start(&w.s);
        assert_false(call_flows(&w));
        assert_int_equal(w.a->notices + w.b->notices, 2);
        client_again(w.a);
        client_again(w.b);
        assert_int_equal(subject_stats(&w.s).sessions, 0);
        if (first == 0) {
            resume(w.a, w.b, CALLER_TAG);
        } else {
            resume(w.b, w.a, w.callee_tag);
        }
        assert_int_equal(subject_stats(&w.s).sessions, 1);
        assert_int_equal(subject_stats(&w.s).resumes, 0);
        assert_false(call_flows(&w));
        assert_int_equal(subject_stats(&w.s).dropped_no_peer, 1);
        if (first == 0) {
            resume(w.b, w.a, w.callee_tag);
        } else {
            resume(w.a, w.b, CALLER_TAG);
        }
        assert_int_equal(subject_stats(&w.s).resumes, 1);
        assert_true(client_next(w.a, PH_SIGNAL_CALL_RESUME)->relay_token == CALLER_TAG);
        assert_true(client_next(w.b, PH_SIGNAL_CALL_RESUME)->relay_token == w.callee_tag);
        assert_true(call_flows(&w));
        /* Said again it changes nothing. */
        resume(w.a, w.b, CALLER_TAG);
        resume(w.b, w.a, w.callee_tag);
        fake_run(w.s.net, 60 * PH_SEC);
        assert_true(call_flows(&w));
        client_no_more(w.a);
        client_no_more(w.b);
        call_hang_up(w.b);
        client_next(w.a, PH_SIGNAL_HANGUP);
        assert_int_equal(subject_stats(&w.s).sessions, 0);
        call_world_fini(&w);
    }
}

static void a_half_that_stays_alone_ends(void **state)
{
    struct call_world w;
    ph_ns said;

    (void)state;
    call_world_init(&w, NULL);
    subject_kill(&w.s);
    subject_start(&w.s);
    client_again(w.a);
    said = w.s.net->now;
    resume(w.a, w.b, CALLER_TAG);
    fake_run(w.s.net, 29 * PH_SEC);
    client_no_more(w.a);
    fake_run(w.s.net, said + 30 * PH_SEC + 3 * FAKE_DELAY - w.s.net->now);
    assert_int_equal(client_next(w.a, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    call_world_fini(&w);
}

/* A call's id alone, or its tag, gets nobody into it. */
static void nobody_resumes_the_call_of_others(void **state)
{
    struct call_world w;
    struct client *c;

    (void)state;
    call_world_init(&w, NULL);
    c = client_registered(w.s.net, &w.s.addr, 3);
    /* While it runs. */
    resume(c, w.a, 77);
    assert_int_equal(client_next(c, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    assert_int_equal(subject_stats(&w.s).sessions, 1);
    assert_true(call_flows(&w));

    subject_kill(&w.s);
    subject_start(&w.s);
    client_again(c);
    /* c names a, and is there first; a names b. */
    resume(c, w.a, 77);
    client_again(w.a);
    client_again(w.b);
    resume(w.b, w.a, w.callee_tag);
    resume(c, w.b, 78);
    client_next(c, PH_SIGNAL_HANGUP);
    client_send_frame(c, 77, "z", 1);
    fake_run(w.s.net, 3 * FAKE_DELAY);
    assert_int_equal(w.a->frames, 1);
    assert_int_equal(w.b->frames, 1);
    /* A tag that is taken, or none. */
    resume(w.a, w.b, 77);
    assert_int_equal(client_next(w.a, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    resume(w.a, w.b, 0);
    assert_int_equal(client_next(w.a, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    assert_int_equal(subject_stats(&w.s).resumes, 0);
    client_free(c);
    call_world_fini(&w);
}

static void halves_have_a_cap(void **state)
{
    struct ph_relay_config config = {.sessions_per_client_max = 3};
    struct subject s;
    struct client *a, *b;

    (void)state;
    subject_init(&s, &config);
    a = client_registered(s.net, &s.addr, 1);
    b = client_registered(s.net, &s.addr, 2);
    for (uint8_t i = 0; i < 10; i++) {
        struct ph_signal m = {.type = PH_SIGNAL_CALL_RESUME, .relay_token = 100 + i};

        memset(m.call_id, i, sizeof(m.call_id));
        memcpy(m.fingerprint, client_fingerprint(b), PH_FINGERPRINT_LEN);
        client_send(a, &m);
    }
    fake_run(s.net, PH_SEC);
    assert_int_equal(subject_stats(&s).sessions, 3);
    assert_int_equal(a->message_count - a->read, 7);
    client_free(a);
    client_free(b);
    subject_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_registration_takes_its_calls_over),
        cmocka_unit_test(a_call_outlives_a_lost_connection),
        cmocka_unit_test(a_victim_gets_no_call),
        cmocka_unit_test(a_client_that_takes_its_leave_ends_its_calls),
        cmocka_unit_test(a_restarted_relay_resets_old_connections),
        cmocka_unit_test(two_halves_make_a_call_again),
        cmocka_unit_test(a_half_that_stays_alone_ends),
        cmocka_unit_test(nobody_resumes_the_call_of_others),
        cmocka_unit_test(halves_have_a_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
