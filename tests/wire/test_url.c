#include "base/err.h"
#include "wire/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses a copy that ends where its memory does. */
static int parse(const char *text, size_t len, struct ph_url *out)
{
    char *copy = malloc(len > 0 ? len : 1);
    int err;

    assert_non_null(copy);
    memcpy(copy, text, len);
    err = ph_url_parse(copy, len, out);
    free(copy);
    return err;
}

static void test_good(void **state)
{
    static const struct {
        const char *text, *addr, *host, *path;
    } table[] = {
        {"http://192.168.1.1:5000/rootDesc.xml", "192.168.1.1:5000", "192.168.1.1:5000",
         "/rootDesc.xml"},
        {"http://192.168.1.1/", "192.168.1.1:80", "192.168.1.1", "/"},
        {"http://192.168.1.1", "192.168.1.1:80", "192.168.1.1", "/"},
        {"HTTP://192.168.1.1:/x", "192.168.1.1:80", "192.168.1.1", "/x"},
        {" \r\n\thttp://10.0.0.1:49152/a/b?c=d&e=f \n", "10.0.0.1:49152", "10.0.0.1:49152",
         "/a/b?c=d&e=f"},
        {"http://10.0.0.1:80?q", "10.0.0.1:80", "10.0.0.1:80", "/?q"},
        {"http://10.0.0.1#top", "10.0.0.1:80", "10.0.0.1", "/"},
        {"http://10.0.0.1/a#top", "10.0.0.1:80", "10.0.0.1", "/a"},
        {"http://[2001:db8::1]:8080/x", "[2001:db8::1]:8080", "[2001:db8::1]:8080", "/x"},
        {"http://[fd00::1]/x", "[fd00::1]:80", "[fd00::1]", "/x"},
        {"http://[fd00:0000:0000:0000:0000:0000:0000:0001]:65535/", "[fd00::1]:65535",
         "[fd00:0000:0000:0000:0000:0000:0000:0001]:65535", "/"},
        {"http://10.0.0.1//twice/../as/it/is", "10.0.0.1:80", "10.0.0.1", "//twice/../as/it/is"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ph_addr addr;
        struct ph_url url;

        assert_int_equal(ph_addr_parse(table[i].addr, &addr), PH_OK);
        assert_int_equal(parse(table[i].text, strlen(table[i].text), &url), PH_OK);
        assert_true(ph_addr_eq(&url.addr, &addr));
        assert_string_equal(url.host, table[i].host);
        assert_string_equal(url.path, table[i].path);
    }
}

static void test_bad(void **state)
{
    static const char *const table[] = {
        "",
        "   ",
        "http://",
        "http:///path",
        "http:/192.168.1.1/",
        "https://192.168.1.1/",
        "ftp://192.168.1.1/",
        "192.168.1.1/",
        "//192.168.1.1/",
        "/path",
        "http://router.local/",
        "http://localhost:80/",
        "http://user@192.168.1.1/",
        "http://user:word@192.168.1.1/",
        "http://192.168.1.1:0/",
        "http://192.168.1.1:65536/",
        "http://192.168.1.1:080/",
        "http://192.168.1.1:80x/",
        "http://192.168.1.1:-1/",
        "http://192.168.1.1:80:80/",
        "http://192.168.1/",
        "http://192.168.1.256/",
        "http://3232235777/",
        "http://0x7f.1/",
        "http://2001:db8::1/",
        "http://::1",
        "http://[2001:db8::1/",
        "http://[2001:db8::1]x/",
        "http://[fe80::1%25eth0]/",
        "http://[192.168.1.1]/",
        "http://[]/",
        "http://192.168.1.1 /",
        "http:// 192.168.1.1/",
        "http://192.168.1.1/a b",
        "http://192.168.1.1/a\r\nHost: other", /* would be a second line of a request */
        "http://192.168.1.1/caf\xc3\xa9",
        "http://192.168.1.1/\x7f",
        "http://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:65535/",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        static const struct ph_url nothing;
        struct ph_url url;

        if (parse(table[i], strlen(table[i]), &url) != PH_ERR_FORMAT)
            fail_msg("taken: %s", table[i]);
        assert_memory_equal(&url, &nothing, sizeof(url));
    }
}

static void test_nul(void **state)
{
    struct ph_url url;

    (void)state;
    assert_int_equal(parse("http://10.0.0.1/a\0b", 19, &url), PH_ERR_FORMAT);
    assert_int_equal(parse("http://10.0.0.1\0/ab", 19, &url), PH_ERR_FORMAT);
    assert_int_equal(parse("http://10.0.0.1:80\0", 19, &url), PH_ERR_FORMAT);
}

static void test_longest_path(void **state)
{
    char text[1024] = "http://10.0.0.1";
    struct ph_url url;
    size_t host = strlen(text);

    (void)state;
    memset(text + host, 'p', sizeof(text) - host);
    text[host] = '/';
    assert_int_equal(parse(text, host + PH_URL_PATH_MAX - 1, &url), PH_OK);
    assert_int_equal(strlen(url.path), PH_URL_PATH_MAX - 1);
    assert_int_equal(parse(text, host + PH_URL_PATH_MAX, &url), PH_ERR_FORMAT);
    assert_int_equal(parse(text, sizeof(text), &url), PH_ERR_FORMAT);
    text[host] = '?'; /* a '/' is put before it */
    assert_int_equal(parse(text, host + PH_URL_PATH_MAX - 2, &url), PH_OK);
    assert_int_equal(parse(text, host + PH_URL_PATH_MAX - 1, &url), PH_ERR_FORMAT);
}

static void test_resolve(void **state)
{
    static const struct {
        const char *base, *text, *expected; /* NULL: refused */
    } table[] = {
        {"/rootDesc.xml", "/ctl/IPConn", "http://10.0.0.1:5000/ctl/IPConn"},
        {"/rootDesc.xml", " \n /ctl/IPConn\t\n", "http://10.0.0.1:5000/ctl/IPConn"},
        {"/rootDesc.xml", "ctl/IPConn", "http://10.0.0.1:5000/ctl/IPConn"},
        {"/igd/desc/root.xml", "ctl/IPConn?w=1", "http://10.0.0.1:5000/igd/desc/ctl/IPConn?w=1"},
        {"/igd/", "ctl", "http://10.0.0.1:5000/igd/ctl"},
        {"/igd/root?a=/b/", "ctl", "http://10.0.0.1:5000/igd/ctl"},
        {"/igd/root?a=b", "?control=1", "http://10.0.0.1:5000/igd/root?control=1"},
        {"/igd/root?a=b", "", "http://10.0.0.1:5000/igd/root?a=b"},
        {"/igd/root", "#top", "http://10.0.0.1:5000/igd/root"},
        {"/igd/root", "ctl#top", "http://10.0.0.1:5000/igd/ctl"},
        {"/igd/root", "uuid:0001/ctl", "http://10.0.0.1:5000/igd/uuid:0001/ctl"},
        {"/igd/root", "/ctl?u=uuid:1+urn:x:y", "http://10.0.0.1:5000/ctl?u=uuid:1+urn:x:y"},
        {"/a/b/c", "../ctl", "http://10.0.0.1:5000/a/ctl"},
        {"/a/b/c", "./ctl", "http://10.0.0.1:5000/a/b/ctl"},
        {"/a/b/c", "../../../../ctl", "http://10.0.0.1:5000/ctl"},
        {"/a/b/c", "..", "http://10.0.0.1:5000/a/"},
        {"/a/b/c", ".", "http://10.0.0.1:5000/a/b/"},
        {"/a/b/c", "/x/./y/../z/.", "http://10.0.0.1:5000/x/z/"},
        {"/a/b/c", "/x/...?/../y", "http://10.0.0.1:5000/x/...?/../y"},
        {"/a", "http://10.0.0.1:49000/ctl", "http://10.0.0.1:49000/ctl"},
        {"/a", "HTTP://[fd00::1]/ctl", "http://[fd00::1]/ctl"},
        {"/a", "//10.0.0.2:81/ctl", "http://10.0.0.2:81/ctl"},
        {"/a", "//ctl/IPConn", "http://10.0.0.1:5000//ctl/IPConn"},
        {"/a", "https://10.0.0.1/ctl", NULL},
        {"/a", "http://router/ctl", NULL},
        {"/a", "/c t l", NULL},
        {"/a", "ctl\r\nX: y", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ph_url base, url;
        char text[1024];

        snprintf(text, sizeof(text), "http://10.0.0.1:5000%s", table[i].base);
        assert_int_equal(ph_url_parse(text, strlen(text), &base), PH_OK);
        if (table[i].expected == NULL) {
            assert_int_equal(ph_url_resolve(&base, table[i].text, strlen(table[i].text), &url),
                             PH_ERR_FORMAT);
            assert_int_equal(url.path[0], '\0');
            continue;
        }
        assert_int_equal(ph_url_resolve(&base, table[i].text, strlen(table[i].text), &url), PH_OK);
        snprintf(text, sizeof(text), "http://%s%s", url.host, url.path);
        assert_string_equal(text, table[i].expected);
        /* The address is that of the host. */
        assert_int_equal(ph_url_parse(text, strlen(text), &base), PH_OK);
        assert_true(ph_addr_eq(&url.addr, &base.addr));
    }
}

static void test_resolve_too_long(void **state)
{
    char text[PH_URL_PATH_MAX];
    struct ph_url base, url;

    (void)state;
    assert_int_equal(ph_url_parse("http://10.0.0.1/abc/", 20, &base), PH_OK);
    memset(text, 'p', sizeof(text));
    assert_int_equal(ph_url_resolve(&base, text, PH_URL_PATH_MAX - 1 - 5, &url), PH_OK);
    assert_int_equal(strlen(url.path), PH_URL_PATH_MAX - 1);
    assert_int_equal(ph_url_resolve(&base, text, PH_URL_PATH_MAX - 5, &url), PH_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_bad),
        cmocka_unit_test(test_nul),     cmocka_unit_test(test_longest_path),
        cmocka_unit_test(test_resolve), cmocka_unit_test(test_resolve_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
