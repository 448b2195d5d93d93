#include "base/err.h"
#include "wire/igd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD                                                                                       \
    "<?xml version=\"1.0\"?>\r\n"                                                                  \
    "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\""                            \
    " s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>"
#define TAIL "</s:Body></s:Envelope>\r\n"
#define RESPONSE(name, inner)                                                                      \
    HEAD "<u:" name "Response xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">" inner   \
         "</u:" name "Response>" TAIL
#define FAULT(code)                                                                                \
    HEAD "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"    \
         "<UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>" code                  \
         "</errorCode><errorDescription>Something</errorDescription></UPnPError></detail>"         \
         "</s:Fault>" TAIL

/* Parses a copy that ends where its memory does. */
static int parse(const char *xml, size_t len, struct ph_igd_answer *out)
{
    char *copy = malloc(len > 0 ? len : 1);
    int err;

    assert_non_null(copy);
    memcpy(copy, xml, len);
    err = ph_igd_parse_answer(copy, len, out);
    free(copy);
    return err;
}

static struct ph_igd_answer parsed(const char *xml)
{
    struct ph_igd_answer a;

    assert_int_equal(parse(xml, strlen(xml), &a), PH_OK);
    return a;
}

static void assert_nothing(const struct ph_igd_answer *a)
{
    static const struct ph_igd_answer nothing;

    assert_memory_equal(a, &nothing, sizeof(nothing));
}

static void test_no_values(void **state)
{
    struct ph_igd_answer a;

    (void)state;
    a = parsed(RESPONSE("AddPortMapping", ""));
    assert_nothing(&a);
    a = parsed(HEAD "<u:DeletePortMappingResponse xmlns:u=\"urn:x\"/>" TAIL);
    assert_nothing(&a);
}

static void test_external_address(void **state)
{
    static const struct {
        const char *xml, *address;
    } table[] = {
        {RESPONSE("GetExternalIPAddress",
                  "<NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>"),
         "203.0.113.7"},
        /* Other prefixes, white space, a comment of the router's. */
        {"<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\">\n"
         "  <SOAP-ENV:Body>\n"
         "    <m:GetExternalIPAddressResponse xmlns:m=\"urn:x\">\n"
         "      <!-- <NewExternalIPAddress>192.0.2.1</NewExternalIPAddress> -->\n"
         "      <NewExternalIPAddress>\n 203.0.113.7 \n</NewExternalIPAddress>\n"
         "    </m:GetExternalIPAddressResponse>\n"
         "  </SOAP-ENV:Body>\n"
         "</SOAP-ENV:Envelope>\n",
         "203.0.113.7"},
        {RESPONSE("GetExternalIPAddress", "<NewExternalIPAddress>0.0.0.0</NewExternalIPAddress>"),
         "0.0.0.0"},
        {RESPONSE("GetExternalIPAddress",
                  "<NewExternalIPAddress>2001:db8::1</NewExternalIPAddress>"),
         "2001:db8::1"},
        {RESPONSE("GetExternalIPAddress", "<NewExternalIPAddress></NewExternalIPAddress>"), NULL},
        {RESPONSE("GetExternalIPAddress", "<NewExternalIPAddress/>"), NULL},
        {RESPONSE("GetExternalIPAddress",
                  "<NewExternalIPAddress>203.0.113.7:80</NewExternalIPAddress>"),
         NULL},
        {RESPONSE("GetExternalIPAddress", "<NewExternalIPAddress>(null)</NewExternalIPAddress>"),
         NULL},
        {RESPONSE("GetExternalIPAddress",
                  "<NewExternalIPAddress>203.0.113.7 203.0.113.8</NewExternalIPAddress>"),
         NULL},
        {RESPONSE("GetExternalIPAddress",
                  "<NewExternalIPAddress>0000000000000000000000000000000000000000000000000000000"
                  "</NewExternalIPAddress>"),
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ph_igd_answer a = parsed(table[i].xml);
        struct ph_addr expected = {0};

        if (table[i].address != NULL)
            assert_int_equal(ph_addr_parse(table[i].address, &expected), PH_OK);
        assert_true(ph_addr_eq(&a.external, &expected));
        assert_int_equal(a.error, 0);
    }
}

static void test_status(void **state)
{
    static const struct {
        const char *text;
        bool connected;
    } table[] = {
        {"Connected", true},    {"CONNECTED", true},
        {" connected\n", true}, {"Up", true},
        {"up", true},           {"Disconnected", false},
        {"Connecting", false},  {"Unconfigured", false},
        {"Down", false},        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ph_igd_answer a;
        char xml[1024];

        snprintf(xml, sizeof(xml),
                 RESPONSE("GetStatusInfo",
                          "<NewConnectionStatus>%s</NewConnectionStatus>"
                          "<NewLastConnectionError>ERROR_NONE</NewLastConnectionError>"
                          "<NewUptime>86400</NewUptime>"),
                 table[i].text);
        a = parsed(xml);
        assert_true(a.has_status);
        assert_int_equal(a.connected, table[i].connected);
    }
    assert_false(parsed(RESPONSE("GetStatusInfo", "")).has_status);
}

static void test_entry(void **state)
{
    const struct ph_addr internal = ph_addr_v4(192, 168, 1, 2, 40001);
    struct ph_igd_answer a = parsed(
        RESPONSE("GetSpecificPortMappingEntry",
                 "<NewInternalPort>40001</NewInternalPort>"
                 "<NewInternalClient>192.168.1.2</NewInternalClient>"
                 "<NewEnabled>1</NewEnabled>"
                 "<NewPortMappingDescription>&lt;NewInternalPort&gt;1&lt;/NewInternalPort&gt;"
                 "</NewPortMappingDescription>"
                 "<NewLeaseDuration>3599</NewLeaseDuration>"));

    (void)state;
    assert_true(ph_addr_eq(&a.internal, &internal));
    assert_true(a.has_lease);
    assert_int_equal(a.lease_s, 3599);
    assert_int_equal(a.port, 0);
    a = parsed(RESPONSE("AddAnyPortMapping", "<NewReservedPort>50001</NewReservedPort>"));
    assert_int_equal(a.port, 50001);
    assert_false(ph_addr_is_set(&a.internal));
    assert_false(a.has_lease);
    a = parsed(RESPONSE("AddPinhole", "<UniqueID>42</UniqueID>"));
    assert_true(a.has_unique_id);
    assert_int_equal(a.unique_id, 42);
    assert_false(parsed(RESPONSE("AddPinhole", "<UniqueID></UniqueID>")).has_unique_id);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        uint16_t port;
        bool has_lease;
        uint32_t lease_s;
    } table[] = {
        {"0", 0, true, 0},
        {"1", 1, true, 1},
        {" 65535 ", 65535, true, 65535},
        {"65536", 0, true, 65536},
        {"4294967295", 0, true, 4294967295u},
        {"4294967296", 0, false, 0},
        {"18446744073709551617", 0, false, 0},
        {"-1", 0, false, 0},
        {"+1", 0, false, 0},
        {"1.0", 0, false, 0},
        {"0x50", 0, false, 0},
        {"1 2", 0, false, 0},
        {"", 0, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ph_igd_answer a;
        char xml[1024];

        snprintf(xml, sizeof(xml),
                 RESPONSE("X", "<NewExternalPort>%s</NewExternalPort>"
                               "<NewLeaseDuration>%s</NewLeaseDuration>"),
                 table[i].text, table[i].text);
        a = parsed(xml);
        assert_int_equal(a.port, table[i].port);
        assert_int_equal(a.has_lease, table[i].has_lease);
        assert_int_equal(a.lease_s, table[i].lease_s);
    }
}

static void test_faults(void **state)
{
    static const struct {
        const char *xml;
        int error;
    } table[] = {
        {FAULT("725"), 725},
        {FAULT(" 718\n"), 718},
        {FAULT("0"), PH_IGD_ACTION_FAILED},
        {FAULT("many"), PH_IGD_ACTION_FAILED},
        {FAULT("-718"), PH_IGD_ACTION_FAILED},
        {FAULT("99999999999"), PH_IGD_ACTION_FAILED},
        /* Deeper than it should be, under another prefix. */
        {"<e:Envelope><e:Body><e:Fault><e:Detail><x><y><z:UPnPError><z:errorCode>402</z:errorCode>"
         "</z:UPnPError></y></x></e:Detail></e:Fault></e:Body></e:Envelope>",
         402},
        /* Without the fault around it, and a fault without the error. */
        {HEAD "<UPnPError><errorCode>606</errorCode></UPnPError>" TAIL, 606},
        {HEAD "<s:Fault><faultstring>no</faultstring></s:Fault>" TAIL, PH_IGD_ACTION_FAILED},
        {HEAD "<s:Fault/>" TAIL, PH_IGD_ACTION_FAILED},
        /* Both: it is the fault that counts, and of two codes the first. */
        {HEAD "<u:AddPortMappingResponse/><s:Fault><errorCode>501</errorCode>"
              "<errorCode>725</errorCode></s:Fault>" TAIL,
         501},
        /* A code that no fault holds. */
        {RESPONSE("AddPortMapping", "<errorCode>725</errorCode>"), 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(parsed(table[i].xml).error, table[i].error);
}

/* What expat refuses. */
static void test_broken(void **state)
{
    struct ph_igd_answer a;

    (void)state;
    a = parsed("<s:Envelope><s:Body><u:AddPortMappingResponse></u:AddPortMapping></s:Body>");
    assert_int_equal(a.error, 0);
    a = parsed("junk\r\n<s:Envelope><s:Body><s:Fault><detail><UPnPError>"
               "<errorCode>718</errorcode><errorDescription>Taken & gone</errorDescription>"
               "</s:Fault></s:Body></s:Envelope>");
    assert_int_equal(a.error, 718);
    a = parsed("<GetSpecificPortMappingEntryResponse>"
               "<NewInternalPort>40001<NewInternalClient>192.168.1.2</NewInternalCl>"
               "<NewPortMappingDescription>a & b</NewPortMappingDescription>"
               "<NewLeaseDuration>60</NewLeaseDuration>");
    assert_int_equal(a.internal.port, 40001);
    assert_int_equal(a.internal.family, PH_AF_V4);
    assert_int_equal(a.lease_s, 60);
}

static void test_no_answers(void **state)
{
    static const char *const table[] = {
        "",
        "   ",
        "OK",
        "<html><body><h1>404 Not Found</h1></body></html>",
        "<html><br><p>405",
        HEAD TAIL,
        HEAD "<u:AddPortMapping><NewExternalPort>1</NewExternalPort></u:AddPortMapping>" TAIL,
        "<Respons/>",
        "&lt;Fault/&gt;",
        "<!-- <s:Fault/> -->",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ph_igd_answer a;

        assert_int_equal(parse(table[i], strlen(table[i]), &a), PH_ERR_FORMAT);
        assert_nothing(&a);
    }
}

/* An answer that has lost its end has fewer values, but none that is another one. */
static void test_truncated(void **state)
{
    static const char xml[] = RESPONSE("GetSpecificPortMappingEntry",
                                       "<NewExternalIPAddress>203.0.113.77</NewExternalIPAddress>"
                                       "<NewExternalPort>50001</NewExternalPort>"
                                       "<NewInternalPort>40001</NewInternalPort>"
                                       "<NewInternalClient>192.168.1.22</NewInternalClient>"
                                       "<NewLeaseDuration>3599</NewLeaseDuration>"
                                       "<UniqueID>42</UniqueID>");
    struct ph_igd_answer all = parsed(xml);

    (void)state;
    for (size_t len = 0; len < strlen(xml); len++) {
        struct ph_igd_answer a;

        if (parse(xml, len, &a) != PH_OK) {
            assert_nothing(&a);
            continue;
        }
        assert_true(!ph_addr_is_set(&a.external) || ph_addr_eq(&a.external, &all.external));
        assert_true(!ph_addr_is_set(&a.internal) || ph_addr_eq(&a.internal, &all.internal));
        assert_true(a.port == 0 || a.port == all.port);
        assert_true(a.lease_s == (a.has_lease ? all.lease_s : 0));
        assert_true(a.unique_id == (a.has_unique_id ? all.unique_id : 0));
    }
}

static void test_huge(void **state)
{
    static const char fault[] = "<s:Fault><errorCode>718</errorCode></s:Fault>";
    const size_t len = 4u << 20;
    char *xml = malloc(len);
    struct ph_igd_answer a;

    (void)state;
    assert_non_null(xml);
    memset(xml, '<', len);
    memcpy(xml, fault, strlen(fault));
    assert_int_equal(ph_igd_parse_answer(xml, len, &a), PH_OK);
    assert_int_equal(a.error, 718);
    memset(xml, '<', strlen(fault));
    memcpy(xml + PH_IGD_XML_MAX, fault, strlen(fault));
    assert_int_equal(ph_igd_parse_answer(xml, len, &a), PH_ERR_FORMAT);
    for (size_t i = 0; i < len; i++)
        xml[i] = "<a>"[i % 3];
    assert_int_equal(ph_igd_parse_answer(xml, len, &a), PH_ERR_FORMAT);
    free(xml);
}

static void test_texts(void **state)
{
    static const int codes[] = {0,   401, 402, 501, 606, 701, 702, 703, 704, 705, 708,
                                714, 716, 718, 724, 725, 726, 727, 728, 729, 732};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_string_not_equal(ph_igd_error_text(codes[i]), ph_igd_error_text(-1));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ph_igd_error_text(codes[i]), ph_igd_error_text(codes[j]));
    }
    assert_string_equal(ph_igd_error_text(715), ph_igd_error_text(708));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_values), cmocka_unit_test(test_external_address),
        cmocka_unit_test(test_status),    cmocka_unit_test(test_entry),
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_faults),
        cmocka_unit_test(test_broken),    cmocka_unit_test(test_no_answers),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_huge),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
