/* The decoder of what peers tell each other of their NATs: what it takes, the encoder writes again,
 * and the second reading gives the same bytes as the first; and the reader of the text in it. */
#include "base/err.h"
#include "nat/allocation.h"
#include "wire/hardnat.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

/* What is read of an allocation is written so that it is read the same. A range is written as its
 * size. */
static void check_allocation(const char *text)
{
    struct ph_allocation a = {0}, again = {0};
    char written[PH_ALLOCATION_TEXT];

    if (!ph_nat_allocation_parse(text, &a))
        return;
    check(a.low <= a.high);
    if (a.type == PH_ALLOCATION_SEQUENTIAL && a.step == 0)
        return; /* its step is not said */
    check(ph_nat_allocation_parse(ph_nat_allocation_text(&a, written), &again));
    check(again.type == a.type && again.step == a.step);
    check(a.type != PH_ALLOCATION_BLOCK || again.high - again.low == a.high - a.low);
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
        if (m.type == PH_HARD_NAT_PROBE) {
            check(m.probe.port_count <= PH_HARD_SEQUENCE_MAX &&
                  memchr(m.probe.allocation, '\0', sizeof(m.probe.allocation)) != NULL);
            check_allocation(m.probe.allocation);
        }
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
