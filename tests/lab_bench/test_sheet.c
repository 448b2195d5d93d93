/* Tables and charts of a bench: what stands where, on the terminal and in the page. */
#include "lab/bench/sheet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *chart_text(const struct chart *c)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    chart_svg(c, f);
    assert_int_equal(fclose(f), 0);
    return text;
}

static size_t times(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

static void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("not there: %s\n%s", part, text);
}

static void test_chart(void **state)
{
    (void)state;
    struct chart c = {.title = "N < 64 & more", .x_label = "probes", .y_label = "hits"};
    c.x_max = 1000.0;
    struct chart_series *line = chart_add(&c, "theory", true, 0);
    struct chart_series *points = chart_add(&c, "measured", false, 0);
    assert_int_equal(chart_point(line, 0.0, 0.0, 0.0, 0.0), 0);
    assert_int_equal(chart_point(line, 1000.0, 1.0, 0.0, 0.0), 0);
    assert_int_equal(chart_point(points, 500.0, 0.5, 0.4, 0.6), 0);
    assert_int_equal(chart_point(points, 1000.0, 1.0, 1.0, 1.0), 0);
    char *text = chart_text(&c);
    /* From the lower left corner of the plot to its upper right one. */
    has(text, "points=\"64.0,368.0 744.0,16.0\" stroke=\"#0072b2\"");
    has(text, "<circle cx=\"404.0\" cy=\"192.0\" r=\"3\"");
    has(text, "<line x1=\"404.0\" y1=\"227.2\" x2=\"404.0\" y2=\"156.8\" stroke=\"#0072b2\"/>");
    assert_int_equal(times(text, "stroke=\"#0072b2\"/>\n"), 2); /* no interval of no width */
    has(text, "N &lt; 64 &amp; more");
    has(text, ">1000</text>");
    has(text, ">200</text>");
    has(text, "measured: 500: 50.0% (40.0-60.0)");
    char *again = chart_text(&c);
    assert_string_equal(text, again);
    free(again);
    free(text);
    chart_fini(&c);
}

/* What lies beyond the axes is drawn at their end, not outside. */
static void test_clamped(void **state)
{
    (void)state;
    struct chart c = {.x_max = 0.0};
    struct chart_series *line = chart_add(&c, "x", true, 9);
    for (int i = 0; i < 100; i++)
        assert_int_equal(chart_point(line, i, 2.0, 0.0, 0.0), 0);
    char *text = chart_text(&c);
    has(text, "64.0,16.0 744.0,16.0 744.0,16.0");
    has(text, "#d55e00"); /* the palette begins anew */
    assert_null(strstr(text, "dasharray"));
    free(text);
    line->dashed = true;
    text = chart_text(&c);
    has(text, "stroke-dasharray=\"4 4\"");
    free(text);
    chart_fini(&c);
    for (int i = 0; i < CHART_SERIES_MAX; i++)
        assert_non_null(chart_add(&c, "x", true, 0));
    assert_null(chart_add(&c, "one more", true, 0));
    chart_fini(&c);
}

static void test_bars(void **state)
{
    (void)state;
    struct chart c = {.title = "who", .bars = true};
    assert_int_equal(chart_point(chart_add(&c, "pinhole", false, 0), 0.0, 0.5, 0.4, 0.6), 0);
    assert_non_null(chart_add(&c, "nobody", false, 1));
    char *text = chart_text(&c);
    has(text, "<rect x=\"130.0\" y=\"4.0\" width=\"275.0\"");
    has(text, ">50.0%</text>");
    has(text, ">nobody</text>");
    assert_int_equal(times(text, "<rect"), 1);
    free(text);
    chart_fini(&c);
}

static struct sheet *make(void)
{
    struct sheet *s = sheet_new("a bench");
    assert_non_null(s);
    snprintf(s->about, sizeof(s->about), "One <thing>.\nAnother.");
    struct sheet_table *t = sheet_table(s, "group 1");
    sheet_column(t, "name");
    sheet_column(t, "n");
    sheet_column(t, "share");
    assert_int_equal(sheet_row(t), 0);
    sheet_cell(t, 0, "first");
    sheet_cell(t, 1, "%d", 7);
    sheet_cell(t, 2, "%.1f%%", 99.5);
    assert_int_equal(sheet_row(t), 0);
    sheet_cell(t, 0, "%s", "a<b");
    sheet_cell(t, 1, "%d", 1200);
    sheet_cell(t, 3, "%s", "no such column");
    assert_int_equal(chart_point(chart_add(sheet_chart(s, "a chart"), "x", true, 0), 1, 1, 1, 1),
                     0);
    return s;
}

static char *written(const struct sheet *s, bool html)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    if (html)
        assert_int_equal(sheet_html(s, f), 0);
    else
        sheet_print(s, f);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void test_terminal(void **state)
{
    (void)state;
    struct sheet *s = make();
    char *text = written(s, false);
    assert_string_equal(text, "a bench\nOne <thing>.\nAnother.\n\ngroup 1\n"
                              "name      n  share\n"
                              "first     7  99.5%\n"
                              "a<b    1200       \n");
    free(text);
    memset(s->about, 'x', 60);
    s->about[60] = ' ';
    memset(s->about + 61, 'y', 60);
    s->about[121] = '\0';
    text = written(s, false);
    has(text, "xx\nyy"); /* no line is longer than a terminal is wide */
    free(text);
    sheet_free(s);
}

/* One file, which asks nobody for anything. */
static void test_page(void **state)
{
    (void)state;
    struct sheet *s = make();
    char *text = written(s, true);
    static const char *const parts[] = {"<!DOCTYPE html>",
                                        "<h1>a bench</h1>",
                                        "<p>One &lt;thing&gt;.</p>\n<p>Another.</p>",
                                        "<td class=\"name\">a&lt;b</td><td>1200</td><td></td>",
                                        "<th>share</th>",
                                        "<svg ",
                                        "</html>"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        has(text, parts[i]);
    static const char *const outside[] = {"src=", "href=", "@import", "url(", "<script"};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
        assert_null(strstr(text, outside[i]));
    assert_int_equal(times(text, "http"), times(text, "http://www.w3.org/2000/svg"));
    free(text);
    sheet_free(s);
}

static void test_full(void **state)
{
    (void)state;
    struct sheet *s = sheet_new("full");
    assert_non_null(s);
    for (int i = 0; i < SHEET_TABLES_MAX; i++)
        assert_non_null(sheet_table(s, "t"));
    assert_null(sheet_table(s, "one more"));
    for (int i = 0; i < SHEET_CHARTS_MAX; i++)
        assert_non_null(sheet_chart(s, "c"));
    assert_null(sheet_chart(s, "one more"));
    sheet_free(s);
    sheet_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chart), cmocka_unit_test(test_clamped),
        cmocka_unit_test(test_bars),  cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_page),  cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
