/* Attributes, written and read; the vectors of the RFCs are in test_stun_vectors.c. */
#include "base/err.h"
#include "base/mac.h"
#include "wire/stun.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COOKIE 0x21, 0x12, 0xa4, 0x42
#define TID    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12

static const uint8_t tid[] = {TID};
static const struct ph_addr v4 = {.family = PH_AF_V4, .port = 4000, .ip = {203, 0, 113, 9}};
static const struct ph_addr v6 = {
    .family = PH_AF_V6, .port = 4001, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 9}};

/* A request with these bytes as its attributes. */
static int parse_attrs(const void *attrs, size_t len, struct ph_stun *out)
{
    static uint8_t data[512];
    struct ph_writer w = ph_writer_init(data, sizeof(data));

    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    ph_write_bytes(&w, attrs, len);
    ph_write_patch_u16(&w, 2, (uint16_t)len);
    assert_false(w.bad);
    return ph_stun_parse(data, ph_writer_len(&w), out);
}

/* What every builder writes, and that the parser reads the same. */
static void test_every_attribute(void **state)
{
    /* clang-format off */
    static const uint8_t want[] = {
        0x01, 0x11, 0x00, 0xcc,                                     /* Binding error, 204 bytes */
        COOKIE, TID,
        0x00, 0x20, 0x00, 0x08,                                     /* XOR-MAPPED-ADDRESS */
        0x00, 0x01, 0x2e, 0xb2, 0xea, 0x12, 0xd5, 0x4b,             /* 203.0.113.9:4000 */
        0x80, 0x2c, 0x00, 0x14,                                     /* OTHER-ADDRESS */
        0x00, 0x02, 0x0f, 0xa1, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, /* [2001:db8::9]:4001 */
        0, 0, 0, 0, 0, 0, 0, 9,
        0x80, 0x2b, 0x00, 0x08,                                     /* RESPONSE-ORIGIN */
        0x00, 0x01, 0x0f, 0xa0, 203, 0, 113, 9,                     /* 203.0.113.9:4000 */
        0x00, 0x06, 0x00, 0x05, 'a', ':', 'b', 'c', 'd', 0, 0, 0,   /* USERNAME */
        0x00, 0x03, 0x00, 0x04, 0, 0, 0, 6,                         /* CHANGE-REQUEST: both */
        0x00, 0x27, 0x00, 0x04, 0x0f, 0xa2, 0, 0,                   /* RESPONSE-PORT 4002 */
        0x00, 0x24, 0x00, 0x04, 0x7e, 0x00, 0x00, 0xff,             /* PRIORITY */
        0x80, 0x2a, 0x00, 0x08, 1, 2, 3, 4, 5, 6, 7, 8,             /* ICE-CONTROLLING */
        0x00, 0x25, 0x00, 0x00,                                     /* USE-CANDIDATE */
        0x00, 0x26, 0x00, 0x05, 0, 0, 0, 0, 0, 0, 0, 0,             /* PADDING */
        0x00, 0x09, 0x00, 0x08, 0, 0, 4, 87, 'r', 'o', 'l', 'e',    /* ERROR-CODE 487 */
        0x00, 0x0a, 0x00, 0x06, 0x7f, 0x01, 0x7f, 0x02, 0x7f, 0x03, /* UNKNOWN-ATTRIBUTES */
        0x00, 0x00,                                                 /* its padding */
    };
    /* clang-format on */
    static const uint16_t unknown[] = {0x7f01, 0x7f02, 0x7f03};
    uint8_t out[256];
    struct ph_writer w = ph_writer_init(out, sizeof(out));
    struct ph_stun m;
    int len;

    (void)state;
    ph_stun_begin(&w, PH_STUN_BINDING_ERROR, tid);
    ph_stun_put_mapped(&w, &v4);
    ph_stun_put_other(&w, &v6);
    ph_stun_put_origin(&w, &v4);
    ph_stun_put_username(&w, "a:bcd", 5);
    ph_stun_put_change_request(&w, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT);
    ph_stun_put_response_port(&w, 4002);
    ph_stun_put_priority(&w, 0x7e0000ff);
    ph_stun_put_role(&w, true, 0x0102030405060708u);
    ph_stun_put_use_candidate(&w);
    ph_stun_put_padding(&w, 5);
    ph_stun_put_error(&w, 487, "role");
    ph_stun_put_unknown(&w, unknown, 3);
    ph_stun_put_integrity(&w, "key", 3);
    ph_stun_put_integrity256(&w, "key", 3);
    len = ph_stun_end(&w, true);
    assert_int_equal(len, sizeof(want) + 24 + 36 + 8);
    assert_memory_equal(out, want, sizeof(want));

    assert_int_equal(ph_stun_parse(out, (size_t)len, &m), PH_OK);
    assert_int_equal(m.type, PH_STUN_BINDING_ERROR);
    assert_true(ph_addr_eq(&m.mapped, &v4));
    assert_true(ph_addr_eq(&m.other, &v6));
    assert_true(ph_addr_eq(&m.origin, &v4));
    assert_int_equal(m.username_len, 5);
    assert_memory_equal(m.username, "a:bcd", 5);
    assert_int_equal(m.change_request, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT);
    assert_int_equal(m.response_port, 4002);
    assert_int_equal(m.priority, 0x7e0000ff);
    assert_true(m.controlling && !m.controlled && m.use_candidate && m.fingerprint);
    assert_true(m.tie_breaker == 0x0102030405060708u);
    assert_int_equal(m.error_code, 487);
    assert_int_equal(m.integrity_offset, sizeof(want));
    assert_int_equal(m.integrity256_offset, sizeof(want) + 24);
    assert_int_equal(m.unknown_count, 0);
    assert_true(ph_stun_verify(out, (size_t)len, &m, "key", 3));
    assert_false(ph_stun_verify(out, (size_t)len, &m, "kez", 3));
    /* The SHA256 one decides: when it is right, the older one is not asked, and when it is wrong,
     * the older one does not help. Both cover the fields before them alone. */
    out[m.integrity256_offset + 4] ^= 1;
    assert_false(ph_stun_verify(out, (size_t)len, &m, "key", 3));
    m.integrity256_offset = 0;
    assert_true(ph_stun_verify(out, (size_t)len, &m, "key", 3));
    m.integrity_offset = 0;
    assert_false(ph_stun_verify(out, (size_t)len, &m, "key", 3));
}

/* A truncated MESSAGE-INTEGRITY-SHA256 (RFC 8489 section 14.6: 16 bytes at least). */
static void test_truncated_integrity256(void **state)
{
    uint8_t out[128];
    struct ph_writer w = ph_writer_init(out, sizeof(out));
    uint8_t mac[32];
    struct ph_stun m;
    int len;

    (void)state;
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    len = ph_stun_end(&w, false);
    assert_int_equal(len, 20);
    for (size_t cut = 12; cut <= 36; cut += 4) {
        uint8_t header[20];
        int err;

        memcpy(header, out, sizeof(header));
        header[3] = (uint8_t)(4 + cut); /* the HMAC sees the length of the cut attribute */
        ph_hmac_sha256("key", 3, header, sizeof(header), NULL, 0, mac);
        w = ph_writer_init(out, sizeof(out));
        ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
        ph_write_u16(&w, PH_STUN_MESSAGE_INTEGRITY_SHA256);
        ph_write_u16(&w, (uint16_t)cut);
        for (size_t i = 0; i < cut; i++)
            ph_write_u8(&w, i < sizeof(mac) ? mac[i] : 0);
        len = ph_stun_end(&w, true);
        err = ph_stun_parse(out, (size_t)len, &m);
        if (cut < 16 || cut > 32) {
            assert_int_equal(err, PH_ERR_FORMAT);
            continue;
        }
        assert_int_equal(err, PH_OK);
        assert_true(ph_stun_verify(out, (size_t)len, &m, "key", 3));
    }
}

/* Servers of RFC 3489 have no XOR-MAPPED-ADDRESS and CHANGED-ADDRESS for OTHER-ADDRESS; where both
 * are there the newer counts, whatever the order. */
static void test_old_servers(void **state)
{
    /* clang-format off */
    static const uint8_t old[] = {
        0x00, 0x01, 0x00, 0x08, 0, 1, 0x0f, 0xa0, 10, 0, 0, 1,            /* MAPPED-ADDRESS */
        0x00, 0x05, 0x00, 0x08, 0, 1, 0x0f, 0xa1, 10, 0, 0, 2,            /* CHANGED-ADDRESS */
        0x00, 0x04, 0x00, 0x08, 0, 1, 0x0f, 0xa2, 10, 0, 0, 3,            /* SOURCE-ADDRESS */
    };
    static const uint8_t newer[] = {
        0x00, 0x20, 0x00, 0x08, 0, 1, 0x2e, 0xb2, 0xea, 0x12, 0xd5, 0x4b, /* XOR-MAPPED-ADDRESS */
        0x80, 0x2c, 0x00, 0x08, 0, 1, 0x0f, 0xa0, 203, 0, 113, 9,         /* OTHER-ADDRESS */
    };
    /* clang-format on */
    const struct ph_addr mapped = ph_addr_v4(10, 0, 0, 1, 4000);
    const struct ph_addr changed = ph_addr_v4(10, 0, 0, 2, 4001);
    uint8_t both[sizeof(old) + sizeof(newer)];
    struct ph_stun m;

    (void)state;
    assert_int_equal(parse_attrs(old, sizeof(old), &m), PH_OK);
    assert_true(ph_addr_eq(&m.mapped, &mapped));
    assert_true(ph_addr_eq(&m.other, &changed));
    assert_int_equal(m.unknown_count, 0);

    memcpy(both, old, sizeof(old));
    memcpy(both + sizeof(old), newer, sizeof(newer));
    assert_int_equal(parse_attrs(both, sizeof(both), &m), PH_OK);
    assert_true(ph_addr_eq(&m.mapped, &v4));
    assert_true(ph_addr_eq(&m.other, &v4));

    memcpy(both, newer, sizeof(newer));
    memcpy(both + sizeof(newer), old, sizeof(old));
    assert_int_equal(parse_attrs(both, sizeof(both), &m), PH_OK);
    assert_true(ph_addr_eq(&m.mapped, &v4));
    assert_true(ph_addr_eq(&m.other, &v4));
}

static void test_unknown(void **state)
{
    static const uint8_t some[] = {
        0x7f, 0xff, 0, 0,             /* must be understood */
        0x80, 0x00, 0, 0,             /* need not be */
        0x00, 0x02, 0, 1, 9, 0, 0, 0, /* must */
        0xff, 0xff, 0, 4, 1, 2, 3, 4, /* need not */
        0x00, 0x00, 0, 0,             /* must */
    };
    uint8_t many[4 * (PH_STUN_UNKNOWN_MAX + 4)] = {0};
    struct ph_stun m;

    (void)state;
    assert_int_equal(parse_attrs(some, sizeof(some), &m), PH_OK);
    assert_int_equal(m.unknown_count, 3);
    assert_int_equal(m.unknown[0], 0x7fff);
    assert_int_equal(m.unknown[1], 0x0002);
    assert_int_equal(m.unknown[2], 0x0000);
    for (size_t i = 0; i < sizeof(many); i += 4)
        many[i] = 0x7f;
    assert_int_equal(parse_attrs(many, sizeof(many), &m), PH_OK);
    assert_int_equal(m.unknown_count, PH_STUN_UNKNOWN_MAX);
}

/* Empty it is a question; of eight bytes the first counts; others are somebody else's. */
static void test_voucher(void **state)
{
    static const uint8_t asks[] = {0xc0, 0xf1, 0, 0};
    static const uint8_t gives[] = {0xc0, 0xf1, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8,
                                    0xc0, 0xf1, 0, 8, 9, 9, 9, 9, 9, 9, 9, 9};
    static const uint8_t other[] = {0xc0, 0xf1, 0, 4, 1, 2, 3, 4};
    uint8_t out[64];
    struct ph_stun m;

    (void)state;
    assert_int_equal(parse_attrs(asks, sizeof(asks), &m), PH_OK);
    assert_true(m.asks_voucher && m.voucher == 0 && m.unknown_count == 0);
    assert_int_equal(parse_attrs(gives, sizeof(gives), &m), PH_OK);
    assert_false(m.asks_voucher);
    assert_true(m.voucher == 0x0102030405060708u);
    assert_int_equal(parse_attrs(other, sizeof(other), &m), PH_OK);
    assert_true(!m.asks_voucher && m.voucher == 0);
    for (uint64_t v = 0; v < 2; v++) {
        struct ph_writer w = ph_writer_init(out, sizeof(out));
        int n;

        ph_stun_begin(&w, PH_STUN_BINDING_SUCCESS, tid);
        ph_stun_put_voucher(&w, v << 63);
        n = ph_stun_end(&w, false);
        assert_int_equal(n, PH_STUN_HEADER_LEN + (v ? 12 : 4));
        assert_int_equal(ph_stun_parse(out, (size_t)n, &m), PH_OK);
        assert_true(m.asks_voucher == (v == 0) && m.voucher == v << 63);
    }
}

/* RFC 5780 section 7.5: two bytes, and two of padding that some count in the length. */
static void test_response_port(void **state)
{
    static const struct {
        uint8_t attrs[12];
        size_t len;
        int err;
        uint16_t port;
    } cases[] = {
        {{0x00, 0x27, 0, 4, 0x0f, 0xa2, 0, 0}, 8, PH_OK, 4002},
        {{0x00, 0x27, 0, 2, 0x0f, 0xa2, 0, 0}, 8, PH_OK, 4002},
        {{0x00, 0x27, 0, 4, 0x00, 0x00, 0, 0}, 8, PH_ERR_FORMAT, 0},
        {{0x00, 0x27, 0, 1, 0x0f, 0x00, 0, 0}, 8, PH_ERR_FORMAT, 0},
        {{0x00, 0x27, 0, 3, 0x0f, 0xa2, 0, 0}, 8, PH_ERR_FORMAT, 0},
        {{0x00, 0x27, 0, 0}, 4, PH_ERR_FORMAT, 0},
        {{0x00, 0x27, 0, 8, 0x0f, 0xa2, 0, 0, 0, 0, 0, 0}, 12, PH_ERR_FORMAT, 0},
    };
    struct ph_stun m;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse_attrs(cases[i].attrs, cases[i].len, &m), cases[i].err);
        if (cases[i].err == PH_OK) {
            assert_int_equal(m.response_port, cases[i].port);
            assert_int_equal(m.unknown_count, 0);
        }
    }
}

/* RFC 8489 section 14: of a repeated attribute the first counts. */
static void test_repeated(void **state)
{
    static const uint8_t attrs[] = {
        0x00, 0x24, 0, 4, 0,   0, 0, 1, 0x00, 0x24, 0, 4, 0,   0, 0, 2, /* PRIORITY */
        0x00, 0x06, 0, 1, 'a', 0, 0, 0, 0x00, 0x06, 0, 1, 'b', 0, 0, 0, /* USERNAME */
    };
    struct ph_stun m;

    (void)state;
    assert_int_equal(parse_attrs(attrs, sizeof(attrs), &m), PH_OK);
    assert_int_equal(m.priority, 1);
    assert_int_equal(m.username[0], 'a');
}

/* Builders that cannot write say so at the end and never write beyond the buffer. */
static void test_build_limits(void **state)
{
    static const struct ph_addr none = {0};
    static const uint16_t types[PH_STUN_UNKNOWN_MAX + 1] = {0};
    static char reason[129];
    uint8_t out[256];
    struct ph_writer w;

    (void)state;
    memset(reason, 'r', sizeof(reason) - 1);
    for (size_t cap = 0; cap < 100; cap++) {
        memset(out, 0xee, sizeof(out));
        w = ph_writer_init(out, cap);
        ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
        ph_stun_put_mapped(&w, &v4);
        ph_stun_put_padding(&w, 3);
        ph_stun_put_error(&w, 400, "bad");
        ph_stun_put_integrity(&w, "key", 3);
        assert_int_equal(ph_stun_end(&w, true), cap < 84 ? PH_ERR_SPACE : 84);
        for (size_t i = cap; i < sizeof(out); i++)
            assert_int_equal(out[i], 0xee);
    }
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        w = ph_writer_init(out, sizeof(out));                                                      \
        ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);                                           \
        call;                                                                                      \
        assert_int_equal(ph_stun_end(&w, false), PH_ERR_SPACE);                                    \
    } while (0)
    REFUSED(ph_stun_put_mapped(&w, &none));
    REFUSED(ph_stun_put_error(&w, 299, ""));
    REFUSED(ph_stun_put_error(&w, 700, ""));
    REFUSED(ph_stun_put_error(&w, 400, reason));
    REFUSED(ph_stun_put_unknown(&w, types, PH_STUN_UNKNOWN_MAX + 1));
    REFUSED(ph_stun_put_response_port(&w, 0));
    REFUSED(ph_stun_put_padding(&w, 65536));
    REFUSED(ph_stun_put_attr(&w, PH_STUN_SOFTWARE, out, 65536));
#undef REFUSED
    /* Attributes before the header. */
    w = ph_writer_init(out, sizeof(out));
    ph_stun_put_mapped(&w, &v4);
    assert_int_equal(ph_stun_end(&w, false), PH_ERR_SPACE);
    w = ph_writer_init(out, sizeof(out));
    ph_stun_put_integrity(&w, "key", 3);
    assert_int_equal(ph_stun_end(&w, false), PH_ERR_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_attribute), cmocka_unit_test(test_truncated_integrity256),
        cmocka_unit_test(test_old_servers),     cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_repeated),        cmocka_unit_test(test_build_limits),
        cmocka_unit_test(test_response_port),   cmocka_unit_test(test_voucher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
