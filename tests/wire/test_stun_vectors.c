#include "base/err.h"
#include "base/mac.h"
#include "wire/stun.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The vectors of RFC 5769. */
#define HEADER_TID 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae

static const uint8_t rfc5769_tid[] = {HEADER_TID};
static const char rfc5769_pwd[] = "VOkJxbRl1RmTxUk/WvJxBt";

static const uint8_t rfc5769_request[] = {
    0x00,       0x01, 0x00, 0x58,                         /* Binding request, 88 bytes */
    0x21,       0x12, 0xa4, 0x42,                         /* cookie */
    HEADER_TID,                                           /* transaction id */
    0x80,       0x22, 0x00, 0x10,                         /* SOFTWARE */
    0x53,       0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, /* "STUN tes" */
    0x74,       0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, /* "t client" */
    0x00,       0x24, 0x00, 0x04,                         /* PRIORITY */
    0x6e,       0x00, 0x01, 0xff,                         /* */
    0x80,       0x29, 0x00, 0x08,                         /* ICE-CONTROLLED */
    0x93,       0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, /* */
    0x00,       0x06, 0x00, 0x09,                         /* USERNAME */
    0x65,       0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, /* "evtj:h6v" */
    0x59,       0x20, 0x20, 0x20,                         /* "Y", padded with spaces */
    0x00,       0x08, 0x00, 0x14,                         /* MESSAGE-INTEGRITY */
    0x9a,       0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5,
    0xb2,       0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, /* FINGERPRINT */
    0xe5,       0x7a, 0x3b, 0xcf,
};

static const uint8_t rfc5769_ipv4[] = {
    0x01,       0x01, 0x00, 0x3c,                         /* Binding response, 60 bytes */
    0x21,       0x12, 0xa4, 0x42,                         /* cookie */
    HEADER_TID,                                           /* transaction id */
    0x80,       0x22, 0x00, 0x0b,                         /* SOFTWARE */
    0x74,       0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63, /* "test vec" */
    0x74,       0x6f, 0x72, 0x20,                         /* "tor", padded with a space */
    0x00,       0x20, 0x00, 0x08,                         /* XOR-MAPPED-ADDRESS */
    0x00,       0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43, /* 192.0.2.1:32853 */
    0x00,       0x08, 0x00, 0x14,                         /* MESSAGE-INTEGRITY */
    0x2b,       0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a,       0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, /* FINGERPRINT */
    0xc0,       0x7d, 0x4c, 0x96,
};

static const uint8_t rfc5769_ipv6[] = {
    0x01,       0x01, 0x00, 0x48,                         /* Binding response, 72 bytes */
    0x21,       0x12, 0xa4, 0x42,                         /* cookie */
    HEADER_TID,                                           /* transaction id */
    0x80,       0x22, 0x00, 0x0b,                         /* SOFTWARE */
    0x74,       0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63, /* "test vec" */
    0x74,       0x6f, 0x72, 0x20,                         /* "tor", padded with a space */
    0x00,       0x20, 0x00, 0x14,                         /* XOR-MAPPED-ADDRESS */
    0x00,       0x02, 0xa1, 0x47, /* [2001:db8:1234:5678:11:2233:4455:6677] */
    0x01,       0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
    0xbe,       0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14, /* MESSAGE-INTEGRITY */
    0xa3,       0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c,
    0x82,       0x92, 0xc2, 0x75, 0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, /* FINGERPRINT */
    0xc8,       0xfb, 0x0b, 0x4c,
};

static const uint8_t long_term_tid[] = {0x78, 0xad, 0x34, 0x33, 0xc6, 0xad,
                                        0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e};
static const char long_term_user[] = "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa"
                                     "\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9";

static const uint8_t rfc5769_long_term[] = {
    0x00, 0x01, 0x00, 0x60,                         /* Binding request, 96 bytes */
    0x21, 0x12, 0xa4, 0x42,                         /* cookie */
    0x78, 0xad, 0x34, 0x33, 0xc6, 0xad,             /* transaction id */
    0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e,             /* */
    0x00, 0x06, 0x00, 0x12,                         /* USERNAME */
    0xe3, 0x83, 0x9e, 0xe3, 0x83, 0x88, 0xe3, 0x83, /* U+30DE U+30C8 U+30EA */
    0xaa, 0xe3, 0x83, 0x83, 0xe3, 0x82, 0xaf, 0xe3, /* U+30C3 U+30AF U+30B9 */
    0x82, 0xb9, 0x00, 0x00,                         /* padded with zeros */
    0x00, 0x15, 0x00, 0x1c,                         /* NONCE */
    0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39, 0x6b, 0x39, 0x35, 0x34, 0x64,
    0x36, 0x4f, 0x4c, 0x33, 0x34, 0x6f, 0x4c, 0x39, 0x46, 0x53, 0x54,
    0x76, 0x79, 0x36, 0x34, 0x73, 0x41, 0x00, 0x14, 0x00, 0x0b, /* REALM */
    0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e,             /* "example." */
    0x6f, 0x72, 0x67, 0x00,                                     /* "org" */
    0x00, 0x08, 0x00, 0x14,                                     /* MESSAGE-INTEGRITY */
    0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6, 0x4a, 0x3e, 0x02, 0xb8, 0xe0,
    0x71, 0x2e, 0x85, 0xc9, 0xa2, 0x8c, 0xa8, 0x96, 0x66,
};

/* RFC 8489 appendix B.1 with the HMAC of erratum 6268. */
static const uint8_t rfc8489_sha256[] = {
    0x00, 0x01, 0x00, 0x90,             /* Binding request, 144 bytes */
    0x21, 0x12, 0xa4, 0x42,             /* cookie */
    0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, /* transaction id */
    0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e, /* */
    0x00, 0x1e, 0x00, 0x20,             /* USERHASH, which this codec does not know */
    0x4a, 0x3c, 0xf3, 0x8f, 0xef, 0x69, 0x92, 0xbd, 0xa9, 0x52, 0xc6, 0x78, 0x04, 0x17, 0xda, 0x0f,
    0x24, 0x81, 0x94, 0x15, 0x56, 0x9e, 0x60, 0xb2, 0x05, 0xc4, 0x6e, 0x41, 0x40, 0x7f, 0x17, 0x04,
    0x00, 0x15, 0x00, 0x29, /* NONCE */
    0x6f, 0x62, 0x4d, 0x61, 0x74, 0x4a, 0x6f, 0x73, 0x32, 0x41, 0x41, 0x41, 0x43, 0x66, 0x2f, 0x2f,
    0x34, 0x39, 0x39, 0x6b, 0x39, 0x35, 0x34, 0x64, 0x36, 0x4f, 0x4c, 0x33, 0x34, 0x6f, 0x4c, 0x39,
    0x46, 0x53, 0x54, 0x76, 0x79, 0x36, 0x34, 0x73, 0x41, 0x00, 0x00, 0x00, /* */
    0x00, 0x14, 0x00, 0x0b,                                                 /* REALM */
    0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x00, /* */
    0x00, 0x1d, 0x00, 0x04, /* PASSWORD-ALGORITHM, not known either */
    0x00, 0x02, 0x00, 0x00, /* SHA-256 */
    0x00, 0x1c, 0x00, 0x20, /* MESSAGE-INTEGRITY-SHA256 */
    0xb5, 0xc7, 0xbf, 0x00, 0x5b, 0x6c, 0x52, 0xa2, 0x1c, 0x51, 0xc5, 0xe8, 0x92, 0xf8, 0x19, 0x24,
    0x13, 0x62, 0x96, 0xcb, 0x92, 0x7c, 0x43, 0x14, 0x93, 0x09, 0x27, 0x8c, 0xc6, 0x51, 0x8e, 0x65,
};

static void assert_text(const uint8_t *text, size_t len, const char *want)
{
    assert_int_equal(len, strlen(want));
    assert_memory_equal(text, want, len);
}

static void assert_addr(const struct ph_addr *a, const char *want)
{
    char text[PH_ADDR_STRLEN];

    assert_string_equal(ph_addr_format(a, text), want);
}

/* Both a right and a wrong key, and every bit of the message that the HMAC covers. */
static void assert_integrity(const uint8_t *data, size_t len, const void *key, size_t key_len)
{
    uint8_t copy[256];
    struct ph_stun m;
    size_t end;

    assert_true(len <= sizeof(copy));
    assert_int_equal(ph_stun_parse(data, len, &m), PH_OK);
    assert_true(ph_stun_verify(data, len, &m, key, key_len));
    assert_false(ph_stun_verify(data, len, &m, key, key_len - 1));
    end = m.integrity256_offset != 0 ? m.integrity256_offset + 36 : m.integrity_offset + 24;
    for (size_t bit = 0; bit < 8 * end; bit++) {
        if (bit / 8 == 2 || bit / 8 == 3)
            continue; /* the header's length, which is set anew for the HMAC */
        memcpy(copy, data, len);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(ph_stun_verify(copy, len, &m, key, key_len));
    }
    for (size_t cut = 0; cut < end; cut++)
        assert_false(ph_stun_verify(data, cut, &m, key, key_len));
}

static void test_rfc5769_request(void **state)
{
    struct ph_stun m;

    (void)state;
    assert_true(ph_stun_looks_like(rfc5769_request, sizeof(rfc5769_request)));
    assert_int_equal(ph_stun_parse(rfc5769_request, sizeof(rfc5769_request), &m), PH_OK);
    assert_int_equal(m.type, PH_STUN_BINDING_REQUEST);
    assert_memory_equal(m.tid, rfc5769_tid, sizeof(m.tid));
    assert_text(m.software, m.software_len, "STUN test client");
    assert_text(m.username, m.username_len, "evtj:h6vY");
    assert_int_equal(m.priority, 0x6e0001ff);
    assert_true(m.controlled);
    assert_false(m.controlling);
    assert_true(m.tie_breaker == 0x932ff9b151263b36u);
    assert_true(m.fingerprint);
    assert_int_equal(m.integrity_offset, 76);
    assert_int_equal(m.integrity256_offset, 0);
    assert_int_equal(m.unknown_count, 0);
    assert_false(ph_addr_is_set(&m.mapped));
    assert_null(m.realm);
    assert_integrity(rfc5769_request, sizeof(rfc5769_request), rfc5769_pwd, strlen(rfc5769_pwd));
}

static void test_rfc5769_responses(void **state)
{
    struct ph_stun m;

    (void)state;
    assert_int_equal(ph_stun_parse(rfc5769_ipv4, sizeof(rfc5769_ipv4), &m), PH_OK);
    assert_int_equal(m.type, PH_STUN_BINDING_SUCCESS);
    assert_text(m.software, m.software_len, "test vector");
    assert_addr(&m.mapped, "192.0.2.1:32853");
    assert_true(m.fingerprint);
    assert_integrity(rfc5769_ipv4, sizeof(rfc5769_ipv4), rfc5769_pwd, strlen(rfc5769_pwd));

    assert_int_equal(ph_stun_parse(rfc5769_ipv6, sizeof(rfc5769_ipv6), &m), PH_OK);
    assert_addr(&m.mapped, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    assert_true(m.fingerprint);
    assert_integrity(rfc5769_ipv6, sizeof(rfc5769_ipv6), rfc5769_pwd, strlen(rfc5769_pwd));
}

static size_t long_term_key(const char *digest, uint8_t key[EVP_MAX_MD_SIZE])
{
    char text[64];
    unsigned len = 0;
    EVP_MD *md = EVP_MD_fetch(NULL, digest, NULL);
    int n = snprintf(text, sizeof(text), "%s:example.org:TheMatrIX", long_term_user);

    assert_non_null(md);
    assert_int_equal(EVP_Digest(text, (size_t)n, key, &len, md, NULL), 1);
    EVP_MD_free(md);
    return len;
}

static void test_rfc5769_long_term(void **state)
{
    uint8_t key[EVP_MAX_MD_SIZE];
    size_t key_len = long_term_key("MD5", key);
    struct ph_stun m;

    (void)state;
    assert_int_equal(ph_stun_parse(rfc5769_long_term, sizeof(rfc5769_long_term), &m), PH_OK);
    assert_text(m.username, m.username_len, long_term_user);
    assert_text(m.realm, m.realm_len, "example.org");
    assert_text(m.nonce, m.nonce_len, "f//499k954d6OL34oL9FSTvy64sA");
    assert_false(m.fingerprint);
    assert_integrity(rfc5769_long_term, sizeof(rfc5769_long_term), key, key_len);
}

static void test_rfc8489_sha256(void **state)
{
    uint8_t key[EVP_MAX_MD_SIZE];
    size_t key_len = long_term_key("SHA256", key);
    struct ph_stun m;

    (void)state;
    assert_int_equal(ph_stun_parse(rfc8489_sha256, sizeof(rfc8489_sha256), &m), PH_OK);
    assert_text(m.nonce, m.nonce_len, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    assert_int_equal(m.integrity_offset, 0);
    assert_int_equal(m.integrity256_offset, 128);
    assert_int_equal(m.unknown_count, 2);
    assert_int_equal(m.unknown[0], 0x001e);
    assert_int_equal(m.unknown[1], 0x001d);
    assert_integrity(rfc8489_sha256, sizeof(rfc8489_sha256), key, key_len);
}

/* The vectors pad with spaces where RFC 8489 section 14 has zeros: such an attribute is written
 * here by hand, the rest by the codec. */
static void put_padded(struct ph_writer *w, uint16_t type, const char *text, const char *padding)
{
    ph_write_u16(w, type);
    ph_write_u16(w, (uint16_t)strlen(text));
    ph_write_bytes(w, text, strlen(text));
    ph_write_bytes(w, padding, strlen(padding));
}

static void test_build_rfc5769(void **state)
{
    static const struct ph_addr v4 = {.family = PH_AF_V4, .port = 32853, .ip = {192, 0, 2, 1}};
    static const struct ph_addr v6 = {
        .family = PH_AF_V6,
        .port = 32853,
        .ip = {0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78, 0, 0x11, 0x22, 0x33, 0x44, 0x55,
               0x66, 0x77},
    };
    uint8_t key[EVP_MAX_MD_SIZE];
    size_t key_len = long_term_key("MD5", key);
    uint8_t out[128];
    struct ph_writer w = ph_writer_init(out, sizeof(out));

    (void)state;
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, rfc5769_tid);
    ph_stun_put_attr(&w, PH_STUN_SOFTWARE, "STUN test client", 16);
    ph_stun_put_priority(&w, 0x6e0001ff);
    ph_stun_put_role(&w, false, 0x932ff9b151263b36u);
    put_padded(&w, PH_STUN_USERNAME, "evtj:h6vY", "   ");
    ph_stun_put_integrity(&w, rfc5769_pwd, strlen(rfc5769_pwd));
    assert_int_equal(ph_stun_end(&w, true), sizeof(rfc5769_request));
    assert_memory_equal(out, rfc5769_request, sizeof(rfc5769_request));

    w = ph_writer_init(out, sizeof(out));
    ph_stun_begin(&w, PH_STUN_BINDING_SUCCESS, rfc5769_tid);
    put_padded(&w, PH_STUN_SOFTWARE, "test vector", " ");
    ph_stun_put_mapped(&w, &v4);
    ph_stun_put_integrity(&w, rfc5769_pwd, strlen(rfc5769_pwd));
    assert_int_equal(ph_stun_end(&w, true), sizeof(rfc5769_ipv4));
    assert_memory_equal(out, rfc5769_ipv4, sizeof(rfc5769_ipv4));

    w = ph_writer_init(out, sizeof(out));
    ph_stun_begin(&w, PH_STUN_BINDING_SUCCESS, rfc5769_tid);
    put_padded(&w, PH_STUN_SOFTWARE, "test vector", " ");
    ph_stun_put_mapped(&w, &v6);
    ph_stun_put_integrity(&w, rfc5769_pwd, strlen(rfc5769_pwd));
    assert_int_equal(ph_stun_end(&w, true), sizeof(rfc5769_ipv6));
    assert_memory_equal(out, rfc5769_ipv6, sizeof(rfc5769_ipv6));

    w = ph_writer_init(out, sizeof(out));
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, long_term_tid);
    ph_stun_put_username(&w, long_term_user, strlen(long_term_user));
    ph_stun_put_attr(&w, PH_STUN_NONCE, "f//499k954d6OL34oL9FSTvy64sA", 28);
    ph_stun_put_attr(&w, PH_STUN_REALM, "example.org", 11);
    ph_stun_put_integrity(&w, key, key_len);
    assert_int_equal(ph_stun_end(&w, false), sizeof(rfc5769_long_term));
    assert_memory_equal(out, rfc5769_long_term, sizeof(rfc5769_long_term));
}

static void test_build_rfc8489(void **state)
{
    uint8_t key[EVP_MAX_MD_SIZE];
    size_t key_len = long_term_key("SHA256", key);
    uint8_t out[256];
    struct ph_writer w = ph_writer_init(out, sizeof(out));

    (void)state;
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, long_term_tid);
    ph_stun_put_attr(&w, 0x001e, rfc8489_sha256 + 24, 32);
    ph_stun_put_attr(&w, PH_STUN_NONCE, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA", 41);
    ph_stun_put_attr(&w, PH_STUN_REALM, "example.org", 11);
    ph_stun_put_attr(&w, 0x001d, "\0\2\0\0", 4);
    ph_stun_put_integrity256(&w, key, key_len);
    assert_int_equal(ph_stun_end(&w, false), sizeof(rfc8489_sha256));
    assert_memory_equal(out, rfc8489_sha256, sizeof(rfc8489_sha256));
}

/* Every truncation is short, each claimed length that does not fit is refused. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof(rfc5769_request); len++) {
        struct ph_stun m;

        assert_int_equal(ph_stun_parse(rfc5769_request, len, &m), PH_ERR_SHORT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc5769_request),   cmocka_unit_test(test_rfc5769_responses),
        cmocka_unit_test(test_rfc5769_long_term), cmocka_unit_test(test_rfc8489_sha256),
        cmocka_unit_test(test_build_rfc5769),     cmocka_unit_test(test_build_rfc8489),
        cmocka_unit_test(test_truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
