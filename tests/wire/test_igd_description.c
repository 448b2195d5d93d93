/* Descriptions of gateway devices: those in tests/data/igd, whose structures are what routers of
 * several makes send (their words are invented), and hostile ones. */
#include "base/err.h"
#include "wire/igd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TYPE "urn:schemas-upnp-org:service:"

struct expected_service {
    enum ph_igd_kind kind;
    unsigned version;
    const char *type, *control;
};

struct expected {
    const char *file, *from, *name;
    bool scanned;
    struct expected_service services[4];
};

static const struct expected table[] = {
    /* IGD version 2 on one line, with a firewall for IPv6. */
    {"one_line_v2.xml",
     "http://192.168.1.1:5000/rootDesc.xml",
     "Open router",
     false,
     {{PH_IGD_WANIP, 2, TYPE "WANIPConnection:2", "http://192.168.1.1:5000/ctl/IPConn"},
      {PH_IGD_FIREWALL6, 1, TYPE "WANIPv6FirewallControl:1",
       "http://192.168.1.1:5000/ctl/IP6FCtl"}}},
    /* Many devices, whole URLs, a name that is not ASCII. */
    {"absolute_urls.xml",
     "http://192.168.178.1:49000/igddesc.xml",
     "Box f?r Zuhause",
     false,
     {{PH_IGD_WANIP, 1, TYPE "WANIPConnection:1", "http://192.168.178.1:49000/igd/control/ip"},
      {PH_IGD_FIREWALL6, 1, TYPE "WANIPv6FirewallControl:1",
       "http://192.168.178.1:49000/igd2/control/firewall"}}},
    /* Two connections, a URLBase on another port, queries with references in them. */
    {"ppp_and_ip.xml",
     "http://192.168.0.1:80/desc.xml",
     "Connection sharing & more",
     false,
     {{PH_IGD_WANPPP, 1, TYPE "WANPPPConnection:1",
       "http://192.168.0.1:2869/upnphost/host.dll?control=uuid:20000000-0003&service=WANPPPConn1"},
      {PH_IGD_WANIP, 1, TYPE "WANIPConnection:1",
       "http://192.168.0.1:2869/upnphost/host.dll?control=uuid:20000000-0004&service=WANIPConn1"}}},
    /* The same from a host that its URLBase does not name. */
    {"ppp_and_ip.xml",
     "http://192.168.0.2:80/a/desc.xml",
     "Connection sharing & more",
     false,
     {{PH_IGD_WANPPP, 1, TYPE "WANPPPConnection:1",
       "http://192.168.0.2:80/a/host.dll?control=uuid:20000000-0003&service=WANPPPConn1"},
      {PH_IGD_WANIP, 1, TYPE "WANIPConnection:1",
       "http://192.168.0.2:80/a/host.dll?control=uuid:20000000-0004&service=WANIPConn1"}}},
    /* Tags that do not match, bare '&' and '<', a URLBase of long ago. */
    {"mismatched_tags.xml",
     "http://10.0.0.138:8000/xml/igd.xml",
     "Bits & Pieces",
     true,
     {{PH_IGD_WANIP, 1, TYPE "WANIPConnection:1", "http://10.0.0.138:8000/ip/control?x=1&y=2"},
      {PH_IGD_WANPPP, 1, TYPE "WANPPPConnection:1", "http://10.0.0.138:8000/xml/ppp/control"}}},
    /* A byte order mark, prefixes, white space around everything, the type behind the URL. */
    {"prefixed.xml",
     "http://[fd00::1]:80/desc/root.xml",
     "Prefixed <router>",
     false,
     {{PH_IGD_WANIP, 1, TYPE "WANIPConnection:1",
       "http://[fd00::1]:80/desc/upnp/control/WANIPConn1"}}},
    /* What matters comes behind the first 16 KB. */
    {"large.xml",
     "http://192.168.1.1:80/desc.xml",
     "Router of many pictures",
     false,
     {{PH_IGD_WANIP, 1, TYPE "WANIPConnection:1", "http://192.168.1.1:80/behind/the/pictures"}}},
    /* No service of a gateway that one could use. */
    {"not_a_gateway.xml",
     "http://192.168.1.1:80/desc.xml",
     "Access point that says it is a gateway",
     false,
     {{0}}},
};

#define ROWS (sizeof(table) / sizeof(table[0]))

static size_t read_file(const char *name, char *out, size_t cap)
{
    char path[512];
    size_t len;
    FILE *f;

    snprintf(path, sizeof(path), "%s/tests/data/igd/%s", LAB_SOURCE_TREE, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    len = fread(out, 1, cap, f);
    assert_true(len > 0 && len < cap);
    fclose(f);
    return len;
}

static struct ph_url url(const char *text)
{
    struct ph_url out;

    assert_int_equal(ph_url_parse(text, strlen(text), &out), PH_OK);
    return out;
}

static void assert_control(const struct ph_igd_service *s, const char *expected)
{
    struct ph_url u = url(expected);

    assert_true(ph_addr_eq(&s->control.addr, &u.addr));
    assert_string_equal(s->control.host, u.host);
    assert_string_equal(s->control.path, u.path);
}

static void test_files(void **state)
{
    static char xml[PH_IGD_XML_MAX];

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const struct expected *e = &table[i];
        size_t len = read_file(e->file, xml, sizeof(xml));
        struct ph_url from = url(e->from);
        struct ph_igd igd;
        size_t n = 0;

        while (n < 4 && e->services[n].kind != 0)
            n++;
        assert_int_equal(ph_igd_parse_description(xml, len, &from, &igd),
                         n > 0 ? PH_OK : PH_ERR_FORMAT);
        assert_string_equal(igd.name, e->name);
        assert_int_equal(igd.scanned, e->scanned);
        assert_int_equal(igd.count, n);
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(igd.services[j].kind, e->services[j].kind);
            assert_int_equal(igd.services[j].version, e->services[j].version);
            assert_string_equal(igd.services[j].type, e->services[j].type);
            assert_control(&igd.services[j], e->services[j].control);
        }
    }
    assert_true(read_file("large.xml", xml, sizeof(xml)) > 16384);
}

/* A document that has lost its end gives fewer services, but none that the whole one has not. */
static void test_truncated(void **state)
{
    static char xml[PH_IGD_XML_MAX];

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        size_t len = read_file(table[i].file, xml, sizeof(xml));
        size_t step = len > 8192 ? 211 : 1; /* the time goes with the square */
        struct ph_url from = url(table[i].from);
        struct ph_igd all;

        ph_igd_parse_description(xml, len, &from, &all);
        for (size_t cut = 0; cut < len; cut += step) {
            char *copy = malloc(cut > 0 ? cut : 1);
            struct ph_igd igd;
            int err;

            assert_non_null(copy);
            memcpy(copy, xml, cut);
            err = ph_igd_parse_description(copy, cut, &from, &igd);
            free(copy);
            assert_int_equal(err, igd.count > 0 ? PH_OK : PH_ERR_FORMAT);
            assert_true(igd.count <= all.count);
            assert_memory_equal(igd.services, all.services, igd.count * sizeof(igd.services[0]));
        }
    }
}

/* A description with one device around `inner`. */
static int parse_inner(const char *inner, struct ph_igd *out)
{
    static char xml[2 * PH_IGD_XML_MAX];
    const struct ph_url from = url("http://192.168.1.1:5000/desc.xml");
    int len = snprintf(xml, sizeof(xml), "<root><device>%s</device></root>", inner);

    assert_true(len > 0 && (size_t)len < sizeof(xml));
    return ph_igd_parse_description(xml, (size_t)len, &from, out);
}

#define SERVICE(type, control)                                                                     \
    "<service><serviceType>" type "</serviceType><controlURL>" control "</controlURL></service>"

static void test_types(void **state)
{
    static const struct {
        const char *inner;
        unsigned version; /* 0: not taken */
    } types[] = {
        {SERVICE(TYPE "WANIPConnection:1", "/c"), 1},
        {SERVICE(TYPE "WANIPConnection:2", "/c"), 2},
        {SERVICE(TYPE "WANPPPConnection:1", "/c"), 1},
        {SERVICE("URN:schemas-upnp-org:service:wanipconnection:1", "/c"), 1},
        {SERVICE(TYPE "WANIPConnection:0", "/c"), 0},
        {SERVICE(TYPE "WANIPConnection:100", "/c"), 0},
        {SERVICE(TYPE "WANIPConnection:-1", "/c"), 0},
        {SERVICE(TYPE "WANIPConnection:1.0", "/c"), 0},
        {SERVICE(TYPE "WANIPConnection:", "/c"), 0},
        {SERVICE(TYPE "WANIPConnection", "/c"), 0},
        {SERVICE(TYPE "WANIPConnection:1\"#x", "/c"), 0},
        {SERVICE(TYPE "WANIPConnectionX:1", "/c"), 0},
        {SERVICE(TYPE "WANCommonInterfaceConfig:1", "/c"), 0},
        {SERVICE("urn:dslforum-org:service:WANIPConnection:1", "/c"), 0},
        {SERVICE("WANIPConnection:1", "/c"), 0},
        {SERVICE("", "/c"), 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct ph_igd igd;

        assert_int_equal(parse_inner(types[i].inner, &igd),
                         types[i].version != 0 ? PH_OK : PH_ERR_FORMAT);
        assert_int_equal(igd.services[0].version, types[i].version);
    }
}

static void test_controls(void **state)
{
    static const struct {
        const char *inner, *control; /* NULL: not taken */
    } controls[] = {
        {SERVICE(TYPE "WANIPConnection:1", "ctl"), "http://192.168.1.1:5000/ctl"},
        {SERVICE(TYPE "WANIPConnection:1", "http://192.168.1.1:9/c"), "http://192.168.1.1:9/c"},
        {SERVICE(TYPE "WANIPConnection:1", ""), NULL},
        {SERVICE(TYPE "WANIPConnection:1", "http://192.168.1.2:5000/c"), NULL},
        {SERVICE(TYPE "WANIPConnection:1", "http://127.0.0.1:631/c"), NULL},
        {SERVICE(TYPE "WANIPConnection:1", "//127.0.0.1:631/c"), NULL},
        {SERVICE(TYPE "WANIPConnection:1", "http://router.lan/c"), NULL},
        {SERVICE(TYPE "WANIPConnection:1", "https://192.168.1.1/c"), NULL},
        {SERVICE(TYPE "WANIPConnection:1", "/c HTTP/1.1&#13;&#10;Host: x"), NULL},
        {"<service><serviceType>" TYPE "WANIPConnection:1</serviceType></service>", NULL},
        {"<service><controlURL>/c</controlURL></service>", NULL},
        /* A URL and a type of two services are none. */
        {"<service><controlURL>/c</controlURL></service>"
         "<service><serviceType>" TYPE "WANIPConnection:1</serviceType></service>",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
        struct ph_igd igd;

        assert_int_equal(parse_inner(controls[i].inner, &igd),
                         controls[i].control != NULL ? PH_OK : PH_ERR_FORMAT);
        assert_false(igd.scanned);
        if (controls[i].control != NULL)
            assert_control(&igd.services[0], controls[i].control);
    }
}

static void test_caps(void **state)
{
    static char inner[PH_IGD_XML_MAX];
    struct ph_igd igd;
    size_t len = 0;

    (void)state;
    /* Services: the first eight. */
    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(inner + len, sizeof(inner) - len,
                                SERVICE(TYPE "WANIPConnection:1", "/c/%d"), i);
    assert_int_equal(parse_inner(inner, &igd), PH_OK);
    assert_int_equal(igd.count, PH_IGD_SERVICES_MAX);
    assert_string_equal(igd.services[7].control.path, "/c/7");
    /* A control URL as long as can be, and one byte longer. */
    for (int more = 0; more <= 1; more++) {
        snprintf(inner, sizeof(inner), SERVICE(TYPE "WANIPConnection:1", "/%0*d"),
                 PH_URL_PATH_MAX - 2 + more, 7);
        assert_int_equal(parse_inner(inner, &igd), more == 0 ? PH_OK : PH_ERR_FORMAT);
    }
    /* A long name. */
    snprintf(inner, sizeof(inner),
             "<friendlyName>%0200d</friendlyName>" SERVICE(TYPE "WANIPConnection:1", "/c"), 7);
    assert_int_equal(parse_inner(inner, &igd), PH_OK);
    assert_int_equal(strlen(igd.name), PH_IGD_NAME_MAX - 1);
}

static void test_names(void **state)
{
    static const struct {
        const char *inner, *name;
    } names[] = {
        {"<friendlyName>F</friendlyName><modelName>M</modelName>", "F"},
        {"<modelName>M</modelName><friendlyName>F</friendlyName>", "F"},
        {"<friendlyName> </friendlyName><modelName>M</modelName>", "M"},
        {"<modelName>M</modelName>", "M"},
        {"<friendlyName>F</friendlyName><device><friendlyName>G</friendlyName></device>", "F"},
        {"<friendlyName>a&#10;b\xe2\x82\xac&#233;c&#127;</friendlyName>", "a?b??c?"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char inner[512];
        struct ph_igd igd;

        snprintf(inner, sizeof(inner), "%s%s", names[i].inner,
                 SERVICE(TYPE "WANIPConnection:1", "/c"));
        assert_int_equal(parse_inner(inner, &igd), PH_OK);
        assert_false(igd.scanned);
        assert_string_equal(igd.name, names[i].name);
    }
}

/* Only what stands within the bounds is read. */
static void test_huge(void **state)
{
    static const char service[] = SERVICE(TYPE "WANIPConnection:1", "/c");
    const struct ph_url from = url("http://192.168.1.1:5000/desc.xml");
    const size_t len = 8u << 20;
    char *xml = malloc(len);
    struct ph_igd igd;

    (void)state;
    assert_non_null(xml);
    memset(xml, ' ', len);
    memcpy(xml, "<root>", 6);
    memcpy(xml + PH_IGD_XML_MAX - strlen(service), service, strlen(service));
    assert_int_equal(ph_igd_parse_description(xml, len, &from, &igd), PH_OK);
    assert_true(igd.scanned); /* to expat the document has no end */
    memset(xml + PH_IGD_XML_MAX - strlen(service), ' ', strlen(service));
    memcpy(xml + PH_IGD_XML_MAX, service, strlen(service));
    assert_int_equal(ph_igd_parse_description(xml, len, &from, &igd), PH_ERR_FORMAT);
    free(xml);
}

/* As deep as allowed, one deeper (left to the scan), and as deep as fits. */
static void test_deep(void **state)
{
    static char inner[PH_IGD_XML_MAX + 64];
    struct ph_igd igd;

    (void)state;
    for (size_t wrap = 28; wrap <= 29; wrap++) {
        inner[0] = '\0';
        for (size_t i = 0; i < wrap; i++)
            strcat(inner, "<x>");
        strcat(inner, SERVICE(TYPE "WANIPConnection:1", "/c"));
        for (size_t i = 0; i < wrap; i++)
            strcat(inner, "</x>");
        assert_int_equal(parse_inner(inner, &igd), PH_OK);
        /* root, device, the wrapping, service, serviceType */
        assert_int_equal(igd.scanned, wrap + 4 > PH_IGD_DEPTH_MAX);
    }
    for (size_t i = 0; i < PH_IGD_XML_MAX; i++)
        inner[i] = "<x>"[i % 3];
    inner[PH_IGD_XML_MAX] = '\0';
    assert_int_equal(parse_inner(inner, &igd), PH_ERR_FORMAT);
    assert_true(igd.scanned);
}

/* Entities that would grow to 10^9 copies: none is ever made, and the device is found all the
 * same. */
static void test_entities(void **state)
{
    static char xml[4096] = "<?xml version=\"1.0\"?><!DOCTYPE root [<!ENTITY e0 \"ha\">";
    const struct ph_url from = url("http://192.168.1.1:5000/desc.xml");
    struct ph_igd igd;

    (void)state;
    for (int i = 1; i <= 9; i++) {
        char entity[256];
        int n = snprintf(entity, sizeof(entity), "<!ENTITY e%d \"", i);

        for (int j = 0; j < 10; j++)
            n += snprintf(entity + n, sizeof(entity) - (size_t)n, "&e%d;", i - 1);
        snprintf(entity + n, sizeof(entity) - (size_t)n, "\">");
        strcat(xml, entity);
    }
    strcat(xml, "]><root><device><friendlyName>&e9;</friendlyName>" SERVICE(
                    TYPE "WANIPConnection:1", "/c") "</device></root>");
    assert_int_equal(ph_igd_parse_description(xml, strlen(xml), &from, &igd), PH_OK);
    assert_true(igd.scanned);
    assert_string_equal(igd.name, "&e9;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),    cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_types),    cmocka_unit_test(test_controls),
        cmocka_unit_test(test_caps),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_huge),     cmocka_unit_test(test_deep),
        cmocka_unit_test(test_entities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
