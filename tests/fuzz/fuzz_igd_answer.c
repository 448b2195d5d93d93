/* Answers to SOAP requests: what is no answer gives nothing, and values come with their marks. */
#include "base/err.h"
#include "wire/igd.h"

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
    static const struct ph_igd_answer nothing;
    struct ph_igd_answer a;
    int err = ph_igd_parse_answer((const char *)data, size, &a);

    check(err == PH_OK || err == PH_ERR_FORMAT);
    check(ph_igd_error_text(a.error) != NULL);
    if (err != PH_OK) {
        check(memcmp(&a, &nothing, sizeof(a)) == 0);
        return 0;
    }
    check(a.error >= 0 && a.error <= 99999);
    check(a.external.port == 0);
    check(ph_addr_is_set(&a.internal) || a.internal.port == 0);
    check(a.has_status || !a.connected);
    check(a.has_lease || a.lease_s == 0);
    check(a.has_unique_id || a.unique_id == 0);
    return 0;
}
