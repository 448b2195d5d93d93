/* The translator of the lab's NAT64: frames of one family into frames of the other. */
#include "base/err.h"
#include "lab/net/translator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CAP 2048

static const struct translator translator = {
    .nat64 = {{.family = PH_AF_V6, .ip = {0x00, 0x64, 0xff, 0x9b}}, 96},
    .lan6 = {.family = PH_AF_V6, .ip = {0x20, 0x01, 0x0d, 0xb8, [7] = 1}},
    .net4 = {.family = PH_AF_V4, .ip = {100, 64, 5, 0}},
};

/* From 2001:db8:0:1::a, port 4000, to 64:ff9b::198.51.100.7, port 3478: "hey". */
static const uint8_t udp6[] = {
    2,    0,    0,    0,    0, 1,  2,  0,  0,   0,   0,   2, 0x86, 0xdd, /* Ethernet */
    0x60, 0,    0,    0,    0, 11, 17, 61,                               /* 11 bytes, UDP, 61 */
    0x20, 0x01, 0x0d, 0xb8, 0, 0,  0,  1,  0,   0,   0,   0, 0,    0,    0,   10, /* source */
    0x00, 0x64, 0xff, 0x9b, 0, 0,  0,  0,  0,   0,   0,   0, 198,  51,   100, 7,  /* destination */
    0x0f, 0xa0, 0x0d, 0x96, 0, 11, 0,  0,  'h', 'e', 'y', /* checksum to come */
};

/* The sum of RFC 1071 by another way: 0xffff where a checksum in it is right. */
static unsigned ones_sum(const uint8_t *p, size_t len, uint32_t start)
{
    uint64_t s = start;
    for (size_t i = 0; i < len; i++)
        s += i % 2 == 0 ? (uint64_t)p[i] * 256 : p[i];
    return s == 0 ? 0 : (unsigned)((s - 1) % 0xffff) + 1;
}

static size_t build(uint8_t frame[CAP], const uint8_t *from, size_t len)
{
    memset(frame, 0, CAP);
    memcpy(frame, from, len);
    return translator_frame(&translator, frame, len, CAP);
}

static void test_udp_to_ipv4(void **state)
{
    static const uint8_t want[] = {0x45, 0, 0,   31, 0, 0,  0x40, 0,  61,  17,
                                   0,    0, 100, 64, 5, 10, 198,  51, 100, 7};
    uint8_t frame[CAP];
    (void)state;
    assert_int_equal(build(frame, udp6, sizeof(udp6)), 14 + 20 + 11);
    assert_memory_equal(frame, udp6, 12);
    assert_int_equal(frame[12] << 8 | frame[13], 0x0800);
    assert_int_equal(ones_sum(frame + 14, 20, 0), 0xffff);
    frame[14 + 10] = frame[14 + 11] = 0;
    assert_memory_equal(frame + 14, want, sizeof(want));
    assert_memory_equal(frame + 34, udp6 + 54, 6);
    assert_memory_equal(frame + 42, "hey", 3);
    /* The pseudo header of UDP: addresses, length, protocol. */
    assert_int_equal(ones_sum(frame + 34, 11, ones_sum(frame + 26, 8, 11 + 17)), 0xffff);
}

/* As it comes back, with its ends exchanged. */
static size_t answer_of(uint8_t frame[CAP], size_t len)
{
    uint8_t ip[4];
    memcpy(ip, frame + 26, 4);
    memmove(frame + 26, frame + 30, 4);
    memcpy(frame + 30, ip, 4);
    return translator_frame(&translator, frame, len, CAP);
}

static void test_udp_to_ipv6(void **state)
{
    uint8_t frame[CAP];
    size_t len;
    (void)state;
    len = answer_of(frame, build(frame, udp6, sizeof(udp6)));
    assert_int_equal(len, sizeof(udp6));
    assert_int_equal(frame[12] << 8 | frame[13], 0x86dd);
    assert_memory_equal(frame + 14, udp6 + 14, 8);  /* length, protocol, hop limit */
    assert_memory_equal(frame + 22, udp6 + 38, 16); /* from where it went to */
    assert_memory_equal(frame + 38, udp6 + 22, 16);
    assert_memory_equal(frame + 62, "hey", 3);
    assert_int_equal(ones_sum(frame + 54, 11, ones_sum(frame + 22, 32, 11 + 17)), 0xffff);
}

static void test_tcp_and_echo(void **state)
{
    uint8_t frame[CAP], sent[14 + 40 + 20];
    size_t len;
    (void)state;
    memcpy(sent, udp6, 54);
    memset(sent + 54, 3, 20);
    sent[14 + 5] = 20;
    sent[14 + 6] = 6;
    len = build(frame, sent, sizeof(sent));
    assert_int_equal(len, 14 + 20 + 20);
    assert_int_equal(ones_sum(frame + 34, 20, ones_sum(frame + 26, 8, 20 + 6)), 0xffff);
    len = answer_of(frame, len);
    assert_int_equal(len, sizeof(sent));
    assert_int_equal(ones_sum(frame + 54, 20, ones_sum(frame + 22, 32, 20 + 6)), 0xffff);

    sent[14 + 6] = 58;
    sent[54] = 128;
    len = build(frame, sent, sizeof(sent));
    assert_int_equal(len, 14 + 20 + 20);
    assert_int_equal(frame[14 + 9], 1);
    assert_int_equal(frame[34], 8);
    assert_int_equal(ones_sum(frame + 34, 20, 0), 0xffff);
    frame[34] = 0; /* the reply */
    len = answer_of(frame, len);
    assert_int_equal(len, sizeof(sent));
    assert_int_equal(frame[54], 129);
    assert_int_equal(ones_sum(frame + 54, 20, ones_sum(frame + 22, 32, 20 + 58)), 0xffff);
}

static void expect_dropped(const uint8_t *from, size_t len, size_t at, uint8_t value)
{
    uint8_t changed[256], frame[CAP];
    memcpy(changed, from, len);
    changed[at] = value;
    assert_int_equal(build(frame, changed, len), 0);
}

static void test_what_is_dropped(void **state)
{
    uint8_t v4[CAP], frame[CAP];
    size_t len;
    (void)state;
    expect_dropped(udp6, sizeof(udp6), 13, 0x06);    /* ARP */
    expect_dropped(udp6, sizeof(udp6), 14 + 6, 44);  /* a fragment */
    expect_dropped(udp6, sizeof(udp6), 14 + 6, 132); /* SCTP */
    expect_dropped(udp6, sizeof(udp6), 22, 0xfe);    /* from another network */
    expect_dropped(udp6, sizeof(udp6), 38, 0x20);    /* to no IPv4 address */
    expect_dropped(udp6, sizeof(udp6), 14 + 5, 12);  /* longer than it is */
    expect_dropped(udp6, sizeof(udp6), 14 + 5, 6);   /* too short for UDP */
    for (size_t short_of = 1; short_of < sizeof(udp6); short_of++)
        assert_int_equal(build(frame, udp6, sizeof(udp6) - short_of), 0);
    len = build(v4, udp6, sizeof(udp6));
    /* Turned round: what comes back. */
    memcpy(v4 + 30, v4 + 26, 4);
    expect_dropped(v4, len, 14, 0x46); /* options */
    expect_dropped(v4, len, 20, 0x20); /* more fragments */
    expect_dropped(v4, len, 30, 10);   /* to none of ours */
    expect_dropped(v4, len, 14 + 3, 200);
    memcpy(frame, v4, len);
    assert_int_equal(translator_frame(&translator, frame, len, len + 19), 0); /* no room */
    memcpy(frame, v4, len);
    assert_int_equal(translator_frame(&translator, frame, len, len + 20), len + 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp_to_ipv4),
        cmocka_unit_test(test_udp_to_ipv6),
        cmocka_unit_test(test_tcp_and_echo),
        cmocka_unit_test(test_what_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
