/* Answers to M-SEARCH: what is taken leads to an address that a request can go to. */
#include "base/err.h"
#include "wire/ssdp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_ssdp_response m;
    int err = ph_ssdp_parse((const char *)data, size, &m);

    check(err == PH_OK || err == PH_ERR_FORMAT);
    check(memchr(m.target, '\0', sizeof(m.target)) != NULL);
    if (err != PH_OK) {
        check(!m.igd && m.target[0] == '\0' && !ph_addr_is_set(&m.location.addr));
        return 0;
    }
    check(ph_addr_is_set(&m.location.addr) && m.location.addr.port != 0);
    check(m.location.path[0] == '/');
    check(strpbrk(m.location.path, " \r\n") == NULL && strpbrk(m.location.host, " \r\n/") == NULL);
    return 0;
}
