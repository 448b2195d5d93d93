#include "wire/framing.h"

#include "base/err.h"

#include <string.h>

int ph_framing_feed(uint8_t *buf, size_t cap, size_t *held, const uint8_t *data, size_t len,
                    ph_framing_take take, void *user)
{
    while (len > 0) {
        size_t n = len < cap - *held ? len : cap - *held;
        size_t at = 0;
        int took;
        memcpy(buf + *held, data, n);
        *held += n;
        data += n;
        len -= n;
        while ((took = take(user, buf + at, *held - at)) > 0)
            at += (size_t)took;
        if (took == PH_ERR_SHORT && at == 0 && *held == cap)
            took = PH_ERR_FORMAT; /* it would never be complete */
        if (took != PH_ERR_SHORT) {
            *held = 0;
            return took;
        }
        memmove(buf, buf + at, *held - at);
        *held -= at;
    }
    return PH_OK;
}
