/* What is no STUN message, and what somebody on the way may do to one. */
#include "base/err.h"
#include "wire/stun.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COOKIE 0x21, 0x12, 0xa4, 0x42
#define TID    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12

static const uint8_t tid[] = {TID};
static const struct ph_addr v4 = {.family = PH_AF_V4, .port = 4000, .ip = {203, 0, 113, 9}};

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

static void test_looks_like(void **state)
{
    static const uint8_t good[PH_STUN_HEADER_LEN] = {0x00, 0x01, 0x00, 0x00, COOKIE, TID};
    static const struct {
        size_t at;
        uint8_t value;
        bool looks;
    } cases[] = {
        {0, 0x00, true},  {0, 0x01, true},  {0, 0x3f, true},  {0, 0x40, false}, {0, 0x80, false},
        {0, 0xc0, false}, {3, 0x04, true},  {3, 0x01, false}, {3, 0x02, false}, {3, 0x03, false},
        {4, 0x20, false}, {7, 0x43, false}, {8, 0xff, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t data[PH_STUN_HEADER_LEN];

        memcpy(data, good, sizeof(data));
        data[cases[i].at] = cases[i].value;
        assert_int_equal(ph_stun_looks_like(data, sizeof(data)), cases[i].looks);
    }
    for (size_t len = 0; len < sizeof(good); len++)
        assert_false(ph_stun_looks_like(good, len));
}

/* Values that are not what their type says. */
static void test_malformed(void **state)
{
    static const struct {
        const char *what;
        int err;
        size_t len;
        uint8_t attrs[32];
    } cases[] = {
        {"nothing", PH_OK, 0, {0}},
        {"length beyond the end", PH_ERR_FORMAT, 8, {0x80, 0x22, 0, 5, 'a', 'b', 'c', 'd'}},
        {"length far beyond the end", PH_ERR_FORMAT, 8, {0x80, 0x22, 0xff, 0xff}},
        {"not padded", PH_ERR_FORMAT, 5, {0x80, 0x22, 0, 1, 'a'}},
        {"half a header", PH_ERR_FORMAT, 2, {0x80, 0x22}},
        {"address without its IP", PH_ERR_FORMAT, 8, {0, 0x20, 0, 4, 0, 1, 1, 1}},
        {"address of family 3", PH_ERR_FORMAT, 12, {0, 0x20, 0, 8, 0, 3, 1, 1, 1, 1, 1, 1}},
        {"IPv6 of 4 bytes", PH_ERR_FORMAT, 12, {0, 0x20, 0, 8, 0, 2, 1, 1, 1, 1, 1, 1}},
        {"IPv4 of 8 bytes", PH_ERR_FORMAT, 16, {0, 1, 0, 12, 0, 1}},
        {"empty address", PH_ERR_FORMAT, 4, {0, 0x20, 0, 0}},
        {"priority of 2 bytes", PH_ERR_FORMAT, 8, {0, 0x24, 0, 2, 1, 1}},
        {"priority of 8 bytes", PH_ERR_FORMAT, 12, {0, 0x24, 0, 8}},
        {"change of 0 bytes", PH_ERR_FORMAT, 4, {0, 0x03, 0, 0}},
        {"unknown flags of a change", PH_OK, 8, {0, 0x03, 0, 4, 0xff, 0xff, 0xff, 0xf9}},
        {"role of 4 bytes", PH_ERR_FORMAT, 8, {0x80, 0x29, 0, 4}},
        {"both roles", PH_ERR_FORMAT, 24, {0x80, 0x29, 0, 8, [12] = 0x80, 0x2a, 0, 8}},
        {"candidate with a value", PH_ERR_FORMAT, 8, {0, 0x25, 0, 4}},
        {"error of 3 bytes", PH_ERR_FORMAT, 8, {0, 0x09, 0, 3, 0, 0, 4}},
        {"error 200", PH_ERR_FORMAT, 8, {0, 0x09, 0, 4, 0, 0, 2, 0}},
        {"error 700", PH_ERR_FORMAT, 8, {0, 0x09, 0, 4, 0, 0, 7, 0}},
        {"error 4, 100", PH_ERR_FORMAT, 8, {0, 0x09, 0, 4, 0, 0, 4, 100}},
        {"error 699, reserved bits", PH_OK, 8, {0, 0x09, 0, 4, 0xff, 0xff, 0xfe, 99}},
        {"integrity of 16 bytes", PH_ERR_FORMAT, 20, {0, 0x08, 0, 16}},
        {"integrity of 24 bytes", PH_ERR_FORMAT, 28, {0, 0x08, 0, 24}},
        {"SHA256 integrity of 18 bytes", PH_ERR_FORMAT, 24, {0, 0x1c, 0, 18}},
        {"wrong fingerprint", PH_ERR_FORMAT, 8, {0x80, 0x28, 0, 4, 1, 2, 3, 4}},
        {"fingerprint of 0 bytes", PH_ERR_FORMAT, 4, {0x80, 0x28, 0, 0}},
        {"empty texts", PH_OK, 16, {0, 6, 0, 0, 0, 0x14, 0, 0, 0, 0x15, 0, 0, 0x80, 0x22, 0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ph_stun m;
        uint8_t copy[64];
        int err;

        if (cases[i].len % 4 == 0) {
            err = parse_attrs(cases[i].attrs, cases[i].len, &m);
        } else {
            /* The header refuses a length that is no multiple of 4. */
            memcpy(copy, (uint8_t[]){0, 1, 0, (uint8_t)cases[i].len, COOKIE, TID}, 20);
            memcpy(copy + 20, cases[i].attrs, cases[i].len);
            err = ph_stun_parse(copy, 20 + cases[i].len, &m);
        }
        if (err != cases[i].err)
            fail_msg("%s: %s", cases[i].what, ph_strerror(err));
    }
}

static void test_username_cap(void **state)
{
    uint8_t attrs[4 + PH_STUN_USERNAME_MAX + 3] = {0, 6, PH_STUN_USERNAME_MAX >> 8,
                                                   PH_STUN_USERNAME_MAX & 0xff};
    uint8_t out[600];
    struct ph_writer w;
    struct ph_stun m;

    (void)state;
    w = ph_writer_init(out, sizeof(out));
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    ph_write_bytes(&w, attrs, sizeof(attrs));
    assert_int_equal(ph_stun_end(&w, false), 20 + sizeof(attrs));
    assert_int_equal(ph_stun_parse(out, 20 + sizeof(attrs), &m), PH_OK);
    assert_int_equal(m.username_len, PH_STUN_USERNAME_MAX);
    out[23]++; /* one byte longer, still within its padding */
    assert_int_equal(ph_stun_parse(out, 20 + sizeof(attrs), &m), PH_ERR_FORMAT);
    w = ph_writer_init(out, sizeof(out));
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    ph_stun_put_username(&w, attrs, PH_STUN_USERNAME_MAX + 1);
    assert_int_equal(ph_stun_end(&w, false), PH_ERR_SPACE);
}

static void test_header(void **state)
{
    uint8_t data[28] = {0x00, 0x01, 0x00, 0x08, COOKIE, TID, 0x00, 0x24, 0x00, 0x04, 1, 2, 3, 4};
    struct ph_stun m;

    (void)state;
    assert_int_equal(ph_stun_parse(data, sizeof(data), &m), PH_OK);
    assert_int_equal(ph_stun_parse(data, sizeof(data) - 1, &m), PH_ERR_SHORT);
    assert_int_equal(ph_stun_parse(data, 19, &m), PH_ERR_SHORT);
    data[3] = 4; /* bytes behind the end */
    assert_int_equal(ph_stun_parse(data, sizeof(data), &m), PH_ERR_FORMAT);
    data[3] = 12; /* fewer than it says */
    assert_int_equal(ph_stun_parse(data, sizeof(data), &m), PH_ERR_SHORT);
    data[3] = 8;
    data[7] ^= 1; /* the cookie */
    assert_int_equal(ph_stun_parse(data, sizeof(data), &m), PH_ERR_FORMAT);
    data[7] ^= 1;
    data[0] = 0x40; /* QUIC's bit */
    assert_int_equal(ph_stun_parse(data, sizeof(data), &m), PH_ERR_FORMAT);
    data[0] = 0x00;
    data[1] = 0x03; /* a method that is not Binding is the caller's to refuse */
    assert_int_equal(ph_stun_parse(data, sizeof(data), &m), PH_OK);
    assert_int_equal(m.type, 0x0003);
}

/* Whoever changes a packet on its way can add attributes behind the integrity: they are as if not
 * there, known or not, well-formed or not. */
static void test_after_integrity(void **state)
{
    uint8_t out[256];
    struct ph_writer w = ph_writer_init(out, sizeof(out));
    struct ph_stun m;
    int len;

    (void)state;
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    ph_stun_put_integrity(&w, "key", 3);
    ph_stun_put_use_candidate(&w);
    ph_stun_put_mapped(&w, &v4);
    ph_stun_put_role(&w, true, 7);
    ph_stun_put_role(&w, false, 7);
    ph_stun_put_attr(&w, 0x7fff, NULL, 0);
    ph_stun_put_attr(&w, PH_STUN_PRIORITY, "xy", 2);
    ph_stun_put_attr(&w, PH_STUN_MESSAGE_INTEGRITY, "xy", 2);
    len = ph_stun_end(&w, true);
    assert_true(len > 0);
    assert_int_equal(ph_stun_parse(out, (size_t)len, &m), PH_OK);
    assert_int_equal(m.integrity_offset, 20);
    assert_false(m.use_candidate || m.controlling || m.controlled);
    assert_false(ph_addr_is_set(&m.mapped));
    assert_int_equal(m.priority, 0);
    assert_int_equal(m.unknown_count, 0);
    assert_true(m.fingerprint);
    assert_true(ph_stun_verify(out, (size_t)len, &m, "key", 3));

    /* Behind the SHA256 one only FINGERPRINT counts, not the older integrity. */
    w = ph_writer_init(out, sizeof(out));
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    ph_stun_put_integrity256(&w, "key", 3);
    ph_stun_put_integrity(&w, "another", 7);
    ph_stun_put_use_candidate(&w);
    len = ph_stun_end(&w, true);
    assert_int_equal(ph_stun_parse(out, (size_t)len, &m), PH_OK);
    assert_int_equal(m.integrity_offset, 0);
    assert_int_equal(m.integrity256_offset, 20);
    assert_false(m.use_candidate);
    assert_true(ph_stun_verify(out, (size_t)len, &m, "key", 3));
    assert_false(ph_stun_verify(out, (size_t)len, &m, "another", 7));
}

static void test_fingerprint_is_last(void **state)
{
    uint8_t out[128];
    struct ph_writer w = ph_writer_init(out, sizeof(out));
    struct ph_stun m;
    int len;

    (void)state;
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    ph_stun_put_priority(&w, 1);
    assert_int_equal(ph_stun_end(&w, true), 36);
    assert_int_equal(ph_stun_parse(out, 36, &m), PH_OK);
    for (size_t bit = 0; bit < 8 * 36; bit++) {
        out[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* A bit of FINGERPRINT's own type makes it another, optional attribute or an unknown one.
         */
        if (ph_stun_parse(out, 36, &m) == PH_OK)
            assert_false(m.fingerprint);
        out[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ph_stun_put_priority(&w, 1);
    len = ph_stun_end(&w, false);
    assert_int_equal(ph_stun_parse(out, (size_t)len, &m), PH_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks_like),      cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_username_cap),    cmocka_unit_test(test_header),
        cmocka_unit_test(test_after_integrity), cmocka_unit_test(test_fingerprint_is_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
