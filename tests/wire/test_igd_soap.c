#include "base/err.h"
#include "wire/igd.h"
#include "wire/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WANIP    "urn:schemas-upnp-org:service:WANIPConnection:1"
#define FIREWALL "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"

#define ENVELOPE(type, name, arguments)                                                            \
    "<?xml version=\"1.0\"?>"                                                                      \
    "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\""                            \
    " s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\">"                              \
    "<s:Body><u:" name " xmlns:u=\"" type "\">" arguments "</u:" name "></s:Body></s:Envelope>"

static const struct ph_igd_service wanip = {.kind = PH_IGD_WANIP, .version = 1, .type = WANIP};
static const struct ph_igd_service firewall = {
    .kind = PH_IGD_FIREWALL6, .version = 1, .type = FIREWALL};

static struct ph_igd_mapping mapping(void)
{
    return (struct ph_igd_mapping){
        .external_port = 50000,
        .internal_port = 40001,
        .internal = ph_addr_v4(192, 168, 1, 2, 9),
        .lease_s = 7200,
        .description = "pinhole",
    };
}

/* What each request has to be, written out. */
static void assert_request(int len, const char *out, const char *action, const char *expected,
                           const char *expected_action)
{
    assert_string_equal(out, expected);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(action, expected_action);
}

static void test_without_arguments(void **state)
{
    char out[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    int len;

    (void)state;
    len = ph_igd_external_address(&wanip, out, sizeof(out), action);
    assert_request(len, out, action, ENVELOPE(WANIP, "GetExternalIPAddress", ""),
                   WANIP "#GetExternalIPAddress");
    len = ph_igd_status(&wanip, out, sizeof(out), action);
    assert_request(len, out, action, ENVELOPE(WANIP, "GetStatusInfo", ""), WANIP "#GetStatusInfo");
}

#define KEY                                                                                        \
    "<NewRemoteHost></NewRemoteHost>"                                                              \
    "<NewExternalPort>50000</NewExternalPort>"                                                     \
    "<NewProtocol>UDP</NewProtocol>"
#define CLIENT                                                                                     \
    "<NewInternalPort>40001</NewInternalPort>"                                                     \
    "<NewInternalClient>192.168.1.2</NewInternalClient>"                                           \
    "<NewEnabled>1</NewEnabled>"                                                                   \
    "<NewPortMappingDescription>pinhole</NewPortMappingDescription>"

static void test_mapping(void **state)
{
    char out[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    struct ph_igd_mapping m = mapping();
    int len;

    (void)state;
    len = ph_igd_add(&wanip, &m, false, out, sizeof(out), action);
    assert_request(
        len, out, action,
        ENVELOPE(WANIP, "AddPortMapping", KEY CLIENT "<NewLeaseDuration>7200</NewLeaseDuration>"),
        WANIP "#AddPortMapping");
    m.lease_s = 0;
    len = ph_igd_add(&wanip, &m, true, out, sizeof(out), action);
    assert_request(
        len, out, action,
        ENVELOPE(WANIP, "AddAnyPortMapping", KEY CLIENT "<NewLeaseDuration>0</NewLeaseDuration>"),
        WANIP "#AddAnyPortMapping");
    len = ph_igd_delete(&wanip, 50000, out, sizeof(out), action);
    assert_request(len, out, action, ENVELOPE(WANIP, "DeletePortMapping", KEY),
                   WANIP "#DeletePortMapping");
    len = ph_igd_query(&wanip, 50000, out, sizeof(out), action);
    assert_request(len, out, action, ENVELOPE(WANIP, "GetSpecificPortMappingEntry", KEY),
                   WANIP "#GetSpecificPortMappingEntry");
}

static void test_pinhole(void **state)
{
    char out[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    struct ph_igd_mapping m = mapping();
    int len;

    (void)state;
    assert_int_equal(ph_addr_parse("2001:db8::17", &m.internal), PH_OK);
    m.external_port = 0; /* there is none */
    len = ph_igd_add_pinhole(&firewall, &m, out, sizeof(out), action);
    assert_request(len, out, action,
                   ENVELOPE(FIREWALL, "AddPinhole",
                            "<RemoteHost></RemoteHost>"
                            "<RemotePort>0</RemotePort>"
                            "<InternalClient>2001:db8::17</InternalClient>"
                            "<InternalPort>40001</InternalPort>"
                            "<Protocol>17</Protocol>"
                            "<LeaseTime>7200</LeaseTime>"),
                   FIREWALL "#AddPinhole");
    len = ph_igd_update_pinhole(&firewall, 65535, 4294967295u, out, sizeof(out), action);
    assert_request(len, out, action,
                   ENVELOPE(FIREWALL, "UpdatePinhole",
                            "<UniqueID>65535</UniqueID>"
                            "<NewLeaseTime>4294967295</NewLeaseTime>"),
                   FIREWALL "#UpdatePinhole");
    len = ph_igd_delete_pinhole(&firewall, 0, out, sizeof(out), action);
    assert_request(len, out, action, ENVELOPE(FIREWALL, "DeletePinhole", "<UniqueID>0</UniqueID>"),
                   FIREWALL "#DeletePinhole");
}

static void no_tag(void *user, struct ph_span name)
{
    (void)user;
    (void)name;
}

static void take_description(void *user, struct ph_span name, struct ph_span text)
{
    if (ph_span_is(&name, "NewPortMappingDescription"))
        ph_span_copy(&text, user, 128);
}

/* Any description arrives as it was, but for what is not plain ASCII. */
static void test_escaping(void **state)
{
    static const struct {
        const char *description, *arrives;
    } table[] = {
        {"a<b>&\"c'</NewPortMappingDescription>", "a<b>&\"c'</NewPortMappingDescription>"},
        {"]]>&amp;&lt;", "]]>&amp;&lt;"},
        {"line\r\nline", "line??line"},
        {"\xff\x7f", "??"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char out[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX], got[128] = "none";
        const struct ph_xml_sink sink = {got, no_tag, take_description, no_tag};
        struct ph_igd_mapping m = mapping();
        int len;

        m.description = table[i].description;
        len = ph_igd_add(&wanip, &m, false, out, sizeof(out), action);
        assert_true(len > 0);
        assert_int_equal(ph_xml_parse(out, (size_t)len, 8, &sink), PH_OK);
        assert_string_equal(got, table[i].arrives);
    }
}

static void test_no_space(void **state)
{
    char out[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    struct ph_igd_mapping m = mapping();
    size_t needed = (size_t)ph_igd_add(&wanip, &m, true, out, sizeof(out), action) + 1;
    char huge[PH_IGD_BODY_MAX + 1];

    (void)state;
    for (size_t cap = 0; cap < sizeof(out); cap++) {
        memset(out, 0x11, sizeof(out));
        assert_int_equal(ph_igd_add(&wanip, &m, true, out, cap, action),
                         cap < needed ? PH_ERR_SPACE : (int)needed - 1);
        assert_int_equal(out[cap], 0x11);
    }
    memset(huge, 'd', sizeof(huge));
    huge[sizeof(huge) - 1] = '\0';
    m.description = huge;
    assert_int_equal(ph_igd_add(&wanip, &m, true, out, sizeof(out), action), PH_ERR_SPACE);
}

/* An external port of 0 stands for all of them, and must never leave. */
static void test_never_a_wildcard(void **state)
{
    char out[PH_IGD_BODY_MAX], action[PH_IGD_ACTION_MAX];
    struct ph_igd_mapping m = mapping();

    (void)state;
    m.external_port = 0;
    assert_int_equal(ph_igd_add(&wanip, &m, false, out, sizeof(out), action), PH_ERR_INVAL);
    assert_int_equal(ph_igd_add(&wanip, &m, true, out, sizeof(out), action), PH_ERR_INVAL);
    assert_int_equal(ph_igd_delete(&wanip, 0, out, sizeof(out), action), PH_ERR_INVAL);
    assert_int_equal(ph_igd_query(&wanip, 0, out, sizeof(out), action), PH_ERR_INVAL);
    m = mapping();
    m.internal_port = 0;
    assert_int_equal(ph_igd_add(&wanip, &m, false, out, sizeof(out), action), PH_ERR_INVAL);
    assert_int_equal(ph_igd_add_pinhole(&firewall, &m, out, sizeof(out), action), PH_ERR_INVAL);
    m = mapping();
    m.internal = (struct ph_addr){0};
    assert_int_equal(ph_igd_add(&wanip, &m, false, out, sizeof(out), action), PH_ERR_INVAL);
    assert_int_equal(ph_igd_add_pinhole(&firewall, &m, out, sizeof(out), action), PH_ERR_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_arguments), cmocka_unit_test(test_mapping),
        cmocka_unit_test(test_pinhole),           cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_no_space),          cmocka_unit_test(test_never_a_wildcard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
