/* The address parser, held against inet_pton: both take the same IPv4 and IPv6 texts, and what is
 * printed reads the same again. */
#include "base/addr.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_printed(const struct ph_addr *a)
{
    char text[PH_ADDR_STRLEN];
    uint8_t ip[16] = {0};
    struct ph_addr again;

    check(ph_addr_parse(ph_addr_format(a, text), &again) == PH_OK);
    check(ph_addr_eq(a, &again));
    check(memcmp(a, &again, sizeof(again)) == 0);
    check(inet_pton(a->family == PH_AF_V4 ? AF_INET : AF_INET6, ph_addr_format_ip(a, text), ip) ==
          1);
    check(memcmp(ip, a->ip, sizeof(ip)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[128];
    uint8_t ip[16] = {0};
    struct ph_addr a;
    bool taken;

    if (size >= sizeof(text) || memchr(data, '\0', size) != NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    taken = ph_addr_parse(text, &a) == PH_OK;
    check(taken == ph_addr_is_set(&a));
    if (taken)
        check_printed(&a);
    /* Without brackets and port the text is inet_pton's as it stands. */
    if (inet_pton(AF_INET, text, ip) == 1)
        check(taken && a.family == PH_AF_V4 && a.port == 0 && memcmp(ip, a.ip, 4) == 0);
    else if (inet_pton(AF_INET6, text, ip) == 1)
        check(taken && a.family == PH_AF_V6 && a.port == 0 && memcmp(ip, a.ip, 16) == 0);
    else if (taken)
        check(strchr(text, '.') != NULL || text[0] == '[');
    return 0;
}
