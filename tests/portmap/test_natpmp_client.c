/* The NAT-PMP client alone: its bytes, and what it makes of others'. */
#include "fake_host.h"
#include "portmap/natpmp_client.h"

struct subject {
    struct fake_host *f;
    struct ph_outlet outlet;
    struct ph_natpmp_client n;
    struct ph_client *c;
};

static void open_subject(struct subject *s)
{
    *s = (struct subject){.f = fake_new()};
    s->outlet = (struct ph_outlet){.host = &s->f->base, .sock = 1};
    ph_natpmp_client_init(&s->n, &s->outlet, &s->f->gateways[0], &s->f->gateways[0].local);
    s->c = &s->n.asker.base;
    s->c->wish = (struct ph_client_wish){FAKE_PORT, 41000, 7200, true};
}

static void close_subject(struct subject *s)
{
    s->c->ops->forget(s->c, s->f->now);
    fake_free(s->f);
}

static bool comes(struct subject *s, const void *data, size_t len)
{
    uint8_t *copy = fake_copy(data, len);
    struct ph_datagram d = {.peer = s->c->server, .data = copy, .len = len};
    bool taken = ph_natpmp_client_on_datagram(&s->n, s->f->now, &d);
    free(copy);
    return taken;
}

static const uint8_t address_request[2] = {0, 0};
static const uint8_t address[12] = {0,   128, 0,   0, 0, 0, 0x03, 0xe8, /* epoch 1000 */
                                    203, 0,   113, 7};
static const uint8_t map_request[12] = {0,    1,    0, 0, 0x9c, 0x40,  /* UDP, 40000 */
                                        0xa0, 0x28, 0, 0, 0x1c, 0x20}; /* 41000, 7200 s */
static const uint8_t map[16] = {0,    129,  0,    0,    0, 0, 0x03, 0xe8,
                                0x9c, 0x40, 0xa0, 0x28, 0, 0, 0x1c, 0x20};
static const uint8_t delete_request[12] = {0, 1, 0, 0, 0x9c, 0x40, 0, 0, 0, 0, 0, 0};
static const uint8_t deleted[16] = {0, 129, 0, 0, 0, 0, 0x03, 0xe8, 0x9c, 0x40};

static void make_mapped(struct subject *s)
{
    s->c->ops->map(s->c, s->f->now);
    s->f->now += PH_MS;
    assert_true(comes(s, address, sizeof(address)));
    assert_true(comes(s, map, sizeof(map)));
    assert_int_equal(s->c->state, PH_CLIENT_MAPPED);
}

static void test_bytes(void **state)
{
    (void)state;
    struct subject s;
    open_subject(&s);
    s.c->ops->probe(s.c, s.f->now);
    assert_int_equal(fake_last(s.f)->len, sizeof(address_request));
    assert_memory_equal(fake_last(s.f)->data, address_request, sizeof(address_request));
    struct ph_addr server = fake_port(FAKE_GATEWAY, 5351);
    assert_true(ph_addr_eq(&fake_last(s.f)->to, &server));
    s.f->now += 2 * PH_MS;
    assert_true(comes(&s, address, sizeof(address)));
    assert_int_equal(s.c->state, PH_CLIENT_PRESENT);
    assert_int_equal(s.c->report.rtt, 2 * PH_MS);
    struct ph_addr ip = FAKE_EXTERNAL;
    assert_true(ph_addr_ip_eq(&s.c->report.external, &ip));
    s.c->ops->map(s.c, s.f->now); /* the address is known: one round trip */
    assert_int_equal(s.f->sent_count, 2);
    assert_int_equal(fake_last(s.f)->len, sizeof(map_request));
    assert_memory_equal(fake_last(s.f)->data, map_request, sizeof(map_request));
    assert_true(comes(&s, map, sizeof(map)));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    struct ph_addr external = fake_port(FAKE_EXTERNAL, 41000);
    assert_true(ph_addr_eq(&s.c->mapping.external, &external));
    assert_int_equal(s.c->mapping.lifetime_s, 7200);
    s.c->ops->release(s.c, s.f->now);
    assert_int_equal(fake_last(s.f)->len, sizeof(delete_request));
    assert_memory_equal(fake_last(s.f)->data, delete_request, sizeof(delete_request));
    assert_true(comes(&s, deleted, sizeof(deleted)));
    assert_int_equal(s.c->state, PH_CLIENT_PRESENT);
    assert_int_equal(s.c->report.said, PH_PORTMAP_RELEASED);
    close_subject(&s);
}

/* Both questions at once, answered in either order; what is lost is asked again alone. */
static void test_both_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct subject s;
        open_subject(&s);
        s.c->ops->map(s.c, s.f->now);
        assert_int_equal(s.f->sent_count, 2);
        if (i == 0)
            comes(&s, map, sizeof(map));
        else
            comes(&s, address, sizeof(address));
        assert_int_equal(s.c->state, PH_CLIENT_MAPPING);
        fake_client_runs(s.f, s.c, 300 * PH_MS);
        assert_int_equal(s.f->sent_count, 3);
        assert_int_equal(fake_last(s.f)->len, i == 0 ? 2 : 12);
        comes(&s, address, sizeof(address));
        comes(&s, map, sizeof(map));
        assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
        close_subject(&s);
    }
}

/* A port, and no address: for what it is worth. */
static void test_no_address(void **state)
{
    (void)state;
    static const uint8_t no[8] = {0, 128, 0, 3, 0, 0, 0x03, 0xe8}; /* NETWORK_FAILURE */
    struct subject s;
    open_subject(&s);
    s.c->ops->map(s.c, s.f->now);
    comes(&s, map, sizeof(map));
    comes(&s, no, sizeof(no));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    assert_true(ph_addr_is_any(&s.c->mapping.external));
    assert_int_equal(s.c->mapping.external.port, 41000);
    close_subject(&s);
    open_subject(&s);
    s.c->ops->map(s.c, s.f->now);
    comes(&s, map, sizeof(map));
    fake_client_runs(s.f, s.c, PH_SEC); /* ... or silence */
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    close_subject(&s);
}

static void test_foreign(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t x;
    } flips[] = {
        {0, 1},   /* version */
        {1, 128}, /* a request */
        {1, 3},   /* TCP's */
        {9, 1},   /* internal port: another mapping's (libnatpmp#14) */
    };
    struct subject s;
    uint8_t a[16];
    open_subject(&s);
    s.c->ops->map(s.c, s.f->now);
    comes(&s, address, sizeof(address));
    for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
        memcpy(a, map, sizeof(a));
        a[flips[i].at] ^= flips[i].x;
        comes(&s, a, sizeof(a));
        assert_int_equal(s.c->state, PH_CLIENT_MAPPING);
    }
    comes(&s, deleted, sizeof(deleted)); /* of a release before (libnatpmp#16) */
    assert_int_equal(s.c->state, PH_CLIENT_MAPPING);
    for (size_t len = 0; len < sizeof(map); len++) {
        comes(&s, map, len);
        assert_int_equal(s.c->state, PH_CLIENT_MAPPING);
    }
    comes(&s, map, sizeof(map));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    close_subject(&s);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        uint8_t result;
        size_t len;
        enum ph_portmap_said said;
    } cases[] = {
        {2, 16, PH_PORTMAP_REFUSED},     {4, 16, PH_PORTMAP_REFUSED},
        {5, 16, PH_PORTMAP_UNSUPPORTED}, {2, 8, PH_PORTMAP_REFUSED}, /* a head alone */
        {99, 16, PH_PORTMAP_REFUSED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct subject s;
        uint8_t a[16];
        open_subject(&s);
        s.c->ops->map(s.c, s.f->now);
        memcpy(a, map, sizeof(a));
        a[3] = cases[i].result;
        comes(&s, a, cases[i].len);
        assert_int_equal(s.c->state, PH_CLIENT_DOWN);
        assert_int_equal(s.c->report.said, cases[i].said);
        assert_int_equal(s.c->report.code, cases[i].result);
        assert_int_equal(s.c->held, PH_HELD_NOTHING);
        close_subject(&s);
    }
}

static void test_versions(void **state)
{
    (void)state;
    /* The answer to a PCP request looks like one to an address request: not ours. */
    static const uint8_t pcps[8] = {0, 128, 0, 1, 0, 0, 0x03, 0xe8};
    /* A server that speaks PCP alone. */
    static const uint8_t pcp_only[24] = {2, 0x80, 0, 1};
    struct subject s;
    open_subject(&s);
    s.c->ops->probe(s.c, s.f->now);
    comes(&s, pcps, sizeof(pcps));
    assert_int_equal(s.c->state, PH_CLIENT_PROBING);
    comes(&s, pcp_only, sizeof(pcp_only));
    assert_int_equal(s.c->state, PH_CLIENT_DOWN);
    assert_int_equal(s.c->report.said, PH_PORTMAP_UNSUPPORTED);
    close_subject(&s);
}

static void test_port_zero(void **state)
{
    (void)state;
    struct subject s;
    uint8_t a[16];
    open_subject(&s);
    s.c->ops->map(s.c, s.f->now);
    memcpy(a, map, sizeof(a));
    a[10] = a[11] = 0;
    comes(&s, a, sizeof(a));
    assert_int_equal(s.c->report.said, PH_PORTMAP_BROKEN);
    close_subject(&s);
}

static void test_upkeep(void **state)
{
    (void)state;
    struct subject s;
    uint8_t a[16];
    open_subject(&s);
    make_mapped(&s);
    ph_ns made = s.f->now;
    fake_client_runs(s.f, s.c, 60 * PH_SEC);
    assert_int_equal(fake_last(s.f)->len, 2); /* the watch */
    memcpy(a, address, 12);
    a[7] = (uint8_t)(a[7] + 16); /* epoch 1016 after 60 s: it restarted */
    comes(&s, a, 12);
    assert_int_equal(s.c->state, PH_CLIENT_PRESENT);
    assert_int_equal(s.c->held, PH_HELD_NOTHING);
    close_subject(&s);

    /* Another external address, and an epoch that says that nothing happened (miniupnp#254). */
    open_subject(&s);
    make_mapped(&s);
    fake_client_runs(s.f, s.c, 60 * PH_SEC);
    memcpy(a, address, 12);
    a[6] = 1060 >> 8;
    a[7] = 1060 & 0xff;
    a[11] = 99;
    comes(&s, a, 12);
    assert_int_equal(s.c->state, PH_CLIENT_PRESENT);
    s.c->ops->map(s.c, s.f->now);
    memcpy(a, map, 16);
    a[6] = 1060 >> 8;
    a[7] = 1060 & 0xff;
    comes(&s, a, 16);
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    assert_int_equal(s.c->mapping.external.ip[3], 99);
    close_subject(&s);

    /* Half of its life. */
    open_subject(&s);
    make_mapped(&s);
    made = s.f->now;
    while (fake_last(s.f)->len != 12 || fake_last(s.f)->at == made - PH_MS)
        fake_client_runs(s.f, s.c, PH_SEC / 2);
    assert_true(fake_last(s.f)->at >= made + 3600 * PH_SEC &&
                fake_last(s.f)->at <= made + 3602 * PH_SEC);
    assert_memory_equal(fake_last(s.f)->data, map_request, sizeof(map_request));
    close_subject(&s);
}

/* The line goes, and comes back with another address; or it was not there when the port was given.
 */
static void test_line_comes_back(void **state)
{
    (void)state;
    struct subject s;
    uint8_t none[12] = {0, 128, 0, 3, 0, 0, 1060 >> 8, 1060 & 0xff}; /* NETWORK_FAILURE */
    uint8_t other[12] = {0, 128, 0, 0, 0, 0, 1120 >> 8, 1120 & 0xff, 203, 0, 113, 99};
    open_subject(&s);
    make_mapped(&s);
    fake_client_runs(s.f, s.c, 60 * PH_SEC);
    comes(&s, none, sizeof(none));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    fake_client_runs(s.f, s.c, 60 * PH_SEC);
    comes(&s, other, sizeof(other));
    assert_int_equal(s.c->state, PH_CLIENT_PRESENT);
    close_subject(&s);

    open_subject(&s);
    s.c->ops->map(s.c, s.f->now);
    none[6] = 1000 >> 8;
    none[7] = 1000 & 0xff;
    comes(&s, none, sizeof(none));
    comes(&s, map, sizeof(map));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    assert_int_equal(s.c->mapping.external.ip[0], 0);
    fake_client_runs(s.f, s.c, 60 * PH_SEC);
    other[6] = 1060 >> 8;
    other[7] = 1060 & 0xff;
    comes(&s, other, sizeof(other));
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    assert_int_equal(s.c->mapping.external.ip[3], 99);
    assert_int_equal(s.c->mapping.external.port, 41000);
    close_subject(&s);
}

static void test_forged(void **state)
{
    (void)state;
    struct subject s;
    uint8_t a[12];
    open_subject(&s);
    make_mapped(&s);
    size_t n = s.f->sent_count;
    memcpy(a, address, sizeof(a));
    a[6] = a[7] = 0;
    a[11] = 66;
    for (unsigned i = 0; i < 1000; i++) {
        comes(&s, map, sizeof(map));
        comes(&s, deleted, sizeof(deleted));
    }
    assert_int_equal(s.f->sent_count, n);
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    comes(&s, a, sizeof(a));
    assert_int_equal(s.f->sent_count, n + 1); /* it asks */
    assert_int_equal(s.c->state, PH_CLIENT_MAPPED);
    close_subject(&s);
}

static void test_late_answers(void **state)
{
    (void)state;
    struct subject s;
    open_subject(&s);
    make_mapped(&s);
    s.c->ops->release(s.c, s.f->now);
    size_t n = s.f->sent_count;
    comes(&s, map, sizeof(map)); /* the renewal's, perhaps */
    assert_int_equal(s.c->state, PH_CLIENT_RELEASING);
    assert_int_equal(s.f->sent_count, n + 1);
    for (unsigned i = 0; i < 100; i++)
        comes(&s, map, sizeof(map));
    assert_true(s.f->sent_count <= n + 4);
    close_subject(&s);
    open_subject(&s);
    s.c->ops->map(s.c, s.f->now);
    s.c->ops->release(s.c, s.f->now);
    assert_int_equal(s.c->state, PH_CLIENT_IDLE);
    assert_memory_equal(fake_last(s.f)->data, delete_request, sizeof(delete_request));
    comes(&s, map, sizeof(map));
    assert_int_equal(s.c->held, PH_HELD_SURE);
    close_subject(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),           cmocka_unit_test(test_both_at_once),
        cmocka_unit_test(test_no_address),      cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_port_zero),       cmocka_unit_test(test_upkeep),
        cmocka_unit_test(test_line_comes_back), cmocka_unit_test(test_forged),
        cmocka_unit_test(test_late_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
