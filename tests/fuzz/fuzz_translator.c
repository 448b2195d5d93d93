/* The translator between IPv6 and IPv4: it stays inside its room, and what it has made of a frame
 * turns into one of the same length as before. */
#include "lab/net/translator.h"

#include <stdlib.h>
#include <string.h>

#define CAP 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct translator t = {
        .nat64 = {{.family = PH_AF_V6, .ip = {0x00, 0x64, 0xff, 0x9b}}, 96},
        .lan6 = {.family = PH_AF_V6, .ip = {0x20, 0x01, 0x0d, 0xb8, [7] = 1}},
        .net4 = {.family = PH_AF_V4, .ip = {100, 64, 5, 0}},
    };
    uint8_t *frame;
    size_t cap, len;

    if (size < 1 || size - 1 > CAP)
        return 0;
    /* Room for what was there and a little more, or for little less than is needed. */
    cap = size - 1 + data[0] % 24;
    frame = malloc(cap > 0 ? cap : 1);
    if (!frame)
        return 0;
    memcpy(frame, data + 1, size - 1);
    len = translator_frame(&t, frame, size - 1, cap);
    check(len <= cap);
    if (len > 0) {
        unsigned type = (unsigned)frame[12] << 8 | frame[13];

        check(type == 0x0800 || type == 0x86dd);
        check(len >= (type == 0x0800 ? 14u + 20u : 14u + 40u));
    }
    free(frame);
    return 0;
}
