#include "base/err.h"
#include "wire/natpmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t address_response[] = {
    0,    128,              /* version, 128 + op */
    0,    0,                /* result: success */
    0x00, 0x01, 0x51, 0x80, /* epoch: 86400 */
    203,  0,    113,  7,    /* external address */
};

static const uint8_t map_response[] = {
    0,    129,              /* version, 128 + UDP */
    0,    0,                /* result: success */
    0x01, 0x02, 0x03, 0x04, /* epoch */
    0x9c, 0x41,             /* internal port: 40001 */
    0xc3, 0x50,             /* external port: 50000 */
    0x00, 0x00, 0x1c, 0x20, /* lifetime: 7200 */
};

static void test_requests(void **state)
{
    static const uint8_t address[] = {0, 0};
    static const uint8_t map[] = {
        0,    1,                /* version, UDP */
        0,    0,                /* reserved */
        0x9c, 0x41,             /* internal port: 40001 */
        0xc3, 0x50,             /* suggested external port: 50000 */
        0x00, 0x00, 0x1c, 0x20, /* lifetime: 7200, in network order */
    };
    static const uint8_t gone[] = {
        0,    1,    0, 0, /* version, UDP, reserved */
        0x9c, 0x41,       /* internal port */
        0,    0,          /* no external port */
        0,    0,    0, 0, /* no lifetime: delete */
    };
    uint8_t out[PH_NATPMP_REQUEST_MAX];

    (void)state;
    memset(out, 0xee, sizeof(out));
    assert_int_equal(ph_natpmp_address_request(out, sizeof(out)), sizeof(address));
    assert_memory_equal(out, address, sizeof(address));
    assert_int_equal(out[2], 0xee);
    memset(out, 0xee, sizeof(out));
    assert_int_equal(ph_natpmp_map_request(out, sizeof(out), 40001, 50000, 7200), sizeof(map));
    assert_memory_equal(out, map, sizeof(map));
    memset(out, 0xee, sizeof(out));
    assert_int_equal(ph_natpmp_map_request(out, sizeof(out), 40001, 0, 0), sizeof(gone));
    assert_memory_equal(out, gone, sizeof(gone));
}

static void test_no_space(void **state)
{
    uint8_t out[PH_NATPMP_REQUEST_MAX + 1];

    (void)state;
    for (size_t cap = 0; cap <= PH_NATPMP_REQUEST_MAX; cap++) {
        memset(out, 0xee, sizeof(out));
        assert_int_equal(ph_natpmp_address_request(out, cap), cap < 2 ? PH_ERR_SPACE : 2);
        assert_int_equal(ph_natpmp_map_request(out, cap, 1, 2, 3), cap < 12 ? PH_ERR_SPACE : 12);
        assert_int_equal(out[cap], 0xee);
    }
}

static void test_address_response(void **state)
{
    const struct ph_addr external = ph_addr_v4(203, 0, 113, 7, 0);
    struct ph_natpmp_response m;

    (void)state;
    assert_int_equal(ph_natpmp_parse(address_response, sizeof(address_response), &m), PH_OK);
    assert_int_equal(m.op, PH_NATPMP_ADDRESS);
    assert_int_equal(m.result, PH_NATPMP_SUCCESS);
    assert_int_equal(m.epoch_s, 86400);
    assert_true(ph_addr_eq(&m.external, &external));
    assert_int_equal(m.lifetime_s, 0);
}

static void test_map_response(void **state)
{
    uint8_t longer[sizeof(map_response) + 4] = {0};
    struct ph_natpmp_response m;

    (void)state;
    memcpy(longer, map_response, sizeof(map_response));
    for (size_t more = 0; more <= 4; more += 4) {
        assert_int_equal(ph_natpmp_parse(longer, sizeof(map_response) + more, &m), PH_OK);
        assert_int_equal(m.op, PH_NATPMP_MAP_UDP);
        assert_int_equal(m.result, PH_NATPMP_SUCCESS);
        assert_int_equal(m.epoch_s, 0x01020304);
        assert_int_equal(m.internal_port, 40001);
        assert_int_equal(m.external_port, 50000);
        assert_int_equal(m.lifetime_s, 7200);
        assert_false(ph_addr_is_set(&m.external));
    }
    longer[1] = 130;
    assert_int_equal(ph_natpmp_parse(longer, sizeof(longer), &m), PH_OK);
    assert_int_equal(m.op, PH_NATPMP_MAP_TCP);
}

/* Parses a copy that ends where its memory does. */
static int parse_cut(const uint8_t *data, size_t len, struct ph_natpmp_response *out)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    int err;

    assert_non_null(copy);
    memcpy(copy, data, len);
    err = ph_natpmp_parse(len > 0 ? copy : NULL, len, out);
    free(copy);
    return err;
}

static void test_truncated(void **state)
{
    static const struct ph_natpmp_response nothing;
    struct ph_natpmp_response m;

    (void)state;
    for (size_t len = 0; len < sizeof(address_response); len++) {
        assert_int_equal(parse_cut(address_response, len, &m), PH_ERR_SHORT);
        assert_memory_equal(&m, &nothing, sizeof(m));
    }
    for (size_t len = 0; len < sizeof(map_response); len++) {
        assert_int_equal(parse_cut(map_response, len, &m), PH_ERR_SHORT);
        assert_memory_equal(&m, &nothing, sizeof(m));
    }
}

/* Errors: of the whole length with copied fields, or the head alone, or anything between. */
static void test_errors(void **state)
{
    uint8_t data[sizeof(map_response)];
    struct ph_natpmp_response m;

    (void)state;
    memcpy(data, map_response, sizeof(data));
    for (uint16_t result = 1; result < 8; result++) {
        data[3] = (uint8_t)result;
        for (size_t len = 0; len <= sizeof(data); len++) {
            if (len < 8) {
                assert_int_equal(parse_cut(data, len, &m), PH_ERR_SHORT);
                continue;
            }
            assert_int_equal(parse_cut(data, len, &m), PH_OK);
            assert_int_equal(m.result, result);
            assert_int_equal(m.op, PH_NATPMP_MAP_UDP);
            assert_int_equal(m.epoch_s, 0x01020304);
            assert_int_equal(m.internal_port, len == sizeof(data) ? 40001 : 0);
            assert_int_equal(m.external_port, len == sizeof(data) ? 50000 : 0);
        }
    }
    data[2] = 0x12;
    data[3] = 0x34;
    assert_int_equal(ph_natpmp_parse(data, sizeof(data), &m), PH_OK);
    assert_int_equal(m.result, 0x1234);
    /* An address that did not come with success is none. */
    memcpy(data, address_response, sizeof(address_response));
    data[3] = PH_NATPMP_NETWORK_FAILURE;
    assert_int_equal(ph_natpmp_parse(data, sizeof(address_response), &m), PH_OK);
    assert_int_equal(m.result, PH_NATPMP_NETWORK_FAILURE);
    assert_false(ph_addr_is_set(&m.external));
}

/* Of all versions and ops: what is a response of NAT-PMP. */
static void test_not_natpmp(void **state)
{
    (void)state;
    for (unsigned version = 0; version < 4; version++) {
        for (unsigned op = 0; op < 256; op++) {
            uint8_t data[24] = {(uint8_t)version, (uint8_t)op};
            struct ph_natpmp_response m;
            bool good = version == 0 && op >= 128 && op <= 130;

            assert_int_equal(ph_natpmp_parse(data, sizeof(data), &m), good ? PH_OK : PH_ERR_FORMAT);
        }
    }
}

static void test_texts(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= PH_NATPMP_UNSUPPORTED_OPCODE; i++) {
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(ph_natpmp_result_text((uint16_t)i),
                                    ph_natpmp_result_text((uint16_t)j));
    }
    assert_string_equal(ph_natpmp_result_text(6), ph_natpmp_result_text(65535));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),         cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_address_response), cmocka_unit_test(test_map_response),
        cmocka_unit_test(test_truncated),        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_not_natpmp),       cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
