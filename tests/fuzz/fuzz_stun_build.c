/* Whatever is built, in whatever order and into however small a buffer, is refused by the writer or
 * read back by the parser, and verifies with its key. */
#include "base/err.h"
#include "wire/stun.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct ph_writer *w, uint8_t op, const uint8_t *arg, size_t len)
{
    struct ph_addr a = {.family = op & 0x80 ? PH_AF_V6 : PH_AF_V4, .port = (uint16_t)(op * 257u)};
    memcpy(a.ip, arg,
           len < (a.family == PH_AF_V4 ? 4u : 16u) ? len : (a.family == PH_AF_V4 ? 4 : 16));
    switch (op % 8) {
    case 0:
        ph_stun_put_mapped(w, &a);
        break;
    case 1:
        ph_stun_put_other(w, &a);
        break;
    case 2:
        ph_stun_put_username(w, arg, len);
        break;
    case 3:
        ph_stun_put_priority(w, op * 0x01010101u);
        break;
    case 4:
        ph_stun_put_change_request(w, op & 6u);
        break;
    case 5:
        if (len == 2 && op != 0)
            ph_stun_put_response_port(w, op);
        else
            ph_stun_put_padding(w, len);
        break;
    case 6:
        ph_stun_put_origin(w, &a);
        break;
    default:
        ph_stun_put_use_candidate(w);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t tid[PH_STUN_TID_LEN] = "fuzz-builder";
    uint8_t out[512];
    if (size < 2)
        return 0;
    struct ph_writer w = ph_writer_init(out, (size_t)data[0] * 2);
    bool sealed = data[1] & 1;
    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    data += 2;
    size -= 2;
    while (size > 0) {
        size_t len = size - 1 < 24 ? size - 1 : 24;
        put(&w, data[0], data + 1, len);
        data += 1 + len;
        size -= 1 + len;
    }
    if (sealed)
        ph_stun_put_integrity(&w, "key", 3);
    int n = ph_stun_end(&w, true);
    if (n < 0)
        return 0;
    struct ph_stun msg;
    if (ph_stun_parse(out, (size_t)n, &msg) != PH_OK || !msg.fingerprint ||
        memcmp(msg.tid, tid, sizeof(tid)) != 0)
        abort();
    if (ph_stun_verify(out, (size_t)n, &msg, "key", 3) != sealed)
        abort();
    return 0;
}
