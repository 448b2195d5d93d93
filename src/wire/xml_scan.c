#include "wire/xml.h"

#include "base/err.h"
#include "wire/xml_private.h"

#include <string.h>

#define REFERENCE_MAX 10 /* bytes between & and ; that are looked at */

struct scanner {
    const char *p, *end;
    const struct ph_xml_sink *sink;
    bool in_leaf; /* no tag has come since the one that opened `leaf` */
    struct ph_span leaf;
    struct ph_xml_text text;
};

static size_t left(const struct scanner *s)
{
    return (size_t)(s->end - s->p);
}

static bool at(const struct scanner *s, const char *text)
{
    size_t len = strlen(text);

    return left(s) >= len && memcmp(s->p, text, len) == 0;
}

/* Moves behind the next `text`, and to the end where there is none: what is not closed hides the
 * rest. Gives what lies between. */
static bool skip_past(struct scanner *s, const char *text, struct ph_span *between)
{
    const char *from = s->p;
    const char *found = memmem(s->p, left(s), text, strlen(text));

    s->p = found != NULL ? found + strlen(text) : s->end;
    *between = (struct ph_span){from, (size_t)((found != NULL ? found : s->end) - from)};
    return found != NULL;
}

/* The element that was opened last ends here, by its own tag or by another one. */
static void end_leaf(struct scanner *s, bool by_close)
{
    struct ph_span text = ph_span_trim((struct ph_span){s->text.p, s->text.len});

    if (s->in_leaf && (by_close || text.len > 0))
        ph_xml_tell_leaf(s->sink, s->leaf, &s->text);
    s->in_leaf = false;
}

static struct ph_span take_name(struct scanner *s)
{
    const char *from = s->p;

    while (s->p < s->end && !ph_is_space(*s->p) && strchr("/<>", *s->p) == NULL)
        s->p++;
    return ph_xml_local_name(from, (size_t)(s->p - from));
}

/* Behind the tag's '>', or before the '<' that comes first. False: neither comes. */
static bool take_rest_of_tag(struct scanner *s, bool *empty)
{
    *empty = false;
    for (; s->p < s->end; s->p++) {
        if (*s->p == '<')
            return true;
        if (*s->p == '>') {
            s->p++;
            return true;
        }
        *empty = *s->p == '/';
    }
    return false;
}

static void take_close(struct scanner *s)
{
    struct ph_span name;
    bool empty;

    end_leaf(s, true);
    s->p += 2;
    name = take_name(s);
    if (take_rest_of_tag(s, &empty))
        s->sink->close(s->sink->user, name);
}

static void take_open(struct scanner *s)
{
    struct ph_span name;
    bool empty;

    end_leaf(s, false);
    s->p++;
    name = take_name(s);
    if (!take_rest_of_tag(s, &empty))
        return;
    s->sink->open(s->sink->user, name);
    s->leaf = name;
    s->in_leaf = true;
    s->text.len = 0;
    s->text.cut = false;
    if (empty) {
        end_leaf(s, true);
        s->sink->close(s->sink->user, name);
    }
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* False: the '<' stands for itself. */
static bool take_markup(struct scanner *s)
{
    struct ph_span between;

    if (at(s, "<!--")) {
        skip_past(s, "-->", &between);
    } else if (at(s, "<![CDATA[")) {
        s->p += strlen("<![CDATA[");
        if (skip_past(s, "]]>", &between))
            ph_xml_text_add(&s->text, between.p, between.len);
    } else if (at(s, "<!") || at(s, "<?")) {
        skip_past(s, ">", &between);
    } else if (at(s, "</")) {
        take_close(s);
    } else if (left(s) >= 2 && begins_name(s->p[1])) {
        take_open(s);
    } else {
        return false;
    }
    return true;
}

/* NUL: no number. A character outside of ASCII is nothing that is looked for, and becomes '?'. */
static char numbered(struct ph_span digits)
{
    unsigned base = 10, v = 0;

    if (digits.len > 0 && (digits.p[0] == 'x' || digits.p[0] == 'X')) {
        base = 16;
        digits.p++;
        digits.len--;
    }
    if (digits.len == 0)
        return '\0';
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.p[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : base;

        if (digit >= base)
            return '\0';
        v = v < 0x1000 ? v * base + digit : v;
    }
    return v > 0 && v < 0x80 ? (char)v : '?';
}

/* The character that `name` refers to; NUL: it is no reference. */
static char referred(struct ph_span name)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};

    if (name.len >= 2 && name.p[0] == '#')
        return numbered((struct ph_span){name.p + 1, name.len - 1});
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (ph_span_is(&name, known[i].name))
            return known[i].c;
    }
    return '\0';
}

static void take_character(struct scanner *s)
{
    char c = *s->p++;

    if (c == '&' && s->p < s->end) {
        size_t look = left(s) < REFERENCE_MAX ? left(s) : REFERENCE_MAX;
        const char *semicolon = memchr(s->p, ';', look);
        char meant = '\0';

        if (semicolon != NULL)
            meant = referred((struct ph_span){s->p, (size_t)(semicolon - s->p)});
        if (meant != '\0') { /* otherwise the '&' stands for itself */
            c = meant;
            s->p = semicolon + 1;
        }
    }
    ph_xml_text_add(&s->text, &c, 1);
}

void ph_xml_scan(const char *xml, size_t len, const struct ph_xml_sink *sink)
{
    struct scanner s = {.sink = sink};

    if (len == 0)
        return;
    s.p = xml;
    s.end = xml + len;
    while (s.p < s.end) {
        if (*s.p != '<' || !take_markup(&s))
            take_character(&s);
    }
}

bool ph_xml_read(const char *xml, size_t len, unsigned depth_max, const struct ph_xml_sink *sink,
                 void (*begin)(void *user))
{
    size_t junk = 0;

    if (len == 0)
        return false;
    while (junk < len && xml[junk] != '<')
        junk++;
    if (ph_xml_parse(xml + junk, len - junk, depth_max, sink) == PH_OK)
        return false;
    begin(sink->user);
    ph_xml_scan(xml + junk, len - junk, sink);
    return true;
}
