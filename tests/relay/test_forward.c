/* Relay frames from one leg to the other. */
#include "client.h"

#define CALLER_TAG 0x0102030405060708u

struct world {
    struct subject s;
    struct client *a, *b;
    uint64_t callee_tag;
};

static void world_init(struct world *w, const struct ph_relay_config *config)
{
    struct ph_signal m = {.type = PH_SIGNAL_DIRECT_CALL_OFFER, .relay_token = CALLER_TAG};

    subject_init(&w->s, config);
    w->a = client_registered(w->s.net, &w->s.addr, 1);
    w->b = client_registered(w->s.net, &w->s.addr, 2);
    memset(m.call_id, 9, sizeof(m.call_id));
    memcpy(m.fingerprint, client_fingerprint(w->b), PH_FINGERPRINT_LEN);
    client_send(w->a, &m);
    fake_run(w->s.net, PH_SEC);
    w->callee_tag = client_next(w->b, PH_SIGNAL_DIRECT_CALL_OFFER)->relay_token;
}

static void world_fini(struct world *w)
{
    client_free(w->a);
    client_free(w->b);
    subject_fini(&w->s);
}

static void frames_go_both_ways_from_the_offer_on(void **state)
{
    uint8_t longest[PH_DATAGRAM_MAX - PH_RELAY_FRAME_OVERHEAD];
    struct world w;
    ph_ns start;

    (void)state;
    world_init(&w, NULL);
    memset(longest, 0x5a, sizeof(longest));
    start = w.s.net->now;
    client_send_frame(w.a, CALLER_TAG, "\x40sealed", 7);
    while (w.b->frames == 0 && fake_step(w.s.net, start + PH_SEC)) {
    }
    assert_int_equal(w.s.net->now - start, 2 * FAKE_DELAY);
    assert_int_equal(w.b->frame_len, 7);
    assert_memory_equal(w.b->frame, "\x40sealed", 7);
    assert_true(w.b->frame_tag == w.callee_tag);
    client_send_frame(w.b, w.callee_tag, longest, sizeof(longest));
    client_send_frame(w.b, w.callee_tag, longest, 0);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(w.a->frames, 2);
    assert_true(w.a->frame_tag == CALLER_TAG);
    assert_int_equal(w.a->frame_len, 0);
    assert_int_equal(subject_stats(&w.s).forwarded_packets, 3);
    assert_int_equal(subject_stats(&w.s).forwarded_bytes, 7 + sizeof(longest));
    world_fini(&w);
}

static void a_batch_goes_out_in_one_call(void **state)
{
    struct ph_datagram in[64];
    uint8_t bytes[64][PH_RELAY_FRAME_OVERHEAD + 1];
    struct world w;
    uint64_t sends;

    (void)state;
    world_init(&w, NULL);
    for (size_t i = 0; i < 64; i++) {
        ph_relay_frame_header(bytes[i], CALLER_TAG);
        bytes[i][PH_RELAY_FRAME_OVERHEAD] = (uint8_t)i;
        in[i] = (struct ph_datagram){
            .peer = client_addr(w.a), .data = bytes[i], .len = sizeof(bytes[i])};
    }
    sends = w.s.host->sends;
    w.s.host->base.endpoint->on_datagrams(w.s.host->base.endpoint, w.s.net->now, 1, in, 64);
    assert_int_equal(w.s.host->sends - sends, 1);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(w.b->frames, 64);
    assert_int_equal(w.b->frame[0], 63); /* in order */
    world_fini(&w);
}

static void a_tag_is_of_no_use_from_elsewhere(void **state)
{
    uint8_t frame[PH_RELAY_FRAME_OVERHEAD + 3];
    struct ph_addr stranger = ph_addr_v4(203, 0, 113, 66, 6666);
    struct ph_addr near;
    struct world w;

    (void)state;
    world_init(&w, NULL);
    ph_relay_frame_header(frame, CALLER_TAG);
    memset(frame + PH_RELAY_FRAME_OVERHEAD, 1, 3);
    near = client_addr(w.a);
    near.port++;
    fake_inject(w.s.net, &stranger, &w.s.addr, frame, sizeof(frame));
    fake_inject(w.s.net, &near, &w.s.addr, frame, sizeof(frame));
    /* Nor to the relay's other address, which is STUN's. */
    near.port--;
    fake_inject(w.s.net, &near, &w.s.addr2, frame, sizeof(frame));
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(subject_stats(&w.s).dropped_wrong_source, 3);
    /* Each is told, there and no more than that. */
    assert_int_equal(subject_stats(&w.s).notices, 3);
    assert_int_equal(w.s.host->strays, 2);
    assert_int_equal(w.s.host->stray_len, PH_RELAY_NOTICE_LEN);
    /* The other leg's client with this leg's tag. */
    client_send_frame(w.b, CALLER_TAG, "x", 1);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(subject_stats(&w.s).dropped_wrong_source, 4);
    assert_int_equal(w.a->frames + w.b->frames, 0);
    world_fini(&w);
}

static void an_unknown_tag_is_noticed(void **state)
{
    static const uint8_t notice[] = {0x22, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const uint8_t other_version[] = {0x2f, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const uint8_t cut[] = {0x21, 1, 2, 3, 4, 5, 6, 7};
    struct world w;
    struct ph_addr a;
    uint64_t out;

    (void)state;
    world_init(&w, NULL);
    a = client_addr(w.a);
    out = w.s.host->packets_out;
    client_send_frame(w.a, CALLER_TAG + 1, "x", 1);
    client_send_frame(w.a, 0, "x", 1);
    fake_inject(w.s.net, &a, &w.s.addr, other_version, sizeof(other_version));
    fake_inject(w.s.net, &a, &w.s.addr, notice, sizeof(notice));
    fake_inject(w.s.net, &a, &w.s.addr, cut, sizeof(cut));
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(subject_stats(&w.s).dropped_unknown_tag, 5);
    /* What is no frame gets no answer: nor does a notice, or two relays could go on for ever. */
    assert_int_equal(w.s.host->packets_out, out + 2);
    assert_int_equal(w.a->notices, 2);
    assert_true(w.a->notice_tag == 0);
    world_fini(&w);
}

static void notices_have_a_rate(void **state)
{
    struct ph_addr stranger = ph_addr_v4(203, 0, 113, 66, 6666);
    uint8_t frame[PH_RELAY_FRAME_OVERHEAD];
    struct world w;

    (void)state;
    world_init(&w, NULL);
    ph_relay_frame_header(frame, CALLER_TAG + 1);
    for (int i = 0; i < 100; i++) {
        fake_inject(w.s.net, &stranger, &w.s.addr, frame, sizeof(frame));
    }
    fake_run(w.s.net, 2 * FAKE_DELAY);
    assert_int_equal(w.s.host->strays, 20);
    fake_run(w.s.net, PH_SEC);
    for (int i = 0; i < 100; i++) {
        fake_inject(w.s.net, &stranger, &w.s.addr, frame, sizeof(frame));
    }
    /* Another source has its own. */
    client_send_frame(w.a, CALLER_TAG + 1, "x", 1);
    fake_run(w.s.net, 2 * FAKE_DELAY);
    assert_int_equal(w.s.host->strays, 30);
    assert_int_equal(w.a->notices, 1);
    /* However many there are, they are not told more than the relay can bear. */
    for (int i = 0; i < 4000; i++) {
        stranger = ph_addr_v4(100, 1, (uint8_t)(i >> 8), (uint8_t)i, 5);
        fake_inject(w.s.net, &stranger, &w.s.addr, frame, sizeof(frame));
    }
    fake_run(w.s.net, 2 * FAKE_DELAY);
    assert_in_range(w.s.host->strays, 1030, 2070);
    world_fini(&w);
}

static void a_hangup_ends_the_tags(void **state)
{
    struct ph_signal m = {.type = PH_SIGNAL_HANGUP};
    struct world w;

    (void)state;
    world_init(&w, NULL);
    memset(m.call_id, 9, sizeof(m.call_id));
    client_send(w.a, &m);
    fake_run(w.s.net, PH_SEC);
    client_send_frame(w.b, w.callee_tag, "x", 1);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(w.a->frames, 0);
    assert_int_equal(subject_stats(&w.s).dropped_unknown_tag, 1);
    world_fini(&w);
}

static void a_leg_has_a_rate(void **state)
{
    struct ph_relay_config config = {.packets_per_second_max = 50};
    struct world w;

    (void)state;
    world_init(&w, &config);
    /* A burst of as many, no more. */
    for (int i = 0; i < 80; i++) {
        client_send_frame(w.a, CALLER_TAG, "x", 1);
    }
    fake_run(w.s.net, 20 * PH_MS);
    assert_int_equal(w.b->frames, 50);
    assert_int_equal(subject_stats(&w.s).dropped_rate, 30);
    /* The other leg has its own. */
    client_send_frame(w.b, w.callee_tag, "x", 1);
    fake_run(w.s.net, 20 * PH_MS);
    assert_int_equal(w.a->frames, 1);
    /* Half a second later there is room for 25 and one more that came meanwhile at most. */
    fake_run(w.s.net, 470 * PH_MS);
    for (int i = 0; i < 80; i++) {
        client_send_frame(w.a, CALLER_TAG, "x", 1);
    }
    fake_run(w.s.net, 20 * PH_MS);
    assert_in_range(w.b->frames, 74, 77);
    world_fini(&w);
}

/* A client's NAT gives it another port: the relay follows it once it has proved that it is the same
 * client, and not before. */
static void frames_follow_a_client_that_moves(void **state)
{
    struct ph_signal m = {.type = PH_SIGNAL_HANGUP};
    struct world w;
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, 0);
    struct ph_addr old;

    (void)state;
    world_init(&w, NULL);
    old = client_addr(w.b);
    assert_int_equal(w.b->host->base.ops->udp_open(&w.b->host->base, &any, &w.b->sock), PH_OK);
    assert_int_not_equal(client_addr(w.b).port, old.port);
    client_send_frame(w.b, w.callee_tag, "x", 1);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(w.a->frames, 0);
    client_send(w.b, &m); /* of no call: it only shows who we are */
    fake_run(w.s.net, PH_SEC);
    client_send_frame(w.b, w.callee_tag, "x", 1);
    w.b->host->base.ops->udp_close(&w.b->host->base, 1);
    client_send_frame(w.a, CALLER_TAG, "y", 1);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(w.a->frames, 1);
    assert_int_equal(w.b->frames, 1);
    world_fini(&w);
}

static struct {
    uint8_t data[PH_DATAGRAM_MAX];
    size_t len;
} overheard;

static void (*real_send)(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n);

static void tapping_send(struct ph_host *h, ph_sock sock, const struct ph_datagram *out, size_t n)
{
    memcpy(overheard.data, out[n - 1].data, out[n - 1].len);
    overheard.len = out[n - 1].len;
    real_send(h, sock, out, n);
}

static void a_replayed_or_forged_packet_moves_nobody(void **state)
{
    struct ph_signal m = {.type = PH_SIGNAL_HANGUP};
    struct ph_addr attacker = ph_addr_v4(203, 0, 113, 66, 6666);
    struct ph_host_ops tapped = fake_ops;
    struct world w;

    (void)state;
    world_init(&w, NULL);
    real_send = fake_ops.udp_send;
    tapped.udp_send = tapping_send;
    w.a->host->base.ops = &tapped;
    client_send(w.a, &m);
    w.a->host->base.ops = &fake_ops;
    fake_run(w.s.net, PH_SEC);
    assert_true(overheard.len > 20 && (overheard.data[0] & 0xc0) == 0x40);
    /* The same bytes again from elsewhere, then the same with its seal broken. */
    fake_inject(w.s.net, &attacker, &w.s.addr, overheard.data, overheard.len);
    fake_run(w.s.net, PH_SEC);
    overheard.data[overheard.len - 1] ^= 1;
    fake_inject(w.s.net, &attacker, &w.s.addr, overheard.data, overheard.len);
    fake_run(w.s.net, PH_SEC);
    client_send_frame(w.b, w.callee_tag, "x", 1);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(w.a->frames, 1);
    assert_int_equal(w.s.host->strays, 0);
    client_send_frame(w.a, CALLER_TAG, "x", 1);
    fake_run(w.s.net, PH_SEC);
    assert_int_equal(w.b->frames, 1);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_go_both_ways_from_the_offer_on),
        cmocka_unit_test(a_batch_goes_out_in_one_call),
        cmocka_unit_test(a_tag_is_of_no_use_from_elsewhere),
        cmocka_unit_test(an_unknown_tag_is_noticed),
        cmocka_unit_test(notices_have_a_rate),
        cmocka_unit_test(a_hangup_ends_the_tags),
        cmocka_unit_test(a_leg_has_a_rate),
        cmocka_unit_test(frames_follow_a_client_that_moves),
        cmocka_unit_test(a_replayed_or_forged_packet_moves_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
