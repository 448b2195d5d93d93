/* The PCP client alone: its bytes, and what it makes of others'. */
#include "fake_host.h"
#include "portmap/pcp_client.h"

struct subject {
    struct fake_host *f;
    struct ph_outlet outlet;
    struct ph_pcp_client p;
    struct ph_client *c;
};

static void open_subject(struct subject *s, const struct ph_gateway *gateway, bool own)
{
    *s = (struct subject){.f = fake_new()};
    s->outlet = (struct ph_outlet){.host = &s->f->base, .sock = 1};
    ph_pcp_client_init(&s->p, &s->outlet, gateway ? gateway : &s->f->gateways[0],
                       gateway ? &gateway->local : &s->f->gateways[0].local, own);
    s->c = &s->p.asker.base;
    s->c->wish = (struct ph_client_wish){FAKE_PORT, 41000, 7200, true};
}

static void close_subject(struct subject *s)
{
    s->c->ops->forget(s->c, s->f->now);
    ph_pcp_client_fini(&s->p);
    fake_free(s->f);
}

static bool comes(struct subject *s, const void *data, size_t len)
{
    uint8_t *copy = fake_copy(data, len);
    struct ph_datagram d = {.peer = s->c->server, .data = copy, .len = len};
    bool taken = ph_pcp_client_on_datagram(&s->p, s->f->now, s->p.own ? s->p.own : 1, &d);
    free(copy);
    return taken;
}

/* A MAP response to the last request: 203.0.113.7:41000 for `lifetime_s`. */
static void grant(struct subject *s, uint8_t out[60], uint32_t lifetime_s, uint32_t epoch_s)
{
    const uint8_t head[24] = {
        2,
        0x81,
        0,
        0, /* version, R and MAP, reserved, SUCCESS */
        (uint8_t)(lifetime_s >> 24),
        (uint8_t)(lifetime_s >> 16),
        (uint8_t)(lifetime_s >> 8),
        (uint8_t)lifetime_s,
        (uint8_t)(epoch_s >> 24),
        (uint8_t)(epoch_s >> 16),
        (uint8_t)(epoch_s >> 8),
        (uint8_t)epoch_s,
    };
    const uint8_t external[18] = {0xa0, 0x28, /* 41000 */
                                  0,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 7};
    memcpy(out, head, sizeof(head));
    memcpy(out + 24, s->p.nonce, 12);
    memcpy(out + 36, (uint8_t[]){17, 0, 0, 0, 0x9c, 0x40}, 6); /* UDP, 40000 */
    memcpy(out + 42, external, sizeof(external));
}

static void make_mapped(struct subject *s)
{
    uint8_t a[60];
    s->c->ops->map(s->c, s->f->now);
    s->f->now += PH_MS;
    grant(s, a, 7200, 1000);
    assert_true(comes(s, a, sizeof(a)));
    assert_int_equal(s->c->state, PH_CLIENT_MAPPED);
}

static void test_announce(void **state)
{
    (void)state;
    static const uint8_t want[24] = {2, 0, 0, 0, 0, 0, 0, 0, /* version 2, ANNOUNCE */
                                     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 20};
    static const uint8_t answer[24] = {2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9};
    struct subject s;
    open_subject(&s, NULL, false);
    s.c->ops->probe(s.c, s.f->now);
    assert_int_equal(fake_last(s.f)->len, sizeof(want));
    assert_memory_equal(fake_last(s.f)->data, want, sizeof(want));
    struct ph_addr server = fake_port(FAKE_GATEWAY, 5351);
    assert_true(ph_addr_eq(&fake_last(s.f)->to, &server));
    assert_int_equal(fake_last(s.f)->scope, 0);
    s.f->now += 3 * PH_MS;
    assert_true(comes(&s, answer, sizeof(answer)));
    assert_int_equal(s.c->state, PH_CLIENT_PRESENT);
    assert_int_equal(s.c->report.rtt, 3 * PH_MS);
    assert_int_equal(s.c->held, PH_HELD_NOTHING);
    close_subject(&s);
}

static void test_map_bytes(void **state)
{
    (void)state;
    static const uint8_t head[24] = {
        2, 1, 0, 0, 0, 0, 0x1c, 0x20, /* MAP, 7200 s: big-endian */
        0, 0, 0, 0, 0, 0, 0,    0,    0, 0, 0xff, 0xff, 192, 168, 1, 20};
    static const uint8_t tail[24] = {
        17, 0, 0, 0, 0x9c, 0x40, 0xa0, 0x28, /* UDP 40000, 41000 */
        0,  0, 0, 0, 0,    0,    0,    0,    0, 0, 0xff, 0xff, 0, 0, 0, 0};
    struct subject s;
    open_subject(&s, NULL, false);
    s.c->ops->map(s.c, s.f->now);
    assert_int_equal(fake_last(s.f)->len, 60);
    assert_memory_equal(fake_last(s.f)->data, head, sizeof(head));
    assert_memory_equal(fake_last(s.f)->data + 36, tail, sizeof(tail));
    assert_memory_equal(fake_last(s.f)->data + 24, s.p.nonce, 12);
    uint8_t a[60];
    grant(&s, a, 3600, 77);
    s.f->now += PH_MS;
    assert_true(comes(&s, a, sizeof(a)));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    assert_int_equal(s.c->mapping.lifetime_s, 3600);
    assert_int_equal(s.c->mapping.renew, s.f->now + 1800 * PH_SEC);
    struct ph_addr external = fake_port(FAKE_EXTERNAL, 41000);
    assert_true(ph_addr_eq(&s.c->mapping.external, &external));
    close_subject(&s);
}

/* The nonce is the mapping's own: in its renewal, its deletion, and not in the next one's. */
static void test_nonce(void **state)
{
    (void)state;
    struct subject s;
    uint8_t nonce[12], a[60];
    open_subject(&s, NULL, false);
    make_mapped(&s);
    memcpy(nonce, s.p.nonce, sizeof(nonce));
    fake_client_runs(s.f, s.c, 3590 * PH_SEC);
    while (fake_last(s.f)->len != 60) /* the renewal, beside ANNOUNCEs */
        fake_client_runs(s.f, s.c, 100 * PH_MS);
    assert_int_equal(s.f->now / PH_SEC, 3605); /* half of it, from 5 on */
    assert_memory_equal(fake_last(s.f)->data + 24, nonce, sizeof(nonce));
    assert_int_equal(fake_last(s.f)->data[42] << 8 | fake_last(s.f)->data[43],
                     41000); /* what it had */
    assert_memory_equal(fake_last(s.f)->data + 56, "\xcb\x00\x71\x07", 4);
    grant(&s, a, 7200, 1000 + 3600);
    assert_true(comes(&s, a, sizeof(a)));
    s.c->ops->release(s.c, s.f->now);
    assert_int_equal(s.c->state, PH_CLIENT_RELEASING);
    assert_memory_equal(fake_last(s.f)->data + 24, nonce, sizeof(nonce));
    assert_memory_equal(fake_last(s.f)->data + 4, "\0\0\0\0", 4); /* lifetime 0 */
    grant(&s, a, 0, 1000 + 3600);
    assert_true(comes(&s, a, sizeof(a)));
    assert_int_equal(s.c->state, PH_CLIENT_PRESENT);
    assert_int_equal(s.c->held, PH_HELD_NOTHING);
    assert_int_equal(s.c->report.said, PH_PORTMAP_RELEASED);
    s.c->ops->map(s.c, s.f->now);
    assert_memory_not_equal(fake_last(s.f)->data + 24, nonce, sizeof(nonce));
    close_subject(&s);
}

/* None of these is an answer to what was asked. */
static void test_foreign(void **state)
{
    (void)state;
    struct subject s;
    uint8_t good[60], a[60];
    open_subject(&s, NULL, false);
    s.c->ops->map(s.c, s.f->now);
    grant(&s, good, 7200, 1);
    static const struct {
        size_t at;
        uint8_t x;
    } flips[] = {
        {0, 3},     /* version 1 */
        {1, 0x80},  /* a request */
        {1, 2},     /* another opcode: PEER is not asked */
        {24, 1},    /* nonce, first byte */
        {35, 0x80}, /* ... and last */
        {41, 1},    /* internal port */
    };
    for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
        memcpy(a, good, sizeof(a));
        a[flips[i].at] ^= flips[i].x;
        comes(&s, a, sizeof(a));
        assert_int_equal(s.c->state, PH_CLIENT_MAPPING);
    }
    for (size_t len = 0; len < 60; len++) {
        comes(&s, good, len);
        assert_int_equal(s.c->state, PH_CLIENT_MAPPING);
    }
    assert_true(comes(&s, good, sizeof(good)));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    close_subject(&s);
}

static void test_nowhere(void **state)
{
    (void)state;
    struct subject s;
    uint8_t a[60];
    open_subject(&s, NULL, false);
    s.c->ops->map(s.c, s.f->now);
    grant(&s, a, 7200, 1);
    a[42] = a[43] = 0; /* external port 0 */
    comes(&s, a, sizeof(a));
    assert_int_equal(s.c->state, PH_CLIENT_DOWN);
    assert_int_equal(s.c->report.said, PH_PORTMAP_BROKEN);
    close_subject(&s);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        uint8_t result;
        size_t len; /* some send the head alone */
        enum ph_portmap_said said;
    } cases[] = {
        {2, 60, PH_PORTMAP_REFUSED},     {8, 60, PH_PORTMAP_REFUSED}, {12, 60, PH_PORTMAP_REFUSED},
        {4, 60, PH_PORTMAP_UNSUPPORTED}, {2, 24, PH_PORTMAP_REFUSED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct subject s;
        uint8_t a[60];
        open_subject(&s, NULL, false);
        s.c->ops->map(s.c, s.f->now);
        grant(&s, a, 1800, 1);
        a[3] = cases[i].result;
        assert_true(comes(&s, a, cases[i].len));
        assert_int_equal(s.c->state, PH_CLIENT_DOWN);
        assert_int_equal(s.c->report.said, cases[i].said);
        assert_int_equal(s.c->report.code, cases[i].result);
        assert_int_equal(s.c->refused_until, s.f->now + 1800 * PH_SEC);
        assert_true(strlen(s.c->report.text) > 0);
        assert_int_equal(s.c->held, PH_HELD_NOTHING);
        close_subject(&s);
    }
}

/* RFC 6887 section 9: version 0, UNSUPP_VERSION, from one that speaks NAT-PMP alone. */
static void test_version(void **state)
{
    (void)state;
    static const uint8_t a[8] = {0, 0x81, 0, 1, 0, 0, 0, 5};
    static const uint8_t b[24] = {2, 0x80, 0, 1}; /* says so of somebody else's version */
    struct subject s;
    open_subject(&s, NULL, false);
    assert_false(comes(&s, a, sizeof(a))); /* nothing was asked */
    s.c->ops->map(s.c, s.f->now);
    assert_false(comes(&s, b, sizeof(b)));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPING);
    assert_true(comes(&s, a, sizeof(a)));
    assert_int_equal(s.c->state, PH_CLIENT_DOWN);
    assert_int_equal(s.c->report.said, PH_PORTMAP_UNSUPPORTED);
    assert_int_equal(s.c->held, PH_HELD_NOTHING);
    close_subject(&s);
}

static void test_retransmission(void **state)
{
    (void)state;
    struct subject s;
    open_subject(&s, NULL, false);
    ph_ns start = s.f->now;
    s.c->ops->map(s.c, start);
    fake_client_runs(s.f, s.c, 5 * PH_SEC);
    static const uint8_t nothing[4] = {0, 0, 0, 0}; /* lifetime of a deletion */
    assert_int_equal(s.f->sent_count, 4);
    assert_int_equal(s.f->sent[1].at - start, 250 * PH_MS);
    assert_int_equal(s.f->sent[2].at - start, 750 * PH_MS);
    assert_memory_equal(s.f->sent[2].data, s.f->sent[0].data, 60);
    /* The last word: whatever it made without our knowing, it may forget; by the same nonce. */
    assert_memory_equal(s.f->sent[3].data + 4, nothing, 4);
    assert_memory_equal(s.f->sent[3].data + 24, s.f->sent[0].data + 24, 12);
    assert_int_equal(s.c->state, PH_CLIENT_DOWN);
    assert_int_equal(s.c->report.said, PH_PORTMAP_SILENT);
    close_subject(&s);
}

/* A server that says nothing any more: asked less and less, closer and closer to the end. */
static void test_renewal_unanswered(void **state)
{
    (void)state;
    struct subject s;
    open_subject(&s, NULL, false);
    make_mapped(&s);
    size_t asked = 0;
    ph_ns made = s.f->now, before = 0;
    for (unsigned i = 0; i < 100000 && s.c->state == PH_CLIENT_MAPPED; i++) {
        size_t n = s.f->sent_count;
        s.f->now = s.c->ops->deadline(s.c);
        s.c->ops->on_timer(s.c, s.f->now);
        if (s.f->sent_count > n && fake_last(s.f)->len == 60 && s.f->now - before > 2 * PH_SEC) {
            asked++;
            before = s.f->now;
        }
        if (s.f->sent_count > FAKE_SENT / 2)
            s.f->sent_count = 0;
    }
    assert_int_equal(s.f->now - made, 7200 * PH_SEC);
    assert_true(asked >= 9 && asked <= 16);
    assert_int_equal(s.c->state, PH_CLIENT_DOWN);
    assert_int_equal(s.c->held, PH_HELD_NOTHING);
    close_subject(&s);
}

/* The epoch went back: what the server had of ours is gone (RFC 6887 section 8.5). */
static void test_epoch(void **state)
{
    (void)state;
    struct subject s;
    uint8_t answer[24] = {2, 0x80};
    open_subject(&s, NULL, false);
    make_mapped(&s); /* epoch 1000 */
    fake_client_runs(s.f, s.c, 60 * PH_SEC);
    assert_int_equal(fake_last(s.f)->len, 24); /* the watch */
    answer[10] = 1060 >> 8;
    answer[11] = 1060 & 0xff;
    comes(&s, answer, sizeof(answer));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    fake_client_runs(s.f, s.c, 60 * PH_SEC);
    answer[10] = 0;
    answer[11] = 30;
    comes(&s, answer, sizeof(answer));
    assert_int_equal(s.c->state, PH_CLIENT_PRESENT);
    assert_int_equal(s.c->held, PH_HELD_NOTHING);
    /* Made again as it was: the same nonce, the same port. */
    uint8_t nonce[12];
    memcpy(nonce, s.p.nonce, sizeof(nonce));
    s.c->ops->map(s.c, s.f->now);
    assert_memory_equal(fake_last(s.f)->data + 24, nonce, sizeof(nonce));
    assert_int_equal(fake_last(s.f)->data[42] << 8 | fake_last(s.f)->data[43], 41000);
    close_subject(&s);
}

/* Anybody can send these: each costs at most one question, and that now and then. */
static void test_forged_restarts(void **state)
{
    (void)state;
    static const uint8_t answer[24] = {2, 0x80};
    struct subject s;
    uint8_t a[60];
    open_subject(&s, NULL, false);
    make_mapped(&s);
    size_t n = s.f->sent_count;
    for (unsigned i = 0; i < 1000; i++)
        comes(&s, answer, sizeof(answer));
    assert_int_equal(s.f->sent_count, n + 1);
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    grant(&s, a, 7200, 1000); /* it was not true */
    comes(&s, a, sizeof(a));
    for (unsigned i = 0; i < 1000; i++)
        comes(&s, answer, sizeof(answer));
    assert_int_equal(s.f->sent_count, n + 1);
    close_subject(&s);
}

/* The answer to MAP overtakes, or was on its way when the release began. */
static void test_late_answers(void **state)
{
    (void)state;
    struct subject s;
    uint8_t a[60];
    open_subject(&s, NULL, false);
    make_mapped(&s);
    grant(&s, a, 7200, 1000);
    s.c->ops->release(s.c, s.f->now);
    size_t n = s.f->sent_count;
    assert_true(comes(&s, a, sizeof(a)));
    assert_int_equal(s.c->state, PH_CLIENT_RELEASING);
    assert_int_equal(s.f->sent_count, n + 1); /* deleted again */
    for (unsigned i = 0; i < 100; i++)
        comes(&s, a, sizeof(a));
    assert_true(s.f->sent_count <= n + 4);
    close_subject(&s);

    open_subject(&s, NULL, false);
    s.c->ops->map(s.c, s.f->now);
    grant(&s, a, 7200, 1000);
    s.c->ops->release(s.c, s.f->now); /* nothing is known of it: a word, and no waiting */
    assert_int_equal(s.f->sent_count, 2);
    assert_int_equal(s.c->state, PH_CLIENT_IDLE);
    assert_true(comes(&s, a, sizeof(a)));
    assert_int_equal(s.c->held, PH_HELD_SURE); /* the mapper gives it back */
    close_subject(&s);
}

/* IPv6: a link-local gateway is spoken to from the address that is to be mapped. */
static void test_v6(void **state)
{
    (void)state;
    struct subject s;
    struct ph_gateway g = {.scope = 7};
    assert_int_equal(ph_addr_parse("fe80::1", &g.gateway), PH_OK);
    assert_int_equal(ph_addr_parse("2001:db8::20", &g.local), PH_OK);
    open_subject(&s, &g, true);
    s.f->socks[1] = (struct ph_addr){.family = PH_AF_V6, .port = FAKE_PORT};
    s.c->ops->map(s.c, s.f->now);
    assert_int_not_equal(fake_last(s.f)->sock, 1);
    struct ph_addr from = s.f->socks[fake_last(s.f)->sock];
    assert_true(ph_addr_ip_eq(&from, &g.local));
    assert_int_equal(fake_last(s.f)->scope, 7);
    assert_memory_equal(fake_last(s.f)->data + 8, g.local.ip, 16);
    assert_int_equal(fake_last(s.f)->data[40] << 8 | fake_last(s.f)->data[41], FAKE_PORT);
    uint8_t a[60];
    grant(&s, a, 7200, 1);
    memcpy(a + 44, g.local.ip, 16);
    assert_true(comes(&s, a, sizeof(a)));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    assert_true(ph_addr_ip_eq(&s.c->mapping.external, &g.local));
    close_subject(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_announce),
        cmocka_unit_test(test_map_bytes),
        cmocka_unit_test(test_nonce),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_nowhere),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_retransmission),
        cmocka_unit_test(test_renewal_unanswered),
        cmocka_unit_test(test_epoch),
        cmocka_unit_test(test_forged_restarts),
        cmocka_unit_test(test_late_answers),
        cmocka_unit_test(test_v6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
