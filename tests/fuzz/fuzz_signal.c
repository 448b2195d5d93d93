/* The decoder of signalling: what it takes, the encoder writes again, and the second reading gives
 * the same bytes as the first. */
#include "base/err.h"
#include "wire/signal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_decoded(const struct ph_signal *m)
{
    check(m->candidate_count <= PH_SIGNAL_CANDIDATES_MAX && m->relay_count <= PH_SIGNAL_RELAYS_MAX);
    check(memchr(m->region, '\0', sizeof(m->region)) != NULL);
    check((unsigned)m->mode <= PH_ANSWER_REFUSE && (unsigned)m->reason <= PH_HANGUP_LOST);
    for (size_t i = 0; i < m->candidate_count; i++)
        check(ph_addr_is_set(&m->candidates[i].addr));
    for (size_t i = 0; i < m->relay_count; i++)
        check(ph_addr_is_set(&m->relays[i]) &&
              memchr(m->relay_regions[i], '\0', PH_SIGNAL_REGION_MAX) != NULL);
    check(ph_signal_name(m->type) != NULL);
}

static void check_again(const struct ph_signal *m)
{
    uint8_t first[PH_SIGNAL_MAX], second[PH_SIGNAL_MAX];
    struct ph_signal again;
    int len = ph_signal_encode(m, first, sizeof(first));

    check(len > 0);
    check(ph_signal_decode(first, (size_t)len, &again) == len);
    check(again.type == m->type && again.candidate_count == m->candidate_count);
    check(ph_signal_encode(&again, second, sizeof(second)) == len);
    check(memcmp(first, second, (size_t)len) == 0);
}

/* The input is a stream of messages, as it comes from a peer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ph_signal m;

    while (size > 0) {
        int taken = ph_signal_decode(data, size, &m);

        if (taken < 0) {
            check(taken == PH_ERR_SHORT || taken == PH_ERR_FORMAT);
            check(taken != PH_ERR_SHORT || size < PH_SIGNAL_MAX);
            check(m.type == 0);
            return 0;
        }
        check(taken >= 4 && (size_t)taken <= size && taken <= PH_SIGNAL_MAX);
        check_decoded(&m);
        if (m.type != 0)
            check_again(&m);
        data += taken;
        size -= (size_t)taken;
    }
    return 0;
}
