/* The decoder of what peers tell each other of their call's quality: what it takes, the encoder
 * writes again, and the second reading gives the same bytes as the first. */
#include "base/err.h"
#include "wire/quality.h"

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
    struct ph_quality_message m, again;
    uint8_t first[PH_QUALITY_MESSAGE_MAX], second[PH_QUALITY_MESSAGE_MAX];

    while (size > 0) {
        int taken = ph_quality_decode(data, size, &m);
        if (taken < 0) {
            check(taken == PH_ERR_SHORT || taken == PH_ERR_FORMAT);
            check(taken != PH_ERR_SHORT || size < PH_QUALITY_MESSAGE_MAX);
            check(m.type == 0);
            return 0;
        }
        check(taken >= 4 && (size_t)taken <= size && taken <= PH_QUALITY_MESSAGE_MAX);
        if (m.type != 0) {
            int len = ph_quality_encode(&m, first, sizeof(first));
            check(len > 0);
            check(ph_quality_decode(first, (size_t)len, &again) == len);
            check(ph_quality_encode(&again, second, sizeof(second)) == len);
            check(memcmp(first, second, (size_t)len) == 0);
        }
        data += taken;
        size -= (size_t)taken;
    }
    return 0;
}
