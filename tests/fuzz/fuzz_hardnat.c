/* The decoder of what peers tell each other of their NATs: what it takes, the encoder writes again,
 * and the second reading gives the same bytes as the first. */
#include "base/err.h"
#include "wire/hardnat.h"

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
    struct ph_hard_message m, again;
    uint8_t first[PH_HARD_MESSAGE_MAX], second[PH_HARD_MESSAGE_MAX];

    while (size > 0) {
        int taken = ph_hard_decode(data, size, &m);
        if (taken < 0) {
            check(taken == PH_ERR_SHORT || taken == PH_ERR_FORMAT);
            check(taken != PH_ERR_SHORT || size < PH_HARD_MESSAGE_MAX);
            check(m.type == 0);
            return 0;
        }
        check(taken >= 4 && (size_t)taken <= size && taken <= PH_HARD_MESSAGE_MAX);
        if (m.type == PH_HARD_NAT_PROBE)
            check(m.probe.port_count <= PH_HARD_SEQUENCE_MAX &&
                  memchr(m.probe.allocation, '\0', sizeof(m.probe.allocation)) != NULL);
        if (m.type == PH_HARD_NAT_BIRTHDAY_START)
            check(m.start.port_count <= PH_HARD_PORTS_MAX && m.start.phase <= PH_HARD_OVER);
        if (m.type != 0) {
            int len = ph_hard_encode(&m, first, sizeof(first));
            check(len > 0);
            check(ph_hard_decode(first, (size_t)len, &again) == len);
            check(ph_hard_encode(&again, second, sizeof(second)) == len);
            check(memcmp(first, second, (size_t)len) == 0);
        }
        data += taken;
        size -= (size_t)taken;
    }
    return 0;
}
