/* HTTP heads: spans stay inside the input, and a stream that comes byte by byte gives the head that
 * it gives at once. */
#include "base/err.h"
#include "wire/http_head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_inside(const char *data, size_t size, struct ph_span s)
{
    check(s.len == 0 || (s.p >= data && s.len <= size && (size_t)(s.p - data) <= size - s.len));
}

static void check_head(const char *data, size_t size, const struct ph_http_head *head)
{
    static const char *const names[] = {"Location", "ST", "USN", "Content-Length", ""};
    struct ph_span value;
    size_t length;

    check(head->len > 0 && head->len <= size && head->len <= PH_HTTP_HEAD_MAX);
    check(head->status == 0 ? head->method.len > 0 && head->target.len > 0
                            : head->status >= 100 && head->status <= 999);
    check_inside(data, head->len, head->method);
    check_inside(data, head->len, head->target);
    check_inside(data, head->len, head->fields);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool found = ph_http_field(head, names[i], &value);

        check(found || value.len == 0);
        check_inside(data, head->len, value);
        check(memchr(value.len > 0 ? value.p : "", '\n', value.len) == NULL);
    }
    if (ph_http_content_length(head, &length))
        check(ph_http_field(head, "content-length", &value) && value.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct ph_http_head head, again;

    for (int whole = 0; whole <= 1; whole++) {
        int err = ph_http_head_parse(text, size, whole, &head);

        check(err == PH_OK || err == PH_ERR_FORMAT || err == PH_ERR_SPACE ||
              (err == PH_ERR_SHORT && !whole));
        if (err == PH_OK)
            check_head(text, size, &head);
        if (err != PH_OK || whole)
            continue;
        /* One byte less is too little; nothing behind the head matters. */
        check(ph_http_head_parse(text, head.len - 1, false, &again) == PH_ERR_SHORT);
        check(ph_http_head_parse(text, head.len, false, &again) == PH_OK);
        check(again.len == head.len && again.status == head.status);
    }
    return 0;
}
