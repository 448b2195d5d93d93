#include "lab/bench/sheet.h"

#include "lab/report/escape.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct sheet *sheet_new(const char *title)
{
    struct sheet *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->charts = calloc(SHEET_CHARTS_MAX, sizeof(*s->charts));
    if (s->charts == NULL) {
        free(s);
        return NULL;
    }
    (void)snprintf(s->title, sizeof(s->title), "%s", title);
    return s;
}

void sheet_free(struct sheet *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->table_count; i++)
        free(s->tables[i].cells);
    for (size_t i = 0; i < s->chart_count; i++)
        chart_fini(&s->charts[i]);
    free(s->charts);
    free(s);
}

struct sheet_table *sheet_table(struct sheet *s, const char *title)
{
    if (s->table_count == SHEET_TABLES_MAX)
        return NULL;
    struct sheet_table *t = &s->tables[s->table_count++];
    (void)snprintf(t->title, sizeof(t->title), "%s", title);
    return t;
}

struct chart *sheet_chart(struct sheet *s, const char *title)
{
    if (s->chart_count == SHEET_CHARTS_MAX)
        return NULL;
    struct chart *c = &s->charts[s->chart_count++];
    (void)snprintf(c->title, sizeof(c->title), "%s", title);
    return c;
}

void sheet_column(struct sheet_table *t, const char *name)
{
    if (t->column_count < SHEET_COLUMNS_MAX)
        (void)snprintf(t->columns[t->column_count++], SHEET_TEXT_MAX, "%s", name);
}

void sheet_columns(struct sheet_table *t, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sheet_column(t, names[i]);
}

int sheet_row(struct sheet_table *t)
{
    if (t->rows == t->room) {
        size_t room = t->room == 0 ? 8 : t->room * 2;
        char(*wider)[SHEET_TEXT_MAX] = realloc(t->cells, room * SHEET_COLUMNS_MAX * sizeof(*wider));
        if (wider == NULL)
            return -1;
        t->cells = wider;
        t->room = room;
    }
    memset(&t->cells[t->rows * SHEET_COLUMNS_MAX], 0, SHEET_COLUMNS_MAX * sizeof(*t->cells));
    t->rows++;
    return 0;
}

void sheet_cell(struct sheet_table *t, size_t column, const char *fmt, ...)
{
    if (t->rows == 0 || column >= t->column_count)
        return;
    char *cell = t->cells[(t->rows - 1) * SHEET_COLUMNS_MAX + column];
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(cell, SHEET_TEXT_MAX, fmt, ap) < 0)
        cell[0] = '\0';
    va_end(ap);
}

static const char *cell_at(const struct sheet_table *t, size_t row, size_t column)
{
    return t->cells[row * SHEET_COLUMNS_MAX + column];
}

static int width_of(const struct sheet_table *t, size_t column)
{
    size_t width = strlen(t->columns[column]);
    for (size_t r = 0; r < t->rows; r++) {
        size_t len = strlen(cell_at(t, r, column));
        width = len > width ? len : width;
    }
    return (int)width;
}

/* Names stand to the left, numbers to the right. */
static bool is_name(const struct sheet_table *t, size_t column)
{
    for (size_t r = 0; r < t->rows; r++) {
        char c = cell_at(t, r, column)[0];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            return true;
    }
    return false;
}

static void print_row(const struct sheet_table *t,
                      const char *(*text)(const struct sheet_table *, size_t, size_t), size_t row,
                      FILE *out)
{
    for (size_t c = 0; c < t->column_count; c++) {
        int width = width_of(t, c);
        (void)fprintf(out, "%s%*s", c == 0 ? "" : "  ", is_name(t, c) ? -width : width,
                      text(t, row, c));
    }
    (void)fputc('\n', out);
}

static const char *head_at(const struct sheet_table *t, size_t row, size_t column)
{
    (void)row;
    return t->columns[column];
}

#define LINE_MAX_COLUMNS 100

/* Breaks lines between words. */
static void print_text(const char *text, FILE *out)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " \n");
        if (column > 0 && column + 1 + len > LINE_MAX_COLUMNS) {
            (void)fputc('\n', out);
            column = 0;
        } else if (column > 0) {
            (void)fputc(' ', out);
            column++;
        }
        (void)fwrite(text, 1, len, out);
        column += len;
        text += len;
        if (*text == '\n') {
            (void)fputc('\n', out);
            column = 0;
        }
        text += *text != '\0' ? 1 : 0;
    }
    (void)fputc('\n', out);
}

void sheet_print(const struct sheet *s, FILE *out)
{
    (void)fprintf(out, "%s\n", s->title);
    print_text(s->about, out);
    for (size_t i = 0; i < s->table_count; i++) {
        const struct sheet_table *t = &s->tables[i];
        (void)fprintf(out, "\n%s\n", t->title);
        print_row(t, head_at, 0, out);
        for (size_t r = 0; r < t->rows; r++)
            print_row(t, cell_at, r, out);
    }
}

static void html_table(const struct sheet_table *t, FILE *out)
{
    (void)fputs("<h2>", out);
    escape_xml(t->title, out);
    (void)fputs("</h2>\n<table><thead><tr>", out);
    for (size_t c = 0; c < t->column_count; c++) {
        (void)fputs(is_name(t, c) ? "<th class=\"name\">" : "<th>", out);
        escape_xml(t->columns[c], out);
        (void)fputs("</th>", out);
    }
    (void)fputs("</tr></thead><tbody>\n", out);
    for (size_t r = 0; r < t->rows; r++) {
        (void)fputs("<tr>", out);
        for (size_t c = 0; c < t->column_count; c++) {
            (void)fputs(is_name(t, c) ? "<td class=\"name\">" : "<td>", out);
            escape_xml(cell_at(t, r, c), out);
            (void)fputs("</td>", out);
        }
        (void)fputs("</tr>\n", out);
    }
    (void)fputs("</tbody></table>\n", out);
}

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}"
    "h1{font-size:1.5em}h2{font-size:1.1em;margin-top:2em}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9em}"
    "th,td{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}"
    ".name{text-align:left}"
    "figure{margin:2em 0}figcaption{font-weight:600}svg{width:100%;height:auto}"
    "svg text{font-size:12px;fill:#444}.grid{stroke:#e4e4e4}"
    ".legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.2em 1.5em;font-size:.9em}"
    "div.wide{overflow-x:auto}";

int sheet_html(const struct sheet *s, FILE *out)
{
    (void)fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
                out);
    escape_xml(s->title, out);
    (void)fprintf(out, "</title>\n<style>%s</style></head><body>\n<h1>", style);
    escape_xml(s->title, out);
    (void)fputs("</h1>\n<p>", out);
    for (const char *p = s->about; *p != '\0';) {
        size_t len = strcspn(p, "\n");
        char line[sizeof(s->about)];
        memcpy(line, p, len);
        line[len] = '\0';
        escape_xml(line, out);
        p += len;
        if (*p == '\n') {
            (void)fputs("</p>\n<p>", out);
            p++;
        }
    }
    (void)fputs("</p>\n", out);
    for (size_t i = 0; i < s->chart_count; i++)
        chart_svg(&s->charts[i], out);
    for (size_t i = 0; i < s->table_count; i++) {
        (void)fputs("<div class=\"wide\">", out);
        html_table(&s->tables[i], out);
        (void)fputs("</div>\n", out);
    }
    (void)fputs("</body></html>\n", out);
    return ferror(out) ? -1 : 0;
}
