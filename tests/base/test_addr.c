#include "base/addr.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Text that is already in the canonical form of RFC 5952: it must come out as it went in. */
static const struct {
    const char *text;
    struct ph_addr addr;
} canonical[] = {
    {"1.2.3.4:5", {.family = PH_AF_V4, .port = 5, .ip = {1, 2, 3, 4}}},
    {"0.0.0.0:0", {.family = PH_AF_V4}},
    {"255.255.255.255:65535", {.family = PH_AF_V4, .port = 65535, .ip = {255, 255, 255, 255}}},
    {"[::]:1", {.family = PH_AF_V6, .port = 1}},
    {"[::1]:5", {.family = PH_AF_V6, .port = 5, .ip = {[15] = 1}}},
    {"[fe80::]:9", {.family = PH_AF_V6, .port = 9, .ip = {0xfe, 0x80}}},
    {"[2001:db8::1:0:0:1]:80",
     {.family = PH_AF_V6,
      .port = 80,
      .ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1}}},
    /* One zero group alone is written out (RFC 5952 section 4.2.2). */
    {"[2001:db8:0:1:1:1:1:1]:80",
     {.family = PH_AF_V6,
      .port = 80,
      .ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}}},
    /* The longer run is the one that is shortened. */
    {"[2001:0:0:1::1]:80", {.family = PH_AF_V6, .port = 80, .ip = {0x20, 0x01, [7] = 1, [15] = 1}}},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     {.family = PH_AF_V6,
      .port = 65535,
      .ip = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}}},
    {"[::ffff:192.0.2.1]:1",
     {.family = PH_AF_V6, .port = 1, .ip = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}}},
};

static void test_canonical(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(canonical) / sizeof(canonical[0]); i++) {
        struct ph_addr a;
        char text[PH_ADDR_STRLEN];

        memset(&a, 0xa5, sizeof(a));
        assert_int_equal(ph_addr_parse(canonical[i].text, &a), PH_OK);
        assert_memory_equal(&a, &canonical[i].addr, sizeof(a));
        assert_string_equal(ph_addr_format(&a, text), canonical[i].text);
    }
}

/* Other ways to write them; without a port it is 0. */
static void test_spellings(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"192.168.0.1", "192.168.0.1:0"},
        {"::1", "[::1]:0"},
        {"::", "[::]:0"},
        {"1::", "[1::]:0"},
        {"2001:DB8::A", "[2001:db8::a]:0"},
        {"0:0:0:0:0:0:0:1", "[::1]:0"},
        {"0001:0002:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:0"},
        {"::1.2.3.4", "[::102:304]:0"},
        {"1:2:3:4:5:6:1.2.3.4", "[1:2:3:4:5:6:102:304]:0"},
        {"64:ff9b::192.0.2.33", "[64:ff9b::c000:221]:0"},
        {"1:2:3:4:5:6:7::", "[1:2:3:4:5:6:7:0]:0"},
        {"::2:3:4:5:6:7:8", "[0:2:3:4:5:6:7:8]:0"},
        {"1::3:4:5:6:7:8", "[1:0:3:4:5:6:7:8]:0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ph_addr a;
        char text[PH_ADDR_STRLEN];

        assert_int_equal(ph_addr_parse(cases[i].text, &a), PH_OK);
        assert_string_equal(ph_addr_format(&a, text), cases[i].want);
    }
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.00",
        "1.2..3",
        "1.2.3.-4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:05",
        "1.2.3.4:+5",
        "1.2.3.4:5x",
        "1.2.3.4:99999999999999999999",
        "99999999999999999999.2.3.4",
        "[1.2.3.4]:5",
        ":",
        ":::",
        ":1",
        "1:",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1::2::3",
        "12345::",
        "g::",
        "[::1]",
        "[::1]:",
        "[::1]5",
        "[::1",
        "::1]:5",
        "[]:5",
        "[::1]:70000",
        "fe80::1%1",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3",
        "1.2.3.4::",
        "localhost",
        "localhost:80",
        "1:2:3:4:5:6:7:",
        "1.2.3.4:5:6",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ph_addr a;

        if (ph_addr_parse(cases[i], &a) != PH_ERR_FORMAT)
            fail_msg("\"%s\" was taken for an address", cases[i]);
        assert_false(ph_addr_is_set(&a));
    }
}

enum {
    UNUSABLE = 1,
    PRIVATE = 2,
    LOOPBACK = 4,
    ANY = 8,
};

static void test_kinds(void **state)
{
    static const struct {
        const char *text;
        unsigned is;
    } cases[] = {
        {"8.8.8.8:53", 0},
        {"8.8.8.8:0", UNUSABLE},
        {"0.0.0.0:5", UNUSABLE | ANY},
        {"0.1.2.3:5", UNUSABLE},
        {"127.0.0.1:5", LOOPBACK},
        {"127.255.0.9:5", LOOPBACK},
        {"169.254.1.1:5", UNUSABLE},
        {"169.253.1.1:5", 0},
        {"224.0.0.1:5", UNUSABLE},
        {"239.255.255.255:5", UNUSABLE},
        {"240.0.0.1:5", 0},
        {"255.255.255.255:5", UNUSABLE},
        {"10.255.0.1:5", PRIVATE},
        {"11.0.0.1:5", 0},
        {"172.15.0.1:5", 0},
        {"172.16.0.1:5", PRIVATE},
        {"172.31.255.255:5", PRIVATE},
        {"172.32.0.1:5", 0},
        {"192.168.0.1:5", PRIVATE},
        {"192.169.0.1:5", 0},
        {"100.63.255.255:5", 0},
        {"100.64.0.1:5", PRIVATE},
        {"100.127.255.255:5", PRIVATE},
        {"100.128.0.1:5", 0},
        {"[::]:5", UNUSABLE | ANY},
        {"[::1]:5", LOOPBACK},
        {"[::2]:5", 0},
        {"[fe80::1]:5", UNUSABLE},
        {"[febf::1]:5", UNUSABLE},
        {"[fec0::1]:5", 0},
        {"[ff02::1]:5", UNUSABLE},
        {"[fc00::1]:5", PRIVATE},
        {"[fdff::1]:5", PRIVATE},
        {"[2001:db8::1]:5", 0},
        {"[2001:db8::1]:0", UNUSABLE},
        {"[::ffff:10.0.0.1]:5", UNUSABLE},
    };
    struct ph_addr none = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ph_addr a;
        unsigned is;

        assert_int_equal(ph_addr_parse(cases[i].text, &a), PH_OK);
        is = (ph_addr_is_unusable(&a) ? UNUSABLE : 0u) | (ph_addr_is_private(&a) ? PRIVATE : 0u) |
             (ph_addr_is_loopback(&a) ? LOOPBACK : 0u) | (ph_addr_is_any(&a) ? ANY : 0u);
        if (is != cases[i].is)
            fail_msg("%s: is %#x, not %#x", cases[i].text, is, cases[i].is);
    }
    assert_true(ph_addr_is_unusable(&none));
    assert_false(ph_addr_is_any(&none));
    assert_false(ph_addr_is_private(&none));
    assert_false(ph_addr_is_loopback(&none));
}

static void test_equality_and_hash(void **state)
{
    struct ph_addr a = ph_addr_v4(10, 0, 0, 1, 80);
    struct ph_addr b = ph_addr_v4_u32(0x0a000001, 80);
    struct ph_addr v6 = {.family = PH_AF_V6, .port = 80, .ip = {10, 0, 0, 1}};

    (void)state;
    assert_true(ph_addr_eq(&a, &b));
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(ph_addr_v4_get(&a), 0x0a000001);
    assert_true(ph_addr_hash(&a) == ph_addr_hash(&b));
    b.port = 81;
    assert_false(ph_addr_eq(&a, &b));
    assert_true(ph_addr_ip_eq(&a, &b));
    assert_false(ph_addr_hash(&a) == ph_addr_hash(&b));
    assert_false(ph_addr_ip_eq(&a, &v6));
    assert_false(ph_addr_hash(&a) == ph_addr_hash(&v6));
    b = ph_addr_v4(10, 0, 0, 2, 80);
    assert_false(ph_addr_eq(&a, &b));
    assert_false(ph_addr_ip_eq(&a, &b));
}

static void test_format_ip(void **state)
{
    struct ph_addr a = ph_addr_v4(192, 0, 2, 7, 80);
    struct ph_addr none = {0};
    char text[PH_ADDR_STRLEN];

    (void)state;
    assert_string_equal(ph_addr_format_ip(&a, text), "192.0.2.7");
    a = (struct ph_addr){.family = PH_AF_V6, .port = 80, .ip = {0x20, 0x01, [15] = 7}};
    assert_string_equal(ph_addr_format_ip(&a, text), "2001::7");
    assert_string_equal(ph_addr_format_ip(&none, text), "none");
    assert_string_equal(ph_addr_format(&none, text), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),         cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_refused),           cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_equality_and_hash), cmocka_unit_test(test_format_ip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
