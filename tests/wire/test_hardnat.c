/* What two peers tell each other of their NATs: today's bytes, and what newer or hostile ones send.
 */
#include "base/err.h"
#include "wire/hardnat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct ph_hard_message probe(void)
{
    struct ph_hard_message m = {.type = PH_HARD_NAT_PROBE};
    m.probe = (struct ph_hard_probe){
        .call_id = {1, 2, 3},
        .generation = 2,
        .final = true,
        .port_sequence = {40004, 40002, 40000},
        .port_count = 3,
        .probe_time_ms = 250,
        .allocation = "sequential:2",
        .external = ph_addr_v4(11, 0, 0, 7, 40004),
        .udp = 2,
        .mapping = 4,
        .filtering = 3,
        .gateway = 1,
        .low = 1024,
        .high = 65535,
        .aligned = true,
        .rated = true,
        .rate = 5250,
        .rate_low = 100,
        .rate_high = 20000,
        .confidence = 998,
        .samples = 10,
        .addresses = 1,
        .privileged = true,
        .probes = 1200,
        .openers = 256,
        .packet_rate = 200,
        .burst = 64,
        .relay_rtt_ms = 40,
        .stun_rtt_ms = 41,
    };
    return m;
}

static struct ph_hard_message start(void)
{
    struct ph_hard_message m = {.type = PH_HARD_NAT_BIRTHDAY_START};
    m.start = (struct ph_hard_start){
        .call_id = {9},
        .move = 1,
        .phase = PH_HARD_OPENED,
        .index = 1,
        .round = 3,
        .start_at_ms = 7,
        .acceptor_port_count = 3,
        .acceptor_ports = {5000, 5002, 5004},
        .port_count = 3,
        .low = 5000,
        .high = 5004,
        .stride = 2,
    };
    return m;
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct ph_hard_message all[] = {probe(), start()};
    for (size_t i = 0; i < 2; i++) {
        uint8_t data[PH_HARD_MESSAGE_MAX], again[PH_HARD_MESSAGE_MAX];
        struct ph_hard_message m;
        int len = ph_hard_encode(&all[i], data, sizeof(data));
        assert_true(len > 0);
        /* A stream breaks anywhere: no part of a message is one. */
        for (int cut = 0; cut < len; cut++)
            assert_int_equal(ph_hard_decode(data, (size_t)cut, &m), PH_ERR_SHORT);
        assert_int_equal(ph_hard_decode(data, (size_t)len, &m), len);
        assert_int_equal(m.type, all[i].type);
        if (m.type == PH_HARD_NAT_PROBE) {
            assert_string_equal(m.probe.allocation, "sequential:2");
            assert_true(ph_addr_eq(&m.probe.external, &all[i].probe.external));
            assert_int_equal(m.probe.port_sequence[2], 40000);
            assert_int_equal(m.probe.rate_high, 20000);
            assert_true(m.probe.final && m.probe.rated && m.probe.aligned && m.probe.privileged);
        } else {
            assert_memory_equal(m.start.acceptor_ports, all[i].start.acceptor_ports, 6);
            assert_int_equal(m.start.stride, 2);
        }
        assert_int_equal(ph_hard_encode(&m, again, sizeof(again)), len);
        assert_memory_equal(data, again, (size_t)len);
    }
}

/* The layout that other implementations are held to. */
static void test_bytes(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t expected[] = {
        0x00, 0x26, 0x00, 0x09,
        0x00, 0x01, 0x00, 0x10, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* call id */
        0x00, 0x0f, 0x00, 0x06, 2, 3, 0, 1, 0, 2, /* mirror, over; move 1, round 2 */
        0x00, 0x11, 0x00, 0x02, 0, 0,             /* nothing open */
    };
    /* clang-format on */
    struct ph_hard_message m = {.type = PH_HARD_NAT_BIRTHDAY_START};
    uint8_t data[PH_HARD_MESSAGE_MAX];
    m.start = (struct ph_hard_start){
        .call_id = {9}, .move = 2, .phase = PH_HARD_OVER, .index = 1, .round = 2};
    assert_int_equal(ph_hard_encode(&m, data, sizeof(data)), sizeof(expected));
    assert_memory_equal(data, expected, sizeof(expected));
}

static void test_newer(void **state)
{
    (void)state;
    struct ph_hard_message m;
    /* clang-format off */
    static const uint8_t unknown_type[] = {0x00, 0x04, 0x00, 0x63, 1, 2};
    static const uint8_t newer[] = {
        0x00, 0x1f, 0x00, 0x09,
        0x7f, 0xff, 0x00, 0x01, 0,                          /* a field that is not known */
        0x00, 0x0f, 0x00, 0x08, 9, 7, 0, 1, 0, 2, 0xaa, 0xbb, /* a longer one; phase 7 */
        0x00, 0x04, 0x00, 0x03, 0x12, 0x34, 0x56,           /* a port and a half */
    };
    /* clang-format on */
    uint8_t data[sizeof(newer)];
    memcpy(data, newer, sizeof(newer));
    data[1] = (uint8_t)(sizeof(newer) - 2);
    assert_int_equal(ph_hard_decode(unknown_type, sizeof(unknown_type), &m), 6);
    assert_int_equal(m.type, 0);
    assert_int_equal(ph_hard_decode(data, sizeof(data), &m), sizeof(data));
    assert_int_equal(m.start.move, 9);
    assert_int_equal(m.start.phase, 0); /* what is not known is nothing to act on */
    assert_int_equal(m.start.round, 2);
    assert_int_equal(m.start.port_count, 1);
    assert_int_equal(m.start.acceptor_ports[0], 0x1234);
}

static void test_hostile(void **state)
{
    (void)state;
    struct ph_hard_message m = start();
    uint8_t data[PH_HARD_MESSAGE_MAX];
    static const uint8_t long_one[] = {0xff, 0xff, 0x00, 0x08};
    static const uint8_t empty[] = {0x00, 0x00};
    static const uint8_t short_value[] = {0x00, 0x08, 0x00, 0x09, 0x00, 0x0f, 0x00, 0x02, 1, 1};
    static const uint8_t past_end[] = {0x00, 0x07, 0x00, 0x09, 0x00, 0x0f, 0x00, 0x09, 1};
    assert_int_equal(ph_hard_decode(long_one, sizeof(long_one), &m), PH_ERR_FORMAT);
    assert_int_equal(ph_hard_decode(empty, sizeof(empty), &m), PH_ERR_FORMAT);
    assert_int_equal(ph_hard_decode(short_value, sizeof(short_value), &m), PH_ERR_FORMAT);
    assert_int_equal(ph_hard_decode(past_end, sizeof(past_end), &m), PH_ERR_FORMAT);
    assert_int_equal(m.type, 0);
    m = start();
    m.start.port_count = PH_HARD_PORTS_MAX + 1;
    assert_int_equal(ph_hard_encode(&m, data, sizeof(data)), PH_ERR_INVAL);
    m = probe();
    memset(m.probe.allocation, 'a', sizeof(m.probe.allocation));
    assert_int_equal(ph_hard_encode(&m, data, sizeof(data)), PH_ERR_INVAL);
    m = probe();
    assert_int_equal(ph_hard_encode(&m, data, 20), PH_ERR_SPACE);
    m.type = 3;
    assert_int_equal(ph_hard_encode(&m, data, sizeof(data)), PH_ERR_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_newer),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
