/* Spans of text inside a message, as the readers of HTTP and XML hand them around. ASCII alone has
 * case and white space here, whatever the locale. */
#ifndef PH_WIRE_SPAN_H
#define PH_WIRE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the message; not NUL-terminated. */
struct ph_span {
    const char *p;
    size_t len;
};

bool ph_is_space(char c); /* blank, tab, CR, LF, FF, VT */
/* Without the white space at its ends. */
struct ph_span ph_span_trim(struct ph_span s);
bool ph_span_is(const struct ph_span *s, const char *text);          /* in any case */
bool ph_span_begins_with(const struct ph_span *s, const char *text); /* in any case */
bool ph_span_has(const struct ph_span *s, const char *text);         /* anywhere, in any case */
/* A decimal number of digits alone, at most max; false for anything else. */
bool ph_span_number(const struct ph_span *s, uint64_t max, uint64_t *out);
/* Copies it with a NUL, cut where it is longer than cap - 1. */
void ph_span_copy(const struct ph_span *s, char *out, size_t cap);

#endif
