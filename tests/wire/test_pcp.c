#include "base/err.h"
#include "wire/pcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NONCE 0x6e, 0x6f, 0x6e, 0x63, 0x65, 0x2d, 0x6f, 0x66, 0x2d, 0x31, 0x32, 0x21

static const uint8_t nonce[PH_PCP_NONCE_LEN] = {NONCE};

static const uint8_t map_request4[] = {
    2,     1,                        /* version, R 0 and MAP */
    0,     0,                        /* reserved */
    0x00,  0x00, 0x1c, 0x20,         /* lifetime: 7200, in network order */
    0,     0,    0,    0,    0,   0, /* client: ::ffff:192.168.1.2 */
    0,     0,    0,    0,            /* */
    0xff,  0xff, 192,  168,  1,   2, /* */
    NONCE,                           /* */
    17,                              /* protocol: UDP */
    0,     0,    0,                  /* reserved */
    0x9c,  0x41,                     /* internal port: 40001 */
    0xc3,  0x50,                     /* suggested external port: 50000 */
    0,     0,    0,    0,    0,   0, /* suggested external address: ::ffff:203.0.113.7 */
    0,     0,    0,    0,            /* */
    0xff,  0xff, 203,  0,    113, 7,
};

static const uint8_t map_response4[] = {
    2,     0x81,                     /* version, R 1 and MAP */
    0xee,  0,                        /* reserved (to be ignored), result: success */
    0x00,  0x00, 0x0e, 0x10,         /* lifetime: 3600 */
    0x00,  0x01, 0x51, 0x80,         /* epoch: 86400 */
    0xee,  0xee, 0xee, 0xee,         /* reserved, to be ignored */
    0xee,  0xee, 0xee, 0xee,         /* */
    0xee,  0xee, 0xee, 0xee,         /* */
    NONCE,                           /* */
    17,                              /* protocol: UDP */
    0xee,  0xee, 0xee,               /* reserved, to be ignored */
    0x9c,  0x41,                     /* internal port: 40001 */
    0xc3,  0x51,                     /* assigned external port: 50001 */
    0,     0,    0,    0,    0,   0, /* assigned external address: ::ffff:203.0.113.7 */
    0,     0,    0,    0,            /* */
    0xff,  0xff, 203,  0,    113, 7, /* */
};

static const uint8_t announce_response[24] = {
    2,    0x80, 0,    0,    /* version, R 1 and ANNOUNCE, reserved, success */
    0,    0,    0,    0,    /* lifetime */
    0x00, 0x00, 0x00, 0x05, /* epoch: 5 */
};

/* A NAT-PMP server's answer to version 2, RFC 6886 section 3.5. */
static const uint8_t natpmp_answer[] = {
    0,    0,                /* version, op (128 by erratum 3618) */
    0,    1,                /* result: unsupported version */
    0x00, 0x00, 0x02, 0x00, /* epoch: 512 */
};

static struct ph_addr parsed(const char *text)
{
    struct ph_addr a;

    assert_int_equal(ph_addr_parse(text, &a), PH_OK);
    return a;
}

static void test_map_request(void **state)
{
    const struct ph_addr client = ph_addr_v4(192, 168, 1, 2, 40001);
    struct ph_pcp_map map = {.internal_port = 40001, .external = parsed("203.0.113.7:50000")};
    uint8_t out[PH_PCP_MAP_LEN];
    static const uint8_t no_wish[18] = {[12] = 0xff, [13] = 0xff}; /* port, ::ffff:0.0.0.0 */

    (void)state;
    memcpy(map.nonce, nonce, sizeof(nonce));
    memset(out, 0xee, sizeof(out));
    assert_int_equal(ph_pcp_map_request(out, sizeof(out), &client, &map, 7200), PH_PCP_MAP_LEN);
    assert_memory_equal(out, map_request4, sizeof(map_request4));

    /* Delete: the same nonce and ports, lifetime zero. */
    assert_int_equal(ph_pcp_map_request(out, sizeof(out), &client, &map, 0), PH_PCP_MAP_LEN);
    assert_memory_equal(out + 4, "\0\0\0\0", 4);
    assert_memory_equal(out + 8, map_request4 + 8, sizeof(map_request4) - 8);

    /* No wish is all zero, but in the family that is wanted. */
    map.external = (struct ph_addr){0};
    assert_int_equal(ph_pcp_map_request(out, sizeof(out), &client, &map, 7200), PH_PCP_MAP_LEN);
    assert_memory_equal(out + 42, no_wish, sizeof(no_wish));
}

static void test_map_request6(void **state)
{
    static const uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x17};
    static const uint8_t any[16];
    const struct ph_addr client = parsed("2001:db8::17");
    struct ph_pcp_map map = {.internal_port = 1};
    uint8_t out[PH_PCP_MAP_LEN];

    (void)state;
    assert_int_equal(ph_pcp_map_request(out, sizeof(out), &client, &map, 0xfffefdfc),
                     PH_PCP_MAP_LEN);
    assert_memory_equal(out + 4, "\xff\xfe\xfd\xfc", 4);
    assert_memory_equal(out + 8, ip, sizeof(ip));
    assert_memory_equal(out + 44, any, sizeof(any));
    map.external = parsed("[2001:db8::17]:258");
    assert_int_equal(ph_pcp_map_request(out, sizeof(out), &client, &map, 1), PH_PCP_MAP_LEN);
    assert_memory_equal(out + 42, "\x01\x02", 2);
    assert_memory_equal(out + 44, ip, sizeof(ip));
}

static void test_announce_request(void **state)
{
    const struct ph_addr client = ph_addr_v4(192, 168, 1, 2, 9);
    uint8_t expected[24] = {2};
    uint8_t out[24];

    (void)state;
    memcpy(expected + 8, map_request4 + 8, 16);
    memset(out, 0xee, sizeof(out));
    assert_int_equal(ph_pcp_announce_request(out, sizeof(out), &client), 24);
    assert_memory_equal(out, expected, sizeof(expected));
}

static void test_refused_requests(void **state)
{
    const struct ph_addr client = ph_addr_v4(192, 168, 1, 2, 9), none = {0};
    struct ph_pcp_map map = {.internal_port = 40001};
    uint8_t out[PH_PCP_MAP_LEN + 1];

    (void)state;
    for (size_t cap = 0; cap <= PH_PCP_MAP_LEN; cap++) {
        memset(out, 0xee, sizeof(out));
        assert_int_equal(ph_pcp_map_request(out, cap, &client, &map, 1),
                         cap < PH_PCP_MAP_LEN ? PH_ERR_SPACE : PH_PCP_MAP_LEN);
        assert_int_equal(ph_pcp_announce_request(out, cap, &client), cap < 24 ? PH_ERR_SPACE : 24);
        assert_int_equal(out[cap], 0xee);
    }
    assert_int_equal(ph_pcp_map_request(out, sizeof(out), &none, &map, 1), PH_ERR_INVAL);
    assert_int_equal(ph_pcp_announce_request(out, sizeof(out), &none), PH_ERR_INVAL);
    map.internal_port = 0; /* would mean all ports */
    assert_int_equal(ph_pcp_map_request(out, sizeof(out), &client, &map, 0), PH_ERR_INVAL);
}

static void test_map_response(void **state)
{
    const struct ph_addr external = ph_addr_v4(203, 0, 113, 7, 50001);
    uint8_t data[sizeof(map_response4) + 8] = {0};
    struct ph_pcp_response m;

    (void)state;
    memcpy(data, map_response4, sizeof(map_response4));
    data[sizeof(map_response4)] = 0x80; /* an option that nobody knows, with 4 bytes */
    data[sizeof(map_response4) + 3] = 4;
    for (size_t more = 0; more <= 8; more += 8) {
        assert_int_equal(ph_pcp_parse(data, sizeof(map_response4) + more, &m), PH_OK);
        assert_int_equal(m.version, PH_PCP_VERSION);
        assert_int_equal(m.opcode, PH_PCP_MAP);
        assert_int_equal(m.result, PH_PCP_SUCCESS);
        assert_int_equal(m.lifetime_s, 3600);
        assert_int_equal(m.epoch_s, 86400);
        assert_memory_equal(m.map.nonce, nonce, sizeof(nonce));
        assert_int_equal(m.map.internal_port, 40001);
        assert_true(ph_addr_eq(&m.map.external, &external));
        assert_memory_equal(&m.map.external, &external, sizeof(external));
    }
}

static void test_map_response6(void **state)
{
    static const uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, [14] = 0xff, 0x17};
    const struct ph_addr external = parsed("[2001:db8::ff17]:50001");
    uint8_t data[sizeof(map_response4)];
    struct ph_pcp_response m;

    (void)state;
    memcpy(data, map_response4, sizeof(data));
    memcpy(data + 44, ip, sizeof(ip));
    assert_int_equal(ph_pcp_parse(data, sizeof(data), &m), PH_OK);
    assert_true(ph_addr_eq(&m.map.external, &external));
}

static void test_announce_response(void **state)
{
    struct ph_pcp_response m;

    (void)state;
    assert_int_equal(ph_pcp_parse(announce_response, sizeof(announce_response), &m), PH_OK);
    assert_int_equal(m.opcode, PH_PCP_ANNOUNCE);
    assert_int_equal(m.result, PH_PCP_SUCCESS);
    assert_int_equal(m.epoch_s, 5);
    assert_false(ph_addr_is_set(&m.map.external));
}

static void test_natpmp_answer(void **state)
{
    static const struct {
        uint8_t op, result;
        int expected;
    } table[] = {
        {0, 1, PH_OK},           /* as the RFC draws it */
        {128, 1, PH_OK},         /* as its erratum has it */
        {129, 1, PH_OK},         /* as servers do that add 128 to our MAP */
        {1, 1, PH_ERR_FORMAT},   /* a NAT-PMP request */
        {128, 0, PH_ERR_FORMAT}, /* NAT-PMP's own responses */
        {129, 2, PH_ERR_FORMAT}, /* */
    };
    uint8_t data[60] = {0};
    struct ph_pcp_response m;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        memcpy(data, natpmp_answer, sizeof(natpmp_answer));
        data[1] = table[i].op;
        data[3] = table[i].result;
        for (size_t len = 8; len <= 16; len += 4) {
            assert_int_equal(ph_pcp_parse(data, len, &m), table[i].expected);
            if (table[i].expected != PH_OK)
                continue;
            assert_int_equal(m.version, 0);
            assert_int_equal(m.result, PH_PCP_UNSUPP_VERSION);
            assert_int_equal(m.epoch_s, 512);
            assert_int_equal(m.lifetime_s, 0);
        }
    }
    for (size_t len = 1; len < sizeof(natpmp_answer); len++)
        assert_int_equal(ph_pcp_parse(natpmp_answer, len, &m), PH_ERR_SHORT);
}

/* A server of another version says so in its own layout, which has the same head. */
static void test_other_version(void **state)
{
    uint8_t data[sizeof(map_response4)];
    struct ph_pcp_response m;

    (void)state;
    memcpy(data, map_response4, sizeof(data));
    data[0] = 1;
    assert_int_equal(ph_pcp_parse(data, sizeof(data), &m), PH_ERR_FORMAT);
    data[3] = PH_PCP_UNSUPP_VERSION;
    assert_int_equal(ph_pcp_parse(data, sizeof(data), &m), PH_OK);
    assert_int_equal(m.version, 1);
    assert_int_equal(m.result, PH_PCP_UNSUPP_VERSION);
    assert_false(ph_addr_is_set(&m.map.external));
}

static int parse_cut(const uint8_t *data, size_t len, struct ph_pcp_response *out)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    int err;

    assert_non_null(copy);
    memcpy(copy, data, len);
    err = ph_pcp_parse(len > 0 ? copy : NULL, len, out);
    free(copy);
    return err;
}

static void test_truncated(void **state)
{
    static const struct ph_pcp_response nothing;
    struct ph_pcp_response m;

    (void)state;
    for (size_t len = 0; len < sizeof(map_response4); len++) {
        assert_int_equal(parse_cut(map_response4, len, &m), PH_ERR_SHORT);
        assert_memory_equal(&m, &nothing, sizeof(m));
    }
    for (size_t len = 0; len < sizeof(announce_response); len++)
        assert_int_equal(parse_cut(announce_response, len, &m), PH_ERR_SHORT);
}

/* Errors come with the mapping that was asked for, or without one. */
static void test_errors(void **state)
{
    uint8_t data[sizeof(map_response4)];
    struct ph_pcp_response m;

    (void)state;
    memcpy(data, map_response4, sizeof(data));
    for (unsigned result = 1; result < 16; result++) {
        data[3] = (uint8_t)result;
        for (size_t len = 0; len <= sizeof(data); len++) {
            int expected = len < 24 ? PH_ERR_SHORT : len % 4 != 0 ? PH_ERR_FORMAT : PH_OK;

            assert_int_equal(parse_cut(data, len, &m), expected);
            if (expected != PH_OK)
                continue;
            assert_int_equal(m.result, result);
            assert_int_equal(m.lifetime_s, 3600);
            assert_int_equal(m.map.internal_port, len == sizeof(data) ? 40001 : 0);
            assert_int_equal(m.map.nonce[0], len == sizeof(data) ? nonce[0] : 0);
        }
    }
}

static void test_not_ours(void **state)
{
    uint8_t data[PH_PCP_MESSAGE_MAX + 4] = {0};
    struct ph_pcp_response m;

    (void)state;
    /* A request, our own for one, come back. */
    assert_int_equal(ph_pcp_parse(map_request4, sizeof(map_request4), &m), PH_ERR_FORMAT);
    memcpy(data, map_response4, sizeof(map_response4));
    assert_int_equal(ph_pcp_parse(data, PH_PCP_MESSAGE_MAX, &m), PH_OK);
    assert_int_equal(ph_pcp_parse(data, PH_PCP_MESSAGE_MAX + 4, &m), PH_ERR_FORMAT);
    assert_int_equal(ph_pcp_parse(data, sizeof(map_response4) + 2, &m), PH_ERR_FORMAT);
    data[36] = 6; /* TCP */
    assert_int_equal(ph_pcp_parse(data, sizeof(map_response4), &m), PH_ERR_FORMAT);
    assert_int_equal(m.lifetime_s, 0);
}

static void test_texts(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= PH_PCP_EXCESSIVE_REMOTE_PEERS; i++) {
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(ph_pcp_result_text((uint8_t)i), ph_pcp_result_text((uint8_t)j));
    }
    assert_string_equal(ph_pcp_result_text(14), ph_pcp_result_text(255));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_request),
        cmocka_unit_test(test_map_request6),
        cmocka_unit_test(test_announce_request),
        cmocka_unit_test(test_refused_requests),
        cmocka_unit_test(test_map_response),
        cmocka_unit_test(test_map_response6),
        cmocka_unit_test(test_announce_response),
        cmocka_unit_test(test_natpmp_answer),
        cmocka_unit_test(test_other_version),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
