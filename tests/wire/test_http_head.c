#include "base/err.h"
#include "wire/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_span(struct ph_span s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    if (s.len > 0)
        assert_memory_equal(s.p, text, s.len);
}

static const char response[] = "HTTP/1.1 200 OK\r\n"
                               "CONTENT-LENGTH:371\r\n"
                               "Content-Type: text/xml; charset=\"utf-8\"\r\n"
                               "  Server \t:  Linux, UPnP/1.0 \t\r\n"
                               "EXT:\r\n"
                               "no field at all\r\n"
                               "server: another\r\n"
                               "\r\n"
                               "<body>";

static void test_response(void **state)
{
    struct ph_http_head head;
    struct ph_span value;
    size_t length;

    (void)state;
    assert_int_equal(ph_http_head_parse(response, strlen(response), false, &head), PH_OK);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.len, strlen(response) - strlen("<body>"));
    assert_ptr_equal(head.fields.p, strstr(response, "CONTENT-LENGTH"));
    assert_int_equal(head.fields.len, strstr(response, "\r\n<body>") - head.fields.p);
    assert_true(ph_http_content_length(&head, &length));
    assert_int_equal(length, 371);
    assert_true(ph_http_field(&head, "content-type", &value));
    assert_span(value, "text/xml; charset=\"utf-8\"");
    assert_true(ph_http_field(&head, "SERVER", &value));
    assert_span(value, "Linux, UPnP/1.0");
    assert_true(ph_http_field(&head, "Ext", &value));
    assert_span(value, "");
    assert_false(ph_http_field(&head, "Content", &value));
    assert_false(ph_http_field(&head, "no field at all", &value));
    assert_int_equal(value.len, 0);
}

static void test_request(void **state)
{
    static const char text[] = "NOTIFY  * HTTP/1.1\nHOST:239.255.255.250:1900\nNTS: ssdp:alive\n\n";
    struct ph_http_head head;
    struct ph_span value;

    (void)state;
    assert_int_equal(ph_http_head_parse(text, strlen(text), false, &head), PH_OK);
    assert_int_equal(head.status, 0);
    assert_span(head.method, "NOTIFY");
    assert_span(head.target, "*");
    assert_int_equal(head.len, strlen(text));
    assert_true(ph_http_field(&head, "Host", &value));
    assert_span(value, "239.255.255.250:1900");
}

static void test_start_lines(void **state)
{
    static const struct {
        const char *text;
        int expected, status;
    } table[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", PH_OK, 200},
        {"HTTP/1.0 500 Internal Server Error\n\n", PH_OK, 500},
        {"HTTP/1.1 404\r\n\r\n", PH_OK, 404},
        {"HTTP/1.1   200   OK  \r\r\n\r\n", PH_OK, 200},
        {"http/1.1 200 ok\n\r\n", PH_OK, 200},
        {"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", PH_OK, 200},
        {"POST /ctl HTTP/1.1\r\n\r\n", PH_OK, 0},
        {"HTTP/1.1 20 OK\r\n\r\n", PH_ERR_FORMAT, 0},
        {"HTTP/1.1 2000 OK\r\n\r\n", PH_ERR_FORMAT, 0},
        {"HTTP/1.1 099 OK\r\n\r\n", PH_ERR_FORMAT, 0},
        {"HTTP/1.1 -20 OK\r\n\r\n", PH_ERR_FORMAT, 0},
        {"HTTP/1.1 2x0 OK\r\n\r\n", PH_ERR_FORMAT, 0},
        {"HTTP/1.1\r\n\r\n", PH_ERR_FORMAT, 0},
        {"HTTP/2.0 200 OK\r\n\r\n", PH_ERR_FORMAT, 0},
        {"HTTP/1.12 200 OK\r\n\r\n", PH_ERR_FORMAT, 0},
        {"ICY 200 OK\r\n\r\n", PH_ERR_FORMAT, 0},
        {"GET /\r\n\r\n", PH_ERR_FORMAT, 0},
        {"GET HTTP/1.1\r\n\r\n", PH_ERR_FORMAT, 0},
        {"GET /a b HTTP/1.1\r\n\r\n", PH_ERR_FORMAT, 0},
        {"<html>\r\n\r\n", PH_ERR_FORMAT, 0},
        {"nonsense\n", PH_ERR_FORMAT, 0}, /* known before the empty line */
        {"HTTP/1.1 200 OK\r\n", PH_ERR_SHORT, 0},
        {"HTTP/1.1 200", PH_ERR_SHORT, 0},
        {"\r\n", PH_ERR_SHORT, 0},
        {"", PH_ERR_SHORT, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ph_http_head head;

        assert_int_equal(ph_http_head_parse(table[i].text, strlen(table[i].text), false, &head),
                         table[i].expected);
        assert_int_equal(head.status, table[i].status);
    }
}

/* At every length of a stream the head has come as a whole or is waited for; a datagram has no more
 * to come. Nothing is read behind its end. */
static void test_truncated(void **state)
{
    size_t head_len = strlen(response) - strlen("<body>");

    (void)state;
    for (size_t len = 0; len <= strlen(response); len++) {
        char *copy = malloc(len > 0 ? len : 1);
        struct ph_http_head head;
        struct ph_span value;
        int whole;

        assert_non_null(copy);
        memcpy(copy, response, len);
        assert_int_equal(ph_http_head_parse(copy, len, false, &head),
                         len < head_len ? PH_ERR_SHORT : PH_OK);
        whole = ph_http_head_parse(copy, len, true, &head);
        assert_int_equal(whole, len < strlen("HTTP/1.1 200") ? PH_ERR_FORMAT : PH_OK);
        if (whole == PH_OK) {
            assert_int_equal(head.len, len < head_len ? len : head_len);
            ph_http_field(&head, "server", &value);
        }
        free(copy);
    }
}

static void test_too_long(void **state)
{
    static const char start[] = "HTTP/1.1 200 OK\r\n";
    static char text[3 * PH_HTTP_HEAD_MAX];
    struct ph_http_head head;

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, start, strlen(start));
    for (int whole = 0; whole <= 1; whole++) {
        assert_int_equal(ph_http_head_parse(text, PH_HTTP_HEAD_MAX + 1, whole, &head),
                         PH_ERR_SPACE);
        assert_int_equal(ph_http_head_parse(text, sizeof(text), whole, &head), PH_ERR_SPACE);
        assert_int_equal(ph_http_head_parse(text, PH_HTTP_HEAD_MAX, whole, &head),
                         whole ? PH_OK : PH_ERR_SHORT);
    }
    /* The longest head there may be, with a body behind; then one byte more. */
    memcpy(text + PH_HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(ph_http_head_parse(text, sizeof(text), false, &head), PH_OK);
    assert_int_equal(head.len, PH_HTTP_HEAD_MAX);
    memcpy(text + PH_HTTP_HEAD_MAX - 4, "x\r\n\r\n", 5);
    assert_int_equal(ph_http_head_parse(text, sizeof(text), false, &head), PH_ERR_SPACE);
}

static void test_content_length(void **state)
{
    static const struct {
        const char *value;
        bool good;
        size_t length;
    } table[] = {
        {"0", true, 0},
        {"  65536\t", true, 65536},
        {"007", true, 7},
        {"18446744073709551615", true, SIZE_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999999", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {"0x10", false, 0},
        {"12 bytes", false, 0},
        {"12, 12", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[128] = "HTTP/1.1 200 OK\r\nContent-Length:";
        struct ph_http_head head;
        size_t length = 0;

        strcat(text, table[i].value);
        strcat(text, "\r\n\r\n");
        assert_int_equal(ph_http_head_parse(text, strlen(text), false, &head), PH_OK);
        assert_int_equal(ph_http_content_length(&head, &length), table[i].good);
        assert_true(length == table[i].length);
    }
}

/* Lines that go on (obsolete, RFC 9112 section 5.2) are not joined, and hide nothing. */
static void test_folded(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\n"
                               "Server: one\r\n"
                               "\tand its rest\r\n"
                               "Location: http://192.168.1.1/\r\n"
                               "\r\n";
    struct ph_http_head head;
    struct ph_span value;

    (void)state;
    assert_int_equal(ph_http_head_parse(text, strlen(text), false, &head), PH_OK);
    assert_true(ph_http_field(&head, "Server", &value));
    assert_span(value, "one");
    assert_true(ph_http_field(&head, "Location", &value));
    assert_span(value, "http://192.168.1.1/");
}

static void test_spans(void **state)
{
    const struct ph_span s = {"Connected", 9}, empty = {NULL, 0};
    char text[5];

    (void)state;
    assert_true(ph_span_is(&s, "connecTED"));
    assert_false(ph_span_is(&s, "connect"));
    assert_false(ph_span_is(&s, "connected!"));
    assert_true(ph_span_begins_with(&s, "CONN"));
    assert_true(ph_span_has(&s, "NECT"));
    assert_false(ph_span_has(&s, "tedx"));
    assert_true(ph_span_is(&empty, ""));
    assert_true(ph_span_has(&empty, ""));
    assert_false(ph_span_has(&empty, "a"));
    ph_span_copy(&s, text, sizeof(text));
    assert_string_equal(text, "Conn");
    ph_span_copy(&empty, text, sizeof(text));
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response),    cmocka_unit_test(test_request),
        cmocka_unit_test(test_start_lines), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_too_long),    cmocka_unit_test(test_content_length),
        cmocka_unit_test(test_folded),      cmocka_unit_test(test_spans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
