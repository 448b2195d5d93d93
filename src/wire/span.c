#include "wire/span.h"

#include <string.h>

bool ph_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct ph_span ph_span_trim(struct ph_span s)
{
    while (s.len > 0 && ph_is_space(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && ph_is_space(s.p[s.len - 1]))
        s.len--;
    return s;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool ph_span_begins_with(const struct ph_span *s, const char *text)
{
    size_t len = strlen(text);

    if (len > s->len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (lower(s->p[i]) != lower(text[i]))
            return false;
    }
    return true;
}

bool ph_span_is(const struct ph_span *s, const char *text)
{
    return s->len == strlen(text) && ph_span_begins_with(s, text);
}

bool ph_span_has(const struct ph_span *s, const char *text)
{
    for (size_t i = 0; i < s->len; i++) {
        struct ph_span rest = {s->p + i, s->len - i};

        if (ph_span_begins_with(&rest, text))
            return true;
    }
    return *text == '\0';
}

bool ph_span_number(const struct ph_span *s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (s->len == 0)
        return false;
    for (size_t i = 0; i < s->len; i++) {
        char c = s->p[i];

        if (c < '0' || c > '9' || v > max / 10)
            return false;
        v = v * 10;
        if ((uint64_t)(c - '0') > max - v)
            return false;
        v += (uint64_t)(c - '0');
    }
    *out = v;
    return true;
}

void ph_span_copy(const struct ph_span *s, char *out, size_t cap)
{
    size_t len = s->len < cap - 1 ? s->len : cap - 1;

    if (len > 0)
        memcpy(out, s->p, len);
    out[len] = '\0';
}
