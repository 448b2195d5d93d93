#include "lab/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX  (1u << 20)
#define DEPTH_MAX 32
#define NODES_MAX 65536
#define PAIRS_MAX 1024 /* of one mapping: duplicates are found by comparing each with each */

/* All memory of a document hangs on one list, so that it goes at once. */
struct block {
    struct block *next;
    max_align_t data[];
};

struct yaml_doc {
    struct block *blocks;
    const char *file;
    struct yaml_node *root;
    size_t nodes;
};

struct loader {
    struct yaml_doc *doc;
    struct fy_parser *parser;
    struct lab_error *err;
};

static void *doc_alloc(struct yaml_doc *doc, size_t len)
{
    struct block *b = calloc(1, sizeof(*b) + len);
    if (b == NULL)
        return NULL;
    b->next = doc->blocks;
    doc->blocks = b;
    return b->data;
}

static char *doc_text(struct yaml_doc *doc, const char *text, size_t len)
{
    char *copy = doc_alloc(doc, len + 1);
    if (copy != NULL && len > 0)
        memcpy(copy, text, len);
    return copy;
}

/* Arrays double; what they leave behind stays in the document's list until it is freed. */
static void *grow(struct yaml_doc *doc, void *array, size_t count, size_t item)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return array;
    void *wider = doc_alloc(doc, item * (count == 0 ? 1 : count * 2));
    if (wider != NULL && count > 0)
        memcpy(wider, array, item * count);
    return wider;
}

static int out_of_memory(struct loader *l)
{
    return lab_fail(l->err, LAB_CANNOT, "%s: out of memory", l->doc->file);
}

static int fail_at(struct loader *l, unsigned line, unsigned column, const char *text)
{
    return lab_fail(l->err, LAB_USAGE, "%s:%u:%u: %s", l->doc->file, line, column, text);
}

/* What libfyaml has to say about the first thing that is not YAML. */
static int syntax_error(struct loader *l, struct fy_diag *diag)
{
    void *iter = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iter);
    if (e == NULL || e->msg == NULL)
        return fail_at(l, 1, 1, "this is not YAML");
    unsigned line = e->line > 0 ? (unsigned)e->line : 1;
    unsigned column = e->column > 0 ? (unsigned)e->column : 1;
    return lab_fail(l->err, LAB_USAGE, "%s:%u:%u: not YAML: %s", l->doc->file, line, column,
                    e->msg);
}

/* The length of the UTF-8 character (RFC 3629) at s, or 0 when it is none. */
static size_t utf8_length(const uint8_t *s, size_t left)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (len == 0 || s[0] > 0xf4 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] > 0x9f;
    bool too_high = s[0] == 0xf4 && s[1] > 0x8f;
    return overlong || surrogate || too_high ? 0 : len;
}

/* libfyaml lets bytes pass that are no UTF-8; the results' JSON could not hold them. It takes a NUL
 * for the end of the file: what stands behind it would count for nothing. */
static int check_utf8(struct loader *l, const char *text, size_t len)
{
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < len;) {
        size_t n = utf8_length((const uint8_t *)text + i, len - i);
        if (n == 0)
            return fail_at(l, line, column, "a byte that is not UTF-8");
        if (text[i] == '\0')
            return fail_at(l, line, column, "a NUL byte");
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n' ? 1 : 0;
        i += n;
    }
    return 0;
}

static void position(struct fy_event *ev, unsigned *line, unsigned *column)
{
    const struct fy_mark *m = fy_event_start_mark(ev);
    if (m == NULL)
        return;
    *line = (unsigned)m->line + 1;
    *column = (unsigned)m->column + 1;
}

static int read_scalar(struct loader *l, struct fy_event *ev, struct yaml_node *n)
{
    size_t len = 0;
    const char *text = ev->scalar.value != NULL ? fy_token_get_text(ev->scalar.value, &len) : NULL;
    if (text == NULL)
        len = 0;
    if (len > 0 && memchr(text, '\0', len) != NULL)
        return fail_at(l, n->line, n->column, "a NUL character inside a value");
    bool plain =
        ev->scalar.value == NULL || fy_scalar_token_get_style(ev->scalar.value) == FYSS_PLAIN;
    if (plain && ((len == 1 && text[0] == '~') || (len == 4 && memcmp(text, "null", 4) == 0)))
        len = 0;
    n->scalar = doc_text(l->doc, text, len);
    return n->scalar != NULL ? 0 : out_of_memory(l);
}

static int read_value(struct loader *l, struct fy_event *ev, unsigned depth, unsigned line,
                      unsigned column, struct yaml_node **out);

static int read_sequence(struct loader *l, unsigned depth, struct yaml_node *n)
{
    for (;;) {
        struct fy_event *ev = fy_parser_parse(l->parser);
        if (ev == NULL)
            return fail_at(l, n->line, n->column, "this list does not end");
        if (ev->type == FYET_SEQUENCE_END) {
            fy_parser_event_free(l->parser, ev);
            return 0;
        }
        struct yaml_node *item = NULL;
        int rc = read_value(l, ev, depth, n->line, n->column, &item);
        fy_parser_event_free(l->parser, ev);
        if (rc != 0)
            return rc;
        n->items = grow(l->doc, n->items, n->count, sizeof(*n->items));
        if (n->items == NULL)
            return out_of_memory(l);
        n->items[n->count++] = item;
    }
}

static int read_key(struct loader *l, struct fy_event *ev, struct yaml_node *map,
                    struct yaml_pair *pair)
{
    pair->line = map->line;
    pair->column = map->column;
    position(ev, &pair->line, &pair->column);
    if (ev->type != FYET_SCALAR)
        return fail_at(l, pair->line, pair->column, "a key must be a word");
    struct yaml_node text = {.line = pair->line, .column = pair->column};
    if (read_scalar(l, ev, &text) != 0)
        return -1;
    pair->key = text.scalar;
    if (pair->key[0] == '\0')
        return fail_at(l, pair->line, pair->column, "a key is missing before the colon");
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->pairs[i].key, pair->key) == 0)
            return lab_fail(l->err, LAB_USAGE,
                            "%s:%u:%u: \"%s\" stands here a second time (first at line %u)",
                            l->doc->file, pair->line, pair->column, pair->key, map->pairs[i].line);
    }
    return 0;
}

static int read_mapping(struct loader *l, unsigned depth, struct yaml_node *n)
{
    for (;;) {
        struct fy_event *ev = fy_parser_parse(l->parser);
        if (ev == NULL)
            return fail_at(l, n->line, n->column, "this mapping does not end");
        if (ev->type == FYET_MAPPING_END) {
            fy_parser_event_free(l->parser, ev);
            return 0;
        }
        struct yaml_pair pair = {0};
        int rc = read_key(l, ev, n, &pair);
        fy_parser_event_free(l->parser, ev);
        if (rc != 0)
            return rc;
        if (n->count >= PAIRS_MAX)
            return fail_at(l, pair.line, pair.column, "more than 1024 keys in one mapping");
        ev = fy_parser_parse(l->parser);
        if (ev == NULL)
            return fail_at(l, pair.line, pair.column, "a key without a value");
        rc = read_value(l, ev, depth, pair.line, pair.column, &pair.value);
        fy_parser_event_free(l->parser, ev);
        if (rc != 0)
            return rc;
        n->pairs = grow(l->doc, n->pairs, n->count, sizeof(*n->pairs));
        if (n->pairs == NULL)
            return out_of_memory(l);
        n->pairs[n->count++] = pair;
    }
}

/* line and column are where an empty value is said to stand: its key's place. */
static int read_value(struct loader *l, struct fy_event *ev, unsigned depth, unsigned line,
                      unsigned column, struct yaml_node **out)
{
    struct yaml_node *n = doc_alloc(l->doc, sizeof(*n));
    if (n == NULL)
        return out_of_memory(l);
    n->file = l->doc->file;
    n->line = line;
    n->column = column;
    if (ev->type != FYET_SCALAR || ev->scalar.value != NULL)
        position(ev, &n->line, &n->column);
    if (++l->doc->nodes > NODES_MAX)
        return fail_at(l, n->line, n->column, "more than 65536 values in one file");
    if (depth >= DEPTH_MAX)
        return fail_at(l, n->line, n->column, "nested more than 32 deep");
    *out = n;
    switch (ev->type) {
    case FYET_SCALAR:
        n->type = YAML_SCALAR;
        return read_scalar(l, ev, n);
    case FYET_SEQUENCE_START:
        n->type = YAML_SEQUENCE;
        return read_sequence(l, depth + 1, n);
    case FYET_MAPPING_START:
        n->type = YAML_MAPPING;
        return read_mapping(l, depth + 1, n);
    case FYET_ALIAS:
        return fail_at(l, n->line, n->column, "aliases (*name) are not used in these files");
    default:
        return fail_at(l, n->line, n->column, "a value is missing");
    }
}

static int read_stream(struct loader *l)
{
    int rc = 0;
    bool end = false;
    while (rc == 0 && !end) {
        struct fy_event *ev = fy_parser_parse(l->parser);
        if (ev == NULL)
            break;
        unsigned line = 1, column = 1;
        switch (ev->type) {
        case FYET_STREAM_START:
        case FYET_DOCUMENT_END:
            break;
        case FYET_STREAM_END:
            end = true;
            break;
        case FYET_DOCUMENT_START:
            if (l->doc->root != NULL) {
                position(ev, &line, &column);
                rc = fail_at(l, line, column, "a second document in one file");
            }
            break;
        default:
            rc = read_value(l, ev, 0, 1, 1, &l->doc->root);
            break;
        }
        fy_parser_event_free(l->parser, ev);
    }
    return rc;
}

int yaml_parse(const char *name, const char *text, size_t len, struct yaml_doc **out,
               struct lab_error *err)
{
    int rc = -1;
    struct fy_diag *diag = NULL;
    struct loader l = {.err = err};
    *out = NULL;
    l.doc = calloc(1, sizeof(*l.doc));
    if (l.doc == NULL)
        return lab_fail(err, LAB_CANNOT, "%s: out of memory", name);
    l.doc->file = "";
    const char *file = doc_text(l.doc, name, strlen(name));
    if (file != NULL)
        l.doc->file = file;
    if (len > FILE_MAX) {
        lab_fail(err, LAB_USAGE, "%s: %zu bytes are more than the 1 MiB that is read", name, len);
        goto cleanup;
    }
    if (check_utf8(&l, text, len) != 0)
        goto cleanup;
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag = fy_diag_create(&diag_cfg);
    if (file == NULL || diag == NULL) {
        out_of_memory(&l);
        goto cleanup;
    }
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg cfg = {.search_path = "", .flags = FYPCF_QUIET, .diag = diag};
    cfg.flags |= FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE;
    l.parser = fy_parser_create(&cfg);
    if (l.parser == NULL || fy_parser_set_string(l.parser, text, len) != 0) {
        out_of_memory(&l);
        goto cleanup;
    }
    rc = read_stream(&l);
    /* A parser that gave up ends the lists above it too: what it says itself is the cause. */
    if (fy_parser_get_stream_error(l.parser) || fy_diag_got_error(diag))
        rc = syntax_error(&l, diag);
    else if (rc == 0 && l.doc->root == NULL)
        rc = fail_at(&l, 1, 1, "the file is empty");
cleanup:
    if (l.parser != NULL)
        fy_parser_destroy(l.parser);
    if (diag != NULL)
        fy_diag_destroy(diag);
    if (rc == 0)
        *out = l.doc;
    else
        yaml_free(l.doc);
    return rc;
}

static int read_whole(int fd, char *text, size_t cap, size_t *len)
{
    *len = 0;
    while (*len < cap) {
        ssize_t n = read(fd, text + *len, cap - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            return 0;
        *len += (size_t)n;
    }
    return 0;
}

int yaml_read_file(const char *path, char **text, size_t *len, struct lab_error *err)
{
    int rc = -1;
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return lab_fail_errno(err, LAB_USAGE, "%s", path);
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        lab_fail(err, LAB_USAGE, "%s: not a regular file", path);
        goto cleanup;
    }
    /* One byte beyond the cap shows that there is more. */
    *text = malloc(FILE_MAX + 2);
    if (*text == NULL || read_whole(fd, *text, FILE_MAX + 1, len) != 0) {
        lab_fail_errno(err, LAB_USAGE, "%s", path);
        goto cleanup;
    }
    (*text)[*len] = '\0';
    rc = 0;
cleanup:
    if (rc != 0) {
        free(*text);
        *text = NULL;
    }
    close(fd);
    return rc;
}

int yaml_load(const char *path, struct yaml_doc **out, struct lab_error *err)
{
    char *text = NULL;
    size_t len = 0;
    *out = NULL;
    if (yaml_read_file(path, &text, &len, err) != 0)
        return -1;
    int rc = yaml_parse(path, text, len, out, err);
    free(text);
    return rc;
}

void yaml_free(struct yaml_doc *doc)
{
    if (doc == NULL)
        return;
    while (doc->blocks != NULL) {
        struct block *next = doc->blocks->next;
        free(doc->blocks);
        doc->blocks = next;
    }
    free(doc);
}

struct yaml_node *yaml_root(struct yaml_doc *doc)
{
    return doc->root;
}
