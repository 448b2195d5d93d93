/* What a bench comes to: tables and charts, for the terminal and as one HTML file that needs no
 * network. */
#ifndef LAB_BENCH_SHEET_H
#define LAB_BENCH_SHEET_H

#include "lab/bench/chart.h"

#define SHEET_COLUMNS_MAX 16
#define SHEET_TEXT_MAX    96
#define SHEET_TABLES_MAX  32
#define SHEET_CHARTS_MAX  32

struct sheet_table {
    char title[2 * SHEET_TEXT_MAX];
    char columns[SHEET_COLUMNS_MAX][SHEET_TEXT_MAX];
    size_t column_count;
    char (*cells)[SHEET_TEXT_MAX]; /* row by row */
    size_t rows, room;
};

struct sheet {
    char title[SHEET_TEXT_MAX];
    char about[1024]; /* a paragraph or two, parted by newlines: what is shown, and how it was made
                       */
    struct sheet_table tables[SHEET_TABLES_MAX];
    size_t table_count;
    struct chart *charts; /* SHEET_CHARTS_MAX of them */
    size_t chart_count;
};

/* malloc'ed; NULL: out of memory. */
struct sheet *sheet_new(const char *title);
void sheet_free(struct sheet *s);

/* NULL: there is no room for another one. */
struct sheet_table *sheet_table(struct sheet *s, const char *title);
struct chart *sheet_chart(struct sheet *s, const char *title);
void sheet_column(struct sheet_table *t, const char *name);
void sheet_columns(struct sheet_table *t, const char *const *names, size_t count);
/* An empty row; its cells are set by sheet_cell, in the table's last row. -1: out of memory. */
int sheet_row(struct sheet_table *t);
__attribute__((format(printf, 3, 4))) void sheet_cell(struct sheet_table *t, size_t column,
                                                      const char *fmt, ...);

/* The tables alone. */
void sheet_print(const struct sheet *s, FILE *out);
/* -1: it could not be written. */
int sheet_html(const struct sheet *s, FILE *out);

#endif
