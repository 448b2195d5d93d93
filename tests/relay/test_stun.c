/* The STUN responder, alone, as a server, and on the relay's port. */
#include "client.h"

#include "relay/stun_responder.h"
#include "wire/stun.h"

static const uint8_t tid[PH_STUN_TID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static size_t request(uint8_t out[128], uint32_t flags, bool fingerprint)
{
    struct ph_writer w = ph_writer_init(out, 128);
    int n;

    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    if (flags) {
        ph_stun_put_change_request(&w, flags);
    }
    n = ph_stun_end(&w, fingerprint);
    assert_true(n > 0);
    return (size_t)n;
}

static void init(struct ph_stun_responder *r, const struct ph_addr *addrs, size_t n)
{
    ph_stun_responder_init(r, addrs, n, 42);
}

static void which_address_answers(void **state)
{
    /* Five addresses on one port; and two that differ in all. */
    const struct ph_addr five[] = {
        ph_addr_v4(203, 0, 113, 1, 3478), ph_addr_v4(203, 0, 113, 2, 3478),
        ph_addr_v4(203, 0, 113, 3, 3478), ph_addr_v4(203, 0, 113, 4, 3478),
        ph_addr_v4(203, 0, 113, 5, 3478)};
    const struct ph_addr two[] = {ph_addr_v4(203, 0, 113, 1, 3478),
                                  ph_addr_v4(203, 0, 113, 2, 3479)};
    /* What RFC 5780 asks of a server: both IPs with both ports. */
    const struct ph_addr four[] = {
        ph_addr_v4(203, 0, 113, 1, 3478), ph_addr_v4(203, 0, 113, 2, 3479),
        ph_addr_v4(203, 0, 113, 1, 3479), ph_addr_v4(203, 0, 113, 2, 3478)};
    const struct ph_addr one[] = {ph_addr_v4(203, 0, 113, 1, 3478)};
    /* Of both families: one names none of the other. */
    const struct ph_addr mixed[] = {
        ph_addr_v4(203, 0, 113, 1, 3478),
        {.family = PH_AF_V6, .port = 3478, .ip = {0x20, 0x01, [15] = 1}},
        {.family = PH_AF_V6, .port = 3478, .ip = {0x20, 0x01, [15] = 2}}};
    enum {
        REFUSED = -1
    };
    static const uint32_t ip = PH_STUN_CHANGE_IP, port = PH_STUN_CHANGE_PORT;
    const struct {
        const struct ph_addr *addrs;
        size_t n, at;
        uint32_t flags;
        int from;
        size_t other;
    } cases[] = {
        {five, 5, 0, 0, 0, 1},          {five, 5, 0, ip, 1, 1},        {five, 5, 4, ip, 0, 0},
        {five, 5, 1, ip | port, 2, 2}, /* another IP, the next best */
        {five, 5, 1, port, REFUSED, 0}, {two, 2, 0, ip | port, 1, 1},  {two, 2, 1, ip, 0, 0},
        {two, 2, 0, port, REFUSED, 0},  {four, 4, 0, 0, 0, 1},         {four, 4, 0, ip, 3, 1},
        {four, 4, 0, port, 2, 1},       {four, 4, 0, ip | port, 1, 1}, {four, 4, 3, port, 1, 2},
        {four, 4, 2, 0, 2, 3},          {one, 1, 0, 0, 0, 0},          {one, 1, 0, ip, REFUSED, 0},
        {mixed, 3, 0, 0, 0, 0},         {mixed, 3, 0, ip, REFUSED, 0}, {mixed, 3, 1, 0, 1, 2},
        {mixed, 3, 1, ip, 2, 2},
    };
    struct ph_addr source = ph_addr_v4(192, 0, 2, 7, 5555);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct ph_stun_responder r;
        uint8_t in[128], out[PH_STUN_ANSWER_MAX];
        struct ph_stun m;
        struct ph_addr to;
        size_t from, len;

        init(&r, cases[i].addrs, cases[i].n);
        len = request(in, cases[i].flags, false);
        len = ph_stun_answer(&r, PH_SEC, cases[i].at, &source, in, len, out, &from, &to);
        assert_int_equal(ph_stun_parse(out, len, &m), PH_OK);
        assert_memory_equal(m.tid, tid, sizeof(tid));
        if (cases[i].from == REFUSED) {
            assert_int_equal(m.type, PH_STUN_BINDING_ERROR);
            assert_int_equal(m.error_code, 420);
            assert_int_equal(from, cases[i].at);
            continue;
        }
        assert_int_equal(m.type, PH_STUN_BINDING_SUCCESS);
        assert_int_equal(from, cases[i].from);
        assert_true(ph_addr_eq(&m.mapped, &source));
        assert_null(m.software);
        if (cases[i].other == cases[i].at) {
            assert_false(ph_addr_is_set(&m.other));
            assert_false(ph_addr_is_set(&m.origin));
        } else {
            assert_true(ph_addr_eq(&m.other, &cases[i].addrs[cases[i].other]));
            assert_true(ph_addr_eq(&m.origin, &cases[i].addrs[from]));
        }
    }
}

/* Every address's OTHER-ADDRESS differs in IP and port, and no two are the same: n addresses at two
 * ports make 2n different endpoints out of n that a client was told. */
static void other_addresses_are_distinct(void **state)
{
    struct ph_addr source = ph_addr_v4(192, 0, 2, 7, 5555);

    (void)state;
    for (size_t ips = 2; ips <= PH_STUN_ADDRESSES_MAX / 2; ips++) {
        static struct ph_stun_responder r;
        struct ph_addr addrs[PH_STUN_ADDRESSES_MAX], other[PH_STUN_ADDRESSES_MAX];

        for (size_t i = 0; i < 2 * ips; i++) {
            addrs[i] = ph_addr_v4(203, 0, 113, (uint8_t)(1 + i % ips), (uint16_t)(3478 + i / ips));
        }
        init(&r, addrs, 2 * ips);
        for (size_t i = 0; i < 2 * ips; i++) {
            uint8_t in[128], out[PH_STUN_ANSWER_MAX];
            struct ph_stun m;
            struct ph_addr to;
            size_t from, len = request(in, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT, false);

            len = ph_stun_answer(&r, PH_SEC, i, &source, in, len, out, &from, &to);
            assert_int_equal(ph_stun_parse(out, len, &m), PH_OK);
            other[i] = m.other;
            assert_false(ph_addr_ip_eq(&other[i], &addrs[i]));
            assert_int_not_equal(other[i].port, addrs[i].port);
            assert_true(ph_addr_eq(&other[i], &addrs[from])); /* what is named is what answers */
            for (size_t k = 0; k < i; k++) {
                assert_false(ph_addr_eq(&other[i], &other[k]));
            }
        }
    }
}

/* RFC 5780 section 7.5. */
static void another_port_of_the_source(void **state)
{
    const struct ph_addr two[] = {ph_addr_v4(203, 0, 113, 1, 3478),
                                  ph_addr_v4(203, 0, 113, 2, 3479)};
    const struct ph_addr source = ph_addr_v4(192, 0, 2, 7, 5555);
    static struct ph_stun_responder r;
    uint8_t in[128], out[PH_STUN_ANSWER_MAX];
    struct ph_addr to;
    struct ph_stun m;
    size_t from, len;

    (void)state;
    init(&r, two, 2);
    for (int both = 0; both < 2; both++) {
        struct ph_writer w = ph_writer_init(in, sizeof(in));

        ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
        ph_stun_put_response_port(&w, 6666);
        if (both) {
            ph_stun_put_change_request(&w, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT);
        }
        len = (size_t)ph_stun_end(&w, true);
        len = ph_stun_answer(&r, PH_SEC, 0, &source, in, len, out, &from, &to);
        assert_int_equal(ph_stun_parse(out, len, &m), PH_OK);
        assert_int_equal(from, 0);
        assert_true(ph_addr_ip_eq(&to, &source));
        if (both) {
            assert_int_equal(m.type, PH_STUN_BINDING_ERROR);
            assert_int_equal(m.error_code, 400);
            assert_int_equal(to.port, 5555);
        } else {
            assert_int_equal(m.type, PH_STUN_BINDING_SUCCESS);
            assert_int_equal(to.port, 6666);
            assert_true(ph_addr_eq(&m.mapped, &source)); /* who asked, not who is told */
        }
    }
    /* Its answers are counted with all others of this source. */
    {
        unsigned answered = 0;
        struct ph_writer w = ph_writer_init(in, sizeof(in));

        ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
        ph_stun_put_response_port(&w, 6666);
        len = (size_t)ph_stun_end(&w, false);
        for (unsigned i = 0; i < 1000; i++) {
            answered += ph_stun_answer(&r, PH_SEC, 0, &source, in, len, out, &from, &to) > 0;
        }
        assert_int_equal(answered, PH_STUN_BURST - 2);
    }
    /* A plain request goes back where it came from. */
    len = request(in, 0, false);
    assert_true(ph_stun_answer(&r, 2 * PH_SEC, 0, &source, in, len, out, &from, &to) > 0);
    assert_true(ph_addr_eq(&to, &source));
}

static void unknown_attributes_are_refused(void **state)
{
    static const uint8_t in[] = {
        0x00, 0x01, 0x00, 0x10, 0x21, 0x12, 0xa4, 0x42, /* Binding request, 16 bytes */
        1,    2,    3,    4,    5,    6,    7,    8,    9, 10, 11, 12, /* transaction */
        0x7f, 0x01, 0x00, 0x02, 0xaa, 0xbb, 0x00, 0x00, /* comprehension required: not known */
        0xff, 0x01, 0x00, 0x00,                         /* optional: passed over */
        0x7f, 0x02, 0x00, 0x00,                         /* and another required one */
    };
    const struct ph_addr one = ph_addr_v4(203, 0, 113, 1, 3478);
    struct ph_addr source = ph_addr_v4(192, 0, 2, 7, 5555);
    static struct ph_stun_responder r;
    uint8_t out[PH_STUN_ANSWER_MAX];
    struct ph_stun m;
    struct ph_addr to;
    size_t from, len;

    (void)state;
    init(&r, &one, 1);
    len = ph_stun_answer(&r, PH_SEC, 0, &source, in, sizeof(in), out, &from, &to);
    assert_int_equal(ph_stun_parse(out, len, &m), PH_OK);
    assert_int_equal(m.type, PH_STUN_BINDING_ERROR);
    assert_int_equal(m.error_code, 420);
    /* UNKNOWN-ATTRIBUTES (0x000a): both. */
    assert_memory_equal(out + len - 8, "\x00\x0a\x00\x04\x7f\x01\x7f\x02", 8);
}

static void what_is_not_a_request_is_not_answered(void **state)
{
    static const uint16_t types[] = {PH_STUN_BINDING_INDICATION, PH_STUN_BINDING_SUCCESS,
                                     PH_STUN_BINDING_ERROR, 0x0003};
    const struct ph_addr one = ph_addr_v4(203, 0, 113, 1, 3478);
    struct ph_addr source = ph_addr_v4(192, 0, 2, 7, 5555);
    static struct ph_stun_responder r;
    uint8_t in[128], out[PH_STUN_ANSWER_MAX];
    struct ph_addr to;
    size_t from, len;

    (void)state;
    init(&r, &one, 1);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct ph_writer w = ph_writer_init(in, sizeof(in));

        ph_stun_begin(&w, types[i], tid);
        len = (size_t)ph_stun_end(&w, false);
        assert_int_equal(ph_stun_answer(&r, PH_SEC, 0, &source, in, len, out, &from, &to), 0);
    }
    len = request(in, 0, true);
    in[len - 1] ^= 1; /* its fingerprint */
    assert_int_equal(ph_stun_answer(&r, PH_SEC, 0, &source, in, len, out, &from, &to), 0);
    in[len - 1] ^= 1;
    assert_true(ph_stun_answer(&r, PH_SEC, 0, &source, in, len, out, &from, &to) > 0);
    source.port = 0;
    assert_int_equal(ph_stun_answer(&r, PH_SEC, 0, &source, in, len, out, &from, &to), 0);
    source = ph_addr_v4(224, 0, 0, 1, 99);
    assert_int_equal(ph_stun_answer(&r, PH_SEC, 0, &source, in, len, out, &from, &to), 0);
    assert_int_equal(r.requests, 1);
}

/* The bound that the header states: at most 80 bytes for a request of 20 or more. */
static void an_answer_is_never_long(void **state)
{
    struct ph_addr six[2] = {{.family = PH_AF_V6, .port = 3478, .ip = {0x20, 1, [15] = 1}},
                             {.family = PH_AF_V6, .port = 3479, .ip = {0x20, 1, [15] = 2}}};
    struct ph_addr source = {.family = PH_AF_V6, .port = 5555, .ip = {0x20, 1, [15] = 9}};
    struct ph_addr four[2] = {ph_addr_v4(203, 0, 113, 1, 3478), ph_addr_v4(203, 0, 113, 2, 3478)};
    struct ph_addr source4 = ph_addr_v4(192, 0, 2, 7, 5555);
    static struct ph_stun_responder r;
    uint8_t in[PH_STUN_HEADER_LEN + 16 * 4] = {0x00, 0x01, 0x00, 64, 0x21, 0x12, 0xa4, 0x42};
    uint8_t small[128], out[PH_STUN_ANSWER_MAX];
    struct ph_stun m;
    struct ph_addr to;
    size_t from, len;

    (void)state;
    init(&r, six, 2);
    len = request(small, 0, true);
    len = ph_stun_answer(&r, PH_SEC, 0, &source, small, len, out, &from, &to);
    assert_in_range(len, 1, PH_STUN_ANSWER_MAX);
    assert_int_equal(ph_stun_parse(out, len, &m), PH_OK);
    assert_true(ph_addr_eq(&m.mapped, &source));
    assert_true(ph_addr_eq(&m.other, &six[1]));
    assert_true(m.fingerprint);

    init(&r, four, 2);
    len = request(small, 0, false);
    assert_int_equal(len, 20);
    len = ph_stun_answer(&r, PH_SEC, 0, &source4, small, len, out, &from, &to);
    assert_int_equal(len, 56); /* 2.8 times: the worst */

    /* Sixteen unknown attributes. */
    for (size_t i = 0; i < 16; i++) {
        in[PH_STUN_HEADER_LEN + 4 * i] = 0x7f;
        in[PH_STUN_HEADER_LEN + 4 * i + 1] = (uint8_t)i;
    }
    len = ph_stun_answer(&r, PH_SEC, 0, &source4, in, sizeof(in), out, &from, &to);
    assert_in_range(len, 1, PH_STUN_ANSWER_MAX);
    assert_int_equal(ph_stun_parse(out, len, &m), PH_OK);
    assert_int_equal(m.error_code, 420);
}

static void a_source_has_a_rate(void **state)
{
    const struct ph_addr one = ph_addr_v4(203, 0, 113, 1, 3478);
    struct ph_addr source = ph_addr_v4(192, 0, 2, 7, 1);
    static struct ph_stun_responder r;
    uint8_t in[128], out[PH_STUN_ANSWER_MAX];
    struct ph_addr to;
    size_t from, len;
    unsigned answered = 0;
    ph_ns now = PH_SEC;

    (void)state;
    init(&r, &one, 1);
    len = request(in, 0, false);
    for (unsigned i = 0; i < 1000; i++) {
        source.port = (uint16_t)(1 + i); /* ports do not make it another source */
        answered += ph_stun_answer(&r, now, 0, &source, in, len, out, &from, &to) > 0;
    }
    assert_int_equal(answered, PH_STUN_BURST);
    source.ip[3] = 8;
    assert_true(ph_stun_answer(&r, now, 0, &source, in, len, out, &from, &to) > 0);
    source.ip[3] = 7;
    assert_int_equal(ph_stun_answer(&r, now, 0, &source, in, len, out, &from, &to), 0);
    now += PH_SEC / 2;
    answered = 0;
    for (unsigned i = 0; i < 1000; i++) {
        answered += ph_stun_answer(&r, now, 0, &source, in, len, out, &from, &to) > 0;
    }
    assert_int_equal(answered, PH_STUN_RATE / 2);
}

static void a_server_answers_on_each_address(void **state)
{
    struct fake_net *net = fake_net_new();
    struct fake_host *host = fake_host_new(net);
    struct ph_addr addrs[5];
    struct ph_addr source = ph_addr_v4(192, 0, 2, 99, 5555);
    struct ph_stun_server *server;
    struct ph_stun m;
    uint8_t in[128];
    size_t len;

    (void)state;
    for (uint8_t i = 0; i < 5; i++) {
        addrs[i] = ph_addr_v4(203, 0, 113, (uint8_t)(1 + i), 3478);
    }
    assert_int_equal(ph_stun_server_new(&host->base, addrs, 5, &server), PH_OK);
    for (uint8_t i = 0; i < 5; i++) {
        len = request(in, 0, false);
        fake_inject(net, &source, &addrs[i], in, len);
        fake_run(net, PH_SEC);
        assert_int_equal(host->strays, 2 * i + 1);
        assert_true(ph_addr_eq(&host->stray_to, &source));
        assert_true(ph_addr_eq(&host->stray_from, &addrs[i]));
        assert_int_equal(ph_stun_parse(host->stray, host->stray_len, &m), PH_OK);
        assert_true(ph_addr_eq(&m.mapped, &source));
        assert_true(ph_addr_eq(&m.other, &addrs[(i + 1) % 5]));
        len = request(in, PH_STUN_CHANGE_IP, false);
        fake_inject(net, &source, &addrs[i], in, len);
        fake_run(net, PH_SEC);
        assert_true(ph_addr_eq(&host->stray_from, &addrs[(i + 1) % 5]));
    }
    fake_inject(net, &source, &addrs[0], "\x40quic?", 6);
    fake_run(net, PH_SEC);
    assert_int_equal(host->strays, 10);
    ph_stun_server_free(server);
    assert_null(host->base.endpoint);
    assert_int_equal(ph_stun_server_new(&host->base, addrs, 0, &server), PH_ERR_INVAL);
    addrs[1] = addrs[0];
    assert_int_equal(ph_stun_server_new(&host->base, addrs, 2, &server), PH_ERR_SYS);
    fake_net_free(net);
}

static void the_relay_answers_on_its_own_port(void **state)
{
    struct subject s;
    struct ph_addr source = ph_addr_v4(192, 0, 2, 99, 5555);
    struct ph_stun m;
    uint8_t in[128];
    size_t len;

    (void)state;
    subject_init(&s, NULL);
    len = request(in, 0, false);
    fake_inject(s.net, &source, &s.addr, in, len);
    fake_run(s.net, PH_SEC);
    assert_int_equal(ph_stun_parse(s.host->stray, s.host->stray_len, &m), PH_OK);
    assert_true(ph_addr_eq(&m.mapped, &source));
    assert_true(ph_addr_eq(&m.other, &s.addr2));
    assert_true(ph_addr_eq(&s.host->stray_from, &s.addr));
    /* Its answer to another port of the same source. */
    {
        struct ph_writer w = ph_writer_init(in, sizeof(in));

        ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
        ph_stun_put_response_port(&w, 6666);
        len = (size_t)ph_stun_end(&w, true);
    }
    fake_inject(s.net, &source, &s.addr, in, len);
    fake_run(s.net, PH_SEC);
    assert_int_equal(s.host->stray_to.port, 6666);
    assert_true(ph_addr_ip_eq(&s.host->stray_to, &source));
    /* The knock from the other address, by which openers learn their TTL. */
    len = request(in, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT, false);
    fake_inject(s.net, &source, &s.addr, in, len);
    fake_run(s.net, PH_SEC);
    assert_true(ph_addr_eq(&s.host->stray_from, &s.addr2));
    assert_int_equal(subject_stats(&s).stun_requests, 3);
    subject_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_address_answers),
        cmocka_unit_test(other_addresses_are_distinct),
        cmocka_unit_test(another_port_of_the_source),
        cmocka_unit_test(unknown_attributes_are_refused),
        cmocka_unit_test(what_is_not_a_request_is_not_answered),
        cmocka_unit_test(an_answer_is_never_long),
        cmocka_unit_test(a_source_has_a_rate),
        cmocka_unit_test(a_server_answers_on_each_address),
        cmocka_unit_test(the_relay_answers_on_its_own_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
