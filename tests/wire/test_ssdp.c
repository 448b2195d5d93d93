#include "base/err.h"
#include "wire/ssdp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_search(void **state)
{
    static const char multicast[] = "M-SEARCH * HTTP/1.1\r\n"
                                    "HOST: 239.255.255.250:1900\r\n"
                                    "MAN: \"ssdp:discover\"\r\n"
                                    "MX: 2\r\n"
                                    "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
                                    "\r\n";
    static const char unicast[] = "M-SEARCH * HTTP/1.1\r\n"
                                  "HOST: 192.168.1.1:1900\r\n"
                                  "MAN: \"ssdp:discover\"\r\n"
                                  "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\n"
                                  "\r\n";
    const struct ph_addr everybody = ph_ssdp_multicast();
    const struct ph_addr router = ph_addr_v4(192, 168, 1, 1, PH_SSDP_PORT);
    char out[PH_SSDP_REQUEST_MAX];

    (void)state;
    assert_int_equal(ph_ssdp_search(out, sizeof(out), &everybody, PH_SSDP_IGD1, 2),
                     strlen(multicast));
    assert_string_equal(out, multicast);
    assert_int_equal(ph_ssdp_search(out, sizeof(out), &router, PH_SSDP_IGD2, 0), strlen(unicast));
    assert_string_equal(out, unicast);
    assert_true(ph_ssdp_search(out, sizeof(out), &router, PH_SSDP_ROOT, 99) > 0);
    assert_non_null(strstr(out, "\r\nMX: 5\r\n"));
    assert_non_null(strstr(out, "\r\nST: upnp:rootdevice\r\n"));
    for (size_t cap = 0; cap <= strlen(multicast); cap++) {
        memset(out, 0x11, sizeof(out));
        assert_int_equal(ph_ssdp_search(out, cap, &everybody, PH_SSDP_IGD1, 2), PH_ERR_SPACE);
        assert_int_equal(out[cap], 0x11);
    }
}

/* What is sent is a request that reads as one, whoever it goes to. */
static void test_search_is_http(void **state)
{
    struct ph_addr router;

    (void)state;
    assert_int_equal(ph_addr_parse("[2001:db8:1111:2222:3333:4444:5555:6666]:1900", &router),
                     PH_OK);
    for (int target = 0; target < PH_SSDP_TARGETS; target++) {
        char out[PH_SSDP_REQUEST_MAX];
        struct ph_http_head head;
        struct ph_span man;
        int len = ph_ssdp_search(out, sizeof(out), &router, (enum ph_ssdp_target)target, 1);

        assert_true(len > 0);
        assert_int_equal(ph_http_head_parse(out, (size_t)len, false, &head), PH_OK);
        assert_int_equal(head.len, len);
        assert_true(ph_span_is(&head.method, "M-SEARCH"));
        assert_true(ph_http_field(&head, "MAN", &man));
        assert_true(ph_span_is(&man, "\"ssdp:discover\""));
    }
}

static const char answer[] =
    "HTTP/1.1 200 OK\r\n"
    "CACHE-CONTROL: max-age=120\r\n"
    "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
    "USN: uuid:11111111-2222-3333-4444-555555555555::urn:schemas-upnp-org:device:"
    "InternetGatewayDevice:1\r\n"
    "EXT:\r\n"
    "SERVER: Invented/1.0 UPnP/1.1\r\n"
    "LOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n"
    "\r\n";

static void test_answer(void **state)
{
    const struct ph_addr location = ph_addr_v4(192, 168, 1, 1, 5000);
    struct ph_ssdp_response m;

    (void)state;
    assert_int_equal(ph_ssdp_parse(answer, strlen(answer), &m), PH_OK);
    assert_true(m.igd);
    assert_string_equal(m.target, "urn:schemas-upnp-org:device:InternetGatewayDevice:1");
    assert_true(ph_addr_eq(&m.location.addr, &location));
    assert_string_equal(m.location.path, "/rootDesc.xml");
}

static void test_answers(void **state)
{
    static const struct {
        const char *text;
        int expected;
        bool igd;
    } table[] = {
        /* LF alone, no blanks, no empty line, another case. */
        {"HTTP/1.0 200\nLocation:http://10.0.0.1/d.xml\n"
         "st:URN:schemas-upnp-org:device:internetgatewaydevice:2",
         PH_OK, true},
        /* Its USN alone says what it is. */
        {"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://10.0.0.1/d.xml\r\n"
         "USN: uuid:1::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n",
         PH_OK, true},
        /* A part of one. */
        {"HTTP/1.1 200 OK\r\nLOCATION: http://10.0.0.1/d.xml\r\n"
         "ST: urn:schemas-upnp-org:service:WANIPConnection:1\r\n\r\n",
         PH_OK, true},
        {"HTTP/1.1 200 OK\r\nLOCATION: http://10.0.0.1/d.xml\r\n"
         "ST: urn:schemas-upnp-org:device:WANConnectionDevice:1\r\n\r\n",
         PH_OK, true},
        /* Another kind of device, or one that does not say. */
        {"HTTP/1.1 200 OK\r\nLOCATION: http://10.0.0.1/d.xml\r\nST: upnp:rootdevice\r\n"
         "USN: uuid:WAN::upnp:rootdevice\r\n\r\n",
         PH_OK, false},
        {"HTTP/1.1 200 OK\r\nLOCATION: http://10.0.0.1/d.xml\r\n"
         "ST: urn:schemas-upnp-org:device:MediaServer:1\r\n\r\n",
         PH_OK, false},
        {"HTTP/1.1 200 OK\r\nLOCATION: http://10.0.0.1/d.xml\r\n\r\n", PH_OK, false},
        /* No answers. */
        {"HTTP/1.1 404 Not Found\r\nLOCATION: http://10.0.0.1/d.xml\r\n\r\n", PH_ERR_FORMAT, false},
        {"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\n\r\n", PH_ERR_FORMAT, false},
        {"HTTP/1.1 200 OK\r\nLOCATION: http://router.lan/d.xml\r\n\r\n", PH_ERR_FORMAT, false},
        {"HTTP/1.1 200 OK\r\nLOCATION: https://10.0.0.1/d.xml\r\n\r\n", PH_ERR_FORMAT, false},
        {"HTTP/1.1 200 OK\r\nLOCATION:\r\n\r\n", PH_ERR_FORMAT, false},
        {"NOTIFY * HTTP/1.1\r\nLOCATION: http://10.0.0.1/d.xml\r\n"
         "NT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n",
         PH_ERR_FORMAT, false},
        {"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n", PH_ERR_FORMAT, false},
        {"\x40\x01", PH_ERR_FORMAT, false},
        {"", PH_ERR_FORMAT, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ph_ssdp_response m;

        assert_int_equal(ph_ssdp_parse(table[i].text, strlen(table[i].text), &m),
                         table[i].expected);
        assert_int_equal(m.igd, table[i].igd);
        assert_int_equal(ph_addr_is_set(&m.location.addr), table[i].expected == PH_OK);
    }
}

static void test_truncated(void **state)
{
    size_t location_ends =
        (size_t)(strstr(answer, "http:") - answer) + strlen("http://192.168.1.1");

    (void)state;
    for (size_t len = 0; len <= strlen(answer); len++) {
        char *copy = malloc(len > 0 ? len : 1);
        struct ph_ssdp_response m;

        assert_non_null(copy);
        memcpy(copy, answer, len);
        /* A location without a whole address is none: "192.168.1." and "192.168.1" neither. */
        if (len < location_ends || len == strlen(answer))
            assert_int_equal(ph_ssdp_parse(copy, len, &m),
                             len == strlen(answer) ? PH_OK : PH_ERR_FORMAT);
        else
            ph_ssdp_parse(copy, len, &m);
        free(copy);
    }
}

static void test_long(void **state)
{
    static char text[65507];
    struct ph_ssdp_response m;
    size_t len;

    (void)state;
    len = (size_t)snprintf(text, sizeof(text),
                           "HTTP/1.1 200 OK\r\nLOCATION: http://10.0.0.1/d.xml\r\nST: %s%0500d\r\n",
                           "urn:", 7);
    assert_int_equal(ph_ssdp_parse(text, len, &m), PH_OK);
    assert_int_equal(strlen(m.target), PH_SSDP_TARGET_MAX - 1);
    memset(text + len, 'x', sizeof(text) - len);
    assert_int_equal(ph_ssdp_parse(text, sizeof(text), &m), PH_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),    cmocka_unit_test(test_search_is_http),
        cmocka_unit_test(test_answer),    cmocka_unit_test(test_answers),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
