/* YAML with positions: files are read whole into a small tree whose nodes know where they stood, so
 * that every complaint says file:line:column, what was read, and what would be right. (libfyaml.)
 */
#ifndef LAB_YAML_H
#define LAB_YAML_H

#include "lab/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum yaml_type {
    YAML_SCALAR,
    YAML_SEQUENCE,
    YAML_MAPPING,
};

struct yaml_pair {
    const char *key;
    unsigned line, column; /* of the key, from 1 */
    struct yaml_node *value;
    bool used; /* set by yaml_get; yaml_finish complains about what stayed false */
};

struct yaml_node {
    enum yaml_type type;
    unsigned line, column;
    const char *file;
    const char *scalar;       /* YAML_SCALAR: its text, "" for null */
    struct yaml_node **items; /* YAML_SEQUENCE */
    struct yaml_pair *pairs;  /* YAML_MAPPING, in the file's order */
    size_t count;             /* of items or pairs */
};

struct yaml_doc;

/* Files over 1 MiB, with duplicate keys or more than one document are refused. */
int yaml_load(const char *path, struct yaml_doc **out, struct lab_error *err);
int yaml_parse(const char *name, const char *text, size_t len, struct yaml_doc **out,
               struct lab_error *err);
/* A whole file for yaml_parse, malloc'ed, with a NUL behind it; the same caps. */
int yaml_read_file(const char *path, char **text, size_t *len, struct lab_error *err);
void yaml_free(struct yaml_doc *doc);
struct yaml_node *yaml_root(struct yaml_doc *doc);

/* The value under a key of a mapping, or NULL; marks it used. */
struct yaml_node *yaml_get(struct yaml_node *map, const char *key);
/* After all keys were asked for: fails on the first that nobody knows, naming the nearest known. */
int yaml_finish(struct yaml_node *map, const char *const *known, struct lab_error *err);

/* "file:line:column: " + text, LAB_USAGE; returns -1. */
__attribute__((format(printf, 3, 4))) int yaml_fail(const struct yaml_node *at,
                                                    struct lab_error *err, const char *fmt, ...);

/* The text behind a leading "file:line:column: ", or all of it where there is none: what is said
 * inside another complaint says no second place. */
const char *yaml_unplaced(const char *text);

/* Typed reads; on the wrong type or range err says what was read and what would be right.
 * `what` names the value for the message ("trials"). */
int yaml_string(struct yaml_node *n, const char *what, char *out, size_t cap, struct lab_error *e);
int yaml_int(struct yaml_node *n, const char *what, int64_t min, int64_t max, int64_t *out,
             struct lab_error *err);
int yaml_number(struct yaml_node *n, const char *what, double min, double max, double *out,
                struct lab_error *err);
int yaml_bool(struct yaml_node *n, const char *what, bool *out, struct lab_error *err);
/* "20ms", "1.5s", "30s", "2m", "250us", "0"; nanoseconds. */
int yaml_duration(struct yaml_node *n, const char *what, uint64_t *out_ns, struct lab_error *err);
/* "1%", "0.5%", "0": a fraction of 1. */
int yaml_percent(struct yaml_node *n, const char *what, double *out, struct lab_error *err);
/* "10mbit", "512kbit", "0" (no limit); bits per second. */
int yaml_rate(struct yaml_node *n, const char *what, uint64_t *out, struct lab_error *err);
/* One of names[0..n): its index. */
int yaml_enum(struct yaml_node *n, const char *what, const char *const *names, size_t count,
              int *out, struct lab_error *err);
/* The known word nearest to a wrong one, or NULL when none is near (for "did you mean"). */
const char *yaml_nearest(const char *word, const char *const *known, size_t count);
/* The end of a complaint about the word: "; did you mean "x"?", or nothing. Returns out. */
#define YAML_HINT_MAX 128
const char *yaml_hint(const char *word, const char *const *known, size_t count,
                      char out[YAML_HINT_MAX]);

#endif
