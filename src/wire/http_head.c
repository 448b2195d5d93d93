#include "wire/http_head.h"

#include "base/err.h"

#include <string.h>

/* What is left to read, line by line. */
struct lines {
    const char *p, *end;
    bool whole; /* the end of the bytes ends the last line too */
};

/* The next line without its CR LF or LF; false: it has not ended yet, or there is none. */
static bool next_line(struct lines *l, struct ph_span *out)
{
    const char *lf;

    if (l->p == l->end)
        return false;
    lf = memchr(l->p, '\n', (size_t)(l->end - l->p));
    if (lf == NULL && !l->whole)
        return false;
    *out = (struct ph_span){l->p, (size_t)((lf != NULL ? lf : l->end) - l->p)};
    l->p = lf != NULL ? lf + 1 : l->end;
    while (out->len > 0 && out->p[out->len - 1] == '\r')
        out->len--;
    return true;
}

/* Takes the next word and the white space before it. */
static struct ph_span next_word(struct ph_span *rest)
{
    struct ph_span word;

    *rest = ph_span_trim(*rest);
    word = (struct ph_span){rest->p, 0};
    while (word.len < rest->len && !ph_is_space(rest->p[word.len]))
        word.len++;
    rest->p += word.len;
    rest->len -= word.len;
    return word;
}

/* HTTP/1.x */
static bool is_version(const struct ph_span *s)
{
    return s->len == 8 && ph_span_begins_with(s, "HTTP/1.") && s->p[7] >= '0' && s->p[7] <= '9';
}

static bool parse_start(struct ph_span line, struct ph_http_head *out)
{
    struct ph_span first = next_word(&line);
    struct ph_span second = next_word(&line);
    struct ph_span third = next_word(&line);
    uint64_t status;

    if (is_version(&first)) {
        if (second.len != 3 || !ph_span_number(&second, 999, &status) || status < 100)
            return false;
        out->status = (int)status;
        return true;
    }
    out->method = first;
    out->target = second;
    return is_version(&third);
}

static int parse(struct lines *l, struct ph_http_head *out)
{
    const char *start = l->p;
    struct ph_span line;

    /* RFC 9112 section 2.2: an empty line before the start line is to be ignored. */
    do {
        if (!next_line(l, &line))
            return l->whole ? PH_ERR_FORMAT : PH_ERR_SHORT;
    } while (line.len == 0);
    if (!parse_start(line, out))
        return PH_ERR_FORMAT;
    out->fields.p = l->p;
    for (;;) {
        const char *at = l->p;

        if (!next_line(l, &line)) {
            if (!l->whole)
                return PH_ERR_SHORT;
            line.len = 0; /* here the message ends, and with it the head */
        }
        if (line.len == 0) {
            out->fields.len = (size_t)(at - out->fields.p);
            out->len = (size_t)(l->p - start);
            return PH_OK;
        }
    }
}

int ph_http_head_parse(const char *data, size_t len, bool whole, struct ph_http_head *out)
{
    bool more = len > PH_HTTP_HEAD_MAX;
    struct ph_http_head head = {0};
    struct lines l;
    int err;

    *out = head;
    if (len == 0)
        return whole ? PH_ERR_FORMAT : PH_ERR_SHORT;
    l = (struct lines){data, data + (more ? PH_HTTP_HEAD_MAX : len), whole && !more};
    err = parse(&l, &head);
    if (err == PH_ERR_SHORT && more)
        return PH_ERR_SPACE;
    if (err == PH_OK)
        *out = head;
    return err;
}

bool ph_http_field(const struct ph_http_head *head, const char *name, struct ph_span *value)
{
    struct lines l = {head->fields.p, head->fields.p, true};
    struct ph_span line;

    *value = (struct ph_span){0};
    if (head->fields.len == 0)
        return false;
    l.end += head->fields.len;
    while (next_line(&l, &line)) {
        const char *colon = line.len > 0 ? memchr(line.p, ':', line.len) : NULL;
        struct ph_span its_name;

        if (colon == NULL)
            continue;
        its_name = ph_span_trim((struct ph_span){line.p, (size_t)(colon - line.p)});
        if (!ph_span_is(&its_name, name))
            continue;
        *value = ph_span_trim((struct ph_span){colon + 1, line.len - (size_t)(colon + 1 - line.p)});
        return true;
    }
    return false;
}

bool ph_http_content_length(const struct ph_http_head *head, size_t *out)
{
    struct ph_span value;
    uint64_t n;

    if (!ph_http_field(head, "Content-Length", &value) || !ph_span_number(&value, SIZE_MAX, &n))
        return false;
    *out = (size_t)n;
    return true;
}
