/* One line of a trace: a flat JSON object, built in a buffer of the caller's.
 *
 *   struct ph_json j = ph_json_begin(line, sizeof(line));
 *   ph_json_ns_ms(&j, "t_ms", now);
 *   ph_json_str(&j, "who", "call");
 *   host->ops->trace(host, ph_json_end(&j));
 *
 * The line is a whole JSON object whatever it was given: a member that does not fit is left out,
 * and the object then ends with "cut":true. */
#ifndef PH_BASE_TRACE_H
#define PH_BASE_TRACE_H

#include "base/addr.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_TRACE_LINE 512 /* enough for the lines of the core's state machines */
#define PH_JSON_MIN   16  /* the smallest buffer: {"cut":true} and its NUL */

struct ph_json {
    char *buf;
    size_t len;
    size_t limit; /* members end before it, what stands behind is for the end */
    bool cut;
};

/* cap is at least PH_JSON_MIN; below it nothing is written and ph_json_end gives "{}". */
struct ph_json ph_json_begin(char *buf, size_t cap);
/* Text of any bytes: control characters are escaped, and so is what is not ASCII (byte by byte, as
 * U+0080 to U+00FF), so that the line is valid UTF-8. NULL is null. Keys are escaped too. */
void ph_json_str(struct ph_json *j, const char *key, const char *value);
void ph_json_u64(struct ph_json *j, const char *key, uint64_t value);
void ph_json_i64(struct ph_json *j, const char *key, int64_t value);
void ph_json_bool(struct ph_json *j, const char *key, bool value);
/* Milliseconds with three digits, cut and not rounded: 12345678 ns is 12.345. PH_NEVER is null. */
void ph_json_ns_ms(struct ph_json *j, const char *key, ph_ns value);
/* "1.2.3.4:5"; family NONE is null. */
void ph_json_addr(struct ph_json *j, const char *key, const struct ph_addr *value);
/* Bytes as hex digits. */
void ph_json_hex(struct ph_json *j, const char *key, const void *data, size_t len);
/* Ends the object and returns it, NUL-terminated, without a newline. */
const char *ph_json_end(struct ph_json *j);

#endif
