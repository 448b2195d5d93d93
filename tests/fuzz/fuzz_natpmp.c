/* The NAT-PMP parser: what it takes is a response, and its fields are those of the bytes. */
#include "base/err.h"
#include "wire/natpmp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static uint32_t u16_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t u32_at(const uint8_t *p)
{
    return u16_at(p) << 16 | u16_at(p + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_natpmp_response m;
    int err = ph_natpmp_parse(data, size, &m);

    check(ph_natpmp_result_text(m.result) != NULL);
    if (err != PH_OK) {
        check(err == PH_ERR_SHORT || err == PH_ERR_FORMAT);
        check(m.result == 0 && m.epoch_s == 0 && m.internal_port == 0 &&
              !ph_addr_is_set(&m.external));
        return 0;
    }
    check(size >= 8 && data[0] == 0 && data[1] == 128 + (unsigned)m.op);
    check(m.result == u16_at(data + 2) && m.epoch_s == u32_at(data + 4));
    if (m.op == PH_NATPMP_ADDRESS) {
        check(ph_addr_is_set(&m.external) == (m.result == 0));
        check(m.result != 0 || ph_addr_v4_get(&m.external) == u32_at(data + 8));
        check(m.internal_port == 0 && m.lifetime_s == 0);
    } else if (size >= 16) {
        check(m.internal_port == u16_at(data + 8) && m.external_port == u16_at(data + 10) &&
              m.lifetime_s == u32_at(data + 12));
    } else {
        check(m.result != 0 && m.internal_port == 0 && m.external_port == 0);
    }
    return 0;
}
