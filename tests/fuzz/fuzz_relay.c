/* Relay frames and notices: what is taken as one is written again byte for byte. */
#include "base/err.h"
#include "wire/relay.h"

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
    uint8_t header[PH_RELAY_FRAME_OVERHEAD];
    const uint8_t *payload;
    size_t payload_len;
    uint64_t tag;
    int err;

    if (ph_relay_notice_parse(data, size, &tag)) {
        check(ph_relay_frame_looks_like(data, size));
        ph_relay_notice_write(header, tag);
        check(memcmp(header, data, PH_RELAY_NOTICE_LEN) == 0);
    }
    err = ph_relay_frame_parse(data, size, &tag, &payload, &payload_len);
    if (err != PH_OK) {
        check(err == (size > 0 && data[0] != PH_RELAY_FRAME_FIRST ? PH_ERR_FORMAT : PH_ERR_SHORT));
        check(payload == NULL && payload_len == 0);
        return 0;
    }
    check(ph_relay_frame_looks_like(data, size));
    check(payload == data + PH_RELAY_FRAME_OVERHEAD);
    check(payload_len == size - PH_RELAY_FRAME_OVERHEAD);
    ph_relay_frame_header(header, tag);
    check(memcmp(header, data, sizeof(header)) == 0);
    return 0;
}
