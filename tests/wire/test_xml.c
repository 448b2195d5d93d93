#include "base/err.h"
#include "wire/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a sink was told: "<name", "name=text", ">name", a line each. */
struct told {
    char *p;
    size_t len, cap;
};

static void tell(struct told *t, const char *before, struct ph_span name, const char *between,
                 struct ph_span text)
{
    size_t more = strlen(before) + name.len + strlen(between) + text.len + 2;

    if (more > t->cap - t->len) {
        t->cap = 2 * t->cap + more;
        t->p = realloc(t->p, t->cap);
        assert_non_null(t->p);
    }
    t->len +=
        (size_t)snprintf(t->p + t->len, t->cap - t->len, "%s%.*s%s%.*s\n", before, (int)name.len,
                         name.p, between, (int)text.len, text.len > 0 ? text.p : "");
}

static void on_open(void *user, struct ph_span name)
{
    tell(user, "<", name, "", (struct ph_span){NULL, 0});
}

static void on_leaf(void *user, struct ph_span name, struct ph_span text)
{
    tell(user, "", name, "=", text);
}

static void on_close(void *user, struct ph_span name)
{
    tell(user, ">", name, "", (struct ph_span){NULL, 0});
}

static struct told begin(void)
{
    struct told t = {calloc(1, 64), 0, 64};

    assert_non_null(t.p);
    return t;
}

/* Both readers over copies that end where their memory does. */
static int parse(const char *xml, size_t len, unsigned depth, struct told *t)
{
    const struct ph_xml_sink sink = {t, on_open, on_leaf, on_close};
    char *copy = malloc(len > 0 ? len : 1);
    int err;

    assert_non_null(copy);
    memcpy(copy, xml, len);
    err = ph_xml_parse(copy, len, depth, &sink);
    free(copy);
    return err;
}

static void scan(const char *xml, size_t len, struct told *t)
{
    const struct ph_xml_sink sink = {t, on_open, on_leaf, on_close};
    char *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, xml, len);
    ph_xml_scan(copy, len, &sink);
    free(copy);
}

static void assert_parsed(const char *xml, const char *expected)
{
    struct told t = begin();

    assert_int_equal(parse(xml, strlen(xml), 8, &t), PH_OK);
    assert_string_equal(t.p, expected);
    free(t.p);
}

static void assert_scanned(const char *xml, const char *expected)
{
    struct told t = begin();

    scan(xml, strlen(xml), &t);
    assert_string_equal(t.p, expected);
    free(t.p);
}

/* Of well-formed documents both tell the same. */
static void test_alike(void **state)
{
    static const struct {
        const char *xml, *told;
    } table[] = {
        {"<a/>", "<a\na=\n>a\n"},
        {"<a></a>", "<a\na=\n>a\n"},
        {"<a> \n </a>", "<a\na=\n>a\n"},
        {"<?xml version=\"1.0\"?>\n<a>\n<b> text </b>\n</a>\n", "<a\n<b\nb=text\n>b\n>a\n"},
        {"<a><b>kept</b>lost</a>", "<a\n<b\nb=kept\n>b\n>a\n"},
        {"<p:a xmlns:p='urn:x'><p:b>1</p:b></p:a>", "<a\n<b\nb=1\n>b\n>a\n"},
        {"<p:a><q:b/></p:a>", "<a\n<b\nb=\n>b\n>a\n"}, /* nobody declared these */
        {"<a x=\"1\" y='2'  >t</a  >", "<a\na=t\n>a\n"},
        {"<a><b x=\"/\">t</b><b y='/'/></a>", "<a\n<b\nb=t\n>b\n<b\nb=\n>b\n>a\n"},
        {"<a>&lt;b&gt; &amp;amp; &quot;&apos;&#65;&#x42;</a>", "<a\na=<b> &amp; \"'AB\n>a\n"},
        {"<a>1<!-- <b>2</b> -->3</a>", "<a\na=13\n>a\n"},
        {"<a><![CDATA[<b>&amp;]]></a>", "<a\na=<b>&amp;\n>a\n"},
        {"<a>1<?pi 2?>3</a>", "<a\na=13\n>a\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_parsed(table[i].xml, table[i].told);
        assert_scanned(table[i].xml, table[i].told);
    }
    /* But for text before an inner element, which may be a leaf that was not closed. */
    assert_parsed("<a>1<b>2</b></a>", "<a\n<b\nb=2\n>b\n>a\n");
    assert_scanned("<a>1<b>2</b></a>", "<a\na=1\n<b\nb=2\n>b\n>a\n");
}

/* What expat refuses, and what the scan makes of it. */
static void test_broken(void **state)
{
    static const struct {
        const char *xml, *told;
    } table[] = {
        {"", ""},
        {"text", ""},
        {"<a><b>1</B></a>", "<a\n<b\nb=1\n>B\n>a\n"},
        {"<a><b>1<c>2</c></a>", "<a\n<b\nb=1\n<c\nc=2\n>c\n>a\n"},
        {"<a>1 & 2 &nothing; &; &", "<a\n"},
        {"<a>1 & 2 &nothing; &; &</a>", "<a\na=1 & 2 &nothing; &; &\n>a\n"},
        {"<a>&toolongareference;&#x;&#;&#xg1;</a>", "<a\na=&toolongareference;&#x;&#;&#xg1;\n>a\n"},
        {"<a>&#0;&#233;&#xFFFFFF;</a>", "<a\na=???\n>a\n"},
        {"<a>1 < 2 <3</a>", "<a\na=1 < 2 <3\n>a\n"},
        {"<a><b 1</b></a>", "<a\n<b\nb=\n>b\n>a\n"}, /* a tag without its end */
        {"<a>1</a>\njunk<b>2</b>", "<a\na=1\n>a\n<b\nb=2\n>b\n"},
        {"</a></>", ">a\n>\n"},
        /* What ends in the middle is not told. */
        {"<a>12", "<a\n"},
        {"<a>12</", "<a\na=12\n"},
        {"<a>12</a", "<a\na=12\n"},
        {"<a><b", "<a\n"},
        {"<a>1<!-- 2", "<a\n"},
        {"<a>1<![CDATA[2", "<a\n"},
        {"<a>1<![CDATA[2]]", "<a\n"},
        {"<a>1&am", "<a\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct told t = begin();

        assert_int_equal(parse(table[i].xml, strlen(table[i].xml), 8, &t), PH_ERR_FORMAT);
        free(t.p);
        assert_scanned(table[i].xml, table[i].told);
    }
}

static void test_depth(void **state)
{
    static const char xml[] = "<a><b><c>1</c></b></a>";
    struct told t = begin();

    (void)state;
    assert_int_equal(parse(xml, strlen(xml), 3, &t), PH_OK);
    t.len = 0;
    assert_int_equal(parse(xml, strlen(xml), 2, &t), PH_ERR_FORMAT);
    assert_string_equal(t.p, "<a\n<b\n");
    t.len = 0;
    assert_int_equal(parse("<a><b><c/></b></a>", 18, 2, &t), PH_ERR_FORMAT);
    assert_string_equal(t.p, "<a\n<b\n");
    free(t.p);
}

/* A declaration of entities is as far as it gets, whatever would come of it. */
static void test_doctype(void **state)
{
    static const char *const table[] = {
        "<!DOCTYPE a><a>1</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/hostname\"><a>1</a>",
        "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/hostname\">]><a>&e;</a>",
        "<!DOCTYPE a [<!ENTITY e \"1\"><!ENTITY f \"&e;&e;\">]><a>&f;</a>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct told t = begin();

        assert_int_equal(parse(table[i], strlen(table[i]), 8, &t), PH_ERR_FORMAT);
        assert_int_equal(t.len, 0);
        free(t.p);
    }
    assert_scanned("<!DOCTYPE a [<!ENTITY e \"12\">]><a>&e;</a>", "<a\na=&e;\n>a\n");
}

/* Text up to the cap is told; more is not told in part. */
static void test_long_text(void **state)
{
    (void)state;
    for (size_t len = PH_XML_TEXT_MAX - 1; len <= PH_XML_TEXT_MAX + 1; len++) {
        char xml[PH_XML_TEXT_MAX + 64];
        int n = snprintf(xml, sizeof(xml), "<a><b>%0*d</b><c>1</c></a>", (int)len, 7);
        struct told parsed = begin(), scanned = begin();

        assert_int_equal(parse(xml, (size_t)n, 8, &parsed), PH_OK);
        scan(xml, (size_t)n, &scanned);
        assert_string_equal(parsed.p, scanned.p);
        assert_int_equal(strstr(parsed.p, "b=") != NULL, len <= PH_XML_TEXT_MAX);
        assert_non_null(strstr(parsed.p, "c=1\n"));
        free(parsed.p);
        free(scanned.p);
    }
}

/* A megabyte of what makes careless readers go over the rest again and again. */
static void test_long_nonsense(void **state)
{
    static const char *const pieces[] = {"<a", "<",  "</",  "<!--", "<![CDATA[", "<?",     "<!",
                                         "&",  "&a", "<a>", "</a>", "<a/>",      "<a x='", "]]>"};
    const size_t len = 1 << 20;
    char *xml = malloc(len);

    (void)state;
    assert_non_null(xml);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t piece = strlen(pieces[i]);
        struct told t = begin();

        for (size_t j = 0; j < len; j++)
            xml[j] = pieces[i][j % piece];
        assert_int_equal(parse(xml, len, 8, &t), PH_ERR_FORMAT);
        scan(xml, len, &t);
        free(t.p);
    }
    free(xml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alike),     cmocka_unit_test(test_broken),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_doctype),
        cmocka_unit_test(test_long_text), cmocka_unit_test(test_long_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
