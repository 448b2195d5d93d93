/* Strangers and clients that do not keep to the rules. */
#include "client.h"

static void nobody_registers_as_another(void **state)
{
    struct subject s;
    struct client *victim, *thief;
    struct ph_signal m = {.type = PH_SIGNAL_REGISTER_PRESENCE};

    (void)state;
    subject_init(&s, NULL);
    victim = client_registered(s.net, &s.addr, 1);
    thief = client_new(s.net, &s.addr, 2);
    fake_run(s.net, PH_SEC);
    memcpy(m.fingerprint, client_fingerprint(victim), PH_FINGERPRINT_LEN);
    client_send(thief, &m);
    fake_run(s.net, PH_SEC);
    assert_int_equal(thief->state, PH_QUIC_CLOSED);
    assert_int_equal(thief->message_count, 0);
    assert_int_equal(victim->state, PH_QUIC_CONFIRMED);
    assert_int_equal(subject_stats(&s).clients, 1);
    client_free(victim);
    client_free(thief);
    subject_fini(&s);
}

struct bad_start {
    const char *what;
    uint8_t bytes[8];
    size_t len;
};

static void a_bad_start_closes_the_connection(void **state)
{
    static const struct bad_start starts[] = {
        {"a message before the registration", {0x00, 0x02, 0x00, 0x0c}, 4},
        {"a registration as nobody", {0x00, 0x02, 0x00, 0x01}, 4},
        {"a length that is too short for a type", {0x00, 0x01, 0x00}, 3},
        {"a length beyond the longest message", {0xff, 0xff}, 2},
        {"a field beyond the message's end", {0x00, 0x06, 0x00, 0x01, 0x00, 0x02, 0x00, 0x20}, 8},
    };
    struct subject s;

    (void)state;
    subject_init(&s, NULL);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct client *c = client_new(s.net, &s.addr, (uint8_t)(10 + i));

        fake_run(s.net, PH_SEC);
        client_send_raw(c, starts[i].bytes, starts[i].len);
        fake_run(s.net, PH_SEC);
        if (c->state != PH_QUIC_CLOSED) {
            fail_msg("%s was taken", starts[i].what);
        }
        client_free(c);
    }
    assert_int_equal(subject_stats(&s).clients, 0);
    subject_fini(&s);
}

static void who_does_not_register_is_closed(void **state)
{
    struct subject s;
    struct client *c;

    (void)state;
    subject_init(&s, NULL);
    c = client_new(s.net, &s.addr, 1);
    fake_run(s.net, 9 * PH_SEC);
    assert_int_equal(c->state, PH_QUIC_CONFIRMED);
    fake_run(s.net, 2 * PH_SEC);
    assert_int_equal(c->state, PH_QUIC_CLOSED);
    client_free(c);
    subject_fini(&s);
}

static void messages_have_a_rate(void **state)
{
    struct ph_signal m = {.type = PH_SIGNAL_HANGUP};
    struct subject s;
    struct client *good, *bad;

    (void)state;
    subject_init(&s, NULL);
    good = client_registered(s.net, &s.addr, 1);
    bad = client_registered(s.net, &s.addr, 2);
    fake_run(s.net, 5 * PH_SEC);
    for (int i = 0; i < 200; i++) {
        client_send(good, &m);
        client_send(bad, &m);
    }
    client_send(bad, &m);
    client_send(bad, &m);
    client_send(bad, &m);
    fake_run(s.net, PH_SEC);
    assert_int_equal(good->state, PH_QUIC_CONFIRMED);
    assert_int_equal(bad->state, PH_QUIC_CLOSED);
    client_free(good);
    client_free(bad);
    subject_fini(&s);
}

/* A client's first packet, as it goes out. */
static size_t an_initial(struct client *c, const struct fake_net *net, uint8_t *out)
{
    const struct fake_packet *p = &net->queue[(net->tail - 1) % FAKE_QUEUE];

    (void)c;
    assert_int_equal(p->data[0] & 0xc0, 0xc0);
    memcpy(out, p->data, p->len);
    return p->len;
}

static void a_stranger_gets_no_more_than_it_sends(void **state)
{
    struct ph_addr stranger = ph_addr_v4(203, 0, 113, 66, 6666);
    struct subject s;
    struct client *c;
    struct ph_rng rng;
    uint8_t initial[PH_DATAGRAM_MAX];
    uint8_t bytes[PH_DATAGRAM_MAX];
    uint64_t in = 0;
    size_t len;

    (void)state;
    subject_init(&s, NULL);
    c = client_new(s.net, &s.addr, 1);
    len = an_initial(c, s.net, initial);
    s.net->head = s.net->tail; /* its own is lost; it keeps quiet from here on */
    c->host->wake = PH_NEVER;
    c->host->base.endpoint = NULL;

    /* The Initial again and again, from one address and from many. */
    for (unsigned i = 0; i < 300; i++) {
        uint64_t before = s.host->bytes_out;

        stranger.ip[3] = (uint8_t)i;
        fake_inject(s.net, &stranger, &s.addr, initial, len);
        fake_run(s.net, 2 * FAKE_DELAY);
        assert_true(s.host->bytes_out - before <= len);
        assert_true(s.host->bytes_out > before); /* a Retry */
        in += len;
    }
    assert_int_equal(s.host->packets_out, 300);
    /* Shorter ones, garbage of every first byte, frames. */
    ph_rng_seed(&rng, 7);
    for (unsigned i = 0; i < 4000; i++) {
        size_t n = (size_t)ph_rng_below(&rng, sizeof(bytes)) + 1;
        uint64_t before = s.host->bytes_out;

        if (i % 4 == 0) {
            n = n < len ? n : len;
            memcpy(bytes, initial, n);
            bytes[ph_rng_below(&rng, n)] ^= (uint8_t)(1 + ph_rng_below(&rng, 255));
        } else {
            ph_rng_fill(&rng, bytes, n);
            bytes[0] = (uint8_t)i;
        }
        stranger.port = (uint16_t)(1 + ph_rng_below(&rng, 65535));
        fake_inject(s.net, &stranger, &s.addr, bytes, n);
        fake_run(s.net, 2 * FAKE_DELAY);
        assert_true(s.host->bytes_out - before <= n);
        in += n;
    }
    /* Nor later, by timers. */
    fake_run(s.net, 60 * PH_SEC);
    assert_true(s.host->bytes_out <= in);
    assert_int_equal(subject_stats(&s).clients, 0);
    client_free(c);
    subject_fini(&s);
}

/* A token is bound to its address: with one of its own an attacker cannot make the relay send its
 * whole handshake to a victim. */
static void a_token_from_elsewhere_starts_nothing(void **state)
{
    struct ph_addr victim = ph_addr_v4(203, 0, 113, 66, 6666);
    struct subject s;
    struct client *c;
    uint8_t initial[PH_DATAGRAM_MAX];
    size_t len;
    uint64_t before;

    (void)state;
    subject_init(&s, NULL);
    c = client_new(s.net, &s.addr, 1);
    fake_step(s.net, PH_NEVER); /* the Initial: a Retry comes back */
    fake_step(s.net, PH_NEVER); /* the Retry: the Initial with its token goes out */
    len = an_initial(c, s.net, initial);
    before = s.host->bytes_out;
    s.net->head = s.net->tail;
    c->host->wake = PH_NEVER;
    c->host->base.endpoint = NULL;
    fake_inject(s.net, &victim, &s.addr, initial, len);
    fake_run(s.net, 2 * PH_SEC); /* a token is good for some seconds */
    assert_int_equal(s.host->bytes_out, before);
    /* From its own address it would have been good. */
    c->host->base.endpoint = &c->ep;
    victim = client_addr(c);
    fake_inject(s.net, &victim, &s.addr, initial, len);
    fake_run(s.net, PH_SEC);
    assert_true(s.host->bytes_out > before);
    client_free(c);
    subject_fini(&s);
}

static void handshakes_under_way_have_a_cap(void **state)
{
    enum {
        COUNT = 70
    };
    struct subject s;
    struct client *c[COUNT];
    struct fake_host *h;
    unsigned begun = 0;
    uint64_t before;

    (void)state;
    subject_init(&s, NULL);
    for (unsigned i = 0; i < COUNT; i++) {
        c[i] = client_new(s.net, &s.addr, (uint8_t)i);
        h = c[i]->host;
        /* All behind one NAT. */
        h->socks[c[i]->sock - 1] = ph_addr_v4(192, 0, 2, 200, (uint16_t)(40000 + i));
        s.net->queue[(s.net->tail - 1) % FAKE_QUEUE].from = h->socks[c[i]->sock - 1];
    }
    /* The Initials, then the Retries, then the Initials with their tokens: and no more from them.
     */
    fake_run(s.net, 2 * FAKE_DELAY + PH_MS);
    for (unsigned i = 0; i < COUNT; i++) {
        c[i]->host->base.endpoint = NULL;
        c[i]->host->wake = PH_NEVER;
        before = c[i]->host->packets_in;
        assert_int_equal(before, 1);
    }
    fake_run(s.net, 2 * FAKE_DELAY);
    for (unsigned i = 0; i < COUNT; i++) {
        begun += c[i]->host->packets_in > 1;
    }
    assert_int_equal(begun, 64);
    for (unsigned i = 0; i < COUNT; i++) {
        client_free(c[i]);
    }
    subject_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_registers_as_another),
        cmocka_unit_test(a_bad_start_closes_the_connection),
        cmocka_unit_test(who_does_not_register_is_closed),
        cmocka_unit_test(messages_have_a_rate),
        cmocka_unit_test(a_stranger_gets_no_more_than_it_sends),
        cmocka_unit_test(a_token_from_elsewhere_starts_nothing),
        cmocka_unit_test(handshakes_under_way_have_a_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
