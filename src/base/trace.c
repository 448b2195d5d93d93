#include "base/trace.h"

#include <string.h>

static const char cut_mark[] = "\"cut\":true";

/* A member is written piece by piece; `ok` falls when one does not fit, and the member's start is
 * then the line's end again. */
struct member {
    struct ph_json *j;
    size_t at;
    bool ok;
};

static void put(struct member *m, char c)
{
    if (m->at >= m->j->limit) {
        m->ok = false;
        return;
    }
    m->j->buf[m->at++] = c;
}

static void put_text(struct member *m, const char *text)
{
    for (; *text != '\0'; text++)
        put(m, *text);
}

static void put_quoted(struct member *m, const char *text)
{
    static const char digits[] = "0123456789abcdef";

    put(m, '"');
    for (; *text != '\0' && m->ok; text++) {
        uint8_t c = (uint8_t)*text;

        if (c == '"' || c == '\\') {
            put(m, '\\');
            put(m, (char)c);
        } else if (c < 0x20 || c >= 0x7f) {
            put_text(m, "\\u00");
            put(m, digits[c >> 4]);
            put(m, digits[c & 15]);
        } else {
            put(m, (char)c);
        }
    }
    put(m, '"');
}

/* `width`: leading zeros up to so many digits. */
static void put_u64(struct member *m, uint64_t value, size_t width)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = n; i < width; i++)
        put(m, '0');
    while (n > 0)
        put(m, digits[--n]);
}

static struct member member_begin(struct ph_json *j, const char *key)
{
    struct member m = {.j = j, .at = j->len, .ok = j->limit > 0};

    if (j->len > 1)
        put(&m, ',');
    put_quoted(&m, key);
    put(&m, ':');
    return m;
}

static void member_end(struct member *m)
{
    if (m->ok)
        m->j->len = m->at;
    else
        m->j->cut = true;
}

struct ph_json ph_json_begin(char *buf, size_t cap)
{
    struct ph_json j = {.buf = buf};

    if (cap < PH_JSON_MIN)
        return j;
    j.limit = cap - sizeof(cut_mark) - 2; /* its comma, its NUL and the closing brace */
    buf[0] = '{';
    j.len = 1;
    return j;
}

void ph_json_str(struct ph_json *j, const char *key, const char *value)
{
    struct member m = member_begin(j, key);

    if (value != NULL)
        put_quoted(&m, value);
    else
        put_text(&m, "null");
    member_end(&m);
}

void ph_json_u64(struct ph_json *j, const char *key, uint64_t value)
{
    struct member m = member_begin(j, key);

    put_u64(&m, value, 0);
    member_end(&m);
}

void ph_json_i64(struct ph_json *j, const char *key, int64_t value)
{
    struct member m = member_begin(j, key);

    if (value < 0)
        put(&m, '-');
    put_u64(&m, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 0);
    member_end(&m);
}

void ph_json_bool(struct ph_json *j, const char *key, bool value)
{
    struct member m = member_begin(j, key);

    put_text(&m, value ? "true" : "false");
    member_end(&m);
}

void ph_json_ns_ms(struct ph_json *j, const char *key, ph_ns value)
{
    struct member m = member_begin(j, key);

    if (value == PH_NEVER) {
        put_text(&m, "null");
    } else {
        put_u64(&m, value / PH_MS, 0);
        put(&m, '.');
        put_u64(&m, value % PH_MS / PH_US, 3);
    }
    member_end(&m);
}

void ph_json_addr(struct ph_json *j, const char *key, const struct ph_addr *value)
{
    char text[PH_ADDR_STRLEN];

    ph_json_str(j, key, ph_addr_is_set(value) ? ph_addr_format(value, text) : NULL);
}

void ph_json_hex(struct ph_json *j, const char *key, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    struct member m = member_begin(j, key);

    put(&m, '"');
    for (size_t i = 0; i < len && m.ok; i++) {
        put(&m, digits[p[i] >> 4]);
        put(&m, digits[p[i] & 15]);
    }
    put(&m, '"');
    member_end(&m);
}

const char *ph_json_end(struct ph_json *j)
{
    if (j->len == 0)
        return "{}";
    if (j->cut) {
        if (j->len > 1)
            j->buf[j->len++] = ',';
        memcpy(j->buf + j->len, cut_mark, sizeof(cut_mark) - 1);
        j->len += sizeof(cut_mark) - 1;
    }
    j->buf[j->len++] = '}';
    j->buf[j->len] = '\0';
    return j->buf;
}
