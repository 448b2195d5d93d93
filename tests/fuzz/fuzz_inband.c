/* What decodes encodes to the same bytes again. */
#include "base/err.h"
#include "wire/inband.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_inband m;
    if (ph_inband_decode(data, size, &m) != 0 || m.kind == 0)
        return 0;
    static uint8_t out[65536];
    int n = ph_inband_encode(&m, 0, out, sizeof(out));
    if (n == PH_ERR_SPACE && size > sizeof(out))
        return 0;
    /* A frame of media that names no epoch, an older peer's, is written with it. */
    bool older = m.kind == PH_INBAND_MEDIA && size < PH_INBAND_MEDIA_HEADER_LEN;
    if (n < PH_INBAND_HEADER_LEN || ((size_t)n > size && !older) ||
        memcmp(out, data, PH_INBAND_HEADER_LEN) != 0)
        abort();
    struct ph_inband again;
    if (ph_inband_decode(out, (size_t)n, &again) != 0 || again.kind != m.kind ||
        again.number != m.number || again.sent_us != m.sent_us || again.epoch != m.epoch ||
        !ph_addr_eq(&again.seen, &m.seen) || again.body_len != m.body_len ||
        (m.body_len > 0 && memcmp(again.body, m.body, m.body_len) != 0))
        abort();
    return 0;
}
