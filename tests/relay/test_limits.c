/* What a relay takes, and what it leaves when it has too much to do. */
#include "call.h"

#include "relay/overload.h"

static void overload_is_a_queue_that_does_not_empty(void **state)
{
    struct ph_overload o;
    ph_ns t = 5 * PH_SEC;

    (void)state;
    ph_overload_init(&o);
    assert_false(ph_overloaded(&o, 0));
    ph_overload_on_batch(&o, t, true);
    ph_overload_on_batch(&o, t + 99 * PH_MS, true);
    assert_false(ph_overloaded(&o, t + 99 * PH_MS));
    /* A pause: it has caught up. */
    ph_overload_on_batch(&o, t + 100 * PH_MS, false);
    ph_overload_on_batch(&o, t + 101 * PH_MS, true);
    ph_overload_on_batch(&o, t + 200 * PH_MS, true);
    assert_false(ph_overloaded(&o, t + 200 * PH_MS));
    ph_overload_on_batch(&o, t + 201 * PH_MS, true);
    assert_true(ph_overloaded(&o, t + 201 * PH_MS));
    ph_overload_on_batch(&o, t + 202 * PH_MS, false);
    assert_true(ph_overloaded(&o, t + 1200 * PH_MS));
    assert_false(ph_overloaded(&o, t + 1201 * PH_MS));
}

static void overload_is_a_late_timer(void **state)
{
    struct ph_overload o;

    (void)state;
    ph_overload_init(&o);
    ph_overload_on_timer(&o, PH_SEC, PH_NEVER);
    ph_overload_on_timer(&o, PH_SEC + 49 * PH_MS, PH_SEC);
    assert_false(ph_overloaded(&o, PH_SEC + 49 * PH_MS));
    ph_overload_on_timer(&o, PH_SEC + 50 * PH_MS, PH_SEC);
    assert_true(ph_overloaded(&o, PH_SEC + 50 * PH_MS));
    assert_false(ph_overloaded(&o, 2 * PH_SEC + 50 * PH_MS));
}

/* As much as there is room for, again and again. */
static void flood(struct call_world *w, ph_ns time)
{
    struct ph_datagram in[PH_DATAGRAMS_MAX];
    uint8_t bytes[PH_RELAY_FRAME_OVERHEAD + 1];
    ph_ns end = w->s.net->now + time;

    ph_relay_frame_header(bytes, 0x666);
    for (size_t i = 0; i < PH_DATAGRAMS_MAX; i++) {
        in[i] = (struct ph_datagram){.peer = ph_addr_v4(203, 0, 113, 6, (uint16_t)(i + 1)),
                                     .data = bytes,
                                     .len = sizeof(bytes)};
    }
    while (w->s.net->now < end) {
        struct ph_endpoint *ep = w->s.host->base.endpoint;

        ep->on_datagrams(ep, w->s.net->now, 1, in, PH_DATAGRAMS_MAX);
        w->s.net->now += PH_MS;
    }
}

static void overload_sheds_what_is_new_and_keeps_what_runs(void **state)
{
    struct ph_signal m = {.type = PH_SIGNAL_DIRECT_CALL_OFFER, .relay_token = 5};
    struct call_world w;
    struct client *c, *d;

    (void)state;
    call_world_init(&w, NULL);
    c = client_registered(w.s.net, &w.s.addr, 3);
    flood(&w, 150 * PH_MS);
    assert_true(subject_stats(&w.s).overloaded);
    assert_true(call_flows(&w));
    flood(&w, 150 * PH_MS);
    /* A new call: busy. A new client: there are others. */
    memset(m.call_id, CALL + 1, sizeof(m.call_id));
    memcpy(m.fingerprint, client_fingerprint(w.b), PH_FINGERPRINT_LEN);
    client_send(c, &m);
    d = client_new(w.s.net, &w.s.addr, 4);
    fake_run(w.s.net, 5 * FAKE_DELAY);
    assert_int_equal(client_next(c, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_BUSY);
    client_register(d);
    fake_run(w.s.net, 3 * FAKE_DELAY);
    client_next(d, PH_SIGNAL_DRAIN);
    client_no_more(d);
    assert_int_equal(subject_stats(&w.s).clients, 3);
    assert_int_equal(subject_stats(&w.s).refused_calls, 1);
    assert_int_equal(subject_stats(&w.s).refused_clients, 1);
    /* One whose call runs is taken back. */
    flood(&w, 150 * PH_MS);
    client_again(w.a);
    assert_true(subject_stats(&w.s).overloaded);
    assert_true(call_flows(&w));
    /* When it is over all is as before. */
    fake_run(w.s.net, 2 * PH_SEC);
    assert_false(subject_stats(&w.s).overloaded);
    client_send(c, &m);
    client_register(d);
    fake_run(w.s.net, PH_SEC);
    client_next(d, PH_SIGNAL_REGISTER_PRESENCE_ACK);
    client_next(w.b, PH_SIGNAL_DIRECT_CALL_OFFER);
    client_no_more(c);
    client_free(c);
    client_free(d);
    call_world_fini(&w);
}

static void calls_have_a_cap(void **state)
{
    struct ph_relay_config config = {.sessions_max = 2};
    struct subject s;
    struct client *a, *b;

    (void)state;
    subject_init(&s, &config);
    a = client_registered(s.net, &s.addr, 1);
    b = client_registered(s.net, &s.addr, 2);
    for (uint8_t i = 1; i <= 4; i++) {
        struct ph_signal m = {.type = i < 4 ? PH_SIGNAL_DIRECT_CALL_OFFER : PH_SIGNAL_CALL_RESUME,
                              .relay_token = i};

        memset(m.call_id, i, sizeof(m.call_id));
        memcpy(m.fingerprint, client_fingerprint(b), PH_FINGERPRINT_LEN);
        client_send(a, &m);
        fake_run(s.net, PH_SEC);
    }
    assert_int_equal(subject_stats(&s).sessions, 2);
    assert_int_equal(client_next(a, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_BUSY);
    assert_int_equal(client_next(a, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    client_free(a);
    client_free(b);
    subject_fini(&s);
}

static void all_legs_have_a_rate_together(void **state)
{
    struct ph_relay_config config = {.packets_per_second_all = 100};
    struct call_world w;

    (void)state;
    call_world_init(&w, &config);
    for (int i = 0; i < 20; i++) {
        client_send_frame(w.a, CALLER_TAG, "x", 1);
        client_send_frame(w.b, w.callee_tag, "y", 1);
    }
    fake_run(w.s.net, 3 * FAKE_DELAY);
    /* A tenth of a second's in one burst, and one. */
    assert_int_equal(w.a->frames + w.b->frames, 11);
    assert_int_equal(subject_stats(&w.s).dropped_rate_all, 29);
    assert_int_equal(subject_stats(&w.s).dropped_rate, 0);
    fake_run(w.s.net, PH_SEC);
    assert_true(call_flows(&w));
    call_world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overload_is_a_queue_that_does_not_empty),
        cmocka_unit_test(overload_is_a_late_timer),
        cmocka_unit_test(overload_sheds_what_is_new_and_keeps_what_runs),
        cmocka_unit_test(calls_have_a_cap),
        cmocka_unit_test(all_legs_have_a_rate_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
