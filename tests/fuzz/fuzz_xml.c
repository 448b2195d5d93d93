/* Documents of any bytes through both readers of XML: each tells elements that open before they
 * close, and leaves within their bound; of plain documents both tell the same (xml.h). What the
 * leaves hold is asked of span.h and of the C library. */
#include "base/err.h"
#include "wire/xml.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32
#define REFERENCE 10 /* bytes: the scan looks no further for a reference's end */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

/* ---- What the spans of a document are, by other means */

static char *copy_of(struct ph_span s)
{
    char *text = malloc(s.len + 1);

    check(text != NULL);
    ph_span_copy(&s, text, s.len + 1);
    check(memcmp(text, s.p, s.len) == 0 && text[s.len] == '\0');
    return text;
}

static void check_number(const struct ph_span *s, const char *text, uint64_t max)
{
    uint64_t got = 0;
    bool digits = s->len > 0 && strspn(text, "0123456789") == s->len;
    size_t zeros = strspn(text, "0");
    bool fits = digits && s->len - zeros < 20 && strtoull(text, NULL, 10) <= max;

    check(ph_span_number(s, max, &got) == fits);
    check(!fits || got == strtoull(text, NULL, 10));
}

static void check_match(const struct ph_span *s, const char *text, const char *sought)
{
    size_t len = strlen(sought);

    check(ph_span_is(s, sought) == (strcasecmp(text, sought) == 0));
    check(ph_span_begins_with(s, sought) == (strncasecmp(text, sought, len) == 0));
    check(ph_span_has(s, sought) == (strcasestr(text, sought) != NULL));
}

static void check_spans(struct ph_span name, struct ph_span text)
{
    char *a = copy_of(name), *b = copy_of(text), cut[8];
    struct ph_span trimmed = ph_span_trim(text);

    check(trimmed.p == text.p && trimmed.len == text.len); /* it is already */
    ph_span_copy(&text, cut, sizeof(cut));
    check(strncmp(cut, b, sizeof(cut) - 1) == 0);
    if (strlen(a) == name.len && strlen(b) == text.len) {
        static const uint64_t most[] = {0, 9, 65535, UINT32_MAX, UINT64_MAX / 10};

        for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++)
            check_number(&text, b, most[i]);
        check_match(&text, b, a);
        check_match(&name, a, b);
        check_match(&text, b, "1");
        check_match(&text, b, "");
    }
    free(a);
    free(b);
}

/* ---- What is told */

struct told {
    char *p;
    size_t len, cap;
    size_t leaf; /* where the leaf begins that was told last, if nothing has been since; else len */
    size_t opened, closed;
};

static void tell(struct told *t, char what, struct ph_span s)
{
    if (t->cap - t->len < s.len + 2) {
        t->cap = 2 * t->cap + s.len + 2;
        t->p = realloc(t->p, t->cap);
        check(t->p != NULL);
    }
    t->p[t->len++] = what;
    if (s.len > 0)
        memcpy(t->p + t->len, s.p, s.len);
    t->len += s.len;
    t->p[t->len++] = '\n';
}

/* Text before the first of an element's elements is a leaf for the scan alone. */
static void on_open(void *user, struct ph_span name)
{
    struct told *t = user;

    t->len = t->leaf;
    tell(t, '<', name);
    t->opened++;
    t->leaf = t->len;
}

static void on_leaf(void *user, struct ph_span name, struct ph_span text)
{
    struct told *t = user;
    size_t from = t->len;

    check(t->leaf == t->len && text.len <= PH_XML_TEXT_MAX); /* never two of one element */
    check_spans(name, text);
    tell(t, '=', name);
    tell(t, ' ', text);
    t->leaf = from;
}

static void on_close(void *user, struct ph_span name)
{
    struct told *t = user;

    tell(t, '>', name);
    t->closed++;
    t->leaf = t->len;
}

/* ---- Plain documents */

static bool plain_reference(const char *p, size_t left)
{
    const char *end = memchr(p, ';', left < REFERENCE ? left : REFERENCE);
    char number[REFERENCE + 1] = "";

    if (end == NULL || p[0] != '#')
        return end != NULL;
    memcpy(number, p + 1, (size_t)(end - p) - 1);
    return strtoul(number + (number[0] == 'x'), NULL, number[0] == 'x' ? 16 : 10) < 0x80;
}

/* What may be the value of an attribute, behind its '=', holds no '>'. */
static bool plain_value(const char *p, size_t left)
{
    const char *end;

    while (left > 0 && ph_is_space(*p)) {
        p++;
        left--;
    }
    if (left == 0 || (*p != '"' && *p != '\''))
        return true;
    end = memchr(p + 1, *p, left - 1);
    return end == NULL || memchr(p, '>', (size_t)(end - p)) == NULL;
}

static bool plain_markup(const char *p, size_t left, bool first)
{
    struct ph_span s = {p, left};

    if (ph_span_begins_with(&s, "?"))
        return first && ph_span_begins_with(&s, "?xml ");
    return !ph_span_begins_with(&s, ":") && !ph_span_begins_with(&s, "!-->") &&
           !ph_span_begins_with(&s, "!--->");
}

/* In ASCII, with the usual ends of lines, references as short as they are, and no '>' in a tag but
 * its own. Well-formed is what the parser says. */
static bool is_plain(const char *xml, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char *next = xml + i + 1;
        size_t left = len - i - 1;

        if (xml[i] != '\t' && xml[i] != '\n' && (xml[i] < ' ' || xml[i] > '~'))
            return false;
        if ((xml[i] == '&' && !plain_reference(next, left)) ||
            (xml[i] == '=' && !plain_value(next, left)) ||
            (xml[i] == '<' && !plain_markup(next, left, i == 0)))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct told parsed = {0}, scanned = {0};
    const struct ph_xml_sink parse = {&parsed, on_open, on_leaf, on_close};
    const struct ph_xml_sink scan = {&scanned, on_open, on_leaf, on_close};
    const char *xml = (const char *)data;
    int err = ph_xml_parse(xml, size, DEPTH_MAX, &parse);

    check(err == PH_OK || err == PH_ERR_FORMAT);
    check(parsed.closed <= parsed.opened && parsed.opened - parsed.closed <= DEPTH_MAX);
    ph_xml_scan(xml, size, &scan);
    if (err == PH_OK) {
        check(parsed.closed == parsed.opened && parsed.opened > 0);
        if (is_plain(xml, size))
            check(parsed.len == scanned.len && memcmp(parsed.p, scanned.p, parsed.len) == 0);
    }
    free(parsed.p);
    free(scanned.p);
    return 0;
}
