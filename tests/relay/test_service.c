/* A relay that drains, and one that goes on with the calls of the process before it. */
#include "call.h"

#include "relay/state.h"

#define WALL 1000000u

static void a_draining_relay_names_others_and_takes_no_calls(void **state)
{
    struct ph_relay_config config = {
        .others = {{.family = PH_AF_V4, .port = 1, .ip = {192, 0, 2, 250}}},
        .other_regions = {"us-east"},
        .other_count = 1};
    struct call_world w;
    struct client *c;
    const struct ph_signal *drain;
    struct ph_signal m = {.type = PH_SIGNAL_DIRECT_CALL_OFFER, .relay_token = 5};

    (void)state;
    call_world_init(&w, &config);
    c = client_registered(w.s.net, &w.s.addr, 3);
    ph_relay_drain(w.s.relay);
    ph_relay_drain(w.s.relay);
    fake_run(w.s.net, PH_SEC);
    client_next(w.b, PH_SIGNAL_DRAIN);
    client_next(c, PH_SIGNAL_DRAIN);
    drain = client_next(w.a, PH_SIGNAL_DRAIN);
    client_no_more(w.a);
    assert_int_equal(drain->relay_count, 1);
    assert_true(ph_addr_eq(&drain->relays[0], &config.others[0]));
    assert_string_equal(drain->relay_regions[0], "us-east");
    assert_true(subject_stats(&w.s).draining);
    assert_true(call_flows(&w));
    /* A new call: its callee is to be looked for elsewhere. */
    memset(m.call_id, CALL + 1, sizeof(m.call_id));
    memcpy(m.fingerprint, client_fingerprint(w.b), PH_FINGERPRINT_LEN);
    client_send(c, &m);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(client_next(c, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_UNKNOWN_PEER);
    assert_int_equal(subject_stats(&w.s).refused_calls, 1);
    client_free(c);
    /* A new client, and one whose call runs here. */
    c = client_new(w.s.net, &w.s.addr, 4);
    fake_run(w.s.net, PH_SEC);
    client_register(c);
    fake_run(w.s.net, PH_SEC);
    client_next(c, PH_SIGNAL_DRAIN);
    client_no_more(c);
    assert_int_equal(subject_stats(&w.s).refused_clients, 1);
    client_again(w.a);
    assert_true(call_flows(&w));
    client_no_more(w.b);
    call_hang_up(w.a);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    client_next(w.b, PH_SIGNAL_HANGUP);
    ph_relay_farewell(w.s.relay);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(c->state, PH_QUIC_CLOSED);
    assert_int_equal(ph_quic_conn_error(w.a->conn), PH_ERR_CLOSED);
    assert_int_equal(ph_quic_conn_error(w.b->conn), PH_ERR_CLOSED);
    assert_int_equal(subject_stats(&w.s).clients, 0);
    client_free(c);
    call_world_fini(&w);
}

/* Exports, kills, and starts another one. */
static uint8_t *leave(struct subject *s, size_t *len)
{
    uint8_t *bytes;

    assert_int_equal(ph_relay_export(s->relay, WALL, &bytes, len), PH_OK);
    subject_kill(s);
    subject_start(s);
    return bytes;
}

static void calls_go_on_in_the_next_process(void **state)
{
    struct call_world w;
    uint8_t *bytes;
    size_t len;

    (void)state;
    call_world_init(&w, NULL);
    bytes = leave(&w.s, &len);
    assert_int_equal(ph_relay_import(w.s.relay, WALL + 1, bytes, len), 1);
    free(bytes);
    /* At once, without a word by anybody. */
    assert_true(call_flows(&w));
    assert_int_equal(subject_stats(&w.s).clients, 0);
    assert_int_equal(subject_stats(&w.s).notices, 0);
    fake_run(w.s.net, 20 * PH_SEC);
    client_again(w.a);
    client_again(w.b);
    assert_int_equal(subject_stats(&w.s).returns, 2);
    fake_run(w.s.net, 60 * PH_SEC);
    assert_true(call_flows(&w));
    call_hang_up(w.a);
    client_next(w.b, PH_SIGNAL_HANGUP);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    call_world_fini(&w);
}

static void who_does_not_come_back_is_not_waited_for(void **state)
{
    struct call_world w;
    uint8_t *bytes;
    size_t len;

    (void)state;
    call_world_init(&w, NULL);
    bytes = leave(&w.s, &len);
    assert_int_equal(ph_relay_import(w.s.relay, WALL, bytes, len), 1);
    free(bytes);
    client_again(w.a);
    fake_run(w.s.net, 30 * PH_SEC);
    assert_int_equal(client_next(w.a, PH_SIGNAL_HANGUP)->reason, PH_HANGUP_LOST);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    call_world_fini(&w);
}

static void an_unanswered_call_is_not_left(void **state)
{
    struct call_world w;
    uint8_t *bytes;
    size_t len;

    (void)state;
    subject_init(&w.s, NULL);
    w.a = client_registered(w.s.net, &w.s.addr, 1);
    w.b = client_registered(w.s.net, &w.s.addr, 2);
    call_offer(&w);
    assert_int_equal(subject_stats(&w.s).sessions, 1);
    bytes = leave(&w.s, &len);
    assert_int_equal(ph_relay_import(w.s.relay, WALL, bytes, len), 0);
    free(bytes);
    call_world_fini(&w);
}

static void a_state_of_no_use_is_refused(void **state)
{
    struct call_world w;
    uint8_t *bytes;
    size_t len;

    (void)state;
    call_world_init(&w, NULL);
    bytes = leave(&w.s, &len);
    for (size_t cut = 0; cut < len; cut++) {
        assert_true(ph_relay_import(w.s.relay, WALL, bytes, cut) < 0);
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x10;
        assert_true(ph_relay_import(w.s.relay, WALL, bytes, len) < 0);
        bytes[i] ^= 0x10;
    }
    assert_int_equal(ph_relay_import(w.s.relay, WALL, bytes, 0), PH_ERR_FORMAT);
    assert_int_equal(ph_relay_import(w.s.relay, WALL, (const uint8_t *)"PHRELAX", 7),
                     PH_ERR_FORMAT);
    assert_int_equal(ph_relay_import(w.s.relay, WALL + 61, bytes, len), PH_ERR_TIMEOUT);
    assert_int_equal(ph_relay_import(w.s.relay, WALL - 1, bytes, len), PH_ERR_TIMEOUT);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    /* Another key, then another address. */
    subject_kill(&w.s);
    w.s.config.seed[0] ^= 1;
    subject_start(&w.s);
    assert_int_equal(ph_relay_import(w.s.relay, WALL, bytes, len), PH_ERR_AUTH);
    subject_kill(&w.s);
    w.s.config.seed[0] ^= 1;
    w.s.config.listen[0].port++;
    subject_start(&w.s);
    assert_int_equal(ph_relay_import(w.s.relay, WALL, bytes, len), PH_ERR_AUTH);
    assert_int_equal(subject_stats(&w.s).sessions, 0);
    subject_kill(&w.s);
    w.s.config.listen[0].port--;
    subject_start(&w.s);
    assert_int_equal(ph_relay_import(w.s.relay, WALL + 60, bytes, len), 1);
    /* Twice is once. */
    assert_int_equal(ph_relay_import(w.s.relay, WALL + 60, bytes, len), 0);
    assert_true(call_flows(&w));
    free(bytes);
    call_world_fini(&w);
}

static void the_codec_keeps_what_it_is_given(void **state)
{
    struct ph_state_head head = {.written_s = 77,
                                 .relay = {1, 2, 3},
                                 .listen = {{.family = PH_AF_V4, .port = 5, .ip = {192, 0, 2, 1}},
                                            {.family = PH_AF_V6, .port = 6, .ip = {0x20, 1}}},
                                 .listen_count = 2,
                                 .calls = 1},
                         head_read;
    struct ph_session_facts
        call =
            {.call_id = {9},
             .mode = PH_ANSWER_PRIVACY,
             .leg = {{.owner = {1}, .tag = 7, .addr = {PH_AF_V4, 0, 1, {198, 51, 100, 1}}},
                     {.owner = {2}, .tag = 8, .addr = {PH_AF_V6, 0, 2, {0x20, 2}}, .listen = 1}}},
        call_read;
    uint8_t bytes[1024];
    struct ph_writer w = ph_writer_init(bytes, sizeof(bytes));
    struct ph_reader r;
    size_t len, head_len;

    (void)state;
    ph_state_write_head(&w, &head);
    head_len = ph_writer_len(&w);
    ph_state_write_call(&w, &call);
    len = ph_writer_len(&w);
    assert_true(len + PH_STATE_MAC_LEN <= ph_state_size(1));
    r = ph_reader_init(bytes, len);
    assert_int_equal(ph_state_read_head(&r, &head_read), PH_OK);
    assert_memory_equal(&head, &head_read, sizeof(head));
    assert_int_equal(ph_state_read_call(&r, &head_read, &call_read), PH_OK);
    assert_memory_equal(&call, &call_read, sizeof(call));
    assert_int_equal(ph_reader_left(&r), 0);
    for (size_t cut = 0; cut < len; cut++) {
        r = ph_reader_init(bytes, cut);
        if (cut < head_len) {
            assert_int_equal(ph_state_read_head(&r, &head_read), PH_ERR_FORMAT);
        } else {
            assert_int_equal(ph_state_read_head(&r, &head_read), PH_OK);
            assert_int_equal(ph_state_read_call(&r, &head_read, &call_read), PH_ERR_FORMAT);
        }
    }
    /* By a socket that the relay has not, or that is of another family. */
    call.leg[1].listen = 2;
    w = ph_writer_init(bytes, sizeof(bytes));
    ph_state_write_call(&w, &call);
    r = ph_reader_init(bytes, ph_writer_len(&w));
    assert_int_equal(ph_state_read_call(&r, &head, &call_read), PH_ERR_FORMAT);
    call.leg[1].listen = 0;
    w = ph_writer_init(bytes, sizeof(bytes));
    ph_state_write_call(&w, &call);
    r = ph_reader_init(bytes, ph_writer_len(&w));
    assert_int_equal(ph_state_read_call(&r, &head, &call_read), PH_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_draining_relay_names_others_and_takes_no_calls),
        cmocka_unit_test(calls_go_on_in_the_next_process),
        cmocka_unit_test(who_does_not_come_back_is_not_waited_for),
        cmocka_unit_test(an_unanswered_call_is_not_left),
        cmocka_unit_test(a_state_of_no_use_is_refused),
        cmocka_unit_test(the_codec_keeps_what_it_is_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
