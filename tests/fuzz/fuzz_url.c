/* URLs of devices: what is taken can be written into a request line and a Host field, and reads the
 * same again. The input's first line is a base, its rest what is resolved against it. */
#include "base/err.h"
#include "wire/http_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static bool printable(const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);

    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return false;
    }
    return len > 0 && len < cap;
}

static void check_url(const struct ph_url *url)
{
    char text[PH_URL_HOST_MAX + PH_URL_PATH_MAX + 8];
    struct ph_url again;

    check(ph_addr_is_set(&url->addr) && url->addr.port != 0);
    check(printable(url->host, sizeof(url->host)) && printable(url->path, sizeof(url->path)));
    check(url->path[0] == '/' && strchr(url->path, '#') == NULL);
    snprintf(text, sizeof(text), " http://%s%s ", url->host, url->path);
    check(ph_url_parse(text, strlen(text), &again) == PH_OK);
    check(memcmp(url, &again, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *lf = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t first = lf != NULL ? (size_t)(lf - text) : size;
    struct ph_url base, url;

    if (ph_url_parse(text, first, &base) != PH_OK) {
        check(!ph_addr_is_set(&base.addr));
        return 0;
    }
    check_url(&base);
    if (lf == NULL)
        return 0;
    if (ph_url_resolve(&base, lf + 1, size - first - 1, &url) == PH_OK)
        check_url(&url);
    else
        check(!ph_addr_is_set(&url.addr));
    return 0;
}
